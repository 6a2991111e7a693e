"""What malloc of glibc does with freed memory."""

import ctypes
import functools
import os
from typing import Any

TRIM_THRESHOLD, TOP_PAD, MMAP_THRESHOLD = -1, -2, -3  # names of mallopt, as in malloc.h
# With these, what is freed goes back to the kernel at once, but for blocks between others.
RETURNED = {MMAP_THRESHOLD: 128 << 10, TRIM_THRESHOLD: 128 << 10}
OF_USERS = (
    "MALLOC_TRIM_THRESHOLD_",
    "MALLOC_TOP_PAD_",
    "MALLOC_MMAP_THRESHOLD_",
    "MALLOC_MMAP_MAX_",
)


@functools.cache
def glibc() -> Any:
    """Returns the C library, or None if it is another one or the user has chosen its values.

    Those are `OF_USERS` and `glibc.malloc.` in `GLIBC_TUNABLES`, in the environment.
    """
    tunables = os.environ.get("GLIBC_TUNABLES", "")
    if "glibc.malloc." in tunables or any(name in os.environ for name in OF_USERS):
        return None
    try:
        library = ctypes.CDLL(None)
    except TypeError:  # Windows
        return None
    return library if hasattr(library, "gnu_get_libc_version") else None


def set_malloc(values: dict[int, int]) -> None:
    """Sets values of malloc, by the names of mallopt, for the whole process; see `glibc`."""
    if library := glibc():
        for name, value in values.items():
            library.mallopt(name, value)
