"""What the account is worth, what it may still enter with, and why not."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.fakes.trading import LIMITS, MINUTE, NOON, TradingHarness, open_harness, spec
from tests.fakes.venue import Behaviour
from tradebotd.domain.bot import SizingKind, SizingRule
from tradebotd.domain.errors import OrderDeniedError, OutcomeUnknownError, RefusedError
from tradebotd.domain.ids import ClientOrderId, PositionId
from tradebotd.domain.instrument import PositionType
from tradebotd.domain.position import CloseReason
from tradebotd.jobs.equity_snapshot import EquitySnapshot
from tradebotd.storage.postgres.database import Database
from tradebotd.trading.entries.entry_gate import EntryGate

TWO_UNITS = SizingRule(kind=SizingKind.FIXED_QUANTITY, value=Decimal(2))


async def snapshots(harness: TradingHarness) -> dict[str | None, dict[str, Any]]:
    rows = await harness.rows("SELECT * FROM equity_snapshots WHERE ts = $1", harness.clock.now())
    return {row["bot"]: row for row in rows}


async def test_equity_is_cash_and_positions_for_the_account_and_each_bot(
    database: Database,
) -> None:
    """3.8: spot holdings at their price; futures by their gain alone; fees are gone."""
    harness = await open_harness(
        database,
        spec("spot", sizing=TWO_UNITS),
        spec("futures", "ETHUSDT", position_type=PositionType.FUTURES, leverage=2),
        spec("idle"),
    )
    harness.venue.balances = {"USDT": Decimal(10_000)}
    await harness.enter("spot")
    await harness.enter("futures")
    harness.tick("110")
    harness.tick("95", "ETHUSDT")

    worth = await harness.account.snapshot(harness.clock.now())

    found = await snapshots(harness)
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
    harness = await open_harness(database)
    job = EquitySnapshot(entries=harness.entries, database=database, clock=harness.clock)
    assert (await job.outcome()).ok
    await harness.enter()
    await job.run(harness.context())
    first = await snapshots(harness)
    harness.tick("120")
    await job.run(harness.context())

    assert await snapshots(harness) == first
    assert len(first) == 2
    assert (await job.outcome()).ok
    harness.clock.advance(timedelta(hours=1))
    assert not (await job.outcome()).ok


async def test_no_snapshot_is_taken_of_two_moments(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """M4.8: a sale the venue has booked and we have not would be a peak that never was."""
    monkeypatch.setattr("tradebotd.trading.account.valuation.RETRY_SECONDS", 0.001)
    harness = await open_harness(database)
    await harness.enter()
    harness.venue.script.append(Behaviour.DROP_AFTER)
    held = next(iter(harness.protection.held.values()))
    with pytest.raises(OutcomeUnknownError):
        await harness.protection.close_now(held, CloseReason.MANUAL)
    job = EquitySnapshot(entries=harness.entries, database=database, clock=harness.clock)

    under_way = await job.run(harness.context())
    await harness.reconciler.run()
    settled = await job.run(harness.context())

    assert (under_way.skipped, under_way.inserted, under_way.failed) == (1, 0, 0)
    assert settled.inserted == 2
    equity = (await snapshots(harness))[None]["equity"]
    assert equity == 1_000_000 - Decimal("0.08")


async def test_something_held_without_a_price_is_a_failed_snapshot(database: Database) -> None:
    """M2.2: a wrong number is worse than none."""
    harness = await open_harness(database)
    await harness.enter()
    harness.prices._last.clear()
    job = EquitySnapshot(entries=harness.entries, database=database, clock=harness.clock)

    assert (await job.run(harness.context())).failed == 1
    assert await harness.rows("SELECT * FROM equity_snapshots") == []


Prepare = Callable[[TradingHarness], Any]


async def lose_the_day(harness: TradingHarness) -> None:
    await harness.earns(-40)


async def fall_from_the_peak(harness: TradingHarness) -> None:
    await harness.execute(
        "INSERT INTO equity_snapshots (ts, account, bot, equity, cash, exposure, unrealized_pnl,"
        " unit_value) VALUES ($1, 'default', NULL, 1300, 1300, 0, 0, 1300)",
        NOON - timedelta(days=3),
    )


async def hold_another(harness: TradingHarness) -> None:
    await harness.enter("two")


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
    harness = await open_harness(
        database, spec("one"), spec("two"), limits=replace(LIMITS, **limits)
    )
    harness.venue.balances["USDT"] = Decimal(1000)
    await harness.account.snapshot(harness.clock.now())
    await prepare(harness)

    with pytest.raises(OrderDeniedError) as denied:
        await harness.enter("one")
    for held in list(harness.protection.held.values()):
        await harness.protection.close_now(held, CloseReason.MANUAL)

    assert denied.value.rule == rule
    assert harness.protection.held == {}


async def test_an_entry_under_way_counts_into_the_exposure(database: Database) -> None:
    """M4.8: two bots do not both fit into the same last share."""
    harness = await open_harness(
        database, spec("one"), spec("two"), limits=replace(LIMITS, max_exposure=Decimal("0.15"))
    )
    harness.venue.balances["USDT"] = Decimal(1000)
    denied: list[str] = []

    async def another(_: ClientOrderId) -> None:
        harness.venue.before_submit = None
        with pytest.raises(OrderDeniedError) as error:
            await harness.enter("two")
        denied.append(error.value.rule)

    harness.venue.before_submit = another
    await harness.enter("one")

    assert denied == ["max_exposure"]
    assert [row["bot"] for row in await harness.orders()] == ["one"]


async def test_a_limit_of_yesterday_is_over_today(database: Database) -> None:
    """M4.8: the daily loss is of the day's first equity."""
    harness = await open_harness(database)
    harness.venue.balances["USDT"] = Decimal(1000)
    await harness.account.snapshot(harness.clock.now())
    await harness.earns(-100)
    with pytest.raises(OrderDeniedError):
        await harness.enter()
    harness.clock.advance(timedelta(hours=12) + MINUTE)
    await harness.account.snapshot(harness.clock.now())

    await harness.enter(minute=1)

    assert len(harness.venue.submitted) == 1


