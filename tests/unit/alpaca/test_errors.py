"""Refusals of Alpaca: what each means for an order and for a question, and how it is worded."""

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from tests.alpaca_venue.scene import named
from tests.fakes.host import ShiftedHost
from tests.unit.alpaca.samples import source
from tradebotd.domain.errors import (
    OrderRejectedError,
    OutcomeUnknownError,
    VenueUnavailableError,
)
from tradebotd.net.gate import Gate
from tradebotd.net.http import Answer
from tradebotd.net.rate_limit import Priority
from tradebotd.venues.alpaca.errors import MEANINGS, Meaning, Refusal, error_of, meaning_of
from tradebotd.venues.alpaca.limits import Limits
from tradebotd.venues.alpaca.rest import refusal_of

FIVE = named("tb5")


def refusal(status: int, code: int | None = None, words: str = "said") -> Refusal:
    return Refusal(status=status, code=code, words=words)


@pytest.mark.parametrize(
    ("status", "code", "order", "question"),
    [
        (401, 40110000, OrderRejectedError, OrderRejectedError),
        (403, None, OrderRejectedError, OrderRejectedError),
        (403, 40310000, OrderRejectedError, OrderRejectedError),
        (403, -1, OutcomeUnknownError, VenueUnavailableError),  # a firewall's page
        (404, 40410000, OrderRejectedError, OrderRejectedError),
        (404, None, OutcomeUnknownError, VenueUnavailableError),
        (422, 40010001, OrderRejectedError, OrderRejectedError),
        (422, 42210000, OrderRejectedError, OrderRejectedError),
        (422, 42299999, OutcomeUnknownError, VenueUnavailableError),
        (400, 40010001, OutcomeUnknownError, VenueUnavailableError),
        (429, 42910000, VenueUnavailableError, VenueUnavailableError),
        (429, -1, VenueUnavailableError, VenueUnavailableError),
        (500, 50010000, OutcomeUnknownError, VenueUnavailableError),
        (502, -1, OutcomeUnknownError, VenueUnavailableError),
        (504, None, OutcomeUnknownError, VenueUnavailableError),
        (302, None, OutcomeUnknownError, VenueUnavailableError),
    ],
)
def test_a_refusal_that_nobody_knows_leaves_an_order_unknown(
    status: int, code: int | None, order: type[Exception], question: type[Exception]
) -> None:
    """2.3: by one table; what is not in it falls on the careful side."""
    told = refusal(status, code)
    assert type(error_of(told, FIVE)) is order
    assert type(error_of(told)) is question


def test_a_429_is_a_ban_until_its_window_ends() -> None:
    """A13: an order that was answered so was not taken."""
    until = datetime(2026, 11, 18, 15, 1, tzinfo=UTC)
    error = error_of(Refusal(status=429, code=42910000, words="x", until=until), FIVE)
    assert isinstance(error, VenueUnavailableError)
    assert (error.until, error.is_ban) == (until, True)


def test_the_table_knows_no_status_of_a_server_that_fails() -> None:
    """2.3: a 5xx could have been a success."""
    assert all(400 <= status < 500 for status, _ in MEANINGS)
    assert Meaning.UNKNOWN not in MEANINGS.values()
    assert meaning_of(refusal(503), acts=True) is Meaning.UNKNOWN


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ("client_order_id must be unique", "duplicate client order id"),
        ("potential wash trade detected. use complex orders", "self_trade"),
        ("insufficient buying power", "insufficient balance"),
        ("insufficient qty available for order (requested: 2, available: 1)", "insufficient"),
        ("position intent mismatch, inferred: sell_to_open", "insufficient balance"),
        ("fractional orders cannot be sold short", "insufficient balance"),
        ('asset "NOPE" not found', "unknown symbol"),
        ("asset GONE is not active", "symbol_not_trading"),
        ("invalid limit_price 200.001. sub-penny increment does not", "price_off_tick"),
        ("minimal qty of order 0.000026873", "quantity_below_minimum"),
        ("cost basis must be >= minimal amount of order 10", "notional_below_minimum"),
        ("fractional orders must be DAY orders", "quantity_off_lot"),
        ("stop_loss.stop_price must be <= base_price - 0.01", "would trigger immediately"),
        ("invalid crypto time_in_force", "time_in_force_not_taken"),
        ("invalid order type for crypto order", "order_type_not_taken"),
        ("something of tomorrow", "something of tomorrow (42210000)"),
    ],
)
def test_a_refusal_is_told_by_the_name_that_the_daemon_knows(words: str, name: str) -> None:
    """M6.1: the venue's own words follow."""
    error = error_of(refusal(422, 42210000, words), FIVE)
    assert isinstance(error, OrderRejectedError)
    assert error.reason.startswith(name)
    assert words in error.reason


def limits(host: ShiftedHost) -> Limits:
    return Limits(Gate("alpaca", host), host, "trading", "AKEY")


def answer(status: int = 200, body: bytes = b"{}", **headers: Any) -> Answer:
    told = {f"x-ratelimit-{name}": str(each) for name, each in headers.items()}
    return Answer(status, told, body)


async def test_the_headers_tell_the_limit_and_what_is_left() -> None:
    """A13: 200 a minute until they say otherwise; part of it is kept for what protects."""
    host = ShiftedHost()
    told = limits(host)
    assert "AKEY" not in told.name
    gate, now = told.gate, host.monotonic()
    assert gate.limits.window(told.name).limit == 200  # type: ignore[union-attr]
    resets = int(host.now().timestamp()) + 30
    async with gate.turn(told.costs, Priority.READ, wait=1) as turn:
        told.take_note(answer(limit=1000, remaining=150, reset=resets), turn)
    assert gate.limits.window(told.name).limit == 1000  # type: ignore[union-attr]
    assert gate.limits.full(told.costs, Priority.READ, now) == {told.name}  # 850 of 800 are used
    assert gate.limits.full(told.costs, Priority.PROTECTIVE, now) == set()


@pytest.mark.parametrize(
    ("headers", "seconds"), [({"reset": 30}, 30), ({}, None), ({"reset": -5}, None)]
)
async def test_a_429_closes_the_gate_until_the_window_ends(
    headers: dict[str, Any], seconds: int | None
) -> None:
    """A13: a reset that is over, or none, is no end of it."""
    host = ShiftedHost()
    told, now = limits(host), int(host.now().timestamp())
    told_headers: dict[str, Any] = {name: now + each for name, each in headers.items()}
    async with told.gate.turn(told.costs, Priority.READ, wait=1) as turn:
        told.take_note(answer(429, **told_headers), turn)
    ends = None if seconds is None else datetime.fromtimestamp(now + seconds, UTC)
    assert told.ban_ends_at == ends
    with pytest.raises(Exception, match="429"):
        told.gate.check_ban(acts=True)


@pytest.mark.parametrize("body", [b"", b"<html>forbidden</html>", b"[]", b'{"message": 1}'])
def test_a_body_that_cannot_be_read_is_no_refusal_that_is_known(body: bytes) -> None:
    """2.3: a page of a firewall says nothing of the key, nor of the order."""
    told = refusal_of(source(body), answer(403, body), limits(ShiftedHost()))
    assert (told.status, told.code) == (403, -1)
    assert meaning_of(told, acts=True) is Meaning.UNKNOWN


def test_a_refusal_tells_the_price_that_it_was_judged_by() -> None:
    body = orjson.dumps(
        {"code": 42210000, "message": "must be <= base_price", "base_price": "200.5"}
    )
    told = refusal_of(source(body), answer(422, body), limits(ShiftedHost()))
    assert str(told) == "must be <= base_price (base price 200.5) (42210000)"
