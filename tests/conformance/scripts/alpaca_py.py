"""alpaca-py: trading, market data and both streams, as `url_override` points them."""

import importlib
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Final

from tests.conformance.scripts.steps import Steps, control, http, told, ws

PATIENCE: Final = 30.0  # seconds
PRICE: Final = {"symbol": "AAPL", "bid": "200.00", "ask": "200.02"}


class Trial:
    """The client's parts, pointed at the simulator."""

    def __init__(self) -> None:
        key, secret = self.keys = told()["key"], told()["secret"]
        self.enums = importlib.import_module("alpaca.trading.enums")
        self.requests = importlib.import_module("alpaca.trading.requests")
        self.data_requests = importlib.import_module("alpaca.data.requests")
        self.data_enums = importlib.import_module("alpaca.data.enums")
        self.frames = importlib.import_module("alpaca.data.timeframe")
        self.live = importlib.import_module("alpaca.data.live")
        self.error = importlib.import_module("alpaca.common.exceptions").APIError
        history = importlib.import_module("alpaca.data.historical")
        client = importlib.import_module("alpaca.trading.client")
        stream = importlib.import_module("alpaca.trading.stream")
        self.trading = client.TradingClient(key, secret, url_override=http())
        self.stocks = history.StockHistoricalDataClient(key, secret, url_override=http())
        self.crypto = history.CryptoHistoricalDataClient(key, secret, url_override=http())
        self.updates_of = stream.TradingStream

    def limit(self, **more: Any) -> Any:
        """A gtc limit order for AAPL."""
        asked = {
            "symbol": "AAPL",
            "qty": 10,
            "side": self.enums.OrderSide.BUY,
            "time_in_force": self.enums.TimeInForce.GTC,
            "limit_price": 150,
        }
        return self.trading.submit_order(self.requests.LimitOrderRequest(**asked | more))

    def bracket(self, **more: Any) -> Any:
        return self.limit(
            limit_price=200.02,
            order_class=self.enums.OrderClass.BRACKET,
            take_profit=self.requests.TakeProfitRequest(limit_price=210),
            stop_loss=self.requests.StopLossRequest(stop_price=190),
            **more,
        )

    def open_market(self) -> None:
        """Move the simulator's clock into the next regular session, and give AAPL its price."""
        clock = self.trading.get_clock()
        if not clock.is_open:
            control("advance", seconds=(clock.next_open - clock.timestamp).total_seconds() + 60)
        control("quote", **PRICE)

    def clean(self) -> None:
        control("quote", **PRICE)
        self.trading.cancel_orders()
        self.trading.close_all_positions()
        control("advance", seconds=60)  # its requests a minute begin anew


def main() -> int:
    steps = Steps()
    trial = Trial()
    trial.open_market()
    for check in (
        account,
        assets,
        orders,
        brackets,
        replacing,
        refusals,
        updates,
        bars,
        quotes,
        live,
    ):
        with steps.step(check.__name__):
            check(trial)
            trial.clean()
    return steps.code


def account(trial: Trial) -> None:
    known = trial.trading.get_account()
    expect(known.pattern_day_trader is None and known.daytrade_count is None, known)
    expect(float(known.cash) > 0 and known.trading_blocked is False, known)
    expect(trial.trading.get_account_configurations().no_shorting is False, "shorting")
    expect(trial.trading.get_clock().is_open, "closed")
    expect(len(trial.trading.get_calendar()) > 200, "calendar")


def assets(trial: Trial) -> None:
    expect(trial.trading.get_asset("AAPL").fractionable, "AAPL")
    wanted = trial.requests.GetAssetsRequest(asset_class=trial.enums.AssetClass.CRYPTO)
    expect({each.symbol for each in trial.trading.get_all_assets(wanted)} >= {"BTC/USD"}, "crypto")
    wanted = trial.requests.GetAssetsRequest(attributes="overnight_halted")
    expect(len(trial.trading.get_all_assets(wanted)) == 1, "overnight_halted")


