"""A translation as the user gets it: text, probabilities and word alignment."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_seq2seq.decoding.hypothesis import Hypothesis
from keras_seq2seq.text.pieces import words
from keras_seq2seq.text.tokenizer import TokenizerPair
from keras_seq2seq.text.vocabulary import EOS_ID

DIGITS = 6


@dataclasses.dataclass(frozen=True, eq=False)
class Translation:
    """One translation of one text.

    Args:
        text: The translation.
        hypothesis: Its ids and scores, and its attention if the model has any.
        source_tokens: Pieces of the source, eos included.
        target_tokens: Pieces of the translation, eos included if it is finished.
    """

    text: str
    hypothesis: Hypothesis
    source_tokens: tuple[str, ...]
    target_tokens: tuple[str, ...]

    @property
    def score(self) -> float:
        """Sum of the log-probabilities of the tokens, in nats."""
        return self.hypothesis.score

    @property
    def confidence(self) -> float:
        """Geometric mean of the probabilities of the tokens, 0 to 1."""
        return self.hypothesis.confidence

    @property
    def attention(self) -> np.ndarray | None:
        """float32, shape (target tokens, source tokens); None for a model without attention."""
        return self.hypothesis.attention

    @property
    def alignment(self) -> list[tuple[int, int]] | None:
        """Pairs (source word, target word), counted from 0, one for each target word.

        Words are separated by spaces; the end of sentence is not a word. Each target word is
        paired with the source word that its tokens attend to most. None for a model without
        attention, or if the encoder changes the length of the source.
        """
        if self.attention is None or self.attention.shape[1] != len(self.source_tokens):
            return None
        sources = words(self.source_tokens[:-1])
        if not sources:
            return []
        finished = self.hypothesis.finished
        targets = words(self.target_tokens[:-1] if finished else self.target_tokens)
        columns = np.stack([self.attention[:, word].sum(1) for word in sources], axis=1)
        return [(int(columns[word].sum(0).argmax()), i) for i, word in enumerate(targets)]

    def __repr__(self) -> str:
        return f"Translation(text={self.text!r}, {self.hypothesis.summary()})"

    def to_dict(self) -> dict[str, Any]:
        """Returns plain values for JSON; floats are rounded to six decimal places."""
        found = self.hypothesis
        attention = None if found.attention is None else _rounded(found.attention)
        return {
            "translation": self.text,
            "ids": list(found.ids),
            "tokens": list(self.target_tokens),
            "score": round(found.score, DIGITS),
            "token_log_probs": _rounded(found.token_log_probs),
            "confidence": round(found.confidence, DIGITS),
            "ranking": None if found.ranking is None else round(found.ranking, DIGITS),
            "finished": found.finished,
            "alignment": self.alignment,
            "attention": attention,
        }


def translations(
    source_ids: Sequence[int], hypotheses: Sequence[Hypothesis], tokenizers: TokenizerPair
) -> list[Translation]:
    """Returns the hypotheses of one source as translations.

    Args:
        source_ids: Ids of the source, eos included, without padding.
        hypotheses: Hypotheses of that source, possibly found in a batch of longer sources.
        tokenizers: The tokenizers of both sides.
    """
    source_tokens = tuple(tokenizers.source.pieces(source_ids))
    result = []
    for found in hypotheses:
        ids = [*found.ids, *([EOS_ID] if found.finished and len(found.token_log_probs) else [])]
        if found.attention is not None:
            found = dataclasses.replace(found, attention=found.attention[:, : len(source_ids)])
        text = tokenizers.target.decode(list(found.ids))
        target_tokens = tuple(tokenizers.target.pieces(ids))
        result.append(Translation(text, found, source_tokens, target_tokens))
    return result


def _rounded(values: np.ndarray) -> list[Any]:
    return np.round(values.astype("float64"), DIGITS).tolist()
