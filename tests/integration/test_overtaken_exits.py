"""Exits of the daemon that a stop at the venue comes before: nothing is refused that is over."""

from structlog.testing import capture_logs

from tests.fakes.resting import open_resting_harness, sweep
from tests.fakes.trading import SYMBOL
from tests.fakes.venue import Behaviour
from tradebotd.domain.ids import ClientOrderId
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
    rows = await harness.rows("SELECT 1 FROM alerts WHERE code = 'exit_refused'")
    assert rows == []
