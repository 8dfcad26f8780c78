"""Prices by kind, and stops that are compared with one of them: numbered, run for each adapter."""

from datetime import timedelta
from decimal import Decimal

import pytest

from tests.contract.conftest import FIRST, SECOND, Case
from tradebotd.domain.candle import Tick
from tradebotd.domain.errors import OrderRejectedError
from tradebotd.domain.order import OrderRequest, OrderStatus, OrderType
from tradebotd.domain.quote import PriceKind, Quote
from tradebotd.domain.side import Side
from tradebotd.storage.postgres.database import Database
from tradebotd.venues.paper.venue import PaperVenue

BUY, SELL = Side.BUY, Side.SELL
STOP, TARGET = OrderType.STOP_MARKET, OrderType.TAKE_PROFIT_MARKET
LAST, MARK, BID, ASK = PriceKind.LAST, PriceKind.MARK, PriceKind.BID, PriceKind.ASK
NEW, FILLED, REJECTED = OrderStatus.NEW, OrderStatus.FILLED, OrderStatus.REJECTED


def by(case: Case, kind: PriceKind, level: str = "95", side: Side = SELL) -> OrderRequest:
    return case.order(side, "2", STOP, level, working_price=kind)


@pytest.mark.parametrize(
    "kinds", [frozenset(PriceKind), frozenset({LAST, BID})], ids=["all", "some"]
)
async def test_a_quote_has_each_kind_that_is_claimed_and_no_other(
    case: Case, kinds: frozenset[PriceKind]
) -> None:
    """M4.7 (VC-60): what a symbol has no price of yet is left out."""
    assert case.venue.traits.price_kinds == kinds
    assert await case.venue.quotes([case.symbol]) == {"BTCUSDT": Quote(last=Decimal(100))}
    for kind, price in ((MARK, "101"), (BID, "99"), (ASK, "102")):
        await case.move(price, kind)

    (quote,) = (await case.venue.quotes([case.symbol])).values()
    assert {kind: quote.price(kind) for kind in kinds if kind is not MARK} == {
        kind: Decimal(price)
        for kind, price in ((LAST, 100), (BID, 99), (ASK, 102))
        if kind in kinds
    }
    assert quote.mark == (101 if MARK in kinds else None)
    assert [kind for kind in PriceKind if quote.price(kind) is None] == [
        kind for kind in PriceKind if kind not in kinds
    ]


@pytest.mark.parametrize("kind", [MARK, BID, ASK])
@pytest.mark.parametrize(("type_", "level", "beyond"), [(STOP, "95", "94"), (TARGET, "105", "106")])
async def test_what_rests_is_compared_with_its_working_price_and_no_other(
    case: Case, kind: PriceKind, type_: OrderType, level: str, beyond: str
) -> None:
    """M4.7 (VC-61): it trades once, at the market as that is then."""
    await case.bought("2")
    await case.move("100", kind)
    await case.venue.submit(FIRST, case.order(SELL, "2", type_, level, working_price=kind))

    await case.move(beyond)
    assert case.heard == []
    assert await case.status(FIRST) is NEW

    await case.move("100")
    await case.move(beyond, kind)
    await case.move(beyond, kind)
    (heard,) = case.heard
    assert (heard.client_order_id, heard.status) == (FIRST, FILLED)
    assert [fill.quantity for fill in heard.fills] == [Decimal(2)]
    # At its own level where the bid went through it: a sell could be had there.
    expected = Decimal(level) if kind is BID else Decimal(100)
    assert [fill.price for fill in heard.fills] == [expected]
    assert await case.rests() == []


async def test_a_stop_limit_is_met_by_its_working_price_and_sold_by_the_last(case: Case) -> None:
    """M4.7 (VC-61): its limit is a limit order's, which trades at last prices."""
    await case.bought("2")
    await case.move("100", MARK)
    stop = case.order(
        SELL,
        "2",
        OrderType.STOP_LIMIT,
        "95",
        working_price=MARK,
        limit_price=Decimal("94.5"),
    )
    await case.venue.submit(FIRST, stop)
    await case.move("94")
    assert await case.status(FIRST) is NEW

    await case.move("94", MARK)
    assert await case.status(FIRST) is NEW, "its limit is out of reach"
    await case.move("100", MARK)
    await case.move("94.6")
    assert await case.status(FIRST) is FILLED


