"""Entries get no more than the venue lets new orders have, and no more cash than it holds."""

from decimal import Decimal
from typing import Any

import pytest

from tests.fakes.trading import SYMBOL, TradingHarness, open_harness, spec
from tradebotd.domain.bot import EntryKind, EntryRule, SizingKind, SizingRule
from tradebotd.domain.errors import OrderDeniedError
from tradebotd.domain.instrument import PositionType
from tradebotd.domain.side import PositionSide
from tradebotd.storage.postgres.database import Database

SHARE = SizingRule(kind=SizingKind.PERCENT_EQUITY, value=Decimal(50))


async def powered(database: Database, power: str, *specs: Any, **more: Any) -> TradingHarness:
    harness = await open_harness(database, *specs, **more)
    harness.venue.buying_power = {"USDT": Decimal(power)}
    return harness


@pytest.mark.parametrize(("power", "fits"), [("100", True), ("99.99", False)])
async def test_a_fixed_amount_beyond_the_buying_power_is_denied(
    database: Database, power: str, *, fits: bool
) -> None:
    """M4.8: 1 at 100, met exactly it is enough; free cash would have paid for it."""
    harness = await powered(database, power)
    if fits:
        await harness.enter()
        return
    with pytest.raises(OrderDeniedError) as denied:
        await harness.enter()
    assert denied.value.rule == "insufficient_buying_power"
    assert await harness.orders() == []


async def test_a_share_of_the_equity_shrinks_to_the_buying_power(database: Database) -> None:
    """M4.8: half of 1,000 would be 5."""
    harness = await powered(database, "123.45", spec(sizing=SHARE))
    report = await harness.enter()

    assert report.filled_quantity == Decimal("1.234")


async def test_a_share_is_denied_where_not_even_the_least_fits(database: Database) -> None:
    harness = await powered(database, "0.05", spec(sizing=SHARE))
    with pytest.raises(OrderDeniedError, match="insufficient_buying_power"):
        await harness.enter()


async def test_what_was_bought_since_the_answer_is_taken_off(database: Database) -> None:
    """M4.8: two entries of a second do not share what is enough for one."""
    bots = [spec("one"), spec("two", "ETHUSDT")]
    harness = await powered(database, "150", *bots, speed=1.0)
    await harness.enter("one")

    with pytest.raises(OrderDeniedError, match="insufficient_buying_power"):
        await harness.enter("two")


async def test_what_rests_and_was_acknowledged_is_counted_by_the_venue(database: Database) -> None:
    """M4.8: it is not taken off twice."""
    rests = EntryRule(kind=EntryKind.LIMIT, offset=Decimal("0.05"))
    bots = [spec("one", entry=rests), spec("two", "ETHUSDT")]
    harness = await powered(database, "200", *bots)
    await harness.enter("one")
    harness.venue.buying_power = {"USDT": Decimal(105)}

    await harness.enter("two")


async def test_margin_that_others_hold_is_no_free_cash(database: Database) -> None:
    """M4.6: more than our own positions need is somebody else's, and spent all the same."""
    futures = spec(position_type=PositionType.FUTURES, sizing=SHARE, initial_capital=Decimal(10**7))
    harness = await open_harness(database, futures)
    standing = await harness.account.standing(await harness.account.value(), harness.clock.now())
    free = standing.free[harness.venue.name, "USDT"]
    harness.venue.keeps_margins = True
    harness.venue.positions["XRPUSDT"] = Decimal(100)
    harness.venue.entries["XRPUSDT"] = Decimal(5)
    harness.venue.filters["XRPUSDT"] = harness.venue.filters[SYMBOL]

    standing = await harness.account.standing(await harness.account.value(), harness.clock.now())

    assert standing.free[harness.venue.name, "USDT"] == free - 500


async def test_what_the_venue_does_not_lend_is_not_sold_short(database: Database) -> None:
    """M4.8: no order is made of it; a long is."""
    one = spec(position_type=PositionType.FUTURES, allow_short=True)
    harness = await open_harness(database, one)
    harness.set_filters(shortable=False)
    with pytest.raises(OrderDeniedError, match="not_shortable"):
        await harness.enter(side=PositionSide.SHORT)
    await harness.enter()
