"""The vendor's own SDK: USDT-M futures by REST, its models included."""

import sys
from collections.abc import Callable
from typing import Any

from binance_common.configuration import ConfigurationRestAPI
from binance_common.errors import BadRequestError
from binance_sdk_derivatives_trading_usds_futures.derivatives_trading_usds_futures import (
    DerivativesTradingUsdsFutures,
)

from tests.conformance.scripts.sdk_models import strangers
from tests.conformance.scripts.steps import Steps, control, http, same, told

SYMBOL = "BTCUSDT"
# Fields that the venue sends and the SDK's models, made from its examples, leave out.
SENT_ALL_THE_SAME = ("futuresType", "positionControlSide", "maxMoveOrderLimit", "permissionSets", "lastUpdateId")  # fmt: skip


def client(kind: str) -> Any:
    name, secret = told()["keys"][kind]
    given = {"private_key": secret} if kind == "ed25519" else {"api_secret": secret}
    made = ConfigurationRestAPI(api_key=name, base_path=http(), timeout=5000, **given)
    return DerivativesTradingUsdsFutures(config_rest_api=made).rest_api


def code_of(act: object) -> int:
    assert callable(act)
    try:
        act()
    except BadRequestError as error:
        return int(error.status_code)  # the SDK keeps the venue's code there, not HTTP's status
    return 0


def market(steps: Steps, it: Any) -> None:
    with steps.step("rules, prices, book, candles"):
        assert it.check_server_time().data().server_time > 0
        rules = {row.symbol: row for row in it.exchange_information().data().symbols}
        assert rules["TSLAUSDT"].contract_type == "TRADIFI_PERPETUAL"
        same(it.symbol_price_ticker_v2(symbol=SYMBOL).data().actual_instance.price, "60000")
        same(it.mark_price(symbol=SYMBOL).data().actual_instance.mark_price, "60000")
        same(it.symbol_order_book_ticker(symbol=SYMBOL).data().actual_instance.bid_price, "60000")
        assert it.order_book(symbol=SYMBOL, limit=5).data().bids
        assert len(it.kline_candlestick_data(symbol=SYMBOL, interval="1m", limit=3).data()) == 3
        control("price", symbol=SYMBOL, price="60000")
        same(it.compressed_aggregate_trades_list(symbol=SYMBOL).data()[-1].p, "60000")
        assert it.trading_schedule().data().update_time
        assert it.get_funding_rate_info().data()


def settings(steps: Steps, it: Any) -> None:
    with steps.step("settings of the account"):
        assert it.get_current_position_mode().data().dual_side_position is False
        it.change_margin_type(symbol=SYMBOL, margin_type="ISOLATED")
        assert it.change_initial_leverage(symbol=SYMBOL, leverage=10).data().leverage == 10
        config = it.symbol_configuration(symbol=SYMBOL).data()[0]
        assert (config.margin_type, config.leverage) == ("ISOLATED", 10)
        assert it.notional_and_leverage_brackets(symbol=SYMBOL).data()
        same(it.user_commission_rate(symbol=SYMBOL).data().taker_commission_rate, "0.0004")
        it.futures_tradfi_perps_contract()
        assert it.futures_account_configuration().data().can_trade


def orders(steps: Steps, it: Any) -> None:
    with steps.step("market order, its trade, the position"):
        done = it.new_order(symbol=SYMBOL, side="BUY", type="MARKET", quantity=0.01, new_order_resp_type="RESULT").data()  # fmt: skip
        assert done.status == "FILLED"
        same(it.account_trade_list(symbol=SYMBOL, order_id=done.order_id).data()[0].commission, "0.24")  # fmt: skip
        same(it.position_information_v3(symbol=SYMBOL).data()[0].position_amt, "0.01")
    with steps.step("limit order: place, query, modify, cancel"):
        order = it.new_order(symbol=SYMBOL, side="BUY", type="LIMIT", time_in_force="GTC", quantity=0.01, price=58000.0, new_client_order_id="sdk-1").data()  # fmt: skip
        assert it.query_order(symbol=SYMBOL, orig_client_order_id="sdk-1").data().status == "NEW"
        assert it.query_current_open_order(symbol=SYMBOL, order_id=order.order_id).data().status == "NEW"  # fmt: skip
        moved = it.modify_order(symbol=SYMBOL, side="BUY", quantity=0.01, price=58500.0, order_id=order.order_id, modify_id=7).data()  # fmt: skip
        assert moved.modify_id == 7
        assert len(it.current_all_open_orders(symbol=SYMBOL).data()) == 1
        assert it.cancel_order(symbol=SYMBOL, order_id=order.order_id).data().status == "CANCELED"
        assert {row.client_order_id for row in it.all_orders().data()} >= {"sdk-1"}
    with steps.step("stop: place, list, query, trigger"):
        stop = it.new_algo_order(algo_type="CONDITIONAL", symbol=SYMBOL, side="SELL", type="STOP_MARKET", trigger_price=59000.0, quantity=0.01, reduce_only="true", client_algo_id="sdk-stop").data()  # fmt: skip
        assert stop.algo_status == "NEW"
        assert it.current_all_algo_open_orders(symbol=SYMBOL).data()[0].algo_id == stop.algo_id
        control("price", symbol=SYMBOL, price="58990")
        ended = it.query_algo_order(client_algo_id="sdk-stop").data()
        assert ended.algo_status == "FINISHED"
        assert ended.actual_order_id
        control("price", symbol=SYMBOL, price="60000")
    with steps.step("stop: cancel one, cancel all"):
        for name in ("a", "b"):
            it.new_algo_order(algo_type="CONDITIONAL", symbol=SYMBOL, side="SELL", type="STOP_MARKET", trigger_price=50000.0, quantity=0.01, client_algo_id=name)  # fmt: skip
        assert it.cancel_algo_order(client_algo_id="a").data().msg == "success"
        it.cancel_all_algo_open_orders(symbol=SYMBOL)
        assert [row.algo_status for row in it.query_all_algo_orders(symbol=SYMBOL).data()] == ["FINISHED", "CANCELED", "CANCELED"]  # fmt: skip
    with steps.step("refusals are errors of the SDK"):
        assert code_of(lambda: it.new_order(symbol=SYMBOL, side="BUY", type="STOP_MARKET", quantity=0.01)) == -4120  # fmt: skip
        assert code_of(lambda: it.new_order(symbol=SYMBOL, side="BUY", type="MARKET", quantity=10.0)) == -2019  # fmt: skip


