"""The command keras-seq2seq import: from a model of another project to a run."""

import argparse
import pathlib

from keras_seq2seq.cli.input_texts import add_errors_option, texts_of_file
from keras_seq2seq.cli.messages import say
from keras_seq2seq.cli.options import Commands, check_used
from keras_seq2seq.pretrained.options import POSITIONS

KEPT_SOURCES = 100


def add_import(commands: Commands) -> None:
    """Adds the command and its options."""
    parser = commands.add_parser(
        "import",
        help="write a model of Marian or Hugging Face Marian as a run",
        description="Imports a translation model of OPUS-MT, Marian, Bergamot or Firefox: the run "
        "exports, translates and trains on like one that was trained here.",
    )
    parser.add_argument(
        "path",
        help="folder of Hugging Face Marian, or model.npz or model.bin of Marian, or a folder with "
        "one; hf:OWNER/MODEL fetches it from the Hugging Face Hub",
    )
    parser.add_argument(
        "--output-dir", type=pathlib.Path, required=True, help="run folder to create"
    )
    parser.add_argument(
        "--max-length",
        type=int,
        default=128,
        help="longest translation in tokens, end of sentence included (default: %(default)s)",
    )
    parser.add_argument(
        "--positions",
        choices=POSITIONS,
        help="rates of the positions: those of Transformers, or those of Marian (default: of the "
        "program that the files are of)",
    )
    parser.add_argument(
        "--vocabularies",
        nargs="+",
        default=[],
        metavar="FILE.spm",
        help="for files of Marian: the vocabulary of both sides, or of source and target "
        "(default: those beside the model)",
    )
    parser.add_argument(
        "--sources",
        type=pathlib.Path,
        metavar="FILE",
        help=f"texts of the source language; exports are verified and judged on the first "
        f"{KEPT_SOURCES} (default: random pieces)",
    )
    add_errors_option(parser)
    parser.add_argument("--force", action="store_true", help="replace an existing run")
    parser.set_defaults(command=_import)


def _import(arguments: argparse.Namespace) -> int:
    if arguments.sources is None:
        check_used(arguments, ["errors"], "--sources")
        texts = []
    else:
        texts = texts_of_file(arguments.sources, errors=arguments.errors)[:KEPT_SOURCES]
    # Imported here, after the options are checked: Keras takes seconds.
    from keras_seq2seq.pretrained.import_pretrained import import_pretrained
    from keras_seq2seq.pretrained.run import check_free, write_run
    from keras_seq2seq.training.run_folder import SHORTLIST_FILE

    check_free(arguments.output_dir, force=arguments.force)
    pretrained = import_pretrained(
        arguments.path,
        max_length=arguments.max_length,
        positions=arguments.positions,
        vocabularies=arguments.vocabularies,
    )
    run = write_run(pretrained, arguments.output_dir, texts, force=arguments.force)
    say(f"{pretrained.family}: {pretrained.model.count_params():,} parameters")
    say(f"search: {pretrained.strategy}")
    if pretrained.shortlist is not None:
        say(f"shortlist: {run.path / SHORTLIST_FILE}")
    say(f"run folder: {run.path}")
    return 0
