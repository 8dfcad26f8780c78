"""The paper venue's prices, books and refusals, and the ledger that recomputes them."""

from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from random import Random

import anyio
import pytest

from tests.fakes.clock import FakeClock
from tests.fakes.prices import FakePrices
from tests.simulators.ledger import recompute
from tradebotd.domain.errors import OrderRejectedError
from tradebotd.domain.ids import ClientOrderId, VenueName
from tradebotd.domain.instrument import Instrument, PositionType
from tradebotd.domain.order import OrderReport, OrderRequest, OrderType, TimeInForce
from tradebotd.domain.side import Side
from tradebotd.ports.venue import SymbolSetup
from tradebotd.storage.postgres.database import Database
from tradebotd.venues.paper.fill_model import PaperTerms
from tradebotd.venues.paper.venue import PaperVenue

NOW = datetime(2022, 3, 1, tzinfo=UTC)
PAPER = VenueName("paper")
CASH = {"USDT": Decimal(1000)}
ASSETS = {"BTCUSDT": ("BTC", "USDT"), "ETHUSDT": ("ETH", "USDT")}
BUY, SELL = Side.BUY, Side.SELL


def instrument(symbol: str) -> Instrument:
    base, quote = ASSETS[symbol]
    return Instrument(
        symbol=symbol,
        venue=PAPER,
        base_asset=base,
        quote_asset=quote,
        tick_size=Decimal("0.01"),
        lot_size=Decimal("0.001"),
    )


class PaperHarness:
    def __init__(self, database: Database, terms: PaperTerms | None = None) -> None:
        self.clock, self.prices, self.sent = FakeClock(NOW), FakePrices(), 0
        self.venue = PaperVenue(
            PAPER,
            self.clock,
            self.prices,
            database,
            terms or PaperTerms(starting_cash=CASH),
            {symbol: instrument(symbol) for symbol in ASSETS},
        )
        self.prices.move("BTCUSDT", "100")
        self.prices.move("ETHUSDT", "10")

    async def spot(self, side: Side, quantity: str, trigger: str | None = None) -> OrderReport:
        return await self.send(
            OrderRequest(
                venue=PAPER,
                symbol="BTCUSDT",
                side=side,
                type=OrderType.MARKET,
                time_in_force=TimeInForce.IOC,
                quantity=Decimal(quantity),
                trigger_price=None if trigger is None else Decimal(trigger),
            )
        )

    async def futures(
        self, side: Side, quantity: str, *, leverage: int = 5, reduce_only: bool = False
    ) -> OrderReport:
        with suppress(OrderRejectedError):  # while something is held it stays as it is
            await self.venue.set_up("ETHUSDT", SymbolSetup(leverage=leverage))
        return await self.send(
            OrderRequest(
                venue=PAPER,
                symbol="ETHUSDT",
                side=side,
                type=OrderType.MARKET,
                time_in_force=TimeInForce.IOC,
                quantity=Decimal(quantity),
                position_type=PositionType.FUTURES,
                reduce_only=reduce_only,
            )
        )

    async def send(self, request: OrderRequest) -> OrderReport:
        self.sent += 1
        return await self.venue.submit(ClientOrderId(f"tb{self.sent}"), request)


@pytest.fixture
def harness(database: Database) -> PaperHarness:
    return PaperHarness(database)


@pytest.mark.parametrize(
    ("before", "after", "trigger", "price"),
    [
        ("100", "90", "95", "94.98"),  # the path went through it
        ("100", "95", "95", "94.98"),  # just reached
        ("95", "90", "95", "94.98"),  # where it came from
        ("90", "80", "95", "79.98"),  # gapped over: this point's price
        ("100", "90", None, "89.98"),
    ],
)
async def test_an_exit_fills_at_its_level_if_the_path_crossed_it(
    harness: PaperHarness, before: str, after: str, trigger: str | None, price: str
) -> None:
    """M6.1, 3.8: else at the point's price; worse by half the spread and the slippage."""
    await harness.spot(BUY, "1")
    harness.prices.move("BTCUSDT", before)
    harness.prices.move("BTCUSDT", after)

    report = await harness.spot(SELL, "1", trigger)

    assert report.fills[0].price == Decimal(price)


async def test_buyers_pay_more_and_the_fee_is_a_share_of_the_notional_in_quote(
    harness: PaperHarness,
) -> None:
    """M6.1: spread, fees, slippage; rounded to the tick against the trader."""
    (fill,) = (await harness.spot(BUY, "2")).fills
    assert (fill.price, fill.fee, fill.fee_asset) == (
        Decimal("100.02"),
        Decimal("200.04") * Decimal("0.0004"),
        "USDT",
    )
    assert fill.executed_at == NOW


async def test_the_starting_cash_is_booked_once(harness: PaperHarness, database: Database) -> None:
    """M6.1: its state in PostgreSQL; a restart, even with another configuration, adds nothing."""
    await harness.spot(BUY, "1")
    before = await harness.venue.account()

    again = PaperHarness(
        database, PaperTerms(starting_cash={"USDT": Decimal(5), "EUR": Decimal(5)})
    )

    assert await again.venue.account() == before
    assert len(await again.venue.fills_since(NOW)) == 1


