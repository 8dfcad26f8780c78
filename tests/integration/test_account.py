"""What the account is worth, what it may still enter with, and why not."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.fakes.trading import LIMITS, MINUTE, NOON, Desk, open_desk, spec
from tests.fakes.venue import Behaviour
from tradebotd.domain.bot import SizingKind, SizingRule
from tradebotd.domain.errors import OrderDeniedError, OutcomeUnknownError, RefusedError
from tradebotd.domain.ids import ClientOrderId, PositionId
from tradebotd.domain.instrument import PositionType
from tradebotd.domain.position import CloseReason
from tradebotd.jobs.equity_snapshot import EquitySnapshot
from tradebotd.storage.postgres.database import Database
from tradebotd.trading.entries.entry_gate import EntryGate
from tradebotd.trading.operator.commands import OperatorHands

TWO_UNITS = SizingRule(kind=SizingKind.FIXED_QUANTITY, value=Decimal(2))


async def snapshots(desk: Desk) -> dict[str | None, dict[str, Any]]:
    rows = await desk.rows("SELECT * FROM equity_snapshots WHERE ts = $1", desk.clock.now())
    return {row["bot"]: row for row in rows}


async def test_equity_is_cash_and_positions_for_the_account_and_each_bot(
    database: Database,
) -> None:
    """3.8: spot holdings at their price; futures by their gain alone; fees are gone."""
    desk = await open_desk(
        database,
        spec("spot", sizing=TWO_UNITS),
        spec("futures", "ETHUSDT", position_type=PositionType.FUTURES, leverage=2),
        spec("idle"),
    )
    desk.venue.balances = {"USDT": Decimal(10_000)}
    await desk.enter("spot")
    await desk.enter("futures")
    desk.tick("110")
    desk.tick("95", "ETHUSDT")

    worth = await desk.account.snapshot(desk.clock.now())

    found = await snapshots(desk)
    assert worth.of_one_moment
    fees = Decimal("0.08") + Decimal("0.04")
    account = found[None]
    assert account["cash"] == 10_000 - 200 - fees
    assert account["equity"] == 10_000 - fees + 2 * 10 - 5
    assert (account["exposure"], account["unrealized_pnl"]) == (220 + 95, 20 - 5)
    assert (found["spot"]["cash"], found["spot"]["equity"]) == (
        Decimal("799.92"),
        Decimal("1019.92"),
    )
    assert (found["futures"]["cash"], found["futures"]["equity"]) == (
        Decimal("999.96"),
        Decimal("994.96"),
    )
    assert found["idle"]["equity"] == found["idle"]["cash"] == 1000
    invested = sum(found[name]["equity"] for name in ("spot", "futures", "idle")) - 3000
    assert account["equity"] == 10_000 + invested


async def test_a_snapshot_at_the_same_instant_is_taken_once(database: Database) -> None:
    """2.4, M3.5."""
    desk = await open_desk(database)
    job = EquitySnapshot(entries=desk.entries, database=database, clock=desk.clock)
    assert (await job.outcome()).ok
    await desk.enter()
    await job.run(desk.context())
    first = await snapshots(desk)
    desk.tick("120")
    await job.run(desk.context())

    assert await snapshots(desk) == first
    assert len(first) == 2
    assert (await job.outcome()).ok
    desk.clock.advance(timedelta(hours=1))
    assert not (await job.outcome()).ok


async def test_no_snapshot_is_taken_of_two_moments(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """M4.8: a sale the venue has booked and we have not would be a peak that never was."""
    monkeypatch.setattr("tradebotd.trading.account.valuation.LOOK_AGAIN_SECONDS", 0.001)
    desk = await open_desk(database)
    await desk.enter()
    desk.venue.script.append(Behaviour.DROP_AFTER)
    held = next(iter(desk.protection.held.values()))
    with pytest.raises(OutcomeUnknownError):
        await desk.protection.close_by_hand(held, CloseReason.MANUAL)
    job = EquitySnapshot(entries=desk.entries, database=database, clock=desk.clock)

    under_way = await job.run(desk.context())
    await desk.reconciler.run()
    settled = await job.run(desk.context())

    assert (under_way.skipped, under_way.inserted, under_way.failed) == (1, 0, 0)
    assert settled.inserted == 2
    equity = (await snapshots(desk))[None]["equity"]
    assert equity == 1_000_000 - Decimal("0.08")


async def test_something_held_without_a_price_is_a_failed_snapshot(database: Database) -> None:
    """M2.2: a wrong number is worse than none."""
    desk = await open_desk(database)
    await desk.enter()
    desk.prices._last.clear()
    job = EquitySnapshot(entries=desk.entries, database=database, clock=desk.clock)

    assert (await job.run(desk.context())).failed == 1
    assert await desk.rows("SELECT * FROM equity_snapshots") == []


Prepare = Callable[[Desk], Any]


async def lose_the_day(desk: Desk) -> None:
    await desk.earns(-40)


async def fall_from_the_peak(desk: Desk) -> None:
    await desk.execute(
        "INSERT INTO equity_snapshots (ts, account, bot, equity, cash, exposure, unrealized_pnl,"
        " unit_value) VALUES ($1, 'default', NULL, 1300, 1300, 0, 0, 1300)",
        NOON - timedelta(days=3),
    )


async def hold_another(desk: Desk) -> None:
    await desk.enter("two")


@pytest.mark.parametrize(
    ("rule", "limits", "prepare"),
    [
        ("max_daily_loss", {"max_daily_loss": Decimal("0.04")}, lose_the_day),
        ("max_drawdown", {"max_drawdown": Decimal("0.2")}, fall_from_the_peak),
        ("max_open_positions", {"max_open_positions": 1}, hold_another),
        ("max_orders_per_minute", {"max_orders_per_minute": 1}, hold_another),
        ("max_exposure", {"max_exposure": Decimal("0.15")}, hold_another),
    ],
)
async def test_a_limit_of_the_account_halts_entries_never_exits(
    database: Database, rule: str, limits: dict[str, Any], prepare: Prepare
) -> None:
    """M4.8: of the day's first equity, of the highest, of what is open; 1000 in cash."""
    desk = await open_desk(database, spec("one"), spec("two"), limits=replace(LIMITS, **limits))
    desk.venue.balances["USDT"] = Decimal(1000)
    await desk.account.snapshot(desk.clock.now())
    await prepare(desk)

    with pytest.raises(OrderDeniedError) as denied:
        await desk.enter("one")
    for held in list(desk.protection.held.values()):
        await desk.protection.close_by_hand(held, CloseReason.MANUAL)

    assert denied.value.rule == rule
    assert desk.protection.held == {}


