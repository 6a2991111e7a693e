"""Train a sequence-to-sequence model in Keras and ship it; every file translates the same.

Public names are loaded on first use: importing this package imports neither TensorFlow nor Keras.
"""

import functools
import importlib
import importlib.abc
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from keras_seq2seq.version import __version__

# For type checkers; `_HOME` has the same names for the running program.
if TYPE_CHECKING:
    from keras_seq2seq.attention_map import draw_attention as draw_attention
    from keras_seq2seq.bundles.bundle import Bundle as Bundle
    from keras_seq2seq.bundles.load import load as load
    from keras_seq2seq.decoding.shortlist import Shortlist as Shortlist
    from keras_seq2seq.decoding.strategies import BeamSearch as BeamSearch
    from keras_seq2seq.decoding.strategies import Greedy as Greedy
    from keras_seq2seq.decoding.strategies import Sampling as Sampling
    from keras_seq2seq.decoding.strategy import Strategy as Strategy
    from keras_seq2seq.evaluation import evaluate as evaluate
    from keras_seq2seq.exporters.export import export as export
    from keras_seq2seq.inspection.inspect import inspect as inspect
    from keras_seq2seq.inspection.inspection import Inspection as Inspection
    from keras_seq2seq.models.builders import build_decoder as build_decoder
    from keras_seq2seq.models.builders import build_encoder as build_encoder
    from keras_seq2seq.models.config import Seq2SeqConfig as Seq2SeqConfig
    from keras_seq2seq.models.decoder_step import build_decoder_step as build_decoder_step
    from keras_seq2seq.models.losses import MaskedCrossentropy as MaskedCrossentropy
    from keras_seq2seq.models.metrics import Perplexity as Perplexity
    from keras_seq2seq.models.metrics import TokenAccuracy as TokenAccuracy
    from keras_seq2seq.pretrained.import_pretrained import import_pretrained as import_pretrained
    from keras_seq2seq.pretrained.pretrained import Pretrained as Pretrained
    from keras_seq2seq.seq2seq import Seq2Seq as Seq2Seq
    from keras_seq2seq.seq2seq import load_model as load_model
    from keras_seq2seq.serving.translation_queue import QueueClosed as QueueClosed
    from keras_seq2seq.serving.translation_queue import QueueFull as QueueFull
    from keras_seq2seq.serving.translation_queue import TranslationQueue as TranslationQueue
    from keras_seq2seq.text.sentences import map_sentences as map_sentences
    from keras_seq2seq.text.tokenizer import Tokenizer as Tokenizer
    from keras_seq2seq.text.tokenizer import TokenizerPair as TokenizerPair
    from keras_seq2seq.training.batches import PairBatches as PairBatches
    from keras_seq2seq.training.callbacks import EarlyStopping as EarlyStopping
    from keras_seq2seq.training.callbacks import KeepBest as KeepBest
    from keras_seq2seq.training.callbacks import MovingAverage as MovingAverage
    from keras_seq2seq.training.callbacks import Throughput as Throughput
    from keras_seq2seq.training.callbacks import TranslationQuality as TranslationQuality
    from keras_seq2seq.training.cleaning import clean as clean
    from keras_seq2seq.training.cleaning_rules import CleaningRules as CleaningRules
    from keras_seq2seq.training.corpus import from_pairs as from_pairs
    from keras_seq2seq.training.corpus import read_dataset as read_dataset
    from keras_seq2seq.training.corpus import read_jsonl as read_jsonl
    from keras_seq2seq.training.corpus import read_parallel as read_parallel
    from keras_seq2seq.training.corpus import read_parquet as read_parquet
    from keras_seq2seq.training.corpus import read_tsv as read_tsv
    from keras_seq2seq.training.corpus import stream_dataset as stream_dataset
    from keras_seq2seq.training.corpus import stream_jsonl as stream_jsonl
    from keras_seq2seq.training.corpus import stream_parallel as stream_parallel
    from keras_seq2seq.training.corpus import stream_parquet as stream_parquet
    from keras_seq2seq.training.corpus import stream_tsv as stream_tsv
    from keras_seq2seq.training.devices import data_parallel as data_parallel
    from keras_seq2seq.training.devices import split_weights as split_weights
    from keras_seq2seq.training.pair_stream import PairStream as PairStream
    from keras_seq2seq.training.prepare import prepare as prepare
    from keras_seq2seq.training.prepared_pairs import PreparedPairs as PreparedPairs
    from keras_seq2seq.training.processes import initialize_processes as initialize_processes
    from keras_seq2seq.training.recipe import Recipe as Recipe
    from keras_seq2seq.training.resumable_fit import resumable_fit as resumable_fit
    from keras_seq2seq.training.schedules import InverseSquareRoot as InverseSquareRoot
    from keras_seq2seq.training.subword_sampling import SubwordSampler as SubwordSampler
    from keras_seq2seq.training.tensorboard import TensorBoard as TensorBoard
    from keras_seq2seq.training.train import train as train
    from keras_seq2seq.translation import Translation as Translation
    from keras_seq2seq.translator import Translator as Translator
    from keras_seq2seq.verification.parity import verify as verify
    from keras_seq2seq.verification.quality_gate import Gate as Gate

