"""Quality of translations against references: BLEU and chrF by sacrebleu, exact match."""

from collections.abc import Sequence
from typing import Any


def evaluate(translations: Sequence[str], references: Sequence[str]) -> dict[str, Any]:
    """Compares translations with one reference each.

    Args:
        translations: The translations, without tokenisation.
        references: The references, as many and in the same order.
    Returns:
        bleu: 0 to 100, sacrebleu's default (13a tokenisation, exponential smoothing).
        chrf: 0 to 100, sacrebleu's default (chrF2).
        exact_match: 0 to 100, per cent of translations equal to their reference.
        bleu_signature, chrf_signature: What sacrebleu says of its settings.
        sentences: Number of pairs.
    Raises:
        ValueError: If the lengths differ or are 0.
        ImportError: If sacrebleu is not installed.
    Reference:
        Papineni et al. 2002; Popovic 2015; Post 2018.
    """
    if len(translations) != len(references) or not references:
        raise ValueError(
            "There must be one reference for each translation, and at least one. "
            f"Received: {len(translations)} translations, {len(references)} references."
        )
    try:
        from sacrebleu.metrics import BLEU, CHRF
    except ImportError:
        raise ImportError(
            'Evaluation needs sacrebleu: pip install "keras_seq2seq[train]".'
        ) from None
    bleu, chrf = BLEU(), CHRF()
    equal = sum(a == b for a, b in zip(translations, references, strict=True))
    return {
        "bleu": bleu.corpus_score(list(translations), [list(references)]).score,
        "chrf": chrf.corpus_score(list(translations), [list(references)]).score,
        "exact_match": 100 * equal / len(references),
        "bleu_signature": str(bleu.get_signature()),
        "chrf_signature": str(chrf.get_signature()),
        "sentences": len(references),
    }
