import io
import random
import zipfile

import numpy as np
import pytest

from keras_seq2seq.file_formats.npz_file import read_npz

ARRAYS = {"numbers": np.arange(12.0).reshape(3, 4), "ids": np.arange(5), "none": np.zeros((0, 3))}


def content(write=np.savez):
    file = io.BytesIO()
    write(file, **ARRAYS)
    return file.getvalue()


@pytest.mark.parametrize("write", [np.savez, np.savez_compressed])
def test_a_whole_file_gives_its_arrays(tmp_path, write):
    path = tmp_path / "arrays.npz"
    path.write_bytes(content(write))
    found = read_npz(path)
    assert list(found) == list(ARRAYS)
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(found[name], array)
    assert list(read_npz(path, ["ids"])) == ["ids"]


@pytest.mark.parametrize("write", [np.savez, np.savez_compressed])
def test_every_flipped_bit_is_an_error_that_names_the_file_or_changes_nothing(tmp_path, write):
    draw, path, whole = random.Random(1), tmp_path / "arrays.npz", content(write)
    errors = []
    for _ in range(150):
        damaged = bytearray(whole)
        damaged[draw.randrange(len(whole))] ^= 1 << draw.randrange(8)
        path.write_bytes(damaged)
        try:
            found = read_npz(path)
        except ValueError as error:
            errors.append(str(error))
        else:
            assert all(np.array_equal(found[name], array) for name, array in ARRAYS.items())
    assert len(errors) > 75 and all("arrays.npz cannot be read" in error for error in errors)


def headed(header, body=b""):
    """Returns a file with one array whose header is this text, with a true checksum."""
    text = header.encode() + b"\n"
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(
            "a.npy", b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + body
        )
    return file.getvalue()


FORM = "{'descr': '<f4', 'fortran_order': False, 'shape': %s}"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (headed(FORM % "(2,)", bytes(12)), "more bytes than its shape"),
        (headed(FORM % "(10**12,)"), ""),
        (headed(FORM % "(1000000000000,)"), ""),
        (
            headed("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", b"cos\n"),
            "allow_pickle",
        ),
        (headed("(((" * 300), ""),
        (headed("{'a': '"), ""),
        (b"", "zip"),
        (content()[:-40], "zip"),
    ],
)
def test_what_is_no_array_is_refused(tmp_path, given, message):
    path = tmp_path / "bad.npz"
    path.write_bytes(given)
    with pytest.raises(ValueError, match=rf"bad\.npz cannot be read as \.npz.*{message}"):
        read_npz(path)


def test_a_missing_array_or_file_is_told(tmp_path):
    path = tmp_path / "arrays.npz"
    path.write_bytes(content())
    with pytest.raises(ValueError, match=r"arrays\.npz.*other"):
        read_npz(path, ["other"])
    with pytest.raises(FileNotFoundError, match="none"):
        read_npz(tmp_path / "none.npz")