async def test_a_stop_of_the_last_price_minds_no_other(case: Case) -> None:
    """M4.7 (VC-61)."""
    await case.bought("2")
    await case.venue.submit(FIRST, by(case, LAST))
    await case.move("90", MARK)
    await case.move("90", BID)
    assert await case.status(FIRST) is NEW
    await case.move("94")
    assert await case.status(FIRST) is FILLED


async def test_whether_it_would_trigger_at_once_is_asked_of_its_working_price(case: Case) -> None:
    """M4.7 (VC-62): the last price may be beyond the level, and it rests all the same."""
    await case.bought("2")
    await case.move("94")
    await case.move("100", MARK)
    assert (await case.venue.submit(FIRST, by(case, MARK))).status is NEW
    await case.venue.cancel("BTCUSDT", FIRST)

    await case.move("100")
    await case.move("94", MARK)
    with pytest.raises(OrderRejectedError, match="would trigger immediately"):
        await case.venue.submit(SECOND, by(case, MARK))
    assert await case.status(SECOND) is REJECTED


async def test_a_stop_by_a_price_that_is_not_known_yet_is_refused(case: Case) -> None:
    """M4.7 (VC-62): it could never be met, or be met already."""
    await case.bought("2")
    with pytest.raises(OrderRejectedError, match="mark price"):
        await case.venue.submit(FIRST, by(case, MARK))
    assert await case.rests() == []


@pytest.mark.parametrize("kinds", [frozenset({LAST})], ids=["last"])
async def test_a_working_price_that_is_not_claimed_is_refused_by_name(case: Case) -> None:
    """M4.7 (VC-63): none stands in for it."""
    await case.bought("2")
    await case.move("100", MARK)
    with pytest.raises(OrderRejectedError, match=r"^working_price_not_taken"):
        await case.venue.submit(FIRST, by(case, MARK))
    assert await case.status(FIRST) is REJECTED
    assert (await case.venue.submit(SECOND, by(case, LAST))).status is NEW


async def test_what_rests_says_by_which_price_and_keeps_it(case: Case) -> None:
    """M4.7 (VC-64): asked, in a list, replaced, or read again by another process."""
    await case.bought("2")
    await case.move("100", MARK)
    await case.venue.submit(FIRST, by(case, LAST))
    moved = by(case, MARK, "96")
    await case.venue.replace("BTCUSDT", FIRST, SECOND, moved)

    (rests,) = await case.venue.open_orders()
    assert rests.asked == moved
    found = (await case.venue.find_order("BTCUSDT", SECOND)).report
    assert found is not None
    assert found.asked == moved
    await case.move("95")
    assert await case.status(SECOND) is NEW


@pytest.mark.parametrize("venue_name", ["paper"])
async def test_the_working_price_outlives_the_process(case: Case, database: Database) -> None:
    """M5.4 (VC-64)."""
    assert isinstance(case.venue, PaperVenue)
    await case.bought("2")
    await case.move("100", MARK)
    await case.venue.submit(FIRST, by(case, MARK))
    again = PaperVenue(
        case.venue.name,
        case.clock,
        case.prices,
        database,
        case.venue._terms,
        {"BTCUSDT": case.symbol.instrument},
        price_kinds=frozenset(PriceKind),
    )
    case.meet = lambda point: _met(again, point)
    await case.move("94")
    assert await case.status(FIRST) is NEW
    await case.move("94", MARK)
    assert await case.status(FIRST) is FILLED


async def _met(venue: PaperVenue, point: object) -> None:
    meeting = venue.on_tick(point)  # type: ignore[arg-type]
    if meeting is not None:
        await meeting


@pytest.mark.parametrize("first", [LAST, MARK])
async def test_prices_of_two_kinds_at_one_time_are_both_met(case: Case, first: PriceKind) -> None:
    """M4.7 (VC-61): a feed tells the trade and the mark of the same moment."""
    await case.bought("4")
    await case.move("100", MARK)
    await case.venue.submit(FIRST, by(case, LAST))
    await case.venue.submit(SECOND, by(case, MARK, "94"))
    case.clock.advance(timedelta(seconds=20))
    for kind in (first, MARK if first is LAST else LAST):
        tick = Tick(case.clock.now(), "BTCUSDT", Decimal(94 if kind is MARK else 95), kind=kind)
        case.prices.record(tick)
        for _ in range(2):  # a tick that is played again does nothing
            await case.meet(tick)
    assert [await case.status(each) for each in (FIRST, SECOND)] == [FILLED, FILLED]
    assert await case.balance("BTC") == 0
