"""Counts the stored numbers that are NaN or infinite, from their bits, for every float dtype."""

import numpy as np

# By dtype: an unsigned integer of its width, the bits that tell, and what they are in a number
# that is not finite. For 8 bits see arXiv 2209.05433, arXiv 2206.02915 for those that end in "uz",
# and OCP Microscaling Formats for "e8m0". float4e2m1 has no such number.
RULES = {
    "float16": ("<u2", 0x7C00, 0x7C00),
    "bfloat16": ("<u2", 0x7F80, 0x7F80),
    "float32": ("<u4", 0x7F80_0000, 0x7F80_0000),
    "float64": ("<u8", 0x7FF0 << 48, 0x7FF0 << 48),
    "complex64": ("<u4", 0x7F80_0000, 0x7F80_0000),
    "complex128": ("<u8", 0x7FF0 << 48, 0x7FF0 << 48),
    "float8e5m2": ("u1", 0x7C, 0x7C),
    "float8e4m3fn": ("u1", 0x7F, 0x7F),
    "float8e5m2fnuz": ("u1", 0xFF, 0x80),
    "float8e4m3fnuz": ("u1", 0xFF, 0x80),
    "float8e8m0": ("u1", 0xFF, 0xFF),
}
CHUNK = 2**20  # numbers; a large tensor is not copied whole


def count_not_finite(dtype: str, content: bytes) -> int:
    """Returns how many stored numbers are NaN or infinite; of a complex one, each half counts.

    Args:
        dtype: As NumPy or ONNX spells it; one without such numbers gives 0.
        content: The numbers, little-endian.
    """
    if dtype not in RULES:
        return 0
    kind, mask, pattern = RULES[dtype]
    bits = np.frombuffer(content, kind)
    parts = (bits[start : start + CHUNK] for start in range(0, bits.size, CHUNK))
    integer = bits.dtype.type
    return sum(int(np.count_nonzero(part & integer(mask) == pattern)) for part in parts)
