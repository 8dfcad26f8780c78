"""Exits of the daemon that a stop at the venue comes before: nothing is refused that is over."""

from structlog.testing import capture_logs

from tests.fakes.resting import open_resting_harness, sweep
from tests.fakes.trading import SYMBOL, TradingHarness
from tests.fakes.venue import Behaviour
from tradebotd.domain.ids import ClientOrderId
from tradebotd.domain.order import OrderReport
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
