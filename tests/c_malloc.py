"""glibc's malloc, called from Python."""

import ctypes

COUNTED = ("arena", "ordblks", "smblks", "maps", "mapped", "usmblks", "fsmblks", "used", "free")


class Statistics(ctypes.Structure):
    """What mallinfo2 returns."""

    _fields_ = [(name, ctypes.c_size_t) for name in (*COUNTED, "keepcost")]


def libc():
    library = ctypes.CDLL(None)
    library.mallinfo2.restype = Statistics
    library.malloc.restype = ctypes.c_void_p
    library.malloc.argtypes = [ctypes.c_size_t]
    library.free.argtypes = [ctypes.c_void_p]
    return library


def filled(size, enough):
    """Returns blocks that use up the freed memory which could hold one, in whichever arena.

    The last one has a map of its own, or is the first for which the heap grew by `enough` bytes.
    """
    library, blocks = libc(), []
    before = now = library.mallinfo2()
    while now.maps == before.maps and now.arena < before.arena + enough:
        blocks.append(library.malloc(size))
        assert blocks[-1]
        now = library.mallinfo2()
    return blocks


def free(blocks):
    for block in blocks:
        libc().free(block)
