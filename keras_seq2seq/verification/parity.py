"""Checks that every artefact of a bundle gives the same translations as the Keras model."""

import dataclasses
import itertools
import math
import pathlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from keras_seq2seq.bundles.bundle import Bundle
from keras_seq2seq.decoding.strategies import GREEDY
from keras_seq2seq.decoding.strategy import Strategy
from keras_seq2seq.formats import EXACT, REFERENCE
from keras_seq2seq.progress import progress
from keras_seq2seq.runtimes.runtime import Runtime, TextAnswer
from keras_seq2seq.text.lines import read_texts
from keras_seq2seq.text.printable import printable
from keras_seq2seq.translation import Translation
from keras_seq2seq.translator import SEARCHES, Translator
from keras_seq2seq.verification.opened import is_large, opened

SENTENCES_FILE = "verify.txt"
LISTED_DIFFERENCES = 20
# Allowed difference from the score of Keras, in nats per token; docs/bundle.md says why.
TOLERANCES = {"float32": 1e-4, "float16": 1e-2}
TOLERANCE_OF_INT8 = 0.1


@dataclasses.dataclass(frozen=True)
class Difference:
    """One sentence that an artefact translates differently from the reference.

    Args:
        source: The source text.
        expected: The translation by Keras.
        found: The translation by the artefact.
        gap: Absolute difference of the two scores, sums of log-probabilities; NaN if there is no
            score.
    """

    source: str
    expected: str
    found: str
    gap: float


@dataclasses.dataclass(frozen=True)
class Agreement:
    """How one combination of runtime and search agrees with Keras.

    Args:
        runtime: "keras", "saved_model", "litert" or "onnx".
        quantization: "float32" or another that the bundle holds.
        search: "in_file", "host", or "text" (text in, text out: in the SavedModel by its default
            search, in the ONNX text file, if there is one, greedy). If the bundle has a beam search
            inside, also "beam in_file" and "beam host", which compare all hypotheses, and "beam
            text" for the SavedModel's n-best texts.
        sentences: Number of sentences.
        differences: Sentences translated differently.
        largest_gap: Largest difference of scores, in nats, over sentences with equal translations.
        largest_gap_per_token: The same, each divided by the tokens of its hypothesis, eos included.
        largest_ranking_gap: Largest difference of the rankings of a beam search.
        hypotheses: Number of hypotheses whose scores were compared.
    """

    runtime: str
    quantization: str
    search: str
    sentences: int
    differences: tuple[Difference, ...]
    largest_gap: float
    largest_gap_per_token: float = 0.0
    largest_ranking_gap: float = 0.0
    hypotheses: int = 0

    @property
    def identical(self) -> int:
        """Number of sentences with the same translation."""
        return self.sentences - len(self.differences)

    @property
    def tolerance(self) -> float:
        """Nats per token that scores may differ by."""
        return TOLERANCES.get(self.quantization, TOLERANCE_OF_INT8)

    @property
    def passed(self) -> bool:
        """True if all translations are equal and all scores within the tolerance."""
        # Written so that NaN does not pass.
        return not self.differences and self.largest_gap_per_token <= self.tolerance

    def to_dict(self) -> dict[str, Any]:
        """Returns plain values for JSON."""
        computed = {name: getattr(self, name) for name in ("identical", "tolerance", "passed")}
        return {**dataclasses.asdict(self), **computed}


