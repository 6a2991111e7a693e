"""Train a sequence-to-sequence model in Keras and ship it everywhere with the same words.

Public names are loaded on first use: importing this package imports neither TensorFlow nor Keras.
"""

import importlib
from typing import TYPE_CHECKING, Any

from keras_seq2seq.version import __version__

# What a type checker sees; `_HOME` says the same for the running program.
if TYPE_CHECKING:
    from keras_seq2seq.bundles.bundle import load as load
    from keras_seq2seq.decoding.shortlist import Shortlist as Shortlist
    from keras_seq2seq.decoding.strategy import BeamSearch as BeamSearch
    from keras_seq2seq.decoding.strategy import Greedy as Greedy
    from keras_seq2seq.decoding.strategy import Sampling as Sampling
    from keras_seq2seq.exporters.export import export as export
    from keras_seq2seq.inspection.inspect import inspect as inspect
    from keras_seq2seq.inspection.inspection import Inspection as Inspection
    from keras_seq2seq.models.builders import build_decoder as build_decoder
    from keras_seq2seq.models.builders import build_encoder as build_encoder
    from keras_seq2seq.models.config import Seq2SeqConfig as Seq2SeqConfig
    from keras_seq2seq.models.losses import MaskedCrossentropy as MaskedCrossentropy
    from keras_seq2seq.models.metrics import Perplexity as Perplexity
    from keras_seq2seq.models.metrics import TokenAccuracy as TokenAccuracy
    from keras_seq2seq.seq2seq import Seq2Seq as Seq2Seq
    from keras_seq2seq.seq2seq import load_model as load_model
    from keras_seq2seq.text.tokenizer import Tokenizer as Tokenizer
    from keras_seq2seq.text.tokenizer import TokenizerPair as TokenizerPair
    from keras_seq2seq.training.batches import PairBatches as PairBatches
    from keras_seq2seq.training.corpus import from_pairs as from_pairs
    from keras_seq2seq.training.corpus import read_jsonl as read_jsonl
    from keras_seq2seq.training.corpus import read_parallel as read_parallel
    from keras_seq2seq.training.corpus import read_tsv as read_tsv
    from keras_seq2seq.training.recipe import Recipe as Recipe
    from keras_seq2seq.training.resumable_fit import resumable_fit as resumable_fit
    from keras_seq2seq.training.subword_sampling import SubwordSampler as SubwordSampler
    from keras_seq2seq.translation import Translation as Translation
    from keras_seq2seq.translator import Translator as Translator
    from keras_seq2seq.verification.parity import verify as verify

_HOME = {
    "Seq2SeqConfig": "keras_seq2seq.models.config",
    "Tokenizer": "keras_seq2seq.text.tokenizer",
    "TokenizerPair": "keras_seq2seq.text.tokenizer",
    "Seq2Seq": "keras_seq2seq.seq2seq",
    "load_model": "keras_seq2seq.seq2seq",
    "build_encoder": "keras_seq2seq.models.builders",
    "build_decoder": "keras_seq2seq.models.builders",
    "PairBatches": "keras_seq2seq.training.batches",
    "SubwordSampler": "keras_seq2seq.training.subword_sampling",
    "resumable_fit": "keras_seq2seq.training.resumable_fit",
    "MaskedCrossentropy": "keras_seq2seq.models.losses",
    "TokenAccuracy": "keras_seq2seq.models.metrics",
    "Perplexity": "keras_seq2seq.models.metrics",
    "Recipe": "keras_seq2seq.training.recipe",
    "read_parallel": "keras_seq2seq.training.corpus",
    "read_tsv": "keras_seq2seq.training.corpus",
    "read_jsonl": "keras_seq2seq.training.corpus",
    "from_pairs": "keras_seq2seq.training.corpus",
    "BeamSearch": "keras_seq2seq.decoding.strategy",
    "Greedy": "keras_seq2seq.decoding.strategy",
    "Sampling": "keras_seq2seq.decoding.strategy",
    "Shortlist": "keras_seq2seq.decoding.shortlist",
    "Translation": "keras_seq2seq.translation",
    "Translator": "keras_seq2seq.translator",
    "load": "keras_seq2seq.bundles.bundle",
    "export": "keras_seq2seq.exporters.export",
    "verify": "keras_seq2seq.verification.parity",
    "inspect": "keras_seq2seq.inspection.inspect",
    "Inspection": "keras_seq2seq.inspection.findings",
}

__all__ = ["__version__", *_HOME]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'keras_seq2seq' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
