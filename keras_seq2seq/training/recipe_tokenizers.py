"""The tokenizers that a recipe describes."""

from collections.abc import Iterable

from keras_seq2seq.text.tokenizer import TokenizerPair
from keras_seq2seq.training.recipe import Recipe


def recipe_tokenizers(recipe: Recipe, pairs: Iterable[tuple[str, str]]) -> TokenizerPair:
    """Trains tokenizers on pairs (source_text, target_text)."""
    wanted = recipe.tokenizer
    source_size = wanted.vocabulary_size or None
    target_size = wanted.target_vocabulary_size or None
    return TokenizerPair.train(
        pairs,
        source_size if wanted.joint else (source_size, target_size),
        joint=wanted.joint,
        source_level=wanted.source_level,
        target_level=wanted.source_level if wanted.joint else wanted.target_level,
        normalization=wanted.normalization,
        max_sentences=wanted.max_sentences,
        seed=recipe.data.seed,
    )
