"""M4.2: what stands in the way for a while costs no candle: it is asked about again."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.fakes.trading import BOT, Desk, open_desk, spec
from tests.fakes.venue import Behaviour
from tradebotd.domain.errors import DatabaseUnavailableError, OutcomeUnknownError
from tradebotd.domain.signal import SignalKind
from tradebotd.storage.postgres.database import Database

BUY = SignalKind.BUY

Deed = Callable[[Desk], Any]


async def is_not_reconciled(desk: Desk) -> Deed:
    desk.gate.close("reconcile", "not reconciled with the venue yet")
    return lambda _: desk.gate.open("reconcile")


async def is_nearly_full(desk: Desk) -> Deed:
    desk.gate.set_disk_problem("100 MB free")
    return lambda _: desk.gate.set_disk_problem(None)


async def does_not_answer(desk: Desk) -> Deed:
    desk.venue.reads_fail = True

    def answers(_: Desk) -> None:
        desk.venue.reads_fail = False

    return answers


async def closes_meanwhile(desk: Desk) -> Deed:
    async def close() -> None:
        desk.venue.before_account_answers = None
        desk.gate.set_disk_problem("100 MB free")

    desk.venue.before_account_answers = close
    return lambda _: desk.gate.set_disk_problem(None)


@pytest.mark.parametrize(
    "trouble",
    [is_not_reconciled, is_nearly_full, does_not_answer, closes_meanwhile],
)
async def test_what_passes_costs_no_candle(
    database: Database, trouble: Callable[[Desk], Any]
) -> None:
    """A bot of a day that was started a second too early does not lose its day."""
    desk = await open_desk(database)
    await desk.candles(100.0, 100.0)
    over = await trouble(desk)
    desk.says(BUY, BUY)

    assert not (await desk.run()).acted
    assert await desk.rows("SELECT * FROM decision_runs") == []
    over(desk)
    assert (await desk.run()).acted

    assert (await desk.row("SELECT intent FROM decision_runs"))["intent"] == "entry"


async def test_a_database_that_is_away_costs_no_candle(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """M2.1."""
    desk = await open_desk(database)
    await desk.candles(100.0, 100.0)
    desk.says(BUY, BUY)

    async def away() -> None:
        raise DatabaseUnavailableError("away")

    with monkeypatch.context() as patch:
        patch.setattr(desk.account, "_flows", away)
        with pytest.raises(DatabaseUnavailableError):
            await desk.run()
    assert (await desk.run()).acted


async def test_an_order_that_nobody_knows_of_costs_another_bots_candle_nothing(
    database: Database,
) -> None:
    """M5.3: it keeps others out of the symbol until it is settled; then they are asked again."""
    desk = await open_desk(database, spec("one"), spec("two"))
    await desk.candles(100.0, 100.0)
    desk.venue.script.append(Behaviour.DROP_AFTER)
    with pytest.raises(OutcomeUnknownError):
        await desk.enter("two", minute=-9)
    desk.says(BUY, BUY)

    assert (await desk.run()).status == "waiting (order_unknown)"
    assert await desk.rows("SELECT * FROM decision_runs WHERE bot = 'one'") == []
    await desk.reconciler.run()
    assert (await desk.run()).acted


async def test_a_loss_that_is_not_beyond_doubt_costs_no_candle(database: Database) -> None:
    """M4.8: money that an order of unknown outcome may have taken; no halt, and no decision."""
    desk = await open_desk(database, spec("one"), spec("two", "ETHUSDT"))
    await desk.account.snapshot(desk.clock.now())
    await desk.candles(100.0, 100.0)
    desk.venue.script.append(Behaviour.DROP_BEFORE)
    with pytest.raises(OutcomeUnknownError):
        await desk.enter("two", minute=-9)
    await desk.earns(-500_000)
    desk.says(BUY)

    assert (await desk.run()).status == "waiting (account max_daily_loss)"

    assert await desk.rows("SELECT * FROM decision_runs WHERE bot = 'one'") == []
    assert desk.gate.account_halts.current is None


async def test_a_halt_is_a_decision_on_the_candle(desk_halted: Desk) -> None:
    """M5.8: what an operator has stopped is not made up for afterwards."""
    desk = desk_halted
    desk.says(BUY, BUY)
    assert (await desk.run()).status == "waiting (halted)"
    await desk.gate.resume()

    assert not (await desk.run()).acted

    assert (await desk.row("SELECT reason FROM decision_runs"))["reason"] == "denied (halted)"
    assert desk.specs[BOT].active


@pytest.fixture
async def desk_halted(database: Database) -> Desk:
    desk = await open_desk(database)
    await desk.candles(100.0, 100.0)
    await desk.gate.halt("by hand")
    return desk
