"""Translators over runtimes that tests share: a SavedModel takes seconds to load."""

import functools

import keras_seq2seq


def opened(folder, runtime, search=None, strategy=None):
    """Returns what `load` returns, over a runtime that is loaded once."""
    first = _loaded(folder, runtime)
    return keras_seq2seq.Translator(
        first.runtime,
        first.tokenizers,
        max_length=first.max_length,
        search=search,
        strategy=strategy,
        shortlist=first.shortlist,
    )


@functools.cache
def _loaded(folder, runtime):
    return keras_seq2seq.load(folder, runtime)
