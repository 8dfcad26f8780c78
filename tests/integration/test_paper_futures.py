"""Futures at the paper venue: funding, liquidation, reduce-only orders, and kills among them."""

from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from random import Random
from typing import Any

import pytest

from tests.fakes.clock import FakeClock
from tests.integration.test_paper_resting import (
    BUY,
    LIMIT,
    NOW,
    SELL,
    STOP,
    TARGET,
    Floor,
)
from tests.integration.test_paper_venue import ASSETS, CASH, PAPER, instrument
from tests.simulators.ledger import recompute
from tradebotd.domain.errors import OrderRejectedError
from tradebotd.domain.instrument import PositionType
from tradebotd.domain.order import OrderStatus, OrderType
from tradebotd.domain.side import Side
from tradebotd.ports.prices import LastPrices
from tradebotd.storage.paper_books import PaperPosition
from tradebotd.storage.postgres.database import Database
from tradebotd.venues.paper.futures import funding_instants, liquidated_at

FUTURES, MARKET = PositionType.FUTURES, OrderType.MARKET
HOURS = 3600
RATE: dict[str, Any] = {"funding_rate": Decimal("0.001")}


async def holding(database: Database, quantity: str = "2", **terms: Any) -> Floor:
    floor = Floor(database, **terms)
    await floor.point("100")
    await floor.send(BUY, MARKET, quantity=Decimal(quantity), position_type=FUTURES, leverage=5)
    return floor


async def paid(floor: Floor) -> list[Decimal]:
    return [each.amount for each in await floor.venue.funding_since(NOW)]


async def test_a_period_is_paid_by_who_held_when_it_ended_though_he_sells_first(
    database: Database,
) -> None:
    """M6.3: closed by an order at the period's first price, before the price meets the venue."""
    floor = await holding(database, **RATE)
    floor.clock.advance(timedelta(hours=8))
    await floor.send(SELL, MARKET, quantity=Decimal(2), position_type=FUTURES, reduce_only=True)

    assert await paid(floor) == [Decimal("-0.2")]
    await floor.point("100", seconds=8 * HOURS)
    assert await paid(floor) == [Decimal("-0.2")]
    assert (await floor.venue.account()).balances == {"USDT": CASH["USDT"] - Decimal("0.2")}


async def test_periods_without_a_price_are_paid_at_the_next(database: Database) -> None:
    """M6.3: a hole in the data spares nobody."""
    floor = await holding(database, **RATE)
    await floor.point("110", seconds=25 * HOURS)

    assert await paid(floor) == [Decimal("-0.22")] * 3
    times = [each.paid_at - NOW for each in await floor.venue.funding_since(NOW)]
    assert times == [timedelta(hours=8), timedelta(hours=16), timedelta(hours=24)]


async def test_shorts_receive_what_longs_pay(database: Database) -> None:
    """M6.3."""
    floor = Floor(database, **RATE)
    await floor.point("100")
    await floor.send(SELL, MARKET, quantity=Decimal(2), position_type=FUTURES, leverage=5)
    await floor.point("100", seconds=8 * HOURS)
    assert await paid(floor) == [Decimal("0.2")]


async def test_a_reduce_only_stop_takes_what_a_step_has_left(database: Database) -> None:
    """M5.4: a ladder's step was filled, and its stop was not replaced yet."""
    floor = await holding(database)
    stop = await floor.send(
        SELL, STOP, "95", quantity=Decimal(2), position_type=FUTURES, reduce_only=True
    )
    await floor.send(SELL, MARKET, quantity=Decimal("0.5"), position_type=FUTURES, reduce_only=True)
    await floor.point("94")

    (heard,) = floor.heard
    assert (heard.status, heard.filled_quantity) == (OrderStatus.EXPIRED, Decimal("1.5"))
    assert [fill.quantity for fill in heard.fills] == [Decimal("1.5")]
    assert (await floor.venue.find_order("BTCUSDT", stop.client_order_id)).report == heard
    assert (await floor.venue.account()).positions == {}
    await floor.books_agree()


async def test_of_two_reduce_only_stops_in_one_point_the_second_finds_nothing(
    database: Database,
) -> None:
    """M5.5, M5.6: overlapping exits close the position once."""
    floor = await holding(database)
    for level in ("95", "94"):
        await floor.send(
            SELL, STOP, level, quantity=Decimal(2), position_type=FUTURES, reduce_only=True
        )
    await floor.point("90")
    assert [report.status for report in floor.heard] == [OrderStatus.FILLED, OrderStatus.EXPIRED]
    assert (await floor.venue.account()).positions == {}


