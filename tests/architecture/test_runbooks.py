"""Whoever is told of a problem finds a page that says what to do (M9: runbooks for each alert)."""

import ast
import re

import pytest

from tests.architecture.tree import PACKAGE, ROOT, modules, parsed
from tradebotd.health.report import Code

RUNBOOKS = ROOT / "docs" / "runbooks"
CODE = re.compile(r"^[a-z]+(_[a-z]+)+$")
RAISERS = {"raise_alert", "_alarm"}


def raised() -> set[str]:
    """Codes given to whatever raises an alert, as text or by the name of a constant."""
    codes = set()
    for path in modules("tradebotd"):
        tree = parsed(path)
        constants = {
            node.target.id: node.value.value
            for node in tree.body
            if isinstance(node, ast.AnnAssign)
            and isinstance(node.target, ast.Name)
            and isinstance(node.value, ast.Constant)
        }
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            if node.func.attr not in RAISERS:
                continue
            for argument in node.args:
                value = getattr(argument, "value", None)
                value = constants.get(argument.id) if isinstance(argument, ast.Name) else value
                if isinstance(value, str) and CODE.match(value):
                    codes.add(value)
    return codes


@pytest.mark.parametrize("code", sorted(Code))
def test_each_problem_has_a_page(code: Code) -> None:
    text = (RUNBOOKS / f"{code}.md").read_text()

    assert f"`{code}`" in text
    assert [part in text for part in ("## Meaning", "## Check", "## Do")] == [True] * 3


def test_each_alert_has_a_page() -> None:
    codes = raised()

    assert {"fill_differs", "position_differs"} <= codes
    assert not codes - {path.stem for path in RUNBOOKS.glob("*.md")}


def test_pages_name_commands_that_exist() -> None:
    source = (PACKAGE / "cli" / "parser.py").read_text()
    words = {
        word
        for page in RUNBOOKS.glob("*.md")
        for word in re.findall(r"`tradebotctl ([a-z-]+)", page.read_text())
    }

    assert not {word for word in words if f'"{word}"' not in source}
