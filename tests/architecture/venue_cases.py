"""The page docs/venue-cases.md, made from the cases themselves.

`python -m tests.architecture.venue_cases` writes it anew; a test compares.
"""

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from itertools import groupby
from pathlib import Path
from typing import Final

from tests.architecture.tree import ROOT

PAGE: Final = ROOT / "docs" / "venue-cases.md"
GUIDE: Final = ROOT / "docs" / "architecture.md"
CONTRACT: Final = ROOT / "tests" / "contract"
NEVER_GIVEN: Final = frozenset({46, 47, 48})
NUMBER: Final = re.compile(r"VC-(\d+)")
ALWAYS: Final = "always"
# Claims of the cases that the guide's table of methods does not name, by file.
CLAIMS: Final[Mapping[str, tuple[str, ...]]] = {
    "test_venue": (ALWAYS,),
    "test_venue_answers": (ALWAYS, "open_orders_tell_fills"),
    "test_venue_away": (ALWAYS,),
    "test_venue_order_types": ("order_types", "times_in_force"),
    "test_venue_price_kinds": ("price_kinds", "stop_prices"),
    "test_venue_self_trades": ("self_trade",),
    "test_venue_thin_market": (ALWAYS,),
}
TITLES: Final[Mapping[str, str]] = {
    "test_venue": "orders, fills and money",
    "test_venue_account_power": "margin and position mode",
    "test_venue_answers": "what is told of orders and fills",
    "test_venue_away": "a venue that is away",
    "test_venue_balances": "balances",
    "test_venue_clock": "the clock",
    "test_venue_filters": "filters, status and commissions",
    "test_venue_order_types": "order types and times in force",
    "test_venue_price_kinds": "kinds of prices",
    "test_venue_promises": "replacements that are promised",
    "test_venue_resting": "orders that rest",
    "test_venue_self_trades": "orders of our own that would meet",
    "test_venue_setups": "symbols that are set up",
    "test_venue_signing": "the moment of sending",
    "test_venue_stream": "the order stream",
    "test_venue_thin_market": "orders on their way, and thin markets",
}
INTRODUCTION: Final = """\
# The cases that a venue passes

Each adapter runs one suite, `tests/contract/test_venue*.py`, and passes every case that its traits claim
([writing a venue adapter](architecture.md#writing-a-venue-adapter)). A case is known by its number for ever; {gone} were never given.
What a case asks to the letter is its test. "Claimed by" names the fields of `VenueTraits` (`ports/venue/traits.py`);
"always" is asked of every venue.

This page is made from the tests: `.venv/bin/python -m tests.architecture.venue_cases` writes it anew.
"""
ADAPTERS: Final = """
## Who runs them

`paper` and the scripted venue of the tests (`tests/fakes/venue.py`) pass all of them. Each of the following runs the suite, too, against a
simulator or an exchange of its own on loopback; what it leaves out, and why, is skipped by name with that reason. A name
in code that is no test is one set of a case's parameters.
"""


@dataclass(frozen=True, slots=True)
class Proof:
    """One test of one case, in words."""

    number: int
    module: str
    test: str
    words: str


def proofs() -> list[Proof]:
    """List every test that names a case, by number and then as the file has them."""
    found = [
        Proof(number, path.stem, node.name, _words(node))
        for path in sorted(CONTRACT.glob("test_venue*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for number in map(int, NUMBER.findall(ast.get_docstring(node) or ""))
    ]
    return sorted(found, key=lambda proof: proof.number)


def _words(test: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    """The test's name as a sentence, which its docstring goes on with; without numbers."""
    name = test.name.removeprefix("test_").replace("_", " ")
    said = " ".join((ast.get_docstring(test) or "").split())
    _, _, rest = said.partition(":")
    return (f"{name}: {rest.strip()}" if rest else name).rstrip(".")


def named(text: str) -> set[int]:
    """Return the numbers that *text* names, and those between the ends of a range."""
    found = {int(each) for each in NUMBER.findall(text)}
    for first, last in re.findall(r"VC-(\d+) (?:to|…) VC-(\d+)", text):
        found |= set(range(int(first), int(last) + 1))
    return found


def claims() -> dict[int, tuple[str, ...]]:
    """By number: what the guide's table of methods says, else what the case's file is about."""
    rows = [
        [cell.strip() for cell in line.split("|")[1:-1]]
        for line in GUIDE.read_text().splitlines()
        if line.startswith("| `") and "VC-" in line
    ]
    by_table: dict[int, list[str]] = {}
    for row in rows:
        told = re.findall(r"always|(?<=`)\w+(?=`)", row[1])
        for number in named(row[-1]):
            by_table.setdefault(number, []).extend(told)
    by_file = {proof.number: CLAIMS.get(proof.module, ()) for proof in proofs()}
    return {
        number: tuple(dict.fromkeys(by_table.get(number, usual)))
        for number, usual in by_file.items()
    }


def page() -> str:
    gone = " and ".join(f"VC-{each}" for each in sorted(NEVER_GIVEN))
    parts = [INTRODUCTION.format(gone=gone.replace(" and ", ", ", len(NEVER_GIVEN) - 2))]
    by_module: dict[str, list[Proof]] = {}
    for proof in proofs():
        by_module.setdefault(proof.module, []).append(proof)
    told = claims()
    for module, found in by_module.items():
        title = TITLES[module]
        parts.append(f"\n## {title[0].upper()}{title[1:]}\n\n`tests/contract/{module}.py`\n")
        parts.append("\n" + _table(("case", "a venue", "claimed by"), _rows(found, told)))
    parts += [ADAPTERS, *_adapters()]
    return "".join(parts)


def _rows(found: Iterable[Proof], told: Mapping[int, tuple[str, ...]]) -> Iterator[tuple[str, ...]]:
    for number, same in groupby(found, key=lambda proof: proof.number):
        words = "; ".join(dict.fromkeys(proof.words for proof in same))
        claimed = ", ".join(each if each == ALWAYS else f"`{each}`" for each in told[number])
        yield f"VC-{number}", words, claimed


def stages() -> dict[str, Mapping[str, str]]:
    """By adapter: what it leaves out, and why. A stage is found by its name."""
    paths = sorted((ROOT / "tests").glob("*/stage.py"))
    modules = [import_module(f"tests.{path.parent.name}.stage") for path in paths]
    return {str(each.NAME): each.EXCLUDED for each in modules if hasattr(each, "EXCLUDED")}


def _adapters() -> Iterator[str]:
    by_test: dict[str, set[int]] = {}
    for proof in proofs():
        for name in (proof.test, proof.module):
            by_test.setdefault(name, set()).add(proof.number)
    for adapter, left_out in stages().items():
        yield f"\n### {adapter}\n\n"
        yield _table(
            ("left out", "because"),
            sorted(
                (_left_out(name, by_test), reason.replace("|", "\\|"))
                for name, reason in left_out.items()
            ),
        )


def _left_out(name: str, by_test: Mapping[str, set[int]]) -> str:
    numbers = sorted(by_test.get(name, ()))
    if not numbers:
        return f"`{name}`"
    told = ", ".join(f"VC-{each}" for each in numbers)
    if name in TITLES:
        return f"{told} (all of them)"
    return f"{told}: {name.removeprefix('test_').replace('_', ' ')}"


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [heads, ("---",) * len(heads), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def write(to: Path = PAGE) -> None:
    to.write_text(page())


if __name__ == "__main__":
    write()
