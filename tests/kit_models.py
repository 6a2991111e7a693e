"""The models that the kits of export/ are tried with."""

from collections.abc import Iterator

from conftest import tiny_config, tiny_model
from exported_models import TRANSFORMER

from keras_seq2seq import Seq2Seq, TokenizerPair

KIT_MODELS = {"gru": {"attention": "general"}, "transformer": TRANSFORMER}


def kit_models(tokenizers: TokenizerPair) -> Iterator[tuple[str, Seq2Seq]]:
    """Yields the name and the model of each architecture, for these tokenizers."""
    sizes = {
        "source_vocabulary_size": tokenizers.source.vocabulary_size,
        "target_vocabulary_size": tokenizers.target.vocabulary_size,
    }
    for name, options in KIT_MODELS.items():
        yield name, tiny_model(tiny_config(**sizes, **options), tokenizers=tokenizers)
