import json
import struct

import numpy as np
import pytest

from keras_seq2seq.pretrained.safetensors_file import read_safetensors

ARRAYS = {
    "F32": np.arange(6, dtype="<f4").reshape(2, 3),
    "F16": np.array([0.5, -2], "<f2"),
    "F64": np.array(3.5, "<f8"),
    "I64": np.zeros((0, 4), "<i8"),
    "BOOL": np.array([True, False]),
}


DATA = b"".join(array.tobytes() for array in ARRAYS.values())


def header_of(arrays):
    header, at = {"__metadata__": {"format": "pt"}}, 0
    for kind, array in arrays.items():
        offsets = [at, at + array.nbytes]
        header[f"of {kind}"] = {"dtype": kind, "shape": list(array.shape), "data_offsets": offsets}
        at += array.nbytes
    return header


def write(path, header, data=DATA):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"


def test_tensors_come_by_name(path):
    write(path, header_of(ARRAYS))
    found = read_safetensors(path)
    assert list(found) == [f"of {kind}" for kind in ARRAYS]
    for kind, array in ARRAYS.items():
        assert found[f"of {kind}"].dtype == array.dtype
        np.testing.assert_array_equal(found[f"of {kind}"], array)


def test_bfloat16_becomes_float32(path):
    values = np.array([1.0, -2.5, 0.15625], "<f4")  # exact in bfloat16
    bits = (values.view("<u4") >> 16).astype("<u2")
    write(path, header_of({"BF16": bits}), bits.tobytes())
    np.testing.assert_array_equal(read_safetensors(path)["of BF16"], values)


def test_a_cut_file_is_refused_wherever_it_is_cut(path):
    write(path, header_of(ARRAYS))
    content = path.read_bytes()
    for size in range(len(content)):
        path.write_bytes(content[:size])
        with pytest.raises(ValueError, match="cannot be read as safetensors.*again"):
            read_safetensors(path)


def changed(**values):
    header = header_of(ARRAYS)
    header["of F32"] |= values
    return header


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (changed(dtype="F8_E4M3"), "of the type 'F8_E4M3'"),
        (changed(shape=[2, 4]), r"of shape \(2, 4\) lies from byte 0 to 24"),
        (changed(shape=[-2, -3]), "has the shape"),
        (changed(data_offsets=[4, 24]), "lies from byte 4 to 24"),
        (changed(data_offsets=[0, 10**9]), "end at 1,000,000,000"),
        (changed(data_offsets=[8, 0]), "lies from byte 8 to 0"),
        ([1], "no table"),
        (b"{", "Expecting"),
        (b"[" * 100_000, "recursion"),
        ({"of F32": {"dtype": "F32"}}, "data_offsets"),
    ],
)
def test_a_wrong_header_is_refused(path, header, message):
    write(path, header)
    with pytest.raises(ValueError, match=f"cannot be read as safetensors: .*{message}"):
        read_safetensors(path)


def test_a_header_longer_than_the_file_is_refused(path):
    path.write_bytes(struct.pack("<Q", 2**62) + b"{}")
    with pytest.raises(ValueError, match="its header would have"):
        read_safetensors(path)
