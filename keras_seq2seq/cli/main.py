"""The command line: keras-seq2seq train, average, translate, evaluate, export, verify, inspect."""

import argparse
import sys
from collections.abc import Sequence

from keras_seq2seq.cli.bundle_commands import add_evaluate, add_inspect, add_verify
from keras_seq2seq.cli.export import add_export
from keras_seq2seq.cli.train import add_average, add_train
from keras_seq2seq.cli.translate import add_translate
from keras_seq2seq.version import __version__

ERRORS = (ValueError, ArithmeticError, OSError, ImportError)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns the exit status: 0 done, 1 failed, 130 interrupted."""
    arguments = build_parser().parse_args(argv)
    try:
        return arguments.command(arguments)
    except ERRORS as error:
        print(f"keras-seq2seq: {_about_options(str(error), arguments)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def build_parser() -> argparse.ArgumentParser:
    """Returns the parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="keras-seq2seq",
        description="Train sequence-to-sequence models in Keras and ship them everywhere.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for add in (
        *(add_train, add_average, add_translate, add_evaluate),
        *(add_export, add_verify, add_inspect),
    ):
        add(commands)
    for command in commands.choices.values():
        command.set_defaults(parser=command)
    return parser


def _about_options(message: str, arguments: argparse.Namespace) -> str:
    """Renames Python arguments in a message to the options of the command."""
    for action in arguments.parser._actions:
        if action.option_strings:
            message = message.replace(f"`{action.dest}`", action.option_strings[-1])
    return message


if __name__ == "__main__":
    sys.exit(main())