_HOME = {
    "BeamSearch": "keras_seq2seq.decoding.strategies",
    "Bundle": "keras_seq2seq.bundles.bundle",
    "CleaningRules": "keras_seq2seq.training.cleaning_rules",
    "EarlyStopping": "keras_seq2seq.training.callbacks",
    "Gate": "keras_seq2seq.verification.quality_gate",
    "Greedy": "keras_seq2seq.decoding.strategies",
    "Inspection": "keras_seq2seq.inspection.inspection",
    "InverseSquareRoot": "keras_seq2seq.training.schedules",
    "KeepBest": "keras_seq2seq.training.callbacks",
    "MaskedCrossentropy": "keras_seq2seq.models.losses",
    "MovingAverage": "keras_seq2seq.training.callbacks",
    "PairBatches": "keras_seq2seq.training.batches",
    "PairStream": "keras_seq2seq.training.pair_stream",
    "Perplexity": "keras_seq2seq.models.metrics",
    "PreparedPairs": "keras_seq2seq.training.prepared_pairs",
    "Pretrained": "keras_seq2seq.pretrained.pretrained",
    "QueueClosed": "keras_seq2seq.serving.translation_queue",
    "QueueFull": "keras_seq2seq.serving.translation_queue",
    "Recipe": "keras_seq2seq.training.recipe",
    "Sampling": "keras_seq2seq.decoding.strategies",
    "Seq2Seq": "keras_seq2seq.seq2seq",
    "Seq2SeqConfig": "keras_seq2seq.models.config",
    "Shortlist": "keras_seq2seq.decoding.shortlist",
    "Strategy": "keras_seq2seq.decoding.strategy",
    "SubwordSampler": "keras_seq2seq.training.subword_sampling",
    "TensorBoard": "keras_seq2seq.training.tensorboard",
    "Throughput": "keras_seq2seq.training.callbacks",
    "TokenAccuracy": "keras_seq2seq.models.metrics",
    "Tokenizer": "keras_seq2seq.text.tokenizer",
    "TokenizerPair": "keras_seq2seq.text.tokenizer",
    "Translation": "keras_seq2seq.translation",
    "TranslationQuality": "keras_seq2seq.training.callbacks",
    "TranslationQueue": "keras_seq2seq.serving.translation_queue",
    "Translator": "keras_seq2seq.translator",
    "build_decoder": "keras_seq2seq.models.builders",
    "build_decoder_step": "keras_seq2seq.models.decoder_step",
    "build_encoder": "keras_seq2seq.models.builders",
    "clean": "keras_seq2seq.training.cleaning",
    "data_parallel": "keras_seq2seq.training.devices",
    "draw_attention": "keras_seq2seq.attention_map",
    "evaluate": "keras_seq2seq.evaluation",
    "export": "keras_seq2seq.exporters.export",
    "from_pairs": "keras_seq2seq.training.corpus",
    "import_pretrained": "keras_seq2seq.pretrained.import_pretrained",
    "initialize_processes": "keras_seq2seq.training.processes",
    "inspect": "keras_seq2seq.inspection.inspect",
    "load": "keras_seq2seq.bundles.load",
    "load_model": "keras_seq2seq.seq2seq",
    "map_sentences": "keras_seq2seq.text.sentences",
    "prepare": "keras_seq2seq.training.prepare",
    "read_dataset": "keras_seq2seq.training.corpus",
    "read_jsonl": "keras_seq2seq.training.corpus",
    "read_parallel": "keras_seq2seq.training.corpus",
    "read_parquet": "keras_seq2seq.training.corpus",
    "read_tsv": "keras_seq2seq.training.corpus",
    "resumable_fit": "keras_seq2seq.training.resumable_fit",
    "split_weights": "keras_seq2seq.training.devices",
    "stream_dataset": "keras_seq2seq.training.corpus",
    "stream_jsonl": "keras_seq2seq.training.corpus",
    "stream_parallel": "keras_seq2seq.training.corpus",
    "stream_parquet": "keras_seq2seq.training.corpus",
    "stream_tsv": "keras_seq2seq.training.corpus",
    "train": "keras_seq2seq.training.train",
    "verify": "keras_seq2seq.verification.parity",
}

__all__ = ["__version__", *_HOME]

# Modules with all classes that Keras saves by name.
_SAVED = ("keras_seq2seq.seq2seq", "keras_seq2seq.training.schedules")


class _Registration(importlib.abc.MetaPathFinder):
    """Imports the classes that Keras saves by name as soon as Keras is imported.

    So Keras' own `load_model` finds them after `import keras_seq2seq`, which stays light. It waits
    for the outermost import of Keras or of this package to end: a module of this package may be
    what imports Keras.
    """

    depth = 0

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        if name != "keras" and not name.startswith("keras_seq2seq."):
            return None
        others = (finder for finder in sys.meta_path if finder is not self)
        found = (finder.find_spec(name, path, target) for finder in others)
        spec = next((spec for spec in found if spec is not None), None)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module
            # Set on the object, so that the loader is still of its own kind.
            vars(spec.loader)["exec_module"] = functools.partial(self._execute, execute)
        return spec

    def _execute(self, execute: Callable[[Any], None], module: Any) -> None:
        self.depth += 1
        try:
            execute(module)
        finally:
            self.depth -= 1
        if self.depth == 0 and sys.modules.get("keras"):
            self.register()

    def register(self) -> None:
        if self in sys.meta_path:
            sys.meta_path.remove(self)
            for name in _SAVED:
                importlib.import_module(name)


_registration = _Registration()
sys.meta_path.insert(0, _registration)
if sys.modules.get("keras"):
    _registration.register()


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'keras_seq2seq' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
