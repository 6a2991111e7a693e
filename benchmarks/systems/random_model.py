"""A Transformer of real size with random weights, whose translations are all of one length.

Its vocabulary are the words w0, w1, ...; no translation ends before the longest length, so that
every system computes as many steps, whatever its rounding.
"""

import random
from typing import Any

import numpy as np

from keras_seq2seq import Seq2Seq, Seq2SeqConfig, Tokenizer, TokenizerPair
from keras_seq2seq.text.vocabulary import BOS_ID, EOS_ID, PAD_ID

LENGTH = 24  # tokens of a text, its end included, and of a translation
NEVER = -100.0


def random_model(vocabulary_size: int, **fields: Any) -> Seq2Seq:
    """Returns a model that never chooses eos, pad or bos.

    Args:
        vocabulary_size: int > 4. Ids of both sides.
        fields: Fields of `Seq2SeqConfig`, among them output_bias=True.
    """
    words = [f"w{i}" for i in range(vocabulary_size - 4)]
    tokenizer = Tokenizer.train(words, vocabulary_size, level="word")
    config = Seq2SeqConfig(vocabulary_size, vocabulary_size, max_length=LENGTH, **fields)
    model = Seq2Seq(config, tokenizers=TokenizerPair(tokenizer, tokenizer))
    draw = np.random.default_rng(1)
    for weight in model.weights:
        if len(weight.shape) > 1:
            spread = weight.shape["embedding" in weight.path] ** -0.5
            weight.assign(draw.standard_normal(weight.shape, "float32") * spread)
        elif weight.path.endswith("gamma"):
            # Without it the logits would be those of the token before: its row is in the sum.
            weight.assign(draw.choice([-1.0, 1.0], weight.shape))
        elif weight.path == "logits_bias/bias":
            bias = np.zeros(weight.shape, "float32")
            bias[[PAD_ID, BOS_ID, EOS_ID]] = NEVER
            weight.assign(bias)
    return model


def random_texts(count: int, vocabulary_size: int) -> list[str]:
    """Returns texts of `LENGTH` - 1 words."""
    draw = random.Random(1)
    words = range(vocabulary_size - 4)
    return [" ".join(f"w{i}" for i in draw.choices(words, k=LENGTH - 1)) for _ in range(count)]
