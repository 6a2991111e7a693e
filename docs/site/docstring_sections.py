"""Sections of this project's docstrings that griffe does not know, as Markdown."""

import re
import textwrap

_TITLES = "Call arguments|Returns|Yields|Example|Reference|References"
_SECTION = re.compile(rf"^({_TITLES}):\n((?:[ ]+.*\n|\n(?=[ ]))+)", re.MULTILINE)
_KNOWN = re.compile(r"\n(?=(?:Args|Raises|Attributes):\n)")
_ITEM = re.compile(r"^([`\w., \[\]]{1,60}): (?=\S)", re.MULTILINE)


def as_markdown(text: str) -> str:
    """Returns a docstring whose sections are those of griffe, or Markdown."""
    text = _SECTION.sub(_markdown, text.rstrip() + "\n")
    return re.sub("\n{3,}", "\n\n", _KNOWN.sub("\n\n", text)).rstrip()


def _markdown(section: re.Match[str]) -> str:
    title, block = section[1], textwrap.dedent(section[2]).strip("\n")
    if ">>>" in block:
        block = f"```pycon\n{block}\n```"
    elif _ITEM.match(block):
        block = "\n".join(map(_item, block.splitlines()))
    return f"\n**{title}:**\n\n{block}\n\n"


def _item(line: str) -> str:
    return f"    {line}" if line.startswith(" ") else "- " + _ITEM.sub(r"**\1**: ", line)
