"""The texts of arguments in a docstring."""

import inspect
import re


def arguments(documented: type) -> dict[str, str]:
    """Returns the text of each argument of a class, as its docstring gives it, on one line."""
    text = inspect.getdoc(documented) or ""
    block = text.split("\nArgs:\n", 1)[1]
    block = re.split(r"^\S", block, maxsplit=1, flags=re.MULTILINE)[0]
    found = re.findall(r"^    (\w+): (.*(?:\n {5,}.*)*)", block, re.MULTILINE)
    return {name: " ".join(said.split()) for name, said in found}


def cell(text: str) -> str:
    """Returns a text as a cell of a table in Markdown."""
    return text.replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*").replace("\n", " ")
