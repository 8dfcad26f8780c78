"""An exit that a signal asked for: the candle is decided by it, whatever becomes of the order."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from decimal import Decimal

import anyio
import anyio.lowlevel
import pytest

from tests.fakes.trading import BOT, TradingHarness, open_harness, spec
from tests.fakes.venue import Behaviour
from tradebotd.domain.exit_plan import ExitPlan
from tradebotd.domain.ids import ClientOrderId
from tradebotd.domain.instrument import PositionType
from tradebotd.domain.order import OrderReport, OrderRequest
from tradebotd.domain.position import CloseReason
from tradebotd.domain.signal import SignalKind
from tradebotd.ports.venue import SendBlockedBy, not_blocked
from tradebotd.storage.postgres.database import Database
from tradebotd.trading.bots.cycle import BotCycle

BUY, SELL = SignalKind.BUY, SignalKind.SELL
PLAN = ExitPlan(stop_loss=Decimal("0.05"))


async def held(database: Database, side: SignalKind = BUY) -> TradingHarness:
    """A bot that may turn round holds *side*; the newest candle is undecided."""
    harness = await open_harness(
        database, spec(position_type=PositionType.FUTURES, allow_short=True, exits=PLAN)
    )
    await harness.candles(100, 100, 100)
    harness.says(side)
    assert (await harness.run()).acted
    await harness.minute()
    return harness


async def settle(harness: TradingHarness) -> None:
    """The venue is asked after what was sent, and swept, all within the same candle."""
    harness.clock.advance(timedelta(seconds=20))
    harness.tick("100")
    await harness.execute("UPDATE orders SET send_by = send_by - interval '1 minute'")
    await harness.reconciler.run()
    await harness.protection.sweep(harness.clock.now())


async def shape(harness: TradingHarness) -> list[tuple[str, Decimal]]:
    rows = await harness.rows("SELECT side, quantity FROM positions WHERE closed_at IS NULL")
    return [(row["side"], row["quantity"]) for row in rows]


@pytest.mark.parametrize("side", [BUY, SELL])
@pytest.mark.parametrize("lost", [False, True])
async def test_a_lost_answer_does_not_turn_the_position_round(
    database: Database, side: SignalKind, *, lost: bool
) -> None:
    """M4.2: a candle whose exit was made is decided, whether its answer came or not."""
    harness = await held(database, side)
    if lost:
        harness.venue.script.append(Behaviour.DROP_AFTER)
    against = SELL if side is BUY else BUY
    harness.says(*[against] * 4)
    await harness.run()
    await settle(harness)

    for _ in range(3):
        await harness.run()

    assert await shape(harness) == []
    assert [each["role"] for each in await harness.orders()] == ["entry", "exit"]
    rows = await harness.rows("SELECT intent, order_id FROM decision_runs ORDER BY candle_ts")
    assert [(row["intent"], row["order_id"]) for row in rows] == [
        (order["role"], order["id"]) for order in await harness.orders()
    ]
    await harness.minute()
    harness.says(against)
    await harness.run()
    assert await shape(harness) == [
        ("short" if side is BUY else "long", Decimal(1))
    ]  # the next one


@pytest.mark.parametrize("executed", [False, True])
async def test_a_process_killed_with_the_exit_under_way_does_not_turn_round_either(
    database: Database, *, executed: bool
) -> None:
    """M4.2: the decision stands with the order's row, and the next process reads it."""
    harness = await held(database)
    harness.says(SELL)

    async with anyio.create_task_group() as tasks:
        submit = harness.venue.submit

        async def killed(
            client_order_id: ClientOrderId,
            request: OrderRequest,
            *,
            send_blocked_by: SendBlockedBy = not_blocked,
        ) -> OrderReport:
            if executed:
                await submit(client_order_id, request, send_blocked_by=send_blocked_by)
            tasks.cancel_scope.cancel()
            await anyio.lowlevel.checkpoint()
            raise AssertionError("it is dead")

        harness.venue.submit = killed  # type: ignore[method-assign]
        tasks.start_soon(harness.run)
    harness.venue.submit = submit  # type: ignore[method-assign]
    assert [each["status"] for each in await harness.orders()] == ["filled", "pending_new"]

    after = await open_harness(
        database, *harness.specs.values(), restarted=True, venue=harness.venue
    )
    after.clock.advance(harness.clock.now() - after.clock.now())
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
    harness = await held(database)
    harness.venue.script.append(what)
    harness.says(*[SELL] * 8)
    assert (await harness.run()).error

    for _ in range(3):
        await settle(harness)
        await harness.run()

    assert await shape(harness) == []
    assert harness.venue.positions.get("BTCUSDT", Decimal(0)) == 0
    orders = await harness.orders()
    assert [each["role"] for each in orders] == ["entry", "exit", "exit"]
    decision = await harness.row("SELECT order_id FROM decision_runs WHERE intent = 'exit'")
    assert decision["order_id"] == orders[-1]["id"]


async def by_the_stop(harness: TradingHarness) -> None:
    harness.clock.advance(timedelta(seconds=1))
    await harness.stream("94")


async def by_an_operator(harness: TradingHarness) -> None:
    (position,) = harness.protection.held.values()
    await harness.protection.close_now(position, CloseReason.MANUAL)


@pytest.mark.parametrize("close", [by_the_stop, by_an_operator])
async def test_an_exit_that_is_denied_is_decided_all_the_same(
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    close: Callable[[TradingHarness], Awaitable[None]],
) -> None:
    """M4.2: somebody else closes the position while its signal is being followed."""
    harness = await held(database)
    harness.says(*[SELL] * 4)
    look = BotCycle._held

    async def look_and_lose(cycle: BotCycle, state: object) -> object:
        position = await look(cycle, state)  # type: ignore[arg-type]
        monkeypatch.undo()
        await close(harness)
        return position

    monkeypatch.setattr(BotCycle, "_held", look_and_lose)
    assert (await harness.run()).status == "waiting (position_closed)"

    for _ in range(2):
        await settle(harness)
        await harness.run()

    assert await shape(harness) == []
    assert len(await harness.orders()) == 2
    assert (await harness.state(BOT))["last_error_message"] is None


@pytest.mark.parametrize("side", [BUY, SELL])
async def test_a_bot_that_says_nothing_keeps_what_it_holds(
    database: Database, side: SignalKind
) -> None:
    """M4.1: no signal is none to sell."""
    harness = await held(database, side)
    harness.says(SignalKind.NONE)
    assert not (await harness.run()).acted
    assert (await harness.position())["closed_at"] is None
