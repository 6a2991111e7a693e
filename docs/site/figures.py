"""Figures of the pages: a command writes them to a file, and from there they get into the pages.

    python docs/site/figures.py record search -- python benchmarks/search.py
    python docs/site/figures.py

The first line runs a benchmark and writes docs/figures/search.json; the second writes the figures
of all files into the pages. `take NAME` goes the other way, for figures that nobody can measure
again: what stands between the marks of a page becomes the file, which says so.

A file holds the command, the date, the machine, the versions, and what was printed, cut at blank
lines into blocks. A page shows blocks by their numbers between two comments, a table as a table and
other text as code:

    <!-- figures: search 1-2 -->
    <!-- end of figures -->

A figure in a sentence is followed by a comment with the words that stand around it in the file:

    98.1<!-- figure: quickstart "{} % exact match" --> % of the sentences

"{} seconds" is how long the command took.

A table of figures that no file holds says where its figures are from:

    <!-- judged from: search training_speed -->
    <!-- a command in each row -->
    <!-- held by tests/test_models_config.py -->
"""

import argparse
import datetime
import importlib.metadata
import json
import os
import pathlib
import platform
import re
import resource
import shlex
import subprocess
import sys
import textwrap
import time

ROOT = pathlib.Path(__file__).parent.parent.parent
FOLDER = ROOT / "docs" / "figures"
END = "<!-- end of figures -->"
SHOWN = re.compile(
    r"^(?P<start> *<!-- figures: (?P<name>\w+) (?P<first>\d+)(?:-(?P<last>\d+))? -->\n)"
    rf"(?P<body>.*?)^ *{re.escape(END)}$",
    re.DOTALL | re.MULTILINE,
)
_IN_WORDS = re.compile(
    r'(?P<figure>\d[\d.,:]*)(?P<mark><!-- figure: (?P<name>\w+) "(?P<words>[^"]*)" -->)'
)
_TOLD = (
    "keras-seq2seq",
    "keras",
    "tensorflow",
    "jax",
    "torch",
    "ctranslate2",
    "onnxruntime",
    "ai-edge-litert",
)


def load(name: str) -> dict:
    """Returns what a file of figures holds.

    Raises:
        ValueError: If there is no such file.
    """
    path = FOLDER / f"{name}.json"
    if not path.is_file():
        raise ValueError(f"A page may show figures of docs/figures alone. Received: {name!r}.")
    return json.loads(path.read_text("utf-8"))


def with_figures(text: str) -> str:
    """Returns a page with the figures that the files hold.

    Raises:
        ValueError: If a file, a block or the words around a figure are not there.
    """

    def block(found: re.Match[str]) -> str:
        blocks = load(found["name"])["blocks"]
        first, last = int(found["first"]), int(found["last"] or found["first"])
        if not 1 <= first <= last <= len(blocks):
            raise ValueError(
                f"docs/figures/{found['name']}.json has {len(blocks)} blocks. "
                f"Received: {found['start']!r}."
            )
        return f"{found['start']}{markdown(blocks[first - 1 : last])}\n{END}"

    def in_words(found: re.Match[str]) -> str:
        return f"{in_sentence(found['name'], found['words'])}{found['mark']}"

    return _IN_WORDS.sub(in_words, SHOWN.sub(block, text))


def markdown(blocks: list[list[str]]) -> str:
    """Returns blocks as a page shows them."""
    texts = (
        "\n".join(lines if lines[0].startswith("|") else (f"    {line}".rstrip() for line in lines))
        for lines in blocks
    )
    return "\n\n".join(texts)


def in_sentence(name: str, words: str) -> str:
    """Returns the figure that stands at {} between some words of a file."""
    before, _, after = words.partition("{}")
    told = load(name)
    printed = "\n".join(line for lines in told["blocks"] for line in lines)
    printed += f"\n{told.get('seconds')} seconds"
    found = re.findall(rf"{re.escape(before)}(\d(?:[\d.,:]*\d)?){re.escape(after)}", printed)
    if len(set(found)) != 1:
        raise ValueError(
            f"docs/figures/{name}.json must have one figure in {words!r}. Received: {found}."
        )
    return found[0]


def blocks_of(printed: str) -> list[list[str]]:
    """Returns the lines of a text, cut at blank lines, and before and after each table."""
    blocks: list[list[str]] = [[]]
    for line in map(str.rstrip, printed.splitlines()):
        if not line:
            blocks.append([])
        elif blocks[-1] and line.startswith("|") != blocks[-1][0].startswith("|"):
            blocks.append([line])
        else:
            blocks[-1].append(line)
    return [block for block in blocks if block]


def pages() -> list[pathlib.Path]:
    """Returns the pages that may show figures."""
    return [
        *sorted((ROOT / "docs").rglob("*.md")),
        ROOT / "README.md",
        ROOT / "training" / "README.md",
    ]


def record(name: str, command: list[str], shown: str, start: str, note: str) -> int:
    """Runs a command, lets its text through, and writes its file; returns its exit status.

    Args:
        name: Of the file.
        command: What to run; nothing is written if it fails.
        shown: The command as the page has it, if it names files of this machine.
        start: What is printed before the first line with this text is left out.
        note: What else a reader has to know of the machine.
    """
    before = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    started, lines = time.monotonic(), []
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        for line in process.stdout:
            print(line, end="", flush=True)
            lines.append(line)
    if status := process.returncode:
        print(f"docs/figures/{name}.json is left as it was: the command failed.", file=sys.stderr)
        return status
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    first = next((i for i, line in enumerate(lines) if start in line), len(lines))
    write(
        name,
        command=shown or shlex.join(command),
        blocks=blocks_of("".join(lines[first:])),
        date=datetime.date.today().isoformat(),
        source="measured",
        seconds=round(time.monotonic() - started),
        cpu_seconds=round(used.ru_utime + used.ru_stime),
        machine=f"{machine()}; load {before:.1f} at the start{'; ' * bool(note)}{note}",
        versions=versions(),
    )
    return 0


