"""The pages of docs/ hold together: links, commands, names, messages, length of lines."""

import ast
import contextlib
import io
import itertools
import re
import sys

import pytest
from conftest import ROOT
from docs_pages import ALL, DOCS, PAGES, blocks, commands

import keras_seq2seq
from keras_seq2seq.cli.main import build_parser

sys.path.insert(0, str(DOCS / "site"))
import assemble
import docstring_sections
import public_names
import repository

LONGEST_LINE = 140


@pytest.fixture(scope="module")
def site():
    return assemble.pages()


def test_no_line_of_prose_is_too_long():
    for path in ALL:
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
            is_table = line.lstrip().startswith("|")
            assert is_table or len(line) <= LONGEST_LINE, f"{path.name}:{number}"


def test_code_in_a_list_is_code_on_the_site_too():
    """GitHub asks for the width of the list's mark, Python-Markdown for four spaces a level."""
    for path in ALL:
        lines = path.read_text("utf-8").splitlines()
        for number, (before, line) in enumerate(itertools.pairwise(lines), 2):
            spaces = len(line) - len(line.lstrip())
            assert before.strip() or spaces % 4 == 0 or spaces > 8, f"{path.name}:{number}"


def headings(text):
    """Returns the anchors of a page, as Python-Markdown makes them."""
    text = re.sub(r"^ *```.*?^ *```$", "", text, flags=re.DOTALL | re.MULTILINE)
    found = set()
    for line in re.findall(r"^#+ (.*)$", text, re.MULTILINE):
        own = re.search(r"\{#([^}]+)\}", line)
        plain = re.sub(r"[^\w\s-]", "", re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", line)).strip()
        found.add(own[1] if own else re.sub(r"[-\s]+", "-", plain.lower()))
    return found | {
        f"keras_seq2seq.{n}" for n in re.findall(r"^::: keras_seq2seq\.(\S+)", text, re.M)
    }


def test_every_link_leads_somewhere(site):
    anchors = {name: headings(text) for name, text in site.items()}
    for name, text in site.items():
        at = repository.place_in_repository(name)
        for target, anchor in repository.links(f"pages/{name}", text):
            place = target.removeprefix("pages/")
            is_page = place in site
            assert is_page or (DOCS / place).is_file(), f"{at} links to {place}"
            assert not anchor or not is_page or anchor[1:] in anchors[place], (
                f"{at}: {place}{anchor}"
            )


def test_a_link_to_a_name_that_a_file_lacks_is_found():
    text = "[x](../keras_seq2seq/models/gru.py#NoSuchLayer)"
    with pytest.raises(ValueError, match=r"gru\.py has no class or function 'NoSuchLayer'"):
        repository.with_site_links(ROOT, "x.md", text)


def test_links_inside_of_code_stay():
    text = "`[x](../training/dates.py)`\n\n```\n[x](../training/dates.py)\n```\n"
    assert repository.with_site_links(ROOT, "x.md", text) == text


def test_every_page_is_in_the_navigation(site):
    nav = (ROOT / "mkdocs.yml").read_text("utf-8").split("\nnav:\n")[1]
    listed = re.findall(r"(\S+\.md)$", nav, re.MULTILINE)
    assert len(listed) == len(set(listed))
    assert set(listed) == {name for name in site if not name.startswith("code/")}


def test_the_reference_shows_every_public_name():
    texts = [path.read_text("utf-8") for path in PAGES]
    assert public_names.missing(texts) == []
    without = [re.sub(r"^::: keras_seq2seq\.load$", "", text, flags=re.M) for text in texts]
    assert public_names.missing(without) == ["load"]


def test_generated_pages_have_every_key_and_option(site):
    for section, kind in assemble.recipe_page.SECTIONS.items():
        assert f"\n## [{section}]\n" in site["generated/recipe.md"]
        for field in kind.__dataclass_fields__:
            assert f"\n| `{field}` | " in site["generated/recipe.md"]
    choices = build_parser()._subparsers._group_actions[0].choices
    for name, command in choices.items():
        assert f"\n## {name}\n" in site["generated/commands.md"]
        for action in command._actions[1:]:
            for option in action.option_strings:
                assert f"{option}" in site["generated/commands.md"]
    assert "\n| `artefacts.litert.source_lengths` | " in site["generated/manifest.md"]


def test_sections_of_docstrings_become_those_of_the_reference():
    text = "One line.\n\nArgs:\n    a: int.\nCall arguments:\n    b: (batch,).\nRaises:\n    E: If."
    assert docstring_sections.as_markdown(text) == (
        "One line.\n\nArgs:\n    a: int.\n\n**Call arguments:**\n\n- **b**: (batch,).\n\n"
        "Raises:\n    E: If."
    )


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_command_parses(path):
    assert [told for words in commands(path) if (told := refusal(words))] == []


def refusal(words):
    """Returns what the command line has against some arguments, or ""."""
    told = io.StringIO()
    with contextlib.redirect_stderr(told), contextlib.suppress(SystemExit):
        build_parser().parse_args(words)
    return told.getvalue()


def test_commands_are_found():
    found = [words for path in ALL for words in commands(path)]
    assert len(found) > 60
    assert {words[0] for words in found} > {"train", "export", "translate", "serve", "init"}


# The changelog tells of names that are gone.
@pytest.mark.parametrize("path", [path for path in ALL if path.name != "CHANGELOG.md"])
def test_python_compiles_and_names_what_there_is(path):
    package = ROOT / "keras_seq2seq"
    inside = {entry.stem for entry in package.iterdir()}
    named = re.findall(r"(?<![\w/])keras_seq2seq\.([A-Za-z_]\w*)", path.read_text("utf-8"))
    assert set(named) - {*keras_seq2seq.__all__, *inside} == set()
    for block in blocks(path):
        if block.language == "python":
            ast.parse(block.code)


def messages():
    """Yields every text of the package, with {} in the place of values."""
    for path in (ROOT / "keras_seq2seq").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value
            elif isinstance(node, ast.JoinedStr):
                constant = (isinstance(part, ast.Constant) for part in node.values)
                parts = zip(constant, node.values, strict=True)
                yield "".join(part.value if is_text else "{}" for is_text, part in parts)


def test_troubleshooting_quotes_messages_that_there_are():
    text = (DOCS / "troubleshooting.md").read_text("utf-8")
    cells = re.findall(r"^\| (.*?) \| ", text, re.MULTILINE)
    quoted = [a or b for c in cells for a, b in re.findall(r"`` (.+?) ``|(?<!`)`([^`]+)`(?!`)", c)]
    ours = [q for q in quoted if not q.endswith("command not found") and q != "FILE:LINE: blank"]
    assert len(ours) > 30
    said = "\0".join(messages())
    assert [quote for quote in ours if quote not in said] == []
