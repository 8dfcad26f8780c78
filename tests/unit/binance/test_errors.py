"""Meaning of each refusal: every code that the vendor documents, and those that nobody knows."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tradebotd.domain.errors import (
    OrderRejectedError,
    OutcomeUnknownError,
    VenueUnavailableError,
)
from tradebotd.domain.filters import FilterName
from tradebotd.domain.ids import ClientOrderId, VenueName
from tradebotd.venues.binance.errors import (
    CODES,
    Meaning,
    Refusal,
    ban_end,
    error_of,
    meaning_of,
    reason_of,
)
from tradebotd.venues.binance.payload import Source, read

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
ORDER = ClientOrderId("tb1")
# Each code of the vendor's document of errors (spot, July 2026), by what it means for an order.
SPOT = {
    Meaning.UNKNOWN: {-1000, -1001, -1006, -1007},
    Meaning.UNAVAILABLE: {-1008, -1016, -1021, -1034, -1035, -1181, -2035, -2036, -2042},
    Meaning.RATE_LIMITED: {-1003},
    Meaning.TOO_MANY_ORDERS: {-1015},
    Meaning.AUTH: {-1002, -1022, -2014, -2015},
    Meaning.REJECTED: {
        *(-1010, -1013, -1014, -1020, -1033),
        *(-1100, -1101, -1102, -1103, -1104, -1105, -1106, -1108),
        *(-1111, -1112, -1114, -1115, -1116, -1117, -1118, -1119),
        *(-1120, -1121, -1122, -1125, -1127, -1128, -1130, -1134, -1135, -1139),
        *(-1145, -1151, -1152, -1153, -1155, -1158, -1160, -1161, -1165, -1166, -1168),
        *(-1169, -1170, -1171, -1172, -1173, -1174, -1175, -1176, -1177, -1178, -1179, -1180),
        *(-1182, -1183, -1184, -1185, -1186, -1187, -1188, -1189, -1190, -1191),
        *(-1194, -1196, -1197, -1198, -1199, -1210, -1211),
        *(-1220, -1221, -1222, -1223, -1224, -1225),
        *(-2010, -2011, -2013, -2016, -2021, -2022, -2026, -2038, -2039, -2043),
    },
}
USDM = {
    Meaning.REJECTED: {
        *(-2018, -2019, -2021, -2022, -2027),
        *(-4028, -4046, -4047, -4059, -4067, -4068, -4116, -4118, -4120, -4131, -4164),
        *(-4400, -4531, -5021, -5022, -5047),
    },
    Meaning.UNAVAILABLE: {-4188, -5028},
}
EACH = [
    (code, meaning)
    for table in (SPOT, USDM)
    for meaning, codes in table.items()
    for code in sorted(codes)
]


def refusal(
    code: int | None, words: str = "words", status: int = 400, retry_after: float | None = None
) -> Refusal:
    return Refusal(status=status, code=code, words=words, retry_after=retry_after)


@pytest.mark.parametrize(("code", "meaning"), EACH)
def test_every_documented_code_has_its_meaning(code: int, meaning: Meaning) -> None:
    """S19: the codes of tomorrow's document are to be added here first."""
    assert meaning_of(refusal(code), acts=True) is meaning


def test_no_code_has_two_meanings() -> None:
    """A code that stands twice in the table would have the later one, silently."""
    from tradebotd.venues.binance import errors  # noqa: PLC0415 - the table as it is written

    written = [code for codes in errors._MEANINGS.values() for code in codes]
    assert len(written) == len(set(written)) == len(CODES)


@pytest.mark.parametrize("code", [-9999, -1009, -3001, 1, None])
def test_a_code_that_nobody_knows_leaves_an_order_unknown(code: int | None) -> None:
    """I1: it may have been executed; reconciliation asks."""
    error = error_of(refusal(code), NOW, order=ORDER)
    assert isinstance(error, OutcomeUnknownError)
    assert error.client_order_id == ORDER
    assert isinstance(error_of(refusal(code), NOW), VenueUnavailableError)


@pytest.mark.parametrize("status", [500, 502, 503, 504])
@pytest.mark.parametrize("code", [None, -1000, -1008, -1013, -2010])
def test_an_order_that_was_answered_with_5xx_is_unknown(status: int, code: int | None) -> None:
    """I1: "could have been a success", whatever the text says."""
    assert meaning_of(refusal(code, status=status), acts=True) is Meaning.UNKNOWN
    assert meaning_of(refusal(code, status=status), acts=False) is Meaning.UNAVAILABLE


def test_a_text_may_prove_that_nothing_was_executed() -> None:
    """USDT-M: of its kinds of 503 some say that the request has failed."""
    failed = ("Service Unavailable.",)
    told = read(Source(VenueName("usdm"), "/fapi/v1/order", 503, b"{}"))
    sure = replace(refusal(None, "Service Unavailable.", 503), told=told)
    unsure = replace(refusal(None, "Unknown error", 503), told=told)
    assert meaning_of(sure, acts=True, failed=failed) is Meaning.UNAVAILABLE
    assert meaning_of(unsure, acts=True, failed=failed) is Meaning.UNKNOWN
    for other in (replace(sure, told=None), replace(sure, status=502), replace(sure, status=504)):
        assert meaning_of(other, acts=True, failed=failed) is Meaning.UNKNOWN
    throttled = replace(sure, words="busy", code=-1008)
    assert meaning_of(throttled, acts=True, failed=failed) is Meaning.UNAVAILABLE


