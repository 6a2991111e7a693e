"""Refuses quantised artefacts that translate worse than the float32 ones of their format."""

import copy
import dataclasses
import math
import numbers
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from keras_seq2seq.bundles.bundle import Bundle
from keras_seq2seq.decoding.hypothesis import Hypothesis
from keras_seq2seq.decoding.strategies import GREEDY
from keras_seq2seq.evaluation import METRICS, evaluate
from keras_seq2seq.formats import EXACT
from keras_seq2seq.progress import progress
from keras_seq2seq.runtimes.runtime import Runtime
from keras_seq2seq.text.pairs import checked_pairs
from keras_seq2seq.translation import Translation
from keras_seq2seq.translator import Translator
from keras_seq2seq.verification.latency import Latencies
from keras_seq2seq.verification.likeness import agreement
from keras_seq2seq.verification.opened import is_large

GATED = ("exact_match", *METRICS)
AGREEMENT = "agreement"
ROUNDING = 1e-9  # of the difference of two figures that are equal on paper
# The arguments of `export` that were the fields of a `Gate`.
FORMER_OPTIONS = {
    "evaluation": "evaluation",
    "max_quality_drop": "max_quality_drop",
    "max_repetition_rise": "max_repetition_rise",
    "quality_metric": "metric",
    "bleu_tokenize": "tokenize",
    "min_agreement": "min_agreement",
}
LOWER_IS_BETTER = ("ter", "wer", "cer")
# A repetition is a sequence of at most this many tokens, at least three times in a row.
LONGEST_REPEATED = 4


@dataclasses.dataclass(frozen=True)
class Gate:
    """How much quality a quantised artefact may lose.

    Without pairs it is judged by `min_agreement` alone, on the sentences of the bundle.

    Args:
        evaluation: Pairs of a source text and its reference, some hundreds; or None.
        metric: "bleu", "chrf", "exact_match", or "ter", "wer", "cer" (lower is better).
        max_quality_drop: float >= 0. Largest allowed loss, in points of the metric.
        max_repetition_rise: float >= 0. Largest allowed rise of the repetition rate, in points.
        tokenize: How "bleu" splits words, see `evaluate`.
        min_agreement: 0 to 100. Least agreement with the float32 file of the same format, see
            `agreement`; 0 allows any.
    Raises:
        ValueError: If values are invalid; lists every error.
    """

    evaluation: Sequence[tuple[str, str]] | None = None
    metric: str = "bleu"
    max_quality_drop: float = 0.3
    max_repetition_rise: float = 1.0
    tokenize: str = "13a"
    min_agreement: float = 50.0

    def __repr__(self) -> str:
        limits = f"max_quality_drop={self.max_quality_drop}"
        return f"Gate({len(self.evaluation or ())} pairs, metric={self.metric!r}, {limits})"

    @classmethod
    def from_options(cls, gate: "Gate | None", options: Mapping[str, Any]) -> "Gate":
        """Returns the gate that `export` was given, whole or as its former separate arguments.

        Raises:
            TypeError: If an option is unknown, or given together with a gate.
            ValueError: See the class.
        """
        if unknown := sorted(set(options) - set(FORMER_OPTIONS)):
            raise TypeError(f"`export` has no such argument. Received: {unknown}.")
        if gate is not None and options:
            raise TypeError(
                "`export` takes either `gate` or its separate arguments. "
                f"Received: both, {sorted(options)}."
            )
        return gate or cls(**{FORMER_OPTIONS[name]: value for name, value in options.items()})

    def __post_init__(self) -> None:
        faults = []
        if self.evaluation is not None:
            try:
                pairs = tuple(checked_pairs(self.evaluation))
            except TypeError as error:
                faults.append(f"`evaluation` must hold pairs (source, reference). {error}")
            else:
                object.__setattr__(self, "evaluation", pairs)
                faults += _pair_faults(pairs)
        if self.metric not in GATED:
            faults.append(f"`quality_metric` must be one of {GATED}. Received: {self.metric!r}.")
        for name in ("max_quality_drop", "max_repetition_rise"):
            if not _is_between(value := getattr(self, name), 0, math.inf):
                faults.append(f"`{name}` must be at least 0. Received: {value!r}.")
        if not _is_between(self.min_agreement, 0, 100):
            faults.append(f"`min_agreement` must be 0 to 100. Received: {self.min_agreement!r}.")
        if faults:
            raise ValueError("\n- ".join(faults))

    @property
    def judged_by(self) -> str:
        """The metric, or "agreement" if there are no pairs."""
        return self.metric if self.evaluation else AGREEMENT

    def check_installed(self) -> None:
        """Checks that the metrics can be computed, before anything is written.

        Raises:
            ImportError: If the library of a metric is not installed.
            ValueError: If `tokenize` is unknown.
        """
        if self.evaluation:
            evaluate(["a"], ["a"], metrics=self.metrics, tokenize=self.tokenize)

    @property
    def metrics(self) -> list[str]:
        """The metrics of `evaluate` that are measured."""
        return [name for name in METRICS if name in ("bleu", "chrf", self.metric)]


