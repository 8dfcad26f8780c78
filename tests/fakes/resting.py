"""Desks whose venue lets stops rest, of each capability; and what must be so whatever happened."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

from tests.fakes.clock import FakeClock
from tests.fakes.trading import NOON, SYMBOL, Desk, market_symbol, open_desk, spec
from tests.fakes.venue import ScriptedVenue
from tradebotd.domain.bot import BotSpec
from tradebotd.domain.exits import ExitPlan
from tradebotd.domain.ids import ClientOrderId
from tradebotd.domain.instrument import PositionType
from tradebotd.domain.order import OrderRequest, OrderType
from tradebotd.market.price_cache import PriceBook
from tradebotd.ports.venue import Replacement, VenueTraits
from tradebotd.storage.postgres.database import Database

STOP = ExitPlan(stop_loss=Decimal("0.05"), take_profit=Decimal("0.1"))
CAPABILITIES = tuple(Replacement)


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


async def open_resting_desk(
    database: Database,
    replacement: Replacement,
    *specs: BotSpec,
    linked: bool = False,
    **changes: Any,
) -> Desk:
    wanted = specs or (one(replacement),)
    names = sorted({each.symbol for each in wanted})
    venue = ScriptedVenue(
        FakeClock(NOON),
        PriceBook(),
        {name: market_symbol(name).instrument for name in names},
        {"USDT": Decimal(1_000_000)},
        traits=traits(replacement, linked=linked),
    )
    desk = await open_desk(database, *wanted, venue=venue, **changes)
    listen(desk)
    return desk


async def restart(desk: Desk, *specs: BotSpec, **changes: Any) -> Desk:
    """Another daemon on the same database, at the same venue, and at the same time."""
    last = {name: desk.prices.price(name) for name in desk.symbols}
    wanted = specs or tuple(desk.specs.values())
    after = await open_desk(desk.database, *wanted, venue=desk.venue, restarted=True, **changes)
    after.clock.set(desk.clock.now())
    for name, price in last.items():
        after.tick(str(price), name)
    listen(after)
    return after


def listen(desk: Desk) -> None:
    async def hear(report: Any) -> None:
        await desk.recorder.record(report)

    desk.venue.listen(hear)


async def sweep(desk: Desk, times: int = 1) -> None:
    for _ in range(times):
        desk.clock.advance(timedelta(seconds=5))
        await desk.protection.sweep(desk.clock.now())


async def move(desk: Desk, price: str, symbol: str = SYMBOL) -> None:
    """A path point: our own triggers first, then what rests at the venue."""
    await desk.stream(price, symbol)
    await desk.venue.match(symbol)


def resting(desk: Desk) -> dict[ClientOrderId, OrderRequest]:
    return desk.venue.resting


def stops(desk: Desk) -> list[tuple[Decimal | None, Decimal]]:
    """(level, quantity) of the stops that rest at the venue."""
    return sorted(
        (each.stop_price, each.quantity)
        for each in resting(desk).values()
        if each.type is OrderType.STOP_MARKET
    )


def at_venue(desk: Desk, symbol: str = SYMBOL) -> Decimal:
    if symbol in desk.venue.positions:
        return desk.venue.positions[symbol]
    return desk.venue.balances.get(symbol.removesuffix("USDT"), Decimal(0))


async def settle(desk: Desk, rounds: int = 4) -> None:
    """Reconciliation and sweeps until nothing is left to do."""
    await desk.execute("UPDATE orders SET send_by = send_by - interval '1 minute'")
    for _ in range(rounds):
        desk.clock.advance(timedelta(seconds=61))
        for name in desk.symbols:
            price = desk.prices.price(name)
            if price is not None:
                desk.tick(str(price), name)
        await desk.reconciler.run()
        await desk.protection.sweep(desk.clock.now())
        for name in desk.symbols:
            await desk.venue.match(name)


async def held(desk: Desk, symbol: str = SYMBOL) -> Decimal:
    row = await desk.row(
        "SELECT coalesce(sum(quantity + dust - swept), 0) AS held FROM positions WHERE symbol = $1",
        symbol,
    )
    quantity: Decimal = row["held"]
    return quantity


async def assert_one_truth(desk: Desk, symbol: str = SYMBOL) -> None:
    """The books are the venue's, to the last lot; nothing was sold twice."""
    assert await desk.broken_books() == []
    assert await held(desk, symbol) == at_venue(desk, symbol)
    assert at_venue(desk, symbol) >= 0
    roles = await desk.rows(
        "SELECT position_id, role FROM exit_groups WHERE role <> 'closed' GROUP BY 1, 2 HAVING count(*) > 1"
    )
    assert roles == []
    assert await behind_closed(desk) == []


async def behind_closed(desk: Desk) -> list[str]:
    """What rests at the venue for a position that is gone: it would sell somebody else's."""
    rows = await desk.rows(
        "SELECT o.client_order_id FROM orders AS o JOIN positions AS p ON p.id = o.position_id"
        " WHERE p.closed_at IS NOT NULL AND o.role = 'exit'"
    )
    gone = {row["client_order_id"] for row in rows}
    return sorted(each for each in resting(desk) if each in gone)
