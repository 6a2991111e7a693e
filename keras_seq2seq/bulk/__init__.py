"""Translates the tables of data engines, frame by frame, without importing an engine."""

from keras_seq2seq.bulk.frames import FrameTranslator as FrameTranslator
from keras_seq2seq.bulk.frames import translate_frames as translate_frames
