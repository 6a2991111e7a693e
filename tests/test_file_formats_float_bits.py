"""NaN and infinity of every dtype are counted as ml_dtypes and NumPy know them."""

import ml_dtypes
import numpy as np
import pytest

from keras_seq2seq.file_formats import float_bits
from keras_seq2seq.file_formats.float_bits import RULES, count_not_finite

OF_8_BITS = {
    "float8e5m2": ml_dtypes.float8_e5m2,
    "float8e4m3fn": ml_dtypes.float8_e4m3fn,
    "float8e5m2fnuz": ml_dtypes.float8_e5m2fnuz,
    "float8e4m3fnuz": ml_dtypes.float8_e4m3fnuz,
    "float8e8m0": ml_dtypes.float8_e8m0fnu,
}
WIDER = {
    **{name: np.dtype(name) for name in ("float16", "float32", "float64")},
    "bfloat16": ml_dtypes.bfloat16,
}


@pytest.mark.parametrize("dtype", OF_8_BITS)
def test_every_number_of_8_bits(dtype):
    content = np.arange(256, dtype="u1")
    wanted = ~np.isfinite(content.view(OF_8_BITS[dtype]).astype("float32"))
    found = [count_not_finite(dtype, one.tobytes()) for one in content]
    assert found == wanted.tolist() and any(found)
    assert count_not_finite(dtype, content.tobytes()) == wanted.sum()


@pytest.mark.parametrize("dtype", WIDER)
def test_wider_numbers(dtype, monkeypatch):
    monkeypatch.setattr(float_bits, "CHUNK", 3)
    finite = [0.0, -0.0, 1.5, float(ml_dtypes.finfo(WIDER[dtype]).max), 5e-324, 1e-8]
    values = np.array([*finite, np.nan, -np.nan, np.inf, -np.inf], "float64")
    assert count_not_finite(dtype, values.astype(WIDER[dtype]).tobytes()) == 4
    assert count_not_finite(dtype, np.array(finite, WIDER[dtype]).tobytes()) == 0
    assert count_not_finite(dtype, b"") == 0


def test_complex_numbers_and_all_other_dtypes():
    values = np.array([1 + 1j, np.nan, complex(1, np.inf)], "complex64")
    assert count_not_finite("complex64", values.tobytes()) == 2
    assert count_not_finite("complex128", values.astype("complex128").tobytes()) == 2
    assert count_not_finite("int8", b"\xff" * 3) == count_not_finite("string", b"x") == 0
    assert set(RULES) == {*OF_8_BITS, *WIDER, "complex64", "complex128"}
