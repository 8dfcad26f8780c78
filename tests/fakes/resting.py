"""Desks whose venue lets stops rest, of each capability; and what must be so whatever happened."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.fakes.trading import SYMBOL, TradingHarness, open_harness, spec
from tradebotd.domain.bot import BotSpec
from tradebotd.domain.candle import Tick
from tradebotd.domain.exit_plan import ExitPlan
from tradebotd.domain.ids import ClientOrderId
from tradebotd.domain.instrument import PositionType
from tradebotd.domain.order import OrderRequest, OrderType
from tradebotd.ports.venue import Replacement, VenueTraits
from tradebotd.storage.postgres.database import Database

STOP = ExitPlan(stop_loss=Decimal("0.05"), take_profit=Decimal("0.1"))
CAPABILITIES = tuple(Replacement)
UNPROMISED = tuple(each for each in CAPABILITIES if each is not Replacement.PROMISED)
unpromised = pytest.mark.parametrize("replacement", UNPROMISED)


def traits(replacement: Replacement, *, linked: bool = False) -> VenueTraits:
    return VenueTraits(
        resting_stops=True,
        linked_orders=linked,
        replacement=replacement,
        receive_window=timedelta(),
        absence_margin=timedelta(),
        resting_margin=timedelta(),
        negatives=1,
        endpoints=1,
    )


def one(replacement: Replacement, **changes: Any) -> BotSpec:
    """Reduce-only where exits may overlap; spot where they lock what they sell."""
    futures = replacement is Replacement.OVERLAP
    defaults: dict[str, Any] = {
        "exits": STOP,
        "position_type": PositionType.FUTURES if futures else PositionType.SPOT,
    }
    return spec(**(defaults | changes))


async def open_resting_harness(
    database: Database,
    replacement: Replacement,
    *specs: BotSpec,
    linked: bool = False,
    **changes: Any,
) -> TradingHarness:
    wanted = specs or (one(replacement),)
    harness = await open_harness(
        database, *wanted, traits=traits(replacement, linked=linked), **changes
    )
    listen(harness)
    return harness


async def restart(harness: TradingHarness, *specs: BotSpec, **changes: Any) -> TradingHarness:
    """Another daemon on the same database, at the same venue, and at the same time."""
    last = {name: harness.prices.price(name) for name in harness.symbols}
    wanted = specs or tuple(harness.specs.values())
    after = await open_harness(
        harness.database, *wanted, venue=harness.venue, restarted=True, **changes
    )
    after.clock.set(harness.clock.now())
    for name, price in last.items():
        after.tick(str(price), name)
    listen(after)
    return after


def listen(harness: TradingHarness) -> None:
    async def hear(report: Any) -> None:
        await harness.recorder.record(report)

    harness.venue.listen(hear)


async def sweep(harness: TradingHarness, times: int = 1) -> None:
    for _ in range(times):
        harness.clock.advance(timedelta(seconds=5))
        await harness.protection.sweep(harness.clock.now())


async def move(harness: TradingHarness, price: str, symbol: str = SYMBOL) -> None:
    """A path point: our own triggers first, then what rests at the venue."""
    await harness.stream(price, symbol)
    await harness.venue.match(symbol)


async def jump(harness: TradingHarness, price: str, seconds: int) -> None:
    """The price is there *seconds* later, past whatever lies between; the exits alone see it."""
    harness.clock.advance(timedelta(seconds=seconds))
    point = Tick(harness.clock.now(), SYMBOL, Decimal(price), after_gap=True)
    acting = harness.protection.on_tick(point)
    if acting is not None:
        await acting


def resting(harness: TradingHarness) -> dict[ClientOrderId, OrderRequest]:
    return harness.venue.resting


def stops(harness: TradingHarness) -> list[tuple[Decimal | None, Decimal]]:
    """(level, quantity) of the stops that rest at the venue."""
    return sorted(
        (each.stop_price, each.quantity)
        for each in resting(harness).values()
        if each.type is OrderType.STOP_MARKET
    )


def guard(harness: TradingHarness) -> str:
    """Guard of the only position: daemon, resting, both or none."""
    (position_id,) = harness.protection.held
    return harness.protection.protected_by(position_id)


def at_venue(harness: TradingHarness, symbol: str = SYMBOL) -> Decimal:
    if symbol in harness.venue.positions:
        return harness.venue.positions[symbol]
    return harness.venue.balances.get(symbol.removesuffix("USDT"), Decimal(0))


async def settle(harness: TradingHarness, rounds: int = 4) -> None:
    """Reconciliation and sweeps until nothing is left to do."""
    await harness.execute("UPDATE orders SET send_by = send_by - interval '1 minute'")
    for _ in range(rounds):
        harness.clock.advance(timedelta(seconds=61))
        for name in harness.symbols:
            price = harness.prices.price(name)
            if price is not None:
                harness.tick(str(price), name)
        await harness.reconciler.run()
        await harness.protection.sweep(harness.clock.now())
        for name in harness.symbols:
            await harness.venue.match(name)


async def held(harness: TradingHarness, symbol: str = SYMBOL) -> Decimal:
    row = await harness.row(
        "SELECT coalesce(sum(quantity + dust - swept), 0) AS held FROM positions WHERE symbol = $1",
        symbol,
    )
    quantity: Decimal = row["held"]
    return quantity


async def assert_one_truth(harness: TradingHarness, symbol: str = SYMBOL) -> None:
    """The books are the venue's, to the last lot; nothing was sold twice."""
    assert await harness.broken_books() == []
    assert await held(harness, symbol) == at_venue(harness, symbol)
    assert at_venue(harness, symbol) >= 0
    roles = await harness.rows(
        "SELECT position_id, role FROM exit_groups WHERE role <> 'closed' GROUP BY 1, 2 HAVING count(*) > 1"
    )
    assert roles == []
    assert await behind_closed(harness) == []


async def behind_closed(harness: TradingHarness) -> list[str]:
    """What rests at the venue for a position that is gone: it would sell somebody else's."""
    rows = await harness.rows(
        "SELECT o.client_order_id FROM orders AS o JOIN positions AS p ON p.id = o.position_id"
        " WHERE p.closed_at IS NOT NULL AND o.role = 'exit'"
    )
    gone = {row["client_order_id"] for row in rows}
    return sorted(each for each in resting(harness) if each in gone)
