"""Turns text into ids and back inside a TensorFlow graph, as `tokenizer.py` does on the host."""

import hashlib
from typing import final

from keras_seq2seq.installed import missing_package
from keras_seq2seq.text.tokenizer import TokenizerPair
from keras_seq2seq.text.vocabulary import BOS_ID, EOS_ID, PAD_ID

try:
    import tensorflow as tf
    import tensorflow_text as tf_text
except ImportError as error:
    what = (
        "The tokenizer inside a SavedModel needs TensorFlow and tensorflow-text, which has no "
        "Windows wheel (use Linux, macOS or WSL there, or tokenise on the host)"
    )
    raise missing_package(what, "tensorflow", error) from error


@final
class GraphTokenizer(tf.Module):
    """Both tokenizers of a model as TensorFlow operators; the ids are the same as on the host.

    The SentencePiece models become constants of the graph, so a SavedModel needs no extra file.
    For every input that `clean_text` accepts, the ids equal those of `Tokenizer`.

    Args:
        tokenizers: TokenizerPair of the model.
    """

    def __init__(self, tokenizers: TokenizerPair) -> None:
        super().__init__(name="graph_tokenizer")
        self.source = _sentencepiece(tokenizers.source.to_bytes())
        self.target = (
            self.source if tokenizers.joint else _sentencepiece(tokenizers.target.to_bytes())
        )

    def encode(self, texts: tf.Tensor) -> tf.Tensor:
        """Turns source texts into ids.

        Args:
            texts: string, shape (batch,).
        Returns:
            source_ids: int32, shape (batch, length), length > 0; each row ends with eos and is
                padded with 0.
        """
        return _ids(self.source, texts)

    def encode_target(self, texts: tf.Tensor) -> tf.Tensor:
        """Turns translations into target ids; see `encode` for dtypes and shapes."""
        return _ids(self.target, texts)

    def decode(self, target_ids: tf.Tensor) -> tf.Tensor:
        """Turns target ids into texts; stops at the first eos and skips pad and bos.

        Args:
            target_ids: int32, shape (batch, length), each in [0, vocabulary_size) before eos.
        Returns:
            texts: string, shape (batch,), valid UTF-8.
        """
        before_eos = tf.cumsum(tf.cast(target_ids == EOS_ID, tf.int32), axis=1) == 0
        real = before_eos & (target_ids != PAD_ID) & (target_ids != BOS_ID)
        return self.target.detokenize(tf.ragged.boolean_mask(target_ids, real))


def _ids(tokenizer: tf_text.SentencepieceTokenizer, texts: tf.Tensor) -> tf.Tensor:
    # errors="replace" works like Python's bytes.decode; tf.text alone would replace every byte.
    texts = tf.strings.unicode_transcode(texts, "UTF-8", "UTF-8", errors="replace")
    texts = tf.strings.regex_replace(texts, r"\x00", " ")
    ids = tokenizer.tokenize(texts)
    # Not `add_eos`: the kernel stores that flag in the resource, which other calls share.
    ends = tf.fill([ids.nrows(), 1], EOS_ID)
    ids = tf.concat([ids, ends], axis=1)
    # An empty batch gets length 1, not 0: some encoders cannot run zero steps.
    return ids.to_tensor(PAD_ID, shape=tf.maximum(ids.bounding_shape(), [0, 1]))


def _sentencepiece(model: bytes) -> tf_text.SentencepieceTokenizer:
    # Each model needs its own name; otherwise Python loads two models of a SavedModel as one.
    name = f"sentencepiece_{hashlib.sha256(model).hexdigest()}"
    return tf_text.SentencepieceTokenizer(model=model, out_type=tf.int32, name=name)
