"""Answers of Alpaca: what each is read as, and what is refused to be read."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from tests.alpaca_venue.scene import APPLE, BTC, VENUE
from tests.unit.alpaca.samples import (
    ACCOUNT,
    CLOCK,
    COIN,
    EVENT,
    FILL,
    LEG,
    ORDER,
    PAIR,
    POSITIONS,
    READER,
    SHARE,
    SYMBOLS,
    TRANSFERS,
    value,
)
from tradebotd.domain.filters import LotSize, SymbolStatus
from tradebotd.domain.ids import ClientOrderId
from tradebotd.domain.order import OrderStatus
from tradebotd.domain.order_type import OrderType, TimeInForce
from tradebotd.domain.side import Side
from tradebotd.net.errors import MisshapenError
from tradebotd.venues.alpaca.answers import (
    account_of,
    books_of,
    clock_of,
    state_of,
    trades_of,
    transfers_of,
)
from tradebotd.venues.alpaca.assets import extended_of, instrument_of
from tradebotd.venues.alpaca.keys import account_refusals, account_warnings, swapped_key
from tradebotd.venues.alpaca.names import named_orders, pair_of
from tradebotd.venues.alpaca.payload import instant_of

D = Decimal
FIVE = ClientOrderId("tb5")


def test_no_field_of_the_rule_for_pattern_day_traders_is_read() -> None:
    """A1: they are gone; a model that requires them would break."""
    account = account_of(value(ACCOUNT), value([]), SYMBOLS)
    assert account.balances == {"USD": D("1000.25")}
    assert not {name for name in ACCOUNT if "day" in name}


def test_positions_are_balances_of_what_is_held_and_shorts_by_symbol() -> None:
    """M4.8: what resting orders hold is locked; a short position is told as one, signed."""
    account = account_of(value(ACCOUNT), value(POSITIONS), SYMBOLS)
    assert account.balances == {"USD": D("1000.25"), "AAPL": D(10), "BTC": D("0.5")}
    assert account.locked == {"AAPL": D(6)}
    assert account.positions == {"penny": D(-3)}
    assert account.entry_prices == {"penny": D("0.4")}
    assert account.buying_power == {"USD": D(900)}  # crypto is bought without margin


def test_a_position_is_signed_by_its_side_whatever_its_number_says() -> None:
    told = [{**POSITIONS[2], "qty": "3"}]
    assert account_of(value(ACCOUNT), value(told), SYMBOLS).positions == {"penny": D(-3)}
    with pytest.raises(MisshapenError, match="second position"):
        account_of(value(ACCOUNT), value([POSITIONS[0]] * 2), SYMBOLS)


@pytest.mark.parametrize(
    ("told", "instant"),
    [
        ("2026-11-18T10:00:00.123456789-05:00", datetime(2026, 11, 18, 15, 0, 0, 123456, UTC)),
        ("2026-11-18T15:00:00Z", datetime(2026, 11, 18, 15, tzinfo=UTC)),
        ("2026-07-01T10:00:00.5-04:00", datetime(2026, 7, 1, 14, 0, 0, 500000, UTC)),
    ],
)
def test_instants_have_nanoseconds_and_offsets(told: str, instant: datetime) -> None:
    """A9: of New York in summer and in winter; what is beyond a microsecond is cut off."""
    assert instant_of(value(told)) == instant


@pytest.mark.parametrize(
    "told",
    [
        *("2026-11-18T10:00:00", "2026-11-18", "", "now", "2026-13-01T00:00:00Z", None, 1),
        *("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59Z", "2026-11-18T10:00:00.1234567890Z"),
    ],
)
def test_what_is_no_instant_is_refused(told: Any) -> None:
    """A9: without an offset nobody knows when it was."""
    with pytest.raises(MisshapenError):
        instant_of(value(told))


def test_the_clock_has_a_session_where_something_has() -> None:
    """A9: crypto alone trades always."""
    clock = clock_of(value(CLOCK), sessions=True)
    assert clock.time == datetime(2026, 11, 18, 15, 0, 0, 123456, UTC)
    assert clock.is_open is True
    assert clock.next_close == datetime(2026, 11, 18, 21, tzinfo=UTC)
    assert clock_of(value(CLOCK), sessions=False).is_open is None


def test_overnight_words_of_an_asset_are_read_and_halt_nothing_of_ours() -> None:
    """A2: orders of ours are for the regular session alone."""
    told = value({**SHARE, "attributes": ["overnight_tradable", "overnight_halted"]})
    extended = extended_of(told)
    assert (extended.overnight_tradable, extended.overnight_halted) == (True, True)
    assert extended.fractions is False
    assert instrument_of(told, APPLE.instrument, D(200)).status is SymbolStatus.TRADING


@pytest.mark.parametrize(
    ("changes", "can"),
    [
        ({}, True),
        ({"borrow_status": "hard_to_borrow"}, False),
        ({"borrow_status": "a_word_of_tomorrow"}, False),
        ({"borrow_status": "hard_to_borrow", "easy_to_borrow": True}, False),
        ({"borrow_status": None, "easy_to_borrow": True}, True),
        ({"borrow_status": None}, False),
        ({"shortable": False}, False),
    ],
)
def test_borrow_status_says_whether_a_share_can_be_sold_short(
    changes: dict[str, Any], *, can: bool
) -> None:
    """A4: `easy_to_borrow` is beyond its sunset, and counts only where the other lacks."""
    told = value({**SHARE, **changes})
    assert instrument_of(told, APPLE.instrument, None).shortable is can


@pytest.mark.parametrize(
    ("price", "tick"),
    [("200", "0.01"), ("0.99", "0.01"), ("0.5", "0.01"), ("0.4999", "0.0001"), (None, "0.01")],
)
def test_the_tick_of_a_share_is_told_by_its_last_price(price: str | None, tick: str) -> None:
    """M6.1: four decimals only where no exit within twice the price comes to 1 USD."""
    known = None if price is None else D(price)
    assert instrument_of(value(SHARE), APPLE.instrument, known).tick_size == D(tick)


def test_fractions_of_shares_have_a_lot_and_stops_whole_shares() -> None:
    """A8: `fractionable` decides."""
    whole = LotSize(step=D(1), minimum=D(1))
    told = instrument_of(value(SHARE), APPLE.instrument, None)
    assert (told.lot_size, told.min_notional, told.stop_lot) == (D("1e-9"), D(1), whole)
    told = instrument_of(value({**SHARE, "fractionable": False}), APPLE.instrument, None)
    assert (told.lot_size, told.min_quantity, told.min_notional) == (D(1), D(1), D(0))


def test_a_coin_has_its_own_steps_and_no_stop_at_the_market() -> None:
    told = instrument_of(value(COIN), BTC.instrument, None)
    assert (told.tick_size, told.lot_size) == (D("0.01"), D("1e-9"))
    assert told.min_quantity == D("0.000026873")
    assert told.order_types == frozenset({OrderType.MARKET, OrderType.LIMIT, OrderType.STOP_LIMIT})
    assert not told.shortable
    assert told.stop_lot is None


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({}, SymbolStatus.TRADING),
        ({"tradable": False}, SymbolStatus.HALTED),
        ({"status": "inactive"}, SymbolStatus.DELISTED),
    ],
)
def test_an_asset_says_whether_it_trades(changes: dict[str, Any], status: SymbolStatus) -> None:
    told = value({**SHARE, **changes})
    assert instrument_of(told, APPLE.instrument, None).status is status


def test_an_order_is_read_with_what_was_asked_for() -> None:
    """A6: its instant is that of its last change, whatever `submitted_at` says."""
    report = READER.order(value(ORDER), FIVE)
    assert (report.client_order_id, report.venue_order_id) == ("tb5", ORDER["id"])
    assert (report.status, report.filled_quantity) == (OrderStatus.PARTIALLY_FILLED, D(4))
    assert report.at == datetime(2026, 11, 18, 15, 0, 2, 123456, UTC)
    assert report.asked is not None
    assert (report.asked.symbol, report.asked.side) == ("apple", Side.SELL)
    assert (report.asked.type, report.asked.time_in_force) == (
        OrderType.STOP_LIMIT,
        TimeInForce.GTC,
    )
    assert (report.asked.stop_price, report.asked.limit_price) == (D(190), D("189.5"))


@pytest.mark.parametrize(
    ("word", "status", "reason"),
    [
        ("pending_review", OrderStatus.UNKNOWN, "pending_review"),
        ("suspended", OrderStatus.UNKNOWN, "suspended"),
        ("a_word_of_tomorrow", OrderStatus.UNKNOWN, "a_word_of_tomorrow"),
        ("pending_cancel", OrderStatus.PARTIALLY_FILLED, None),
        ("held", OrderStatus.PARTIALLY_FILLED, None),
        ("expired", OrderStatus.EXPIRED, None),
        ("rejected", OrderStatus.REJECTED, None),
        ("replaced", OrderStatus.CANCELED, None),
    ],
)
def test_a_word_of_tomorrow_is_unknown_and_a_pending_one_is_live(
    word: str, status: OrderStatus, reason: str | None
) -> None:
    """A5: `pending_review` is no end and no stop to count on; a lost stop is told as such."""
    report = READER.order(value({**ORDER, "status": word}), FIVE)
    assert (report.status, report.reason) == (status, reason)


def test_an_order_that_is_none_of_ours_says_nothing_of_what_it_asks_for() -> None:
    for changes in ({"type": "trailing_stop"}, {"qty": None, "notional": "50"}, {"symbol": None}):
        assert READER.order(value({**ORDER, **changes}), FIVE).asked is None


def test_both_sources_of_a_fill_give_it_one_identity() -> None:
    """R4: ids of executions and of activities differ; the order and its total are told by both."""
    told = READER.activity(value(FILL), None)
    heard = READER.execution(value(EVENT), FIVE)
    assert told.trade_id == heard.trade_id == f"{ORDER['id']}:4"
    assert told.executed_at == heard.executed_at
    assert (told.quantity, told.price, told.fee) == (D(4), D("199.5"), D(0))
    assert (told.client_order_id, heard.client_order_id) == (None, FIVE)


def test_crypto_is_charged_its_highest_rate_in_what_it_gets() -> None:
    """M4.11: no trade tells it."""
    coin = {**FILL, "symbol": "BTC/USD", "qty": "0.5", "price": "60000", "side": "buy"}
    bought = READER.activity(value(coin), None)
    assert (bought.symbol, bought.fee, bought.fee_asset) == ("btcusd", D("0.00125"), "BTC")
    sold = READER.activity(value({**coin, "side": "sell", "symbol": "BTCUSD"}), None)
    assert (sold.symbol, sold.fee, sold.fee_asset) == ("btcusd", D(75), "USD")


def test_a_fee_of_more_digits_than_arithmetic_keeps_is_a_number() -> None:
    """2.3: an answer may hold forty digits."""
    coin = {**FILL, "symbol": "BTC/USD", "qty": "9" * 39, "price": "9" * 39}
    assert READER.activity(value(coin), None).fee > 0


def test_a_pair_has_both_ids_of_ours_under_one() -> None:
    """A12: the venue names the stop by itself."""
    found = {name: each["id"].text() for each, name in named_orders(value(PAIR))}
    assert found == {"tb6": PAIR["id"], "tb5": LEG["id"]}
    for text in ("tb5", "oco.tb5", "oco..tb5", "oco.tb5.", "oco.a.b.c", "x.tb5.tb6"):
        assert pair_of(text) is None


def test_transfers_are_what_came_in_or_left_and_counts() -> None:
    """M4.8: shares, too; a row without a time counts from the beginning of its day there."""
    since = datetime(2026, 11, 18, tzinfo=UTC)
    told = list(transfers_of(value(TRANSFERS).items(), VENUE, SYMBOLS, since))
    assert [(each.asset, each.amount) for each in told] == [
        ("USD", D(500)),
        ("USD", D(-5)),
        ("AAPL", D(2)),
    ]
    assert told[1].at == datetime(2026, 11, 18, 5, tzinfo=UTC)
    late = list(transfers_of(value(TRANSFERS).items(), VENUE, SYMBOLS, told[0].at))
    assert len(late) == 1


def test_a_side_of_zero_is_no_quote_and_a_price_of_zero_no_trade() -> None:
    """M4.7."""
    books = books_of(value({"quotes": {"AAPL": {"bp": 0, "ap": 200.5, "as": 1}}}))
    assert books == {"AAPL": (None, D("200.5"))}
    assert trades_of(value({"trades": {"AAPL": {"p": 0}, "PENY": {"p": 0.1234}}})) == {
        "PENY": D("0.1234")
    }


@pytest.mark.parametrize("flag", ["account_blocked", "trading_blocked", "trade_suspended_by_user"])
def test_an_account_that_takes_no_orders_is_refused(flag: str) -> None:
    """M6.1: by the venue's own word."""
    (refusal,) = account_refusals(state_of(value({**ACCOUNT, flag: True})), live=False)
    assert flag in refusal


def test_accounts_and_keys_of_the_other_kind_are_refused() -> None:
    """M6.1: a live key at the paper address, and the reverse."""
    state = state_of(value(ACCOUNT))
    assert list(account_refusals(state, live=False)) == []
    assert "paper account" in next(account_refusals(state, live=True))
    assert swapped_key("PKX", live=True) is not None
    assert swapped_key("AKX", live=False) is not None
    assert swapped_key("AKX", live=True) is swapped_key("PKX", live=False) is None
    closed = state_of(value({**ACCOUNT, "status": "ACCOUNT_CLOSED"}))
    assert "ACCOUNT_CLOSED" in next(account_refusals(closed, live=False))


def test_what_a_key_may_do_cannot_be_asked_and_is_said() -> None:
    """A10: withdrawals of crypto are reached by every trading key."""
    said = list(account_warnings(state_of(value({**ACCOUNT, "shorting_enabled": False}))))
    assert len(said) == 1
    assert "withdrawals of crypto" in said[0]
    assert len(list(account_warnings(state_of(value(ACCOUNT))))) == 2
