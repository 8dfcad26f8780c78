"""M2.3, M4.8: two venues of one account; one does not answer, and what the other may do meanwhile."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import anyio
import pytest

from tests.fakes.trading import MINUTE, TradingHarness, open_harness, spec
from tests.fakes.venue import ScriptedVenue
from tradebotd.domain.bot import SizingKind, SizingRule
from tradebotd.domain.ids import VenueName
from tradebotd.domain.position import CloseReason
from tradebotd.domain.signal import SignalKind
from tradebotd.jobs.equity_snapshot import EquitySnapshot
from tradebotd.storage.postgres.database import Database

BUY = SignalKind.BUY
OTHER = VenueName("other")
THERE = "ETHUSDT"
WAITS = f"waiting ({OTHER} does not answer)"
LONG_ENOUGH = 20.0
SHARE = SizingRule(kind=SizingKind.PERCENT_EQUITY, value=Decimal(60))

Trouble = Callable[[ScriptedVenue], None]


def hangs(venue: ScriptedVenue) -> None:
    venue.gate = anyio.Event()


def answers_503(venue: ScriptedVenue) -> None:
    venue.reads_fail = True


def stumbles(venue: ScriptedVenue) -> None:
    async def surprise() -> None:
        raise KeyError("balances")

    venue.before_account_answers = surprise


# Below zero: two questions of one turn of the event loop have the same time.
NEVER = -1.0

TROUBLES = pytest.mark.parametrize("trouble", [hangs, answers_503, stumbles])


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("venue_accounts.ASK", "venue_accounts.SHORT", "transfer_recorder.ASK"):
        monkeypatch.setattr(f"tradebotd.trading.account.{name}_SECONDS", 0.05)
    monkeypatch.setattr("tradebotd.trading.account.venue_accounts.SHARED_SECONDS", NEVER)


async def opened(database: Database, *, speed: float = 0.0) -> tuple[TradingHarness, ScriptedVenue]:
    """`one` trades at the harness's venue, `two` at the other one; each account has 1000."""
    harness = await open_harness(database, spec("one"), spec("two", THERE), speed=speed)
    symbol = harness.symbols[THERE]
    harness.symbols[THERE] = replace(symbol, instrument=replace(symbol.instrument, venue=OTHER))
    other = ScriptedVenue(
        harness.clock,
        harness.prices,
        {THERE: harness.symbols[THERE].instrument},
        {"USDT": Decimal(1000)},
        name=OTHER,
    )
    harness.venues[OTHER] = other
    harness.venue.balances = {"USDT": Decimal(1000)}
    await harness.candles(100.0, 100.0)
    await harness.candles(100.0, 100.0, symbol=THERE)
    return harness, other


async def says(harness: TradingHarness, bot: str) -> str:
    harness.says(BUY, bot=bot)
    with anyio.fail_after(LONG_ENOUGH):
        await harness.run(bot)
    status: str = (await harness.state(bot))["status"]
    return status


@pytest.mark.parametrize("speed", [0.0, 1.0])
@TROUBLES
async def test_it_keeps_its_own_symbols_waiting_and_no_others(
    database: Database, trouble: Trouble, speed: float
) -> None:
    """M2.3: a venue that is down delays no other; its own candle is not lost."""
    harness, other = await opened(database, speed=speed)
    await harness.account.value()
    trouble(other)

    assert await says(harness, "two") == WAITS
    assert await says(harness, "one") == "running"

    assert other.submitted == []
    assert await harness.rows("SELECT * FROM decision_runs WHERE bot = 'two'") == []


@TROUBLES
async def test_it_counts_with_what_it_was_last_known_to_have(
    database: Database, trouble: Trouble
) -> None:
    """M4.8: and with what our own fills have moved since; it is of one moment, and stored."""
    harness, other = await opened(database)
    await harness.enter("two", minute=-9)
    assert (await harness.account.snapshot(harness.clock.now())).of_one_moment
    (held,) = harness.protection.held.values()
    await harness.protection.close_now(held, CloseReason.MANUAL)
    trouble(other)
    harness.clock.advance(MINUTE)
    job = EquitySnapshot(entries=harness.entries, database=database, clock=harness.clock)

    summary = await job.run(harness.context())

    assert (summary.inserted, summary.failed) == (3, 1)
    assert "last known" in str(summary.items)
    row = await harness.row(
        "SELECT cash FROM equity_snapshots WHERE bot IS NULL ORDER BY ts DESC LIMIT 1"
    )
    assert row["cash"] == 1000 + other.balances["USDT"] == Decimal("1999.92")


