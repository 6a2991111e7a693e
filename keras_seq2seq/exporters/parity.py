"""The proof that every artefact of a bundle says the same words."""

import dataclasses
import pathlib
from collections.abc import Sequence
from typing import Any

import keras

from keras_seq2seq.bundle import Bundle
from keras_seq2seq.decoding.strategy import GREEDY, Strategy
from keras_seq2seq.runtimes.onnx_files import OnnxRuntime
from keras_seq2seq.runtimes.runtime import Runtime
from keras_seq2seq.runtimes.saved_model_folder import SavedModelRuntime
from keras_seq2seq.text import read_texts
from keras_seq2seq.translation import Translation
from keras_seq2seq.translator import SEARCHES, Translator

SENTENCES_FILE = "verify.txt"
LISTED_DIFFERENCES = 20


@dataclasses.dataclass(frozen=True)
class Difference:
    """One sentence that an artefact translates unlike the reference.

    Args:
        source: The source text.
        expected: What Keras says.
        found: What the artefact says.
        gap: Absolute difference of the two scores, sums of log-probabilities; NaN where there is
            no score.
    """

    source: str
    expected: str
    found: str
    gap: float


@dataclasses.dataclass(frozen=True)
class Agreement:
    """How one way to translate agrees with Keras.

    Args:
        runtime: "keras", "saved_model", "litert" or "onnx".
        quantization: "float32", "float16", "dynamic_int8" or "int8".
        search: "in_file", "host", or "text" (text in, text out: in the SavedModel by its default
            search, in ONNX, where there is such a file, greedy); "beam in_file" or "beam host" for
            the beam search of a bundle that has one inside, by all its hypotheses.
        sentences: Number of sentences.
        differences: Those translated differently.
        largest_gap: Largest difference of scores over the sentences translated alike.
    """

    runtime: str
    quantization: str
    search: str
    sentences: int
    differences: tuple[Difference, ...]
    largest_gap: float

    @property
    def identical(self) -> int:
        """Number of sentences with the same words."""
        return self.sentences - len(self.differences)


@dataclasses.dataclass(frozen=True)
class Parity:
    """What `verify` found; `str` gives a table.

    Args:
        agreements: One for each artefact and each way to search.
        altered_files: Files whose checksum is not the manifest's.
    """

    agreements: tuple[Agreement, ...]
    altered_files: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """True if no file was altered and every float32 artefact says the same words."""
        exact = (a for a in self.agreements if a.quantization == "float32")
        return not self.altered_files and all(not a.differences for a in exact)

    def to_dict(self) -> dict[str, Any]:
        """Returns plain values for JSON."""
        return {
            "passed": self.passed,
            "altered_files": list(self.altered_files),
            "agreements": [
                {
                    **{k: getattr(a, k) for k in ("runtime", "quantization", "search")},
                    "identical": a.identical,
                    "sentences": a.sentences,
                    "largest_gap": a.largest_gap,
                    "differences": [dataclasses.asdict(d) for d in a.differences],
                }
                for a in self.agreements
            ],
        }

    def __str__(self) -> str:
        lines = [
            f"{'runtime':12} {'weights':13} {'search':12} {'same words':>13}  largest score gap"
        ]
        for a in self.agreements:
            same = f"{a.identical} of {a.sentences}"
            lines.append(
                f"{a.runtime:12} {a.quantization:13} {a.search:12} {same:>13}  {a.largest_gap:.1e}"
            )
        for a in self.agreements:
            for difference in a.differences[:LISTED_DIFFERENCES]:
                lines += [
                    f"{a.runtime} {a.quantization} {a.search}, score gap {difference.gap:.1e}:",
                    f"  source    {difference.source}",
                    f"  keras     {difference.expected}",
                    f"  artefact  {difference.found}",
                ]
        lines += [f"altered file: {name}" for name in self.altered_files]
        lines.append("passed" if self.passed else "FAILED: a float32 artefact or a file differs")
        return "\n".join(lines)


