"""Quality of translations against references: BLEU, chrF, TER, error rates, exact match."""

import contextlib
import importlib.metadata
from collections.abc import Sequence
from typing import Any

from keras_seq2seq.installed import missing_package
from keras_seq2seq.text.pairs import checked_texts

_BY_JIWER = {"wer": "words split at whitespace", "cer": "whitespace as one space"}
METRICS = ("bleu", "chrf", "ter", *_BY_JIWER)


def evaluate(
    translations: Sequence[str],
    references: Sequence[str],
    *,
    metrics: Sequence[str] = ("bleu", "chrf"),
    num_bootstraps: int = 0,
    tokenize: str = "13a",
) -> dict[str, Any]:
    """Compares translations with one reference each.

    Args:
        translations: The translations, without tokenisation.
        references: One reference for each translation, in the same order.
        metrics: Any of "bleu" (exponential smoothing), "chrf" (chrF2) and "ter", each with
            sacrebleu's defaults, and the error rates "wer" and "cer" of jiwer: substitutions,
            deletions and insertions in per cent of the words or characters of all references.
            Words are separated by whitespace; for "cer", whitespace between two words counts as
            one space. Case and punctuation count in both.
        num_bootstraps: int >= 0. Number of resamples of the sentences for sacrebleu's confidence
            intervals; "wer" and "cer" have no intervals.
        tokenize: How sacrebleu splits words for "bleu": "13a", "none" for texts that are already
            tokenised, or another of its tokenizers.
    Returns:
        bleu, chrf: 0 to 100, higher is better; ter, wer, cer: 0 upwards, lower is better.
        bleu_signature, ...: The settings of the metric: sacrebleu's signature, or the version of
            jiwer and how it splits texts.
        bleu_interval, ...: With `num_bootstraps`, the mean of the resamples and half the width of
            the interval that holds 95 % of them, as text; absent if sacrebleu cannot average the
            resamples because some score exactly 0.
        exact_match: 0 to 100, per cent of translations equal to their reference.
        sentences: Number of pairs.
    Raises:
        TypeError: If an argument is one text, or holds something else than texts.
        ValueError: If the lengths differ or are 0, a metric or `tokenize` is unknown,
            `num_bootstraps` is negative, or `metrics` has an error rate and all references are
            empty.
        ImportError: If the library of a metric, sacrebleu or jiwer, is not installed.
    Reference:
        Papineni et al. 2002; Popovic 2015; Snover et al. 2006; Koehn 2004 (bootstrap); Post 2018.
    """
    translations = checked_texts(translations, "translations")
    references = checked_texts(references, "references")
    if not len(translations) == len(references) > 0:
        raise ValueError(
            "`references` must hold one reference for each translation, and at least one. "
            f"Received: {len(translations)} translations, {len(references)} references."
        )
    found: dict[str, Any] = {}
    if num_bootstraps < 0:
        raise ValueError(f"`num_bootstraps` must be at least 0. Received: {num_bootstraps}.")
    if unknown := [name for name in metrics if name not in METRICS]:
        raise ValueError(f"`metrics` must be among {METRICS}. Received: {unknown}.")
    for name in metrics:
        if name in _BY_JIWER:
            found |= _error_rate(name, translations, references)
        else:
            # `force` stops sacrebleu's warning about tokenised texts where they are intended.
            of_bleu = {"tokenize": tokenize, "force": tokenize == "none"}
            options = of_bleu if name == "bleu" else {}
            found |= _sacrebleu_score(name, options, translations, references, num_bootstraps)
    equal = sum(a == b for a, b in zip(translations, references, strict=True))
    return {
        **found,
        "exact_match": 100 * equal / len(references),
        "sentences": len(references),
    }


def _sacrebleu_score(
    name: str,
    options: dict[str, Any],
    translations: Sequence[str],
    references: Sequence[str],
    num_bootstraps: int,
) -> dict[str, Any]:
    try:
        from sacrebleu.metrics import METRICS as known
    except ImportError:
        raise missing_package("Evaluation needs sacrebleu", "train") from None
    found: dict[str, Any] = {}
    kind = known[name.upper()]
    if name == "bleu" and options["tokenize"] not in kind.TOKENIZERS:
        raise ValueError(
            f"`tokenize` must be one of {sorted(kind.TOKENIZERS)}. "
            f"Received: {options['tokenize']!r}."
        )
    metric = kind(**options)
    texts = list(translations), [list(references)]
    score = metric.corpus_score(*texts)
    if num_bootstraps:
        # sacrebleu 2.6 cannot average resamples if some of them score exactly 0.
        with contextlib.suppress(TypeError):
            score = metric.corpus_score(*texts, n_bootstrap=num_bootstraps)
            found[f"{name}_interval"] = score.format(width=2, score_only=True)
    return {**found, name: score.score, f"{name}_signature": str(metric.get_signature())}


def _error_rate(
    name: str, translations: Sequence[str], references: Sequence[str]
) -> dict[str, Any]:
    try:
        import jiwer
    except ImportError:
        raise missing_package("Error rates need jiwer", "train") from None
    # On its own, jiwer splits words at spaces only, not at tabs or no-break spaces.
    found, wanted = (
        [" ".join(text.split()) for text in texts] for texts in (translations, references)
    )
    if not any(wanted):
        raise ValueError(
            f"`{name}` needs at least one reference with a word. "
            f"Received: {len(wanted)} empty references; leave {name!r} out of `metrics`."
        )
    rate = getattr(jiwer, name)(wanted, found)
    version = importlib.metadata.version("jiwer")
    return {name: 100 * rate, f"{name}_signature": f"jiwer {version}, {_BY_JIWER[name]}, cased"}
