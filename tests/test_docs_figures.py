"""The figures of the pages are those of docs/figures, and stand beside their commands."""

import datetime
import json
import pathlib
import re
import sys

import pytest
from conftest import ROOT
from docs_pages import DOCS

sys.path.insert(0, str(DOCS / "site"))
import figures

FILES = sorted(figures.FOLDER.glob("*.json"))
# A cell, or a word of what a command printed, that is a figure.
FIGURE = re.compile(
    r"[±<~]?\d[\d.,:]*(e-?\d+)?( ?(%|s|ms|M|k?B|MB|GB|MiB|of \d[\d,]*|/ \d+))?( ± \d[\d.]*)?"
)
MARK = re.compile(
    r"<!-- (judged from: (?P<files>[\w ]+)|a command in each row"
    r"|held by (?P<test>tests/\w+\.py)) -->"
)
ENOUGH = 3


def page(path):
    return path.relative_to(ROOT).as_posix()


@pytest.fixture(scope="module")
def texts():
    return {page(path): path.read_text("utf-8") for path in figures.pages()}


def test_the_pages_show_what_the_files_hold(texts):
    assert [name for name, text in texts.items() if figures.with_figures(text) != text] == []


def test_a_figure_that_was_typed_by_hand_is_found(texts):
    text = texts["docs/quickstart.md"]
    in_a_block = re.search(r"exact match, BLEU [\d.]+, \d+ sentences", text)[0]
    in_words = re.search(r"[\d.]+<!-- figure: quickstart \"{} % exact match\" -->", text)[0]
    for there in (in_a_block, in_words):
        typed = re.sub(r"\d", "7", there)
        assert typed != there
        assert figures.with_figures(text.replace(there, typed)) == text


def runs(text):
    """Yields what no file holds: each table and piece of code of a page, with the line before."""
    lines = [*figures.SHOWN.sub("", text).splitlines(), ""]
    start = 0
    for end, line in enumerate(lines):
        kind = line[:1] if line.startswith("|") else line[:4]
        first = lines[start]
        if kind != (first[:1] if first.startswith("|") else first[:4]):
            if first.startswith(("|", "    ")):
                yield lines[start - 1], lines[start:end]
            start = end


def figures_of(rows):
    """Returns how many figures stand in a table or in printed columns, labels left out."""
    if rows[0].startswith("|"):
        cells = [cell.strip() for row in rows[2:] for cell in row.strip("|").split("|")[1:]]
    else:
        cells = [cell for row in rows for cell in re.split(r"\s{2,}", row.strip())[1:]]
    return sum(FIGURE.fullmatch(cell) is not None for cell in cells)


def test_no_table_of_figures_stands_alone(texts):
    found = [
        f"{name}: {rows[0]}"
        for name, text in texts.items()
        for before, rows in runs(text)
        if figures_of(rows) >= ENOUGH and not MARK.fullmatch(before.strip())
    ]
    assert found == []


@pytest.mark.parametrize(
    "rows",
    [
        "| a | b |\n|---|---|\n| x | 1.5 |\n| y | 1,200 ms |\n| z | 3 of 9 |",
        "    keras   float32  2.68  7.96\n    onnx    float32  2.37",
    ],
)
def test_a_table_without_a_file_is_found(rows):
    ((before, found),) = runs(f"Text.\n\n{rows}\n\nText.")
    assert figures_of(found) == ENOUGH and not MARK.fullmatch(before)


def test_other_marks_keep_their_word(texts):
    for name, text in texts.items():
        for before, rows in runs(text):
            if not (found := MARK.fullmatch(before.strip())):
                continue
            assert all(figures.load(file) for file in (found["files"] or "").split()), name
            assert found["test"] is None or (ROOT / found["test"]).is_file(), name
            if "a command in each row" in before:
                assert all("`" in row.split("|")[2] for row in rows[2:]), name


def one_line(text):
    return re.sub(r"\s+", " ", re.sub(r"\\\n|`", " ", text))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_says_where_its_figures_are_from(path, texts):
    told = json.loads(path.read_text("utf-8"))
    assert datetime.date.fromisoformat(told["date"]) and told["machine"]
    assert told["source"] == "measured" or told["source"].startswith("taken over from ")
    shown = [text for text in texts.values() if f"<!-- figures: {path.stem} " in text]
    assert shown
    commands = told["command"] if isinstance(told["command"], list) else [told["command"]]
    assert all(commands) or told["source"].endswith(", which names no command")
    for command in commands:
        assert any(one_line(command) in one_line(text) for text in shown)