@dataclasses.dataclass(frozen=True)
class Parity:
    """What `verify` found; `str` gives a table.

    Args:
        agreements: One for each combination of artefact and search.
        altered_files: Files whose checksum differs from the manifest.
        unlisted_files: Files of the folder that the manifest does not list.
    """

    agreements: tuple[Agreement, ...]
    altered_files: tuple[str, ...] = ()
    unlisted_files: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """True if no file was altered or is unlisted, and every float32 artefact passed."""
        exact = (a for a in self.agreements if a.quantization == EXACT)
        whole = not self.altered_files and not self.unlisted_files
        return whole and all(a.passed for a in exact)

    def to_dict(self) -> dict[str, Any]:
        """Returns plain values for JSON, the keys that docs/bundle.md lists."""
        # Format version 3 of a manifest, which holds these values, has no key for it.
        unlisted = {"unlisted_files": list(self.unlisted_files)} if self.unlisted_files else {}
        return {
            "passed": self.passed,
            "altered_files": list(self.altered_files),
            **unlisted,
            "agreements": [a.to_dict() for a in self.agreements],
        }

    def __repr__(self) -> str:
        count = len(self.agreements)
        altered = len(self.altered_files)
        return f"Parity(passed={self.passed}, {count} agreements, {altered} altered files)"

    def __str__(self) -> str:
        lines = [
            f"{'runtime':12} {'weights':13} {'search':12} {'same words':>13}  "
            f"{'score gap':>9}  {'per token':>9}  {'tolerance':>9}"
        ]
        for a in self.agreements:
            same = f"{a.identical} of {a.sentences}"
            lines.append(
                f"{a.runtime:12} {a.quantization:13} {a.search:12} {same:>13}  "
                f"{a.largest_gap:9.1e}  {a.largest_gap_per_token:9.1e}  {a.tolerance:9.0e}"
                f"{'' if a.passed else '  differs'}"
            )
        for a in self.agreements:
            for difference in a.differences[:LISTED_DIFFERENCES]:
                lines += [
                    f"{a.runtime} {a.quantization} {a.search}, score gap {difference.gap:.1e}:",
                    f"  source    {printable(difference.source)}",
                    f"  keras     {printable(difference.expected)}",
                    f"  artefact  {printable(difference.found)}",
                ]
        lines += [f"altered file: {printable(name)}" for name in self.altered_files]
        lines += [
            f"file that the manifest does not list: {printable(name)}"
            for name in self.unlisted_files
        ]
        return "\n".join([*lines, *self._summary()])

    def _summary(self) -> list[str]:
        exact = [a for a in self.agreements if a.quantization == EXACT]
        quantised = [a for a in self.agreements if a.quantization != EXACT]
        lines = [
            f"float32: {sum(a.passed for a in exact)} of {len(exact)} combinations of runtime and "
            "search give the translations of Keras, with scores within the tolerance"
        ]
        if quantised:
            worst = min(quantised, key=lambda a: a.identical / a.sentences)
            lines.append(
                f"quantised, reported only: {sum(a.passed for a in quantised)} of "
                f"{len(quantised)} do; fewest same translations: {worst.identical} of "
                f"{worst.sentences} ({worst.runtime} {worst.quantization} {worst.search})"
            )
        lines.append("passed" if self.passed else "FAILED: a float32 artefact or a file differs")
        return lines


def verify(
    bundle: str | pathlib.Path | Bundle,
    sentences: str | pathlib.Path | Sequence[str] | None = None,
    *,
    verbose: bool = True,
    runtimes: Callable[[str, str], Runtime] | None = None,
) -> Parity:
    """Translates the same sentences with every artefact and both searches, and compares.

    The reference is the Keras model in the bundle with its in-graph search. If the bundle has a
    beam search inside, that is compared too, on all hypotheses and in their order. Scores of equal
    hypotheses must agree within the tolerance of the weights.

    Args:
        bundle: The exported folder, or one that is open.
        sentences: Texts, or the path of a UTF-8 file with one per line; None takes the bundle's
            own,
            `verify.txt`.
        verbose: Show a progress bar.
        runtimes: Gives the runtime of an artefact by its name and quantization; None loads
            each once from the bundle, and of a large model keeps one at a time.
    Raises:
        ValueError: If there is no sentence.
    """
    folder = bundle if isinstance(bundle, Bundle) else Bundle.open(bundle)
    comparison = _Comparison(folder, _texts(folder, sentences), runtimes or opened(folder))
    agreements = comparison.agreements(verbose)
    return Parity(tuple(agreements), tuple(folder.altered_files()), tuple(folder.unlisted_files()))


