"""M4.7: exits are compared with the price that the bot names, and with no other."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.fakes.resting import move, restart, stops, sweep, traits
from tests.fakes.trading import (
    MINUTE,
    SYMBOL,
    TradingHarness,
    open_harness,
    spec,
)
from tradebotd.domain.bot import BotSpec
from tradebotd.domain.candle import Tick
from tradebotd.domain.errors import RefusedError
from tradebotd.domain.exit_plan import BreakEven, ExitPlan
from tradebotd.domain.instrument import PositionType
from tradebotd.domain.position import Position
from tradebotd.domain.quote import PriceKind, Spread, TriggerPrice
from tradebotd.domain.side import PositionSide
from tradebotd.ports.venue import Replacement, VenueTraits
from tradebotd.storage.postgres.database import Database
from tradebotd.trading.exits.exit_changes import Level, parse_trigger_price
from tradebotd.venues.paper.fill_model import PaperTerms

D = Decimal
LAST, MARK, BID, ASK = PriceKind.LAST, PriceKind.MARK, PriceKind.BID, PriceKind.ASK
LONG, SHORT = PositionSide.LONG, PositionSide.SHORT
STOP = ExitPlan(stop_loss=D("0.05"), take_profit=D("0.1"))
ALL = frozenset(PriceKind)


def bot(
    trigger: TriggerPrice = TriggerPrice.MARK, plan: ExitPlan = STOP, **changes: Any
) -> BotSpec:
    defaults: dict[str, Any] = {
        "exits": replace(plan, trigger_price=trigger),
        "position_type": PositionType.FUTURES,
        "allow_short": True,
    }
    return spec(**(defaults | changes))


def all_kinds(**changes: Any) -> VenueTraits:
    told: dict[str, Any] = {"price_kinds": ALL, "stop_prices": ALL, "resting_stops": False}
    return replace(traits(Replacement.OVERLAP), **(told | changes))


async def holding(
    database: Database, *specs: BotSpec, side: PositionSide = LONG, **changes: Any
) -> TradingHarness:
    """A position of 1, entered at 100, with a price of each kind at 100."""
    changes = {"traits": all_kinds(), **changes}
    harness = await open_harness(database, *(specs or (bot(),)), **changes)
    everywhere(harness, "100")
    await harness.enter(side=side)
    return harness


def everywhere(harness: TradingHarness, price: str) -> None:
    for kind in PriceKind:
        harness.tick(price, kind=kind)


async def ended(harness: TradingHarness) -> tuple[str, D] | None:
    """Why, and at which price it was sold or bought."""
    row = await harness.position()
    return None if row["closed_at"] is None else (row["close_reason"], row["exit_price"])


def only(harness: TradingHarness) -> Position:
    (position,) = harness.protection.held.values()
    return position


async def test_a_long_is_stopped_by_the_mark_while_the_last_price_is_above(
    database: Database,
) -> None:
    """M4.7: it is sold at what it trades at, and the last price alone ends nothing."""
    harness = await holding(database)
    await harness.stream("90")
    assert await ended(harness) is None

    await harness.stream("97")
    await harness.stream("95", kind=MARK)
    assert await ended(harness) == ("stop_loss", D(97))


@pytest.mark.parametrize(
    ("side", "kind", "other", "price"), [(SHORT, ASK, BID, "105"), (LONG, BID, ASK, "95")]
)
async def test_a_position_ends_at_the_quote_it_could_be_closed_at(
    database: Database, side: PositionSide, kind: PriceKind, other: PriceKind, price: str
) -> None:
    """M4.7: a short by the ask, a long by the bid; neither by the other side's quote."""
    harness = await holding(database, bot(TriggerPrice.BID_ASK), side=side)
    await harness.stream(price, kind=other)
    await harness.stream(price, kind=MARK)
    assert await ended(harness) is None
    await harness.stream(price, kind=kind)
    assert await ended(harness) == ("stop_loss", D(100))


