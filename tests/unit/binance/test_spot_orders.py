"""Orders of Binance spot: what is asked for, and what answers and events are read as."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from tests.unit.binance.samples import (
    CANCELLED,
    EVENT,
    LEGS,
    LIST,
    PLACED,
    QUERIED,
    TRADE,
    VENUE,
    node,
)
from tradebotd.domain.errors import OrderRejectedError
from tradebotd.domain.fill import Fill
from tradebotd.domain.ids import ClientOrderId, TradeId, VenueOrderId
from tradebotd.domain.instrument import PositionType
from tradebotd.domain.order import OrderRequest, OrderStatus
from tradebotd.domain.order_type import OrderType, TimeInForce
from tradebotd.domain.quote import PriceKind
from tradebotd.domain.side import Side
from tradebotd.venues.binance.payload import MalformedAnswerError, from_ms
from tradebotd.venues.binance.spot.orders import (
    OrderReader,
    order_params,
    pair_params,
    replacement_params,
)

READER = OrderReader(VENUE, {"BTCUSDT": "BTC"}.__getitem__, {"BTCUSDT": "USDT"}.get)
FIRST, SECOND = ClientOrderId("tb5"), ClientOrderId("tb6")


def request(kind: OrderType, side: Side = Side.SELL, **changes: Any) -> OrderRequest:
    made = OrderRequest(
        venue=VENUE,
        symbol="BTC",
        side=side,
        type=kind,
        time_in_force=TimeInForce.IOC if kind is OrderType.MARKET else TimeInForce.GTC,
        quantity=Decimal("2.0"),
    )
    return replace(made, **changes)


STOP = request(OrderType.STOP_MARKET, stop_price=Decimal(95))
TARGET = request(OrderType.TAKE_PROFIT_MARKET, stop_price=Decimal(105))
LIMIT = request(OrderType.LIMIT, limit_price=Decimal("105.50"))
SENT = {"symbol": "BTCUSDT", "side": "SELL", "quantity": "2", "newClientOrderId": "tb5"}


@pytest.mark.parametrize(
    ("asked", "params"),
    [
        (request(OrderType.MARKET), {"type": "MARKET", "newOrderRespType": "FULL"}),
        (
            replace(LIMIT, time_in_force=TimeInForce.FOK),
            {"type": "LIMIT", "newOrderRespType": "FULL", "timeInForce": "FOK", "price": "105.5"},
        ),
        (STOP, {"type": "STOP_LOSS", "newOrderRespType": "RESULT", "stopPrice": "95"}),
        (TARGET, {"type": "TAKE_PROFIT", "newOrderRespType": "RESULT", "stopPrice": "105"}),
        (
            request(OrderType.STOP_LIMIT, stop_price=Decimal(95), limit_price=Decimal("0.00001")),
            {
                "type": "STOP_LOSS_LIMIT",
                "newOrderRespType": "RESULT",
                "stopPrice": "95",
                "price": "0.00001",
                "timeInForce": "GTC",
            },
        ),
    ],
)
def test_an_order_is_asked_for_in_the_venues_words(
    asked: OrderRequest, params: dict[str, str]
) -> None:
    """S4: a stop is answered with its RESULT, never with an ACK, which tells of no expiry."""
    told = order_params(FIRST, asked, "BTCUSDT")
    assert told == {**SENT, **params, "selfTradePreventionMode": "EXPIRE_MAKER"}


@pytest.mark.parametrize("side", Side)
def test_a_pair_is_one_order_above_and_one_below(side: Side) -> None:
    """S4: both are answered with their RESULT; the higher price is the one above."""
    stop, target = replace(STOP, side=side), replace(TARGET, side=side)
    told = pair_params([(FIRST, stop), (SECOND, target)], "BTCUSDT")
    assert told == {
        "symbol": "BTCUSDT",
        "side": "SELL" if side is Side.SELL else "BUY",
        "quantity": "2",
        "aboveClientOrderId": "tb6",
        "aboveType": "TAKE_PROFIT",
        "aboveStopPrice": "105",
        "belowClientOrderId": "tb5",
        "belowType": "STOP_LOSS",
        "belowStopPrice": "95",
        "newOrderRespType": "RESULT",
        "selfTradePreventionMode": "EXPIRE_MAKER",
    }
    assert pair_params([(SECOND, target), (FIRST, stop)], "BTCUSDT") == told


def test_a_limit_in_a_pair_rests_and_never_takes() -> None:
    told = pair_params([(FIRST, STOP), (SECOND, LIMIT)], "BTCUSDT")
    above = {name: value for name, value in told.items() if name.startswith("above")}
    assert above == {
        "aboveClientOrderId": "tb6",
        "aboveType": "LIMIT_MAKER",
        "abovePrice": "105.5",
    }


def test_a_stop_limit_in_a_pair_has_both_prices_and_its_time() -> None:
    stop = replace(STOP, type=OrderType.STOP_LIMIT, limit_price=Decimal(94))
    told = pair_params([(FIRST, stop), (SECOND, TARGET)], "BTCUSDT")
    assert (told["belowStopPrice"], told["belowPrice"]) == ("95", "94")
    assert told["belowTimeInForce"] == "GTC"


@pytest.mark.parametrize(
    "orders",
    [
        [(FIRST, STOP)],
        [(FIRST, STOP), (SECOND, STOP)],
        [(FIRST, TARGET), (SECOND, LIMIT)],
        [(FIRST, STOP), (FIRST, TARGET)],
        [(FIRST, STOP), (SECOND, replace(TARGET, quantity=Decimal(1)))],
        [(FIRST, STOP), (SECOND, replace(TARGET, symbol="ETH"))],
        [(FIRST, STOP), (SECOND, replace(TARGET, side=Side.BUY))],
        [(FIRST, STOP), (SECOND, request(OrderType.MARKET))],
        [(FIRST, STOP), (SECOND, replace(TARGET, stop_price=None))],
    ],
)
def test_what_is_no_stop_with_its_target_is_no_pair(orders: Any) -> None:
    with pytest.raises(OrderRejectedError):
        pair_params(orders, "BTCUSDT")


def test_a_replacement_leaves_the_old_order_where_it_cannot_be_done_at_once() -> None:
    """S17: neither when it cannot be cancelled, nor when too many orders were placed."""
    told = replacement_params(FIRST, order_params(SECOND, STOP, "BTCUSDT"))
    assert told["cancelOrigClientOrderId"] == "tb5"
    assert told["newClientOrderId"] == "tb6"
    assert told["cancelReplaceMode"] == "STOP_ON_FAILURE"
    assert told["orderRateLimitExceededMode"] == "DO_NOTHING"


@pytest.mark.parametrize(
    ("name", "asked", "words"),
    [
        ("tb5", replace(LIMIT, time_in_force=TimeInForce.DAY), "^time_in_force_not_taken"),
        ("tb5", replace(STOP, working_price=PriceKind.MARK), "^working_price_not_taken"),
        ("tb5", replace(STOP, stop_price=None), "stop price"),
        ("tb5", replace(LIMIT, limit_price=None), "limit price"),
        ("tb5", replace(STOP, position_type=PositionType.FUTURES), "futures"),
        ("tb5", replace(STOP, reduce_only=True), "reduce"),
        ("t" * 37, STOP, "client order id"),
        ("tb 5", STOP, "client order id"),
        ("", STOP, "client order id"),
    ],
)
def test_what_cannot_be_said_here_is_refused_before_it_is_sent(
    name: str, asked: OrderRequest, words: str
) -> None:
    with pytest.raises(OrderRejectedError, match=words):
        order_params(ClientOrderId(name), asked, "BTCUSDT")


def test_the_answer_to_a_market_order_has_its_fills() -> None:
    """S5: and whatever else it may carry beside them is left alone."""
    report = READER.placed(node(PLACED))
    at = from_ms(PLACED["transactTime"])
    first = Fill(
        venue=VENUE,
        symbol="BTC",
        trade_id=TradeId("7"),
        client_order_id=ClientOrderId("tb1"),
        side=Side.BUY,
        quantity=Decimal(1),
        price=Decimal(100),
        fee=Decimal("0.001"),
        fee_asset="BTC",
        executed_at=at,
    )
    assert report.status is OrderStatus.FILLED
    assert report.fills == (first, replace(first, trade_id=TradeId("8"), price=Decimal(101)))
    assert {fill.venue_order_id for fill in report.fills} == {VenueOrderId("31")}
    assert (report.venue_order_id, report.at, report.filled_quantity) == ("31", at, Decimal(2))
    assert report.asked == request(OrderType.MARKET, Side.BUY)
    assert READER.trade(node(TRADE), ClientOrderId("tb1")) == first


def test_an_acknowledgement_is_no_answer() -> None:
    """S4: it says neither what became of the order nor whether it has expired."""
    with pytest.raises(MalformedAnswerError, match="'executedQty'"):
        READER.placed(node({k: v for k, v in PLACED.items() if k not in {"executedQty", "status"}}))


def test_a_query_tells_what_was_asked_for() -> None:
    report = READER.order(node(QUERIED))
    assert (report.status, report.fills) == (OrderStatus.NEW, ())
    assert report.asked == STOP
    assert report.at == from_ms(QUERIED["updateTime"])


@pytest.mark.parametrize(
    ("status", "expiry", "ours", "reason"),
    [
        ("NEW", None, "new", None),
        ("PENDING_NEW", None, "new", None),
        ("PENDING_CANCEL", None, "new", None),
        ("CANCELED", None, "canceled", None),
        ("REJECTED", None, "rejected", None),
        ("EXPIRED", None, "expired", None),
        ("EXPIRED", "OCO_TRIGGER", "canceled", "OCO_TRIGGER"),
        ("EXPIRED_IN_MATCH", None, "expired", "self_trade"),
        ("A_WORD_OF_TOMORROW", None, "unknown", "A_WORD_OF_TOMORROW"),
        *(
            ("EXPIRED", reason, "expired", reason)
            for reason in (
                *("REJECTED", "EXCHANGE_CANCELED", "OTO_PHASE_ONE_EXPIRED"),
                *("UNFILLED_IOC_QUANTITY_EXPIRED", "UNFILLED_FOK_ORDER_EXPIRED"),
                *("INSUFFICIENT_LIQUIDITY", "EXECUTION_RULE_PRICE_RANGE_EXCEEDED"),
            )
        ),
    ],
)
def test_an_order_that_has_expired_says_why(
    status: str, expiry: str | None, ours: str, reason: str | None
) -> None:
    """S3, S4: a stop that has expired guards nothing; a leg that made way for the other one does."""
    changed = {"status": status} | ({} if expiry is None else {"expiryReason": expiry})
    event = {"x": "EXPIRED", "X": status} | ({} if expiry is None else {"eR": expiry})
    untraded = {"z": "0", "l": "0", "L": "0", "t": -1, "N": None}
    for report in (
        READER.order(node({**QUERIED, **changed})),
        READER.event(node({**EVENT, **untraded, **event})),
    ):
        assert (report.status, report.reason) == (ours, reason)


def test_a_partial_fill_is_one_whatever_the_word() -> None:
    report = READER.order(node({**QUERIED, "executedQty": "0.5"}))
    assert (report.status, report.filled_quantity) == ("partially_filled", Decimal("0.5"))


def test_a_cancelled_order_has_the_id_that_it_was_placed_by() -> None:
    report = READER.cancelled(node(CANCELLED), ClientOrderId("tb2"))
    assert (report.client_order_id, report.status) == ("tb2", OrderStatus.CANCELED)


def test_a_cancelled_leg_is_found_in_the_answer_of_its_list() -> None:
    """Cancelling one leg cancels both, and is answered with the list."""
    told = node({**LIST, "orderReports": LEGS})
    assert READER.cancelled(told, SECOND).venue_order_id == "42"
    with pytest.raises(MalformedAnswerError, match="does not tell of tb7"):
        READER.cancelled(told, ClientOrderId("tb7"))


def test_a_pair_is_told_in_the_order_that_it_was_asked_for() -> None:
    legs = [
        {**QUERIED, "orderId": 42, "clientOrderId": "tb6", "transactTime": 1},
        {**QUERIED, "orderId": 41, "clientOrderId": "tb5", "transactTime": 1},
    ]
    told = node({**LIST, "orderReports": legs})
    asked = [(FIRST, STOP), (SECOND, TARGET)]
    assert [each.venue_order_id for each in READER.pair(told, asked)] == ["41", "42"]
    with pytest.raises(MalformedAnswerError, match="does not tell of tb6"):
        READER.pair(node({**LIST, "orderReports": legs[1:]}), asked)


def test_a_trade_of_the_stream_is_a_fill() -> None:
    report = READER.event(node(EVENT))
    (fill,) = report.fills
    assert (report.client_order_id, report.status, report.asked) == ("tb2", "filled", STOP)
    assert (fill.trade_id, fill.price, fill.fee, fill.fee_asset) == (
        "9",
        Decimal("94.9"),
        Decimal("0.1898"),
        "USDT",
    )
    assert fill.executed_at == report.at == datetime(2025, 6, 15, 15, 6, 43, tzinfo=UTC)


def test_a_cancel_of_the_stream_names_the_order_that_it_cancelled() -> None:
    """`c` is the cancel's own id then."""
    told = {**EVENT, "x": "CANCELED", "X": "CANCELED", "c": "ofTheirs", "C": "tb2", "z": "0"}
    report = READER.event(node(told))
    assert (report.client_order_id, report.status, report.fills) == ("tb2", "canceled", ())


