"""PostgreSQL that can be read and not written: what a full disk does to orders."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tests.fakes.trading import BOT, TradingHarness, open_harness, spec
from tradebotd.daemon import disk_watch
from tradebotd.daemon.disk_watch import DiskWatch, guards_of
from tradebotd.domain.errors import DatabaseUnavailableError, VenueUnavailableError
from tradebotd.domain.signal import SignalKind
from tradebotd.ports.venue import SendBlockedBy
from tradebotd.storage.postgres.database import Database
from tradebotd.trading.execution.placement import Placement, Prepared

# As PostgreSQL itself says it (53100) when a table cannot grow; what has gaps is still written.
FULL = """
    CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        RAISE EXCEPTION 'could not extend file "base/5/17308": No space left on device'
              USING ERRCODE = 'disk_full', HINT = 'Check free disk space.';
    END $$;
    CREATE TRIGGER full_disk BEFORE INSERT ON dead_letters FOR EACH ROW EXECUTE FUNCTION full_disk();
"""
FULL_SETTINGS = (
    "CREATE TRIGGER full_disk BEFORE INSERT ON settings FOR EACH ROW EXECUTE FUNCTION full_disk()"
)
ROOM = "DROP FUNCTION full_disk() CASCADE"
GROW = "INSERT INTO dead_letters (job, args, error, first_failed_at, last_failed_at) VALUES ('ping', '{}', 'x', now(), now())"


@pytest.fixture
async def harness(database: Database) -> TradingHarness:
    return await open_harness(database, spec())


@asynccontextmanager
async def full(harness: TradingHarness) -> AsyncIterator[None]:
    """One write fails at once; the probe fails as long as the block lasts."""
    await harness.execute(FULL)
    await harness.execute(FULL_SETTINGS)
    with pytest.raises(DatabaseUnavailableError, match="No space left"):
        await harness.execute(GROW)
    yield
    await harness.execute(ROOM)


def watch(harness: TradingHarness, least: int = 0) -> DiskWatch:
    return DiskWatch(
        database=harness.database,
        gate=harness.gate,
        guards=lambda: guards_of(harness.protection),
        state_dir=Path("/"),
        least=lambda: least,
    )


async def test_a_write_that_fails_anywhere_stops_entries_in_the_same_instant(
    harness: TradingHarness,
) -> None:
    """N4: nobody has looked at the disk yet, and the orders' table still has gaps."""
    harness.says(SignalKind.BUY)
    await harness.candles(100, 100)
    async with full(harness):
        await harness.run()

        assert harness.venue.submitted == []
        assert (await harness.state())["status"] == "waiting (PostgreSQL cannot write)"


async def test_an_entry_that_is_written_is_not_sent_once_a_write_has_failed(
    harness: TradingHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """N4: the gate is asked again between the commit and the sending; an exit goes on."""
    send = Placement.send

    async def fail_before_sending(
        placement: Placement, prepared: Prepared, *, send_blocked_by: SendBlockedBy
    ) -> object:
        harness.database.writes.fail("DiskFullError: could not extend file")
        return await send(placement, prepared, send_blocked_by=send_blocked_by)

    monkeypatch.setattr(Placement, "send", fail_before_sending)
    with pytest.raises(VenueUnavailableError, match="PostgreSQL cannot write"):
        await harness.enter()
    assert harness.venue.submitted == []
    (order,) = await harness.orders()
    assert (order["status"], order["filled_quantity"]) == ("rejected", 0)

    monkeypatch.undo()
    harness.database.writes.succeed()
    await harness.enter(minute=1)
    harness.database.writes.fail("DiskFullError: could not extend file")
    await harness.stream("90")
    assert (await harness.position())["close_reason"] == "stop_loss"


async def test_it_is_said_at_critical_at_once_and_that_it_is_over(
    harness: TradingHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """N4: what rests and what nothing guards; exits first, entries when it has been quiet."""
    monkeypatch.setattr(disk_watch, "QUIET_SECONDS", 0.0)
    await harness.enter()
    position = f"{BOT} BTCUSDT (position {(await harness.position())['id']})"
    looking = watch(harness)
    with capture_logs() as said:
        async with full(harness):
            (alarm,) = [each for each in said if each["log_level"] == "critical"]
            assert alarm["event"] == "exit sending blocked"
            assert "DiskFullError" in alarm["reason"]
            assert (alarm["resting"], alarm["unguarded"]) == ([], [position])
            assert harness.protection.protected_by(next(iter(harness.protection.held))) == "none"
            await looking.check()
            await looking.check()
        assert harness.gate.closed_because() == "PostgreSQL cannot write"
        await looking.check()

    assert [each["event"] for each in said].count("exit sending blocked") == 1
    assert said[-1]["event"] == "exit sending resumed"
    assert harness.gate.closed_because() is None
    assert harness.protection.protected_by(next(iter(harness.protection.held))) == "daemon"


async def test_entries_wait_for_room_and_for_quiet(harness: TradingHarness) -> None:
    """N4: a first write that succeeds says that exits go on, and not yet that all is well."""
    looking = watch(harness)
    async with full(harness):
        pass

    await looking.check()

    assert harness.database.writes.failure is None
    assert harness.gate.closed_because() == "disk nearly full"
    assert "a write failed" in str(harness.gate.disk_problem)


async def test_a_database_that_is_away_is_loud_too(harness: TradingHarness) -> None:
    """3.8 Trouble: if PostgreSQL cannot commit at all, that is the loudest alarm."""
    looking = watch(harness)
    await harness.execute(FULL.replace("'disk_full'", "'cannot_connect_now'"))
    await harness.execute(FULL_SETTINGS)
    with capture_logs() as said:
        with pytest.raises(DatabaseUnavailableError):
            await harness.execute(GROW)
        await looking.check()
        await harness.execute(ROOM)
        await looking.check()

    events = [each["event"] for each in said if each["log_level"] in {"critical", "warning"}]
    assert events == ["exit sending blocked", "exit sending resumed"]
