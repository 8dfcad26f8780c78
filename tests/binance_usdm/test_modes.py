"""Modes of a USDT-M account that somebody changes while the daemon runs."""

import pytest

from tests.binance_usdm.scene import BTC, order, scene
from tradebotd.domain.side import Side
from tradebotd.ports.venue import SymbolSetup


@pytest.mark.parametrize("wrong", [False, True])
async def test_multi_assets_mode_is_told_with_the_account(*, wrong: bool) -> None:
    """F13: what was refused at the start is no less wrong later."""
    async with scene() as usdm:
        usdm.account.multi_assets = wrong
        told = (await usdm.venue.account()).wrong_modes
        assert ["multi-assets" in each for each in told] == [True] * wrong


@pytest.mark.parametrize("isolated", [True, False])
async def test_a_position_with_crossed_margin_is_told_by_its_symbol(*, isolated: bool) -> None:
    """F13: it was isolated when the symbol was set up."""
    async with scene() as usdm:
        await usdm.venue.set_up(BTC.symbol, SymbolSetup(leverage=2))
        if not isolated:
            usdm.account.isolated.clear()
        await usdm.send("tb1", order(Side.BUY, "0.01"))
        told = (await usdm.venue.account()).wrong_modes
        assert [each.split()[0] for each in told] == ([] if isolated else [BTC.symbol])
