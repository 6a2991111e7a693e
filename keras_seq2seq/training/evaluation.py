"""Quality of translations against references: BLEU, chrF and TER by sacrebleu, exact match."""

import contextlib
from collections.abc import Sequence
from typing import Any

METRICS = ("bleu", "chrf", "ter")


def evaluate(
    translations: Sequence[str],
    references: Sequence[str],
    *,
    metrics: Sequence[str] = ("bleu", "chrf"),
    num_bootstraps: int = 0,
) -> dict[str, Any]:
    """Compares translations with one reference each.

    Args:
        translations: The translations, without tokenisation.
        references: The references, as many and in the same order.
        metrics: Any of "bleu" (13a tokenisation, exponential smoothing), "chrf" (chrF2) and
            "ter", each with sacrebleu's defaults.
        num_bootstraps: int >= 0. Resamplings of the sentences for confidence intervals.
    Returns:
        bleu, chrf: 0 to 100, higher is better; ter: 0 upwards, lower is better.
        bleu_signature, ...: What sacrebleu says of its settings.
        bleu_interval, ...: With `num_bootstraps`, the mean of the resamplings and half the width
            of the interval that holds 95 % of them, as text; absent for resamples that are
            too poor for sacrebleu.
        exact_match: 0 to 100, per cent of translations equal to their reference.
        sentences: Number of pairs.
    Raises:
        ValueError: If the lengths differ or are 0, a metric is unknown, or `num_bootstraps` is
            negative.
        ImportError: If sacrebleu is not installed.
    Reference:
        Papineni et al. 2002; Popovic 2015; Snover et al. 2006; Koehn 2004 (bootstrap); Post 2018.
    """
    if len(translations) != len(references) or not references:
        raise ValueError(
            "There must be one reference for each translation, and at least one. "
            f"Received: {len(translations)} translations, {len(references)} references."
        )
    found: dict[str, Any] = {}
    if num_bootstraps < 0:
        raise ValueError(f"`num_bootstraps` must be at least 0. Received: {num_bootstraps}.")
    if unknown := [name for name in metrics if name not in METRICS]:
        raise ValueError(f"`metrics` must be among {METRICS}. Received: {unknown}.")
    known = _metrics()
    for name in metrics:
        metric = known[name]()
        texts = list(translations), [list(references)]
        score = metric.corpus_score(*texts)
        if num_bootstraps:
            # sacrebleu 2.6 cannot average resamples of which some score exactly 0.
            with contextlib.suppress(TypeError):
                score = metric.corpus_score(*texts, n_bootstrap=num_bootstraps)
                found[f"{name}_interval"] = score.format(width=2, score_only=True)
        found[name] = score.score
        found[f"{name}_signature"] = str(metric.get_signature())
    equal = sum(a == b for a, b in zip(translations, references, strict=True))
    return {
        **found,
        "exact_match": 100 * equal / len(references),
        "sentences": len(references),
    }


def _metrics() -> dict[str, Any]:
    try:
        from sacrebleu.metrics import BLEU, CHRF, TER
    except ImportError:
        raise ImportError(
            'Evaluation needs sacrebleu: pip install "keras_seq2seq[train]".'
        ) from None
    return dict(zip(METRICS, (BLEU, CHRF, TER), strict=True))