@TROUBLES
async def test_one_that_has_never_answered_is_left_out_and_said(
    database: Database, trouble: Trouble
) -> None:
    """M4.8: of an equity that lacks a venue no loss is judged; the bots elsewhere go on."""
    harness, other = await opened(database)
    await harness.execute(
        "INSERT INTO equity_snapshots (ts, account, bot, equity, cash, exposure, unrealized_pnl,"
        " unit_value) VALUES ($1, 'default', NULL, 2000, 2000, 0, 0, 2000)",
        harness.clock.now() - MINUTE,
    )
    trouble(other)

    assert await says(harness, "one") == "running"
    assert await says(harness, "two") == WAITS

    assert harness.gate.account_halts.current is None
    job = EquitySnapshot(entries=harness.entries, database=database, clock=harness.clock)
    summary = await job.run(harness.context())
    assert (summary.inserted, summary.failed) == (0, 1)
    assert "max_daily_loss and max_drawdown are not judged" in str(summary.items)


async def test_venues_are_asked_side_by_side(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """M2.3: each answers only once the other has been asked, too."""
    for name in ("ASK_SECONDS", "SHORT_SECONDS"):
        monkeypatch.setattr(f"tradebotd.trading.account.venue_accounts.{name}", LONG_ENOUGH)
    harness, other = await opened(database)
    asked = {harness.venue.name: anyio.Event(), other.name: anyio.Event()}

    def waits_for(mine: ScriptedVenue, theirs: ScriptedVenue) -> Callable[[], Any]:
        async def wait() -> None:
            asked[mine.name].set()
            await asked[theirs.name].wait()

        return wait

    harness.venue.before_account_answers = waits_for(harness.venue, other)
    other.before_account_answers = waits_for(other, harness.venue)

    with anyio.fail_after(LONG_ENOUGH / 2):
        worth = await harness.account.value()
    assert worth.account.cash == 2000


async def bots_of_one_minute(
    database: Database, monkeypatch: pytest.MonkeyPatch, shared: float = 3600.0
) -> TradingHarness:
    for name, seconds in (("SHARED", shared), ("USABLE", 3600.0)):
        monkeypatch.setattr(f"tradebotd.trading.account.venue_accounts.{name}_SECONDS", seconds)
    names = [f"b{number}" for number in range(4)]
    harness = await open_harness(database, *(spec(name, sizing=SHARE) for name in names), speed=1.0)
    harness.venue.balances = {"USDT": Decimal(1000)}
    return harness


@pytest.mark.parametrize(("shared", "asked"), [(3600.0, 1), (NEVER, 2)])
async def test_the_entries_of_a_minute_share_what_a_venue_has_said(
    database: Database, monkeypatch: pytest.MonkeyPatch, shared: float, asked: int
) -> None:
    """M4.6: the second has what the first has left, just as if it had been asked again."""
    harness = await bots_of_one_minute(database, monkeypatch, shared)

    await harness.enter("b0")
    await harness.enter("b1")

    assert harness.venue.asked_for.count("account") == asked
    assert [request.quantity for _, request in harness.venue.submitted] == [6, Decimal("3.989")]
    worth = await harness.account.value()
    assert worth.account.cash == harness.venue.balances["USDT"]
    assert harness.venue.asked_for.count("account") == asked + 1


async def test_what_was_sold_meanwhile_is_asked_for_again(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """M4.6: a venue may have counted a sale before it told of it: it would count twice."""
    harness = await bots_of_one_minute(database, monkeypatch)
    await harness.enter("b0")
    await harness.account.value()
    (held,) = harness.protection.held.values()
    await harness.protection.close_now(held, CloseReason.MANUAL)

    await harness.enter("b1")

    assert harness.venue.asked_for.count("account") == 3
    assert harness.venue.submitted[-1][1].quantity == 6


async def test_an_account_that_is_no_numbers_counts_as_silent(database: Database) -> None:
    """M2.3, M4.6: nobody is sized by it, and the other venue goes on."""
    harness, other = await opened(database)
    await harness.account.value()
    other.balances["USDT"] = Decimal("NaN")

    assert await says(harness, "two") == WAITS
    assert await says(harness, "one") == "running"

    worth = await harness.account.value()
    assert worth.account.cash + worth.account.exposure == 2000 - Decimal("0.04")


async def test_what_was_said_of_it_is_not_over_because_it_is_silent(database: Database) -> None:
    """M5.6, M8.2: its holdings differed; while it does not answer nobody knows that they agree."""
    harness, other = await opened(database)
    await harness.enter("two")
    await harness.reconciler.run()
    other.balances["ETH"] -= 1
    other.balances["DOGE"] = Decimal("NaN")
    await harness.reconciler.run()
    del other.balances["DOGE"]
    await harness.reconciler.run()
    assert await harness.open_alerts() == ["position_differs"]

    answers_503(other)
    for _ in range(2):
        await harness.reconciler.run()
    assert await harness.open_alerts() == ["position_differs"]

    other.reads_fail = False
    other.balances["ETH"] += 1
    await harness.reconciler.run()
    assert await harness.open_alerts() == []
