"""Exits where an adapter fails in a way that nobody foresaw: it costs that one, and no other."""

from collections.abc import Sequence
from decimal import Decimal

import anyio
import pytest

from tests.fakes.trading import BOT, SYMBOL, TradingHarness, open_harness, spec
from tradebotd.domain.ids import ClientOrderId
from tradebotd.domain.instrument import MarketSymbol
from tradebotd.domain.order import OrderReport, OrderRequest
from tradebotd.ports.venue import SendBlockedBy
from tradebotd.storage.postgres.database import Database
from tradebotd.trading.prices.fresh_prices import FRESH

OTHER = "ETHUSDT"


async def two_held(database: Database) -> TradingHarness:
    harness = await open_harness(database, spec(), spec("two", OTHER))
    await harness.enter(BOT)
    await harness.enter("two")
    return harness


def stumble_over(
    harness: TradingHarness, monkeypatch: pytest.MonkeyPatch, symbol: str
) -> anyio.Event:
    """The adapter cannot read the answer to *symbol*'s order while another's is on its way."""
    stumbled, real = anyio.Event(), harness.venue.submit

    async def submit(
        client_order_id: ClientOrderId, request: OrderRequest, *, send_blocked_by: SendBlockedBy
    ) -> OrderReport:
        report = await real(client_order_id, request, send_blocked_by=send_blocked_by)
        if request.symbol == symbol:
            stumbled.set()
            raise KeyError("executedQty")
        await stumbled.wait()
        for _ in range(5):  # what the stumbling one causes comes first
            await anyio.lowlevel.checkpoint()
        return report

    monkeypatch.setattr(harness.venue, "submit", submit)
    return stumbled


async def exits(harness: TradingHarness) -> dict[str, str]:
    return {
        each["symbol"]: each["status"] for each in await harness.orders() if each["role"] == "exit"
    }


@pytest.mark.parametrize("eye", ["sweep", "tick"])
async def test_one_exit_that_fails_cuts_no_other(
    database: Database, monkeypatch: pytest.MonkeyPatch, eye: str
) -> None:
    """M2.6, 2.3: it may have been executed, so it is unknown; the other is booked as it is told."""
    harness = await two_held(database)
    stumble_over(harness, monkeypatch, SYMBOL)

    if eye == "sweep":
        harness.tick("90")
        harness.tick("90", OTHER)
        result = await harness.protection.sweep(harness.clock.now())
        assert [why for why in result.failed.values() if "unknown" in why]
    else:
        async with anyio.create_task_group() as ticks:
            ticks.start_soon(harness.stream, "90")
            ticks.start_soon(harness.stream, "90", OTHER)

    assert await exits(harness) == {SYMBOL: "unknown", OTHER: "filled"}
    monkeypatch.undo()
    await harness.reconciler.run()
    assert harness.protection.held == {}
    assert len(harness.venue.submitted) == 4  # none was sent twice


@pytest.mark.parametrize("eye", ["sweep", "tick"])
async def test_a_venue_that_left_the_configuration_breaks_no_tick(
    database: Database, eye: str
) -> None:
    """M2.6, M4.7: its symbol is there, at another venue; it is said, and the others go on."""
    harness = await two_held(database)
    await harness.execute("UPDATE positions SET venue = 'former' WHERE symbol = 'BTCUSDT'")
    harness = await open_harness(database, spec(), spec("two", OTHER), restarted=True)
    harness.venue.balances["ETH"] = Decimal(1)
    await harness.protection.load(harness.clock.now())

    if eye == "sweep":
        harness.tick("90")
        harness.tick("90", OTHER)
    else:
        await harness.stream("90")
        await harness.stream("90", OTHER)
    await harness.protection.sweep(harness.clock.now())

    assert await exits(harness) == {OTHER: "filled"}
    assert "position_unprotected" in await harness.open_alerts()


async def test_quotes_that_cannot_be_read_leave_the_other_prices(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """M2.6: a sweep goes on with what is in memory, and says what it could not judge."""
    harness = await two_held(database)

    async def quotes(symbols: Sequence[MarketSymbol]) -> dict[str, Decimal]:
        raise KeyError(f"{len(symbols)} prices")

    monkeypatch.setattr(harness.venue, "quotes", quotes)
    harness.clock.advance(2 * FRESH)
    harness.tick("90", OTHER)
    result = await harness.protection.sweep(harness.clock.now())

    assert await exits(harness) == {OTHER: "filled"}
    assert result.failed