def test_what_a_command_prints_becomes_a_file_and_a_page(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(figures, "FOLDER", tmp_path)
    code = "print('warm\\n2 threads\\n| a |\\n|---|\\n| 1.5 |\\n\\n7.25 MB of 9.5, all')"
    command = [sys.executable, "-c", code]
    assert figures.record("small", command, "python small.py", "2 threads", "idle") == 0
    assert "warm" in capfd.readouterr().out
    told = json.loads((tmp_path / "small.json").read_text("utf-8"))
    assert told["blocks"] == [["2 threads"], ["| a |", "|---|", "| 1.5 |"], ["7.25 MB of 9.5, all"]]
    assert told["command"] == "python small.py" and told["versions"]["keras"]
    assert told["source"] == "measured" and told["machine"].endswith("; idle")
    assert 0 <= told["seconds"] < 60 and told["cpu_seconds"] >= 0
    marked = (
        '0<!-- figure: small "{} MB" --> MB\n\n<!-- figures: small 1-2 -->\n<!-- end of figures -->'
    )
    assert figures.with_figures(marked) == (
        '7.25<!-- figure: small "{} MB" --> MB\n\n<!-- figures: small 1-2 -->\n    2 threads\n\n'
        "| a |\n|---|\n| 1.5 |\n<!-- end of figures -->"
    )
    assert figures.in_sentence("small", "MB of {}") == "9.5"
    for text, fault in {
        "<!-- figures: small 4 -->\n<!-- end of figures -->": "has 3 blocks",
        "<!-- figures: other 1 -->\n<!-- end of figures -->": "figures of docs/figures alone",
        '1<!-- figure: small "{} GB" -->': "must have one figure",
    }.items():
        with pytest.raises(ValueError, match=fault):
            figures.with_figures(text)


def test_what_stands_in_a_page_is_taken_over(tmp_path, monkeypatch):
    monkeypatch.setattr(figures, "FOLDER", tmp_path)
    monkeypatch.setattr(figures, "ROOT", tmp_path)
    (tmp_path / "page.md").write_text(
        "<!-- figures: old 1 -->\n| a |\n|---|\n| 7 |\n<!-- end of figures -->\n\n"
        "<!-- figures: old 2-3 -->\n    8 MB\n      in all\n\n    9\n<!-- end of figures -->\n",
        "utf-8",
    )
    monkeypatch.setattr(figures, "pages", lambda: [tmp_path / "page.md"])
    figures.take("old", "", "two cores")
    told = json.loads((tmp_path / "old.json").read_text("utf-8"))
    assert told["blocks"] == [["| a |", "|---|", "| 7 |"], ["8 MB", "  in all"], ["9"]]
    assert told["source"] == "taken over from page.md, which names no command"
    figures.take("old", "python old.py", "")
    told = json.loads((tmp_path / "old.json").read_text("utf-8"))
    assert (told["command"], told["machine"]) == ("python old.py", "two cores")
    text = (tmp_path / "page.md").read_text("utf-8")
    assert figures.with_figures(text) == text
    (tmp_path / "page.md").write_text(text.replace("old 1", "old 4"), "utf-8")
    with pytest.raises(ValueError, match=r"must show all blocks of 'old'. Received: \[2, 3, 4\]"):
        figures.take("old", "", "")


def test_a_command_that_fails_leaves_its_file(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(figures, "FOLDER", tmp_path)
    (tmp_path / "small.json").write_text("{}")
    failing = [sys.executable, "-c", "print('1.5'); raise SystemExit(3)"]
    assert figures.record("small", failing, "python small.py", "", "") == 3
    assert (tmp_path / "small.json").read_text() == "{}"
    assert "left as it was" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("command", "blocks", "fault"),
    [
        ("python bench.py --run /home/me/run", [["1.5"]], "read elsewhere"),
        ("python bench.py", [["nothing"]], "needs some"),
        ("python bench.py", [], "needs some"),
    ],
)
def test_what_is_no_file_of_figures_is_refused(tmp_path, monkeypatch, command, blocks, fault):
    monkeypatch.setattr(figures, "FOLDER", tmp_path / "none")
    with pytest.raises(ValueError, match=fault):
        figures.write("small", command=command, blocks=blocks)
    assert not pathlib.Path(tmp_path / "none").exists()
