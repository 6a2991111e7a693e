"""Puts together the pages of the site: those of docs/, those made from code, and linked files.

    python docs/site/assemble.py build/pages

What makes HTML of them needs no plugin for this, and can be exchanged.
"""

import pathlib
import posixpath
import shutil
import sys

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parent.parent
sys.path[:0] = [str(HERE), str(ROOT)]

import command_pages  # noqa: E402
import figures  # noqa: E402
import manifest_page  # noqa: E402
import public_names  # noqa: E402
import recipe_page  # noqa: E402
import repository  # noqa: E402

# `make docs` brings it; without it Material fetches it from a public server.
MERMAID = ROOT / ".venv" / "mermaid.min.js"
GENERATED = {
    "generated/commands.md": command_pages.page,
    "generated/figures.md": figures.sources_page,
    "generated/manifest.md": manifest_page.page,
    "generated/recipe.md": recipe_page.page,
}


def pages() -> dict[str, str]:
    """Returns the text of every page by its place in the site, with links that work there.

    Raises:
        ValueError: If the reference leaves out a public name, or a link names a class or function
            that its file does not have.
    """
    docs = ROOT / "docs"
    written = {
        path.relative_to(docs).as_posix(): path.read_text("utf-8") for path in docs.rglob("*.md")
    }
    if missing := public_names.missing(written.values()):
        raise ValueError(f"The pages of docs/api must show every public name. Missing: {missing}.")
    written |= {name: make() for name, make in GENERATED.items()}
    written |= repository.pages_linked_from(ROOT, written)
    return {name: repository.with_site_links(ROOT, name, text) for name, text in written.items()}


def main() -> None:
    """Writes the pages, and the pictures that they show, into a new folder."""
    folder = pathlib.Path(sys.argv[1])
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(
        ROOT / "docs", folder, ignore=shutil.ignore_patterns("*.py", "*.md", "__pycache__")
    )
    if MERMAID.is_file():
        shutil.copy(MERMAID, folder / "site" / MERMAID.name)
    for name, text in pages().items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_with_diagrams(name, text), "utf-8")


def _with_diagrams(name: str, text: str) -> str:
    """Returns a page that loads what draws its diagrams, if it has some."""
    if "\n```mermaid" not in text or not MERMAID.is_file():
        return text
    script = posixpath.relpath(f"site/{MERMAID.name}", posixpath.dirname(name) or ".")
    return f'{text}\n<script src="{script}"></script>\n'


if __name__ == "__main__":
    main()
