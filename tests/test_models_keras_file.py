"""Damaged and hostile .keras files: a clear error that names them, before anything is built."""

import io
import json
import random
import re
import zipfile

import h5py
import numpy as np
import pytest

import keras_seq2seq
from keras_seq2seq.models.keras_file import check_keras_file


@pytest.fixture(scope="module")
def content(translating_model, tmp_path_factory):
    """The bytes of a model that was compiled, with its optimizer."""
    path = tmp_path_factory.mktemp("keras") / "model.keras"
    translating_model.save(path)
    return path.read_bytes()


@pytest.fixture
def refused(tmp_path):
    """Writes bytes and returns the error that `load_model` raises for them."""

    def error(given):
        path = tmp_path / "bad.keras"
        path.write_bytes(given)
        with pytest.raises(ValueError, match=r"bad\.keras") as caught:
            keras_seq2seq.load_model(path)
        return str(caught.value)

    return error


def edited(content, **members):
    """Returns an archive with other members, signed again; None leaves one out."""
    output = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(output, "w") as new:
        for name in old.namelist():
            given = members.get(name.split("/")[-1].split(".")[0], old.read(name))
            if given is not None:
                new.writestr(name, given(old.read(name)) if callable(given) else given)
    return output.getvalue()


def configured(**values):
    def change(config):
        config = json.loads(config)
        config["config"]["config"].update(values)
        return json.dumps(config)

    return change


def test_a_flipped_bit_is_an_error_that_names_the_file_or_changes_nothing(content, tmp_path):
    draw, path = random.Random(4), tmp_path / "bad.keras"
    errors = []
    for _ in range(40):
        damaged = bytearray(content)
        damaged[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
        path.write_bytes(damaged)
        try:
            check_keras_file(path)
        except ValueError as error:
            errors.append(str(error))
    assert len(errors) > 30 and all("bad.keras" in error for error in errors)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.999])
def test_a_file_that_is_cut_off_is_refused(content, refused, share):
    assert "complete archive" in refused(content[: int(share * len(content))])


def grown(content):
    """Weights of 40 GB by name that are written nowhere."""
    file = io.BytesIO(content)
    with h5py.File(file, "a") as weights:
        name = "layers/functional/layers/embedding/vars/7"
        weights.create_dataset(name, (10**10,), "float32", chunks=(10**6,))
    return file.getvalue()


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"model": grown}, "of 40000000000 bytes is not stored"),
        ({"config": configured(units=16_384)}, "describes at least .* parameters, but the file"),
        ({"config": configured(source_vocabulary_size=10**6)}, "describes at least 8,000,336"),
        ({"config": configured(num_encoder_layers=64, units=512)}, "describes at least"),
        ({"config": configured(units=10**9)}, "`units`"),
        ({"config": configured(units=4)}, "cannot be loaded|describes"),
        ({"config": configured(cell="lstm")}, "cannot be loaded as a Keras model"),
        ({"config": "[" * 100_000}, "config.json is not"),
        ({"config": b"\xff\xfe"}, "config.json is not JSON"),
        ({"config": None}, "config.json is missing"),
        ({"model": b"no HDF5"}, "model.weights.h5 is damaged"),
        ({"model": None}, "model.weights.h5 is missing"),
        ({"source_tokenizer": b"no tokenizer"}, "SentencePiece"),
        ({"source_tokenizer": None}, "either tokenizer.model or"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_whole_but_false_is_refused(content, refused, members, message):
    assert re.search(message, refused(edited(content, **members)))


def test_a_layer_of_somebody_that_asks_for_much_is_refused(tmp_path):
    """A Dense layer of 10**9 units: 100 bytes of configuration, 12 GB of weights."""
    dense = {"module": "keras.layers", "class_name": "Dense", "config": {"units": 10**9}}
    weights = io.BytesIO()
    with h5py.File(weights, "w") as file:
        file.create_dataset("vars/0", data=np.ones(3, "float32"))
    path = tmp_path / "bad.keras"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("metadata.json", "{}")
        file.writestr("config.json", json.dumps({"class_name": "M", "config": {"layers": [dense]}}))
        file.writestr("model.weights.h5", weights.getvalue())
    with pytest.raises(ValueError, match="units 1,000,000,000, but the file holds no weight"):
        keras_seq2seq.load_model(path)


def test_a_missing_file_is_told_as_that(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.keras does not exist"):
        keras_seq2seq.load_model(tmp_path / "none.keras")


def test_the_unchanged_file_translates_as_before(content, translating_model, tmp_path):
    (tmp_path / "same.keras").write_bytes(edited(content))
    model = keras_seq2seq.load_model(tmp_path / "same.keras")
    assert model.translate("the dog") == translating_model.translate("the dog")
