import contextlib
import ctypes
import platform

import pytest
from c_malloc import filled, free, libc

from keras_seq2seq.exporters.returned_memory import returned_memory
from keras_seq2seq.models import malloc
from keras_seq2seq.models.freed_memory import KEPT

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc")

MEGABYTE = 1 << 20


def resident():
    """Returns the bytes that the process has in memory."""
    with open("/proc/self/status") as file:
        return 1024 * int(next(line.split()[1] for line in file if line.startswith("VmRSS:")))


def returned(count, size, at_the_end=contextlib.nullcontext):
    """Tells which part of the blocks that are freed between kept ones goes back.

    Args:
        count, size: Of the blocks; every 16th is kept for a while.
        at_the_end: A context in which they are freed.
    """
    held = filled(size, enough=size)
    with at_the_end():
        blocks = [libc().malloc(size) for _ in range(count)]
        for block in blocks:
            ctypes.memset(block, 1, size)
        before = resident()
        kept = blocks[15::16]
        free(set(blocks) - set(kept))
    part = (before - resident()) / (size * (count - len(kept)))
    free(held + kept)
    return part


@pytest.fixture(autouse=True)
def after_a_training(monkeypatch):
    """Each test begins where `fit` has had malloc keep what is freed."""
    for name in ("GLIBC_TUNABLES", *malloc.OF_USERS):
        monkeypatch.delenv(name, raising=False)
    malloc.glibc.cache_clear()
    malloc.set_malloc(KEPT)
    yield
    malloc.glibc.cache_clear()


def test_large_blocks_go_back_at_once():
    assert returned(128, MEGABYTE) < 0.1
    with returned_memory():
        assert returned(128, MEGABYTE) > 0.9


@pytest.mark.long
def test_small_blocks_go_back_at_the_end():
    with returned_memory():
        assert returned(4096, MEGABYTE // 32) < 0.5
    assert returned(4096, MEGABYTE // 32, returned_memory) > 0.5


def test_freed_memory_is_kept_afterwards():
    with returned_memory():
        pass
    assert returned(128, MEGABYTE) < 0.1


@pytest.mark.parametrize("name", malloc.OF_USERS)
def test_values_of_the_user_stay(name, monkeypatch):
    monkeypatch.setenv(name, "4096")
    malloc.glibc.cache_clear()
    assert returned(128, MEGABYTE, returned_memory) < 0.1
