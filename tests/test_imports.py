import ast
import importlib
import pathlib

import pytest
from conftest import ROOT, run_python

import keras_seq2seq

PACKAGE = pathlib.Path(keras_seq2seq.__file__).parent
CONTRIBUTING = ROOT / "CONTRIBUTING.md"
# From the ground up: a room imports itself and those before it, and nothing else.
ROOMS = (
    *("version", "installed", "whole_file", "progress", "formats", "file_formats"),
    *(
        "text",
        "evaluation",
        "pictures",
        "attention_map",
        "phrasebook",
        "models",
        "decoding",
        "runtimes",
    ),
    *("translation", "translator", "seq2seq", "bundles", "verification", "exporters"),
    *("training", "pretrained", "inspection", "bulk", "serving", "cli", "root"),
)
TENSORFLOW_AT_THE_TOP = {"text.graph_tokenizer"}
TENSORFLOW_INSIDE = {
    *("training.batches", "runtimes.keras", "runtimes.saved_model"),
    *("inspection.saved_model_folder", "inspection.serving_operators"),
    "file_formats.litert_schema",  # only where ai-edge-litert, which has it too, is missing
}
# What may need Keras to be imported; a bundle is opened and run without any of it.
NEEDS_KERAS = {
    *("models", "decoding.graph", "runtimes.keras", "seq2seq", "exporters", "training"),
    "pretrained.weights",
}


def modules():
    """Returns the tree of each module by its name below keras_seq2seq."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        name = ".".join(part for part in parts if part != "__init__") or "root"
        found[name] = ast.parse(path.read_text("utf-8"))
    return found


MODULES = modules()


def imported(node):
    """Returns the full names that an import statement names, those of modules where it can."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    assert node.level == 0, "imports are absolute"
    full = [f"{node.module}.{alias.name}" for alias in node.names]
    return [n if n.removeprefix("keras_seq2seq.") in MODULES else node.module for n in full]


def at_the_top(tree):
    """Yields the import statements that run when the module is imported."""
    for node in tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node
        elif isinstance(node, ast.Try):
            yield from (n for n in node.body if isinstance(n, ast.Import | ast.ImportFrom))


def anywhere(tree):
    """Yields every import statement, those inside functions and under TYPE_CHECKING too."""
    return (n for n in ast.walk(tree) if isinstance(n, ast.Import | ast.ImportFrom))


def edges(statements=anywhere):
    """Yields (module, imported module) within the library."""
    for name, tree in MODULES.items():
        for node in statements(tree):
            for full in imported(node):
                below = full.removeprefix("keras_seq2seq").removeprefix(".") or "root"
                if full.split(".")[0] == "keras_seq2seq" and below in MODULES:
                    yield name, below


def outside(statements, *names):
    """Returns the modules that import one of these distributions."""
    return {
        name
        for name, tree in MODULES.items()
        for node in statements(tree)
        if {full.split(".")[0] for full in imported(node)} & set(names)
    }


def room(name):
    return name.split(".")[0]


def test_every_module_is_in_a_room():
    assert {room(name) for name in MODULES} == set(ROOMS)


def test_a_room_imports_itself_and_those_below_it():
    for name, other in edges():
        assert ROOMS.index(room(other)) <= ROOMS.index(room(name)), f"{name} imports {other}"


def test_contributing_lists_the_rooms_in_their_order():
    lines = CONTRIBUTING.read_text("utf-8").splitlines()
    rows = [line.split("|")[1].strip() for line in lines if line.startswith("| `")]
    listed = [name.strip(" `/").removesuffix(".py") for row in rows for name in row.split(",")]
    assert listed == [name for name in ROOMS if name != "root"] + ["__init__"]


def test_no_import_goes_in_a_circle():
    graph = {name: set() for name in MODULES}
    for name, other in edges():
        graph[name].add(other)
    while leaves := {name for name, others in graph.items() if not others - {name}}:
        graph = {name: others - leaves for name, others in graph.items() if name not in leaves}
    assert not graph


def test_the_top_holds_few_files():
    assert len(list(PACKAGE.glob("*.py"))) <= 11


def code_lines(function, lines):
    """Returns the number of lines of a function without docstring, comments and blank lines."""
    documented = ast.get_docstring(function) is not None
    first = function.body[0]
    doc = range(first.lineno, first.end_lineno + 1) if documented else ()
    return sum(
        bool(text := lines[number - 1].strip()) and not text.startswith("#") and number not in doc
        for number in range(function.lineno, function.end_lineno + 1)
    )


