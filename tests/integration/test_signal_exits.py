"""An exit that a signal asked for: the candle is decided by it, whatever becomes of the order."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from decimal import Decimal

import anyio
import anyio.lowlevel
import pytest

from tests.fakes.trading import BOT, Desk, open_desk, spec
from tests.fakes.venue import Behaviour
from tradebotd.domain.exits import ExitPlan
from tradebotd.domain.ids import ClientOrderId
from tradebotd.domain.instrument import PositionType
from tradebotd.domain.order import OrderReport, OrderRequest
from tradebotd.domain.position import CloseReason
from tradebotd.domain.signal import SignalKind
from tradebotd.ports.venue import WhyNot, unhindered
from tradebotd.storage.postgres.database import Database
from tradebotd.trading.bots.cycle import BotCycle

BUY, SELL = SignalKind.BUY, SignalKind.SELL
PLAN = ExitPlan(stop_loss=Decimal("0.05"))


async def held(database: Database, side: SignalKind = BUY) -> Desk:
    """A bot that may turn round holds *side*; the newest candle is undecided."""
    desk = await open_desk(
        database, spec(position_type=PositionType.FUTURES, allow_short=True, exits=PLAN)
    )
    await desk.candles(100, 100, 100)
    desk.says(side)
    assert (await desk.run()).acted
    await desk.minute()
    return desk


async def settle(desk: Desk) -> None:
    """The venue is asked after what was sent, and swept, all within the same candle."""
    desk.clock.advance(timedelta(seconds=20))
    desk.tick("100")
    await desk.execute("UPDATE orders SET send_by = send_by - interval '1 minute'")
    await desk.reconciler.run()
    await desk.protection.sweep(desk.clock.now())


async def shape(desk: Desk) -> list[tuple[str, Decimal]]:
    rows = await desk.rows("SELECT side, quantity FROM positions WHERE closed_at IS NULL")
    return [(row["side"], row["quantity"]) for row in rows]


@pytest.mark.parametrize("side", [BUY, SELL])
@pytest.mark.parametrize("lost", [False, True])
async def test_a_lost_answer_does_not_turn_the_position_round(
    database: Database, side: SignalKind, *, lost: bool
) -> None:
    """M4.2: a candle whose exit was made is decided, whether its answer came or not."""
    desk = await held(database, side)
    if lost:
        desk.venue.script.append(Behaviour.DROP_AFTER)
    against = SELL if side is BUY else BUY
    desk.says(*[against] * 4)
    await desk.run()
    await settle(desk)

    for _ in range(3):
        await desk.run()

    assert await shape(desk) == []
    assert [each["role"] for each in await desk.orders()] == ["entry", "exit"]
    rows = await desk.rows("SELECT intent, order_id FROM decision_runs ORDER BY candle_ts")
    assert [(row["intent"], row["order_id"]) for row in rows] == [
        (order["role"], order["id"]) for order in await desk.orders()
    ]
    await desk.minute()
    desk.says(against)
    await desk.run()
    assert await shape(desk) == [("short" if side is BUY else "long", Decimal(1))]  # the next one


@pytest.mark.parametrize("executed", [False, True])
async def test_a_process_killed_with_the_exit_under_way_does_not_turn_round_either(
    database: Database, *, executed: bool
) -> None:
    """M4.2: the decision stands with the order's row, and the next process reads it."""
    desk = await held(database)
    desk.says(SELL)

    async with anyio.create_task_group() as tasks:
        submit = desk.venue.submit

        async def killed(
            client_order_id: ClientOrderId, request: OrderRequest, *, why_not: WhyNot = unhindered
        ) -> OrderReport:
            if executed:
                await submit(client_order_id, request, why_not=why_not)
            tasks.cancel_scope.cancel()
            await anyio.lowlevel.checkpoint()
            raise AssertionError("it is dead")

        desk.venue.submit = killed  # type: ignore[method-assign]
        tasks.start_soon(desk.run)
    desk.venue.submit = submit  # type: ignore[method-assign]
    assert [each["status"] for each in await desk.orders()] == ["filled", "pending_new"]

    after = await open_desk(database, *desk.specs.values(), restarted=True, venue=desk.venue)
    after.clock.advance(desk.clock.now() - after.clock.now())
    await after.candles(100, 100, 100)
    await after.protection.load(after.clock.now())
    after.says(*[SELL] * 6)
    for _ in range(3):
        await settle(after)
        await after.run()

    assert await shape(after) == []
    orders = await after.orders()
    assert [each["role"] for each in orders] == ["entry", "exit", *([] if executed else ["exit"])]


@pytest.mark.parametrize("what", [Behaviour.REJECT, Behaviour.UNREACHABLE, Behaviour.DROP_BEFORE])
async def test_an_exit_that_came_to_nothing_is_made_again_on_its_candle(
    database: Database, what: Behaviour
) -> None:
    """M4.2: the strategy wants it closed, and it is there still; once only, and never more."""
    desk = await held(database)
    desk.venue.script.append(what)
    desk.says(*[SELL] * 8)
    assert (await desk.run()).error

    for _ in range(3):
        await settle(desk)
        await desk.run()

    assert await shape(desk) == []
    assert desk.venue.positions.get("BTCUSDT", Decimal(0)) == 0
    orders = await desk.orders()
    assert [each["role"] for each in orders] == ["entry", "exit", "exit"]
    decision = await desk.row("SELECT order_id FROM decision_runs WHERE intent = 'exit'")
    assert decision["order_id"] == orders[-1]["id"]


async def by_the_stop(desk: Desk) -> None:
    desk.clock.advance(timedelta(seconds=1))
    await desk.stream("94")


async def by_an_operator(desk: Desk) -> None:
    (position,) = desk.protection.held.values()
    await desk.protection.close_by_hand(position, CloseReason.MANUAL)


@pytest.mark.parametrize("close", [by_the_stop, by_an_operator])
async def test_an_exit_that_is_denied_is_decided_all_the_same(
    database: Database, monkeypatch: pytest.MonkeyPatch, close: Callable[[Desk], Awaitable[None]]
) -> None:
    """M4.2: somebody else closes the position while its signal is being followed."""
    desk = await held(database)
    desk.says(*[SELL] * 4)
    look = BotCycle._held

    async def look_and_lose(cycle: BotCycle, state: object) -> object:
        position = await look(cycle, state)  # type: ignore[arg-type]
        monkeypatch.undo()
        await close(desk)
        return position

    monkeypatch.setattr(BotCycle, "_held", look_and_lose)
    assert (await desk.run()).status == "waiting (position_closed)"

    for _ in range(2):
        await settle(desk)
        await desk.run()

    assert await shape(desk) == []
    assert len(await desk.orders()) == 2
    assert (await desk.state(BOT))["last_error_message"] is None
