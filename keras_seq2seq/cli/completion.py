"""The command completion: scripts that make a shell complete commands, options and their values."""

import argparse
import shlex
from collections.abc import Iterable, Iterator, Mapping

from keras_seq2seq.cli.messages import PROGRAM
from keras_seq2seq.cli.options import Commands

SHELLS = ("bash", "zsh", "fish")
# What has no words of its own is completed as a file name.
_BASH = """_keras_seq2seq() {{
  local i words= command= option=
  local current=${{COMP_WORDS[COMP_CWORD]}} previous=${{COMP_WORDS[COMP_CWORD-1]}}
  for ((i = 1; i < COMP_CWORD; i++)); do
    case ${{COMP_WORDS[i]}} in
      --*) option=${{COMP_WORDS[i]}} ;;
      *) [[ -z $command ]] && command=${{COMP_WORDS[i]}} ;;
    esac
  done
  if [[ -z $command ]]; then
    words={commands}
  elif [[ $current == -* ]]; then
    case $command in
{options}
    esac
  else
    case "$command $previous" in
{one}
    esac
    case "$command $option" in
{many}
    esac
  fi
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}}
complete -o bashdefault -o default -F _keras_seq2seq {program}
"""


def add_completion(commands: Commands) -> None:
    """Adds the command completion."""
    parser = commands.add_parser(
        "completion",
        help="print what makes a shell complete commands and options",
        description="Prints a script that makes a shell complete commands, options and their "
        "values with the tab key. Put the first example into ~/.bashrc, with zsh into ~/.zshrc.",
    )
    parser.add_argument("shell", choices=SHELLS, help="the shell")
    parser.set_defaults(command=lambda arguments: _completion(arguments, commands))


def _completion(arguments: argparse.Namespace, commands: Commands) -> int:
    print(script(arguments.shell, commands), end="")
    return 0


def script(shell: str, commands: Commands) -> str:
    """Returns the script of a shell.

    Args:
        shell: One of `SHELLS`.
        commands: The commands with their options.
    """
    if shell == "fish":
        return "\n".join(_fish(commands)) + "\n"
    parsers = commands.choices
    options = (f"{name}) words={_words(_options(parser))} ;;" for name, parser in parsers.items())
    bash = _BASH.format(
        commands=_words(parsers),
        options=_lines(options),
        one=_lines(_cases(parsers, several=False)),
        many=_lines(_cases(parsers, several=True)),
        program=PROGRAM,
    )
    return bash if shell == "bash" else f"autoload -U +X bashcompinit && bashcompinit\n{bash}"


def _cases(parsers: Mapping[str, argparse.ArgumentParser], *, several: bool) -> Iterator[str]:
    """Yields what an option, or the first argument of a command, may be."""
    for name, parser in parsers.items():
        for action in parser._actions:
            if action.choices and (action.nargs == "+") == several:
                for option in action.option_strings or [name]:
                    yield f'"{name} {option}") words={_words(action.choices)} ;;'


def _lines(cases: Iterable[str]) -> str:
    return "\n".join(f"      {case}" for case in cases)


def _fish(commands: Commands) -> Iterator[str]:
    short = {action.dest: action.help for action in commands._choices_actions}
    for name, parser in commands.choices.items():
        said = shlex.quote(short[name] or "")
        yield f"complete -c {PROGRAM} -n __fish_use_subcommand -f -a {name} -d {said}"
        for action in parser._actions:
            within = f"complete -c {PROGRAM} -n '__fish_seen_subcommand_from {name}'"
            values = f" -x -a {_words(action.choices)}" if action.choices else ""
            if not action.option_strings:
                if values:
                    yield f"{within} -f -a {_words(action.choices or ())}"
                continue
            takes_file = "" if action.nargs == 0 or values else " -r"
            for option in action.option_strings:
                if option.startswith("--"):
                    yield f"{within} -l {option[2:]}{values or takes_file}"


def _options(parser: argparse.ArgumentParser) -> list[str]:
    return [o for action in parser._actions for o in action.option_strings if o.startswith("--")]


def _words(words: Iterable[object]) -> str:
    return shlex.quote(" ".join(map(str, words)))