async def test_a_position_without_a_kind_is_ended_by_the_last_price_as_ever(
    database: Database,
) -> None:
    """M4.7: plans stored before there was a choice."""
    harness = await holding(database, bot(TriggerPrice.LAST))
    stored = (await harness.position())["exits"]
    assert "trigger_price" not in str(stored)
    await harness.stream("90", kind=MARK)
    assert await ended(harness) is None
    await harness.stream("95")
    assert await ended(harness) == ("stop_loss", D(95))


@pytest.mark.parametrize("by", ["tick", "sweep"])
async def test_stops_are_moved_by_the_mark_alone(database: Database, by: str) -> None:
    """M4.7, M4.6: trailing and break even, by each tick and by the sweep."""
    plan = ExitPlan(stop_loss=D("0.05"), trailing_stop=D("0.1"), break_even=BreakEven(at=D("0.04")))
    harness = await holding(database, bot(plan=plan))
    for kind, price in ((LAST, "130"), (BID, "130"), (MARK, "110")):
        if by == "tick":
            await harness.stream(price, kind=kind)
        else:
            harness.tick(price, kind=kind)
    await sweep(harness, 2)  # the second one stores what the first has moved
    row = await harness.position()
    assert (row["best_price"], row["trailing_stop"], row["stop_loss"]) == (110, 99, 100)
    await harness.stream("99.99", kind=MARK)
    assert await ended(harness) == ("stop_loss", D(130))


@pytest.mark.parametrize("trigger", [TriggerPrice.MARK, TriggerPrice.BID_ASK])
async def test_a_restart_keeps_the_kind_whatever_the_bot_says_now(
    database: Database, trigger: TriggerPrice
) -> None:
    """M4.7, M5.4: exits are stored with their position."""
    harness = await holding(database, bot(trigger))
    after = await restart(harness, bot(TriggerPrice.LAST))
    await after.protection.load(after.clock.now())
    kind = trigger.kind(LONG)
    assert only(after).trigger_kind is kind
    everywhere(after, "100")
    await after.stream("90")
    assert await ended(after) is None
    await after.stream("94", kind=kind)
    assert await ended(after) == ("stop_loss", D(90))


async def test_candles_move_no_stop_that_another_price_moves(database: Database) -> None:
    """M4.6: at a restart; they are of last prices."""
    plan = ExitPlan(trailing_stop=D("0.1"))
    harness = await holding(database, bot(plan=plan))
    for close in (120.0, 120.0):
        await harness.minute(close)
    after = await restart(harness)
    await after.protection.load(after.clock.now())
    assert only(after).trailing_stop == 90


async def test_the_sweep_asks_for_the_price_that_is_old_and_acts_on_that_kind(
    database: Database,
) -> None:
    """M4.5, M4.7: the last price is fresh, the mark is not."""
    harness = await holding(database)
    harness.clock.advance(timedelta(seconds=91))
    harness.tick("90")
    harness.venue.told_prices[SYMBOL, MARK] = D(96)
    swept = await harness.protection.sweep(harness.clock.now())
    assert (swept.failed, await ended(harness)) == ({}, None)

    harness.venue.told_prices[SYMBOL, MARK] = D(95)
    await harness.protection.sweep(harness.clock.now())
    assert await ended(harness) == ("stop_loss", D(90))


async def test_two_kinds_of_one_symbol_are_asked_for_in_one_call(database: Database) -> None:
    """N12."""
    harness = await holding(database, bot(), bot(TriggerPrice.LAST, name="two"))
    await harness.enter("two")
    harness.venue.quote_calls.clear()
    harness.clock.advance(timedelta(seconds=91))
    harness.venue.told_prices |= {(SYMBOL, MARK): D(94), (SYMBOL, LAST): D(99)}
    await harness.protection.sweep(harness.clock.now())
    assert harness.venue.quote_calls == [{SYMBOL}]
    (left,) = harness.protection.held.values()
    assert left.bot == "two"


