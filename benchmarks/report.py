"""The table: on a terminal, in README.md, and as JSON for whoever compares later."""

import json
import os
import platform
import re
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from benchmarks.measure import Limit, Row
from tradebotd.clocks.host import host_now

HERE: Final = Path(__file__).parent
RESULTS: Final = HERE / "results"
README: Final = HERE / "README.md"
BEGIN, END = "<!-- figures: python -m benchmarks --markdown -->", "<!-- end of figures -->"
HEADINGS: Final = ("", "work", "median (min … max)", "floor", "ratio", "budget", "kept")


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One budget's rows, and under what circumstances they were taken."""

    budget: str
    at: str
    revision: str
    load_before: float  # of the last minute, before the first round
    machine: str
    versions: str
    seconds: float
    rows: tuple[Row, ...]


def measured(
    budget: str, rows: Sequence[Row], *, seconds: float, load_before: float, postgres: str
) -> Measured:
    return Measured(
        budget=budget,
        at=f"{host_now():%Y-%m-%d %H:%M} UTC",
        revision=_revision(),
        load_before=round(load_before, 2),
        machine=_machine(),
        versions=_versions(postgres),
        seconds=round(seconds, 1),
        rows=tuple(rows),
    )


def store(result: Measured) -> Path:
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{result.budget}.json"
    path.write_text(json.dumps(asdict(result), indent=2) + "\n")
    return path


def stored() -> list[Measured]:
    """The latest result of each budget that was ever measured here."""
    paths = sorted(RESULTS.glob("*.json"), key=lambda path: (len(path.stem), path.stem))
    return [_parsed(json.loads(path.read_text())) for path in paths]


def plain(results: Iterable[Measured]) -> str:
    lines = [HEADINGS, *(_cells(row) for result in results for row in result.rows)]
    widths = [max(len(line[place]) for line in lines) for place in range(len(HEADINGS))]
    padded = ("  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)) for line in lines)
    return "\n".join(line.rstrip() for line in padded)


def markdown(results: Sequence[Measured]) -> str:
    """The part of README.md between the two marks."""
    lines = [_markdown_line(HEADINGS), _markdown_line(["---"] * len(HEADINGS))]
    lines += [_markdown_line(_cells(row)) for result in results for row in result.rows]
    lines += ["", "Taken under these circumstances:", ""]
    lines += [
        f"- {one.budget}: {one.at}, {len(one.rows[0].rounds)} rounds in {one.seconds:g} s,"
        f" load {one.load_before:g} before, at {one.revision}; {one.machine}; {one.versions}"
        for one in results
    ]
    return "\n".join(lines)


def refresh_readme(results: Sequence[Measured]) -> None:
    """Raises ValueError when the marks are gone."""
    text = README.read_text()
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{README} lacks {BEGIN!r} or {END!r}")
    README.write_text(f"{before}{BEGIN}\n\n{markdown(results)}\n\n{END}{after}")


def _cells(row: Row) -> list[str]:
    figure, ratio, kept = row.figure, row.ratio, row.is_kept
    floors = f"{row.floor} {_number(sorted(row.floors)[len(row.floors) // 2])}" if ratio else ""
    return [
        row.budget,
        f"{row.work} ({row.note})" if row.note else row.work,
        f"{_number(figure.median)} ({_number(figure.low)} … {_number(figure.high)}) {row.unit}",
        floors.strip(),
        f"{ratio.median:.2f} ({ratio.low:.2f} … {ratio.high:.2f})" if ratio else "",
        _budget(row.limit, row.unit),
        {True: "yes", False: "NO", None: ""}[kept],
    ]


def _budget(limit: Limit | None, unit: str) -> str:
    if limit is None:
        return ""
    sign = "≥" if limit.sense == "at least" else "≤"
    if limit.of == "ratio":
        return f"{sign} {limit.value:g} × floor"  # noqa: RUF001 - as the document writes it
    return f"{sign} {_number(limit.value)} {unit}"


def _number(value: float) -> str:
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.0f}" if value == int(value) else f"{value:.3g}"


def _markdown_line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _parsed(raw: dict[str, Any]) -> Measured:
    rows = [
        Row(
            **{
                **row,
                "rounds": tuple(row["rounds"]),
                "floors": tuple(row["floors"]),
                "limit": None if row["limit"] is None else Limit(**row["limit"]),
            }
        )
        for row in raw["rows"]
    ]
    return Measured(**{**raw, "rows": tuple(rows)})


def _revision() -> str:
    """Return the revision that was run; `+` where the tree holds what no commit does."""
    said = subprocess.run(
        ["git", "describe", "--always", "--dirty=+"],  # noqa: S607 - whichever git there is
        cwd=HERE,
        capture_output=True,
        text=True,
        check=False,
    )
    return said.stdout.strip() or "an unknown revision"


def _machine() -> str:
    cpu = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    name = cpu[1] if cpu else platform.machine()
    return f"{name}, {os.cpu_count()} cores, {memory:.0f} GiB, Linux {platform.release()}"


def _versions(postgres: str) -> str:
    libraries = ("asyncpg", "uvloop", "apscheduler")
    known = [f"{name} {version(name)}" for name in libraries]
    if postgres:
        known.insert(0, f"PostgreSQL {postgres}")
    return ", ".join([f"Python {platform.python_version()}", *known])
