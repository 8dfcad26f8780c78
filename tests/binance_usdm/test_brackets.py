"""Leverage brackets of USDT-M: how much leverage, for how much, and what margin it has to keep."""

from decimal import Decimal

import pytest

from tests.binance_usdm.scene import BTC, scene
from tests.simulators.binance.usdm.instruments import brackets
from tests.simulators.shared.faults import ALWAYS, answered
from tests.unit.binance.samples import node
from tradebotd.domain.instrument import Instrument
from tradebotd.venues.binance.payload import MalformedAnswerError
from tradebotd.venues.binance.usdm.market_data import steps_of

STEPS = brackets((20, 50_000, "0.01"), (10, 200_000, "0.025"), (2, 1_000_000, "0.1"))


async def told(*, refused: bool = False) -> Instrument:
    async with scene() as usdm:
        usdm.simulator.venue.instruments["BTCUSDT"].steps = STEPS
        if refused:
            fault = answered(503, "", path="/fapi/v1/leverageBracket", times=ALWAYS)
            usdm.server.faults.set(fault)
        return (await usdm.venue.instruments([BTC]))[BTC.symbol]


async def test_they_are_told_with_the_instrument() -> None:
    """F4: 125 is of few symbols, and of small positions."""
    instrument = await told()
    assert instrument.max_leverage == 20
    caps = {each: instrument.notional_cap(each) for each in (1, 2, 3, 10, 11, 20, 21)}
    assert caps == {
        1: 1_000_000,
        2: 1_000_000,
        3: 200_000,
        10: 200_000,
        11: 50_000,
        20: 50_000,
        21: None,
    }
    margins = [(each.floor, each.rate, each.amount) for each in instrument.brackets]
    assert margins == [(each.floor, each.maintenance, each.deducted) for each in STEPS]


async def test_what_else_is_told_does_not_wait_for_them() -> None:
    """M5.9: then what is configured stays in force."""
    instrument = await told(refused=True)
    assert (instrument.max_leverage, instrument.notional_caps) == (125, ())
    assert instrument.tick_size == Decimal("0.10")


@pytest.mark.parametrize("change", [{"notionalFloor": 5}, {"maintMarginRatio": 0.5}])
def test_brackets_that_cannot_be_so_are_not_read(change: dict[str, float]) -> None:
    """Bad input: a gap below the first one, or margins that fall."""
    rows = [each.row() for each in STEPS]
    rows[0] |= change
    with pytest.raises(MalformedAnswerError):
        steps_of(node([{"symbol": "BTCUSDT", "brackets": rows}]))
