"""What an operator reads of reasons is what the code says."""

import ast
from http import HTTPStatus

import pytest

from tests.architecture.operator_tables import PAGE, filled, tables
from tests.architecture.tree import PACKAGE, modules, name_of, parsed
from tradebotd.control.errors import explain
from tradebotd.domain.denial import DenialRule
from tradebotd.domain.errors import RefusedError
from tradebotd.domain.meaning import MeaningEnum
from tradebotd.domain.refusal import RefusalCode

LISTED = {PACKAGE / "control" / "errors.py"}  # it names codes, and raises none
WRONG_BY_THEMSELVES = {"usage", "bad_level", "bad_duration", "bad_trigger_price", "nothing_to_set"}


def test_the_tables_of_the_operator_are_those_of_the_code() -> None:
    """M4.2: write them anew with `python -m tests.architecture.operator_tables`."""
    text = PAGE.read_text()

    assert filled(text, tables()) == text


def test_a_page_without_a_place_for_them_is_noticed() -> None:
    with pytest.raises(ValueError, match="no place for the table"):
        filled("nothing", tables())


@pytest.mark.parametrize("rule", DenialRule)
def test_a_rule_is_found_by_the_name_it_is_stored_under(rule: DenialRule) -> None:
    assert DenialRule.named(str(rule)) is rule
    assert rule.meaning


@pytest.mark.parametrize("codes", [DenialRule, RefusalCode])
def test_no_reason_is_listed_that_is_never_given(codes: type[MeaningEnum]) -> None:
    """M4.2, Interface 3.1: a table of what cannot happen would send an operator looking for it."""
    given = {
        node.attr
        for path in modules("tradebotd")
        if path not in LISTED
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == codes.__name__
    }

    assert sorted(set(codes.__members__) - given) == []


def test_no_code_of_a_refusal_is_made_where_it_is_raised() -> None:
    """Interface 3.1: one that is no member would be in no table."""
    made = [
        f"{name_of(path)}:{node.lineno}"
        for path in modules("tradebotd", "tests")
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == RefusedError.__name__
        and (not node.args or isinstance(node.args[0], ast.Constant | ast.JoinedStr))
    ]

    assert made == []


@pytest.mark.parametrize("code", RefusalCode)
def test_the_status_of_a_refusal_says_whether_it_could_ever_be_done(code: RefusalCode) -> None:
    """Interface 3.1: usage is 2, a name that is not there and a state that does not fit are 4."""
    status, answer = explain(RefusedError(code, "no"))

    expected = HTTPStatus.CONFLICT
    if code.value in WRONG_BY_THEMSELVES:
        expected = HTTPStatus.BAD_REQUEST
    elif code.value.startswith("unknown_"):
        expected = HTTPStatus.NOT_FOUND
    assert (status, answer.error.code) == (expected, code.value)
    assert type(answer.error.code) is str
