"""What an order stream tells may come at any moment; whoever listens goes on."""

from collections.abc import Awaitable, Callable
from decimal import Decimal

import anyio
import pytest

from tests.fakes.trading import SYMBOL, Desk, open_desk
from tests.fakes.venue import SCRIPTED, Behaviour
from tests.integration.test_venue_order_ids import part, said
from tradebotd.domain.errors import OutcomeUnknownError, RefusedError
from tradebotd.domain.ids import BotName, ClientOrderId, PositionId
from tradebotd.domain.order import OrderStatus
from tradebotd.storage import positions
from tradebotd.storage.postgres.database import Database

Insert = Callable[..., Awaitable[PositionId]]


@pytest.fixture
async def desk(database: Database) -> Desk:
    return await open_desk(database)


async def lost(desk: Desk, minute: int = 0) -> ClientOrderId:
    desk.venue.script.append(Behaviour.DROP_BEFORE)
    with pytest.raises(OutcomeUnknownError):
        await desk.enter(minute=minute)
    return ClientOrderId((await desk.orders())[-1]["client_order_id"])


class Meeting:
    """Whoever inserts a position waits until somebody else is about to do the same."""

    def __init__(self, real: Insert) -> None:
        self._real = real
        self._met = anyio.Event()
        self.came = 0

    async def insert(self, *args: object) -> PositionId:
        self.came += 1
        if self.came == 2:
            self._met.set()
        await self._met.wait()
        return await self._real(*args)


async def test_the_first_fills_of_a_revived_and_a_new_entry_at_once(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """M5.4, R4: both find no position; the second to write finds that of the first, and joins."""
    first = await lost(desk)
    await desk.recorder.record_rejected(first, "inferred_absent: never seen")
    second = await lost(desk, minute=1)
    meeting = Meeting(positions.insert_position)
    monkeypatch.setattr(positions, "insert_position", meeting.insert)

    async with anyio.create_task_group() as both:
        for number, order in enumerate((first, second)):
            told = said(order, OrderStatus.FILLED, part(order, number, "1"))
            both.start_soon(desk.recorder.hear, told)

    assert meeting.came == 2
    position = await desk.position()
    assert (position["quantity"], position["entry_price"]) == (2, 100)
    assert {held.quantity for held in desk.protection.held.values()} == {Decimal(2)}
    assert [row["status"] for row in await desk.orders()] == ["filled"] * 2
    assert await desk.broken_books() == []


async def test_an_adoption_that_meets_a_first_fill_is_refused(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """M5.6: the bot has traded just now; it is asked for again."""
    await desk.reconciler.run()
    order = await lost(desk)
    await desk.recorder.record_rejected(order, "inferred_absent: never seen")
    desk.venue.balances["BTC"] = Decimal(1)
    meeting = Meeting(positions.insert_position)
    monkeypatch.setattr(positions, "insert_position", meeting.insert)
    refused: list[str] = []

    async def adopt() -> None:
        try:
            await desk.adoption.adopt(SCRIPTED, SYMBOL, BotName("one"))
        except RefusedError as error:
            refused.append(error.code)

    async with anyio.create_task_group() as both:
        both.start_soon(adopt)
        both.start_soon(desk.recorder.hear, said(order, OrderStatus.FILLED, part(order, 1, "1")))

    assert meeting.came == 2
    assert len(await desk.rows("SELECT 1 FROM positions WHERE closed_at IS NULL")) == 1
    position = await desk.position()
    assert position["quantity"] == (1 if refused else 2)
    assert refused in ([], ["changed_meanwhile"])
    assert await desk.broken_books() == []


@pytest.mark.parametrize("error", [KeyError("executedQty"), AssertionError("never"), OSError()])
async def test_the_listener_outlives_whatever_a_report_does(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """M2.6, R5: it is logged, and reconciliation brings what was missed."""
    await desk.reconciler.run()
    desk.venue.script.append(Behaviour.DROP_AFTER)
    with pytest.raises(OutcomeUnknownError):
        await desk.enter()
    (report,) = desk.venue.orders.values()

    async def broken(*_: object) -> PositionId:
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(positions, "insert_position", broken)
        await desk.recorder.hear(report)
    assert await desk.rows("SELECT 1 FROM positions") == []

    await desk.reconciler.run()

    assert (await desk.position())["quantity"] == 1
    assert await desk.open_alerts() == []
