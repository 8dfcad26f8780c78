"""Order types of a venue, as a configuration limits them and as exits choose among them."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from tests.fakes.trading import market_symbol
from tests.unit.config_text import ONE_BOT, written
from tradebotd.config.load import load_config
from tradebotd.domain.errors import ConfigError, OrderDeniedError
from tradebotd.domain.filters import PercentPrice
from tradebotd.domain.instrument import Instrument
from tradebotd.domain.order_type import OrderType, TimeInForce
from tradebotd.domain.side import Side
from tradebotd.market.sessions import AlwaysOpen
from tradebotd.ports.venue import VenueTraits
from tradebotd.risk.resting_types import stop_limit_price, taken_limit_price
from tradebotd.trading.exits.resting_capability import end_of, resting_types

T = OrderType
OFFSET = Decimal("0.005")


def instrument(**filters: object) -> Instrument:
    known = market_symbol("BTCUSDT").instrument
    return Instrument(
        symbol=known.symbol,
        venue=known.venue,
        base_asset=known.base_asset,
        quote_asset=known.quote_asset,
        tick_size=known.tick_size,
        lot_size=known.lot_size,
        **filters,  # type: ignore[arg-type]
    )


def test_a_limit_entry_is_refused_where_no_limit_is_taken(tmp_path: Path) -> None:
    """M3.4."""
    text = ONE_BOT.replace('kind = "paper"', 'kind = "paper"\norder_types = ["stop_market"]')
    load_config(written(tmp_path, text))
    with pytest.raises(ConfigError) as caught:
        load_config(written(tmp_path, text + 'entry = "limit"\n'))
    (problem,) = caught.value.problems
    assert "bots[0]" in problem
    assert "is none of the order types that 'paper' takes" in problem


@pytest.mark.parametrize("value", ["100%", "-1%"])
def test_an_offset_that_leaves_no_price_is_refused(value: str, tmp_path: Path) -> None:
    text = ONE_BOT.replace('kind = "paper"', f'kind = "paper"\nstop_limit_offset = "{value}"')
    with pytest.raises(ConfigError):
        load_config(written(tmp_path, text))


@pytest.mark.parametrize(
    ("venue", "symbol", "stop", "target"),
    [
        (set(T), None, T.STOP_MARKET, T.TAKE_PROFIT_MARKET),
        ({T.LIMIT, T.STOP_LIMIT, T.STOP_MARKET}, None, T.STOP_MARKET, T.LIMIT),
        (set(T), {T.LIMIT, T.STOP_LIMIT, T.TAKE_PROFIT_LIMIT}, T.STOP_LIMIT, T.TAKE_PROFIT_LIMIT),
        ({T.STOP_MARKET}, {T.STOP_LIMIT}, None, None),
        ({T.LIMIT, T.TAKE_PROFIT_MARKET}, None, None, None),
    ],
)
def test_what_venue_and_symbol_both_take_is_chosen(
    venue: set[OrderType],
    symbol: set[OrderType] | None,
    stop: OrderType | None,
    target: OrderType | None,
) -> None:
    """M5.7: no target rests where no stop can."""
    traits = VenueTraits(linked_orders=True, order_types=frozenset(venue))
    of_symbol = None if symbol is None else frozenset(symbol)
    types = resting_types(traits, instrument(order_types=of_symbol))
    assert (types.stop, types.target) == (stop, target)
    alone = VenueTraits(order_types=frozenset(venue))
    assert resting_types(alone, instrument(order_types=of_symbol)).target is None


def test_both_of_a_pair_last_as_the_stop_does() -> None:
    """M5.7: where the venue takes that."""
    day, gtc = TimeInForce.DAY, TimeInForce.GTC
    types = frozenset({T.STOP_MARKET, T.LIMIT})
    traits = VenueTraits(
        linked_orders=True,
        order_types=types,
        times_in_force={T.STOP_MARKET: (day,), T.LIMIT: (gtc, day)},
    )
    found = resting_types(traits, instrument())
    assert (found.stop_lasts, found.target_lasts) == (day, day)
    assert traits.time_in_force(T.LIMIT) is gtc
    assert traits.time_in_force(T.LIMIT, TimeInForce.FOK) is gtc
    assert traits.time_in_force(T.MARKET) is TimeInForce.IOC
    assert traits.time_in_force(T.MARKET, day) is day


@pytest.mark.parametrize(
    ("side", "stop", "limit"), [(Side.SELL, "95.01", "94.53"), (Side.BUY, "95.01", "95.49")]
)
def test_the_limit_lies_beyond_the_stop_on_a_tick(side: Side, stop: str, limit: str) -> None:
    assert stop_limit_price(side, Decimal(stop), OFFSET, instrument()) == Decimal(limit)


def test_the_limit_is_a_price() -> None:
    """A tick at least, whatever the offset takes away."""
    assert stop_limit_price(Side.SELL, Decimal("0.01"), OFFSET, instrument()) == Decimal("0.01")


@pytest.mark.parametrize("side", Side)
def test_filters_bring_the_limit_nearer_to_its_stop_and_never_to_the_other_side(side: Side) -> None:
    """M6.1."""
    percent = PercentPrice(
        buy_below=Decimal("0.9"),
        buy_above=Decimal("1.003"),
        sell_below=Decimal("0.997"),
        sell_above=Decimal("1.1"),
    )
    found = taken_limit_price(
        side, Decimal(100), OFFSET, instrument(percent_price=percent), Decimal(100)
    )
    assert found == Decimal("99.7" if side is Side.SELL else "100.3")
    without = taken_limit_price(side, Decimal(100), OFFSET, instrument(percent_price=percent), None)
    assert without == Decimal("99.5" if side is Side.SELL else "100.5")
    far = Decimal("99.6" if side is Side.SELL else "100.4")
    with pytest.raises(OrderDeniedError, match="beyond"):
        taken_limit_price(side, far, OFFSET, instrument(percent_price=percent), Decimal(100))
    bounded = instrument(min_price=Decimal("99.805"), max_price=Decimal("100.195"))
    assert taken_limit_price(side, Decimal(100), OFFSET, bounded, None) == Decimal(
        "99.81" if side is Side.SELL else "100.19"
    )


def test_an_order_without_a_day_has_no_end() -> None:
    at = datetime(2022, 3, 1, 12, tzinfo=UTC)
    assert end_of(TimeInForce.GTC, at, AlwaysOpen()) is None
    assert end_of(TimeInForce.DAY, at, AlwaysOpen()) == datetime(2022, 3, 2, tzinfo=UTC)
