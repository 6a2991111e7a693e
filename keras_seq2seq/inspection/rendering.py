"""Renders an inspection as readable text."""

import io
import json
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

from keras_seq2seq.formats import FORMATS
from keras_seq2seq.inspection.findings import Findings, Group, Operator, TensorSpec
from keras_seq2seq.text.printable import printable

WIDTH = 110
LONGEST = 12  # layers shown; --json lists all of them
TITLES = {"bundle": "bundle", **{name: row.title for name, row in FORMATS.items()}}
Cells = Sequence[str]


def rendered(inspection: Findings, *, summary: bool = False) -> str:
    """Returns an inspection as text; for a bundle, a table of its artefacts, then each of them.

    Args:
        inspection: The findings.
        summary: bool. For a bundle, True leaves out the sections on single artefacts.
    """
    shown = [inspection, *(() if summary else inspection.parts)]
    return "\n\n\n".join("\n\n".join(_blocks(one)) for one in shown)


def _blocks(inspection: Findings) -> Iterator[str]:
    parts = inspection.parts
    yield _head(inspection)
    if parts:
        yield _table(("artefact", "MB", "parameters", "stored as", "loads in"), _overview(parts))
    if inspection.signatures:
        yield _table(("signature", "", "tensor", "dtype", "shape"), _signatures(inspection))
    if inspection.operators:
        yield _table(("operators of", "nodes", "which"), _operators(inspection.operators))
    if inspection.layers:
        yield _table(("layer", "tensors", "parameters", "bytes", "dtypes"), _layers(inspection))
        head = ("stored as", "tensors", "parameters", "bytes")
        yield _table(head, [_group(group) for group in inspection.dtypes])
    if inspection.requirements:
        yield "\n".join(
            _wrapped(f"loads in: {need.runtime} {_release(need.oldest)}. {need.reason}")
            for need in inspection.requirements
        )
    if inspection.callers:
        yield _table(("called by", "takes it", "from", "note"), _callers(inspection))
    found = [(part.path, problem) for part in parts for problem in part.problems]
    found += [("", problem) for problem in inspection.problems]
    if found:
        lines = (f"- {p}{': ' * bool(p)}{e.message} {e.remedy}" for p, e in found)
        yield "\n".join(["would not load or work on the stock runtime:", *map(_wrapped, lines)])
    else:
        yield "nothing in it that the stock runtime lacks"
    if inspection.notes:
        yield "\n".join(_wrapped(f"note: {note}") for note in inspection.notes)


def _head(inspection: Findings) -> str:
    size = f"{inspection.bytes / 1e6:.2f} MB"
    if inspection.tensors:
        size += f", {inspection.parameters:,} parameters"
    facts = [f"  {key}: {_fact(value)}" for key, value in inspection.facts.items() if value]
    title = f"{inspection.path}: {TITLES[inspection.format]}, {size}"
    return "\n".join([printable(title), *map(_wrapped, facts)])


def _fact(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_fact(inner)}" for key, inner in value.items() if inner)
    if isinstance(value, list):
        return ", ".join(map(_fact, value))
    return value if isinstance(value, str) else json.dumps(value)


def _overview(parts: Sequence[Findings]) -> list[Cells]:
    return [
        (
            part.path,
            f"{part.bytes / 1e6:.2f}",
            f"{part.parameters:,}",
            ", ".join(group.name for group in part.dtypes if group.parameters),
            "; ".join(f"{n.runtime} {_release(n.oldest)}" for n in part.requirements)
            + ("; see below" if part.problems else ""),
        )
        for part in parts
    ]


def _release(oldest: str | None) -> str:
    return f"{oldest} and later" if oldest else "(release unknown)"


def _callers(inspection: Findings) -> list[Cells]:
    return [
        (
            one.name,
            "yes" if one.takes else "no",
            f"{one.runtime} {one.oldest or '(release unknown)'}" if one.takes else "",
            one.reason,
        )
        for one in inspection.callers
    ]


def _signatures(inspection: Findings) -> list[Cells]:
    rows: list[Cells] = []
    for signature in inspection.signatures:
        name = signature.name
        for side, specs in (("in", signature.inputs), ("out", signature.outputs)):
            for spec in specs:
                rows.append((name, side, spec.name, spec.dtype, _shape(spec)))
                name = ""
    return rows


def _shape(spec: TensorSpec) -> str:
    if spec.shape is None:
        return "unknown"
    return "(" + ", ".join("any" if size is None else str(size) for size in spec.shape) + ")"


def _operators(operators: Sequence[Operator]) -> list[Cells]:
    domains: dict[str, list[Operator]] = {}
    for operator in operators:
        domains.setdefault(operator.domain, []).append(operator)
    return [
        (
            domain,
            f"{sum(operator.count for operator in found):,}",
            ", ".join(f"{o.name} {o.count}" for o in sorted(found, key=lambda o: -o.count)),
        )
        for domain, found in domains.items()
    ]


def _layers(inspection: Findings) -> list[Cells]:
    groups = inspection.layers
    rows: list[Cells] = [(*_group(group), ", ".join(group.dtypes)) for group in groups[:LONGEST]]
    if rest := groups[LONGEST:]:
        tensors, parameters, size = (
            sum(getattr(group, what) for group in rest)
            for what in ("tensors", "parameters", "bytes")
        )
        rows.append((f"and {len(rest)} more", str(tensors), f"{parameters:,}", f"{size:,}", ""))
    return rows


def _group(group: Group) -> Cells:
    return group.name, str(group.tensors), f"{group.parameters:,}", f"{group.bytes:,}"


def _table(head: Cells, rows: Sequence[Cells]) -> str:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for title in head:
        right = title in ("MB", "nodes", "tensors", "parameters", "bytes")
        table.add_column(title, justify="right" if right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    output = io.StringIO()
    Console(file=output, width=WIDTH, color_system=None).print(table)
    return "\n".join(line.rstrip() for line in output.getvalue().splitlines())


def _wrapped(line: str) -> str:
    # Names and paths are not broken, so that they can be copied.
    wrapper = textwrap.TextWrapper(
        WIDTH, subsequent_indent="    ", break_on_hyphens=False, break_long_words=False
    )
    return wrapper.fill(printable(line))
