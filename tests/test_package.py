"""The public names: what a type checker sees is what a program gets."""

import ast
import pathlib

import pytest
from conftest import run_python, tiny_model
from grid import grid

import keras_seq2seq

LOADS = """
import sys
{first}
assert {light} == ("keras" not in sys.modules)
import keras
model = keras.saving.load_model(sys.argv[1])
print(type(model.loss).__name__, type(model.optimizer._learning_rate).__name__)
"""


def test_type_checkers_see_every_public_name_at_its_home():
    tree = ast.parse(pathlib.Path(keras_seq2seq.__file__).read_text("utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    seen = {alias.asname: node.module for node in block.body for alias in node.names}
    assert seen == keras_seq2seq._HOME


@pytest.mark.long
def test_every_module_with_saved_classes_is_imported_with_keras():
    package = pathlib.Path(keras_seq2seq.__file__).parent
    paths = [p for p in package.rglob("*.py") if "@keras.saving.register" in p.read_text("utf-8")]
    names = {
        ".".join(("keras_seq2seq", *p.relative_to(package).with_suffix("").parts)) for p in paths
    }
    assert "keras_seq2seq.training.schedules" in names
    code = "import keras_seq2seq, keras, sys; print(*sys.modules)"
    assert names <= set(run_python(code).stdout.split())


@pytest.mark.parametrize(
    ("first", "light"),
    grid(
        [
            ("import keras_seq2seq", True),
            ("import keras, keras_seq2seq", False),
            ("from keras_seq2seq import MaskedCrossentropy", False),
        ],
        [("import keras_seq2seq", True)],
    ),
)
def test_keras_loads_what_it_saved_in_a_new_process(tmp_path, first, light):
    import keras

    from keras_seq2seq.training.schedules import InverseSquareRoot

    model = tiny_model()
    model.compile(keras.optimizers.Adam(InverseSquareRoot(1e-3, 10)))
    model.optimizer.build(model.trainable_variables)  # as a first step does
    model.save(tmp_path / "model.keras")
    process = run_python(LOADS.format(first=first, light=light), tmp_path / "model.keras")
    assert process.stdout.split()[-2:] == ["MaskedCrossentropy", "InverseSquareRoot"]
