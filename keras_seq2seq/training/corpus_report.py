"""What reading a corpus found: the report, the corpus in memory, the error."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import final

from keras_seq2seq.training.corpus_notices import Notices

UNEQUAL_LENGTHS = "unequal lengths"
UNDECODABLE = "undecodable bytes"
MALFORMED = "malformed rows"
EMPTY = "empty sides"
NUL = "NUL characters"
OVER_LONG = "over-long pairs"
EXAMPLES_PER_KIND = 20


@final
@dataclass(frozen=True)
class CorpusReport:
    """How many pairs a reader kept and which errors it found; `str` makes it readable.

    Args:
        kept: int >= 0. Number of pairs without errors.
        counts: Number of errors per kind; a pair counts once, for its first error.
        examples: "file:line: error" for the first 20 errors per kind.
        notices: Kinds of kept pairs that look wrong, such as repeated or swapped ones: how many,
            and where the first three are.
    """

    kept: int
    counts: Mapping[str, int]
    examples: Mapping[str, tuple[str, ...]]
    notices: Notices = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"CorpusReport(kept={self.kept}, counts={dict(self.counts)})"

    def __str__(self) -> str:
        lines = [f"{self.kept} pairs kept, {sum(self.counts.values())} errors"]
        for kind, count in self.counts.items():
            lines.append(f"  {kind}: {count}")
            lines += [f"    {example}" for example in self.examples[kind]]
            if count > len(self.examples[kind]):
                lines.append(f"    and {count - len(self.examples[kind])} more")
        for kind, (count, wheres) in self.notices.items():
            lines.append(f"  kept, but look: {count} {kind}, first {', '.join(wheres)}")
        return "\n".join(lines)


@final
@dataclass(frozen=True)
class Corpus:
    """Pairs of texts and the report on reading them.

    Args:
        pairs: At least one pair (source_text, target_text).
        report: CorpusReport.
    """

    pairs: tuple[tuple[str, str], ...]
    report: CorpusReport

    def __repr__(self) -> str:
        return f"Corpus({len(self.pairs)} pairs, {sum(self.report.counts.values())} errors)"


@final
class CorpusError(ValueError):
    """The corpus has errors; the message lists all of them at once.

    Args:
        message: str.
        report: CorpusReport, or None if reading stopped before the end.
    """

    def __init__(self, message: str, report: CorpusReport | None = None) -> None:
        super().__init__(message)
        self.report = report


@dataclass
class Faults:
    """Errors that a reader has found so far: numbers, and the first places."""

    counts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)

    def add(self, kind: str, example: str) -> None:
        """Counts an error; `example` says where and what."""
        self.counts[kind] += 1
        examples = self.examples.setdefault(kind, [])
        if len(examples) < EXAMPLES_PER_KIND:
            examples.append(example)

    def report(self, kept: int, notices: Notices) -> CorpusReport:
        """Returns the report of a reader that has come to its end."""
        examples = {kind: tuple(found) for kind, found in self.examples.items()}
        return CorpusReport(kept, dict(self.counts), examples, notices)
