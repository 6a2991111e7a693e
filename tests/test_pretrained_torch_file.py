"""Files of PyTorch are read without torch and without a call; what else they hold is refused."""

import collections
import io
import os
import pickle
import pickletools
import struct
import zipfile

import numpy as np
import pytest

from keras_seq2seq.pretrained.torch_file import read_torch_file

MAGIC, PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
KINDS = {"f4": "FloatStorage", "f2": "HalfStorage", "f8": "DoubleStorage", "i8": "LongStorage"}


class Storage:
    """A storage of torch as a pickle refers to it."""

    def __init__(self, values, key):
        self.values, self.key = values, key


class Named:
    """Pickles as the global of a module that need not be there."""

    def __init__(self, name):
        self.name = name


class Call:
    """Pickles as a call of a global."""

    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments


class Pickler(pickle._Pickler):
    """Writes what torch would, without it: in Python, so that globals need not exist."""

    def save(self, value, save_persistent_id=True):
        if isinstance(value, Named):
            module, name = value.name.rsplit(".", 1)
            self.write(pickle.GLOBAL + f"{module}\n{name}\n".encode())
        elif isinstance(value, Call):
            self.save(Named(value.function))
            self.save(value.arguments)
            self.write(pickle.REDUCE)
        else:
            super().save(value, save_persistent_id)

    def persistent_id(self, value):
        if not isinstance(value, Storage):
            return None
        kind = Named(f"torch.{KINDS[value.values.dtype.str[1:]]}")
        return ("storage", kind, value.key, "cpu", value.values.size)


def pickled(value):
    written = io.BytesIO()
    Pickler(written, 2).dump(value)
    return written.getvalue()


def tensor(storage, offset, shape, strides):
    return Call(
        "torch._utils._rebuild_tensor_v2",
        *(storage, offset, shape, strides, False, collections.OrderedDict()),
    )


NUMBERS = {
    "0": np.arange(12, dtype="<f4"),
    "1": np.array([0.5, -2, 7], "<f2"),
    "2": np.array([3, 4], "<i8"),
}
STORAGES = {key: Storage(values, key) for key, values in NUMBERS.items()}
STATE = {
    "whole": tensor(STORAGES["0"], 0, (3, 4), (4, 1)),
    "turned": tensor(STORAGES["0"], 0, (4, 3), (1, 4)),
    "part": tensor(STORAGES["0"], 5, (2,), (3,)),
    "half": Call("torch._utils._rebuild_parameter", tensor(STORAGES["1"], 0, (3,), (1,)), True),
    "number": tensor(STORAGES["2"], 1, (), ()),
}
EXPECTED = {
    "whole": NUMBERS["0"].reshape(3, 4),
    "turned": NUMBERS["0"].reshape(3, 4).T,
    "part": NUMBERS["0"][[5, 8]],
    "half": NUMBERS["1"],
    "number": NUMBERS["2"][1],
}


def write_zip(path, state=STATE, numbers=NUMBERS, compression=zipfile.ZIP_STORED, **members):
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("model/data.pkl", state if isinstance(state, bytes) else pickled(state))
        for key, values in numbers.items():
            archive.writestr(f"model/data/{key}", values.tobytes())
        for name, content in members.items():
            archive.writestr(f"model/{name}", content)


def write_legacy(path, state=STATE):
    system = {"protocol_version": PROTOCOL, "little_endian": True, "type_sizes": {}}
    with path.open("wb") as file:
        for value in (MAGIC, PROTOCOL, system, state, list(NUMBERS)):
            file.write(pickled(value))
        for values in NUMBERS.values():
            file.write(struct.pack("<q", values.size) + values.tobytes())


WRITERS = {"zip": write_zip, "legacy": write_legacy}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "pytorch_model.bin"


@pytest.mark.parametrize("form", WRITERS)
def test_tensors_are_views_of_storages(path, form):
    WRITERS[form](path)
    found = read_torch_file(path)
    assert list(found) == list(EXPECTED)
    for name, expected in EXPECTED.items():
        assert found[name].dtype == expected.dtype
        np.testing.assert_array_equal(found[name], expected)


