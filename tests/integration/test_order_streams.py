"""A venue's order stream that is interrupted: said, made up for, and covered before new entries."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from tests.fakes.host import ShiftedHost
from tests.fakes.trading import SYMBOL, TradingHarness, open_harness, spec
from tests.fakes.venue import AUTHORITATIVE, SCRIPTED
from tradebotd.domain.bot import EntryKind, EntryRule
from tradebotd.domain.errors import EntryPostponedError
from tradebotd.domain.exit_plan import ExitPlan
from tradebotd.domain.fill import Fill
from tradebotd.domain.ids import VenueName
from tradebotd.ports.venue import StreamState
from tradebotd.storage.postgres.database import Database
from tradebotd.trading.venue_state.order_streams import (
    AGAIN_SECONDS,
    COMPARE_SECONDS,
    POLL_SECONDS,
    SAID_AFTER_SECONDS,
)

LIMIT = EntryRule(kind=EntryKind.LIMIT, offset=Decimal("0.05"), lifetime=timedelta(hours=1))
LOST = "order_stream_lost"


class Streamed:
    """A harness whose venue tells of its stream. `asked`: what its watch has asked for."""

    def __init__(self, harness: TradingHarness, host: ShiftedHost) -> None:
        self.harness, self.host = harness, host
        self.asked: list[str] = []

    @property
    def rounds(self) -> int:
        return len(self.asked)

    async def reconcile(self) -> bool:
        self.asked.append("all")
        await self.harness.reconciler.run()
        return True

    async def settle(self) -> bool:
        self.asked.append("orders")
        return await self.harness.reconciler.settle()

    async def look(self, seconds: float = 0.0) -> float | None:
        self.host.shift += timedelta(seconds=seconds)
        return await self.harness.streams.look(self.reconcile, self.settle)

    async def message(self) -> str:
        row = await self.harness.row("SELECT * FROM alerts WHERE cleared_at IS NULL")
        assert (row["code"], row["subject"], row["severity"]) == (LOST, SCRIPTED, "warning")
        return str(row["message"])


@pytest.fixture
async def streamed(database: Database) -> Streamed:
    return await opened(database)


async def opened(database: Database) -> Streamed:
    host = ShiftedHost()
    wanted = spec(entry=LIMIT, exits=ExitPlan(stop_loss=Decimal("0.1")))
    telling = replace(AUTHORITATIVE, tells_stream=True)
    harness = await open_harness(database, wanted, host=host, traits=telling)
    streamed = Streamed(harness, host)
    venue = harness.venues[SCRIPTED]
    venue.listen(harness.recorder.on_order_report, harness.streams.listener(venue))
    await harness.reconciler.run()  # the venue's first answer
    return streamed


async def test_a_stream_that_is_there_costs_nothing(streamed: Streamed) -> None:
    assert await streamed.look() is None
    assert await streamed.look(3600) is None
    assert streamed.rounds == 0
    assert await streamed.harness.open_alerts() == []


async def test_a_lost_stream_is_polled_and_said_after_a_while(streamed: Streamed) -> None:
    """M5.6, M2.6: at its own interval, neither at each look nor with the schedule alone."""
    await streamed.harness.venue.lose_stream()
    await streamed.look(POLL_SECONDS)
    await streamed.look(1)
    assert (streamed.rounds, await streamed.harness.open_alerts()) == (1, [])

    polls = int(SAID_AFTER_SECONDS / POLL_SECONDS) + 1
    for _ in range(polls):
        assert (await streamed.look(POLL_SECONDS) or 0) <= POLL_SECONDS

    assert streamed.rounds == 1 + polls
    assert "interrupted since 2022-03-01 12:00:00 UTC" in await streamed.message()


async def test_holdings_are_asked_for_less_often_than_orders(streamed: Streamed) -> None:
    """M2.6, M5.6: the trades of all symbols would use up what a venue allows."""
    await streamed.harness.venue.lose_stream()
    await streamed.look()
    for _ in range(int(COMPARE_SECONDS / POLL_SECONDS)):
        await streamed.look(POLL_SECONDS)
    assert streamed.asked == ["all", "orders", "orders", "orders", "orders", "all"]
    assert await streamed.harness.open_alerts() == []


async def test_a_loss_during_a_reconciliation_is_asked_about_right_after_it(
    streamed: Streamed,
) -> None:
    """M5.6, M5.7: a stop may be gone; what was under way may have asked before."""
    asked: list[int] = []

    async def under_way() -> bool:
        asked.append(len(asked))
        return len(asked) > 2

    await streamed.harness.venue.lose_stream()
    for _ in range(4):
        streamed.host.shift += timedelta(seconds=AGAIN_SECONDS)
        await streamed.harness.streams.look(under_way, under_way)
    assert len(asked) == 3


async def test_what_a_stream_has_not_told_is_asked_for_as_soon_as_it_is_lost(
    streamed: Streamed,
) -> None:
    """M5.6, M5.7: a stop may be gone; that another stream is silent for long changes nothing."""
    await streamed.harness.venue.lose_stream()
    await streamed.look()
    assert streamed.rounds == 1
    await streamed.harness.venue.restore_stream()
    await streamed.look()

    await streamed.harness.venue.lose_stream()
    await streamed.look()

    assert streamed.rounds == 3


async def test_a_fill_that_a_lost_stream_does_not_tell_is_found_by_polling(
    streamed: Streamed,
) -> None:
    """M5.6: within the shorter interval."""
    harness = streamed.harness
    await harness.enter()
    await harness.venue.lose_stream()
    await harness.venue.move(SYMBOL, "94")
    assert await harness.rows("SELECT * FROM positions") == []

    await streamed.look(POLL_SECONDS)

    assert (await harness.position())["quantity"] == 1


async def test_a_gap_is_covered_at_once_and_before_any_entry(streamed: Streamed) -> None:
    """M5.6: the fills since it began are asked for, though nothing differs."""
    harness = streamed.harness
    await harness.venue.lose_stream()
    began = harness.clock.now()
    harness.clock.advance(timedelta(hours=3))
    harness.tick("100")
    asked: list[datetime] = []
    real = harness.venue.fills_since

    async def fills_since(
        since: datetime, symbols: Collection[str] | None = None
    ) -> Sequence[Fill]:
        asked.append(since)
        return await real(since, symbols)

    harness.venue.fills_since = fills_since  # type: ignore[method-assign]
    await harness.venue.restore_stream()

    with pytest.raises(EntryPostponedError, match="may not have told"):
        await harness.enter()
    await streamed.look()

    assert streamed.rounds == 1
    assert asked
    assert min(asked) <= began
    assert harness.gate.closed_because(SCRIPTED) is None
    await harness.enter()


async def test_a_gap_stays_open_while_the_venue_does_not_answer(streamed: Streamed) -> None:
    """M5.6: nothing is taken for covered that was not told."""
    harness = streamed.harness
    await harness.venue.lose_stream()
    await harness.venue.restore_stream()
    harness.venue.reads_fail = True
    assert await streamed.look() == POLL_SECONDS
    assert harness.gate.closed_because(SCRIPTED) is not None
    harness.venue.reads_fail = False

    await streamed.look(COMPARE_SECONDS)

    assert harness.gate.closed_because(SCRIPTED) is None
    assert await streamed.look() is None


def since(harness: TradingHarness) -> dict[VenueName, datetime]:
    return {venue: gap.since for venue, gap in harness.streams.gaps.items()}


async def test_a_stream_that_is_lost_again_meanwhile_keeps_the_older_gap(
    streamed: Streamed,
) -> None:
    harness = streamed.harness
    first = harness.clock.now()
    harness.streams.on_state(SCRIPTED, StreamState(connected=True, gap_since=first))
    seen = harness.streams.gaps[SCRIPTED]
    later = first + timedelta(minutes=1)
    harness.streams.on_state(SCRIPTED, StreamState(connected=False, gap_since=later))
    harness.streams.on_state(SCRIPTED, StreamState(connected=True, gap_since=later))

    assert since(harness) == {SCRIPTED: first}
    harness.streams.covered(SCRIPTED, seen)
    assert since(harness) == {SCRIPTED: first}
    harness.streams.covered(SCRIPTED, harness.streams.gaps[SCRIPTED])
    assert harness.streams.gaps == {}


async def test_a_claimed_stream_that_never_says_anything_is_said(database: Database) -> None:
    """M6.1: a capability that is claimed and not kept; it is polled like a lost one."""
    host = ShiftedHost()
    harness = await open_harness(
        database, host=host, traits=replace(AUTHORITATIVE, tells_stream=True)
    )
    streamed = Streamed(harness, host)

    polls = int(SAID_AFTER_SECONDS / POLL_SECONDS) + 1
    for _ in range(polls):
        await streamed.look(POLL_SECONDS)

    assert streamed.rounds == polls
    assert "never has" in await streamed.message()

    harness.streams.on_state(SCRIPTED, StreamState(connected=True))
    await streamed.look()
    assert await harness.open_alerts() == []


async def test_a_reconciliation_that_is_under_way_is_followed_by_another(
    streamed: Streamed,
) -> None:
    """What had begun before the gap was known may not cover it."""
    await streamed.harness.venue.lose_stream()
    await streamed.harness.venue.restore_stream()

    async def under_way() -> bool:
        return False

    seconds = await streamed.harness.streams.look(under_way, under_way)

    assert seconds is not None
    assert seconds < POLL_SECONDS < SAID_AFTER_SECONDS
    assert streamed.harness.gate.closed_because(SCRIPTED) is not None


async def test_a_lost_stream_is_said_within_thirty_seconds(streamed: Streamed) -> None:
    """M3.10, M6.1: the look that says it comes when it is due, and not with the next poll."""
    await streamed.harness.venue.lose_stream()
    began = streamed.host.monotonic()
    seconds: float | None = 0.0
    while not await streamed.harness.open_alerts():
        assert seconds is not None
        streamed.host.shift += timedelta(seconds=seconds)
        seconds = await streamed.harness.streams.look(streamed.reconcile, streamed.settle)
        assert streamed.host.monotonic() - began < 30
