"""The command that writes a recipe to start from: init."""

import argparse
import importlib.resources
import itertools
import json
import pathlib
from collections.abc import Sequence

from keras_seq2seq.cli.corpus_format import INPUTS, corpus_format
from keras_seq2seq.cli.messages import say
from keras_seq2seq.cli.options import Commands
from keras_seq2seq.text.languages import language_errors
from keras_seq2seq.text.lines import read_lines
from keras_seq2seq.whole_file import whole_file

TASKS = {
    "translation": "from one language into another, in subwords",
    "spelling": "character by character: spelling, transliteration, dates, formats",
    "pronunciation": "letters in, phones out",
}
# From so many pairs on: what a recipe takes for them.
SIZES = (
    (0, {"vocabulary_size": 1000, "embedding_dim": 128, "units": 192, "dropout": 0.2}),
    (30_000, {"vocabulary_size": 4000, "embedding_dim": 256, "units": 512, "dropout": 0.3}),
    (200_000, {"vocabulary_size": 8000, "embedding_dim": 256, "units": 512, "dropout": 0.2}),
)
UNKNOWN_SIZE = 30_000
# What a small corpus learns within minutes on a CPU; a large one sees as many pairs sooner.
EPOCHS = ((0, 12), (30_000, 20), (200_000, 6))


def add_init(commands: Commands) -> None:
    """Adds the command init."""
    parser = commands.add_parser(
        "init",
        help="write a recipe with comments, to start from",
        description="Writes a recipe that `train` takes, with a comment on each key. With --train "
        "its sizes fit the number of pairs. Tasks: "
        + "; ".join(f"{name}, {what}" for name, what in TASKS.items())
        + ".",
    )
    parser.add_argument("recipe", type=pathlib.Path, help="TOML file to write")
    parser.add_argument(
        "--task", choices=tuple(TASKS), default="translation", help="default: %(default)s"
    )
    parser.add_argument(
        "--train",
        nargs="+",
        type=pathlib.Path,
        metavar="FILE",
        help="the training pairs: sources and targets, or one file or folder of both (default: the "
        "recipe names pairs.tsv)",
    )
    parser.add_argument(
        "--format",
        choices=INPUTS,
        help="of the pairs (default: parallel for two files, else by the end of its name)",
    )
    parser.add_argument(
        "--languages",
        nargs=2,
        default=(),
        metavar=("SOURCE", "TARGET"),
        help="codes of the languages, such as en fr",
    )
    parser.add_argument("--force", action="store_true", help="write over a file that exists")
    parser.set_defaults(command=_init)


def _init(arguments: argparse.Namespace) -> int:
    path = arguments.recipe
    if path.exists() and not arguments.force:
        raise FileExistsError(
            f"{path} exists. Pass --force to write over it, or name another file."
        )
    if path.suffix != ".toml":
        raise ValueError(f"`recipe` must end in .toml. Received: {path}.")
    if arguments.languages and (faults := language_errors(arguments.languages, "`languages`")):
        raise ValueError("\n".join(faults))
    text = recipe_text(
        arguments.task,
        name=str(path),
        train=arguments.train,
        form=arguments.format,
        languages=arguments.languages,
    )
    with whole_file(path) as partial:
        partial.write_text(text, "utf-8")
    say(f"wrote {path}; look through it, then: keras-seq2seq train {path}")
    return 0


def recipe_text(
    task: str,
    *,
    name: str = "recipe.toml",
    train: Sequence[pathlib.Path] | None = None,
    form: str | None = None,
    languages: Sequence[str] = (),
) -> str:
    """Returns a recipe with comments.

    Args:
        task: One of `TASKS`.
        name: Of the recipe, for its first comment.
        train: Files of the training pairs; None names pairs.tsv.
        form: Format of the pairs; None takes it from `train`.
        languages: Two codes, or none.
    Raises:
        ValueError: If the format is unknown.
        FileNotFoundError: If a file is missing.
    """
    paths = train or [pathlib.Path("pairs.tsv")]
    form = corpus_format(paths, form, "train")
    for path in train or ():
        if not path.exists():
            raise FileNotFoundError(f"{path} does not exist; name the files of the training pairs.")
    pairs = _count(paths[0], form) if train else UNKNOWN_SIZE
    values = {
        **next(sizes for least, sizes in reversed(SIZES) if pairs >= least),
        "epochs": next(epochs for least, epochs in reversed(EPOCHS) if pairs >= least),
        "format": form,
        "train": [path.as_posix() for path in paths],
        "languages": list(languages),
    }
    folder = importlib.resources.files("keras_seq2seq.cli") / "recipes"
    text = (folder / f"{task}.toml").read_text("utf-8").replace("<name>", name)
    for key, value in values.items():
        text = text.replace(f"<{key}>", json.dumps(value, ensure_ascii=False))
    return text


def _count(path: pathlib.Path, form: str) -> int:
    """Returns the number of pairs, as far as it changes the recipe."""
    if form in ("parquet", "dataset"):
        return UNKNOWN_SIZE
    return sum(1 for _ in itertools.islice(read_lines(path), SIZES[-1][0]))
