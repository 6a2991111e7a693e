"""The pages of docs/: their blocks of code, their links, their commands."""

import dataclasses
import pathlib
import re
import shlex

from conftest import ROOT

DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
# Every page that somebody reads, in the repository or on the site.
ALL = [
    *PAGES,
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    ROOT / "training" / "README.md",
    *sorted((ROOT / "export").glob("*/README.md")),
    *sorted((ROOT / "export").glob("*/*/README.md")),
]
_BLOCK = re.compile(
    r"^(?:<!-- (?P<mark>.+?) -->\n)?(?P<indent> *)```(?P<language>\w*)\n(?P<code>.*?)^ *```$",
    re.DOTALL | re.MULTILINE,
)
PROGRAM = "keras-seq2seq"
# Indented code, or a line of a fenced block.
_CODE = re.compile(r"^ {4,}(\S.*)$|^((?:[A-Z_]+=\S+ )*keras-seq2seq .*)$", re.MULTILINE)


@dataclasses.dataclass(frozen=True)
class Block:
    """A block of code of a page.

    Args:
        language: What stands behind its fence; "" for one that only shows.
        code: Its text.
        mark: The comment before it: "file: NAME" (what a reader saves it as) or "background".
        line: Number of its first line in the page.
    """

    language: str
    code: str
    mark: str
    line: int


def blocks(path: pathlib.Path) -> list[Block]:
    """Returns the fenced blocks of a page, in their order."""
    text = path.read_text("utf-8")
    return [
        Block(m["language"], m["code"], m["mark"] or "", text[: m.start("code")].count("\n") + 1)
        for m in _BLOCK.finditer(text)
    ]


def commands(path: pathlib.Path) -> list[list[str]]:
    """Returns the arguments of every command line of this package that a page shows as code."""
    found = []
    text = path.read_text("utf-8").replace("\\\n", " ")
    for line in _CODE.findall(text):
        for part in re.split(r" \| | && | \|\| ", line[0] or line[1]):
            words = re.sub(r"^((?:[A-Z_]+=\S+|nohup|time) )*", "", part.strip())
            if words.startswith(f"{PROGRAM} ") and "..." not in words:
                found.append(_arguments(words))
    return found


def _arguments(line: str) -> list[str]:
    words = shlex.split(line, comments=True)[1:]
    ends = [i for i, word in enumerate(words) if word.startswith(("<", ">", "2>", "&"))]
    return words[: min(ends, default=len(words))]
