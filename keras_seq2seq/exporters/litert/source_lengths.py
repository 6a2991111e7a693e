"""The fixed source lengths of a LiteRT file."""

import itertools

FINEST = 8


def source_lengths(longest: int) -> tuple[int, ...]:
    """Returns the lengths that a file has functions for, the longest first.

    A source is padded to the smallest that holds it. They lie 8 apart up to 32 and then grow by a
    third or a half, so that padding costs little and the file stays small.

    Args:
        longest: int > 0. Most tokens of a source, end of sentence included.
    Example:
        >>> source_lengths(40)
        (40, 32, 24, 16, 8)
        >>> source_lengths(100)
        (100, 64, 48, 32, 24, 16, 8)
    """
    grown = itertools.chain.from_iterable((32 << i, 48 << i) for i in itertools.count())
    steps = itertools.chain(range(FINEST, 32, FINEST), grown)
    # A step just below the longest would save nothing.
    shorter = itertools.takewhile(lambda length: length + FINEST // 2 < longest, steps)
    return (longest, *sorted(shorter, reverse=True))
