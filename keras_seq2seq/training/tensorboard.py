"""Logs a training for TensorBoard: curves, translations and attention."""

import os
import time
from typing import Any

import keras

from keras_seq2seq.attention_map import attention_png
from keras_seq2seq.installed import missing_package
from keras_seq2seq.training.callbacks import TranslationQuality
from keras_seq2seq.training.devices import local_variables
from keras_seq2seq.translator import Translator

# TensorBoard shows a picture 330 points wide, unless it is told to show its real size.
WIDTH = 4.0  # inches
SHORT = 10  # words


class TensorBoard(keras.callbacks.Callback):
    """Writes files for TensorBoard, without TensorFlow.

    After each epoch it writes every logged value and the learning rate: validation values go to
    `validation/` without the prefix `val_`, the others to `train/`. After each evaluation by
    translation it writes the samples as text and the attention of the first short one as a
    picture.

    Args:
        folder: Folder in which `train` and `validation` are created.
        quality: Callback with the translated samples; place it before this one.
        writes: False writes nothing, in a process beside the one that does.
    Raises:
        ImportError: If tensorboard is not installed.
    """

    remembered = ()

    def __init__(
        self,
        folder: str | os.PathLike[str],
        quality: TranslationQuality,
        *,
        writes: bool = True,
    ) -> None:
        super().__init__()
        self.writes = writes
        try:
            from tensorboard.summary.writer.event_file_writer import EventFileWriter
        except ImportError:
            raise missing_package("TensorBoard's files need tensorboard", "train") from None
        self.quality = quality
        self.open = lambda part: EventFileWriter(os.path.join(folder, part))
        self.writers: dict[str, Any] = {}
        self.shown: Any = None
        self.translator: Translator | None = None

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if not self.writes:
            return
        rate = keras.ops.convert_to_numpy(self.model.optimizer.learning_rate)
        values = {**(logs or {}), "learning_rate": float(rate)}
        train = {n: v for n, v in values.items() if not n.startswith("val_")}
        validation = {n[4:]: v for n, v in values.items() if n.startswith("val_")}
        self._write("train", epoch, [_scalar(n, v) for n, v in train.items()])
        self._write("validation", epoch, [_scalar(n, v) for n, v in validation.items()])
        samples = self.quality.samples
        if samples and samples is not self.shown:
            self.shown = samples
            picture = self._attention(_short([source for source, *_ in samples]))
            self._write("validation", epoch, [_table(samples), *picture])

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        for writer in self.writers.values():
            writer.close()
        self.writers = {}

    def _write(self, part: str, epoch: int, values: list[Any]) -> None:
        from tensorboard.compat.proto import event_pb2, summary_pb2

        if part not in self.writers:
            self.writers[part] = self.open(part)
        summary = summary_pb2.Summary(value=values)
        event = event_pb2.Event(wall_time=time.time(), step=epoch + 1, summary=summary)
        self.writers[part].add_event(event)
        self.writers[part].flush()

    def _attention(self, source: str) -> list[Any]:
        from tensorboard.compat.proto import summary_pb2

        if self.translator is None:
            self.translator = Translator.from_model(self.model)
        with local_variables(self.model):
            found = self.translator.n_best([source])[0][0]
        if found.attention is None or not found.source_tokens:
            return []
        tokens = found.source_tokens, found.target_tokens
        picture = attention_png(found.attention, *tokens, width=WIDTH)
        image = summary_pb2.Summary.Image(encoded_image_string=picture, colorspace=4)
        return [summary_pb2.Summary.Value(tag="attention", image=image)]


def _short(texts: list[str]) -> str:
    """Returns the first text of at most `SHORT` words, or the one of the fewest."""
    few = (text for text in texts if len(text.split()) <= SHORT)
    return next(few, min(texts, key=lambda text: len(text.split())))


def _scalar(name: str, value: float) -> Any:
    from tensorboard.compat.proto import summary_pb2

    return summary_pb2.Summary.Value(tag=name, simple_value=float(value))


def _table(samples: list[tuple[str, str, str]]) -> Any:
    from tensorboard.compat.proto import summary_pb2, tensor_pb2, types_pb2
    from tensorboard.plugins.text.metadata import create_summary_metadata

    rows = ["source | reference | model", "--- | --- | ---"]
    rows += [" | ".join(text.replace("|", "\\|") for text in sample) for sample in samples]
    text = tensor_pb2.TensorProto(dtype=types_pb2.DT_STRING, string_val=["\n".join(rows).encode()])
    metadata = create_summary_metadata(display_name="translations", description="")
    return summary_pb2.Summary.Value(tag="translations", tensor=text, metadata=metadata)
