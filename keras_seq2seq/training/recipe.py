"""A recipe: one TOML file that describes a whole training run, checked before it starts."""

import dataclasses
import glob
import json
import math
import os
import pathlib
import tomllib
import typing
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from keras_seq2seq.models.config import Seq2SeqConfig
from keras_seq2seq.text.languages import language_errors
from keras_seq2seq.training.recipe_sections import (
    FOLDER_FORMATS,
    FORMATS,
    MAX_WEIGHT,
    SECTIONS,
    DataRecipe,
    DistributionRecipe,
    TokenizerRecipe,
    TrainingRecipe,
)

# Where things are, and what is done when a batch is read.
UNPREPARED = ("data.folder", "data.languages", "data.prepared", "tokenizer.sampling_alpha")
VOCABULARY_KEYS = ("source_vocabulary_size", "target_vocabulary_size")


class RecipeError(ValueError):
    """A recipe with errors; the message lists all of them."""


@dataclasses.dataclass(frozen=True)
class Recipe:
    """A whole training run.

    Args:
        data: Where the pairs are.
        tokenizer: How text becomes ids.
        model: Arguments of `Seq2SeqConfig` except the vocabulary sizes, which come from the
            tokenizer; `preset` names an architecture, which the others override.
        training: How the model is trained.
        distribution: Which devices train.
    Raises:
        RecipeError: If values are invalid; lists every error, one per line.
    """

    data: DataRecipe = dataclasses.field(default_factory=DataRecipe)
    tokenizer: TokenizerRecipe = dataclasses.field(default_factory=TokenizerRecipe)
    model: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    training: TrainingRecipe = dataclasses.field(default_factory=TrainingRecipe)
    distribution: DistributionRecipe = dataclasses.field(default_factory=DistributionRecipe)

    def __post_init__(self) -> None:
        faults = [*_value_faults(self), *_data_faults(self.data), *_model_faults(self)]
        faults += self.distribution.faults()
        if faults:
            raise RecipeError("The recipe has errors:\n- " + "\n- ".join(faults))

    def config(self, source_vocabulary_size: int, target_vocabulary_size: int) -> Seq2SeqConfig:
        """Returns the model's configuration for the sizes of the trained tokenizers."""
        return _config(self.model, source_vocabulary_size, target_vocabulary_size)

    @property
    def max_length(self) -> int:
        """Longest side of a pair in tokens, end of sentence included."""
        return self.config(4, 4).max_length

    def file(self, name: str) -> pathlib.Path:
        """Returns the path of a file of the data folder."""
        return _data_folder(self.data.folder) / name

    @property
    def prepared(self) -> pathlib.Path | None:
        """The folder of prepared pairs that the recipe names."""
        return _data_folder(self.data.prepared) if self.data.prepared else None

    @property
    def preparation(self) -> dict[str, Any]:
        """The settings that decide what the pairs, the tokenizers and the ids are, as in JSON."""
        found = {
            name: value
            for name, value in self.settings.items()
            if name.startswith(("data.", "tokenizer.")) or name == "model.max_length"
        }
        kept = {name: value for name, value in found.items() if name not in UNPREPARED}
        return dict(json.loads(json.dumps(kept)))

    @property
    def settings(self) -> dict[str, Any]:
        """Every value by "section.key"; the model's include its preset."""
        found = {
            f"{name}.{key}": value
            for name in SECTIONS
            for key, value in dataclasses.asdict(getattr(self, name)).items()
        }
        return found | _model_settings(self.model)

    def to_toml(self, sections: Collection[str] = (*SECTIONS, "model")) -> str:
        """Returns sections of the recipe with every default filled in."""
        lines = []
        for section in (one for one in dataclasses.fields(self) if one.name in sections):
            value = getattr(self, section.name)
            values = dict(value) if section.name == "model" else dataclasses.asdict(value)
            lines += [f"[{section.name}]", *(f"{k} = {_toml(v)}" for k, v in values.items()), ""]
        return "\n".join(lines)

    @classmethod
    def load(cls, path: str | os.PathLike[str], settings: Iterable[str] = ()) -> "Recipe":
        """Reads a TOML file.

        Args:
            path: The file.
            settings: "section.key=value" that override the file; the value is TOML or a bare word.
        Raises:
            RecipeError: If there are unknown keys, wrong values or missing files; lists all of
                them.
        """
        try:
            text = pathlib.Path(path).read_text("utf-8")
            tables = tomllib.loads(text)
        # A number of thousands of digits is a ValueError, deep nesting a RecursionError.
        except (OSError, ValueError, RecursionError) as error:
            raise RecipeError(f"{path} cannot be read as a TOML recipe: {error}.") from None
        try:
            return cls.from_tables(tables, settings)
        except RecipeError as error:
            raise RecipeError(f"{path}: {error}") from None

    @classmethod
    def from_tables(cls, tables: Mapping[str, Any], settings: Iterable[str] = ()) -> "Recipe":
        """Builds a recipe from nested dicts, as `load` does from a file."""
        merged = {k: dict(v) if isinstance(v, Mapping) else v for k, v in tables.items()}
        faults = _apply(merged, settings)
        sections: dict[str, Any] = {}
        for name, table in merged.items():
            if name not in (*SECTIONS, "model") or not isinstance(table, dict):
                faults.append(
                    f"A section must be one of {[*SECTIONS, 'model']}. Received: {name!r}."
                )
            elif name == "model":
                sections[name] = table
            else:
                known = {field.name for field in dataclasses.fields(SECTIONS[name])}
                faults += [
                    f"[{name}] takes the keys {sorted(known)}. Received: {key!r}."
                    for key in table
                    if key not in known
                ]
                values = {k: _frozen(v) for k, v in table.items() if k in known}
                sections[name] = SECTIONS[name](**values)
        try:
            recipe = cls(**sections)
        except RecipeError as error:
            listed = "".join(f"- {fault}\n" for fault in faults)
            head, _, rest = str(error).partition("\n")
            raise RecipeError(f"{head}\n{listed}{rest}") from None
        if faults:
            raise RecipeError("The recipe has errors:\n- " + "\n- ".join(faults))
        return recipe


