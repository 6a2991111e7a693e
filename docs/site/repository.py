"""Files of the repository as pages of the site, and the links between them.

Pages link to files as they lie in the repository (`../training/dates.py`), so that the links work
where the repository is browsed too. In the site a Markdown file is a page, and so is a file of
code, with a heading for each class and function that a link may name: `gru.py#GRU`.
"""

import ast
import os
import pathlib
import posixpath
import re
from collections.abc import Callable, Iterator, Mapping

# Pages with a place of their own; other files are below code/.
PLACES = {
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "README.md": "index.md",
    "training/README.md": "results.md",
}
HERE = "docs/"
LANGUAGES = {".mjs": "js", ".toml": "toml", ".sh": "bash", ".kt": "kotlin", ".yaml": "yaml"}
_LINK = re.compile(r"(?P<open>\]\()(?P<target>[^)\s#:]+)(?P<anchor>#[^)\s]*)?(?P<close>\))")
_FENCE = re.compile(r"^ *(?P<fence>`{3,}).*?^ *(?P=fence)$|`[^`\n]+`", re.DOTALL | re.MULTILINE)


def pages_linked_from(root: pathlib.Path, written: Mapping[str, str]) -> dict[str, str]:
    """Returns the text of each page that is not below docs/ and that some page links to."""
    found: dict[str, str] = {}
    queue = [(place_in_repository(name), text) for name, text in written.items()]
    for path, name in PLACES.items():
        if name not in written:
            found[name] = page_text(root, path)
            queue.append((path, found[name]))
    while queue:
        path, text = queue.pop()
        for target, _ in links(path, text):
            name = place_in_site(root, target)
            if target.startswith(HERE) or name in found or name in written:
                continue
            if not (root / target).exists():
                continue
            found[name] = page_text(root, target)
            queue.append((_readme(root, target), found[name]))
    return found


def with_site_links(root: pathlib.Path, page: str, text: str) -> str:
    """Returns a page whose links to files of the repository lead to pages of the site."""
    path = place_in_repository(page)

    def moved(match: re.Match[str]) -> str:
        target = _joined(path, match["target"])
        if not (root / target).exists():
            return match[0]  # the strict build names it
        anchor = match["anchor"] or ""
        if target.endswith(".py") and anchor:
            _check_symbol(root / target, anchor[1:], path)
        place = posixpath.relpath(place_in_site(root, target), posixpath.dirname(page) or ".")
        return f"{match['open']}{place}{anchor}{match['close']}"

    return _outside_of_code(text, lambda part: _LINK.sub(moved, part))


def links(path: str, text: str) -> Iterator[tuple[str, str]]:
    """Yields the file and the anchor of each relative link of a page, with a path from the root."""
    found: list[tuple[str, str]] = []

    def note(part: str) -> str:
        found.extend((m["target"], m["anchor"] or "") for m in _LINK.finditer(part))
        return part

    _outside_of_code(text, note)
    for target, anchor in found:
        yield _joined(path, target), anchor


def place_in_repository(page: str) -> str:
    """Returns the path, from the root, of the file that a page of the site shows."""
    for path, place in PLACES.items():
        if place == page and path != "README.md":
            return path
    if page.startswith("code/"):
        name = page.removeprefix("code/")
        is_code = pathlib.PurePath(pathlib.PurePath(name).stem).suffix
        return name.removesuffix(".md") if is_code else name
    return HERE + page


def place_in_site(root: pathlib.Path, path: str) -> str:
    """Returns the page that shows a file or folder of the repository."""
    path = _readme(root, path)
    if path in PLACES:
        return PLACES[path]
    if path.startswith(HERE):
        return path.removeprefix(HERE)
    return f"code/{path}" if path.endswith(".md") else f"code/{path}.md"


def page_text(root: pathlib.Path, path: str) -> str:
    """Returns the page of a file: itself, or code under headings, or the names in a folder."""
    path = _readme(root, path)
    file = root / path
    if file.is_dir():
        names = sorted(p.name for p in file.iterdir() if not p.name.startswith((".", "__")))
        return f"# {path}\n\n" + "\n".join(f"- `{name}`" for name in names) + "\n"
    text = file.read_text("utf-8")
    if file.suffix == ".md":
        return text
    if file.suffix == ".py":
        return _python_page(path, text)
    return f"# {path}\n\n{_code(text, LANGUAGES.get(file.suffix, 'text'), 1)}"


def symbols(text: str) -> dict[str, int]:
    """Returns the first line, from 1, of each class and function at the top of a module."""
    kinds = (ast.ClassDef, ast.FunctionDef)
    nodes = [node for node in ast.parse(text).body if isinstance(node, kinds)]
    return {n.name: min([n.lineno, *(d.lineno for d in n.decorator_list)]) for n in nodes}


def _python_page(path: str, text: str) -> str:
    lines = text.splitlines()
    starts = [(1, ""), *((line, name) for name, line in symbols(text).items())]
    parts = [f"# {path}\n"]
    for (line, name), (end, _) in zip(starts, [*starts[1:], (len(lines) + 1, "")], strict=True):
        if name:
            parts.append(f"## {name} {{#{name}}}\n")
        parts.append(_code("\n".join(lines[line - 1 : end - 1]).rstrip(), "python", line))
    return "\n".join(parts)


def _code(text: str, language: str, line: int) -> str:
    return f'``````{language} linenums="{line}"\n{text}\n``````\n'


def _check_symbol(file: pathlib.Path, name: str, page: str) -> None:
    if name not in symbols(file.read_text("utf-8")):
        raise ValueError(f"{page}: {file.name} has no class or function {name!r} at its top.")


def _readme(root: pathlib.Path, path: str) -> str:
    inside = posixpath.join(path, "README.md")
    return inside if (root / inside).is_file() else path


def _joined(path: str, target: str) -> str:
    joined = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
    return "." if joined == os.curdir else joined


def _outside_of_code(text: str, change: Callable[[str], str]) -> str:
    parts: list[str] = []
    place = 0
    for match in _FENCE.finditer(text):
        parts += [change(text[place : match.start()]), match[0]]
        place = match.end()
    return "".join([*parts, change(text[place:])])
