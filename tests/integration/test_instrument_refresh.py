"""Refreshes of the instruments: by themselves, side by side, and whatever else is away."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from decimal import Decimal

import anyio
import pytest
import structlog

from tests.fakes.instruments import alert, changes, telling, told
from tests.fakes.trading import SYMBOL, TradingHarness, market_symbol, open_harness
from tests.fakes.venue import SCRIPTED
from tradebotd.domain.errors import DatabaseUnavailableError
from tradebotd.domain.filters import SymbolStatus
from tradebotd.domain.ids import VenueName
from tradebotd.domain.instrument import Instrument, MarketSymbol
from tradebotd.storage.postgres.database import Connection, Database, Lane
from tradebotd.trading.instruments import refresh

D = Decimal


class Away:
    """A database that nobody answers at, while it is `gone`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.gone = True

    def connection(self, lane: Lane = Lane.ORDERS) -> AbstractAsyncContextManager[Connection]:
        if self.gone:
            raise DatabaseUnavailableError("connection refused")
        return self._database.connection(lane)

    def transaction(
        self, lane: Lane = Lane.ORDERS, *, durable: bool = False
    ) -> AbstractAsyncContextManager[Connection]:
        if self.gone:
            raise DatabaseUnavailableError("connection refused")
        return self._database.transaction(lane, durable=durable)


class Looks:
    """Tells when a venue is asked for its instruments."""

    def __init__(self, harness: TradingHarness) -> None:
        self._harness = harness
        self.seen = anyio.Event()
        harness.venue.instruments = self._answer  # type: ignore[method-assign]

    async def _answer(self, symbols: Sequence[MarketSymbol]) -> dict[str, Instrument]:
        self.seen.set()
        return {each.symbol: self._harness.venue.filters[each.symbol] for each in symbols}

    async def next(self) -> None:
        self.seen = anyio.Event()
        with anyio.fail_after(30):
            await self.seen.wait()


@pytest.mark.parametrize("after", ["a refusal", "a halt", "a doubt"])
async def test_the_daemon_looks_by_itself_after_a_job_has_looked(
    database: Database, monkeypatch: pytest.MonkeyPatch, after: str
) -> None:
    """M4.6, M5.9: the job's look neither deafens it, nor keeps a halt to itself."""
    harness = telling(await open_harness(database))
    await harness.enter()
    await told(harness)
    for name in ("FIRST_PAUSE", "LEAST_SECONDS", "LONGEST_PAUSE"):
        monkeypatch.setattr(refresh, name, 0.0)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(harness.path.instruments.attend)
        await anyio.wait_all_tasks_blocked()
        looks = Looks(harness)
        if after == "a halt":
            changes(harness, status=SymbolStatus.HALTED)
        elif after == "a doubt":
            changes(harness, lot_size=D(10))
        await harness.path.instruments.run()  # the job
        if after == "a refusal":
            await anyio.wait_all_tasks_blocked()
            harness.path.instruments.on_refused("price_off_tick: 1")
        await looks.next()
        if after != "a refusal":
            await looks.next()
        if after == "a halt":
            changes(harness, status=SymbolStatus.TRADING)
            with anyio.fail_after(30):
                while harness.path.instruments.not_trading:
                    await looks.next()
        tasks.cancel_scope.cancel()


