"""Names what in a Keras configuration holds code, imports modules or reads other files."""

from collections.abc import Iterator
from typing import Any

from keras_seq2seq.file_formats.keras_archive import described_objects
from keras_seq2seq.inspection.findings import Problem

OURS = ("keras", "keras_seq2seq")
# Keras' own classes that run what a file brings or points to.
RISKY = {
    "Lambda": "holds Python code, which Keras does not load in safe mode",
    "__lambda__": "holds Python code, which Keras does not load in safe mode",
    "TFSMLayer": "runs a SavedModel, which is a program, from a path outside the file",
    "TorchModuleWrapper": "unpickles a module, which can run any code",
    "JaxLayer": "calls functions that the file names",
    "FlaxLayer": "calls functions that the file names",
}
# They read the file that `vocabulary` names when a model is loaded.
LOOKUPS = ("StringLookup", "IntegerLookup", "IndexLookup", "TextVectorization")
# Modules of Keras whose functions compute and do nothing else.
PURE = ("activations", "initializers", "losses", "metrics", "ops", "regularizers", "constraints")
TRUST = "Replace it with a registered layer or keras.ops; do not load code you do not trust."


def risks(config: Any) -> list[Problem]:
    """Returns a problem for each thing in a configuration that can do more than compute.

    Args:
        config: Content of `config.json`, of any shape.
    """
    found = {}
    for value in described_objects(config):
        for name, message, remedy in _risks_of(value):
            found[message] = Problem(name, message, remedy)
    return [found[message] for message in sorted(found)]


def _risks_of(value: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    name, module, inner = value["class_name"], value.get("module"), value.get("config")
    module = module if isinstance(module, str) else ""
    package, *rest = module.split(".")
    if name in RISKY:
        yield name, f"{name} {RISKY[name]}.", TRUST
    if name == "function" and not (package in OURS and set(rest) & set(PURE)):
        called = f"{module or 'builtins'}.{inner if isinstance(inner, str) else '?'}"
        yield "function", f"The configuration calls the function {called}.", TRUST
    elif module and package not in (*OURS, "builtins"):
        yield (
            name,
            f"Loading imports the module {module!r} for {name}.",
            "Load the file only if you trust that module, wherever it is found on your machine.",
        )
    if name in LOOKUPS and isinstance(inner, dict) and isinstance(inner.get("vocabulary"), str):
        yield (
            name,
            f"{name} reads its vocabulary from {inner['vocabulary']!r}, outside the file.",
            "Save the vocabulary inside the model; do not load paths you do not trust.",
        )
