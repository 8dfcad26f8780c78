"""twelvedata: candles, batches, prices, usage, refusals, and the price stream."""

import sys
import time
from collections.abc import Callable
from typing import Any, Final

from twelvedata import TDClient
from twelvedata.exceptions import BadRequestError, InvalidApiKeyError, TwelveDataError

from tests.conformance.scripts.steps import Steps, control, http, told, ws

PATIENCE: Final = 30.0  # seconds
Check = Callable[[Any], None]


def series(client: Any) -> None:
    asked = {"symbol": "BTC/USD", "interval": "1min", "outputsize": 5, "timezone": "UTC"}
    rows = client.time_series(**asked).as_json()
    assert len(rows) == 5, rows
    assert rows[0]["datetime"] > rows[1]["datetime"], rows
    table = client.time_series(**asked | {"interval": "8h"}).as_csv()
    columns = ["datetime", "open", "high", "low", "close", "volume"]
    assert list(table[0]) == columns, table[0]


def batch(client: Any) -> None:
    asked = {"symbol": ["AAPL", "NONE", "BTC/USD"], "interval": "1h", "outputsize": 2}
    answer = client.time_series(**asked).as_json()
    assert set(answer) == {"AAPL", "BTC/USD"}, answer


def price(client: Any) -> None:
    assert float(client.price(symbol="BTC/USD").as_json()["price"]) > 0, "no price"
    answer = client.price(symbol=["BTC/USD", "EUR/USD"]).as_json()
    assert set(answer) == {"BTC/USD", "EUR/USD"}, answer


def quote(client: Any) -> None:
    answer = client.quote(symbol="BTC/USD").as_json()
    assert answer["is_market_open"] is True, answer
    assert float(answer["close"]) > 0, answer


def usage(client: Any) -> None:
    assert client.api_usage().as_json()["plan_limit"] == 8, "the plan's limit"


def refusals(client: Any) -> None:
    _raises(BadRequestError, client.time_series(symbol="BTC/USD", interval="7min").as_json)
    _raises(TwelveDataError, client.price(symbol="NONE").as_json)
    _raises(TwelveDataError, client.price(symbol="SIE").as_json)  # beyond the plan: 403
    _raises(TwelveDataError, client.price(symbol="7203").as_json)  # beyond the plan: 404
    words = ""
    for _attempt in range(8):
        try:
            client.price(symbol="BTC/USD").as_json()
        except TwelveDataError as error:
            words = str(error)
            break
    assert "for the current minute" in words, words
    client.ctx.apikey, key = "wrong", client.ctx.apikey
    try:
        _raises(InvalidApiKeyError, client.price(symbol="BTC/USD").as_json)
    finally:
        client.ctx.apikey = key


def stream(client: Any) -> None:
    events: list[dict[str, Any]] = []
    line = client.websocket(symbols=["BTC/USD", "NONE"], on_event=events.append)
    line.url = f"{ws()}/v1/quotes/price?apikey={client.ctx.apikey}"
    line.connect()
    status = _await(events, "subscribe-status")
    assert [each["symbol"] for each in status["success"]] == ["BTC/USD"], status
    assert [each["symbol"] for each in status["fails"]] == ["NONE"], status
    control("price", symbol="BTC/USD", price="64000.5")
    assert _await(events, "price")["price"] == 64000.5, events
    line.heartbeat()
    _await(events, "heartbeat")
    line.disconnect()


def _await(events: list[dict[str, Any]], name: str) -> dict[str, Any]:
    limit = time.monotonic() + PATIENCE
    while time.monotonic() < limit:
        for event in list(events):
            if event.get("event") == name:
                return event
        time.sleep(0.05)
    raise AssertionError(f"no event {name!r} among {events}")


def _raises(kind: type[Exception], call: Callable[[], object]) -> None:
    try:
        answer = call()
    except kind:
        return
    raise AssertionError(f"no {kind.__name__}: {answer}")


CHECKS: Final[dict[str, Check]] = {
    "candles, newest first, and as CSV": series,
    "a batch with a bad symbol": batch,
    "prices, one and several": price,
    "a quote": quote,
    "usage": usage,
    "refusals: wrong words, unknown symbols, plan gates, credits, keys": refusals,
    "the price stream: status, price, heartbeat": stream,
}


def main() -> int:
    steps = Steps()
    client = TDClient(apikey=told()["key"], base_url=http())
    for name, check in CHECKS.items():
        with steps.step(name):
            check(client)
        control("advance", seconds=60)  # a minute's credits each
    return steps.code


if __name__ == "__main__":
    sys.exit(main())