def read_settings(path: pathlib.Path) -> dict[str, Any]:
    """Returns the settings of the recipe that a run keeps; missing ones have their defaults.

    Data files are not looked for: a run may be on another machine than its data.

    Raises:
        RecipeError: If it is not a recipe, or a later release wrote a key that is unknown here.
    """
    try:
        tables = tomllib.loads(path.read_text("utf-8"))
        found = {
            f"{name}.{key}": value
            for name, section in SECTIONS.items()
            for key, value in dataclasses.asdict(section(**_read_section(tables, name))).items()
        }
        return found | _model_settings(tables.get("model", {}))
    except (OSError, ValueError, TypeError) as error:
        raise RecipeError(
            f"{path} cannot be read as the recipe of a run of this release or an earlier one: "
            f"{error}."
        ) from None


def _read_section(tables: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key: _frozen(value) for key, value in tables.get(name, {}).items()}


def _model_settings(model: Mapping[str, Any]) -> dict[str, Any]:
    values = _config(model, 4, 4).to_dict()
    return {f"model.{key}": v for key, v in values.items() if key not in VOCABULARY_KEYS}


def _config(model: Mapping[str, Any], source_size: int, target_size: int) -> Seq2SeqConfig:
    options = dict(model)
    preset = options.pop("preset", None)
    if preset is None:
        return Seq2SeqConfig(source_size, target_size, **options)
    return Seq2SeqConfig.from_preset(preset, source_size, target_size, **options)


def _apply(tables: dict[str, Any], settings: Iterable[str]) -> list[str]:
    """Puts "section.key=value" settings into the tables; returns the errors."""
    faults = []
    for setting in settings:
        target, equals, text = setting.partition("=")
        section, dot, key = target.strip().partition(".")
        if not (equals and dot and key):
            faults.append(f"A setting must read section.key=value. Received: {setting!r}.")
            continue
        try:
            value = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            value = text.strip()
        table = tables.setdefault(section, {})
        if isinstance(table, dict):
            table[key] = value
    return faults


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _toml(value: Any) -> str:
    text = json.dumps(list(value) if isinstance(value, tuple) else value, ensure_ascii=False)
    return text.replace("\x7f", "\\u007f")  # the one character that JSON has and TOML has not


def _value_faults(recipe: Recipe) -> list[str]:
    """Checks the type of every value, then the range or choice of those of the right type."""
    faults = []
    for section in SECTIONS:
        values = getattr(recipe, section)
        for field in dataclasses.fields(values):
            value, where = getattr(values, field.name), f"{section}.{field.name}"
            if not _fits(value, field.type):
                wanted = getattr(field.type, "__name__", "str")
                if wanted == "tuple":
                    wanted = f"list of {typing.get_args(field.type)[0].__name__}"
                faults.append(f"`{where}` must be of type {wanted}. Received: {value!r}.")
            elif fault := _limit_fault(where, value, field.metadata):
                faults.append(fault)
    return faults


def _limit_fault(where: str, value: Any, limits: Mapping[str, Any]) -> str | None:
    """Returns what is wrong with a value of the right type.

    Args:
        where: "section.key".
        value: Received.
        limits: Metadata of the field: `choices`, `some_of` for a list, `range`, or `zero` for a
            number from 0 on.
    """
    if some_of := limits.get("some_of"):
        if unknown := [item for item in value if item not in some_of]:
            return f"`{where}` must be some of {some_of}. Received: {unknown}."
    elif choices := limits.get("choices"):
        if value not in choices:
            return f"`{where}` must be one of {choices}. Received: {value!r}."
    elif "range" in limits:
        low, high = limits["range"]
        if not low <= value <= high:
            return f"`{where}` must be {low} to {high}. Received: {value}."
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        least = "at least 0" if limits.get("zero") else "above 0"
        if not math.isfinite(value):
            return f"`{where}` must be finite and {least}. Received: {value}."
        if value < 0 or (value == 0 and not limits.get("zero")):
            return f"`{where}` must be {least}. Received: {value}."
    return None


