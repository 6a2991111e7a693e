"""An English-French phrasebook that a grammar of its own writes: no data files, no dependencies."""

from keras_seq2seq.phrasebook.corpus import Phrasebook, generate

__all__ = ["Phrasebook", "generate"]
