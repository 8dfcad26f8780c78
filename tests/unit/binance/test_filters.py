"""Instruments made of what `exchangeInfo` tells."""

from decimal import Decimal
from typing import Any

import pytest

from tests.unit.binance.samples import BTC, FILTERS, MARKET, node, vendor_examples
from tradebotd.domain.filters import LotSize, PercentPrice, SymbolStatus
from tradebotd.domain.instrument import Instrument
from tradebotd.domain.order_type import OrderType
from tradebotd.venues.binance.filters import delisted, instrument_of, symbol_status
from tradebotd.venues.binance.payload import MalformedAnswerError
from tradebotd.venues.binance.spot.orders import ORDER_TYPES


def told(*without: str, **changed: dict[str, Any]) -> Instrument:
    """The instrument of the sample, without some filters and with others changed."""
    filters = [
        {**each, **changed.get(each["filterType"], {})}
        for each in FILTERS
        if each["filterType"] not in without
    ]
    return instrument_of(BTC, node({**MARKET, "filters": filters}), ORDER_TYPES)


def test_each_filter_is_where_it_belongs() -> None:
    """S9, S10, S11: what the venue tells, under our name and with the assets that are configured."""
    assert told() == Instrument(
        symbol="BTC",
        venue=BTC.instrument.venue,
        base_asset="BTC",
        quote_asset="USDT",
        tick_size=Decimal("0.01"),
        lot_size=Decimal("0.00001"),
        min_quantity=Decimal("0.00001"),
        max_quantity=Decimal(9000),
        market_lot=LotSize(maximum=Decimal("120.5")),
        min_notional=Decimal(5),
        max_notional=Decimal(9_000_000),
        notional_at_market=True,
        average_minutes=5,
        min_price=Decimal("0.01"),
        max_price=Decimal(1_000_000),
        percent_price=PercentPrice(
            buy_below=Decimal("0.2"),
            buy_above=Decimal(5),
            sell_below=Decimal("0.3"),
            sell_above=Decimal(4),
        ),
        max_orders=200,
        max_stops=5,
        order_types=frozenset(OrderType),
    )


def test_a_zero_is_no_bound_and_no_step() -> None:
    nothing = "0.00000000"
    changed = told(
        PRICE_FILTER={"minPrice": nothing, "maxPrice": nothing, "tickSize": nothing},
        LOT_SIZE={"maxQty": nothing, "stepSize": nothing},
        MARKET_LOT_SIZE={"maxQty": nothing},
    )
    known = BTC.instrument
    assert (changed.tick_size, changed.lot_size) == (known.tick_size, known.lot_size)
    assert (changed.min_price, changed.max_price, changed.max_quantity) == (Decimal(0), None, None)
    assert changed.market_lot is None


def test_of_two_filters_for_one_bound_the_stricter_holds() -> None:
    filters = [
        *FILTERS,
        {
            "filterType": "MIN_NOTIONAL",
            "minNotional": "10.0",
            "applyToMarket": False,
            "avgPriceMins": 7,
        },
        {
            "filterType": "PERCENT_PRICE",
            "multiplierUp": "2.0",
            "multiplierDown": "0.25",
            "avgPriceMins": 1,
        },
    ]
    both = instrument_of(BTC, node({**MARKET, "filters": filters}), ORDER_TYPES)
    assert (both.min_notional, both.max_notional) == (Decimal(10), Decimal(9_000_000))
    assert both.notional_at_market
    assert both.average_minutes == 7
    assert both.percent_price == PercentPrice(
        buy_below=Decimal("0.25"),
        buy_above=Decimal(2),
        sell_below=Decimal("0.3"),
        sell_above=Decimal(2),
    )


@pytest.mark.parametrize(("least", "most"), [(False, False), (True, False), (False, True)])
def test_a_market_order_is_judged_where_any_bound_of_the_notional_is(
    *, least: bool, most: bool
) -> None:
    """One too large is parted, and not refused again and again."""
    changed = told(NOTIONAL={"applyMinToMarket": least, "applyMaxToMarket": most})
    assert changed.notional_at_market is (least or most)


def test_a_reference_price_is_judged_by_where_no_minutes_are_told() -> None:
    """S10: it serves the notional filters, too; 0 minutes would be the last price for us."""
    none = {"avgPriceMins": 0}
    assert told(NOTIONAL=none, PERCENT_PRICE_BY_SIDE=none).average_minutes == 1
    assert told("NOTIONAL", "PERCENT_PRICE_BY_SIDE").average_minutes == 0


def test_the_notional_of_futures_has_a_key_of_its_own() -> None:
    """USDT-M: `notional`, and no word of market orders, which are judged then."""
    filters = [
        *(each for each in FILTERS if each["filterType"] != "NOTIONAL"),
        {"filterType": "MIN_NOTIONAL", "notional": "100"},
    ]
    futures = instrument_of(BTC, node({**MARKET, "filters": filters}), ORDER_TYPES)
    assert (futures.min_notional, futures.notional_at_market) == (Decimal(100), True)


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("TRADING", SymbolStatus.TRADING),
        ("CANCEL_ONLY", SymbolStatus.CANCEL_ONLY),
        ("HALT", SymbolStatus.HALTED),
        ("BREAK", SymbolStatus.HALTED),
        ("END_OF_DAY", SymbolStatus.HALTED),
        ("A_WORD_OF_TOMORROW", SymbolStatus.HALTED),
    ],
)
def test_a_status_says_whether_orders_are_taken(word: str, status: SymbolStatus) -> None:
    """S11: CANCEL_ONLY since July 2026; one that nobody knows takes none."""
    assert symbol_status(word) is status
    assert instrument_of(BTC, node({**MARKET, "status": word}), ORDER_TYPES).status is status


def test_order_types_are_those_of_the_symbol_that_we_have_words_for() -> None:
    types = ["MARKET", "LIMIT_MAKER", "STOP_LOSS_LIMIT", "PEGGED_TOMORROW"]
    told = instrument_of(BTC, node({**MARKET, "orderTypes": types}), ORDER_TYPES)
    assert told.order_types == frozenset({OrderType.MARKET, OrderType.STOP_LIMIT})


@pytest.mark.parametrize("missing", ["PRICE_FILTER", "LOT_SIZE"])
def test_a_symbol_without_its_tick_or_lot_is_malformed(missing: str) -> None:
    with pytest.raises(MalformedAnswerError, match=f"has no {missing} filter"):
        told(missing)


def test_a_filter_that_is_told_twice_is_malformed() -> None:
    twice = {**MARKET, "filters": [*FILTERS, FILTERS[0]]}
    with pytest.raises(MalformedAnswerError, match="second PRICE_FILTER"):
        instrument_of(BTC, node(twice), ORDER_TYPES)


def test_what_is_not_listed_any_more_keeps_its_filters() -> None:
    assert delisted(BTC).status is SymbolStatus.DELISTED
    assert delisted(BTC).tick_size == BTC.instrument.tick_size


def test_the_vendors_own_filters_are_read() -> None:
    """Each of its examples, one instead of the sample's."""
    read = 0
    for example in vendor_examples("filters"):
        if "Symbol filters" not in example["heading"] or "doc" not in example:
            continue
        name = example["doc"]["filterType"]
        filters = [*(each for each in FILTERS if each["filterType"] != name), example["doc"]]
        instrument_of(BTC, node({**MARKET, "filters": filters}), ORDER_TYPES)
        read += 1
    if not read:
        pytest.skip("the vendor's examples are not at hand")
    assert read >= 14
