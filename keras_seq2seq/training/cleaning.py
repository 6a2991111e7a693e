"""Leaves out pairs of texts that named rules find faulty, in bounded memory, and counts them."""

import dataclasses
import hashlib
import itertools
import pathlib
import tempfile
from collections.abc import Iterable, Iterator
from typing import BinaryIO, final

import numpy as np

from keras_seq2seq.training.cleaning_rules import RULES, CleaningRules, Pair
from keras_seq2seq.training.encoded_pairs import in_blocks
from keras_seq2seq.training.length_order import read_numbers

LEARNED_FROM = 10_000  # pairs that say which script a side has
SORTED_AT_ONCE = 2**24  # hashes: 128 MiB, and as much for their places
EXAMPLES, SHOWN = 3, 60
DUPLICATES = "duplicates"
_CODES = {name: code for code, name in enumerate(RULES, 1)}  # 0 stands for a pair that is kept


@dataclasses.dataclass(frozen=True)
class CleaningReport:
    """What was left out.

    Args:
        read: int >= 0. Number of pairs that were looked at.
        kept: int >= 0. Number of pairs without a fault.
        counts: Number of pairs by the rule that found a fault first.
        examples: The first three pairs of each rule: "pair 7: 'source' / 'target'".
        rules: The rules with the scripts that were found.
    """

    read: int
    kept: int
    counts: dict[str, int]
    examples: dict[str, tuple[str, ...]]
    rules: CleaningRules

    def __str__(self) -> str:
        lines = [f"{self.kept} of {self.read} pairs kept, {self.read - self.kept} left out"]
        for name, count in self.counts.items():
            lines.append(f"  {name}: {count} with {RULES[name]}")
            lines += [f"    {example}" for example in self.examples[name]]
        return "\n".join(lines)


@final
class CleanedPairs:
    """The pairs without a fault; each loop reads the given ones anew.

    Args:
        pairs: What was cleaned.
        verdicts: uint8, shape (pairs,): 0 for one that is kept, else the number of the rule.
        report: What was left out.
    """

    def __init__(self, pairs: Iterable[Pair], verdicts: np.ndarray, report: CleaningReport) -> None:
        self._pairs = pairs
        self._verdicts = verdicts
        self.report = report

    def __repr__(self) -> str:
        return f"CleanedPairs({self.report.kept} of {self.report.read} pairs)"

    def __iter__(self) -> Iterator[Pair]:
        """Yields the pairs without a fault.

        Raises:
            ValueError: If the pairs are not as many as they were.
        """
        verdicts, count = self._verdicts, 0
        for count, pair in enumerate(self._pairs, 1):
            if count > len(verdicts):
                break
            if verdicts[count - 1] == 0:
                yield pair
        if count != len(verdicts):
            raise ValueError(
                "Pairs that are cleaned must stay as they are. Received: "
                f"{'more' if count > len(verdicts) else count} than {len(verdicts)} at first; "
                "pass what can be read again and again, and change no file meanwhile."
            )