@pytest.mark.parametrize("echoes", [False, True])
async def test_a_mark_that_stops_coming_guards_nothing_and_is_told(
    database: Database, *, echoes: bool
) -> None:
    """M3.10: an old price is never acted on, and no other kind stands in for it."""
    of_venue = all_kinds(price_kinds=ALL if echoes else frozenset({LAST}), quotes_echo=echoes)
    harness = await holding(database, traits=of_venue)
    harness.tick("94", kind=MARK)
    harness.clock.advance(timedelta(seconds=91))
    harness.tick("90")
    swept = await harness.protection.sweep(harness.clock.now())

    assert await ended(harness) is None
    assert "BTCUSDT has no fresh mark price" in swept.failed.values()
    assert await harness.open_alerts() == ["position_unprotected"]
    assert harness.protection.protected_by(only(harness).id) == "none"
    assert await harness.protection.missed_exits(harness.clock.now()) == []

    await harness.stream("96", kind=MARK)
    await sweep(harness)
    assert await harness.open_alerts() == []
    assert harness.protection.protected_by(only(harness).id) == "daemon"


async def test_a_position_whose_time_is_over_needs_no_mark(database: Database) -> None:
    """M4.6."""
    plan = ExitPlan(stop_loss=D("0.05"), max_holding=timedelta(minutes=1))
    of_venue = all_kinds(quotes_echo=True)
    harness = await holding(database, bot(plan=plan), traits=of_venue)
    harness.clock.advance(timedelta(seconds=91))
    harness.tick("99")
    await harness.protection.sweep(harness.clock.now())
    assert await ended(harness) == ("max_holding", D(99))


async def test_one_bad_mark_ends_nothing_until_another_confirms_it(database: Database) -> None:
    """M3.10: each kind is compared with itself."""
    harness = await holding(database, bad_tick=D("0.1"))
    await harness.stream("80", kind=MARK)
    await harness.stream("80")
    assert await ended(harness) is None
    await harness.stream("81", kind=MARK)
    assert await ended(harness) == ("stop_loss", D(80))


async def test_what_is_missed_is_told_by_the_kind(database: Database) -> None:
    """M4.5: the outcome of `stop_loss_check`."""
    harness = await holding(database)
    harness.tick("90")
    assert await harness.protection.missed_exits(harness.clock.now()) == []
    harness.tick("95", kind=MARK)
    missed = await harness.protection.missed_exits(harness.clock.now())
    assert [(position.bot, position.symbol) for position in missed] == [("one", SYMBOL)]


class TestRestingStops:
    """M5.4: what rests at the venue is compared with the same price, where the venue can."""

    async def test_the_mark_ends_it_at_the_venue(self, database: Database) -> None:
        harness = await holding(database, traits=all_kinds(resting_stops=True))
        await harness.protection.run_once()
        (rests,) = harness.venue.resting.values()
        assert (rests.stop_price, rests.working_price) == (D(95), MARK)
        assert harness.protection.resting_kind(only(harness).id) is MARK
        await harness.venue.move(SYMBOL, "90")
        assert stops(harness) == [(D(95), D(1))]

    async def test_the_daemon_guards_by_the_mark_what_can_only_rest_by_the_last_price(
        self, database: Database
    ) -> None:
        of_venue = all_kinds(resting_stops=True, stop_prices=frozenset({LAST}))
        harness = await holding(database, traits=of_venue, speed=1.0)
        await harness.protection.run_once()
        (rests,) = harness.venue.resting.values()
        assert rests.working_price is LAST
        assert harness.protection.resting_kind(only(harness).id) is LAST
        # Nothing is left to the stop that rests: the price that has met ours is not its own.
        await move(harness, "99")
        await harness.stream("95", kind=MARK)
        assert await ended(harness) == ("stop_loss", D(99))

    async def test_a_stop_refused_by_the_last_price_ends_nothing_that_the_mark_holds(
        self, database: Database
    ) -> None:
        of_venue = all_kinds(resting_stops=True, stop_prices=frozenset({LAST}))
        harness = await holding(database, traits=of_venue)
        harness.tick("94")
        await harness.protection.run_once()
        await sweep(harness)
        assert await ended(harness) is None
        assert "resting_stop_lost" in await harness.open_alerts()
        await harness.stream("95", kind=MARK)
        assert await ended(harness) == ("stop_loss", D(94))

    async def test_a_stop_refused_by_the_mark_ends_the_position(self, database: Database) -> None:
        harness = await holding(database, traits=all_kinds(resting_stops=True))
        harness.tick("94", kind=MARK)
        await harness.protection.run_once()
        await sweep(harness)
        assert await ended(harness) == ("stop_loss", D(100))


