"""What every venue says of the margin it holds and of the mode it is in: numbered, for each adapter."""

from decimal import Decimal
from typing import Any

import pytest

from tests.contract.conftest import FIRST, FUTURES, SECOND, THIRD, Case
from tradebotd.domain.order import OrderType
from tradebotd.domain.side import Side
from tradebotd.ports.venue import SymbolSetup
from tradebotd.venues.paper.venue import PaperVenue

BUY, SELL, LIMIT, STOP = Side.BUY, Side.SELL, OrderType.LIMIT, OrderType.STOP_MARKET
LENT: dict[str, Any] = {"position_type": FUTURES}


async def test_margin_is_what_positions_and_the_orders_that_open_them_hold(case: Case) -> None:
    """M4.6 (VC-84): by the symbol's set-up; what reduces holds nothing, and spot has none."""
    await case.bought("1")
    assert not (await case.venue.account()).margin_used
    await case.venue.set_up("BTCUSDT", SymbolSetup(leverage=5))
    await case.venue.submit(FIRST, case.order(BUY, "2", **LENT))
    await case.venue.submit(SECOND, case.order(SELL, "2", STOP, "95", reduce_only=True, **LENT))
    account = await case.venue.account()
    assert account.margin_used == {"USDT": Decimal(40)}

    await case.venue.cancel("BTCUSDT", SECOND)
    await case.venue.submit(THIRD, case.order(BUY, "1", LIMIT, "90", **LENT))

    assert (await case.venue.account()).margin_used == {"USDT": Decimal(58)}


@pytest.mark.parametrize("hedged", [False, True])
async def test_an_account_in_hedge_mode_says_so(case: Case, *, hedged: bool) -> None:
    """M4.6 (VC-85): and one that is not does not; a buying power is told where there is one."""
    power = {"USDT": Decimal(50)} if hedged else {}
    if isinstance(case.venue, PaperVenue):
        case.venue.drills.hedge_mode, case.venue.drills.buying_power = hedged, power
    else:
        case.venue.hedge_mode, case.venue.buying_power = hedged, power

    account = await case.venue.account()

    assert (account.hedge_mode, account.buying_power) == (hedged, power)
