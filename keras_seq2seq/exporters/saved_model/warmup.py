"""Requests that TensorFlow Serving runs while it loads a model, to make the first one fast.

The records are PredictionLog messages of tensorflow_serving/apis/prediction_log.proto. Every field
on the way down to a tensor is length-delimited, so they are written here without the package
tensorflow-serving-api, which an export would need for nothing else.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from keras_seq2seq.decoding.strategies import BeamSearch
from keras_seq2seq.text.tokenizer import TokenizerPair, pad_batch
from keras_seq2seq.text.vocabulary import EOS_ID, UNK_ID

FOLDER = "assets.extra"
REQUESTS_FILE = "tf_serving_warmup_requests"
# The server does not read this file: a failed warm-up request keeps the model from loading, and a
# server with batching fails every request with a scalar.
N_BEST_FILE = "n_best_warmup_requests"
# A server with batching needs a max_batch_size of at least the largest.
BATCH_SIZES = (4, 8)
PIECES = (1, 4, 16)
WarmupRequest = tuple[str, dict[str, Any]]


def write_warmup(
    version: Path, tokenizers: TokenizerPair | None, beam: BeamSearch, sentences: Sequence[str]
) -> None:
    """Writes the warm-up requests of a SavedModel into its folder `assets.extra`.

    `tf_serving_warmup_requests` has requests that a server runs with and without batching:
    the default signature, `translate_greedy` and `score`, each with one short row, one long
    row, and 4 and 8 rows of mixed lengths. `n_best_warmup_requests` has those of `translate` and
    `translate_ids`; both are TFRecord files, so that one can be appended to the other.

    Args:
        version: The folder of the SavedModel.
        tokenizers: Tokenizers inside the SavedModel, or None.
        beam: Gives the sizes of the requests for n-best lists.
        sentences: Source texts to send; if empty, they are made from pieces of the vocabulary.
    """
    plain: list[WarmupRequest] = []
    n_best: list[WarmupRequest] = []
    sizes = {
        "beam_size": np.int32(beam.beam_size),
        "num_hypotheses": np.int32(beam.num_hypotheses),
        "alpha": np.float32(beam.alpha),
    }
    for text, ids in _batches(_rows(tokenizers, sentences)):
        source_ids = pad_batch(ids)
        plain.append(("translate_greedy", {"source_ids": source_ids}))
        n_best.append(("translate_ids", {"source_ids": source_ids, **sizes}))
        if tokenizers is None:
            plain.append(("serving_default", {"source_ids": source_ids}))
            plain.append(("score", {"source_ids": source_ids, "target_ids": source_ids}))
        else:
            plain.append(("serving_default", {"text": text}))
            plain.append(("score", {"text": text, "translation": text}))
            n_best.append(("translate", {"text": text, **sizes}))
    (version / FOLDER).mkdir()
    for file, requests in ((REQUESTS_FILE, plain), (N_BEST_FILE, n_best)):
        with tf.io.TFRecordWriter(str(version / FOLDER / file)) as writer:
            for signature, inputs in requests:
                writer.write(_prediction_log(signature, inputs))


def _rows(
    tokenizers: TokenizerPair | None, sentences: Sequence[str]
) -> list[tuple[bytes, list[int]]]:
    """Returns texts, UTF-8, with their ids, eos included, the shortest first."""
    if tokenizers is None:
        return [(b"", [UNK_ID] * length + [EOS_ID]) for length in PIECES]
    source = tokenizers.source
    if not sentences:
        size = source.vocabulary_size
        sentences = [source.decode(list(range(max(EOS_ID + 1, size - n), size))) for n in PIECES]
    rows = [(text.encode(), source.encode(text, add_eos=True)) for text in sentences]
    return sorted(rows, key=lambda row: len(row[1]))


def _batches(
    rows: list[tuple[bytes, list[int]]],
) -> Iterator[tuple[list[bytes], list[list[int]]]]:
    spread = [[rows[i * len(rows) // size] for i in range(size)] for size in BATCH_SIZES]
    for batch in (rows[:1], rows[-1:], *spread):
        yield [text for text, _ in batch], [ids for _, ids in batch]


def _prediction_log(signature: str, inputs: Mapping[str, Any]) -> bytes:
    """Returns PredictionLog{predict_log{request{model_spec{signature_name}, inputs}}}."""
    request = _field(1, _field(3, signature.encode()))
    for name, value in sorted(inputs.items()):
        tensor = tf.make_tensor_proto(value).SerializeToString()
        request += _field(2, _field(1, name.encode()) + _field(2, tensor))
    return _field(6, _field(1, request))


def _field(number: int, content: bytes) -> bytes:
    """Returns a length-delimited field of a protocol buffer."""
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    low, high = value & 127, value >> 7
    return bytes([low | 128]) + _varint(high) if high else bytes([low])
