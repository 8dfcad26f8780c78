"""Entries whose position the price of its own kind would end at once."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from tests.fakes.trading import SYMBOL, TradingHarness, open_harness
from tests.integration.test_trigger_prices import ASK, BID, LONG, MARK, SHORT, all_kinds, bot
from tradebotd.domain.bot import BotSpec, EntryKind, EntryRule
from tradebotd.domain.denial import DenialRule
from tradebotd.domain.errors import OrderDeniedError
from tradebotd.domain.quote import PriceKind, Spread, TriggerPrice
from tradebotd.domain.side import PositionSide
from tradebotd.storage.postgres.database import Database

BY_QUOTE, BY_MARK = TriggerPrice.BID_ASK, TriggerPrice.MARK


async def desk(
    database: Database, spec: BotSpec, spreads: dict[str, Spread] | None = None
) -> TradingHarness:
    return await open_harness(database, spec, traits=all_kinds(), spreads=spreads)


async def denied(harness: TradingHarness, side: PositionSide = LONG) -> str | None:
    """The detail of the denial; None: it was entered."""
    try:
        await harness.enter(side=side)
    except OrderDeniedError as error:
        return error.detail if error.rule is DenialRule.EXIT_MET else str(error)
    return None


@pytest.mark.parametrize(
    ("trigger", "side", "kind", "price", "told"),
    [
        (BY_QUOTE, LONG, BID, "95", "the bid price 95 has met the stop-loss at 95"),
        (BY_QUOTE, SHORT, ASK, "106", "the ask price 106 has met the stop-loss at 105"),
        (BY_MARK, LONG, MARK, "90", "the mark price 90 has met the stop-loss at 95"),
        (BY_MARK, LONG, MARK, "111", "the mark price 111 has met the take-profit at 110"),
        (BY_QUOTE, LONG, BID, "95.01", None),
        (BY_QUOTE, LONG, ASK, "200", None),
        (BY_MARK, SHORT, MARK, "91", None),
    ],
)
async def test_what_the_next_quote_would_end_is_not_entered(
    database: Database,
    trigger: TriggerPrice,
    side: PositionSide,
    kind: PriceKind,
    price: str,
    told: str | None,
) -> None:
    """M4.7: it would pay the spread and the fees, and be entered again with the next signal."""
    harness = await desk(database, bot(trigger))
    harness.tick(price, kind=kind)
    assert await denied(harness, side) == told
    assert len(harness.venue.submitted) == (told is None)


async def test_the_spread_of_a_paper_venue_counts_like_one_that_is_told(
    database: Database,
) -> None:
    """M4.7, M6.1."""
    wide = {SYMBOL: Spread(Decimal("0.11"), Decimal("0.01"))}
    harness = await desk(database, bot(BY_QUOTE), wide)
    assert await denied(harness) == "the bid price 94.5 has met the stop-loss at 95"


async def test_a_quote_that_has_stopped_coming_denies_nothing(database: Database) -> None:
    """M4.7: nor does one that is not known; the position will be said to be without guard."""
    harness = await desk(database, bot(BY_MARK))
    harness.tick("90", kind=MARK)
    harness.clock.advance(timedelta(seconds=91))
    harness.tick("100")
    assert await denied(harness) is None


async def test_a_limit_entry_is_not_judged_by_its_target_now(database: Database) -> None:
    """M4.4a: when it fills, the quote is elsewhere; a stop that is met now is met then."""
    rests = EntryRule(kind=EntryKind.LIMIT, offset=Decimal("0.2"), lifetime=timedelta(minutes=5))
    spec = replace(bot(BY_QUOTE), entry=rests)
    harness = await desk(database, spec)
    harness.tick("99", kind=BID)
    assert await denied(harness) is None
