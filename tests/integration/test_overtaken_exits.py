"""Exits of the daemon that a stop at the venue comes before: nothing is refused that is over."""

from structlog.testing import capture_logs

from tests.fakes.resting import open_resting_harness, resting, sweep
from tests.fakes.trading import SYMBOL, TradingHarness
from tests.fakes.venue import Behaviour
from tradebotd.domain.ids import ClientOrderId
from tradebotd.domain.order import OrderReport, OrderType
from tradebotd.ports.venue import Replacement
from tradebotd.storage.postgres.database import Database


async def test_an_exit_that_the_resting_stop_came_before_is_no_refusal(database: Database) -> None:
    """M4.7: the venue rejects a reduce-only order of a position that its own stop has just closed."""
    harness = await open_resting_harness(database, Replacement.OVERLAP)
    await harness.enter()
    await sweep(harness)

    met: list[ClientOrderId] = []

    async def stopped_there(name: ClientOrderId) -> None:
        if met:
            return
        met.append(name)
        harness.venue.script.append(Behaviour.REJECT)
        await harness.venue.match(SYMBOL)

    harness.venue.before_submit = stopped_there
    harness.tick("94")
    with capture_logs() as logs:
        for _ in range(4):
            harness.tick("94")
            await sweep(harness)
    assert len(met) == 1
    assert (await harness.position())["close_reason"] == "stop_loss"
    assert [each["event"] for each in logs if each["log_level"] in {"critical", "error"}] == []
    assert await harness.open_alerts() == []
    assert await refusals(harness) == []


async def refusals(harness: TradingHarness) -> list[str]:
    """Return every refusal that was ever told, over or not."""
    rows = await harness.rows("SELECT subject FROM alerts WHERE code = 'exit_refused'")
    return [row["subject"] for row in rows]


async def test_a_stop_that_tells_its_fill_after_the_rejection_is_waited_for(
    database: Database,
) -> None:
    """M4.7: the venue's report comes a moment later than its answer to our order."""
    harness = await open_resting_harness(database, Replacement.OVERLAP)
    await harness.enter()
    await sweep(harness)
    late: list[OrderReport] = []
    listener = harness.venue.listener
    assert listener is not None

    async def stopped_there(_: ClientOrderId) -> None:
        if not late:
            harness.venue.script.append(Behaviour.REJECT)
            harness.venue.listener = None
            late.extend(await harness.venue.match(SYMBOL))

    harness.venue.before_submit = stopped_there
    harness.tick("94")
    with capture_logs() as logs:
        for _ in range(4):
            harness.tick("94")
            await sweep(harness)
            if late:
                break
        harness.venue.listener = listener
        for report in late:
            await listener(report)
        await sweep(harness, 2)

    assert late
    assert (await harness.position())["close_reason"] == "stop_loss"
    assert [each["event"] for each in logs if each["log_level"] in {"critical", "error"}] == []
    assert await refusals(harness) == []


async def test_what_is_rejected_beside_a_stop_twice_is_refused(database: Database) -> None:
    """M4.7: no report follows; it is told a second later."""
    harness = await open_resting_harness(database, Replacement.OVERLAP)
    await harness.enter()
    await sweep(harness)
    harness.venue.match = nothing  # type: ignore[method-assign,assignment]
    harness.venue.script.extend([Behaviour.REJECT] * 3)
    left: list[int] = []
    for _ in range(8):
        harness.tick("94")
        await sweep(harness)
        left.append(len(harness.venue.script))
        if len(harness.venue.script) == 2:
            assert await refusals(harness) == []

    assert 2 in left
    assert await refusals(harness) == ["position 1"]


async def nothing(_: str) -> list[OrderReport]:
    return []


async def test_a_stop_that_its_twin_at_the_target_took_along_is_no_loss(database: Database) -> None:
    """M5.7: its end is told first, the fill of the target a moment later."""
    harness = await open_resting_harness(database, Replacement.CANCEL_FIRST, linked=True)
    await harness.enter()
    await sweep(harness, 2)
    harness.venue.listener = None
    harness.tick("111")
    reports = await harness.venue.match(SYMBOL)
    (over,) = [each for each in reports if not each.filled_quantity]
    (filled,) = [each for each in reports if each.filled_quantity]

    await harness.recorder.record(over)
    await sweep(harness)
    await harness.recorder.record(filled)
    await sweep(harness, 2)

    assert (await harness.position())["close_reason"] == "take_profit"
    assert await harness.rows("SELECT code, message FROM alerts") == []


async def test_a_stop_that_is_gone_when_its_price_was_met_is_a_loss(database: Database) -> None:
    """M5.7: it may have been triggered and not have filled: alarm, and the next exit at once."""
    harness = await open_resting_harness(database, Replacement.CANCEL_FIRST, linked=True)
    await harness.enter()
    await sweep(harness, 2)
    stop = next(
        name for name, each in resting(harness).items() if each.type is OrderType.STOP_MARKET
    )
    harness.venue.listener = None
    over = await harness.venue.cancel(SYMBOL, stop)
    harness.tick("94")
    await harness.recorder.record(over)
    await sweep(harness, 2)

    assert (await harness.position())["close_reason"] == "stop_loss"
    rows = await harness.rows("SELECT code FROM alerts")
    assert "resting_stop_lost" in [row["code"] for row in rows]
