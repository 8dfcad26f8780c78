"""The page of the numbered cases says what the tests say."""

from dataclasses import fields

from tests.architecture.venue_cases import (
    ALWAYS,
    CONTRACT,
    GUIDE,
    NEVER_GIVEN,
    PAGE,
    TITLES,
    claims,
    named,
    page,
    proofs,
)
from tradebotd.ports.venue import VenueTraits


def test_the_page_of_cases_is_that_of_the_tests() -> None:
    """M6.1: write it anew with `python -m tests.architecture.venue_cases`."""
    assert PAGE.read_text() == page()


def test_no_number_is_missing() -> None:
    """M6.1: a case that was dropped would be missed by nobody."""
    numbers = {proof.number for proof in proofs()}
    assert set(range(1, max(numbers) + 1)) - numbers == NEVER_GIVEN


def test_a_number_is_of_one_file() -> None:
    """M6.1: two cases of one number could not be told apart."""
    files: dict[int, set[str]] = {}
    for proof in proofs():
        files.setdefault(proof.number, set()).add(proof.module)
    beside = {number for number, names in files.items() if len(names) > 1}
    assert beside <= {59}  # of promises, beside those of the other filters


def test_each_case_of_the_guide_is_there() -> None:
    """M6.1: and a file of cases has a title on the page."""
    assert named(GUIDE.read_text()) - {proof.number for proof in proofs()} == set()
    assert {path.stem for path in CONTRACT.glob("test_venue*.py")} == set(TITLES)


def test_a_case_is_claimed_by_a_trait_or_always() -> None:
    """M6.1."""
    known = {ALWAYS, *(each.name for each in fields(VenueTraits))}
    wrong = {number: told for number, told in claims().items() if not told or set(told) - known}
    assert wrong == {}
