"""Codes of refusals that the daemon's own notes of the venue name: none is left to chance."""

import pytest

from tests.unit.binance.test_errors import NOW
from tradebotd.domain.errors import OutcomeUnknownError, VenueUnavailableError
from tradebotd.domain.ids import ClientOrderId
from tradebotd.venues.binance.errors import CODES, Refusal, error_of

NOTED = (
    *(-1003, -1006, -1007, -1008, -1013, -1015, -1021, -1022, -1034, -1111, -1121, -1125, -1220),
    *(-2010, -2011, -2013, -2014, -2015, -2018, -2019, -2021, -2022, -2026, -2027),
    *(-2035, -2036, -2038, -2039, -2042, -2043),
    *(-4046, -4067, -4068, -4116, -4118, -4120, -4131, -4164, -4188, -4400, -4531),
    *(-5021, -5022, -5028, -5047),
)


@pytest.mark.parametrize("code", NOTED)
def test_each_code_that_is_noted_has_a_meaning(code: int) -> None:
    assert code in CODES


@pytest.mark.parametrize("cancels", [False, True])
def test_a_code_that_nobody_knows_is_on_the_careful_side(*, cancels: bool) -> None:
    """I1: of an order or a cancel its outcome is unknown; a question may be asked again."""
    unknown = [code for code in range(-9999, 0) if code not in CODES]
    for code in unknown:
        told = Refusal(status=400, code=code, words="words")
        error = error_of(told, NOW, order=ClientOrderId("tb1"), cancels=cancels)
        assert isinstance(error, OutcomeUnknownError)
        assert isinstance(error_of(told, NOW), VenueUnavailableError)