def clean(pairs: Iterable[Pair], rules: CleaningRules | None = None) -> CleanedPairs:
    """Looks at all pairs once and returns those without a fault.

    The memory it takes does not grow with their number: for each pair, a file in the folder for
    temporary files gets 9 bytes, a verdict and a hash. Pairs that share the 8 bytes of a hash count
    as duplicates: one of 10 million is lost by chance with a probability of 3 in a million.

    Args:
        pairs: Pairs (source_text, target_text) that can be read again and again, such as a list or
            a `PairStream`. Its errors are its own: `policy="drop"` leaves them out before.
        rules: None asks all rules, with their default limits.
    Returns:
        The pairs, in their order, with `report`.
    Example:
        >>> pairs = [("A red dog.", "Un chien rouge.")] * 2 + [("Click here", "click  here")]
        >>> cleaned = clean(pairs)
        >>> list(cleaned), cleaned.report.counts
        ([('A red dog.', 'Un chien rouge.')], {'identical': 1, 'duplicates': 1})
    """
    given = rules or CleaningRules()
    reading = iter(pairs)
    first = list(itertools.islice(reading, LEARNED_FROM))
    given = given.with_scripts(first)
    with tempfile.TemporaryDirectory(prefix="keras_seq2seq-") as room:
        hashes = pathlib.Path(room) / "hashes"
        with tempfile.TemporaryFile(prefix="keras_seq2seq-") as file:
            examples = _judge(itertools.chain(first, reading), given, file, hashes)
            # The file lives as long as it is mapped.
            verdicts = np.memmap(file, "uint8", "r+") if file.tell() else np.zeros(0, "uint8")
        if DUPLICATES in given.names:
            _judge_duplicates(verdicts, hashes)
    read, counts = len(verdicts), _counts(verdicts)
    if counts.get(DUPLICATES):
        examples[DUPLICATES] = _duplicate_examples(verdicts)
    report = CleaningReport(
        read,
        read - sum(counts.values()),
        counts,
        {name: tuple(examples[name]) for name in counts},
        given,
    )
    return CleanedPairs(pairs, verdicts, report)


def _judge(
    pairs: Iterator[Pair], rules: CleaningRules, verdicts: BinaryIO, hashes: pathlib.Path
) -> dict[str, list[str]]:
    """Writes the verdict on each pair, and its hash; returns examples."""
    examples: dict[str, list[str]] = {}
    number = 1
    with hashes.open("wb") as file:
        for block in in_blocks(pairs):
            codes = bytearray()
            for pair in block:
                name = rules.first_fault(pair)
                codes.append(_CODES[name] if name else 0)
                if name and len(shown := examples.setdefault(name, [])) < EXAMPLES:
                    texts = " / ".join(f"{text!r:.{SHOWN}}" for text in pair)
                    shown.append(f"pair {number}: {texts}")
                number += 1
            verdicts.write(codes)
            if DUPLICATES in rules.names:
                file.write(b"".join(map(_hash, block)))
    verdicts.flush()
    return examples


def _hash(pair: Pair) -> bytes:
    text = "\0".join(" ".join(side.split()) for side in pair)
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()


def _judge_duplicates(verdicts: np.ndarray, hashes: pathlib.Path) -> None:
    """Changes the verdict on all pairs but the first of those with one hash."""
    parts = -(-len(verdicts) // SORTED_AT_ONCE)
    for part in range(parts):
        values, places, start = [], [], 0
        for numbers in read_numbers(hashes, "<u8"):
            wanted = (numbers % np.uint64(parts) == part) & (
                verdicts[start : start + len(numbers)] == 0
            )
            values.append(numbers[wanted])
            places.append(np.flatnonzero(wanted) + start)
            start += len(numbers)
        found = np.concatenate(places)
        is_first = np.zeros(len(found), bool)
        is_first[np.unique(np.concatenate(values), return_index=True)[1]] = True
        verdicts[found[~is_first]] = _CODES[DUPLICATES]


def _parts(verdicts: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    for start in range(0, len(verdicts), SORTED_AT_ONCE):
        yield start, verdicts[start : start + SORTED_AT_ONCE]


def _counts(verdicts: np.ndarray) -> dict[str, int]:
    counts = np.zeros(1 + len(RULES), "int64")
    for _, part in _parts(verdicts):
        counts += np.bincount(part, minlength=len(counts))
    return {name: int(counts[code]) for name, code in _CODES.items() if counts[code]}


def _duplicate_examples(verdicts: np.ndarray) -> list[str]:
    places: list[int] = []
    for start, part in _parts(verdicts):
        found = np.flatnonzero(part == _CODES[DUPLICATES])[:EXAMPLES]
        places += (found + start).tolist()
        if len(places) >= EXAMPLES:
            break
    return [f"pair {place + 1}" for place in places[:EXAMPLES]]
