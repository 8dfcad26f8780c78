"""Whoever is told of a problem finds a page that says what to do (M9: runbooks for each alert)."""

import re

import pytest

from tests.architecture.tree import PACKAGE, ROOT
from tradebotd.domain.alert_code import AlertCode
from tradebotd.health.report import Code

RUNBOOKS = ROOT / "docs" / "runbooks"


@pytest.mark.parametrize("code", sorted(Code))
def test_each_problem_has_a_page(code: Code) -> None:
    text = (RUNBOOKS / f"{code}.md").read_text()

    assert f"`{code}`" in text
    assert [part in text for part in ("## Meaning", "## Check", "## Do")] == [True] * 3


def test_each_alert_has_a_page_and_each_page_something_to_tell_of() -> None:
    pages = {path.stem for path in RUNBOOKS.glob("*.md")}

    assert pages == {*map(str, AlertCode), *map(str, Code)}


def test_pages_name_commands_that_exist() -> None:
    source = (PACKAGE / "cli" / "parser.py").read_text()
    words = {
        word
        for page in RUNBOOKS.glob("*.md")
        for word in re.findall(r"`tradebotctl ([a-z-]+)", page.read_text())
    }

    assert not {word for word in words if f'"{word}"' not in source}
