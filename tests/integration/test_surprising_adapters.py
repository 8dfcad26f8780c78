"""Exits where an adapter fails in a way that nobody foresaw: it costs that one, and no other."""

from collections.abc import Sequence
from decimal import Decimal

import anyio
import pytest

from tests.fakes.trading import BOT, SYMBOL, Desk, open_desk, spec
from tradebotd.domain.ids import ClientOrderId
from tradebotd.domain.instrument import MarketSymbol
from tradebotd.domain.order import OrderReport, OrderRequest
from tradebotd.ports.venue import WhyNot
from tradebotd.storage.postgres.database import Database
from tradebotd.trading.prices.fresh_prices import FRESH

OTHER = "ETHUSDT"


async def two_held(database: Database) -> Desk:
    desk = await open_desk(database, spec(), spec("two", OTHER))
    await desk.enter(BOT)
    await desk.enter("two")
    return desk


def stumble_over(desk: Desk, monkeypatch: pytest.MonkeyPatch, symbol: str) -> anyio.Event:
    """The adapter cannot read the answer to *symbol*'s order while another's is on its way."""
    stumbled, real = anyio.Event(), desk.venue.submit

    async def submit(
        client_order_id: ClientOrderId, request: OrderRequest, *, why_not: WhyNot
    ) -> OrderReport:
        report = await real(client_order_id, request, why_not=why_not)
        if request.symbol == symbol:
            stumbled.set()
            raise KeyError("executedQty")
        await stumbled.wait()
        for _ in range(5):  # what the stumbling one causes comes first
            await anyio.lowlevel.checkpoint()
        return report

    monkeypatch.setattr(desk.venue, "submit", submit)
    return stumbled


async def exits(desk: Desk) -> dict[str, str]:
    return {
        each["symbol"]: each["status"] for each in await desk.orders() if each["role"] == "exit"
    }


@pytest.mark.parametrize("eye", ["sweep", "tick"])
async def test_one_exit_that_fails_cuts_no_other(
    database: Database, monkeypatch: pytest.MonkeyPatch, eye: str
) -> None:
    """M2.6, 2.3: it may have been executed, so it is unknown; the other is booked as it is told."""
    desk = await two_held(database)
    stumble_over(desk, monkeypatch, SYMBOL)

    if eye == "sweep":
        desk.tick("90")
        desk.tick("90", OTHER)
        result = await desk.protection.sweep(desk.clock.now())
        assert [why for why in result.failed.values() if "unknown" in why]
    else:
        async with anyio.create_task_group() as ticks:
            ticks.start_soon(desk.stream, "90")
            ticks.start_soon(desk.stream, "90", OTHER)

    assert await exits(desk) == {SYMBOL: "unknown", OTHER: "filled"}
    monkeypatch.undo()
    await desk.reconciler.run()
    assert desk.protection.held == {}
    assert len(desk.venue.submitted) == 4  # none was sent twice


@pytest.mark.parametrize("eye", ["sweep", "tick"])
async def test_a_venue_that_left_the_configuration_breaks_no_tick(
    database: Database, eye: str
) -> None:
    """M2.6, M4.7: its symbol is there, at another venue; it is said, and the others go on."""
    desk = await two_held(database)
    await desk.execute("UPDATE positions SET venue = 'former' WHERE symbol = 'BTCUSDT'")
    desk = await open_desk(database, spec(), spec("two", OTHER), restarted=True)
    desk.venue.balances["ETH"] = Decimal(1)
    await desk.protection.load(desk.clock.now())

    if eye == "sweep":
        desk.tick("90")
        desk.tick("90", OTHER)
    else:
        await desk.stream("90")
        await desk.stream("90", OTHER)
    await desk.protection.sweep(desk.clock.now())

    assert await exits(desk) == {OTHER: "filled"}
    assert "position_unprotected" in await desk.open_alerts()


async def test_quotes_that_cannot_be_read_leave_the_other_prices(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """M2.6: a sweep goes on with what is in memory, and says what it could not judge."""
    desk = await two_held(database)

    async def quotes(symbols: Sequence[MarketSymbol]) -> dict[str, Decimal]:
        raise KeyError(f"{len(symbols)} prices")

    monkeypatch.setattr(desk.venue, "quotes", quotes)
    desk.clock.advance(2 * FRESH)
    desk.tick("90", OTHER)
    result = await desk.protection.sweep(desk.clock.now())

    assert await exits(desk) == {OTHER: "filled"}
    assert result.failed
