"""Freed memory goes back to the kernel while a converter runs."""

import contextlib
from collections.abc import Iterator

from keras_seq2seq.models.malloc import (
    MMAP_THRESHOLD,
    RETURNED,
    TRIM_THRESHOLD,
    glibc,
    set_malloc,
)

# Where malloc, left to itself, ends once it has freed a large block.
AFTERWARDS = {MMAP_THRESHOLD: 32 << 20, TRIM_THRESHOLD: 64 << 20}


@contextlib.contextmanager
def returned_memory() -> Iterator[None]:
    """Has glibc's malloc give freed memory back while the block runs, and the rest at its end.

    Left to itself, malloc takes blocks of up to 32 MiB from its heap, where a freed one stays
    between two that are kept: a converter of a large model, which makes and frees its weights many
    times, then holds several times their size when it has ended. A map of its own for each such
    block is unmapped with it. Nothing changes where `models.malloc.glibc` has no library.
    """
    set_malloc(RETURNED)
    try:
        yield
    finally:
        if library := glibc():
            library.malloc_trim(0)
        set_malloc(AFTERWARDS)
