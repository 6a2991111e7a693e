"""The command that prepares the pairs of a recipe: prepare."""

import argparse
import pathlib

from keras_seq2seq.cli.messages import say
from keras_seq2seq.cli.options import Commands, add_recipe


def add_prepare(commands: Commands) -> None:
    """Adds the command prepare."""
    parser = commands.add_parser(
        "prepare",
        help="encode the pairs of a recipe once, for corpora larger than memory",
        description="Reads the texts of a recipe as a stream and writes their ids, the tokenizers "
        "and an order by length into a folder; `train` maps it into memory if the recipe names it "
        "in data.prepared. Killed or stopped, the same command goes on where it was.",
    )
    add_recipe(parser)
    parser.add_argument(
        "--output-dir",
        dest="folder",
        type=pathlib.Path,
        help="folder to write (default: data.prepared of the recipe)",
    )
    parser.add_argument(
        "--fine-tune",
        type=pathlib.Path,
        metavar="RUN",
        help="take the tokenizers of this run, for a training that starts from it",
    )
    parser.add_argument(
        "--threads",
        dest="num_threads",
        type=int,
        help="threads that encode (default: all cores)",
    )
    parser.add_argument("--force", action="store_true", help="replace another prepared folder")
    parser.set_defaults(command=_prepare)


def _prepare(arguments: argparse.Namespace) -> int:
    from keras_seq2seq.training.prepare import prepare
    from keras_seq2seq.training.recipe import Recipe

    prepared = prepare(
        Recipe.load(arguments.recipe, arguments.set),
        arguments.folder,
        fine_tune=arguments.fine_tune,
        num_threads=arguments.num_threads,
        force=arguments.force,
    )
    if prepared.report:
        say(prepared.report)
    if prepared.num_dropped:
        say(
            f"Left out: {prepared.num_dropped} pairs have a side of more than "
            f"model.max_length={prepared.max_length} tokens, up to {prepared.longest}."
        )
    say(f"prepared {len(prepared)} pairs: {prepared.folder}")
    return 0
