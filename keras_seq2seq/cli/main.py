"""The command line: keras-seq2seq with its commands, from clean to inspect."""

import argparse
import contextlib
import sys
from collections.abc import Sequence
from typing import NoReturn

from keras_seq2seq.cli import signals, streams
from keras_seq2seq.cli.bundle_commands import add_evaluate, add_inspect, add_verify
from keras_seq2seq.cli.clean import add_clean
from keras_seq2seq.cli.completion import add_completion
from keras_seq2seq.cli.examples import EXAMPLES, FIRST, add_examples
from keras_seq2seq.cli.export import add_export
from keras_seq2seq.cli.import_pretrained import add_import
from keras_seq2seq.cli.init import add_init
from keras_seq2seq.cli.messages import PROGRAM, about, tell, told_warnings
from keras_seq2seq.cli.prepare import add_prepare
from keras_seq2seq.cli.serve import add_serve
from keras_seq2seq.cli.tensorflow_start import quiet_start
from keras_seq2seq.cli.train import add_average, add_train
from keras_seq2seq.cli.translate import add_translate
from keras_seq2seq.text.printable import printable
from keras_seq2seq.version import __version__

ERRORS = (ValueError, ArithmeticError, OSError, ImportError, MemoryError)
STATUS = (
    "Exit status: 0 done; 1 failed, or a check did not pass; 2 wrong usage; 130 stopped by Ctrl-C, "
    "143 by SIGTERM, 129 by a terminal that closed; 141 what reads the output has ended."
)


class Parser(argparse.ArgumentParser):
    """A parser whose errors are safe for a terminal."""

    def error(self, message: str) -> NoReturn:
        super().error(printable(message))


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command.

    Args:
        argv: Arguments of the command. None takes those of the process, which is then the
            command's own: it is in Python's UTF-8 mode, and a signal that stopped it ends it.
    Returns:
        The exit status, as `keras-seq2seq --help` explains it.
    """
    if argv is not None:
        return _run(argv)
    streams.in_utf8_mode()
    streams.fill_closed_descriptors()
    return signals.end(_run(sys.argv[1:]))


def _run(argv: Sequence[str]) -> int:
    arguments = None
    with streams.utf8_streams(), signals.stoppable(), told_warnings(), quiet_start():
        try:
            try:
                streams.check_output()
                arguments = _parsed(argv)
                return arguments.command(arguments)
            finally:
                streams.flush_output()
        except BrokenPipeError:
            status = signals.BROKEN_PIPE
        except signals.Stopped as stopped:
            status = stopped.status
        except KeyboardInterrupt:
            status = signals.INTERRUPTED
        except ERRORS as error:
            status = 1
            with contextlib.suppress(OSError):
                tell(_about_options(about(error), arguments))
        streams.drop_unwritten()
        return status


def _parsed(argv: Sequence[str]) -> argparse.Namespace:
    """Returns the arguments; their `given` holds the names of those that the user gave."""
    parser = build_parser()
    arguments = parser.parse_args(argv)
    for action in arguments.parser._actions:
        action.default = argparse.SUPPRESS
    arguments.given = frozenset(vars(parser.parse_args(argv)))
    return arguments


def build_parser() -> argparse.ArgumentParser:
    """Returns the parser of all commands."""
    parser = Parser(
        prog=PROGRAM,
        description="Train sequence-to-sequence models in Keras and ship them everywhere.",
    )
    add_examples(parser, FIRST, STATUS)
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for add in (
        *(add_clean, add_init, add_prepare, add_train, add_average, add_translate, add_evaluate),
        *(add_serve, add_import, add_export, add_verify, add_inspect, add_completion),
    ):
        add(commands)
    for name, command in commands.choices.items():
        command.set_defaults(parser=command)
        add_examples(command, EXAMPLES[name])
    return parser


def _about_options(message: str, arguments: argparse.Namespace | None) -> str:
    """Renames Python arguments in a message to the options of the command."""
    for action in arguments.parser._actions if arguments else ():
        option = action.option_strings[-1] if action.option_strings else action.dest.upper()
        message = message.replace(f"`{action.dest}`", option)
    return message


if __name__ == "__main__":
    sys.exit(main())
