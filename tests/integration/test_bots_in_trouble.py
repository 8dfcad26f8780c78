"""One bot's trouble is its own, is recorded, and makes no order that nobody wanted."""

from typing import Any

import pytest

from tests.fakes.trading import BOT, TradingHarness, open_harness, spec
from tradebotd.domain.errors import VenueUnavailableError
from tradebotd.domain.ids import BotName
from tradebotd.domain.job import RunStatus, Summary
from tradebotd.domain.signal import Signal, SignalKind
from tradebotd.jobs.run_bots import RunBots
from tradebotd.risk import sizing
from tradebotd.storage.postgres.database import Database
from tradebotd.trading.entries import entries

BUY, SELL = SignalKind.BUY, SignalKind.SELL
ANY: Any = "buy"


async def run_bots(harness: TradingHarness, *, sequential: bool = False) -> Summary:
    job = RunBots(
        cycle=harness.cycle,
        entry_orders=harness.entry_orders,
        specs=harness.specs,
        database=harness.database,
        sequential=sequential,
    )
    return await job.run(harness.context())


@pytest.mark.parametrize(
    "nonsense",
    [
        Signal(kind=ANY, reason="a word that only looks like a kind"),
        Signal(kind=BUY, reason=None),  # type: ignore[arg-type]
        Signal(kind=BUY, reason="", path=ANY and 3),  # type: ignore[arg-type]
    ],
    ids=["kind", "reason", "path"],
)
async def test_a_signal_of_nonsense_is_an_error_and_no_order(
    database: Database, nonsense: Signal
) -> None:
    """M2.6, M4.4a: what is neither buy nor sell must not pass for a sell."""
    harness = await open_harness(database)
    await harness.candles(100.0, 100.0)
    await harness.enter(minute=-5)
    await harness.minute()
    harness.says(nonsense)

    assert (await harness.run()).status == "error (strategy)"
    assert [order["role"] for order in await harness.orders()] == ["entry"]


async def test_words_that_no_table_can_hold_are_mended(database: Database) -> None:
    """M4.2: a record with an odd character is worth more than none."""
    harness = await open_harness(database)
    await harness.candles(100.0, 100.0)
    harness.says(Signal(kind=SignalKind.NONE, reason="\0 and \ud800"), ValueError("\0\ud800"))
    assert (await harness.run()).error is None

    await harness.minute()
    assert (await harness.run()).status == "error (strategy)"
    assert await harness.rows("SELECT reason FROM decision_runs") == [{"reason": "\ufffd and ?"}]


@pytest.mark.parametrize("sequential", [True, False])
async def test_a_mistake_of_ours_in_one_bot_stops_no_other(
    database: Database, monkeypatch: pytest.MonkeyPatch, *, sequential: bool
) -> None:
    """M2.6, M2.2: one bot's numbers break the sizing; the run is partial, and its state says so."""
    harness = await open_harness(database, spec("one"), spec("two"))
    await harness.candles(100.0, 100.0)
    harness.says(BUY, bot="one")
    harness.says(BUY, bot="two")
    wanted = iter([KeyError("surprise")])

    def sized(*args: Any, **values: Any) -> Any:
        for error in wanted:
            raise error
        return sizing.entry_quantity(*args, **values)

    monkeypatch.setattr(entries, "entry_quantity", sized)
    summary = await run_bots(harness, sequential=sequential)

    assert summary.status() is RunStatus.PARTIAL
    states = {(await harness.state(name))["status"] for name in ("one", "two")}
    assert states == {"error (cycle)", "running"}
    assert len(harness.venue.submitted) == 1


async def test_a_bot_that_a_reload_took_out_a_moment_ago_is_skipped(database: Database) -> None:
    """M2.6: the list was made before."""
    harness = await open_harness(database)
    harness.specs.pop(BotName(BOT))

    assert (await harness.cycle.run(BotName(BOT), harness.clock.now())).skipped


async def test_a_position_that_memory_lacks_is_still_closed_by_a_signal(
    database: Database,
) -> None:
    """M4.4a: the table says what is held, also when an answer to a COMMIT was lost."""
    harness = await open_harness(database)
    await harness.candles(100.0, 100.0)
    await harness.enter(minute=-5)
    (position,) = harness.protection.held
    harness.protection.forget(position)
    await harness.minute()
    harness.says(SELL)

    await harness.run()
    assert (await harness.position())["close_reason"] == "signal"


async def test_an_account_that_cannot_be_read_is_said_and_makes_no_order(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """M4.2, M5.2: the venue fails before there is an order; the candle is not decided."""
    harness = await open_harness(database)
    await harness.candles(100.0, 100.0)
    harness.says(BUY)

    async def away() -> None:
        raise VenueUnavailableError("503")

    monkeypatch.setattr(harness.venue, "account", away)
    result = await harness.run()

    assert result.status == "waiting (scripted does not answer)"
    assert await harness.orders() == []
    assert await harness.rows("SELECT * FROM decision_runs") == []
