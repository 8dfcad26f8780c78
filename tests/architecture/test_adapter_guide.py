"""The chapter on writing a venue adapter names all that an adapter has to know."""

import ast
import re
from dataclasses import fields

from tests.architecture.tree import ROOT
from tradebotd.ports.venue import Venue, VenueTraits

PAGE = (ROOT / "docs" / "architecture.md").read_text()
CASES = sorted((ROOT / "tests" / "contract").glob("test_venue*.py"))
# Claims without a method of their own: `VenueTraits` says all of them.
SAID_BY_THE_TRAITS = {
    *("resting_stops", "quotes_echo", "moves_at_once", "cash_is_ours", "base_fee"),
    *("absence_margin", "negatives", "endpoints", "resting_margin"),
}


def chapter() -> str:
    (found,) = re.findall(
        r"^## Writing a venue adapter\n.*?(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE
    )
    return str(found)


def numbers(text: str) -> set[int]:
    """Those named, and those between the ends of a range: `VC-25 to VC-27`."""
    found = {int(each) for each in re.findall(r"VC-(\d+)", text)}
    for first, last in re.findall(r"VC-(\d+) (?:to|…) VC-(\d+)", text):
        found |= set(range(int(first), int(last) + 1))
    return found


def test_each_case_is_named_and_stands_in_one_module() -> None:
    """M6.1: whoever writes an adapter finds every case by its number."""
    modules: dict[int, set[str]] = {}
    for case in CASES:
        for node in ast.walk(ast.parse(case.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                for number in numbers(ast.get_docstring(node) or ""):
                    modules.setdefault(number, set()).add(case.name)
    assert modules
    assert sorted(set(modules) - numbers(chapter())) == []
    beside = {number for number, names in modules.items() if len(names) > 1}
    assert beside <= {59}  # of promises, beside those of the other filters


def test_each_method_and_each_claim_is_named() -> None:
    """M6.1."""
    text = chapter()
    methods = [name for name in vars(Venue) if not name.startswith("_")]
    methods = [name for name in methods if name not in {"name", "traits"}]
    assert [name for name in methods if f"`{name}`" not in text] == []
    claims = {each.name for each in fields(VenueTraits)} - SAID_BY_THE_TRAITS
    assert sorted(name for name in claims if name not in text) == []
