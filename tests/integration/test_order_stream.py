"""What an order stream tells may come at any moment; whoever listens goes on."""

from decimal import Decimal

import anyio
import pytest

from tests.fakes.trading import SYMBOL, TradingHarness, open_harness
from tests.fakes.venue import SCRIPTED, Behaviour
from tests.integration.test_venue_order_ids import part, said
from tradebotd.domain.errors import OutcomeUnknownError, RefusedError
from tradebotd.domain.ids import BotName, ClientOrderId, PositionId
from tradebotd.domain.order import OrderStatus
from tradebotd.domain.position import Position, PositionTotals
from tradebotd.storage import positions, report_rows
from tradebotd.storage.postgres.database import Connection, Database
from tradebotd.storage.report_rows import ReportRows

PATIENCE = 60.0  # seconds, for two that wait for each other


@pytest.fixture
async def harness(database: Database) -> TradingHarness:
    return await open_harness(database)


async def lost(harness: TradingHarness, minute: int = 0) -> ClientOrderId:
    harness.venue.script.append(Behaviour.DROP_BEFORE)
    with pytest.raises(OutcomeUnknownError):
        await harness.enter(minute=minute)
    return ClientOrderId((await harness.orders())[-1]["client_order_id"])


class Meeting:
    """Whoever inserts a position waits until somebody else is about to do the same.

    A usual report inserts it with its fills, at once; an adoption by itself. The caller bounds it.
    """

    def __init__(self, patched: pytest.MonkeyPatch) -> None:
        self._met = anyio.Event()
        self.came = 0
        real_insert, real_write = positions.insert_position, report_rows.write

        async def insert(
            connection: Connection, position: Position, books: PositionTotals, leverage: int
        ) -> PositionId:
            await self._meet()
            return await real_insert(connection, position, books, leverage)

        async def write(connection: Connection, rows: ReportRows) -> tuple[PositionId, bool]:
            if rows.position.is_new:
                await self._meet()
            return await real_write(connection, rows)

        patched.setattr(positions, "insert_position", insert)
        patched.setattr(report_rows, "write", write)

    async def _meet(self) -> None:
        self.came += 1
        if self.came == 2:
            self._met.set()
        await self._met.wait()


async def test_the_first_fills_of_a_revived_and_a_new_entry_at_once(
    harness: TradingHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """M5.4, R4: both find no position; the second to write finds that of the first, and joins."""
    first = await lost(harness)
    await harness.recorder.record_rejected(first, "inferred_absent: never seen")
    second = await lost(harness, minute=1)
    meeting = Meeting(monkeypatch)

    with anyio.fail_after(PATIENCE):
        async with anyio.create_task_group() as both:
            for number, order in enumerate((first, second)):
                told = said(order, OrderStatus.FILLED, part(order, number, "1"))
                both.start_soon(harness.recorder.on_order_report, told)

    assert meeting.came == 2
    position = await harness.position()
    assert (position["quantity"], position["entry_price"]) == (2, 100)
    assert {held.quantity for held in harness.protection.held.values()} == {Decimal(2)}
    assert [row["status"] for row in await harness.orders()] == ["filled"] * 2
    assert await harness.broken_books() == []


async def test_an_adoption_that_meets_a_first_fill_is_refused(
    harness: TradingHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """M5.6: the bot has traded just now; it is asked for again."""
    await harness.reconciler.run()
    order = await lost(harness)
    await harness.recorder.record_rejected(order, "inferred_absent: never seen")
    harness.venue.balances["BTC"] = Decimal(1)
    meeting = Meeting(monkeypatch)
    refused: list[str] = []

    async def adopt() -> None:
        try:
            await harness.adoption.adopt(SCRIPTED, SYMBOL, BotName("one"))
        except RefusedError as error:
            refused.append(error.code)

    told = said(order, OrderStatus.FILLED, part(order, 1, "1"))
    with anyio.fail_after(PATIENCE):
        async with anyio.create_task_group() as both:
            both.start_soon(adopt)
            both.start_soon(harness.recorder.on_order_report, told)

    assert meeting.came == 2
    assert len(await harness.rows("SELECT 1 FROM positions WHERE closed_at IS NULL")) == 1
    position = await harness.position()
    assert position["quantity"] == (1 if refused else 2)
    assert refused in ([], ["changed_meanwhile"])
    assert await harness.broken_books() == []


@pytest.mark.parametrize("error", [KeyError("executedQty"), AssertionError("never"), OSError()])
async def test_the_listener_outlives_whatever_a_report_does(
    harness: TradingHarness, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """M2.6, R5: it is logged, and reconciliation brings what was missed."""
    await harness.reconciler.run()
    harness.venue.script.append(Behaviour.DROP_AFTER)
    with pytest.raises(OutcomeUnknownError):
        await harness.enter()
    (report,) = harness.venue.orders.values()

    async def broken(*_: object) -> tuple[PositionId, bool]:
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(report_rows, "write", broken)
        await harness.recorder.on_order_report(report)
    assert await harness.rows("SELECT 1 FROM positions") == []

    await harness.reconciler.run()

    assert (await harness.position())["quantity"] == 1
    assert await harness.open_alerts() == []
