"""Adds a column of translations to the frames that an engine hands to its workers."""

import functools
import math
import os
import pathlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from keras_seq2seq.bundles.load import load
from keras_seq2seq.bundles.manifest import MANIFEST_FILE, sha256
from keras_seq2seq.translator import Translator

# pandas.NA and pandas.NaT, told by their types: pandas may not be there.
_MISSING = ("NAType", "NaTType")


class FrameTranslator:
    """Translates a column of a frame; an engine makes one in each of its workers.

    A frame is a mapping of columns to arrays or lists (Ray's batches), a pandas DataFrame (Spark's
    `mapInPandas`), or a pyarrow Table or RecordBatch. Nothing of these packages is needed for the
    others.

    Args:
        bundle: The exported folder, as the worker sees it, or what `load` returned. Workers of one
            process that name the same bundle and options share what is loaded.
        source: Name of the column of source texts.
        target: Name of the new column.
        batch_size: int > 0. Texts per call of the runtime, which may take fewer.
        **options: Those of `keras_seq2seq.load`, such as runtime="onnx".
    Raises:
        FileNotFoundError, ValueError, ImportError: See `keras_seq2seq.load`.
    Example:
        rows.map_batches(FrameTranslator, fn_constructor_args=["bundle"])  # of ray.data
    """

    def __init__(
        self,
        bundle: str | os.PathLike[str] | Translator,
        *,
        source: str = "text",
        target: str = "translation",
        batch_size: int = 32,
        **options: Any,
    ) -> None:
        self.translator = _translator(bundle, options)
        self.source = source
        self.target = target
        self.batch_size = batch_size

    def __call__(self, frame: Any) -> Any:
        """Returns a frame of the same kind, with the same rows in the same order.

        A missing text (None, NaN) has a missing translation.

        Raises:
            ValueError: If the source column does not exist or the target column does, or see
                `Translator.translate`.
            TypeError: If the column holds something else than texts, or the frame is of another
                kind.
        """
        names = _names(frame)
        if self.source not in names:
            raise ValueError(
                f"`source` must name a column. Received: {self.source!r}; there are {names}."
            )
        if self.target in names:
            raise ValueError(
                f"`target` must name a new column. Received: {self.target!r}; there are {names}."
            )
        values = _values(frame, self.source)
        places = [place for place, value in enumerate(values) if not _is_missing(value)]
        for place in places:
            if not isinstance(values[place], str):
                raise TypeError(
                    f"The column {self.source!r} must hold texts. Received: {values[place]!r:.60} "
                    f"({type(values[place]).__name__}) in row {place} of a frame."
                )
        translations: list[str | None] = [None] * len(values)
        texts = [values[place] for place in places]
        found = self.translator.iterate(texts, batch_size=self.batch_size, verbose=False)
        for place, (best, *_) in zip(places, found, strict=True):
            translations[place] = best.text
        return _with_column(frame, self.target, translations)


def translate_frames(
    frames: Iterable[Any],
    bundle: str | os.PathLike[str] | Translator,
    *,
    source: str = "text",
    target: str = "translation",
    batch_size: int = 32,
    **options: Any,
) -> Iterator[Any]:
    """Yields frames with a column of translations, in bounded memory.

    Args:
        frames: Frames, such as those of one partition.
        The others: See `FrameTranslator`.
    Raises:
        See `FrameTranslator`.
    Example:
        translate = functools.partial(translate_frames, bundle="/bundles/en_fr")
        rows.mapInPandas(translate, "id long, text string, translation string")  # of Spark
    """
    names = {"source": source, "target": target}
    translate = FrameTranslator(bundle, batch_size=batch_size, **names, **options)
    yield from map(translate, frames)


def _translator(
    bundle: str | os.PathLike[str] | Translator, options: Mapping[str, Any]
) -> Translator:
    if isinstance(bundle, Translator):
        if options:
            raise ValueError(
                f"A translator has its options already. Received: {dict(options)}; name the folder "
                "of the bundle, or leave them out."
            )
        return bundle
    folder = pathlib.Path(os.path.abspath(bundle))
    manifest = folder / MANIFEST_FILE
    # Workers live longer than their tasks, and a folder may get another bundle meanwhile.
    digest = sha256(manifest) if manifest.is_file() else ""
    return _loaded(folder, digest, tuple(sorted(options.items())))


@functools.lru_cache(maxsize=2)
def _loaded(folder: pathlib.Path, digest: str, options: tuple[tuple[str, Any], ...]) -> Translator:
    return load(folder, **dict(options))


def _is_arrow(frame: Any) -> bool:
    return hasattr(frame, "append_column")


def _is_pandas(frame: Any) -> bool:
    return hasattr(frame, "assign") and hasattr(frame, "columns")


def _names(frame: Any) -> list[str]:
    if isinstance(frame, Mapping):
        return list(frame)
    if _is_arrow(frame):
        return list(frame.schema.names)
    if _is_pandas(frame):
        return list(frame.columns)
    raise TypeError(
        "A frame must be a mapping of columns, a pandas DataFrame, or a pyarrow Table or "
        f"RecordBatch. Received: {type(frame).__name__}."
    )


def _values(frame: Any, name: str) -> list[Any]:
    if _is_arrow(frame):
        return frame.column(name).to_pylist()
    return list(frame[name])


def _is_missing(value: Any) -> bool:
    if isinstance(value, float):
        return math.isnan(value)
    return value is None or type(value).__name__ in _MISSING


def _with_column(frame: Any, name: str, values: Sequence[str | None]) -> Any:
    if isinstance(frame, Mapping):
        return {**frame, name: np.array(values, dtype=object)}
    if _is_arrow(frame):
        import pyarrow

        return frame.append_column(name, pyarrow.array(values, pyarrow.string()))
    return frame.assign(**{name: values})
