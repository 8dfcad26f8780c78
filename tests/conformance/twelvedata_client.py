"""The vendor's Python client (twelvedata 1.4.0, unmodified) against the simulator in a process of its own.

Run by the Python of an environment that has the client and nothing of this project: the first
argument is the simulator's line of JSON (`http`, `ws`, `control`), the second its key. Prints what
was tried, and ends with 0 if all of it was as the client's user expects.
"""

import importlib
import json
import sys
import time
import urllib.request
from collections.abc import Callable
from typing import Any, Final

PATIENCE: Final = 30.0  # seconds


def main(urls: dict[str, str], key: str) -> int:
    client = importlib.import_module("twelvedata").TDClient(apikey=key, base_url=urls["http"])
    failed = 0
    for check in (series, batch, price, quote, usage, refusals, stream):
        try:
            check(client, urls)
        except Exception as error:  # noqa: BLE001 - each is tried, whatever became of the others
            failed += 1
            print(f"FAILED {check.__name__}: {type(error).__name__}: {error}")
        else:
            print(f"ok {check.__name__}")
        _next_minute(urls)
    return 1 if failed else 0


def series(client: Any, _: dict[str, str]) -> None:
    asked = {"symbol": "BTC/USD", "interval": "1min", "outputsize": 5, "timezone": "UTC"}
    rows = client.time_series(**asked).as_json()
    _expect(len(rows) == 5, rows)
    _expect(rows[0]["datetime"] > rows[1]["datetime"], rows)
    table = client.time_series(**asked | {"interval": "8h"}).as_csv()
    columns = ["datetime", "open", "high", "low", "close", "volume"]
    _expect(list(table[0]) == columns, table[0])


def batch(client: Any, _: dict[str, str]) -> None:
    asked = {"symbol": ["AAPL", "NONE", "BTC/USD"], "interval": "1h", "outputsize": 2}
    told = client.time_series(**asked).as_json()
    _expect(set(told) == {"AAPL", "BTC/USD"}, told)


def price(client: Any, _: dict[str, str]) -> None:
    _expect(float(client.price(symbol="BTC/USD").as_json()["price"]) > 0, "no price")
    told = client.price(symbol=["BTC/USD", "EUR/USD"]).as_json()
    _expect(set(told) == {"BTC/USD", "EUR/USD"}, told)


def quote(client: Any, _: dict[str, str]) -> None:
    told = client.quote(symbol="BTC/USD").as_json()
    _expect(told["is_market_open"] is True and float(told["close"]) > 0, told)


def usage(client: Any, _: dict[str, str]) -> None:
    _expect(client.api_usage().as_json()["plan_limit"] == 8, "the plan's limit")


def refusals(client: Any, _: dict[str, str]) -> None:
    errors = importlib.import_module("twelvedata.exceptions")
    _raises(errors.BadRequestError, client.time_series(symbol="BTC/USD", interval="7min").as_json)
    _raises(errors.TwelveDataError, client.price(symbol="NONE").as_json)
    _raises(errors.TwelveDataError, client.price(symbol="SIE").as_json)  # beyond the plan: 403
    _raises(errors.TwelveDataError, client.price(symbol="7203").as_json)  # beyond the plan: 404
    for _attempt in range(8):
        try:
            client.price(symbol="BTC/USD").as_json()
        except errors.TwelveDataError as error:
            _expect("for the current minute" in str(error), error)
            break
    else:
        raise AssertionError("credits never end")
    client.ctx.apikey, key = "wrong", client.ctx.apikey
    try:
        _raises(errors.InvalidApiKeyError, client.price(symbol="BTC/USD").as_json)
    finally:
        client.ctx.apikey = key


def stream(client: Any, urls: dict[str, str]) -> None:
    events: list[dict[str, Any]] = []
    line = client.websocket(symbols=["BTC/USD", "NONE"], on_event=events.append)
    line.url = f"{urls['ws']}/v1/quotes/price?apikey={client.ctx.apikey}"
    line.connect()
    status = _await(events, "subscribe-status")
    _expect([each["symbol"] for each in status["success"]] == ["BTC/USD"], status)
    _expect([each["symbol"] for each in status["fails"]] == ["NONE"], status)
    _control(urls, do="price", symbol="BTC/USD", price="64000.5")
    _expect(_await(events, "price")["price"] == 64000.5, events)
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


def _control(urls: dict[str, str], **told: object) -> None:
    body = json.dumps(told).encode()
    asked = urllib.request.Request(urls["control"], body, {"Content-Type": "application/json"})  # noqa: S310
    with urllib.request.urlopen(asked, timeout=PATIENCE) as answer:  # noqa: S310 - loopback
        _expect(answer.status == 200, answer.status)


def _next_minute(urls: dict[str, str]) -> None:
    _control(urls, do="advance", seconds=60)


def _expect(so: bool, told: object) -> None:  # noqa: FBT001
    if not so:
        raise AssertionError(told)


def _raises(kind: type[Exception], call: Callable[[], object]) -> None:
    try:
        told = call()
    except kind:
        return
    raise AssertionError(f"no {kind.__name__}: {told}")


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1]), sys.argv[2]))
