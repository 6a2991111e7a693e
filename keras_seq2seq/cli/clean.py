"""The command that leaves out faulty pairs of a corpus: clean."""

import argparse
import dataclasses
import pathlib

from keras_seq2seq.cli.corpus_format import INPUTS, corpus_format
from keras_seq2seq.cli.messages import say, say_json
from keras_seq2seq.cli.options import Commands, check_used
from keras_seq2seq.training.cleaning_rules import RULES, CleaningRules


def add_clean(commands: Commands) -> None:
    """Adds the command clean."""
    parser = commands.add_parser(
        "clean",
        help="leave out faulty pairs of a corpus, by named rules",
        description="Reads a corpus twice as a stream, leaves out the pairs that a rule finds "
        "faulty, and tells how many each rule found. Rules: "
        + "; ".join(f"{name}, {what}" for name, what in RULES.items())
        + ".",
    )
    parser.add_argument(
        "input",
        nargs="+",
        type=pathlib.Path,
        help="sources and targets, or one file or folder of both",
    )
    parser.add_argument(
        "--output",
        nargs="+",
        type=pathlib.Path,
        help="two files for sources and targets, or one .tsv or .jsonl; .gz may follow (default: "
        "only tell what would be left out)",
    )
    parser.add_argument("--force", action="store_true", help="write over files that exist")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    _add_input(parser)
    _add_rules(parser)
    parser.set_defaults(command=_clean)


def _add_input(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("input")
    group.add_argument(
        "--format",
        choices=INPUTS,
        help="of the input (default: parallel for two files, else by the end of its name)",
    )
    group.add_argument(
        "--columns", nargs=2, default=(), metavar="NAME", help="of tsv: names, or numbers from 0"
    )
    for side in ("source", "target"):
        group.add_argument(
            f"--{side}-field",
            default=side,
            metavar="NAME",
            help="of jsonl, parquet and dataset (default: %(default)s)",
        )


def _add_rules(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("rules")
    group.add_argument(
        "--rules",
        dest="names",
        nargs="+",
        choices=tuple(RULES),
        metavar="RULE",
        default=tuple(RULES),
        help="ask these alone (default: all)",
    )
    kinds: dict[str, tuple[type, str]] = {
        "max_ratio": (float, "times the characters of the other side"),
        "max_characters": (int, "characters of a side"),
        "max_words": (int, "words of a side"),
        "min_letters": (float, "share of letters, 0 to 1"),
        "min_script": (float, "share of letters of the script of a side, 0 to 1"),
    }
    defaults = CleaningRules()
    for name, (kind, what) in kinds.items():
        group.add_argument(
            f"--{name.replace('_', '-')}",
            type=kind,
            default=getattr(defaults, name),
            help=f"{what} (default: %(default)s)",
        )
    for side in ("source", "target"):
        group.add_argument(
            f"--{side}-script",
            metavar="SCRIPT",
            help="latin, cyrillic, arabic, hangul, cjk ... (default: the commonest at the start)",
        )


def _clean(arguments: argparse.Namespace) -> int:
    from keras_seq2seq.training.cleaning import clean
    from keras_seq2seq.training.corpus_parts import stream_of
    from keras_seq2seq.training.pair_files import check_pair_files, write_pairs
    from keras_seq2seq.training.recipe_sections import DataRecipe

    fields = [field.name for field in dataclasses.fields(CleaningRules)]
    rules = CleaningRules(**{name: getattr(arguments, name) for name in fields})
    if arguments.output is not None:
        check_pair_files(arguments.output, force=arguments.force)
    form = corpus_format(arguments.input, arguments.format, "input")
    if form != "tsv":
        check_used(arguments, ["columns"], "--format tsv")
    if form in ("parallel", "tsv"):
        check_used(arguments, ["source_field", "target_field"], "--format jsonl, parquet, dataset")
    data = DataRecipe(
        form,
        columns=tuple(arguments.columns),
        source_field=arguments.source_field,
        target_field=arguments.target_field,
        policy="drop",
    )
    stream = stream_of(data, arguments.input)
    cleaned = clean(stream, rules)
    if arguments.output is not None:
        write_pairs(cleaned, arguments.output)
    if arguments.json:
        import json

        say_json(json.dumps(dataclasses.asdict(cleaned.report), ensure_ascii=False, indent=2))
    else:
        say(f"read: {stream.report}\n{cleaned.report}")
    return 0
