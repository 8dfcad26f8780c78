"""`latency_ms` and `depth_notional` of the paper venue: what is refused, and what a price offers."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.config_text import ONE_BOT, written
from tradebotd.config.load import load_config
from tradebotd.domain.errors import ConfigError
from tradebotd.domain.ids import VenueName
from tradebotd.domain.instrument import Instrument, PositionType
from tradebotd.domain.order import OrderRequest
from tradebotd.domain.order_type import OrderType, TimeInForce
from tradebotd.domain.side import Side
from tradebotd.ports.prices import LastPrices
from tradebotd.venues.paper.depth import Depth

NOON = datetime(2022, 3, 1, 12, tzinfo=UTC)
LOT = Decimal("0.001")
TRADED = Instrument(
    symbol="BTCUSDT",
    venue=VenueName("paper"),
    base_asset="BTC",
    quote_asset="USDT",
    tick_size=Decimal("0.01"),
    lot_size=LOT,
)
quantities = st.integers(1, 10_000_000).map(lambda lots: lots * LOT)
prices = st.integers(1, 10_000_000).map(lambda ticks: ticks * Decimal("0.01"))


def request(quantity: Decimal, lasts: TimeInForce = TimeInForce.GTC) -> OrderRequest:
    return OrderRequest(
        venue=VenueName("paper"),
        symbol="BTCUSDT",
        side=Side.BUY,
        type=OrderType.MARKET,
        time_in_force=lasts,
        quantity=quantity,
        position_type=PositionType.SPOT,
    )


@given(quantities, prices, st.integers(1, 10**9).map(Decimal))
def test_an_order_is_filled_in_a_bounded_number_of_prices(
    quantity: Decimal, price: Decimal, notional: Decimal
) -> None:
    """M6.1: in whole lots, no price trades more than the depth but for one lot, the rest is left."""
    depth, left = Depth(notional), quantity
    most = max(notional / price, LOT)
    for second in range(3):
        now = LastPrices(price, price, NOON + timedelta(seconds=second))
        offered = depth.offered(request(left), price, now, TRADED)
        assert 0 < offered <= min(left, most)
        assert offered % LOT == 0
        depth.take("BTCUSDT", offered * price, now)
        left -= offered
        assert offered + LOT > most or not left
        if not left:
            break
        again = depth.offered(request(left), price, now, TRADED)
        assert again * price <= max(notional - offered * price, LOT * price)


@given(quantities, prices, st.integers(1, 10**9).map(Decimal))
def test_fill_or_kill_is_all_or_nothing(
    quantity: Decimal, price: Decimal, notional: Decimal
) -> None:
    """M6.1."""
    now = LastPrices(price, price, NOON)
    wanted = request(quantity, TimeInForce.FOK)
    assert Depth(notional).offered(wanted, price, now, TRADED) in {Decimal(0), quantity}
    assert Depth(None).offered(wanted, price, now, TRADED) == quantity


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("latency_ms = -1", "latency_ms"),
        ("latency_ms = 60001", "latency_ms"),
        ('depth_notional = "0"', "depth_notional"),
        ('depth_notional = "9.99"', "below 2 times the min_notional of BTCUSDT (5)"),
    ],
)
def test_a_market_that_cannot_be_is_refused(tmp_path: Path, key: str, words: str) -> None:
    """M6.1."""
    text = ONE_BOT.replace('kind = "paper"', f'kind = "paper"\n{key}')
    with pytest.raises(ConfigError) as caught:
        load_config(written(tmp_path, text))
    (problem,) = caught.value.problems
    assert words in problem


def test_a_market_that_can_be_is_taken(tmp_path: Path) -> None:
    """M6.1."""
    keys = 'latency_ms = 250\ndepth_notional = "10"'
    venue = load_config(
        written(tmp_path, ONE_BOT.replace('kind = "paper"', f'kind = "paper"\n{keys}'))
    )
    paper = venue.venues["paper"]
    assert (paper.latency_ms, paper.depth_notional) == (250, Decimal(10))
