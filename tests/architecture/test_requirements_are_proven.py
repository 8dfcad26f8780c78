"""Each requirement that this version meets is named by a test that proves it."""

import ast
import re

import pytest

from tests.architecture.tree import ROOT, modules, parsed

NOT_PROOF = "test_requirements_are_proven"
PROVEN = [
    *("M1.1", "M1.2", "M1.3", "M1.6"),
    *("M2.1", "M2.2", "M2.3", "M2.4", "M2.5", "M2.6", "M2.7", "M2.8", "M2.9", "M2.10"),
    *("M3.1", "M3.3", "M3.4", "M3.5", "M3.6", "M3.7", "M3.8", "M3.9"),
    *("M4.1", "M4.2", "M4.3", "M4.4", "M4.4a", "M4.5", "M4.6", "M4.7", "M4.8", "M4.9"),
    *("M5.1", "M5.2", "M5.3", "M5.4", "M5.5", "M5.6", "M5.7", "M5.8", "M5.9"),
    *("M6.1", "M10"),
]


def named() -> set[str]:
    """Requirement ids in the docstrings of tests."""
    found: set[str] = set()
    for path in modules("tests"):
        if path.stem == NOT_PROOF:
            continue
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                found.update(re.findall(r"\bM\d+(?:\.\d+a?)?", ast.get_docstring(node) or ""))
    return found


@pytest.mark.parametrize("requirement", PROVEN)
def test_a_requirement_is_named_by_the_test_that_proves_it(requirement: str) -> None:
    assert requirement in named()


def test_the_list_of_requirements_says_which_are_met() -> None:
    """One line an id in docs/requirements.md; what is met there is proven here, and the reverse."""
    text = (ROOT / "docs" / "requirements.md").read_text()
    lines = re.findall(r"^\| (M\d+(?:\.\d+a?)?) \| .+ \| (.*)\|$", text, re.MULTILINE)
    met = {requirement for requirement, word in lines if word.strip() in {"yes", "paper"}}

    assert len(lines) == len({requirement for requirement, _ in lines}) > 50
    assert met == set(PROVEN)


def test_no_name_points_to_a_paper_outside_the_repository() -> None:
    papers = re.compile(r"\bdocument \d", re.IGNORECASE)
    found = [
        str(path.relative_to(ROOT))
        for folder in ("tradebotd", "tests", "benchmarks", "docs")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in {".py", ".md"} and path.stem != NOT_PROOF
        if papers.search(path.read_text())
    ]

    assert not found
