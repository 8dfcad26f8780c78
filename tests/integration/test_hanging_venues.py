"""M2.3, M5.6: a reconciliation of several venues, some of which never answer."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from decimal import Decimal

import anyio
import pytest

from tests.fakes.trading import MINUTE, TradingHarness, open_harness, spec
from tests.fakes.venue import Behaviour, ScriptedVenue
from tradebotd.domain.errors import OutcomeUnknownError
from tradebotd.domain.ids import VenueName
from tradebotd.domain.instrument import PositionType
from tradebotd.domain.signal import SignalKind
from tradebotd.jobs.reconcile import Reconcile
from tradebotd.storage.postgres.database import Database

THERE = ("ADAUSDT", "ETHUSDT", "XRPUSDT")
LONG_ENOUGH = 20.0


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tradebotd.trading.reconciliation.venue_round.ASK_SECONDS", 0.05)


async def opened(database: Database) -> tuple[TradingHarness, list[ScriptedVenue]]:
    """One bot at the harness's venue, and one of futures at each of three others."""
    futures = {"position_type": PositionType.FUTURES, "leverage": 2}
    others = [spec(f"b{number}", each, **futures) for number, each in enumerate(THERE)]
    harness = await open_harness(database, spec(), *others)
    venues = []
    for symbol in THERE:
        known, name = harness.symbols[symbol], VenueName(f"at-{symbol.lower()}")
        harness.symbols[symbol] = replace(known, instrument=replace(known.instrument, venue=name))
        there = {symbol: harness.symbols[symbol].instrument}
        venue = ScriptedVenue(
            harness.clock, harness.prices, there, {"USDT": Decimal(100_000)}, name=name
        )
        harness.venues[name] = venue
        venues.append(venue)
    return harness, venues


async def lost(harness: TradingHarness, venue: ScriptedVenue, bot: str) -> None:
    """An entry that was executed, and nobody has told us."""
    venue.script.append(Behaviour.DROP_AFTER)
    with pytest.raises(OutcomeUnknownError):
        await harness.enter(bot)


async def test_who_does_not_answer_is_asked_once_and_the_others_are_compared(
    database: Database,
) -> None:
    """M5.6: three hang in whatever they are asked, an order of each is in doubt, and the fourth,
    which holds less than our books, is compared; the next reconciliation asks everybody again.
    """
    harness, others = await opened(database)
    await harness.reconciler.run()
    await harness.enter()
    for number, venue in enumerate(others):
        await lost(harness, venue, f"b{number}")
    await harness.execute("UPDATE orders SET send_by = send_by - interval '1 minute'")
    harness.venue.balances["BTC"] -= Decimal("0.4")
    for venue in others:
        venue.gate = anyio.Event()
        venue.asked_for.clear()
    harness.clock.advance(MINUTE)

    for times in (1, 2):
        result = await harness.reconciler.run()

        assert [len(venue.asked_for) for venue in others] == [times] * 3
        assert result.failed.keys() > {venue.name for venue in others}
        assert [str(each) for each in result.differences] == ["we hold 1 BTC, scripted says 0.6"]

    for venue in others:
        assert venue.gate is not None
        venue.gate.set()
    result = await harness.reconciler.run()
    assert result.failed == {}
    assert [each.subject for each in result.differences] == ["BTC"]


READS = ("open_orders", "account", "fills_since", "funding_since", "find_order")


@pytest.mark.parametrize("read", READS)
async def test_venues_are_asked_side_by_side(
    database: Database, monkeypatch: pytest.MonkeyPatch, read: str
) -> None:
    """M2.3: each answers only once all of them have been asked."""
    monkeypatch.setattr("tradebotd.trading.reconciliation.venue_round.ASK_SECONDS", LONG_ENOUGH)
    harness, others = await opened(database)
    await harness.reconciler.run()
    for number, venue in enumerate(others):
        if read == "find_order":
            await lost(harness, venue, f"b{number}")
        else:
            await harness.enter(f"b{number}")
    for venue in others:
        venue.positions = {symbol: held / 2 for symbol, held in venue.positions.items()}
    waiting, all_asked = set[VenueName](), anyio.Event()

    def waits(venue: ScriptedVenue) -> Callable[[str], Awaitable[None]]:
        real = venue._read

        async def wait(what: str) -> None:
            if what == read:
                waiting.add(venue.name)
                if len(waiting) == len(others):
                    all_asked.set()
                await all_asked.wait()
            await real(what)

        return wait

    for venue in others:
        monkeypatch.setattr(venue, "_read", waits(venue))
    with anyio.fail_after(LONG_ENOUGH / 2):
        result = await harness.reconciler.run()

    assert waiting == {venue.name for venue in others}
    assert result.failed == {}