@pytest.mark.parametrize(("side", "moves"), [(BUY, ["90", "79"]), (SELL, ["110", "121"])])
async def test_a_liquidation_is_told_once_and_not_again_after_a_kill(
    database: Database, side: Side, moves: list[str]
) -> None:
    """M6.4: a fill that nobody ordered, at the liquidation price."""
    floor = Floor(database)
    await floor.point("100")
    await floor.send(side, MARKET, quantity=Decimal(2), position_type=FUTURES, leverage=5)
    for price in moves:
        await floor.point(price)

    (heard,) = floor.heard
    assert heard.client_order_id.startswith("autoclose-")
    again = floor.after_a_kill()
    await again.point(moves[0], seconds=0)
    await again.point(moves[1], seconds=0)
    assert again.heard == []
    assert (await again.venue.account()).positions == {}
    await again.books_agree()


@pytest.mark.parametrize(("quantity", "sign"), [("2", -1), ("-2", 1)])
def test_a_liquidation_that_was_jumped_over_costs_no_more_than_the_margin(
    quantity: str, sign: int
) -> None:
    """M6.4: isolated margin; the prices before and after are both far beyond."""
    position = PaperPosition("BTCUSDT", Decimal(quantity), Decimal(100), 5)
    before, now = Decimal(100 + 50 * sign), Decimal(100 + 60 * sign)
    price = liquidated_at(position, LastPrices(before, now, NOW), instrument("BTCUSDT"))
    assert price == 100 + 20 * sign


def test_the_instants_of_funding_are_those_of_the_grid() -> None:
    """M6.3."""
    every = timedelta(hours=8)
    assert funding_instants(NOW, NOW + timedelta(hours=7, minutes=59), every) == []
    assert funding_instants(NOW, NOW + every, every) == [NOW + every]
    assert len(funding_instants(NOW, NOW + 3 * every, every)) == 3


@pytest.mark.parametrize("seed", range(6))
async def test_whatever_is_done_and_killed_the_books_are_those_of_fills_and_funding(
    database: Database, seed: int
) -> None:
    """M6.1, M6.3, M6.4, I1: spot and futures, kills among them; nothing fills twice."""
    chance = Random(seed)
    floor = Floor(database, FakeClock(NOW), taker=Decimal("0.001"), **RATE)
    await floor.point("100")
    price, heard = 100.0, []
    for _ in range(150):
        await _anything(floor, chance)
        price *= 1 + chance.uniform(-0.03, 0.03)
        price = min(max(price, 40.0), 250.0)
        await floor.point(f"{price:.2f}", seconds=chance.choice([20, 20, 6 * HOURS]))
        if chance.random() < 0.1:
            heard += floor.heard
            floor = floor.after_a_kill()
            await floor.point(f"{price:.2f}", seconds=0)

    await _agree(floor, database)
    fills = await floor.venue.fills_since(NOW)
    filled = {fill.client_order_id: Decimal(0) for fill in fills}
    for fill in fills:
        filled[fill.client_order_id] += fill.quantity
    assert len(filled) == len(fills) > 20  # an order trades once
    told = [fill.trade_id for report in [*heard, *floor.heard] for fill in report.fills]
    assert len(told) == len(set(told))
    assert await paid(floor)


async def _agree(floor: Floor, database: Database) -> None:
    account = await floor.venue.account()
    async with database.connection() as connection:
        ledger = await recompute(connection, PAPER, CASH, ASSETS)
    assert account.positions.keys() == ledger.positions.keys()
    for found, told in ((account.positions, ledger.positions), (account.balances, ledger.balances)):
        for name, amount in found.items():
            assert abs(Fraction(amount) - told[name]) < Fraction(1, 10**15)
    assert account.balances.get("BTC", Decimal(0)) >= 0


async def _anything(floor: Floor, chance: Random) -> None:
    last = floor.prices.price("BTCUSDT")
    assert last is not None
    level = f"{float(last) * chance.uniform(0.95, 1.05):.2f}"
    quantity = Decimal(f"{chance.uniform(0.1, 2):.3f}")
    side = chance.choice([BUY, SELL])
    kind = chance.choice([LIMIT, STOP, TARGET])
    resting = await floor.venue.open_orders()
    futures: dict[str, Any] = {"position_type": FUTURES, "quantity": quantity, "leverage": 10}
    try:
        match chance.randrange(6):
            case 0:
                await floor.send(side, MARKET, **futures)
            case 1:
                await floor.send(side, kind, level, **futures)
            case 2:
                await floor.send(side, kind, level, **futures, reduce_only=True)
            case 3:
                await floor.send(side, kind, level, quantity=quantity)
            case 4:
                await floor.send(BUY, MARKET, quantity=quantity)
            case _ if resting:
                order = chance.choice(resting)
                await floor.venue.cancel("BTCUSDT", order.client_order_id)
            case _:
                pass
    except OrderRejectedError:
        pass
