"""Every command ends its help with examples, and each example is a command that parses."""

import shlex

import pytest

from keras_seq2seq.cli.examples import EXAMPLES, FIRST
from keras_seq2seq.cli.main import build_parser, main

LINES = [line for lines in EXAMPLES.values() for line in lines]


@pytest.mark.parametrize("line", LINES)
def test_examples_parse(line):
    words = shlex.split(line.removeprefix('eval "$(').removesuffix(')"'))
    ends = [words.index(sign) for sign in "<>" if sign in words]
    program, *arguments = words[: min(ends, default=len(words))]
    assert program == "keras-seq2seq"
    build_parser().parse_args(arguments)


def test_the_help_of_all_shows_the_way_from_pairs_to_translations(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    told = capsys.readouterr().out
    places = [told.index(f"\n  {line}\n") for line in FIRST]
    assert places == sorted(places)
    assert told.index("Exit status: 0 done") > places[-1]
    assert max(map(len, told.splitlines())) <= 100


def test_every_command_has_examples_of_its_own(capsys):
    parser = build_parser()
    commands = parser._subparsers._group_actions[0].choices
    assert set(commands) == set(EXAMPLES)
    for name, lines in EXAMPLES.items():
        with pytest.raises(SystemExit, match="0"):
            main([name, "--help"])
        told = capsys.readouterr().out
        assert told.endswith("examples:\n  " + "\n  ".join(lines) + "\n")
        assert all(f"keras-seq2seq {name}" in line for line in lines)