async def test_who_hangs_at_the_start_holds_up_its_own_entries_and_no_others(
    database: Database,
) -> None:
    """M5.6, M5.8: status says which venue waits; it takes entries once it has been compared, and
    is not shut again when it hangs later.
    """
    harness, (slow, *_) = await opened(database)
    harness.gate.close("reconcile", "not reconciled with the venue yet")
    await harness.candles(100.0, 100.0, symbol=THERE[0])
    await harness.candles(100.0, 100.0)
    harness.says(SignalKind.BUY, SignalKind.BUY)
    harness.says(SignalKind.BUY, SignalKind.BUY, bot="b0")
    slow.gate = anyio.Event()
    job = Reconcile(reconciler=harness.reconciler, gate=harness.gate)

    await job.run(harness.context())
    (why,) = harness.gate.other_reasons
    assert f"not reconciled with {slow.name} yet" in why
    await harness.run("b0")
    await harness.run()
    waiting = await harness.state("b0")
    assert waiting["status"] == f"waiting (not reconciled with {slow.name} yet)"
    assert (len(slow.submitted), len(harness.venue.submitted)) == (0, 1)

    slow.gate.set()
    await job.run(harness.context())
    assert harness.gate.other_reasons == ()
    await harness.run("b0")
    assert len(slow.submitted) == 1

    slow.gate = anyio.Event()
    await job.run(harness.context())
    assert harness.gate.closed_because(slow.name) is None


class Watch:
    """The event loop's time, as far as whoever is impatient sees it."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


async def test_many_orders_in_doubt_leave_a_slow_venue_time_to_prove_them_absent(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """M5.2, M5.6: each answer takes nine seconds, and nine orders are in doubt: whose turn has not
    come is asked about first in the next round, all of them end, and what is held is compared.
    """
    watch = Watch()
    monkeypatch.setattr("tradebotd.trading.reconciliation.venue_round.current_time", watch)
    monkeypatch.setattr(
        "tradebotd.trading.reconciliation.order_answers.current_time", watch, raising=False
    )
    monkeypatch.setattr("tradebotd.trading.reconciliation.order_answers.AT_ONCE", 1)
    bots = [spec(f"s{number}", f"S{number}USDT") for number in range(9)]
    harness = await open_harness(database, *bots)
    await harness.reconciler.run()
    for each in bots:
        harness.venue.script.append(Behaviour.DROP_BEFORE)
        with pytest.raises(OutcomeUnknownError):
            await harness.enter(each.name)
    await harness.execute("UPDATE orders SET send_by = send_by - interval '1 minute'")
    real = harness.venue._read

    async def slowly(what: str) -> None:
        watch.seconds += 9.0
        await real(what)

    monkeypatch.setattr(harness.venue, "_read", slowly)
    rounds = []
    for _ in range(6):
        harness.clock.advance(MINUTE)
        rounds.append(await harness.reconciler.run())

    assert {row["status"] for row in await harness.orders()} == {"rejected"}
    assert rounds[-1].uncompared == set()


async def test_an_order_under_way_at_one_venue_keeps_no_order_unknown_at_another(
    database: Database,
) -> None:
    """M5.2: at each look some bot is just sending one elsewhere; what the venue has never seen and
    nothing speaks for is over all the same.
    """
    harness, (busy, *_) = await opened(database)
    await harness.reconciler.run()
    harness.venue.script.append(Behaviour.DROP_BEFORE)
    with pytest.raises(OutcomeUnknownError):
        await harness.enter()
    await harness.execute("UPDATE orders SET send_by = send_by - interval '1 minute'")

    async def look_meanwhile(_: object) -> None:
        busy.before_submit = None
        await harness.reconciler.run()

    busy.before_submit = look_meanwhile
    await harness.enter("b0")

    assert [row["status"] for row in await harness.orders()] == ["rejected", "filled"]
