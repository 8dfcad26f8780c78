"""Orders as they are sent to Alpaca, and what cannot be said there."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from tests.alpaca_venue.scene import named, order
from tradebotd.domain.errors import OrderRejectedError
from tradebotd.domain.instrument import PositionType
from tradebotd.domain.order import OrderRequest
from tradebotd.domain.order_type import OrderType, TimeInForce
from tradebotd.domain.quote import PriceKind
from tradebotd.domain.side import Side
from tradebotd.venues.alpaca.orders import order_body, pair_body, replacement_body
from tradebotd.venues.alpaca.venue import traits_of

BUY, SELL = Side.BUY, Side.SELL
MARKET, LIMIT = OrderType.MARKET, OrderType.LIMIT
STOP, STOP_LIMIT = OrderType.STOP_MARKET, OrderType.STOP_LIMIT
DAY, GTC, IOC, FOK = TimeInForce.DAY, TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK
D = Decimal
CLOSES = {"position_intent": "sell_to_close"}


@pytest.mark.parametrize(
    ("asked", "market", "sent"),
    [
        (order(BUY, "10.0"), "AAPL", {"type": "market", "qty": "10", "time_in_force": "day"}),
        (order(BUY, "1.5", time_in_force=IOC), "AAPL", {"qty": "1.5", "time_in_force": "day"}),
        (order(BUY, "1", time_in_force=IOC), "AAPL", {"time_in_force": "ioc"}),
        (order(SELL, "1"), "AAPL", {"side": "sell", **CLOSES}),
        (order(SELL, "1", LIMIT, "210.50"), "AAPL", {"limit_price": "210.5", **CLOSES}),
        (order(SELL, "0.5", LIMIT, "210"), "AAPL", {"time_in_force": "day", **CLOSES}),
        (
            order(SELL, "2", STOP, "190"),
            "AAPL",
            {"type": "stop", "stop_price": "190", "time_in_force": "gtc", **CLOSES},
        ),
        (
            order(SELL, "2", STOP_LIMIT, "0.4", limit_price=D("0.3999")),
            "PENY",
            {"type": "stop_limit", "stop_price": "0.4", "limit_price": "0.3999", **CLOSES},
        ),
        (order(BUY, "0.1"), "BTC/USD", {"time_in_force": "ioc"}),
        (order(SELL, "0.1", LIMIT, "70000"), "BTC/USD", {"time_in_force": "gtc"}),
        (
            order(SELL, "0.1", STOP_LIMIT, "5e4", limit_price=D(49000)),
            "BTC/USD",
            {"stop_price": "50000"},
        ),
    ],
)
def test_numbers_leave_as_text_and_fractions_for_the_day(
    asked: OrderRequest, market: str, sent: dict[str, Any]
) -> None:
    """A2, A8: extended hours are never asked for; a sale of shares says that it closes."""
    body = order_body(named("tb5"), asked, market)
    assert {name: body[name] for name in sent} == sent
    assert body["symbol"] == market
    assert body["client_order_id"] == "tb5"
    assert all(isinstance(each, str) for each in body.values())
    assert "extended_hours" not in body
    assert ("position_intent" in body) == (asked.side is SELL and market != "BTC/USD")


@pytest.mark.parametrize(
    ("asked", "market", "words"),
    [
        (order(SELL, "1", STOP, "5", time_in_force=IOC), "AAPL", "time_in_force_not_taken"),
        (order(SELL, "1", OrderType.TAKE_PROFIT_MARKET, "5"), "AAPL", "order_type_not_taken"),
        (order(SELL, "1", STOP, "50000"), "BTC/USD", "order_type_not_taken"),
        (order(SELL, "1", LIMIT, "5", time_in_force=DAY), "BTC/USD", "time_in_force_not_taken"),
        (
            order(SELL, "1", STOP_LIMIT, "5", limit_price=D(4), time_in_force=IOC),
            "BTC/USD",
            "time_in_force_not_taken",
        ),
        (order(SELL, "1", STOP, "5", working_price=PriceKind.BID), "AAPL", "working_price"),
        (order(SELL, "1", position_type=PositionType.FUTURES), "AAPL", "no futures"),
        (order(SELL, "1", LIMIT), "AAPL", "needs a limit price"),
        (order(SELL, "1", STOP), "AAPL", "needs a stop price"),
    ],
)
def test_what_cannot_be_said_is_refused_by_name(
    asked: OrderRequest, market: str, words: str
) -> None:
    """M6.1: before a byte is sent."""
    with pytest.raises(OrderRejectedError, match=words):
        order_body(named("tb5"), asked, market)


@pytest.mark.parametrize("name", ["", "x" * 129, "a.b"])
def test_a_client_id_that_the_venue_or_a_pair_cannot_have_is_refused(name: str) -> None:
    with pytest.raises(OrderRejectedError, match="client order id"):
        order_body(named(name), order(BUY, "1"), "AAPL")


STOPS = (named("tb5"), order(SELL, "10", STOP, "190"))
TARGETS = (named("tb6"), order(SELL, "10", LIMIT, "210"))


@pytest.mark.parametrize("lasts", [GTC, DAY])
@pytest.mark.parametrize("turned", [False, True])
def test_a_pair_is_gtc_whatever_its_stop_says(lasts: TimeInForce, *, turned: bool) -> None:
    """A12: legs last as their parent does; a time inside of `stop_loss` would be ignored."""
    both = [(STOPS[0], replace(STOPS[1], time_in_force=lasts)), TARGETS]
    pair, body = pair_body(both[::-1] if turned else both, "AAPL")
    assert pair == ("tb6", "tb5")
    assert body == {
        "symbol": "AAPL",
        "side": "sell",
        "type": "limit",
        "qty": "10",
        "time_in_force": "gtc",
        "order_class": "oco",
        "client_order_id": "oco.tb6.tb5",
        "take_profit": {"limit_price": "210"},
        "stop_loss": {"stop_price": "190"},
    }


def test_a_stop_limit_of_a_pair_has_its_limit() -> None:
    stop = order(SELL, "10", STOP_LIMIT, "190", limit_price=D("189.5"))
    _, body = pair_body([(named("tb5"), stop), TARGETS], "AAPL")
    assert body["stop_loss"] == {"stop_price": "190", "limit_price": "189.5"}


@pytest.mark.parametrize(
    ("orders", "market", "words"),
    [
        ([STOPS], "AAPL", "two are taken"),
        ([STOPS, (named("tb6"), STOPS[1])], "AAPL", "order_type_not_taken"),
        ([TARGETS, (named("tb5"), TARGETS[1])], "AAPL", "order_type_not_taken"),
        ([STOPS, (named("tb5"), TARGETS[1])], "AAPL", "duplicate"),
        ([STOPS, (named("tb6"), order(SELL, "9", LIMIT, "210"))], "AAPL", "they differ"),
        (
            [
                (named("tb5"), order(SELL, "1.5", STOP, "190")),
                (named("tb6"), order(SELL, "1.5", LIMIT, "210")),
            ],
            "AAPL",
            "quantity_off_lot",
        ),
        (
            [
                (named("tb5"), order(SELL, "1", STOP_LIMIT, "5", limit_price=D(4))),
                (named("tb6"), order(SELL, "1", LIMIT, "9")),
            ],
            "BTC/USD",
            "crypto has no linked orders",
        ),
    ],
)
def test_what_is_no_pair_is_refused(orders: Any, market: str, words: str) -> None:
    with pytest.raises(OrderRejectedError, match=words):
        pair_body(orders, market)


def test_only_whole_shares_are_replaced() -> None:
    """A8: prices and the quantity; nothing else of the order can change."""
    asked = order(SELL, "10", STOP, "191")
    assert replacement_body(named("tb7"), asked, "AAPL") == {
        "client_order_id": "tb7",
        "qty": "10",
        "stop_price": "191",
    }
    with pytest.raises(OrderRejectedError, match=r"^quantity_off_lot"):
        replacement_body(named("tb7"), replace(asked, quantity=D("1.5")), "AAPL")


def test_what_the_venue_runs_no_stop_for_is_not_claimed() -> None:
    """A2, A3: the daemon's own exits protect crypto's targets, fractions, and every night."""
    shares = traits_of(crypto=False, stocks=True, feed="iex")
    assert shares.linked_orders
    assert shares.order_types == {MARKET, LIMIT, STOP, STOP_LIMIT}
    assert [shares.time_in_force(each) for each in (MARKET, LIMIT, STOP)] == [DAY, GTC, GTC]
    assert shares.price_kinds == {PriceKind.LAST}
    assert PriceKind.BID in traits_of(crypto=False, stocks=True, feed="sip").price_kinds
    coins = traits_of(crypto=True, stocks=False, feed="iex")
    assert coins.order_types == {MARKET, LIMIT, STOP_LIMIT}
    assert not coins.linked_orders
    assert coins.replacement == "cancel_first"
    assert coins.time_in_force(MARKET) is IOC
    both = traits_of(crypto=True, stocks=True, feed="iex")
    assert not both.linked_orders
    assert both.order_types == shares.order_types
