"""Nothing is bought that could not be sold again; what cannot be sold any more is dust."""

from dataclasses import replace
from decimal import Decimal

import pytest

from tests.fakes.trading import open_desk, spec
from tradebotd.domain.bot import SizingKind, SizingRule
from tradebotd.domain.errors import OrderDeniedError
from tradebotd.domain.exits import ExitPlan
from tradebotd.storage.database import Database
from tradebotd.venues.paper.matching import PaperTerms


def fixed(quantity: str) -> SizingRule:
    return SizingRule(kind=SizingKind.FIXED_QUANTITY, value=Decimal(quantity))


async def test_what_could_not_be_sold_at_its_stop_is_not_bought(database: Database) -> None:
    """M4.6: 10.00 is the minimum, and 9.50 is what it would be worth at the stop."""
    exits = ExitPlan(stop_loss=Decimal("0.05"))
    desk = await open_desk(database, spec(exits=exits, sizing=fixed("0.1")))
    desk.set_filters(min_notional=Decimal(10))
    with pytest.raises(OrderDeniedError, match="could be sold again at 95"):
        await desk.enter()

    assert desk.venue.submitted == []


@pytest.mark.parametrize("where", ["scripted", "paper"])
async def test_a_lot_that_the_fee_makes_less_of_is_not_bought(
    database: Database, where: str
) -> None:
    """M4.6: 0.000999 of a lot of 0.001 could be sold nowhere."""
    fee = Decimal("0.001")
    terms = PaperTerms(starting_cash={"USDT": Decimal(1000)}, taker=fee, fee_in_base=True)
    desk = await open_desk(
        database, spec(sizing=fixed("0.001")), paper=terms if where == "paper" else None
    )
    desk.venue.traits = replace(desk.venue.traits, base_fee=fee)
    with pytest.raises(OrderDeniedError, match="could be sold again"):
        await desk.enter()

    assert await desk.orders() == []
