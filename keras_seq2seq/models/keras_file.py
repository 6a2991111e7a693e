"""Checks a .keras file before Keras builds a model from it, and names it in every error."""

import contextlib
import math
import pathlib
from collections.abc import Iterator, Sequence
from typing import Any

from keras_seq2seq.file_formats.keras_archive import (
    CONFIG_FILE,
    METADATA_FILE,
    OPTIMIZER,
    check_members,
    described_objects,
    opened_archive,
    read_json,
    stored_weights,
)
from keras_seq2seq.models.config import Seq2SeqConfig

# Arguments of Keras layers that are the size of an axis of one of their weights.
SIZES = ("units", "filters", "input_dim", "output_dim", "intermediate_dim", "num_heads", "key_dim")
PACKED = 2  # int4 keeps two numbers in one


@contextlib.contextmanager
def checked_keras_file(path: pathlib.Path) -> Iterator[None]:
    """Checks a .keras file, then names it in whatever Keras raises while the block loads it.

    A few bytes of a configuration can ask for gigabytes of weights; so the file must hold as many
    as its configuration describes.

    Raises:
        FileNotFoundError: If it does not exist.
        ValueError: If it is damaged, does not hold the weights that it describes, or Keras cannot
            load it.
    """
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist.")
    if path.suffix == ".keras":
        check_keras_file(path)
    try:
        yield
    except (MemoryError, ImportError):
        raise
    # Keras and the classes that a file names raise whatever they like.
    except Exception as error:
        raise ValueError(
            f"{path} cannot be loaded as a Keras model: {_told(error)} Copy the file again, or "
            "save the model again."
        ) from error


def check_keras_file(path: pathlib.Path) -> None:
    """Checks that a .keras file is whole and holds the weights that it describes.

    Raises:
        ValueError: If not; names the file.
    """
    with opened_archive(path) as archive:
        config = read_json(archive, CONFIG_FILE)
        read_json(archive, METADATA_FILE)
        shapes = [w.shape for w in stored_weights(archive) if w.layer != OPTIMIZER]
        check_members(archive)
        _check_sizes(config, shapes)


def _check_sizes(config: dict[str, Any], shapes: Sequence[tuple[int, ...]]) -> None:
    held = PACKED * sum(math.prod(shape) for shape in shapes)
    described = config.get("config")
    if config.get("class_name") == "Seq2Seq" and isinstance(described, dict):
        own = described.get("config")
        # Parts of one's own do not follow the configuration.
        if isinstance(own, dict) and not {"encoder", "decoder"} & set(described):
            needed = _fewest_parameters(Seq2SeqConfig.from_dict(own))
            if needed > held:
                raise ValueError(
                    f"{CONFIG_FILE} describes at least {needed:,} parameters, but the file holds "
                    f"{sum(math.prod(shape) for shape in shapes):,}"
                )
    for name, size in _sizes(config):
        if size > max(held, 1):
            raise ValueError(
                f"{CONFIG_FILE} has {name} {size:,}, but the file holds no weight of that size"
            )


def _fewest_parameters(config: Seq2SeqConfig) -> int:
    """Returns a number of parameters that no model of this configuration is below."""
    units, dim = config.units, config.embedding_dim
    layers = config.num_encoder_layers + config.num_decoder_layers
    count = config.source_vocabulary_size * dim + layers * units * min(units, dim) // 2
    if not config.share_embeddings:
        count += config.target_vocabulary_size * dim
    if not config.tie_output:
        count += config.target_vocabulary_size * units
    parts = (config.encoder, config.num_encoder_layers), (config.decoder, config.num_decoder_layers)
    for kind, number in parts:
        if kind == "transformer":
            count += number * 2 * units * config.feedforward_dim
            if config.positions == "learned":
                count += config.max_length * units
    return count


def _sizes(config: Any) -> Iterator[tuple[str, int]]:
    """Yields the sizes of axes in a configuration, of whatever class."""
    for value in described_objects(config):
        inner = value.get("config")
        # The configuration of a Seq2Seq itself has been compared as a whole.
        if isinstance(inner, dict):
            for name in SIZES:
                if isinstance(size := inner.get(name), int):
                    yield name, size


def _told(error: Exception) -> str:
    text = str(error).strip() or repr(error)
    return text if text.endswith((".", "!", "?")) else f"{text}."