async def test_the_daemon_looks_by_itself_where_nothing_asks_it_to(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """M4.6: no silence of it is without a bound."""
    harness = telling(await open_harness(database))
    await told(harness)
    for name in ("LEAST_SECONDS", "LONGEST_SILENCE"):
        monkeypatch.setattr(refresh, name, 0.0)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(harness.path.instruments.attend)
        await Looks(harness).next()
        tasks.cancel_scope.cancel()


async def test_the_first_version_says_what_the_file_does_not(database: Database) -> None:
    """M4.6: as information; the same again is not told."""
    harness = telling(await open_harness(database))
    result = await told(harness, lot_size=D("0.01"))
    assert list(result.changed) == [SYMBOL]
    said = await alert(harness, "instrument_changed")
    assert said["severity"] == "info"
    assert "instead of what the file says: lot_size 0.001 became 0.01" in said["message"]
    assert (await told(harness)).changed == {}


async def test_the_first_reading_is_one_line_where_the_file_says_nothing(
    database: Database,
) -> None:
    """M4.6: defaults are contradicted by nobody; what changes later is told filter by filter."""
    harness = telling(await open_harness(database))
    known = harness.symbols[SYMBOL]
    harness.symbols[SYMBOL] = replace(known, stated=frozenset({"tick_size"}))
    with structlog.testing.capture_logs() as logs:
        assert (await told(harness, lot_size=D("0.01"))).changed == {}
    assert [each["event"] for each in logs if "instrument" in each["event"]] == ["instruments read"]
    assert harness.symbols[SYMBOL].instrument.lot_size == D("0.01")
    assert await harness.rows("SELECT 1 FROM alerts WHERE code = 'instrument_changed'") == []
    with structlog.testing.capture_logs() as logs:
        assert list((await told(harness, lot_size=D("0.1"))).changed) == [SYMBOL]
    assert "instrument put in force" in [each["event"] for each in logs]
    assert "lot_size 0.01 became 0.1" in (await alert(harness, "instrument_changed"))["message"]


async def test_what_is_told_is_in_force_while_the_database_is_away(database: Database) -> None:
    """M4.6, M5.9: also a halt, at the first look of a process; it is stored at the next one."""
    harness = telling(await open_harness(database))
    refresh_ = harness.path.instruments
    away = Away(database)
    refresh_._versions._database = away  # type: ignore[assignment]
    with pytest.raises(DatabaseUnavailableError):
        await told(harness, lot_size=D("0.01"), status=SymbolStatus.HALTED)
    known = harness.symbols[SYMBOL].instrument
    assert (known.lot_size, known.status) == (D("0.01"), SymbolStatus.HALTED)
    away.gone = False
    await told(harness)
    (row,) = await harness.rows("SELECT version, filters FROM instrument_versions")
    assert (row["version"], row["filters"]["lot_size"]) == (1, "0.01")


async def test_a_start_has_what_was_told_last_before_it_asks(database: Database) -> None:
    """M4.6, M5.6: levels are watched by it, however long the venues take."""
    await told(telling(await open_harness(database)), lot_size=D("0.1"))
    after = telling(await open_harness(database, restarted=True))
    await after.path.instruments.recall()
    assert after.symbols[SYMBOL].instrument.lot_size == D("0.1")


async def test_no_venue_waits_for_another(database: Database) -> None:
    """M4.6: one hangs, one fails in a way that nobody foresaw; the third is in force."""
    harness = telling(await open_harness(database))
    instruments = harness.path.instruments
    hangs, breaks = telling(await open_harness(database)), telling(await open_harness(database))
    released, venue = anyio.Event(), harness.venue

    async def hang(symbols: Sequence[MarketSymbol]) -> dict[str, Instrument]:
        await released.wait()
        return {}

    async def fail(symbols: Sequence[MarketSymbol]) -> dict[str, Instrument]:
        raise KeyError("stepSize")

    hangs.venue.instruments = hang  # type: ignore[method-assign]
    breaks.venue.instruments = fail  # type: ignore[method-assign]
    for name, other in (("hangs", hangs.venue), ("breaks", breaks.venue)):
        symbol = market_symbol(f"{name}USDT")
        instrument = replace(symbol.instrument, venue=VenueName(name))
        harness.symbols[symbol.symbol] = replace(symbol, instrument=instrument)
        instruments._venues = {VenueName(name): other, **instruments._venues}
    changes(harness, lot_size=D("0.01"))
    assert instruments._venues[SCRIPTED] is venue
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(instruments.run)
        with anyio.fail_after(30):
            while harness.symbols[SYMBOL].instrument.lot_size != D("0.01"):
                await anyio.lowlevel.checkpoint()
        released.set()
    assert instruments.last is not None
    assert "stepSize" in instruments.last.failed["breaks"]
    assert "hangs hangsUSDT" in instruments.last.refused