async def test_an_entry_under_way_counts_into_the_exposure(database: Database) -> None:
    """M4.8: two bots do not both fit into the same last share."""
    desk = await open_desk(
        database, spec("one"), spec("two"), limits=replace(LIMITS, max_exposure=Decimal("0.15"))
    )
    desk.venue.balances["USDT"] = Decimal(1000)
    denied: list[str] = []

    async def another(_: ClientOrderId) -> None:
        desk.venue.before_submit = None
        with pytest.raises(OrderDeniedError) as error:
            await desk.enter("two")
        denied.append(error.value.rule)

    desk.venue.before_submit = another
    await desk.enter("one")

    assert denied == ["max_exposure"]
    assert [row["bot"] for row in await desk.orders()] == ["one"]


async def test_a_limit_of_yesterday_is_over_today(database: Database) -> None:
    """M4.8: the daily loss is of the day's first equity."""
    desk = await open_desk(database)
    desk.venue.balances["USDT"] = Decimal(1000)
    await desk.account.snapshot(desk.clock.now())
    await desk.earns(-100)
    with pytest.raises(OrderDeniedError):
        await desk.enter()
    desk.clock.advance(timedelta(hours=12) + MINUTE)
    await desk.account.snapshot(desk.clock.now())

    await desk.enter(minute=1)

    assert len(desk.venue.submitted) == 1


async def test_a_halt_survives_a_restart(database: Database) -> None:
    """M5.8."""
    desk = await open_desk(database)
    await desk.gate.halt("by hand")
    with pytest.raises(RefusedError):
        await desk.gate.halt("again")

    after = EntryGate(database, desk.clock)
    await after.load()
    assert (after.halt_reason, after.halted_since) == ("by hand", NOON)
    assert after.closed_because() == "halted"
    await after.resume()
    with pytest.raises(RefusedError):
        await after.resume()

    again = EntryGate(database, desk.clock)
    await again.load()
    assert again.halt_reason is None
    assert again.closed_because() == "not reconciled with the venue yet"
    again.open("reconcile")
    assert again.closed_because() is None


async def test_an_operator_closes_a_position_once(database: Database) -> None:
    """3.1: reason `manual`; what is not there is refused."""
    desk = await open_desk(database)
    hands = OperatorHands(database, desk.protection, desk.gate)
    await desk.enter()
    held = PositionId((await desk.position())["id"])

    await hands.close_position(held)
    with pytest.raises(RefusedError):
        await hands.close_position(held)
    with pytest.raises(RefusedError):
        await hands.close_position(PositionId(999))

    assert (await desk.row("SELECT * FROM trades"))["close_reason"] == "manual"
    assert len(desk.venue.submitted) == 2


async def test_a_bot_is_paused_and_resumed_by_hand_once(database: Database) -> None:
    """M4.9, 3.1: already so is refused."""
    desk = await open_desk(database)
    hands = OperatorHands(database, desk.protection, desk.gate)
    (name,) = desk.specs
    with pytest.raises(RefusedError):
        await hands.resume_bot(name)
    await hands.pause_bot(name)
    with pytest.raises(RefusedError):
        await hands.pause_bot(name)
    await hands.resume_bot(name)
    assert (await desk.state(name))["status"] == "pending"