def money(steps: Steps, it: Any) -> None:
    with steps.step("balances, account, incomes, user stream key"):
        usdt = next(row for row in it.futures_account_balance_v3().data() if row.asset == "USDT")
        same(it.account_information_v3().data().total_wallet_balance, usdt.balance)
        kinds = {row.income_type for row in it.get_income_history().data()}
        assert kinds >= {"TRANSFER", "COMMISSION", "REALIZED_PNL"}
        key = it.start_user_data_stream().data().listen_key
        assert it.keepalive_user_data_stream().data().listen_key == key
        it.close_user_data_stream()
        assert it.auto_cancel_all_open_orders(symbol=SYMBOL, countdown_time=0).data().symbol == SYMBOL  # fmt: skip


def models(steps: Steps, it: Any) -> None:
    """Check every answer against the SDK's models: no field that they do not know."""
    stop = {"algo_type": "CONDITIONAL", "symbol": SYMBOL, "side": "SELL", "type": "STOP_MARKET", "trigger_price": 50000.0, "quantity": 0.01}  # fmt: skip
    limit = {"symbol": SYMBOL, "side": "BUY", "type": "LIMIT", "time_in_force": "GTC", "quantity": 0.01, "price": 58000.0}  # fmt: skip
    it.new_order(symbol=SYMBOL, side="BUY", type="MARKET", quantity=0.01)
    asked: dict[str, Callable[[], Any]] = {
        "rules": it.exchange_information,
        "price": lambda: it.symbol_price_ticker_v2(symbol=SYMBOL),
        "best prices": lambda: it.symbol_order_book_ticker(symbol=SYMBOL),
        "marks": it.mark_price,
        "book": lambda: it.order_book(symbol=SYMBOL),
        "day": lambda: it.ticker24hr_price_change_statistics(symbol=SYMBOL),
        "trades": lambda: it.recent_trades_list(symbol=SYMBOL),
        "aggregate trades": lambda: it.compressed_aggregate_trades_list(symbol=SYMBOL),
        "funding": it.get_funding_rate_info,
        "schedule": it.trading_schedule,
        "order placed": lambda: it.new_order(**limit),
        "orders": it.all_orders,
        "open orders": lambda: it.current_all_open_orders(symbol=SYMBOL),
        "stop placed": lambda: it.new_algo_order(**stop),
        "open stops": lambda: it.current_all_algo_open_orders(symbol=SYMBOL),
        "stops": lambda: it.query_all_algo_orders(symbol=SYMBOL),
        "own trades": lambda: it.account_trade_list(symbol=SYMBOL),
        "positions": it.position_information_v3,
        "old positions": it.position_information_v2,
        "account": it.account_information_v3,
        "balances": it.futures_account_balance_v3,
        "incomes": it.get_income_history,
        "symbol settings": it.symbol_configuration,
        "brackets": lambda: it.notional_and_leverage_brackets(symbol=SYMBOL),
        "fees": lambda: it.user_commission_rate(symbol=SYMBOL),
        "account settings": it.futures_account_configuration,
        "order limits": it.query_user_rate_limit,
    }
    for name, ask in asked.items():
        with steps.step(f"models: {name}"):
            unknown = [f for f in strangers(ask().data()) if not f.endswith(SENT_ALL_THE_SAME)]
            assert not unknown, f"unknown to the SDK: {unknown}"


def main() -> int:
    steps = Steps()
    it = client("hmac")
    for part in (market, settings, orders, money):
        part(steps, it)
    models(steps, it)
    with steps.step("an Ed25519 key"):
        assert client("ed25519").get_current_position_mode().data().dual_side_position is False
    return steps.code


if __name__ == "__main__":
    sys.exit(main())
