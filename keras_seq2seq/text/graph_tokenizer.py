"""Text to ids and back inside a TensorFlow graph: the twin of `tokenizer.py` for a SavedModel."""

import hashlib
from typing import final

from keras_seq2seq.text.tokenizer import TokenizerPair
from keras_seq2seq.text.vocabulary import BOS_ID, EOS_ID, PAD_ID

try:
    import tensorflow as tf
    import tensorflow_text as tf_text
except ImportError as error:
    raise ImportError(
        "The tokenizer inside a SavedModel needs tensorflow and tensorflow-text: "
        "`pip install tensorflow-text`. It has no Windows wheel: use Linux, macOS or WSL there, or "
        f"tokenise on the host with keras_seq2seq.Tokenizer. Received: {error}."
    ) from error


@final
class GraphTokenizer(tf.Module):
    """Both tokenizers of a model as TensorFlow operators, with the ids of the host side.

    The models become constants of the graph: a SavedModel needs no file beside it. Any input that
    `clean_text` takes gives the ids that `Tokenizer` gives.

    Args:
        tokenizers: TokenizerPair.
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
            source_ids: int32, shape (batch, length), length > 0; eos ends each row, padded with 0.
        """
        return _ids(self.source, texts)

    def encode_target(self, texts: tf.Tensor) -> tf.Tensor:
        """Turns translations into target ids, as `encode` does source texts."""
        return _ids(self.target, texts)

    def decode(self, target_ids: tf.Tensor) -> tf.Tensor:
        """Turns target ids into texts; stops at the first eos, leaves out pad and bos.

        Args:
            target_ids: int32, shape (batch, length), each in [0, vocabulary_size) before eos.
        Returns:
            texts: string, shape (batch,), valid UTF-8.
        """
        before_eos = tf.cumsum(tf.cast(target_ids == EOS_ID, tf.int32), axis=1) == 0
        real = before_eos & (target_ids != PAD_ID) & (target_ids != BOS_ID)
        return self.target.detokenize(tf.ragged.boolean_mask(target_ids, real))


def _ids(tokenizer: tf_text.SentencepieceTokenizer, texts: tf.Tensor) -> tf.Tensor:
    # "replace" replaces as Python's bytes.decode does; tf.text would do it byte by byte.
    texts = tf.strings.unicode_transcode(texts, "UTF-8", "UTF-8", errors="replace")
    texts = tf.strings.regex_replace(texts, r"\x00", " ")
    ids = tokenizer.tokenize(texts)
    # Not add_eos: that flag is a state of the shared resource.
    ends = tf.fill([ids.nrows(), 1], EOS_ID)
    ids = tf.concat([ids, ends], axis=1)
    # Length 1, not 0, for an empty batch: not every encoder takes zero steps.
    return ids.to_tensor(PAD_ID, shape=tf.maximum(ids.bounding_shape(), [0, 1]))


def _sentencepiece(model: bytes) -> tf_text.SentencepieceTokenizer:
    # Without a name of its own, two models in one SavedModel are loaded as one by Python.
    name = f"sentencepiece_{hashlib.sha256(model).hexdigest()}"
    return tf_text.SentencepieceTokenizer(model=model, out_type=tf.int32, name=name)
