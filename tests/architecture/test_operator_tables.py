"""What an operator reads of reasons is what the code says."""

import pytest

from tests.architecture.operator_tables import PAGE, filled, tables
from tradebotd.domain.denial import DenialRule


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