EVIL = {
    "system": Call("posix.system", "touch owned"),
    "eval": Call("builtins.eval", "__import__('os').system('touch owned')"),
    "getattr": Call("builtins.getattr", Named("os.path"), "join"),
    "import": Call("importlib.import_module", "os"),
    "load": Call("torch.load", "x"),
    "numpy": Call("numpy.core.multiarray._reconstruct", 1),
    "storage": Call("torch._utils._rebuild_tensor_v2", "x", 0, (1,), (1,)),
    "this module": Call("keras_seq2seq.pretrained.torch_file.zipfile.ZipFile", "x"),
}


@pytest.mark.parametrize("form", WRITERS)
@pytest.mark.parametrize("name", EVIL)
def test_a_pickle_calls_nothing(path, form, name, monkeypatch):
    monkeypatch.chdir(path.parent)
    WRITERS[form](path, {"weight": EVIL[name]})
    with pytest.raises(ValueError, match="cannot be read as the weights of a PyTorch model: "):
        read_torch_file(path)
    assert os.listdir(path.parent) == [path.name]


def test_a_forbidden_name_is_told(path):
    write_zip(path, {"weight": EVIL["system"]})
    with pytest.raises(ValueError, match=r"it asks for posix\.system, which no state dict needs"):
        read_torch_file(path)


@pytest.mark.parametrize(
    ("shape", "strides", "offset"),
    [
        ((3, 5), (4, 1), 0),
        ((3, 4), (4, 1), 1),
        ((10**9,), (0,), 0),
        ((2**40, 2**40), (0, 0), 0),
        ((3,), (-1,), 2),
        ((3,), (1, 1), 0),
        ((2.0,), (1,), 0),
        ((1,), (1,), -4),
    ],
)
def test_a_tensor_lies_within_its_storage(path, shape, strides, offset):
    write_zip(path, {"weight": tensor(STORAGES["0"], offset, shape, strides)})
    with pytest.raises(ValueError, match="a tensor (of|has) "):
        read_torch_file(path)


@pytest.mark.parametrize("form", WRITERS)
def test_a_cut_file_is_refused_wherever_it_is_cut(path, form):
    WRITERS[form](path)
    content = path.read_bytes()
    for size in range(0, len(content), 37):
        path.write_bytes(content[:size])
        with pytest.raises(ValueError, match=f"{path.name} cannot be read"):
            read_torch_file(path)


def test_a_storage_of_another_size_is_refused(path):
    write_zip(path, numbers={**NUMBERS, "0": NUMBERS["0"][:-1]})
    with pytest.raises(ValueError, match="storage 0 has 44 bytes"):
        read_torch_file(path)


def test_what_torch_never_writes_is_refused(path):
    write_zip(path, compression=zipfile.ZIP_DEFLATED)
    with pytest.raises(ValueError, match="a member is compressed"):
        read_torch_file(path)
    write_zip(path, byteorder=b"big")
    with pytest.raises(ValueError, match="not little endian"):
        read_torch_file(path)
    write_zip(path, [1, 2])
    with pytest.raises(ValueError, match="something else than a dict of tensors"):
        read_torch_file(path)


def test_a_storage_may_have_no_hidden_state(path):
    # BUILD sets attributes of whatever lies on the stack: the functions that stand for torch's.
    state = pickled({"weight": STATE["whole"]})
    assert any(opcode.name == "REDUCE" for opcode, *_ in pickletools.genops(state))
    at = state.index(b"ctorch._utils\n_rebuild_tensor_v2\n")
    end = at + len(b"ctorch._utils\n_rebuild_tensor_v2\n")
    build = b"N}X\x0c\x00\x00\x00__defaults__)s\x86b"
    write_zip(path, state[:end] + build + state[end:])
    with pytest.raises(ValueError, match="cannot be read"):
        read_torch_file(path)
    write_zip(path)
    assert list(read_torch_file(path)) == list(EXPECTED)
