"""M4.2: what stands in the way for a while costs no candle: it is asked about again."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.fakes.trading import BOT, TradingHarness, open_harness, spec
from tests.fakes.venue import Behaviour
from tradebotd.domain.errors import DatabaseUnavailableError, OutcomeUnknownError
from tradebotd.domain.signal import SignalKind
from tradebotd.storage.postgres.database import Database

BUY = SignalKind.BUY

Deed = Callable[[TradingHarness], Any]


async def is_not_reconciled(harness: TradingHarness) -> Deed:
    harness.gate.close("reconcile", "not reconciled with the venue yet")
    return lambda _: harness.gate.open("reconcile")


async def is_nearly_full(harness: TradingHarness) -> Deed:
    harness.gate.set_disk_problem("100 MB free")
    return lambda _: harness.gate.set_disk_problem(None)


async def does_not_answer(harness: TradingHarness) -> Deed:
    harness.venue.reads_fail = True

    def answers(_: TradingHarness) -> None:
        harness.venue.reads_fail = False

    return answers


async def closes_meanwhile(harness: TradingHarness) -> Deed:
    async def close() -> None:
        harness.venue.before_account_answers = None
        harness.gate.set_disk_problem("100 MB free")

    harness.venue.before_account_answers = close
    return lambda _: harness.gate.set_disk_problem(None)


@pytest.mark.parametrize(
    "trouble",
    [is_not_reconciled, is_nearly_full, does_not_answer, closes_meanwhile],
)
async def test_what_passes_costs_no_candle(
    database: Database, trouble: Callable[[TradingHarness], Any]
) -> None:
    """A bot of a day that was started a second too early does not lose its day."""
    harness = await open_harness(database)
    await harness.candles(100.0, 100.0)
    over = await trouble(harness)
    harness.says(BUY, BUY)

    assert not (await harness.run()).acted
    assert await harness.rows("SELECT * FROM decision_runs") == []
    over(harness)
    assert (await harness.run()).acted

    assert (await harness.row("SELECT intent FROM decision_runs"))["intent"] == "entry"


async def test_a_database_that_is_away_costs_no_candle(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """M2.1."""
    harness = await open_harness(database)
    await harness.candles(100.0, 100.0)
    harness.says(BUY, BUY)

    async def away(*_: object) -> None:
        raise DatabaseUnavailableError("away")

    with monkeypatch.context() as patch:
        patch.setattr(harness.account, "facts", away)
        with pytest.raises(DatabaseUnavailableError):
            await harness.run()
    assert (await harness.run()).acted


async def test_an_order_that_nobody_knows_of_costs_another_bots_candle_nothing(
    database: Database,
) -> None:
    """M5.3: it keeps others out of the symbol until it is settled; then they are asked again."""
    harness = await open_harness(database, spec("one"), spec("two"))
    await harness.candles(100.0, 100.0)
    harness.venue.script.append(Behaviour.DROP_AFTER)
    with pytest.raises(OutcomeUnknownError):
        await harness.enter("two", minute=-9)
    harness.says(BUY, BUY)

    assert (await harness.run()).status == "waiting (order_unknown)"
    assert await harness.rows("SELECT * FROM decision_runs WHERE bot = 'one'") == []
    await harness.reconciler.run()
    assert (await harness.run()).acted


async def test_a_loss_that_is_not_beyond_doubt_costs_no_candle(database: Database) -> None:
    """M4.8: money that an order of unknown outcome may have taken; no halt, and no decision."""
    harness = await open_harness(database, spec("one"), spec("two", "ETHUSDT"))
    await harness.account.snapshot(harness.clock.now())
    await harness.candles(100.0, 100.0)
    harness.venue.script.append(Behaviour.DROP_BEFORE)
    with pytest.raises(OutcomeUnknownError):
        await harness.enter("two", minute=-9)
    await harness.earns(-500_000)
    harness.says(BUY)

    assert (await harness.run()).status == "waiting (account max_daily_loss)"

    assert await harness.rows("SELECT * FROM decision_runs WHERE bot = 'one'") == []
    assert harness.gate.account_halts.current is None


async def test_a_halt_is_a_decision_on_the_candle(desk_halted: TradingHarness) -> None:
    """M5.8: what an operator has stopped is not made up for afterwards."""
    harness = desk_halted
    harness.says(BUY, BUY)
    assert (await harness.run()).status == "waiting (halted)"
    await harness.gate.resume()

    assert not (await harness.run()).acted

    assert (await harness.row("SELECT reason FROM decision_runs"))["reason"] == "denied (halted)"
    assert harness.specs[BOT].active


@pytest.fixture
async def desk_halted(database: Database) -> TradingHarness:
    harness = await open_harness(database)
    await harness.candles(100.0, 100.0)
    await harness.gate.halt("by hand")
    return harness
