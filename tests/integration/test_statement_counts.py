"""A ratchet: what an entry, an exit, a sweep and a reconciliation cost in statements and calls.

No time is asserted here. A figure may only fall: lower it where a change needs less. The aim is 12
statements for an entry and for an exit, what opens and ends transactions left out.
"""

from dataclasses import dataclass

import pytest

from tests.fakes.trading import MINUTE, TradingHarness, open_harness, spec
from tests.fakes.traffic import CountedDatabase, Traffic, counted
from tests.fakes.venue import SCRIPTED
from tradebotd.domain.signal import SignalKind
from tradebotd.storage.postgres.database import Database
from tradebotd.trading.account import venue_accounts

AN_HOUR = 3600.0
SYMBOLS = {"one": "BTCUSDT", "two": "ETHUSDT"}


@dataclass(frozen=True, slots=True)
class Most:
    """What one deed may cost at most; `round_trips`: BEGIN, SET and COMMIT included."""

    statements: int
    round_trips: int
    transactions: int
    asked: dict[str, int]


ENTRY = Most(8, 12, 2, {"submit": 1})
EXIT = Most(8, 12, 2, {"submit": 1})
EXIT_BY_SIGNAL = Most(10, 14, 2, {"submit": 1})
NOTHING_TO_DO = Most(2, 2, 0, {})
SWEEP = Most(2, 2, 0, {})
QUIET_RECONCILIATION = Most(1, 1, 0, {"open_orders": 1, "account": 1})
RECONCILIATION = Most(10, 10, 0, {"open_orders": 1, "account": 1})


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    harness: TradingHarness
    traffic: Traffic

    async def minute(self) -> None:
        """One passes, with a candle of both symbols; from here on it is counted."""
        harness = self.harness
        harness.clock.advance(MINUTE)
        for symbol in SYMBOLS.values():
            await harness.candles(100, symbol=symbol)
        self.traffic.forget()

    async def enter(self, bot: str) -> None:
        self.harness.says(SignalKind.BUY, bot=bot)
        assert (await self.harness.run(bot)).acted

    def judge(self, most: Most) -> None:
        """A statement that came along is in the listing, which a failure shows."""
        traffic = self.traffic
        listing = f"{dict(traffic.asked)}\n{traffic.listing()}"

        assert len(traffic.statements) <= most.statements, listing
        assert traffic.round_trips <= most.round_trips, listing
        assert traffic.transactions <= most.transactions, listing
        assert {name: n for name, n in traffic.asked.items() if n > most.asked.get(name, 0)} == {}


@pytest.fixture
async def running(database: Database, monkeypatch: pytest.MonkeyPatch) -> Counted:
    """Two bots in a daemon that has been running: candles, months and plans are known.

    What a venue has said is shared for seconds of the host's; here for as long as a test lasts.
    """
    for name in ("SHARED_SECONDS", "USABLE_SECONDS"):
        monkeypatch.setattr(venue_accounts, name, AN_HOUR)
    traffic = Traffic()
    specs = [spec(bot, symbol) for bot, symbol in SYMBOLS.items()]
    harness = await open_harness(CountedDatabase(database, traffic), *specs, speed=1.0)
    harness.venues[SCRIPTED] = counted(harness.venue, traffic)
    running = Counted(harness=harness, traffic=traffic)
    for symbol in SYMBOLS.values():
        await harness.candles(100, 100, 100, symbol=symbol)
    for bot in SYMBOLS:
        await harness.run(bot)
    await harness.reconciler.run()
    await harness.protection.sweep(harness.clock.now())
    await harness.account.snapshot(harness.clock.now())
    await running.minute()
    return running


async def test_an_entry_behind_another_one(running: Counted) -> None:
    """B15: another bot has entered in the same minute, and what is known of the account is old."""
    await running.enter("two")
    running.traffic.forget()

    await running.enter("one")

    running.judge(ENTRY)


async def test_an_exit_that_a_tick_meets(running: Counted) -> None:
    """B15: from the price to the closed position."""
    await running.enter("one")
    await running.minute()

    await running.harness.stream("90")

    assert not running.harness.protection.held
    running.judge(EXIT)


async def test_an_exit_on_a_signal(running: Counted) -> None:
    """B15: the cycle of the bot included."""
    await running.enter("one")
    await running.minute()
    running.harness.says(SignalKind.SELL)

    await running.harness.run()

    assert not running.harness.protection.held
    running.judge(EXIT_BY_SIGNAL)


async def test_a_cycle_with_nothing_to_do(running: Counted) -> None:
    """B15: the lease and the candles are looked at, and the decision is kept."""
    await running.harness.run()

    running.judge(NOTHING_TO_DO)


async def test_a_sweep_with_nothing_to_close(running: Counted) -> None:
    """B2: two positions are read by their versions alone."""
    for bot in SYMBOLS:
        await running.enter(bot)
    await running.minute()

    await running.harness.protection.sweep(running.harness.clock.now())

    running.judge(SWEEP)


async def test_a_reconciliation_behind_two_entries(running: Counted) -> None:
    """I2: what is held has changed, and is compared."""
    for bot in SYMBOLS:
        await running.enter(bot)
    await running.minute()

    await running.harness.reconciler.run()

    running.judge(RECONCILIATION)


async def test_a_reconciliation_of_a_quiet_venue(running: Counted) -> None:
    """One call tells what rests, one what is owned; nothing has changed, and nothing is compared."""
    await running.enter("one")
    await running.harness.reconciler.run()
    await running.minute()

    await running.harness.reconciler.run()

    running.judge(QUIET_RECONCILIATION)