def verify(
    bundle: str | pathlib.Path,
    sentences: str | pathlib.Path | Sequence[str] | None = None,
    *,
    verbose: bool = True,
) -> Parity:
    """Translates the same sentences in every artefact, by both searches, and compares.

    The reference is the Keras model in the bundle with its in-graph search. A bundle with a beam
    search inside is compared by that too, on all hypotheses and in their order.

    Args:
        bundle: The exported folder.
        sentences: Texts, or the path of a UTF-8 file with one a line; None takes those that the
            bundle brings, `verify.txt`.
        verbose: Show a progress bar.
    Raises:
        ValueError: If there is no sentence.
    """
    opened = Bundle.open(bundle)
    texts = _texts(opened, sentences)
    tokenizers = opened.tokenizers
    default = opened.beam or GREEDY
    strategies: list[Strategy] = [GREEDY, *([opened.beam] if opened.beam else [])]
    ways = [
        (*artefact, search, strategy)
        for strategy in strategies
        for artefact in sorted(opened.artefacts, key=lambda artefact: artefact[0] != "keras")
        for search in SEARCHES
    ]
    progress = keras.utils.Progbar(len(ways), unit_name="way", verbose=int(verbose))
    agreements = []
    references: dict[Strategy, list[list[Translation]]] = {}
    engines: dict[tuple[str, str], Runtime] = {}
    for runtime, quantization, search, strategy in ways:
        if (runtime, quantization) not in engines:
            engines[runtime, quantization] = opened.runtime(runtime, quantization)
        engine = engines[runtime, quantization]
        translator = Translator(
            engine, tokenizers, max_length=opened.max_length, search=search, strategy=strategy
        )
        found = list(translator.iterate(texts, verbose=False))
        # The first way of each strategy is Keras with the search in its graph.
        expected = references.setdefault(strategy, found)
        name = search if strategy == GREEDY else f"beam {search}"
        way = (runtime, quantization, name)
        agreements.append(_compare(way, texts, expected, found))
        if search == "in_file":
            in_words = _translated_texts(engine, texts, strategy, default)
            if in_words is not None:
                agreements.append(_compare_texts(runtime, texts, expected, in_words))
        progress.add(1)
    return Parity(tuple(agreements), tuple(opened.altered_files()))


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


def _compare(
    way: tuple[str, str, str],
    texts: list[str],
    expected: list[list[Translation]],
    found: list[list[Translation]],
) -> Agreement:
    differences = []
    largest = 0.0
    for text, wanted, got in zip(texts, expected, found, strict=True):
        pairs = list(zip(wanted, got, strict=False))
        gaps = [abs(a.score - b.score) for a, b in pairs]
        unlike = [i for i, (a, b) in enumerate(pairs) if a.hypothesis.ids != b.hypothesis.ids]
        if len(wanted) == len(got) and not unlike:
            largest = max(largest, *gaps)
        else:
            i = min(unlike, default=0)
            differences.append(Difference(text, wanted[i].text, got[i].text, gaps[i]))
    return Agreement(*way, len(texts), tuple(differences), largest)


def _translated_texts(
    engine: Runtime, texts: list[str], strategy: Strategy, default: Strategy
) -> list[str] | None:
    """Returns the translations of an artefact that takes texts and searches so, or None."""
    if isinstance(engine, SavedModelRuntime) and strategy == default:
        return engine.translate_texts(texts)
    if isinstance(engine, OnnxRuntime) and engine.takes_texts and strategy == GREEDY:
        return engine.translate_texts(texts)
    return None


def _compare_texts(
    runtime: str, texts: list[str], expected: list[list[Translation]], found: list[str]
) -> Agreement:
    differences = tuple(
        Difference(text, best.text, got, float("nan"))
        for text, (best, *_), got in zip(texts, expected, found, strict=True)
        if best.text != got
    )
    return Agreement(runtime, "float32", "text", len(texts), differences, 0.0)
