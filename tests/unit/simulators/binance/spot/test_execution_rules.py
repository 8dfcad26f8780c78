"""S3: the price range execution rule; self-trade prevention."""

from typing import Any

import pytest

from tests.unit.simulators.binance.spot.desk import Desk

RULE = {
    "bidLimitMultUp": "1.0100", "bidLimitMultDown": "0.9900",
    "askLimitMultUp": "1.0100", "askLimitMultDown": "0.9900",
}  # fmt: skip
EXCEEDED = "EXECUTION_RULE_PRICE_RANGE_EXCEEDED"


def ruled() -> Desk:
    """A book that leaves the range of 59,400 to 60,600 after a part."""
    desk = Desk()
    desk.venue.change("BTCUSDT", execution_rule=RULE)
    desk.venue.set_reference("BTCUSDT", "60000")
    desk.venue.quote(
        "BTCUSDT", [("59500", "0.1"), ("59300", "5")], [("60500", "0.1"), ("60700", "5")]
    )
    return desk


@pytest.mark.parametrize("side", ["BUY", "SELL"])
def test_a_taker_that_would_leave_the_range_expires_after_a_part(side: str) -> None:
    """S3: EXPIRED, a part filled, the reason in FULL and on the user stream."""
    desk = ruled()

    done = desk.place(side, "MARKET", "0.3")

    assert (done["status"], done["executedQty"]) == ("EXPIRED", "0.10000000")
    assert done["expiryReason"] == EXCEEDED
    assert desk.events()[-1]["eR"] == EXCEEDED
    assert desk.query(done["orderId"])["expiryReason"] == EXCEEDED


def test_a_triggered_stop_expires_and_protects_nothing() -> None:
    """S3: an expired protective stop is a naked position."""
    desk = ruled()
    stop = desk.place("SELL", "STOP_LOSS", "0.3", stopPrice="59450")
    desk.venue.quote("BTCUSDT", [("59300", "5")], [("59310", "5")])

    desk.venue.print_trade("BTCUSDT", "59300")

    found = desk.query(stop["orderId"])
    assert (found["status"], found["executedQty"], found["expiryReason"]) == (
        "EXPIRED", "0.00000000", EXCEEDED,
    )  # fmt: skip
    assert desk.balance("BTC") == ("2", "0")


@pytest.mark.parametrize(("kind", "told"), [("ACK", False), ("RESULT", True), ("FULL", True)])
def test_the_reason_of_an_expiry_is_in_no_ack(*, kind: str, told: bool) -> None:
    """S4: expiryReason is in RESULT and FULL, never in an ACK."""
    done = ruled().place("BUY", "MARKET", "0.3", newOrderRespType=kind)

    assert ("expiryReason" in done) is told
    assert ("status" in done) is told


@pytest.mark.parametrize("without", ["rule", "reference", "multiplier"])
def test_the_rule_needs_its_row_its_price_and_its_multiplier(without: str) -> None:
    """S3: not enforced without the rule, with a null reference price, or on a side without bound."""
    desk = ruled()
    if without == "rule":
        desk.venue.change("BTCUSDT", execution_rule=None)
    elif without == "reference":
        desk.venue.set_reference("BTCUSDT", None)
    else:
        rule = {name: value for name, value in RULE.items() if name != "bidLimitMultUp"}
        desk.venue.change("BTCUSDT", execution_rule=rule)

    assert desk.place("BUY", "MARKET", "0.3")["status"] == "FILLED"


def test_rules_and_reference_prices_are_public() -> None:
    """S3, S19: executionRules, referencePrice (null, and -2043 for a symbol that never had one)."""
    desk = ruled()

    rules = desk.public("/api/v3/executionRules", symbol="BTCUSDT")["symbolRules"][0]["rules"]
    assert rules == [{"ruleType": "PRICE_RANGE"} | RULE]
    assert (
        desk.public("/api/v3/referencePrice", symbol="BTCUSDT")["referencePrice"]
        == "60000.00000000"
    )
    desk.venue.set_reference("BTCUSDT", None)
    assert desk.public("/api/v3/referencePrice", symbol="BTCUSDT")["referencePrice"] is None
    never = desk.ask("GET", "/api/v3/referencePrice", signed=False, symbol="ETHUSDT")
    assert desk.code(never) == -2043


def weight(desk: Desk, **params: Any) -> int:
    used = "X-MBX-USED-WEIGHT-1M"
    before = int(desk.venue.limits.weight_headers("127.0.0.1")[used])
    answer = desk.ask("GET", "/api/v3/executionRules", signed=False, **params)
    return int(answer.headers[used]) - before


def test_execution_rules_cost_two_a_symbol_and_forty_at_most() -> None:
    """S3: the weights of executionRules."""
    desk = Desk()

    assert weight(desk, symbol="BTCUSDT") == 2
    assert weight(desk, symbols='["BTCUSDT","ETHUSDT","ETHBTC"]') == 6
    assert weight(desk) == 40


@pytest.mark.parametrize(
    ("mode", "maker", "taker", "executed"),
    [
        ("NONE", "FILLED", "PARTIALLY_FILLED", "0.20000000"),
        ("EXPIRE_MAKER", "EXPIRED_IN_MATCH", "NEW", "0.00000000"),
        ("EXPIRE_TAKER", "NEW", "EXPIRED_IN_MATCH", "0.00000000"),
        ("EXPIRE_BOTH", "EXPIRED_IN_MATCH", "EXPIRED_IN_MATCH", "0.00000000"),
        ("DECREMENT", "EXPIRED_IN_MATCH", "NEW", "0.00000000"),
        ("TRANSFER", "EXPIRED_IN_MATCH", "NEW", "0.00000000"),
    ],
)
def test_an_account_does_not_trade_with_itself(
    mode: str, maker: str, taker: str, executed: str
) -> None:
    desk = Desk()
    desk.venue.quote("BTCUSDT", [("50000", "1")], [("70000", "1")])
    resting = desk.place("SELL", "LIMIT", "0.2", price="60000")

    taking = desk.place("BUY", "LIMIT", "0.3", price="60000", selfTradePreventionMode=mode)

    assert desk.query(resting["orderId"])["status"] == maker
    assert (taking["status"], taking["executedQty"]) == (taker, executed)
    if mode != "NONE":
        rows = desk.get("/api/v3/myPreventedMatches", symbol="BTCUSDT", orderId=taking["orderId"])
        assert rows[0]["makerOrderId"] == resting["orderId"]
        assert "TRADE_PREVENTION" in [event["x"] for event in desk.events()]


@pytest.mark.parametrize(("group", "status"), [(-1, "FILLED"), (7, "EXPIRED_IN_MATCH")])
def test_accounts_of_a_group_do_not_trade_with_each_other(group: int, status: str) -> None:
    desk = Desk()
    desk.venue.accounts[desk.name].group = group
    desk.open("other", group)
    desk.venue.quote("BTCUSDT", [("50000", "1")], [("70000", "1")])
    order = desk.place("SELL", "LIMIT", "0.2", price="60000")

    desk.place("BUY", "LIMIT", "0.2", price="60000", by="other")

    assert desk.query(order["orderId"])["status"] == status


def test_a_mode_that_the_symbol_does_not_allow_is_refused() -> None:
    desk = Desk()
    desk.venue.change("BTCUSDT", preventions=("NONE",), default_prevention="NONE")

    assert (
        desk.code(desk.try_place("BUY", "MARKET", selfTradePreventionMode="EXPIRE_MAKER")) == -1013
    )