def orders(trial: Trial) -> None:
    client = trial.trading
    order = trial.limit(client_order_id="conformance-1")
    found = client.get_order_by_client_id("conformance-1")
    expect((found.id, found.status.value) == (order.id, "new"), found)
    expect(order.submitted_at > order.created_at, "A6")
    expect([each.id for each in client.get_orders()] == [order.id], "open orders")
    client.cancel_order_by_id(order.id)
    expect(client.get_order_by_id(order.id).status.value == "canceled", "cancelled")
    trial.limit()
    expect([each.status for each in client.cancel_orders()] == [200], "all cancelled")
    market = trial.requests.MarketOrderRequest(
        symbol="AAPL",
        notional=100,
        side=trial.enums.OrderSide.BUY,
        time_in_force=trial.enums.TimeInForce.DAY,
    )
    bought = client.get_order_by_id(client.submit_order(market).id)
    expect(bought.qty is None and float(bought.filled_qty) > 0, bought)
    expect(client.get_open_position("AAPL").qty == bought.filled_qty, "position")
    closing = client.close_position("AAPL")
    expect(client.get_order_by_id(closing.id).status.value == "filled", "closed")


def brackets(trial: Trial) -> None:
    client = trial.trading
    entry = trial.bracket()
    expect([leg.status.value for leg in entry.legs] == ["held", "held"], entry.legs)
    expect({leg.time_in_force.value for leg in entry.legs} == {"gtc"}, "A12")
    nested = trial.requests.GetOrderByIdRequest(nested=True)
    legs = client.get_order_by_id(entry.id, nested).legs
    expect([leg.status.value for leg in legs] == ["new", "held"], legs)
    control("quote", symbol="AAPL", bid="189", ask="189.02")
    legs = client.get_order_by_id(entry.id, nested).legs
    expect([leg.status.value for leg in legs] == ["canceled", "filled"], legs)


def replacing(trial: Trial) -> None:
    client = trial.trading
    old = trial.limit()
    new = client.replace_order_by_id(old.id, trial.requests.ReplaceOrderRequest(limit_price=151))
    expect(new.id != old.id and new.replaces == old.id, new)
    gone = client.get_order_by_id(old.id)
    expect((gone.status.value, gone.replaced_by) == ("replaced", new.id), gone)


def refusals(trial: Trial) -> None:
    client = trial.trading
    trial.limit(client_order_id="conformance-2")
    taken = raised(trial.error, lambda: trial.limit(client_order_id="conformance-2"))
    expect((taken.status_code, taken.code) == (422, 40010001), taken)
    pennies = raised(trial.error, lambda: trial.limit(limit_price=150.005))
    expect((pennies.status_code, pennies.code) == (422, 42210000), pennies)
    poor = raised(trial.error, lambda: trial.limit(qty=1_000_000))
    expect((poor.status_code, poor.code) == (403, 40310000), poor)
    unknown = "00000000-0000-0000-0000-000000000000"
    expect(raised(trial.error, lambda: client.get_order_by_id(unknown)).status_code == 404, "404")
    none = raised(trial.error, lambda: client.get_open_position("MSFT"))
    expect(none.status_code == 404, none)


def updates(trial: Trial) -> None:
    heard: list[Any] = []

    async def hear(update: Any) -> None:
        heard.append(update)

    stream = trial.updates_of(*trial.keys, url_override=ws() + "/stream")
    stream.subscribe_trade_updates(hear)
    with running(stream):
        wait_until(lambda: started(stream))
        trial.bracket()
        wait_until(lambda: "fill" in [each.event for each in heard])
    fill = next(
        each for each in heard if each.event == "fill"
    )  # a str, whatever its annotation says
    expect((fill.price, fill.qty, fill.position_qty) == (200.02, 10, 10), fill)
    expect(fill.execution_id is not None, fill)


