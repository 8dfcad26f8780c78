"""What is less than a lot at the end of a position: it has been paid for, and is sold later."""

from decimal import Decimal

import pytest

from tests.fakes.trading import BOT, MINUTE, Desk, open_desk, spec
from tradebotd.domain.bot import SizingKind, SizingRule
from tradebotd.domain.position import CloseReason
from tradebotd.storage.database import Database

TENTH = SizingRule(kind=SizingKind.FIXED_QUANTITY, value=Decimal("0.010"))


@pytest.fixture
async def desk(database: Database) -> Desk:
    """A tenth of a percent of what is bought goes for its fee: a whole number of lots never stays."""
    desk = await open_desk(database, spec(sizing=TENTH))
    desk.venue.fee_in_base, desk.venue.fee = True, Decimal("0.001")
    return desk


async def round_trip(desk: Desk, minute: int = 0, *, into: str = "100") -> None:
    desk.tick("100")
    await desk.enter(minute=minute)
    (held,) = desk.protection.held.values()
    desk.tick(into)
    await desk.protection.close_by_hand(held, CloseReason.SIGNAL)
    desk.clock.advance(MINUTE)
    desk.tick("100")


async def test_dust_is_a_loss_of_what_it_cost(desk: Desk) -> None:
    """M4.6, M5.4: 0.00999 is held, 0.009 is sold; 0.00099 is left that cost 0.099 at 100."""
    before = desk.venue.balances["USDT"]

    await round_trip(desk, into="110")

    closed = await desk.position()
    change = desk.venue.balances["USDT"] - before
    assert closed["dust"] == Decimal("0.00099")
    assert closed["realized_pnl"] == change
    assert (await desk.state())["daily_pnl"] == change
    assert (await desk.account.worth()).bots[BOT].equity == 1000 + change


async def test_what_dust_cost_is_told_apart(desk: Desk) -> None:
    """M4.6: the trade names it, so that its loss is not taken for the strategy's."""
    await round_trip(desk, into="110")

    trade = await desk.row("SELECT * FROM trades")
    assert (trade["dust"], trade["dust_cost"]) == (Decimal("0.00099"), Decimal("0.099"))