async def test_a_halt_survives_a_restart(database: Database) -> None:
    """M5.8."""
    harness = await open_harness(database)
    await harness.gate.halt("by hand")
    await harness.gate.halt("for longer")  # another reason takes its place; it is halted since then

    after = EntryGate(database, harness.clock)
    await after.load()
    assert (after.halt_reason, after.halted_since) == ("for longer", NOON)
    assert after.closed_because() == "halted"
    await after.resume()
    with pytest.raises(RefusedError):
        await after.resume()

    again = EntryGate(database, harness.clock)
    await again.load()
    assert again.halt_reason is None
    assert again.closed_because() == "not reconciled with the venue yet"
    again.open("reconcile")
    assert again.closed_because() is None


async def test_an_operator_closes_a_position_once(database: Database) -> None:
    """3.1: reason `manual`; what is not there is refused."""
    harness = await open_harness(database)
    hands = harness.commands
    await harness.enter()
    held = PositionId((await harness.position())["id"])

    await hands.close_position(held)
    with pytest.raises(RefusedError):
        await hands.close_position(held)
    with pytest.raises(RefusedError):
        await hands.close_position(PositionId(999))

    assert (await harness.row("SELECT * FROM trades"))["close_reason"] == "manual"
    assert len(harness.venue.submitted) == 2


async def test_a_bot_is_paused_and_resumed_by_hand_once(database: Database) -> None:
    """M4.9, 3.1: already so is refused."""
    harness = await open_harness(database)
    hands = harness.commands
    (name,) = harness.specs
    with pytest.raises(RefusedError):
        await hands.resume_bot(name)
    await hands.pause_bot(name)
    with pytest.raises(RefusedError):
        await hands.pause_bot(name)
    await hands.resume_bot(name)
    assert (await harness.state(name))["status"] == "pending"
