"""Refuses quantised artefacts that translate worse than the float32 ones of their format."""

import copy
import dataclasses
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
from keras_seq2seq.translator import Translator
from keras_seq2seq.verification.latency import Latencies

GATED = ("exact_match", *METRICS)
# The arguments of `export` that were the fields of a `Gate`.
FORMER_OPTIONS = {
    "evaluation": "evaluation",
    "max_quality_drop": "max_quality_drop",
    "max_repetition_rise": "max_repetition_rise",
    "quality_metric": "metric",
    "bleu_tokenize": "tokenize",
}
LOWER_IS_BETTER = ("ter", "wer", "cer")
# A repetition is a sequence of at most this many tokens, at least three times in a row.
LONGEST_REPEATED = 4


@dataclasses.dataclass(frozen=True)
class Gate:
    """How much quality a quantised artefact may lose.

    Args:
        evaluation: Pairs of a source text and its reference.
        metric: "bleu", "chrf", "exact_match", or "ter", "wer", "cer" (lower is better).
        max_quality_drop: float >= 0. Largest allowed loss, in points of the metric.
        max_repetition_rise: float >= 0. Largest allowed rise of the repetition rate, in points.
        tokenize: How "bleu" splits words, see `evaluate`.
    Raises:
        ValueError: If values are invalid; lists every error.
    """

    evaluation: Sequence[tuple[str, str]]
    metric: str = "bleu"
    max_quality_drop: float = 0.3
    max_repetition_rise: float = 1.0
    tokenize: str = "13a"

    def __repr__(self) -> str:
        limits = f"max_quality_drop={self.max_quality_drop}"
        return f"Gate({len(self.evaluation)} pairs, metric={self.metric!r}, {limits})"

    @classmethod
    def from_options(cls, gate: "Gate | None", options: Mapping[str, Any]) -> "Gate | None":
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
        given = {FORMER_OPTIONS[name]: value for name, value in options.items()}
        return gate if given.get("evaluation") is None else cls(**given)

    def __post_init__(self) -> None:
        faults = []
        if not self.evaluation:
            faults.append("`evaluation` must hold at least one pair. Received: none.")
        if self.metric not in GATED:
            faults.append(f"`quality_metric` must be one of {GATED}. Received: {self.metric!r}.")
        for name in ("max_quality_drop", "max_repetition_rise"):
            if not getattr(self, name) >= 0:
                faults.append(f"`{name}` must be at least 0. Received: {getattr(self, name)}.")
        if faults:
            raise ValueError("\n- ".join(faults))


@dataclasses.dataclass(frozen=True)
class Quality:
    """How one artefact translates the evaluation pairs.

    Args:
        scores: What `evaluate` gave.
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
        metric: Metric that it was judged by.
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
    *,
    verbose: bool = True,
) -> list[Verdict]:
    """Translates the evaluation pairs with every quantised artefact and its float32 form.

    The search is the bundle's own: its beam if it has one inside, else greedy.

    Args:
        bundle: A bundle with quantised artefacts.
        gate: How much quality they may lose.
        runtimes: Gives the runtime of an artefact by its name and quantization.
        latencies: What `measured_latencies` found.
        verbose: Show a progress bar.
    Returns:
        One verdict for each quantised artefact.
    """
    quantised = [artefact for artefact in bundle.artefacts if artefact[1] != EXACT]
    exact = sorted({(runtime, EXACT) for runtime, _ in quantised})
    measured = {}
    with progress(len(exact) + len(quantised), "artefacts", verbose) as advance:
        for artefact in [*exact, *quantised]:
            scores, rate, hypotheses = _translate(bundle, gate, runtimes(*artefact))
            quality = Quality(scores, rate, latencies[artefact], bundle.size(*artefact))
            measured[artefact] = quality, hypotheses
            advance(1)
    verdicts = []
    for runtime, quantization in quantised:
        before, expected = measured[runtime, EXACT]
        after, found = measured[runtime, quantization]
        same = sum(a.ids == b.ids for a, b in zip(expected, found, strict=True))
        verdicts.append(
            Verdict(
                runtime,
                quantization,
                before,
                after,
                100 * same / len(found),
                tuple(losses(gate, before, after)),
                gate.metric,
            )
        )
    return verdicts


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


def _translate(
    bundle: Bundle, gate: Gate, engine: Runtime
) -> tuple[dict[str, Any], float, list[Hypothesis]]:
    """Returns the scores, the repetition rate and the hypotheses of the evaluation pairs."""
    strategy = bundle.beam or GREEDY
    translator = Translator(
        engine, bundle.tokenizers, max_length=bundle.max_length, strategy=strategy
    )
    sources, references = zip(*gate.evaluation, strict=True)
    found = [best for best, *_ in translator.iterate(sources, verbose=False)]
    metrics = [name for name in ("bleu", "chrf", gate.metric) if name in METRICS]
    scores = evaluate(
        [best.text for best in found],
        references,
        metrics=list(dict.fromkeys(metrics)),
        tokenize=gate.tokenize,
    )
    hypotheses = [best.hypothesis for best in found]
    repeating = sum(repeats(best.ids) for best in hypotheses)
    return scores, 100 * repeating / len(found), hypotheses


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
    if not drop <= gate.max_quality_drop:
        faults.append(
            f"{gate.metric} is {drop:.2f} points worse (from {old:.2f} to {new:.2f}); "
            f"at most {gate.max_quality_drop:g} are allowed."
        )
    rise = after.repetition_rate - before.repetition_rate
    if not rise <= gate.max_repetition_rise:
        faults.append(
            f"The repetition rate rose by {rise:.2f} points (from {before.repetition_rate:.2f} "
            f"to {after.repetition_rate:.2f}); at most {gate.max_repetition_rise:g} are allowed."
        )
    return faults