async def test_a_long_and_a_short_realize_into_the_quote_balance(database: Database) -> None:
    """M6.1: signed positions, realized P&L and fees to the quote balance."""
    free = PaperTerms(
        starting_cash=CASH, taker=Decimal(0), spread_bps=Decimal(0), slippage_bps=Decimal(0)
    )
    harness = PaperHarness(database, free)
    await harness.futures(BUY, "10")
    harness.prices.move("ETHUSDT", "12")
    await harness.futures(BUY, "10")
    assert (await harness.venue.account()).positions == {"ETHUSDT": Decimal(20)}

    harness.prices.move("ETHUSDT", "13")
    await harness.futures(SELL, "30")  # through zero
    account = await harness.venue.account()
    assert account.balances == {"USDT": Decimal(1040)}
    assert account.positions == {"ETHUSDT": Decimal(-10)}

    harness.prices.move("ETHUSDT", "12")
    await harness.futures(BUY, "10", reduce_only=True)
    account = await harness.venue.account()
    assert (account.balances, account.positions) == ({"USDT": Decimal(1050)}, {})


async def test_margin_bounds_what_futures_may_open_but_not_what_they_may_close(
    harness: PaperHarness,
) -> None:
    """M6.1"""
    with pytest.raises(OrderRejectedError, match="insufficient balance"):
        await harness.futures(SELL, "500", leverage=5)
    await harness.futures(SELL, "490", leverage=5)
    with pytest.raises(OrderRejectedError, match="insufficient balance"):
        await harness.spot(BUY, "1")  # the margin is not free
    with pytest.raises(OrderRejectedError, match="reduce-only"):
        await harness.futures(SELL, "1", reduce_only=True)

    harness.prices.move("ETHUSDT", "30")  # a ruinous loss is still closed
    await harness.futures(BUY, "490", reduce_only=True)
    account = await harness.venue.account()
    assert account.positions == {}
    assert account.balances["USDT"] < 0


async def test_stops_that_do_not_last_and_broken_lots_are_refused(harness: PaperHarness) -> None:
    """M6.1"""
    await harness.spot(BUY, "1")
    request = OrderRequest(
        venue=PAPER,
        symbol="BTCUSDT",
        side=SELL,
        type=OrderType.STOP_LIMIT,
        time_in_force=TimeInForce.IOC,
        quantity=Decimal(1),
        limit_price=Decimal(90),
        stop_price=Decimal(91),
    )
    with pytest.raises(OrderRejectedError, match="time_in_force_not_taken"):
        await harness.send(request)
    for quantity in ("0.0001", "0", "-1"):
        with pytest.raises(OrderRejectedError):
            await harness.spot(BUY, quantity)
    with pytest.raises(OrderRejectedError):
        await harness.send(replace(request, venue=VenueName("other")))


async def test_orders_at_one_time_spend_the_cash_only_once(
    harness: PaperHarness, database: Database
) -> None:
    """M6.1: also from two processes on one set of books."""
    other = PaperHarness(database)
    other.sent = 100
    refused = []

    async def buy(place: PaperHarness) -> None:
        try:
            await place.spot(BUY, "3")
        except OrderRejectedError as error:
            refused.append(error.reason)

    async with anyio.create_task_group() as group:
        for place in (harness, other) * 3:
            group.start_soon(buy, place)

    account = await harness.venue.account()
    assert account.balances["BTC"] == 9
    assert account.balances["USDT"] > 0
    assert refused == ["insufficient balance"] * 3


@pytest.mark.parametrize("seed", range(4))
async def test_balances_and_positions_are_what_the_fills_add_up_to(
    harness: PaperHarness, database: Database, seed: int
) -> None:
    """M6.1: recomputed by a ledger that shares no code with the venue."""
    chance = Random(seed)
    for _ in range(60):
        harness.clock.advance(timedelta(seconds=20))
        harness.prices.move("BTCUSDT", f"{chance.uniform(50, 150):.2f}")
        harness.prices.move("ETHUSDT", f"{chance.uniform(8, 12):.2f}")
        quantity, side = f"{chance.uniform(0.1, 4):.3f}", chance.choice([BUY, SELL])
        try:
            if chance.random() < 0.5:
                await harness.spot(side, quantity)
            else:
                await harness.futures(side, quantity, leverage=chance.choice([1, 5]))
        except OrderRejectedError:
            continue

    account = await harness.venue.account()
    async with database.connection() as connection:
        ledger = await recompute(connection, PAPER, CASH, ASSETS)
    assert account.positions.keys() == ledger.positions.keys()
    assert account.balances.keys() == ledger.balances.keys()
    for found, told in ((account.positions, ledger.positions), (account.balances, ledger.balances)):
        for name, amount in found.items():
            assert abs(Fraction(amount) - told[name]) < Fraction(1, 10**18)
    fills = await harness.venue.fills_since(NOW)
    assert len(fills) > 20
    order = fills[0].client_order_id
    assert order is not None
    found_order = (await harness.venue.find_order(fills[0].symbol, order)).report
    assert found_order is not None
    assert found_order.fills == (fills[0],)