def _fits(value: Any, wanted: Any) -> bool:
    if isinstance(value, bool):
        return wanted is bool
    if wanted in (int, str):
        return isinstance(value, wanted)
    if wanted is float:
        return isinstance(value, (int, float))
    items = typing.get_args(wanted)
    return bool(items) and isinstance(value, tuple) and all(_fits(v, items[0]) for v in value)


def _data_faults(data: DataRecipe) -> list[str]:
    if data.format not in FORMATS or not isinstance(data.folder, str):
        return []  # already reported
    parts = {part: getattr(data, part) for part in ("train", "validation", "test")}
    if not all(_fits(names, tuple[str, ...]) for names in parts.values()):
        return []  # already reported
    faults = []
    if data.languages and _fits(data.languages, tuple[str, ...]):
        faults = language_errors(data.languages, "`data.languages`")
    if data.format == "phrasebook":
        given = [f"data.{part}" for part in (*parts, "weights", "clean") if getattr(data, part)]
        return [f"The phrasebook takes no files. Received: {given}."] if given else faults
    faults += _part_faults(data, parts)
    named = [name for names in parts.values() for name in names]
    try:
        "".join([data.folder, str(data.prepared), *named]).encode("utf-8")
    except UnicodeEncodeError:
        faults.append(
            "A recipe keeps the names of its data as UTF-8. Received: "
            f"{data.folder!r}, {named}; rename what is not."
        )
    if _is_prepared(data):
        return faults  # the texts need not be here any more
    folder = _data_folder(data.folder)
    if "$" in str(folder) and not folder.exists():
        return [
            *faults,
            f"`data.folder` must be an existing folder. Received: {data.folder!r}; set the "
            "variable in the environment or pass --set data.folder=PATH.",
        ]
    missing = [name for name in named if not _is_there(folder / name, data.format)]
    if missing:
        faults.append(f"These data files do not exist in {str(folder)!r}: {missing}.")
    return faults


def _part_faults(data: DataRecipe, parts: Mapping[str, tuple[str, ...]]) -> list[str]:
    """Returns what is wrong with the number of files, columns and weights."""
    faults = []
    if data.columns and (data.format != "tsv" or len(data.columns) != 2):
        faults.append(
            '`data.columns` must name two columns of format="tsv". '
            f"Received: {list(data.columns)} with format={data.format!r}."
        )
    wanted = data.files_per_corpus
    for part, names in parts.items():
        if names and part == "train" and len(names) % wanted == 0:
            continue
        if len(names) != wanted and (names or part == "train"):
            several = ", or so many for each of several corpora" if part == "train" else ""
            faults.append(
                f"`data.{part}` must name {wanted} file(s) for format={data.format!r}{several}. "
                f"Received: {list(names)}."
            )
    weights = data.weights if _fits(data.weights, tuple[float, ...]) else ()
    corpora = len(parts["train"]) // wanted
    if weights and not (
        len(weights) == corpora and all(0 < weight <= MAX_WEIGHT for weight in weights)
    ):
        faults.append(
            f"`data.weights` must have one number above 0 and at most {MAX_WEIGHT:,} for each "
            f"corpus of data.train. Received: {list(weights)} for {corpora}."
        )
    return faults


def _is_there(path: pathlib.Path, kind: str) -> bool:
    if path.is_file():
        return True
    return kind in FOLDER_FORMATS and (path.is_dir() or any(glob.iglob(str(path))))


def _is_prepared(data: DataRecipe) -> bool:
    return bool(
        data.prepared and isinstance(data.prepared, str) and _data_folder(data.prepared).exists()
    )


def _data_folder(text: str) -> pathlib.Path:
    """Returns the folder that a recipe names, with a leading ~ and $VARIABLES replaced."""
    folder = pathlib.Path(text).expanduser()
    if os.path.lexists(folder):  # a name may hold a $
        return folder
    return pathlib.Path(os.path.expandvars(text)).expanduser()


def _model_faults(recipe: Recipe) -> list[str]:
    given = [key for key in VOCABULARY_KEYS if key in recipe.model]
    if given:
        return [f"[model] must leave the vocabulary sizes to [tokenizer]. Received: {given}."]
    known = {field.name for field in dataclasses.fields(Seq2SeqConfig)} - set(VOCABULARY_KEYS)
    known.add("preset")
    faults = [
        f"[model] takes the keys {sorted(known)}. Received: {key!r}."
        for key in recipe.model
        if key not in known
    ]
    if recipe.training.average_last and recipe.training.average_best:
        faults.append("Only one of `training.average_last` and `training.average_best` may be set.")
    shared = recipe.model.get("share_embeddings")
    try:
        config = _config({k: v for k, v in recipe.model.items() if k in known}, 4, 4)
        shared = config.share_embeddings
    except ValueError as error:
        head, *listed = str(error).splitlines()
        faults += [f"[model] {line.removeprefix('- ')}" for line in listed or [head]]
    if shared is True and recipe.tokenizer.joint is False:
        faults.append("`model.share_embeddings` needs tokenizer.joint = true. Received: false.")
    return faults
