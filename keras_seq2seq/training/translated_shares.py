"""Translating in all processes of a training, each its share of the texts."""

import signal
from collections.abc import Sequence
from typing import Any

from keras_seq2seq.training.devices import local_variables
from keras_seq2seq.training.interruption import Terminated, stopped_at_once
from keras_seq2seq.training.processes import Processes

BATCH_SIZE = 64


def translate_shares(
    model: Any, texts: Sequence[str], processes: Processes, **options: Any
) -> list[str]:
    """Returns the translation of each text, in all processes; a signal to any of them ends it.

    Args:
        model: A `Seq2Seq` whose weights this process holds, on its devices.
        texts: The same in all processes.
        processes: Those of the training.
        **options: As for `Seq2Seq.translate`.
    Raises:
        KeyboardInterrupt: In all processes, after a signal to one; `Terminated` after SIGTERM.
    """
    if not processes.several:
        with stopped_at_once():
            return list(model.translate(texts, batch_size=BATCH_SIZE, **options))
    index, count = processes.index, processes.count
    own = texts[index * len(texts) // count : (index + 1) * len(texts) // count]
    found: list[str] = []
    try:
        with stopped_at_once(), local_variables(model):
            for start in range(0, len(own), BATCH_SIZE):
                if processes.wanted is not None:
                    break
                part = own[start : start + BATCH_SIZE]
                found += model.translate(part, batch_size=BATCH_SIZE, **options)
    except KeyboardInterrupt as error:
        number = signal.SIGTERM if isinstance(error, Terminated) else signal.SIGINT
        processes.want_stop(number)
    shares = processes.gather("translations", {"texts": found, "stop": processes.wanted})
    stops = [share["stop"] for share in shares if share["stop"] is not None]
    if stops:
        raise Terminated if stops[0] == signal.SIGTERM else KeyboardInterrupt
    return [text for share in shares for text in share["texts"]]
