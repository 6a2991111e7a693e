"""A preset that saw a few batches of the phrasebook: it says something, if nothing right."""

import keras

from keras_seq2seq import PairBatches, Seq2Seq, Seq2SeqConfig, TokenizerPair
from keras_seq2seq.phrasebook.corpus import Phrasebook

VOCABULARY_SIZE, MAX_LENGTH = 1000, 24
PEAK = {"transformer_base": 3e-4}


def trained(
    name: str, book: Phrasebook, *, steps: int, tokenizers: TokenizerPair | None = None
) -> Seq2Seq:
    """Returns a compiled model after some steps, with its tokenizers; dropout is off."""
    if tokenizers is None:
        tokenizers = TokenizerPair.train(book.train, VOCABULARY_SIZE, joint=True)
    keras.utils.set_random_seed(0)
    config = Seq2SeqConfig.from_preset(
        name, VOCABULARY_SIZE, VOCABULARY_SIZE, max_length=MAX_LENGTH, dropout=0.0
    )
    model = Seq2Seq(config, tokenizers=tokenizers)
    model.compile(keras.optimizers.Adam(PEAK.get(name, 1e-3), global_clipnorm=1.0))
    batches = PairBatches(
        book.train, tokenizers, tokens_per_batch=600, max_length=MAX_LENGTH, num_shapes=4
    )
    model.fit(batches, epochs=1, steps_per_epoch=steps, verbose=0)
    return model
