"""Bids, asks and marks that stand where nothing is traded, and those of a session that begins."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from tests.fakes.trading import SYMBOL, TradingHarness
from tests.integration.test_exit_prices import TOMORROW, hours
from tests.integration.test_trigger_prices import (
    ASK,
    BID,
    LAST,
    LONG,
    MARK,
    SHORT,
    all_kinds,
    bot,
    ended,
    everywhere,
    holding,
)
from tradebotd.domain.quote import PriceKind, TriggerPrice
from tradebotd.domain.side import PositionSide
from tradebotd.storage.postgres.database import Database

D = Decimal
USUAL = D("0.1")
SIDES = [
    (TriggerPrice.BID_ASK, LONG, BID, ("99.9", "40", "40.1")),
    (TriggerPrice.BID_ASK, SHORT, ASK, ("100.1", "180", "180.1")),
    (TriggerPrice.MARK, LONG, MARK, ("99.9", "40", "40.1")),
]


async def at(harness: TradingHarness, instant: datetime) -> dict[str, str]:
    harness.clock.set(instant)
    return (await harness.protection.sweep(instant)).waiting


@pytest.mark.parametrize(("trigger", "side", "kind", "quotes"), SIDES)
@pytest.mark.parametrize("way", ["tick", "sweep", "venue"])
async def test_two_stub_quotes_end_nothing(
    database: Database,
    trigger: TriggerPrice,
    side: PositionSide,
    kind: PriceKind,
    quotes: tuple[str, ...],
    way: str,
) -> None:
    """M3.10: they agree with each other, and with no trade; the next true one is believed."""
    harness = await holding(database, bot(trigger), side=side, bad_tick=USUAL)
    for price in quotes:
        if way == "tick":
            await harness.stream(price, kind=kind)
        elif way == "sweep":
            harness.tick(price, kind=kind)
            await harness.protection.sweep(harness.clock.now())
        else:
            harness.venue.told_prices[SYMBOL, kind] = D(price)
            harness.tick(price, kind=kind)
            await at(harness, harness.clock.now() + timedelta(seconds=5))
    assert await ended(harness) is None
    harness.venue.told_prices.clear()
    there = "94" if side is LONG else "106"
    harness.tick("95" if side is LONG else "105")
    await harness.stream(there, kind=kind)
    reason, _ = await ended(harness) or ("", 0)
    assert reason == "stop_loss"


async def test_quotes_that_trades_follow_are_believed(database: Database) -> None:
    """M3.10: it was no stub: the second trade there says so."""
    harness = await holding(database, bot(TriggerPrice.BID_ASK), bad_tick=USUAL)
    await harness.stream("60", kind=BID)
    await harness.stream("60.1", kind=BID)
    await harness.stream("60")
    assert await ended(harness) is None
    await harness.stream("60.1")
    await harness.stream("60", kind=BID)
    assert await ended(harness) == ("stop_loss", D("60.1"))


async def test_a_last_price_that_is_old_says_nothing_of_a_quote(database: Database) -> None:
    """M3.10: then the second quote confirms the first, as ever."""
    harness = await holding(database, bot(TriggerPrice.BID_ASK), bad_tick=USUAL)
    await harness.stream("99.9", kind=BID)
    harness.clock.advance(timedelta(seconds=91))
    await harness.stream("80", kind=BID)
    assert await ended(harness) is None
    await harness.stream("80.1", kind=BID)
    assert await ended(harness) is not None


async def test_a_mark_goes_on_while_the_last_price_runs_away(database: Database) -> None:
    """M3.10, M4.7: which is what a mark is for."""
    harness = await holding(database, bot(), side=SHORT, bad_tick=USUAL)
    for price in ("109", "118", "118"):
        await harness.stream(price)
    for price in ("102", "105"):
        await harness.stream(price, kind=MARK)
    assert await ended(harness) == ("stop_loss", D(118))


@pytest.mark.parametrize("way", ["tick", "sweep"])
async def test_a_bid_that_looks_like_a_split_pauses_nothing_and_ends_nothing(
    database: Database, way: str
) -> None:
    """M5.9: only a trade says whether it is one."""
    harness = await holding(database, bot(TriggerPrice.BID_ASK), calendar=hours())
    await harness.stream("100")
    harness.clock.set(TOMORROW)
    harness.tick("50", kind=BID)
    if way == "tick":
        await harness.stream("50", kind=BID)
    waiting = (await harness.protection.sweep(TOMORROW)).waiting
    assert "has not traded yet" in str(waiting)
    assert await ended(harness) is None
    assert await harness.open_alerts() == []

    await harness.stream("99")
    await harness.stream("98", kind=BID)
    assert await ended(harness) is None
    await harness.stream("95", kind=BID)
    assert await ended(harness) == ("stop_loss", D(99))


async def test_a_quote_is_early_at_the_open_before_it_is_silent(database: Database) -> None:
    """M5.9, M8: no false `position_unprotected` each morning; a true one after a while."""
    of_venue = all_kinds(quotes_echo=True)
    harness = await holding(database, bot(TriggerPrice.BID_ASK), traits=of_venue, calendar=hours())
    harness.clock.set(datetime(2022, 3, 1, 16, 59, tzinfo=UTC))
    everywhere(harness, "100")
    harness.clock.set(TOMORROW)
    harness.tick("100", kind=LAST)
    for seconds in (0, 60):
        waiting = await at(harness, TOMORROW + timedelta(seconds=seconds))
        assert "no price yet" in str(waiting)
        assert await harness.open_alerts() == []
    await at(harness, TOMORROW + timedelta(seconds=95))
    assert await harness.open_alerts() == ["position_unprotected"]


@pytest.mark.parametrize("echo", [True, False])
async def test_a_quote_that_stays_where_nothing_is_traded_guards_nothing_and_it_is_said(
    database: Database, *, echo: bool
) -> None:
    """M8: the position would be watched by nothing, without a word."""
    of_venue = all_kinds(quotes_echo=echo)
    harness = await holding(database, bot(TriggerPrice.BID_ASK), traits=of_venue, bad_tick=USUAL)
    await harness.stream("99.9", kind=BID)
    told: list[list[str]] = []
    for _ in range(4):
        harness.clock.advance(timedelta(seconds=40))
        harness.tick("100")
        harness.tick("40", kind=BID)
        await harness.protection.sweep(harness.clock.now())
        told.append(await harness.open_alerts())
    assert told == [[], [], [], ["position_unprotected"]]
    assert await ended(harness) is None
    for price in ("99.8", "40"):  # a new doubt begins anew
        harness.tick(price, kind=BID)
        await harness.protection.sweep(harness.clock.now())
        assert await harness.open_alerts() == []