def _pair_faults(evaluation: Sequence[Any]) -> list[str]:
    if not evaluation:
        return ["`evaluation` must hold at least one pair. Received: none."]
    if not any(reference.strip() for _, reference in evaluation):
        received = f"{len(evaluation)} empty references"
        return [f"`evaluation` must hold at least one reference with a word. Received: {received}."]
    return []


def _is_between(value: Any, least: float, greatest: float) -> bool:
    is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    return is_number and least <= value <= greatest  # NaN is not


@dataclasses.dataclass(frozen=True)
class Quality:
    """How one artefact translates the evaluation pairs.

    Args:
        scores: What `evaluate` gave, if there are pairs. "agreement": that with the float32
            artefact, 0 to 100, see `agreement`; absent if float32 is undecided.
        repetition_rate: 0 to 100, per cent of translations in which a sequence of one to four
            tokens occurs three times in a row.
        latency_ms: Median milliseconds of a sentence on its own, see `measured_latencies`.
        bytes: Size of its files.
    """

    scores: dict[str, Any]
    repetition_rate: float
    latency_ms: float
    bytes: int


@dataclasses.dataclass(frozen=True)
class Verdict:
    """How a quantised artefact compares with the float32 one of its format.

    Args:
        runtime: "litert" or "onnx".
        quantization: Weight format of the artefact that is judged.
        before: Quality of the float32 artefact.
        after: Quality of the quantised one.
        identical: 0 to 100, per cent of the sentences that both translate to the same tokens.
        faults: Why it is refused; empty if it is not.
        metric: Metric that it was judged by; "agreement" without pairs.
    """

    runtime: str
    quantization: str
    before: Quality
    after: Quality
    identical: float
    faults: tuple[str, ...]
    metric: str

    def to_dict(self) -> dict[str, Any]:
        """Returns plain values for JSON."""
        return {**dataclasses.asdict(self), "accepted": not self.faults}

    def __str__(self) -> str:
        return f"{self.runtime} {self.quantization}: {' '.join(self.faults) or 'accepted'}"


def judge(
    bundle: Bundle,
    gate: Gate,
    runtimes: Callable[[str, str], Runtime],
    latencies: Latencies,
    sentences: Sequence[str],
    *,
    verbose: bool = True,
) -> list[Verdict]:
    """Translates texts with every quantised artefact and its float32 form, and compares.

    The search is the bundle's own: its beam if it has one inside, else greedy.

    Args:
        bundle: A bundle with quantised artefacts.
        gate: How much quality they may lose.
        runtimes: Gives the runtime of an artefact by its name and quantization.
        latencies: What `measured_latencies` found.
        sentences: Source texts that are translated if the gate has no pairs.
        verbose: Show a progress bar.
    Returns:
        One verdict for each quantised artefact.
    """
    quantised = [artefact for artefact in bundle.artefacts if artefact[1] != EXACT]
    exact = sorted({(runtime, EXACT) for runtime, _ in quantised})
    sources = [source for source, _ in gate.evaluation] if gate.evaluation else sentences
    measured: dict[tuple[str, str], _Measured] = {}
    with progress(len(exact) + len(quantised), "artefacts", verbose) as advance:
        for artefact in [*exact, *quantised]:
            engine = runtimes(*artefact)
            measured[artefact] = {}
            for variant, one in {"": engine, **engine.variants()}.items():
                found = _translated(bundle, sources, one)
                quality = _quality(gate, found, latencies[artefact], bundle.size(*artefact))
                measured[artefact][variant] = quality, [best.hypothesis for best in found]
                if is_large(bundle):
                    one.release()
            advance(1)
    size = bundle.tokenizers.target.vocabulary_size
    return [
        _verdict(gate, artefact, measured[artefact[0], EXACT], measured[artefact], size)
        for artefact in quantised
    ]


# By the variant of the runtime, see `Runtime.variants`; "" is the runtime itself.
_Measured = dict[str, tuple[Quality, list[Hypothesis]]]


def _verdict(
    gate: Gate,
    artefact: tuple[str, str],
    exact: _Measured,
    quantised: _Measured,
    vocabulary_size: int,
) -> Verdict:
    """Compares a quantised artefact with the float32 one of its format.

    The figures are those of the runtime itself; a fault of one of its variants counts as well.
    """
    verdicts = {
        variant: _of_variant(gate, artefact, exact[variant], quantised[variant], vocabulary_size)
        for variant in quantised
    }
    own = verdicts.pop("")
    others = [f"{name}: {f}" for name, verdict in verdicts.items() for f in verdict.faults]
    return dataclasses.replace(own, faults=(*own.faults, *others))


