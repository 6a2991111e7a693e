"""The corpus: distinct pairs in three parts; the test part has combinations never trained."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice

from keras_seq2seq.phrasebook.dice import Dice
from keras_seq2seq.phrasebook.examples import examples
from keras_seq2seq.phrasebook.grammar import combinations, draw_sentence
from keras_seq2seq.phrasebook.sentence import Combination, Sentence

Pair = tuple[str, str]

MINIMUM_SIZE = 1_000
MAXIMUM_SIZE = 100_000
_VALIDATION_SHARE = 60
_TEST_SHARE = 30
_HELD_OUT_SHARE = 10
_SMALLEST_GROUP = 5
_KEPT = frozenset(item for sentence in examples() for item in sentence.combinations)


@dataclass(frozen=True, slots=True)
class Phrasebook:
    """An English-French parallel corpus.

    Args:
        train: Pairs (English, French) to learn from.
        validation: Other pairs of the same combinations.
        test: Pairs in which a verb or adjective meets a noun that it never meets in `train` or
            `validation`; every single word occurs in `train`.
        held_out: Those combinations, in alphabetical order: (verb, object), (verb, place) or
            (adjective, subject), by their English names.
    """

    train: tuple[Pair, ...]
    validation: tuple[Pair, ...]
    test: tuple[Pair, ...]
    held_out: tuple[Combination, ...]

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """All pairs: train, validation, test."""
        return self.train + self.validation + self.test


def generate(seed: int = 0, size: int = 60_000) -> Phrasebook:
    """Generates the corpus; the same arguments give the same corpus on every machine.

    English determines French: "you" is the polite or plural vous, "they" is ils, and I, we and you
    are masculine where French has to choose. The test part is one thirtieth of the pairs, the
    validation part one sixtieth.

    Args:
        seed: int >= 0. Seed of every choice.
        size: int in 1,000..100,000. Total number of pairs.
    Returns:
        The corpus; no English sentence occurs twice in it.
    Raises:
        ValueError: If `seed` or `size` is not an int in its range.
    Example:
        >>> ("They are watching.", "Ils regardent.") in generate(size=1_000).train
        True
    """
    parts = draw_parts(seed, size)
    return Phrasebook(
        _pairs(parts.train), _pairs(parts.validation), _pairs(parts.test), parts.held_out
    )


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of a phrasebook, as sentences with their combinations.

    Args:
        train: Sentences without a held-out combination.
        validation: More sentences without one.
        test: Sentences with a held-out combination.
        held_out: The held-out combinations, in alphabetical order.
    """

    train: tuple[Sentence, ...]
    validation: tuple[Sentence, ...]
    test: tuple[Sentence, ...]
    held_out: tuple[Combination, ...]


def draw_parts(seed: int, size: int) -> Parts:
    """Draws the sentences of `generate` from the same arguments."""
    _check(seed, size)
    dice = Dice(seed)
    held_out = _draw_held_out(dice)
    validation_size, test_size = size // _VALIDATION_SHARE, size // _TEST_SHARE
    stream = _distinct(dice)
    known, novel = _collect(stream, size - test_size, held_out)
    train, validation = tuple(known[:-validation_size]), tuple(known[-validation_size:])
    trained_words = {word for sentence in train for word in _words(sentence)}
    unseen = chain(novel, (item for item in stream if held_out.intersection(item.combinations)))
    covered = (item for item in unseen if trained_words.issuperset(_words(item)))
    test = tuple(islice(covered, test_size))
    return Parts(train, validation, test, tuple(sorted(held_out)))


def _check(seed: int, size: int) -> None:
    """Raises ValueError for arguments outside their ranges."""
    if not isinstance(seed, int) or isinstance(seed, bool) or seed < 0:
        raise ValueError(f"`seed` must be an int of at least 0. Received: {seed!r}. Pass seed=0.")
    if not isinstance(size, int) or isinstance(size, bool) or not _holds(size):
        raise ValueError(
            f"`size` must be an int from {MINIMUM_SIZE} to {MAXIMUM_SIZE}, the number of pairs the"
            f" grammar can produce. Received: {size!r}. Pass size=60_000 for the standard corpus."
        )


def _holds(size: int) -> bool:
    return MINIMUM_SIZE <= size <= MAXIMUM_SIZE


def _draw_held_out(dice: Dice) -> frozenset[Combination]:
    """Draws one in ten combinations of each verb and adjective, at least one if it has five."""
    held_out: list[Combination] = []
    for group in combinations().values():
        free = [item for item in group if item not in _KEPT]
        count = max(len(free) // _HELD_OUT_SHARE, int(len(free) >= _SMALLEST_GROUP))
        held_out += dice.shuffled(free)[:count]
    return frozenset(held_out)


def _distinct(dice: Dice) -> Iterator[Sentence]:
    """Yields the examples, then endless sentences; no English sentence comes twice."""
    seen = {sentence.english for sentence in examples()}
    yield from examples()
    while True:
        sentence = draw_sentence(dice)
        if sentence.english not in seen:
            seen.add(sentence.english)
            yield sentence


def _collect(
    stream: Iterator[Sentence], count: int, held_out: frozenset[Combination]
) -> tuple[list[Sentence], list[Sentence]]:
    """Reads the stream until it has `count` sentences without held-out combinations.

    Returns:
        Those sentences, and the sentences with held-out combinations found on the way.
    """
    known: list[Sentence] = []
    novel: list[Sentence] = []
    while len(known) < count:
        sentence = next(stream)
        (known if held_out.isdisjoint(sentence.combinations) else novel).append(sentence)
    return known, novel


def _words(sentence: Sentence) -> list[str]:
    """Returns the words of both languages as they are written, with case and punctuation."""
    return [*sentence.english.split(), *sentence.french.split()]


def _pairs(sentences: Iterable[Sentence]) -> tuple[Pair, ...]:
    return tuple((sentence.english, sentence.french) for sentence in sentences)
