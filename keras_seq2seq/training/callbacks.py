"""Callbacks of a training run: throughput, translation quality, the best model, early stop."""

import hashlib
import math
import os
import pathlib
import time
from collections.abc import Sequence
from typing import Any

import keras

from keras_seq2seq.evaluation import evaluate
from keras_seq2seq.training.batches import PairBatches
from keras_seq2seq.training.devices import local_variables
from keras_seq2seq.training.processes import Processes
from keras_seq2seq.training.time_spent import SAVING, TRANSLATING, spent_on
from keras_seq2seq.training.translated_shares import translate_shares
from keras_seq2seq.whole_file import whole_file

SHOWN_SAMPLES = 5
EarlyStopping = keras.callbacks.EarlyStopping
"""Keras' own `EarlyStopping`, here so that the name is found: in `resumable_fit` its count and its
best weights continue after a kill, as those of every callback of Keras do."""


class Throughput(keras.callbacks.Callback):
    """Adds `tokens_per_second` to the logs of each batch and epoch.

    Only real target tokens count, not padding.

    Args:
        batches: The training data of the model.
    """

    remembered = ()

    def __init__(self, batches: PairBatches) -> None:
        super().__init__()
        self.tokens_per_batch = batches.num_target_tokens / len(batches)
        self.started = 0.0
        self.seconds = 0.0
        self.batches = 0
        self.last = -1

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.started = time.perf_counter()
        self.batches, self.last = 0, -1

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if not self.batches:
            self.last = batch - 1

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self.seconds = time.perf_counter() - self.started
        # Not `batch`: a resumed training begins its first epoch in the middle.
        self.batches += batch - self.last
        self.last = batch
        if logs is not None:
            logs["tokens_per_second"] = self.batches * self.tokens_per_batch / self.seconds

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if logs is not None:
            logs["tokens_per_second"] = self.batches * self.tokens_per_batch / self.seconds


