"""Market entries at a venue that takes no IOC: they end as soon as such an order would have."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from tests.fakes.clock import FakeClock
from tests.fakes.resting import listen, one, traits
from tests.fakes.trading import NOON, SYMBOL, TradingHarness, market_symbol, open_harness
from tests.fakes.venue import ScriptedVenue
from tradebotd.domain.ids import ClientOrderId
from tradebotd.domain.order import OrderReport, OrderRequest, OrderStatus, OrderType
from tradebotd.domain.order_type import TimeInForce
from tradebotd.market.price_cache import PriceCache
from tradebotd.ports.venue import Replacement
from tradebotd.storage.postgres.database import Database

DAY, IOC = TimeInForce.DAY, TimeInForce.IOC


class WaitingVenue(ScriptedVenue):
    """Takes market orders, and fills none: the symbol is halted, or in an auction."""

    def _take(
        self, client_order_id: ClientOrderId, request: OrderRequest, reason: str | None = None
    ) -> OrderReport:
        if request.time_in_force is IOC:
            return super()._take(client_order_id, request, reason)
        return self._rest(client_order_id, request)

    def _free(self) -> dict[str, Decimal]:
        return dict(self.balances)


async def waiting(
    database: Database, lasts: tuple[TimeInForce, ...] = (DAY,), speed: float = 0.0
) -> TradingHarness:
    venue = WaitingVenue(
        FakeClock(NOON),
        PriceCache(),
        {SYMBOL: market_symbol(SYMBOL).instrument},
        {"USDT": Decimal(1_000_000)},
        traits=replace(traits(Replacement.REPLACE), times_in_force={OrderType.MARKET: lasts}),
    )
    harness = await open_harness(database, one(Replacement.REPLACE), venue=venue, speed=speed)
    listen(harness)
    await harness.enter()
    return harness


async def after(harness: TradingHarness, seconds: int) -> str:
    harness.clock.set(NOON + timedelta(seconds=seconds))
    await harness.entry_orders.sweep(harness.clock.now())
    return str((await harness.orders())[0]["status"])


@pytest.mark.parametrize("lasts", [(DAY,), (TimeInForce.GTC, DAY)], ids=str)
async def test_a_market_entry_that_does_not_execute_is_taken_back(
    database: Database, lasts: tuple[TimeInForce, ...]
) -> None:
    """M5.1: hours later it would be another price, and another decision."""
    harness = await waiting(database, lasts)
    assert await after(harness, 11) == "new"
    assert await after(harness, 12) == "canceled"
    assert len(harness.venue.cancelled) == 1
    assert await after(harness, 20) == "canceled"
    assert len(harness.venue.cancelled) == 1
    assert await harness.rows("SELECT 1 FROM positions") == []


async def test_what_a_market_entry_has_bought_by_then_is_held_and_guarded(
    database: Database,
) -> None:
    """M5.1: the rest is taken back."""
    harness = await waiting(database)
    (order,) = harness.venue.resting
    await harness.venue.fill_and_tell(order, Decimal("0.4"), Decimal(100))
    assert await after(harness, 12) == "canceled"
    await harness.protection.sweep(harness.clock.now())
    assert (await harness.position())["quantity"] == Decimal("0.4")
    assert await harness.broken_books() == []


async def test_a_market_entry_that_waits_is_taken_back_by_a_halt(database: Database) -> None:
    """M5.9: like any entry that rests."""
    harness = await waiting(database)
    await harness.gate.halt("operator")
    await harness.entry_orders.run_once()
    assert (await harness.orders())[0]["status"] == "canceled"


async def test_a_market_entry_that_is_ioc_has_no_end_of_ours(database: Database) -> None:
    """M5.1: the venue ends it, and what it says is the truth."""
    harness = await waiting(database, (IOC,))
    (order,) = await harness.orders()
    assert (order["expires_at"], order["status"]) == (None, OrderStatus.FILLED)
