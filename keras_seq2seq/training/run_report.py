"""What the report of a run tells of its data, its machine and its history."""

import os
import platform
import time
from typing import Any

import keras

from keras_seq2seq.installed import versions
from keras_seq2seq.training.batches import PairBatches
from keras_seq2seq.training.corpus_parts import CorpusParts
from keras_seq2seq.training.history import draw_history, read_history
from keras_seq2seq.training.processes import Processes
from keras_seq2seq.training.run_folder import RunFolder

VERSIONED = (
    "keras_seq2seq",
    "keras",
    "tensorflow",
    "jax",
    "torch",
    "sentencepiece",
    "sacrebleu",
    "numpy",
)


def pair_counts(parts: CorpusParts, batches: PairBatches) -> dict[str, int]:
    """Returns the number of pairs of each part."""
    return {
        "train": len(batches.pairs) + batches.num_dropped,
        "validation": len(parts.validation),
        "test": len(parts.test),
    }


def facts(started: float) -> dict[str, Any]:
    """Returns what the report tells of the machine and of the time since `started`."""
    return {
        "training_seconds": round(time.perf_counter() - started, 1),
        "threads": os.cpu_count(),
        "machine": platform.platform(),
        "backend": keras.backend.backend(),
        "versions": {"python": platform.python_version(), **versions(VERSIONED)},
    }


def device_facts(processes: Processes) -> dict[str, Any]:
    """Returns what the report tells of several devices; of one, nothing."""
    distribution = keras.distribution.distribution()
    if distribution is None:
        return {}
    return {
        "devices": int(distribution.device_mesh.devices.size),
        "shares": distribution.num_model_replicas,
        "processes": processes.count,
    }


def history_summary(folder: RunFolder) -> dict[str, Any]:
    """Returns epochs, best validation values and speed from `history.csv`; draws it."""
    history = read_history(folder.history)
    if not history:
        return {"epochs": 0}
    draw_history(history, folder.picture)
    return {
        "epochs": len(history["epoch"]),
        "best_val_bleu": max(history["val_bleu"]),
        "best_val_exact_match": max(history["val_exact_match"]),
        "tokens_per_second": round(sum(history["tokens_per_second"]) / len(history["epoch"])),
    }
