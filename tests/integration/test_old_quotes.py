"""Quotes of venues that tell of when their prices are: a thin share's last trade is minutes old."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from tests.fakes.instruments import alert
from tests.fakes.resting import sweep
from tests.fakes.trading import SYMBOL, open_harness, spec
from tests.fakes.venue import AUTHORITATIVE
from tests.integration.test_entry_prices import (
    HOUR,
    WAITS,
    WORTH_103,
    closed,
    nothing_was_done,
    status,
)
from tests.integration.test_lunch import HALF_PAST, LUNCH_ENDS, lunch_from
from tests.integration.test_overtaken_prices import STOP, told
from tradebotd.domain.instrument import MarketSymbol
from tradebotd.domain.quote import PriceKind, Quote, TriggerPrice
from tradebotd.domain.signal import SignalKind
from tradebotd.domain.timeframe import Timeframe
from tradebotd.storage.postgres.database import Database
from tradebotd.trading.entries.entry_prices import EntryPrices
from tradebotd.trading.prices.fresh_prices import EARLY, FRESH

MINUTE = timedelta(minutes=1)


async def test_a_trade_of_before_the_entry_ends_nothing(database: Database) -> None:
    """M4.7, M3.10: it is told now, and was traded before the fill that made the levels."""
    harness = await told(database, "100", spec(exits=STOP))
    harness.venue.prices_of = harness.clock.now()
    harness.clock.advance(MINUTE)
    await harness.enter()
    harness.venue.told_prices[SYMBOL, PriceKind.LAST] = Decimal(94)
    harness.clock.advance(FRESH)
    await sweep(harness)
    assert (await harness.position())["closed_at"] is None

    harness.venue.prices_of = harness.clock.now()
    await sweep(harness)
    assert (await harness.position())["close_reason"] == "stop_loss"


async def test_an_old_trade_of_after_the_entry_ends_it(database: Database) -> None:
    """M4.7: nothing has been traded since, so it is the last price all the same."""
    harness = await told(database, "100", spec(exits=STOP))
    await harness.enter()
    harness.clock.advance(MINUTE)
    harness.venue.prices_of = harness.clock.now()
    harness.venue.told_prices[SYMBOL, PriceKind.LAST] = Decimal(94)
    harness.clock.advance(4 * MINUTE)
    await sweep(harness)
    assert (await harness.position())["close_reason"] == "stop_loss"


async def test_a_trade_of_before_the_lunch_ends_nothing_after_it(database: Database) -> None:
    """M3.10: what was traded then can no longer be had."""
    harness = await open_harness(database, spec(exits=STOP), calendar=lunch_from(HALF_PAST))
    await harness.enter()
    await harness.stream("100")
    harness.clock.set(HALF_PAST - MINUTE)
    harness.venue.prices_of = harness.clock.now()
    harness.venue.told_prices[SYMBOL, PriceKind.LAST] = Decimal(94)
    harness.clock.set(LUNCH_ENDS + MINUTE)
    result = await harness.protection.sweep(harness.clock.now())
    assert list(result.waiting.values()) == [EARLY]

    harness.venue.prices_of = harness.clock.now()
    await sweep(harness)
    assert (await harness.position())["close_reason"] == "stop_loss"


@pytest.mark.parametrize(
    ("trigger", "kind"), [("mark", PriceKind.MARK), ("bid_ask", PriceKind.BID)]
)
async def test_a_mark_or_a_bid_that_has_stopped_coming_ends_nothing(
    database: Database, trigger: str, kind: PriceKind
) -> None:
    """M3.10: no such price is as old as that and still so; nothing guards the position, it says."""
    plan = replace(STOP, trigger_price=TriggerPrice(trigger))
    traits = replace(AUTHORITATIVE, price_kinds=frozenset(PriceKind))
    harness = await open_harness(database, spec(exits=plan), traits=traits)
    await harness.enter()
    harness.venue.told_prices[SYMBOL, kind] = Decimal(94)
    harness.venue.prices_of = harness.clock.now()
    harness.clock.advance(FRESH + MINUTE)
    harness.tick("94.5")
    await sweep(harness)
    assert (await harness.position())["closed_at"] is None
    said = (await alert(harness, "position_unprotected"))["message"]
    assert said.endswith(f"{SYMBOL} has no fresh {kind} price")

    harness.venue.prices_of = harness.clock.now()
    harness.tick("94.5")
    await sweep(harness)
    assert (await harness.position())["close_reason"] == "stop_loss"


async def test_an_entry_is_not_sized_by_an_old_trade(database: Database) -> None:
    """M3.10: the venue has told it just now."""
    harness = await open_harness(database, spec(timeframe=Timeframe.H1, sizing=WORTH_103))
    await closed(harness, Timeframe.H1, 1)
    harness.clock.advance(HOUR)
    harness.venue.prices_of = harness.clock.now() - 4 * MINUTE
    harness.says(SignalKind.BUY, SignalKind.BUY)
    assert await status(harness) == WAITS
    await nothing_was_done(harness)

    harness.venue.prices_of = harness.clock.now()
    assert await status(harness) == "running"
    assert len(harness.venue.submitted) == 1


async def test_a_price_is_no_newer_than_the_question(database: Database) -> None:
    """M3.10: the venue may have taken seconds to answer; what it tells no time of is of before."""
    harness = await open_harness(database)
    harness.clock.advance(HOUR)
    quotes, asked_at = harness.venue.quotes, harness.clock.now()

    async def slow(symbols: Sequence[MarketSymbol]) -> dict[str, Quote]:
        harness.clock.advance(timedelta(seconds=9))
        return await quotes(symbols)

    harness.venue.quotes = slow  # type: ignore[method-assign]
    prices = EntryPrices(prices=harness.prices, venues=harness.venues, clock=harness.clock)
    quote = await prices.quote(harness.symbols[SYMBOL])
    assert quote is not None
    assert quote.at == asked_at