def _of_variant(
    gate: Gate,
    artefact: tuple[str, str],
    exact: tuple[Quality, list[Hypothesis]],
    quantised: tuple[Quality, list[Hypothesis]],
    vocabulary_size: int,
) -> Verdict:
    (before, expected), (after, found) = exact, quantised
    faults = losses(gate, before, after) if gate.evaluation else []
    agreed = agreement(expected, found, vocabulary_size)
    if agreed is not None:
        before, after = _with_agreement(before, 100.0), _with_agreement(after, agreed)
        faults += disagreement(gate, agreed, len(found))
    same = sum(a.ids == b.ids for a, b in zip(expected, found, strict=True))
    identical = 100 * same / len(found)
    return Verdict(*artefact, before, after, identical, tuple(faults), gate.judged_by)


def _with_agreement(quality: Quality, agreed: float) -> Quality:
    return dataclasses.replace(quality, scores={**quality.scores, AGREEMENT: agreed})


def without_refused(bundle: Bundle, verdicts: Sequence[Verdict]) -> Bundle:
    """Deletes the files of artefacts that were refused; returns the bundle without them.

    The manifest on disk, if there is one, is left to the caller.
    """
    manifest = copy.deepcopy(bundle.manifest)
    for verdict in verdicts:
        if verdict.faults:
            for name in bundle.files(verdict.runtime, verdict.quantization):
                (bundle.folder / name).unlink()
                del manifest["files"][name]
            del manifest["artefacts"][verdict.runtime]["files"][verdict.quantization]
    return Bundle(bundle.folder, manifest)


def _translated(bundle: Bundle, sources: Sequence[str], engine: Runtime) -> list[Translation]:
    """Returns the best translation of each source by the search of the bundle."""
    strategy = bundle.beam or GREEDY
    translator = Translator(
        engine, bundle.tokenizers, max_length=bundle.max_length, strategy=strategy
    )
    return [best for best, *_ in translator.iterate(sources, verbose=False)]


def _quality(gate: Gate, found: list[Translation], latency_ms: float, size: int) -> Quality:
    scores: dict[str, Any] = {"sentences": len(found)}
    if gate.evaluation:
        references = [reference for _, reference in gate.evaluation]
        texts = [best.text for best in found]
        scores = evaluate(texts, references, metrics=gate.metrics, tokenize=gate.tokenize)
    repeating = sum(repeats(best.hypothesis.ids) for best in found)
    return Quality(scores, 100 * repeating / len(found), latency_ms, size)


def repeats(ids: Sequence[int]) -> bool:
    """Returns True if a sequence of one to four ids occurs three times in a row."""
    array = np.asarray(ids)
    for size in range(1, LONGEST_REPEATED + 1):
        run = 0
        for same in array[size:] == array[:-size]:
            run = run + 1 if same else 0
            if run == 2 * size:
                return True
    return False


def losses(gate: Gate, before: Quality, after: Quality) -> list[str]:
    """Returns the losses that the gate does not allow, a sentence for each."""
    old, new = before.scores[gate.metric], after.scores[gate.metric]
    drop = new - old if gate.metric in LOWER_IS_BETTER else old - new
    faults = []
    # Written so that NaN does not pass.
    if not drop <= gate.max_quality_drop + ROUNDING:
        faults.append(
            f"{gate.metric} is {drop:.2f} points worse (from {old:.2f} to {new:.2f}); "
            f"at most {gate.max_quality_drop:g} are allowed."
        )
    rise = after.repetition_rate - before.repetition_rate
    if not rise <= gate.max_repetition_rise + ROUNDING:
        faults.append(
            f"The repetition rate rose by {rise:.2f} points (from {before.repetition_rate:.2f} "
            f"to {after.repetition_rate:.2f}); at most {gate.max_repetition_rise:g} are allowed."
        )
    return faults


def disagreement(gate: Gate, agreed: float, sentences: int) -> list[str]:
    """Returns what to say if a quantised artefact does not say what float32 says, and the remedy.

    Args:
        gate: The least agreement.
        agreed: 0 to 100, what `agreement` found.
        sentences: Number of sentences it was found on.
    """
    if agreed >= gate.min_agreement:
        return []
    return [
        f"Its agreement with float32 is {agreed:.1f} % on {sentences} sentences; at least "
        f"{gate.min_agreement:g} % are needed. Choose another quantization, measure 'int8' on more "
        "typical sentences, or pass evaluation pairs with a smaller min_agreement (--min-agreement)"
        " to judge it by its quality alone."
    ]