class _Comparison:
    """Compares the artefacts of a bundle with its Keras model.

    Args:
        bundle: An open bundle.
        texts: The sentences.
        runtimes: See `verify`.
    """

    def __init__(
        self, bundle: Bundle, texts: list[str], runtimes: Callable[[str, str], Runtime]
    ) -> None:
        self._bundle = bundle
        self._texts = texts
        self._runtimes = runtimes
        self._is_large = is_large(bundle)
        self._tokenizers, self._shortlist = bundle.tokenizers, bundle.shortlist
        self._references: dict[Strategy, list[list[_Said]]] = {}

    def agreements(self, verbose: bool) -> list[Agreement]:
        """Returns those of all ways, by the strategy, then by the artefact.

        Each artefact is asked for everything before the next one is opened.
        """
        strategies: list[Strategy] = [GREEDY, *([self._bundle.beam] if self._bundle.beam else [])]
        artefacts = sorted(self._bundle.artefacts, key=lambda artefact: artefact[0] != REFERENCE)
        found: dict[Strategy, list[Agreement]] = {strategy: [] for strategy in strategies}
        with progress(len(artefacts) * len(SEARCHES) * len(strategies), "ways", verbose) as advance:
            for artefact in artefacts:
                for search in SEARCHES:
                    for strategy in strategies:
                        found[strategy] += self._of_way(*artefact, search, strategy)
                        advance(1)
        return list(itertools.chain.from_iterable(found.values()))

    def _of_way(
        self, runtime: str, quantization: str, search: str, strategy: Strategy
    ) -> Iterator[Agreement]:
        engine = self._runtimes(runtime, quantization)
        in_file = search == "in_file"
        engines = {"": engine, **(engine.variants() if in_file else {})}
        for variant, one in engines.items():
            translator = Translator(
                one,
                self._tokenizers,
                max_length=self._bundle.max_length,
                search=search,
                strategy=strategy,
                shortlist=self._shortlist,
            )
            said = translator.iterate(self._texts, verbose=False)
            found = [list(map(_said, row)) for row in said]
            # The first of each strategy is the reference: Keras with the search in its graph.
            expected = self._references.setdefault(strategy, found)
            parts = ("" if strategy == GREEDY else "beam", search, variant)
            way = (runtime, quantization, " ".join(filter(None, parts)))
            yield _compare(way, self._texts, expected, found)
            if self._is_large:
                one.release()
        if in_file:
            default = self._bundle.beam or GREEDY
            expected = self._references[strategy]
            answered = engine.answers_by_text(self._texts, strategy, default)
            for name, answers in answered.items():
                yield _compare_texts((runtime, EXACT, name), self._texts, expected, answers)


def _texts(bundle: Bundle, sentences: str | pathlib.Path | Sequence[str] | None) -> list[str]:
    if sentences is None:
        sentences = bundle.folder / SENTENCES_FILE
    if isinstance(sentences, (str, pathlib.Path)):
        texts = read_texts(sentences)
    else:
        texts = list(sentences)
    if not texts:
        raise ValueError("There must be at least one sentence to verify. Received: none.")
    return texts


class _Said(NamedTuple):
    """The compared parts of one hypothesis: `words` by equality, the numbers by their gaps."""

    words: Any
    text: str
    score: float
    ranking: float | None
    tokens: int = 1


def _said(translation: Translation) -> _Said:
    found = translation.hypothesis
    tokens = max(1, len(found.token_log_probs))
    words = found.ids, found.finished
    return _Said(words, translation.text, found.score, found.ranking, tokens)


def _compare(
    way: tuple[str, str, str],
    texts: list[str],
    expected: list[list[_Said]],
    found: list[list[_Said]],
) -> Agreement:
    nothing = _Said(None, "", math.nan, None)
    differences = []
    gaps = [(0.0, 0.0, 0.0)]
    for text, wanted, got in zip(texts, expected, found, strict=True):
        pairs = list(itertools.zip_longest(wanted, got, fillvalue=nothing))
        if unlike := [(a, b) for a, b in pairs if a.words != b.words]:
            first, other = unlike[0]
            gap = abs(first.score - other.score)
            differences.append(Difference(text, first.text, other.text, gap))
        else:
            gaps += [_gaps(a, b) for a, b in pairs]
    largest, per_token, of_ranking = np.max(gaps, axis=0).tolist()  # NaN if any is
    return Agreement(
        *way,
        sentences=len(texts),
        differences=tuple(differences),
        largest_gap=largest,
        largest_gap_per_token=per_token,
        largest_ranking_gap=of_ranking,
        hypotheses=len(gaps) - 1,
    )


def _gaps(wanted: _Said, got: _Said) -> tuple[float, float, float]:
    """Returns the gaps to Keras: of the score, of the score per token, and of the ranking."""
    gap = abs(wanted.score - got.score)
    if wanted.ranking is None or got.ranking is None:
        return gap, gap / wanted.tokens, 0.0
    return gap, gap / wanted.tokens, abs(wanted.ranking - got.ranking)


def _compare_texts(
    way: tuple[str, str, str],
    texts: list[str],
    expected: list[list[_Said]],
    answers: list[list[TextAnswer]],
) -> Agreement:
    """Compares by text; the search "text" gives only the best hypothesis."""
    count = 1 if way[2] == "text" else None
    wanted = [[one._replace(words=one.text) for one in row[:count]] for row in expected]
    found = [[_Said(one.text, one.text, one.score, one.ranking) for one in row] for row in answers]
    return _compare(way, texts, wanted, found)
