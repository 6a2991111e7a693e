"""Pairs of texts that are read one by one and never kept, with a report at the end."""

import re
from collections.abc import Callable, Iterator
from typing import Literal, final

from keras_seq2seq.training.corpus_notices import NoticeCounter, is_invisible
from keras_seq2seq.training.corpus_report import (
    EMPTY,
    MALFORMED,
    NUL,
    OVER_LONG,
    UNDECODABLE,
    UNEQUAL_LENGTHS,
    Corpus,
    CorpusError,
    CorpusReport,
    Faults,
)

ENCODING_HINT = "a file in UTF-16 looks like this: convert it with `iconv -f UTF-16 -t UTF-8`"

Policy = Literal["refuse", "drop"]
# Where the source and the target are, up to the number of the line or row; the number; both texts.
Row = tuple[str, str, int, object, object]

_SURROGATE = re.compile("[\ud800-\udfff]")


@final
class PairStream:
    """Pairs (source_text, target_text), read anew by each loop over them.

    Args:
        rows: Reads the rows; it counts those without a pair of texts in the `Faults` that it gets.
        policy: "refuse" raises at the end if there is any error, so that all are told at once;
            "drop" leaves out the pairs with errors.
        max_characters: int > 0. Maximum characters per side; None means no limit.
        notices: Count pairs that only look wrong, in the first loop that comes to its end.
    Raises:
        ValueError: If an argument is out of its range.
    """

    def __init__(
        self,
        rows: Callable[[Faults], Iterator[Row]],
        policy: Policy = "refuse",
        max_characters: int | None = None,
        *,
        notices: bool = True,
    ) -> None:
        if policy not in ("refuse", "drop"):
            raise ValueError(f'`policy` must be "refuse" or "drop". Received: {policy!r}.')
        if max_characters is not None and max_characters < 1:
            raise ValueError(f"`max_characters` must be at least 1. Received: {max_characters}.")
        self._rows = rows
        self._policy = policy
        self._max_characters = max_characters
        self._notices = notices
        self._report: CorpusReport | None = None

    def __iter__(self) -> Iterator[tuple[str, str]]:
        """Yields the pairs without errors.

        Raises:
            CorpusError: At the end, if there were errors and they are not dropped, or no pair.
        """
        faults = Faults()
        notices = NoticeCounter() if self._notices and self._report is None else None
        kept = 0
        for source_place, target_place, number, source, target in self._rows(faults):
            checked = self._checked(source_place, number, source, faults)
            if checked is None:
                continue
            checked_target = self._checked(target_place, number, target, faults)
            if checked_target is None:
                continue
            pair = checked, checked_target
            kept += 1
            if notices is not None:
                notices.add(pair, source_place, number)
            yield pair
        report = faults.report(kept, notices.found() if notices is not None else {})
        self._check(report)
        if self._report is None:
            self._report = report

    @property
    def report(self) -> CorpusReport:
        """What the first loop that came to its end has found.

        Raises:
            ValueError: If there was none.
        """
        if self._report is None:
            raise ValueError(
                "A report is there after a loop over all pairs. Received: none yet; read the pairs "
                "to their end first."
            )
        return self._report

    def corpus(self) -> Corpus:
        """Returns all pairs in memory, with the report."""
        pairs = tuple(self)
        return Corpus(pairs, self.report)

    def _checked(self, place: str, number: int, text: object, faults: Faults) -> str | None:
        """Returns a text without errors, or counts its first error."""
        if isinstance(text, bytes):
            text = decoded(place, number, text, faults)
            if text is None:
                return None
        if not isinstance(text, str):
            what = f"{type(text).__name__}, expected a string"
            faults.add(MALFORMED, f"{place}{number}: {what}")
        elif not text[:1].isalnum() and is_invisible(text):
            faults.add(EMPTY, f"{place}{number}: blank")
        elif not text.isascii() and (surrogate := _SURROGATE.search(text)):
            what = f"lone surrogate at position {surrogate.start()}"
            faults.add(UNDECODABLE, f"{place}{number}: {what}")
        elif "\0" in text:
            what = f"at position {text.index(chr(0))}; {ENCODING_HINT}"
            faults.add(NUL, f"{place}{number}: {what}")
        elif self._max_characters is not None and len(text) > self._max_characters:
            what = f"{len(text)} characters, at most {self._max_characters}"
            faults.add(OVER_LONG, f"{place}{number}: {what}")
        else:
            return text
        return None

    def _check(self, report: CorpusReport) -> None:
        if UNEQUAL_LENGTHS in report.counts:
            raise CorpusError(
                "Parallel files must have the same number of lines. Nobody knows which line is "
                f'missing, so policy="drop" does not help: fix the files.\n{report}',
                report,
            )
        if report.counts and self._policy == "refuse":
            raise CorpusError(
                'The corpus has errors. Fix them, or pass policy="drop" to leave out the pairs '
                f"with errors.\n{report}",
                report,
            )
        if not report.kept:
            raise CorpusError(f"A corpus must hold at least one pair.\n{report}", report)


def decoded(place: str, number: int, line: bytes, faults: Faults) -> str | None:
    """Returns the text of bytes in UTF-8; counts an error if they are not."""
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError as error:
        what = f"byte 0x{line[error.start]:02x} at position {error.start}"
        faults.add(UNDECODABLE, f"{place}{number}: {what}")
        return None