class TranslationQuality(keras.callbacks.Callback):
    """Translates validation pairs and adds the quality of the translations to the logs.

    The pairs are translated by real decoding. The logs get `val_bleu`, `val_chrf` and
    `val_exact_match`, 0 to 100; epochs between two evaluations repeat the last values. Place this
    callback before those that read these logs.

    Args:
        pairs: Pairs (source_text, target_text).
        every: int > 0. Number of epochs from one evaluation to the next.
        size: int > 0. Maximum number of pairs to translate, spread evenly over `pairs`.
        tokenize: How BLEU splits words, as for `evaluate`.
        samples_path: File to which each evaluation appends a few translations; None writes none.
        processes: Those of the training: each translates its share.
    Raises:
        ValueError: If `every` or `size` is not positive, or there is no pair.
    Example:
        quality = keras_seq2seq.TranslationQuality(validation_pairs, size=200)
        model.fit(batches, epochs=20, callbacks=[quality, keras_seq2seq.KeepBest("best.keras")])
    """

    remembered = ("last",)

    def __init__(
        self,
        pairs: Sequence[tuple[str, str]],
        *,
        every: int = 1,
        size: int = 500,
        tokenize: str = "13a",
        samples_path: str | os.PathLike[str] | None = None,
        processes: Processes | None = None,
    ) -> None:
        super().__init__()
        if every < 1 or size < 1 or not pairs:
            raise ValueError(
                "`every` and `size` must be at least 1, and `pairs` must not be empty. "
                f"Received: every={every}, size={size}, {len(pairs)} pairs."
            )
        shown = min(size, len(pairs))
        self.pairs = [pairs[i * len(pairs) // shown] for i in range(shown)]
        self.every = every
        self.tokenize = tokenize
        self.samples_path = None if samples_path is None else pathlib.Path(samples_path)
        self.processes = processes or Processes()
        self.last: dict[str, float] = {}
        self.samples: list[tuple[str, str, str]] = []

    @property
    def fingerprint(self) -> str:
        """Hexadecimal digest of what the quality is measured on; a resumed training checks it."""
        measured = repr((self.pairs, self.every, self.tokenize))
        return hashlib.sha256(measured.encode("utf-8", "surrogatepass")).hexdigest()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if (epoch + 1) % self.every == 0 or not self.last:
            with spent_on(TRANSLATING):
                self.last = self._evaluate(epoch)
        if logs is not None:
            logs.update(self.last)

    def _evaluate(self, epoch: int) -> dict[str, float]:
        sources = [source for source, _ in self.pairs]
        translations = translate_shares(self.model, sources, self.processes)
        references = [target for _, target in self.pairs]
        quality = evaluate(translations, references, tokenize=self.tokenize)
        shown = self.pairs[:SHOWN_SAMPLES]
        self.samples = [(*pair, text) for pair, text in zip(shown, translations, strict=False)]
        if self.samples_path is not None and self.processes.writes:
            with self.samples_path.open("a", encoding="utf-8") as file:
                print(f"epoch {epoch + 1}", file=file)
                for source, target, found in self.samples:
                    print(f"  source     {source}\n  reference  {target}", file=file)
                    print(f"  model      {found}\n", file=file)
        return {f"val_{name}": quality[name] for name in ("bleu", "chrf", "exact_match")}


class HistoryFile(keras.callbacks.CSVLogger):
    """keras.callbacks.CSVLogger whose rows are on the disk before the state of their epoch is.

    Args:
        path: The file; rows are added to those that it has.
        writes: False writes nothing, in a process beside the one that does.
    """

    def __init__(self, path: pathlib.Path, *, writes: bool = True) -> None:
        super().__init__(str(path if writes else os.devnull), append=True)
        self.writes = writes

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        super().on_epoch_end(epoch, logs)
        if self.writes:
            os.fsync(self.csv_file.fileno())

    def close(self) -> None:
        """Closes the file, also after a training that was interrupted."""
        if self.csv_file is not None:
            self.csv_file.close()


class KeepBest(keras.callbacks.Callback):
    """Saves the model whenever a logged value is the best so far; the file is never incomplete.

    An epoch without the value, or with NaN, is passed over.

    Args:
        path: The `.keras` file.
        monitor: Name of the value in the logs; "val_bleu" takes a `TranslationQuality`
            before this callback.
        mode: "max" or "min".
        writes: False saves nothing, in a process beside the one that does.
    Raises:
        ValueError: If `mode` is another one.
    """

    remembered = ("best", "best_epoch")

    def __init__(
        self,
        path: str | os.PathLike[str],
        monitor: str = "val_bleu",
        mode: str = "max",
        *,
        writes: bool = True,
    ) -> None:
        super().__init__()
        if mode not in ("max", "min"):
            raise ValueError(f'`mode` must be "max" or "min". Received: {mode!r}.')
        self.path = pathlib.Path(path)
        self.writes = writes
        self.monitor = monitor
        self.sign = 1 if mode == "max" else -1
        self.best: float | None = None
        self.best_epoch: int | None = None

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        value = (logs or {}).get(self.monitor)
        if value is None or math.isnan(value):
            return
        if self.best is not None and self.sign * (value - self.best) <= 0:
            return
        if self.writes:
            save_model(self.model, self.path)
        self.best, self.best_epoch = float(value), epoch + 1


class MovingAverage(keras.callbacks.SwapEMAWeights):
    """keras.callbacks.SwapEMAWeights at the end of epochs.

    After an epoch the model has the moving average, for evaluation and saving; the next epoch
    trains the plain weights again. Place it before the callbacks that read the model. The
    optimizer of the model needs `use_ema=True`.
    """

    def __init__(self) -> None:
        super().__init__(swap_on_epoch=True)

    def _backend_swap_variables(self, optimizer: Any) -> None:
        # Keras would fetch each weight to this host, which may not hold all of it.
        averages = optimizer._model_variables_moving_average
        for variable, average in zip(optimizer._trainable_variables, averages, strict=True):
            value = variable.value
            variable.assign(average.value)
            average.assign(value)


def save_model(model: keras.Model, path: pathlib.Path) -> None:
    """Saves a model; the file at `path` is never incomplete."""
    with spent_on(SAVING), whole_file(path) as partial, local_variables(model):
        model.save(partial)