@pytest.mark.parametrize("status", [200, 201, 302])
def test_an_error_that_calls_itself_a_success_proves_nothing(status: int) -> None:
    assert meaning_of(refusal(-2010, status=status), acts=True) is Meaning.UNKNOWN


def test_a_ban_ends_when_the_header_says() -> None:
    """M6.1: 429 and 418, in seconds from now; nothing was executed."""
    for status in (429, 418):
        error = error_of(refusal(-1003, status=status, retry_after=30), NOW, order=ORDER)
        assert isinstance(error, VenueUnavailableError)
        assert error.until == NOW + timedelta(seconds=30)


def test_a_ban_ends_when_the_text_says() -> None:
    """S17, -1003: in the venue's own words; of two ends the later one holds."""
    words = "Way too much request weight used; IP banned until 1793534700000. Please use"
    banned = refusal(-1003, words, 418)
    assert ban_end(banned, NOW) == datetime(2026, 11, 1, 12, 5, tzinfo=UTC)
    assert ban_end(refusal(-1003, words, 418, 600), NOW) == NOW + timedelta(minutes=10)


def test_a_ban_without_an_end_is_one() -> None:
    """A 429 without a header, and a firewall's 403: no instant is made up."""
    for each in (refusal(-1003, status=429), refusal(None, "<html>", 403)):
        error = error_of(each, NOW)
        assert isinstance(error, VenueUnavailableError)
        assert (error.until, error.is_ban) == (None, True)


@pytest.mark.parametrize("seconds", [-1, 0, 1e9])
def test_an_end_that_cannot_be_is_none(seconds: float) -> None:
    assert ban_end(refusal(-1003, status=429, retry_after=seconds), NOW) is None


def test_too_many_orders_end_no_question() -> None:
    """S17, S20: the count of unfilled orders concerns orders alone, and may last for a day."""
    error = error_of(refusal(-1015, status=429, retry_after=3600), NOW, order=ORDER)
    assert isinstance(error, VenueUnavailableError)
    assert (error.until, error.is_ban) == (None, False)


@pytest.mark.parametrize(
    ("code", "words", "begins"),
    [
        (-1013, "Filter failure: LOT_SIZE", FilterName.OFF_LOT),
        (-1013, "Filter failure: MARKET_LOT_SIZE", FilterName.OFF_LOT),
        (-1013, "Filter failure: PRICE_FILTER", FilterName.OFF_TICK),
        (-1013, "Filter failure: NOTIONAL", FilterName.BELOW_MIN_NOTIONAL),
        (-1013, "Filter failure: PERCENT_PRICE_BY_SIDE", FilterName.OUTSIDE_PERCENT_PRICE),
        (-1013, "Filter failure: MAX_NUM_ALGO_ORDERS", FilterName.TOO_MANY_STOPS),
        (-2010, "Filter failure: MAX_NUM_ALGO_ORDERS", FilterName.TOO_MANY_STOPS),
        (-1013, "Filter failure: EXCHANGE_MAX_NUM_ORDERS", FilterName.TOO_MANY_ORDERS),
        (-1111, "Parameter 'quantity' has too much precision.", FilterName.OFF_LOT),
        (-1111, "Parameter 'stopPrice' has too much precision.", FilterName.OFF_TICK),
        (-1121, "Invalid symbol.", "unknown symbol"),
        (-2010, "Market is closed.", FilterName.NOT_TRADING),
        (-2010, "Stop loss orders are not supported for this symbol.", FilterName.ORDER_TYPE),
        (-2010, "Duplicate order sent.", "duplicate client order id"),
        (-2010, "Account has insufficient balance for requested action.", "insufficient balance"),
        (-2010, "Order would trigger immediately.", "would trigger immediately"),
        (-2010, "Order would immediately match and take.", "would trigger immediately"),
        (-2010, "The relationship of the prices for the orders is not correct.", "would trigger"),
        (-2011, "Unknown order sent.", "nothing to cancel"),
        (-4116, "ClientOrderId is duplicated.", "duplicate client order id"),
        (-4164, "Order's notional must be no smaller than 100", FilterName.BELOW_MIN_NOTIONAL),
    ],
)
def test_a_refusal_begins_with_the_name_that_it_is_known_by(
    code: int, words: str, begins: str
) -> None:
    """M6.1: then the venue's own words follow, and its code."""
    error = error_of(refusal(code, words), NOW, order=ORDER)
    assert isinstance(error, OrderRejectedError)
    assert error.reason.startswith(f"{begins}")
    assert error.reason.endswith(f"{words} ({code})")


def test_a_refusal_without_a_name_has_the_venues_words_alone() -> None:
    """A filter that nobody knows makes no filter be looked at again."""
    assert reason_of(refusal(-1013, "Filter failure: MAX_POSITION")) == (
        "Filter failure: MAX_POSITION (-1013)"
    )


@pytest.mark.parametrize("code", sorted(SPOT[Meaning.AUTH]))
def test_a_key_that_is_refused_is_told_as_that(code: int) -> None:
    error = error_of(refusal(code, "Invalid API-key", 401), NOW, order=ORDER)
    assert isinstance(error, OrderRejectedError)
    assert error.reason.startswith("auth: ")
