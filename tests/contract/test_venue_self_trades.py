"""What every venue does with orders of ours that would meet, by its claim: numbered, for each adapter."""

from datetime import timedelta
from decimal import Decimal

import pytest

from tests.contract.conftest import FIRST, SECOND, THIRD, Case
from tradebotd.domain.candle import Tick
from tradebotd.domain.errors import OrderRejectedError
from tradebotd.domain.ids import ClientOrderId
from tradebotd.domain.order import OrderReport, OrderStatus, OrderType
from tradebotd.domain.self_trade import SELF_TRADE
from tradebotd.domain.side import Side
from tradebotd.ports.venue import SelfTrade

BUY, SELL, LIMIT, STOP = Side.BUY, Side.SELL, OrderType.LIMIT, OrderType.STOP_MARKET
FOURTH = ClientOrderId("tb8")
FILLED, EXPIRED = OrderStatus.FILLED, OrderStatus.EXPIRED


def kinds(*which: SelfTrade) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("self_trade", which)


async def entry_rests(case: Case, at: str = "90") -> None:
    """2 are held; FIRST buys more *at* that price, and the market has come down to 90."""
    await case.bought()
    await case.venue.submit(FIRST, case.order(BUY, "1", LIMIT, at))
    case.clock.advance(timedelta(seconds=20))
    case.prices.record(Tick(case.clock.now(), "BTCUSDT", Decimal(90)))


async def sell(case: Case, *words: OrderType | str) -> OrderReport:
    return await case.venue.submit(SECOND, case.order(SELL, "1", *words))  # type: ignore[arg-type]


@kinds(SelfTrade.REJECTS)
@pytest.mark.parametrize("at", ["90", "80"])
async def test_a_venue_that_rejects_refuses_by_name(case: Case, at: str) -> None:
    """M6.1 (VC-86): at the market whatever the price of what rests, which stays."""
    await entry_rests(case, at)
    with pytest.raises(OrderRejectedError, match=rf"^{SELF_TRADE}"):
        await sell(case)

    assert await case.rests() == [FIRST]
    assert await case.balance("BTC") == 2
    await case.venue.cancel("BTCUSDT", FIRST)
    assert (await case.venue.submit(THIRD, case.order(SELL, "1"))).status is FILLED


@kinds(SelfTrade.REJECTS)
async def test_a_venue_that_rejects_refuses_an_entry_beside_a_stop(case: Case) -> None:
    """M6.1 (VC-86): but two limit orders that do not cross may rest together."""
    await case.bought()
    await case.venue.submit(FIRST, case.order(SELL, "1", LIMIT, "120"))
    await case.venue.submit(SECOND, case.order(BUY, "1", LIMIT, "80"))
    await case.venue.cancel("BTCUSDT", SECOND)
    await case.venue.submit(FOURTH, case.order(SELL, "1", STOP, "95"))

    with pytest.raises(OrderRejectedError, match=rf"^{SELF_TRADE}"):
        await case.venue.submit(THIRD, case.order(BUY, "1", LIMIT, "80"))


@kinds(SelfTrade.REJECTS)
async def test_a_venue_that_rejects_refuses_limits_that_cross(case: Case) -> None:
    """M6.1 (VC-86): though the market is at neither."""
    await case.venue.submit(FIRST, case.order(BUY, "1", LIMIT, "90"))
    await case.bought()
    with pytest.raises(OrderRejectedError, match=rf"^{SELF_TRADE}"):
        await sell(case, LIMIT, "89")


@kinds(SelfTrade.EXPIRES_INCOMING)
async def test_the_order_that_comes_expires(case: Case) -> None:
    """M6.1 (VC-87): by name and without a fill; what rests stays."""
    await entry_rests(case)
    report = await sell(case)

    assert report.status is EXPIRED
    assert not report.filled_quantity
    assert not report.fills
    assert report.reason == SELF_TRADE
    assert await case.rests() == [FIRST]
    assert await case.status(SECOND) is EXPIRED


@kinds(SelfTrade.EXPIRES_RESTING)
async def test_the_order_that_rests_expires_and_the_other_is_filled(case: Case) -> None:
    """M6.1 (VC-88): the one that ended is told, by name."""
    await entry_rests(case)
    report = await sell(case)

    assert report.status is FILLED
    assert await case.status(FIRST) is EXPIRED
    told = [each for each in case.heard if each.client_order_id == FIRST]
    assert [(each.status, each.reason) for each in told] == [(EXPIRED, SELF_TRADE)]
    assert await case.rests() == []


@kinds(*SelfTrade)
async def test_orders_that_do_not_meet_are_let_alone(case: Case) -> None:
    """M6.1 (VC-89): of one side, and limits that do not cross."""
    await entry_rests(case, "80")
    assert (await sell(case, LIMIT, "110")).status is OrderStatus.NEW
    assert await case.rests() == [FIRST, SECOND]


@kinds(SelfTrade.NEVER, SelfTrade.TRADES, SelfTrade.EXPIRES_INCOMING, SelfTrade.EXPIRES_RESTING)
async def test_an_order_that_reaches_none_of_ours_is_filled(case: Case) -> None:
    """M6.1 (VC-89): what rests stays, at whatever price it waits."""
    await entry_rests(case, "80")
    assert (await sell(case)).status is FILLED
    assert await case.rests() == [FIRST]


@kinds(SelfTrade.NEVER, SelfTrade.TRADES)
async def test_a_venue_that_prevents_nothing_fills(case: Case) -> None:
    """M6.1 (VC-89)."""
    await entry_rests(case)
    assert (await sell(case)).status is FILLED
    assert await case.status(FIRST) in {FILLED, OrderStatus.NEW}


async def stop_limit_on_the_book(case: Case) -> None:
    """FIRST has been run through: it waits at 94.5 as a limit order, and the price is 95 again."""
    await case.bought()
    stop = case.order(SELL, "1", OrderType.STOP_LIMIT, "95", limit_price=Decimal("94.5"))
    await case.venue.submit(FIRST, stop)
    await case.move("93", after_gap=True)
    assert await case.rests() == [FIRST]
    case.clock.advance(timedelta(seconds=20))
    case.prices.record(Tick(case.clock.now(), "BTCUSDT", Decimal(95)))


@kinds(SelfTrade.EXPIRES_INCOMING, SelfTrade.EXPIRES_RESTING)
async def test_a_stop_limit_that_has_triggered_is_a_limit_order(case: Case) -> None:
    """M6.1 (VC-87): one of both expires, and nothing of ours trades with ours."""
    await stop_limit_on_the_book(case)

    report = await case.venue.submit(SECOND, case.order(BUY, "1"))

    first = await case.status(FIRST)
    if case.venue.traits.self_trade is SelfTrade.EXPIRES_INCOMING:
        assert (report.status, first) == (EXPIRED, OrderStatus.NEW)
        assert (report.reason or "").startswith(SELF_TRADE)
    else:
        assert (report.status, first) == (FILLED, EXPIRED)


@kinds(SelfTrade.REJECTS)
async def test_a_stop_limit_that_has_triggered_may_rest_beside_a_limit(case: Case) -> None:
    """M6.1 (VC-86): where both do not cross; as a stop it may not."""
    await stop_limit_on_the_book(case)

    await case.venue.submit(SECOND, case.order(BUY, "1", LIMIT, "80"))
    with pytest.raises(OrderRejectedError, match=rf"^{SELF_TRADE}"):
        await case.venue.submit(THIRD, case.order(BUY, "1", LIMIT, "94.5"))

    assert sorted(await case.rests()) == [FIRST, SECOND]
