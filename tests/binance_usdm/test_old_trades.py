"""Trades of a USDT-M order that the question by its number does not reach any more."""

from datetime import timedelta
from decimal import Decimal

import pytest

from tests.binance_usdm.scene import BTC, named, order, scene
from tests.simulators.shared.faults import ALWAYS, answered
from tradebotd.domain.errors import VenueUnavailableError
from tradebotd.domain.side import Side

TRADES = "/fapi/v1/userTrades"


async def test_they_are_found_by_windows_once_it_is_no_lag_any_more() -> None:
    """F1: a question reaches seven days, but where it names the first id: or so it is said."""
    async with scene() as usdm:
        await usdm.send("tb1", order(Side.BUY, "0.01"))
        usdm.clock.advance(timedelta(days=20))
        usdm.server.faults.set(answered(200, [], path=TRADES))
        found = await usdm.venue.find_order(BTC.symbol, named("tb1"))
        assert found.report is not None
        assert [fill.quantity for fill in found.report.fills] == [Decimal("0.01")]


async def test_trades_that_lag_are_waited_for() -> None:
    """S9: a moment after the order, nothing else is asked."""
    async with scene() as usdm:
        await usdm.send("tb1", order(Side.BUY, "0.01"))
        usdm.server.faults.set(answered(200, [], path=TRADES, times=ALWAYS))
        before = usdm.requests(TRADES)
        with pytest.raises(VenueUnavailableError, match="lag"):
            await usdm.venue.find_order(BTC.symbol, named("tb1"))
        assert usdm.requests(TRADES) == before + 1
