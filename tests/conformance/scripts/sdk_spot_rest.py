"""binance-sdk-spot, REST: every answer is read by the vendor's own models."""

import sys
from typing import Any

from binance_common.configuration import ConfigurationRestAPI
from binance_common.errors import BadRequestError, UnauthorizedError
from binance_sdk_spot.spot import Spot

from tests.conformance.scripts.sdk_models import known
from tests.conformance.scripts.steps import Steps, control, http, same, told

SYMBOL = "BTCUSDT"


def api(kind: str, **more: Any) -> Any:
    name, secret = told()["keys"][kind]
    given = {"private_key": secret} if kind == "ed25519" else {"api_secret": secret}
    settings = ConfigurationRestAPI(api_key=name, base_path=http(), timeout=5000, **given, **more)
    return Spot(config_rest_api=settings).rest_api


def refusal(act: Any) -> str:
    try:
        act()
    except (BadRequestError, UnauthorizedError) as error:
        return str(error)
    return ""


def market(steps: Steps, it: Any) -> None:
    with steps.step("time, exchange information, execution rules"):
        assert it.time().data().server_time > 0
        rules = known(it.exchange_info(symbol=SYMBOL).data())
        assert rules.symbols[0].opo_allowed
        known(it.execution_rules(symbol=SYMBOL).data())
        control("reference", symbol=SYMBOL, price="60000")
        same(known(it.reference_price(symbol=SYMBOL).data()).reference_price, "60000")
        known(it.reference_price_calculation(symbol=SYMBOL).data())
        control("reference", symbol=SYMBOL, price=None)
    with steps.step("book, candles, trades, tickers"):
        known(it.depth(symbol=SYMBOL, limit=5).data())
        assert it.klines(symbol=SYMBOL, interval="1m").data()
        known(it.agg_trades(symbol=SYMBOL).data())
        known(it.get_trades(symbol=SYMBOL).data())
        known(it.avg_price(symbol=SYMBOL).data())
        for answer in (
            it.ticker_price(symbol=SYMBOL),
            it.ticker_price(),
            it.ticker_book_ticker(symbol=SYMBOL),
            it.ticker24hr(symbol=SYMBOL),
        ):
            known(answer.data().actual_instance)
    with steps.step("the headers' limits"):
        used = it.time().rate_limits
        assert used[0].count > 0


def orders(steps: Steps, it: Any) -> None:
    with steps.step("market order: FULL, and its fills"):
        done = known(it.new_order(SYMBOL, "BUY", "MARKET", quantity=0.01).data())
        assert done.status == "FILLED"
        known(it.my_trades(SYMBOL, order_id=done.order_id).data())
    with steps.step("limit order: query, amend, cancel"):
        order = it.new_order(
            SYMBOL, "BUY", "LIMIT", time_in_force="GTC", quantity=0.02, price=50000
        ).data()
        known(it.get_order(SYMBOL, order_id=order.order_id).data())
        known(it.get_open_orders(SYMBOL).data())
        less = known(
            it.order_amend_keep_priority(SYMBOL, new_qty=0.01, order_id=order.order_id).data()
        )
        same(less.amended_order.qty, "0.01")
        known(it.order_amendments(SYMBOL, order_id=order.order_id).data())
        assert known(it.delete_order(SYMBOL, order_id=order.order_id).data()).status == "CANCELED"
    with steps.step("stop with RESULT"):
        stop = it.new_order(
            SYMBOL,
            "SELL",
            "STOP_LOSS",
            quantity=0.01,
            stop_price=55000,
            new_order_resp_type="RESULT",
        ).data()
        assert known(stop).status == "NEW"
        known(it.delete_open_orders(SYMBOL).data())
    with steps.step("order lists: OCO, OTO, OTOCO, OPO, queries, cancel"):
        pair = it.order_list_oco(
            SYMBOL, "SELL", 0.01, "LIMIT_MAKER", "STOP_LOSS", above_price=65000,
            below_stop_price=55000, new_order_resp_type="RESULT",
        ).data()  # fmt: skip
        assert known(pair).contingency_type == "OCO"
        known(it.get_order_list(order_list_id=pair.order_list_id).data())
        known(it.open_order_list().data())
        known(it.all_order_list().data())
        known(it.delete_order_list(SYMBOL, order_list_id=pair.order_list_id).data())
        chain = it.order_list_oto(
            SYMBOL, "LIMIT", "BUY", 50000, 0.01, "LIMIT", "SELL", 0.01, working_time_in_force="GTC",
            pending_price=65000, pending_time_in_force="GTC",
        ).data()  # fmt: skip
        known(it.delete_order_list(SYMBOL, order_list_id=chain.order_list_id).data())
        chain = it.order_list_opo(
            SYMBOL, "LIMIT", "BUY", 50000, 0.01, "STOP_LOSS", "SELL", working_time_in_force="GTC",
            pending_stop_price=45000,
        ).data()  # fmt: skip
        known(it.delete_order_list(SYMBOL, order_list_id=chain.order_list_id).data())
    with steps.step("cancel and replace"):
        order = it.new_order(
            SYMBOL, "BUY", "LIMIT", time_in_force="GTC", quantity=0.01, price=50000
        ).data()
        both = it.order_cancel_replace(
            SYMBOL, "BUY", "LIMIT", "STOP_ON_FAILURE", time_in_force="GTC", quantity=0.01,
            price=49000, cancel_order_id=order.order_id,
        ).data()  # fmt: skip
        assert both.new_order_result == "SUCCESS"
        it.delete_open_orders(SYMBOL)
    with steps.step("test order with commission rates"):
        rates = it.order_test(
            SYMBOL, "BUY", "MARKET", quantity=0.01, compute_commission_rates=True
        ).data()
        known(rates)


def account(steps: Steps, it: Any) -> None:
    with steps.step("account, commission, counts, filters, all orders"):
        known(it.get_account(omit_zero_balances=True).data())
        known(it.account_commission(SYMBOL).data())
        known(it.rate_limit_order().data())
        known(it.my_filters(SYMBOL).data())
        known(it.all_orders(SYMBOL).data())
        known(it.my_prevented_matches(SYMBOL, order_id=1).data())
    with steps.step("errors"):
        assert "does not exist" in refusal(lambda: it.get_order(SYMBOL, order_id=999_999))
        assert "Unknown order" in refusal(lambda: it.delete_order(SYMBOL, order_id=999_999))
        # As text: of a float below 0.0001 the SDK makes "1.5e-06", which the venue does not read.
        small = refusal(lambda: it.new_order(SYMBOL, "BUY", "MARKET", quantity="0.0000015"))
        assert "LOT_SIZE" in small, small


def main() -> int:
    steps = Steps()
    for kind in ("ed25519", "hmac"):
        market(steps, api(kind))
        orders(steps, api(kind))
        account(steps, api(kind))
    with steps.step("times in microseconds"):
        assert api("hmac", time_unit="MICROSECOND").time().data().server_time > 10**15
    return steps.code


if __name__ == "__main__":
    sys.exit(main())