def bars(trial: Trial) -> None:
    minute = trial.trading.get_clock().timestamp.replace(second=0, microsecond=0)
    figures = {"open": "200", "high": "201", "low": "199", "close": "200.5", "volume": "10"}
    for symbol, feed in (("AAPL", "iex"), ("MSFT", "iex"), ("BTC/USD", "crypto")):
        for number in range(30):
            at = (minute - timedelta(minutes=30 - number)).isoformat()
            control("bar", symbol=symbol, feed=feed, at=at, **figures)
    asked: dict[str, Any] = {"timeframe": trial.frames.TimeFrame.Minute}
    asked["start"] = minute - timedelta(hours=1)
    wanted = trial.data_requests.StockBarsRequest(
        symbol_or_symbols=["AAPL", "MSFT"], feed=trial.data_enums.DataFeed.IEX, **asked
    )
    found = trial.stocks.get_stock_bars(wanted).data
    expect({name: len(each) for name, each in found.items()} == {"AAPL": 30, "MSFT": 30}, found)
    wanted = trial.data_requests.CryptoBarsRequest(symbol_or_symbols="BTC/USD", **asked)
    expect(len(trial.crypto.get_crypto_bars(wanted).data["BTC/USD"]) == 30, "crypto bars")


def quotes(trial: Trial) -> None:
    wanted = trial.data_requests.StockLatestQuoteRequest(symbol_or_symbols=["AAPL"])
    quote = trial.stocks.get_stock_latest_quote(wanted)["AAPL"]
    expect((quote.bid_price, quote.ask_price) == (200, 200.02), quote)
    wanted = trial.data_requests.CryptoLatestQuoteRequest(symbol_or_symbols="BTC/USD")
    expect(trial.crypto.get_crypto_latest_quote(wanted)["BTC/USD"].ask_price > 0, "crypto quote")
    control("trade", symbol="AAPL", price="200.01", size="7")
    wanted = trial.data_requests.StockLatestTradeRequest(symbol_or_symbols="AAPL")
    trade = trial.stocks.get_stock_latest_trade(wanted)["AAPL"]
    expect((trade.price, trade.size) == (200.01, 7), trade)


def live(trial: Trial) -> None:
    """MessagePack, as this client always speaks it."""
    heard: list[Any] = []

    async def hear(event: Any) -> None:
        heard.append(event)

    stream = trial.live.StockDataStream(*trial.keys, url_override=ws() + "/v2/iex")
    stream.subscribe_quotes(hear, "AAPL")
    stream.subscribe_bars(hear, "AAPL")
    with running(stream):
        wait_until(lambda: started(stream))
        figures = {"open": "200", "high": "201", "low": "199", "close": "200.5", "volume": "10"}
        control("quote", symbol="AAPL", bid="201", ask="201.02")
        control("bar", symbol="AAPL", feed="iex", at="2026-01-05T15:00:00Z", **figures)
        wait_until(lambda: len(heard) >= 2)
    expect([type(each).__name__ for each in heard] == ["Quote", "Bar"], told)
    expect(heard[0].ask_price == 201.02 and heard[0].timestamp.tzinfo is not None, heard[0])


@contextmanager
def running(stream: Any) -> Iterator[None]:
    """Have the client's stream run in a thread of its own, as its users do."""
    thread = threading.Thread(target=stream.run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stream.stop()
        thread.join(PATIENCE)


def started(stream: Any) -> bool:
    """Whether the connection stands and its subscription was sent (the client's own mark)."""
    return bool(stream._running)


def wait_until(so: Callable[[], bool]) -> None:
    limit = time.monotonic() + PATIENCE
    while not so():
        expect(time.monotonic() < limit, "nothing came")
        time.sleep(0.05)


def raised(kind: type[Exception], call: Callable[[], object]) -> Any:
    """The error that *call* raises."""
    try:
        answer = call()
    except kind as error:
        return error
    raise AssertionError(f"no {kind.__name__}: {answer}")


def expect(so: bool, seen: object) -> None:  # noqa: FBT001
    if not so:
        raise AssertionError(seen)


if __name__ == "__main__":
    sys.exit(main())
