"""The fixed lengths of a LiteRT file."""

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


def first_cache_length(source_length: int, longest: int) -> int | None:
    """Returns how many tokens the caches of a search hold at first, or None for all from the start.

    LiteRT copies and reads whole caches at every step, and most translations are hardly longer
    than their sources.

    Args:
        source_length: int > 0. The length that the search is for.
        longest: int > 0. Most tokens of a translation, end of sentence included.
    Example:
        >>> first_cache_length(16, 80), first_cache_length(64, 80)
        (24, None)
    """
    first = source_length + FINEST
    return first if first <= 0.75 * longest else None