async def test_an_operator_moves_a_position_to_another_price(database: Database) -> None:
    """M4.7: its levels stay, what rests for it follows, and the new price acts at once."""
    harness = await holding(database, bot(TriggerPrice.LAST), traits=all_kinds(resting_stops=True))
    await harness.protection.run_once()
    await harness.exit_changes.set(only(harness).id, trigger_price=parse_trigger_price("mark"))
    assert only(harness).trigger_kind is MARK
    assert (await harness.position())["stop_loss"] == 95
    await sweep(harness, 2)
    assert [each.working_price for each in harness.venue.resting.values()] == [MARK]

    await harness.stream("90")
    assert await ended(harness) is None
    await harness.stream("94", kind=MARK)
    harness.clock.advance(timedelta(seconds=3))
    await harness.stream("94", kind=MARK)
    assert await ended(harness) == ("stop_loss", D(90))


@pytest.mark.parametrize(
    ("mark", "wish", "code"),
    [
        ("94", "mark", "already_met"),
        (None, "mark", "no_price"),
        ("100", "median", "bad_trigger_price"),
    ],
)
async def test_a_price_that_would_end_it_or_is_not_there_is_refused(
    database: Database, mark: str | None, wish: str, code: str
) -> None:
    """M4.7, N25."""
    harness = await open_harness(database, bot(TriggerPrice.LAST), traits=all_kinds())
    await harness.enter()
    if mark is not None:
        harness.tick(mark, kind=MARK)
    with pytest.raises(RefusedError) as refused:
        await harness.exit_changes.set(
            only(harness).id, trigger_price=parse_trigger_price(wish), stop_loss=Level(price=D(95))
        )
    assert refused.value.code == code
    assert only(harness).trigger_kind is LAST


async def test_at_a_paper_venue_bid_and_ask_stand_around_the_last_price(
    database: Database,
) -> None:
    """M4.7, M6.1: by its own spread; the stop that rests there is met by the same bid."""
    terms = PaperTerms(starting_cash={"USDT": D(1_000_000)}, spread_bps=D(200), slippage_bps=D(0))
    harness = await open_harness(
        database,
        bot(TriggerPrice.BID_ASK, position_type=PositionType.SPOT, allow_short=False),
        paper=terms,
        spreads={SYMBOL: Spread(D("0.02"), D("0.01"))},
    )
    await harness.enter()
    assert only(harness).entry_price == 101
    assert only(harness).stop_loss == D("95.95")
    harness.clock.advance(MINUTE)

    async def path(price: str) -> None:
        harness.clock.advance(timedelta(seconds=20))
        tick = Tick(harness.clock.now(), SYMBOL, D(price))
        for acting in (harness.protection.on_tick(tick), harness.paper.on_tick(tick)):
            if acting is not None:
                await acting

    await path("96.93")
    assert await ended(harness) is None
    assert harness.prices.price(SYMBOL, BID) == D("95.96")
    await path("96")
    assert await ended(harness) == ("stop_loss", D("95.95"))