def test_a_refusal_of_the_stream_says_why() -> None:
    told = {**EVENT, "x": "REJECTED", "X": "REJECTED", "r": "INSUFFICIENT_BALANCES", "z": "0"}
    assert READER.event(node(told)).reason == "INSUFFICIENT_BALANCES"


def test_an_order_without_a_client_id_has_one_made_of_the_venues() -> None:
    assert READER.order(node({**QUERIED, "clientOrderId": ""})).client_order_id == "venue-32"


def test_an_order_that_has_the_id_of_its_cancel_is_told_under_its_own() -> None:
    """The venue may rename it; of what others have placed the id stays."""
    for told, name in (("tb2-x", "tb2"), ("web-x", "web-x")):
        renamed = {**QUERIED, "status": "CANCELED", "clientOrderId": told}
        assert READER.order(node(renamed)).client_order_id == name


@pytest.mark.parametrize("changed", [{"type": "PEGGED"}, {"timeInForce": "DAY_OF_THEIRS"}])
def test_an_order_of_a_type_of_tomorrow_is_told_without_what_it_asks_for(
    changed: dict[str, str],
) -> None:
    assert READER.order(node({**QUERIED, **changed})).asked is None


def test_a_free_trade_of_an_event_may_name_no_asset_of_its_commission() -> None:
    """M5.6: it is told; a commission that is none of an asset's is malformed."""
    report = READER.event(node({**EVENT, "n": "0", "N": None}))
    assert [(fill.fee, fill.fee_asset) for fill in report.fills] == [(Decimal(0), "USDT")]
    with pytest.raises(MalformedAnswerError, match="without an asset"):
        READER.event(node({**EVENT, "N": None}))


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "FILLED", "executedQty": "2.00000000", "fills": []},
        {"status": "FILLED", "executedQty": "3.00000000", "fills": []},
    ],
)
def test_an_answer_whose_fills_do_not_sum_up_is_malformed(changes: dict[str, Any]) -> None:
    """I1: nothing of an order is stored as good that its own answer contradicts."""
    with pytest.raises(MalformedAnswerError):
        READER.placed(node({**PLACED, "origQty": "2.00000000", **changes}))


def test_an_event_that_has_traded_more_than_it_asks_for_is_malformed() -> None:
    with pytest.raises(MalformedAnswerError, match="more than it asks"):
        READER.event(node({**EVENT, "z": "2.10000000"}))


def test_the_cancel_of_a_list_names_none_of_its_orders() -> None:
    """S17: both legs have its id, so neither is taken for the order that was cancelled."""
    row = {**QUERIED, "clientOrderId": "tb5-x"}
    assert READER.order(node({**row, "orderListId": -1})).client_order_id == "tb5"
    told = READER.order(node({**row, "orderListId": 7}))
    assert told.client_order_id == f"venue-{told.venue_order_id}"
