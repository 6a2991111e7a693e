import ast
import importlib
import pathlib

import pytest
from conftest import run_python

import keras_seq2seq

PACKAGE = pathlib.Path(keras_seq2seq.__file__).parent
BOTTOM = {"presets", "config", "text", "whole_file", "tokenizer_training", "tokenizer", "shortlist"}
# What each module or package may import of the library; `root` is keras_seq2seq/__init__.py.
ALLOWED = {
    "root": set(),
    "presets": set(),
    "config": {"presets"},
    "text": set(),
    "evaluation": set(),
    "tokenizer_training": {"config", "text"},
    "whole_file": set(),
    "tokenizer": {"config", "text", "whole_file", "tokenizer_training"},
    "tokenizer_layer": {"config", "tokenizer"},
    "shortlist": {"config", "tokenizer", "whole_file"},
    "phrasebook": set(),
    "sentences": set(),
    "attention_map": {"whole_file"},
    "progress": set(),
    "manifest": set(),
    "read_ahead": set(),
    "translation": {*BOTTOM, "decoding"},
    "models": BOTTOM,
    "decoding": {*BOTTOM, "models"},
    "runtimes": {*BOTTOM, "models", "decoding"},
    "translator": {*BOTTOM, "models", "decoding", "runtimes", "translation", "progress"},
    "search_options": {*BOTTOM, "decoding", "translation", "translator", "root"},
    "bundle": {*BOTTOM, "models", "decoding", "runtimes", "translator", "manifest"},
    "export_command": {*BOTTOM, "models", "decoding", "bundle", "evaluation", "search_options"}
    | {"exporters"},
    "inspection": {*BOTTOM, "models", "decoding", "runtimes", "translator", "bundle"},
    "exporters": {*BOTTOM, "models", "decoding", "runtimes", "translation", "translator", "bundle"}
    | {"tokenizer_layer", "evaluation", "inspection", "manifest", "progress", "root"},
    "training": {*BOTTOM, "models", "decoding", "runtimes", "translator", "phrasebook"}
    | {"attention_map", "evaluation"},
}
# The one way up, and only inside a function: the convenience Seq2Seq.translate.
WAY_UP = ("models.seq2seq", "translator")
TENSORFLOW_AT_THE_TOP = {"tokenizer_layer"}
TENSORFLOW_INSIDE = {
    *("training.batches", "runtimes.keras_model", "runtimes.saved_model_folder"),
    *("inspection.saved_model_folder", "inspection.serving_operators"),
    "inspection.litert_model",  # only where ai-edge-litert, which has the schema too, is missing
}
NEEDS_KERAS = {
    *("models", "decoding.graph", "decoding.graph_beam", "decoding.graph_loop"),
    "decoding.graph_rules",
    "decoding.graph_translation",
    *("runtimes.keras_model", "exporters", "training"),
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
    """Yields every import statement but those that only a type checker reads."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node
        elif not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"):
            yield from anywhere(node)


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


def package(name):
    return name.split(".")[0]


def test_every_module_has_a_place_in_the_order():
    assert {package(name) for name in MODULES} - set(ALLOWED) == {"cli"}


def test_imports_flow_one_way():
    for name, other in edges():
        low, high = package(name), package(other)
        if low != high and low != "cli" and (name, other) != WAY_UP and other != "root":
            assert high in ALLOWED[low], f"{name} imports {other}"


def test_the_way_up_is_inside_a_function():
    assert WAY_UP in set(edges())
    assert WAY_UP not in set(edges(at_the_top))


def test_of_the_root_only_the_version_is_imported():
    for name, tree in MODULES.items():
        for node in anywhere(tree):
            if "keras_seq2seq" in imported(node) and name not in ("cli", "search_options"):
                assert [alias.name for alias in node.names] == ["__version__"], name


def test_there_is_no_cycle():
    graph = {name: set() for name in MODULES}
    for name, other in edges():
        if (name, other) != WAY_UP and name != other and other != "root":
            graph[name].add(other)
    while leaves := {name for name, others in graph.items() if not others}:
        graph = {name: others - leaves for name, others in graph.items() if name not in leaves}
    assert not graph


def test_nothing_imports_the_folders_at_the_top():
    assert outside(anywhere, "training", "export", "benchmarks", "tests", "conftest") == set()


def test_tensorflow_is_imported_in_few_places():
    exporters = {name for name in MODULES if package(name) == "exporters"}
    names = "tensorflow", "tensorflow_text", "tf2onnx"
    assert outside(at_the_top, *names) <= TENSORFLOW_AT_THE_TOP | exporters
    assert outside(anywhere, *names) <= TENSORFLOW_AT_THE_TOP | TENSORFLOW_INSIDE | exporters


def test_sentencepiece_is_imported_by_the_tokenizer_only():
    assert outside(anywhere, "sentencepiece") == {"tokenizer", "tokenizer_training"}


def test_keras_is_not_needed_to_run_a_bundle():
    found = outside(at_the_top, "keras")
    assert {name for name in found if not {name, package(name)} & NEEDS_KERAS} == set()


def test_optional_packages_are_imported_where_they_are_used():
    optional = (
        *("sacrebleu", "jiwer", "sentencex", "matplotlib", "rich"),
        *("onnx", "onnxruntime", "tf2onnx", "ai_edge_litert", "h5py"),
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
        ("keras,tensorflow,jax", ["keras_seq2seq.runtimes.litert"]),
        ("keras,tensorflow,jax,rich", ["keras_seq2seq.inspection.bundle_folder"]),
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


@pytest.mark.parametrize("name", sorted(set(MODULES) - {"root"}))
def test_every_module_says_what_it_is_for(name):
    assert ast.get_docstring(MODULES[name])
    assert importlib.import_module(f"keras_seq2seq.{name}")


def test_the_package_tells_that_it_is_typed():
    assert (PACKAGE / "py.typed").is_file()
