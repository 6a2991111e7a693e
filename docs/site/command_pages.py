"""The page of the commands and their options, made from the parser that reads them."""

import argparse

from docstrings import cell

from keras_seq2seq.cli.main import STATUS, build_parser

HEAD = f"""# Commands and their options

This page is made from the parser that reads the options; `keras-seq2seq COMMAND --help` prints the
same. [The command line](../command_line.md) tells what all commands have in common. {STATUS}
"""


def page() -> str:
    """Returns the page."""
    parser = build_parser()
    choices = next(a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    short = {action.dest: action.help for action in choices._choices_actions}
    parts = [HEAD, "| command | what it does |", "|---|---|"]
    parts += [f"| [`{name}`](#{name}) | {cell(said or '')} |" for name, said in short.items()]
    parts.append("")
    for name, command in choices.choices.items():
        parts.append(_section(name, command, short[name] or ""))
    return "\n".join(parts)


def _section(name: str, parser: argparse.ArgumentParser, short: str) -> str:
    said = parser.description or f"{short[:1].upper()}{short[1:]}."
    parts = [f"## {name}\n", said.replace("<", "&lt;"), ""]
    if parser.epilog:
        parts += ["```text", parser.epilog.strip(), "```", ""]
    formatter = parser._get_formatter()
    for group in parser._action_groups:
        actions = [a for a in group._group_actions if not isinstance(a, argparse._HelpAction)]
        if not actions:
            continue
        title = "" if group.title in ("positional arguments", "options") else f"**{group.title}**\n"
        parts += [title, "| option | what it is |", "|---|---|"]
        for action in actions:
            help_text = formatter._expand_help(action) if action.help else ""
            parts.append(f"| {_names(action)} | {cell(help_text)}{_choices(action)} |")
        parts.append("")
    return "\n".join(parts)


def _names(action: argparse.Action) -> str:
    if not action.option_strings:
        return f"`{str(action.metavar or action.dest).upper()}`"
    names = ", ".join(action.option_strings)
    if action.nargs == 0 or isinstance(action, argparse.BooleanOptionalAction):
        return f"`{names}`"
    value = action.metavar or action.dest.upper()
    many = {"+": " ...", "*": " ..."}.get(str(action.nargs), "")
    return f"`{names} {' '.join(value) if isinstance(value, tuple) else value}{many}`"


def _choices(action: argparse.Action) -> str:
    if not action.choices or action.metavar:
        return ""
    return "; one of " + ", ".join(f"`{choice}`" for choice in action.choices)