def take(name: str, command: str, machine: str) -> None:
    """Writes a file of figures from what stands between the marks of a page.

    Args:
        name: Of the file; one that is there keeps its command and machine, unless given.
        command: The command that the page names, "" if it names none.
        machine: What the page says of the machine.
    Raises:
        ValueError: If no page shows these figures, or not all blocks of the file.
    """
    told = load(name) if (FOLDER / f"{name}.json").is_file() else {"command": "", "machine": ""}
    blocks: dict[int, list[str]] = {}
    for path in pages():
        for found in SHOWN.finditer(path.read_text("utf-8")):
            if found["name"] == name:
                page = path.relative_to(ROOT).as_posix()
                body = textwrap.dedent(found["body"])
                blocks |= dict(enumerate(blocks_of(body), int(found["first"])))
    if sorted(blocks) != list(range(1, len(blocks) + 1)) or not blocks:
        raise ValueError(f"Pages must show all blocks of {name!r}. Received: {sorted(blocks)}.")
    command = command or told["command"]
    write(
        name,
        command=command,
        source=f"taken over from {page}{'' if command else ', which names no command'}",
        date=datetime.date.today().isoformat(),
        machine=machine or told["machine"],
        versions={},
        **{key: told[key] for key in ("seconds",) if key in told},
        blocks=[blocks[number] for number in sorted(blocks)],
    )


def write(name: str, *, command: str | list[str], blocks: list[list[str]], **facts: object) -> None:
    """Writes a file of figures, a line for each line that was printed.

    Args:
        name: Of the file.
        command: What printed them; several if a table is put together of what they printed.
        blocks: See `blocks_of`.
        facts: source, date, machine, versions.

    Raises:
        ValueError: If there are no figures, or the command names files of one machine.
    """
    if not any(re.search(r"\d", line) for lines in blocks for line in lines):
        raise ValueError(f"A file of figures needs some. Received: {blocks} of {command!r}.")
    if re.search(r"(^|[\s=])(/|~)\w", str(command)):
        raise ValueError(
            "A page is read elsewhere: name the command as it stands there with --shown. "
            f"Received: {command!r}."
        )
    FOLDER.mkdir(exist_ok=True)
    text = json.dumps({"command": command, **facts, "blocks": blocks}, indent=1, ensure_ascii=False)
    (FOLDER / f"{name}.json").write_text(f"{text}\n", "utf-8")


def machine() -> str:
    """Returns what this machine is, in words."""
    told = pathlib.Path("/proc/cpuinfo")
    lines = told.read_text("utf-8").splitlines() if told.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{names[0] if names else platform.machine()}, {cores} cores, {platform.system()}"


def versions() -> dict[str, str]:
    """Returns the releases of Python and of the packages that decide figures, if installed."""
    found = {"python": platform.python_version()}
    for package in _TOLD:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def sources_page() -> str:
    """Returns the page that tells where the figures of the others are from."""
    texts = {path.relative_to(ROOT).as_posix(): path.read_text("utf-8") for path in pages()}
    lines = [
        "# Where figures are from",
        "",
        "Each table of figures lies in a file, written by its command or, if it is older, taken",
        "over from the page. The page has the command. A test holds that pages and files agree.",
        "",
        "| figures | page | date | machine |",
        "|---|---|---|---|",
    ]
    for path in sorted(FOLDER.glob("*.json")):
        told = load(path.stem)
        shown = [name for name, text in texts.items() if f"<!-- figures: {path.stem} " in text]
        links = ", ".join(f"[{name.removeprefix('docs/')}](../../{name})" for name in shown)
        date = f"{told['date']}{'' if told['source'] == 'measured' else ', taken over'}"
        lines.append(
            f"| [{path.stem}](../figures/{path.name}) | {links} | {date} | {told['machine']} |"
        )
    return "\n".join([*lines, ""])


def main() -> int:
    """Writes the figures into the pages, or records those of a command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    actions = parser.add_subparsers(dest="action")
    recorded = actions.add_parser("record", help="run a command and write its figures to a file")
    recorded.add_argument("name", help="of the file in docs/figures")
    recorded.add_argument("--shown", default="", help="the command as the page has it")
    recorded.add_argument(
        "--start",
        default="",
        metavar="TEXT",
        help="leave out what is printed before the line with TEXT",
    )
    recorded.add_argument(
        "--note", default="", help="what else a reader has to know of the machine"
    )
    recorded.add_argument("command", nargs="+", help="-- and the command")
    taken = actions.add_parser("take", help="write a file from what stands in a page")
    taken.add_argument("name", help="of the file in docs/figures")
    taken.add_argument("--command", default="", help="the command as the page has it")
    taken.add_argument("--machine", default="", help="what the page says of the machine")
    given = parser.parse_args()
    if given.action == "take":
        take(given.name, given.command, given.machine)
        return 0
    if given.action == "record":
        if not re.fullmatch(r"\w+", given.name):
            parser.error(f"NAME must be letters, digits and _. Received: {given.name!r}.")
        return record(given.name, given.command, given.shown, given.start, given.note)
    for path in pages():
        text = path.read_text("utf-8")
        if (new := with_figures(text)) != text:
            path.write_text(new, "utf-8")
            print(f"new figures: {path.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
