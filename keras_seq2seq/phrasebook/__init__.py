"""An English-French phrasebook that a grammar generates: no data files, no dependencies."""

from keras_seq2seq.phrasebook.corpus import Phrasebook, generate

__all__ = ["Phrasebook", "generate"]