def test_files_and_functions_hold_one_subject():
    for path in PACKAGE.rglob("*.py"):
        lines = path.read_text("utf-8").splitlines()
        assert len(lines) < 400, path
        for node in ast.walk(ast.parse("\n".join(lines))):
            if isinstance(node, ast.FunctionDef):
                assert code_lines(node, lines) <= 50, f"{path}: {node.name}"


def test_nothing_imports_the_folders_at_the_top():
    assert outside(anywhere, "training", "export", "benchmarks", "tests", "conftest") == set()


def test_tensorflow_is_imported_in_few_places():
    exporters = {name for name in MODULES if room(name) == "exporters"}
    names = "tensorflow", "tensorflow_text", "tf2onnx"
    assert outside(at_the_top, *names) <= TENSORFLOW_AT_THE_TOP | exporters
    assert outside(anywhere, *names) <= TENSORFLOW_AT_THE_TOP | TENSORFLOW_INSIDE | exporters


def test_sentencepiece_is_imported_by_the_tokenizer_only():
    assert outside(anywhere, "sentencepiece") == {"text.tokenizer", "text.tokenizer_training"}


def prefixes(name):
    parts = name.split(".")
    return (".".join(parts[:count]) for count in range(1, len(parts) + 1))


def test_keras_is_not_needed_to_run_a_bundle():
    found = outside(at_the_top, "keras")
    assert {name for name in found if not set(prefixes(name)) & NEEDS_KERAS} == set()


def test_optional_packages_are_imported_where_they_are_used():
    optional = (
        *("sacrebleu", "jiwer", "sentencex", "matplotlib", "rich", "pyarrow"),
        *("onnx", "onnxruntime", "tf2onnx", "ai_edge_litert", "h5py"),
        *("fastapi", "starlette", "uvicorn", "prometheus_client"),
        *("pandas", "pyspark", "ray"),
        *("yaml", "huggingface_hub"),
    )
    assert outside(at_the_top, *optional) == set()


def test_an_export_needs_no_package_of_the_server():
    assert outside(anywhere, "tensorflow_serving", "grpc") == set()


CHECK = """
import sys
for name in sys.argv[2:]:
    __import__(name)
loaded = {name.split(".")[0] for name in sys.modules}
assert not loaded & set(sys.argv[1].split(",")), loaded & set(sys.argv[1].split(","))
"""


@pytest.mark.parametrize(
    ("never", "names"),
    [
        ("keras,tensorflow,jax,sentencepiece,numpy", ["keras_seq2seq"]),
        ("keras,tensorflow,jax", ["keras_seq2seq.cli.main", "keras_seq2seq.training.recipe"]),
        ("keras,tensorflow,jax", ["keras_seq2seq.bundles.bundle", "keras_seq2seq.phrasebook"]),
        ("keras,tensorflow,jax,sentencex,numpy", ["keras_seq2seq.text.sentences"]),
        ("keras,tensorflow,jax", ["keras_seq2seq.runtimes.litert", "keras_seq2seq.runtimes.onnx"]),
        ("keras,tensorflow,jax,rich", ["keras_seq2seq.inspection.bundle_folder"]),
        ("keras,tensorflow,jax", ["keras_seq2seq.decoding.strategies"]),
        ("keras,tensorflow,jax,pyarrow", ["keras_seq2seq.training.prepare"]),
        ("keras,tensorflow,jax,fastapi", ["keras_seq2seq.serving.translation_queue"]),
        ("keras,tensorflow,jax,pandas,pyarrow,pyspark,ray", ["keras_seq2seq.bulk"]),
    ],
)
def test_a_light_import_stays_light(never, names):
    run_python(CHECK, never, *names)


@pytest.mark.parametrize("name", keras_seq2seq.__all__)
def test_every_public_name_resolves(name):
    assert getattr(keras_seq2seq, name) is not None
    assert name in dir(keras_seq2seq)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'keras_seq2seq' has no attribute 'Seq3Seq'"):
        keras_seq2seq.Seq3Seq  # noqa: B018


@pytest.mark.parametrize("name", sorted(set(MODULES) - {"root", "cli.__main__"}))
def test_every_module_says_what_it_is_for(name):
    assert ast.get_docstring(MODULES[name])
    assert importlib.import_module(f"keras_seq2seq.{name}")


def test_the_package_tells_that_it_is_typed():
    assert (PACKAGE / "py.typed").is_file()
