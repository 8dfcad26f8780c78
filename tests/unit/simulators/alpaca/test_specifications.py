"""Every answer of the simulator against Alpaca's own specifications, where they are at hand."""

import json
import os
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.simulators.alpaca.gate import is_data, is_never_called
from tests.simulators.alpaca.market import flat_bars
from tests.unit.simulators.alpaca.openapi import Specification
from tests.unit.simulators.alpaca.scenes import moment
from tests.unit.simulators.alpaca.stage import Stage, staged

BEARS = {
    "Exchange": frozenset({"CRYPTO"}),  # its own assets and positions of crypto say so
    "ExchangeForPosition": frozenset({"CRYPTO"}),
    "OrderStatus": frozenset({"pending_review"}),  # A5
}
WRITES = {"POST", "PATCH", "DELETE"}


def specification(name: str) -> Specification:
    folder = os.environ.get("TRADEBOTD_TEST_DATA")
    path = Path(folder or "nowhere") / "venue_examples" / f"alpaca_{name}_openapi.json"
    if not path.exists():
        pytest.skip(f"{path.name} is not there: set TRADEBOTD_TEST_DATA")
    return Specification(path, BEARS)


@pytest.fixture
def trading() -> Specification:
    return specification("trading")


@pytest.fixture
def market_data() -> Specification:
    return specification("market_data")


async def visited(stage: Stage, spec: Specification, method: str, path: str, **more: Any) -> Any:
    """The body of an answer that is as the specification has it. *more*: `url`, `json`."""
    url = more.pop("url", path)
    status, body = await stage.ask(method, url, **more)
    assert not spec.problems(method, path, status, body), (method, url, status)
    return body


async def test_trading_answers_are_as_specified(trading: Specification) -> None:
    bracket = {
        "symbol": "AAPL",
        "side": "buy",
        "qty": "10",
        "type": "market",
        "time_in_force": "gtc",
        "order_class": "bracket",
        "take_profit": {"limit_price": "210"},
        "stop_loss": {"stop_price": "190"},
    }
    resting = {
        "symbol": "AAPL",
        "side": "buy",
        "qty": "1",
        "type": "limit",
        "limit_price": "150",
        "time_in_force": "gtc",
    }
    crypto = {
        "symbol": "BTC/USD",
        "side": "buy",
        "notional": "100",
        "type": "market",
        "time_in_force": "gtc",
    }
    async with staged() as stage:

        async def visit(method: str, path: str, **more: Any) -> Any:
            return await visited(stage, trading, method, path, **more)

        stage.exchange.transfer("100")
        entry = await visit("POST", "/v2/orders", json=bracket)
        await visit("POST", "/v2/orders", json=crypto)
        order = await visit("POST", "/v2/orders", json=resting)
        of_order = "/v2/orders/{order_id}"
        new = await visit("PATCH", of_order, url=f"/v2/orders/{order['id']}", json={"qty": "2"})
        await visit("GET", of_order, url=f"/v2/orders/{entry['id']}?nested=true")
        by_client_id = "/v2/orders:by_client_order_id"
        client_id = entry["client_order_id"]
        await visit("GET", by_client_id, url=f"{by_client_id}?client_order_id={client_id}")
        assert await visit("GET", "/v2/orders", url="/v2/orders?status=all&nested=true")
        await visit("DELETE", of_order, url=f"/v2/orders/{new['id']}")
        await visit("DELETE", "/v2/orders")
        stage.server.clock.advance(moment("2026-11-19 10:00") - stage.server.clock.now())
        assert len(await visit("GET", "/v2/account/activities")) == 4
        of_kind = "/v2/account/activities/{activity_type}"
        assert await visit("GET", of_kind, url="/v2/account/activities/FILL")
        for path in ("/v2/account", "/v2/account/configurations", "/v2/clock", "/v2/calendar"):
            await visit("GET", path)
        await visit("GET", "/v3/clock", url="/v3/clock?markets=NYSE,BOATS,XNAS")
        for name in ("NYSE", "BOATS"):
            await visit("GET", "/v3/calendar/{market}", url=f"/v3/calendar/{name}")
        for kind in ("us_equity", "crypto"):
            assert await visit("GET", "/v2/assets", url=f"/v2/assets?asset_class={kind}")
        await visit("GET", "/v2/assets/{symbol_or_asset_id}", url="/v2/assets/BTC%2FUSD")
        assert len(await visit("GET", "/v2/positions")) == 2
        one = "/v2/positions/{symbol_or_asset_id}"
        await visit("GET", one, url="/v2/positions/AAPL")
        await visit("DELETE", one, url="/v2/positions/AAPL?qty=1")
        await visit("DELETE", "/v2/positions", url="/v2/positions?cancel_orders=true")


async def test_trade_updates_and_events_carry_what_is_specified(trading: Specification) -> None:
    """A9: the activity events."""
    async with staged() as stage:
        await stage.place()
        stage.exchange.transfer("5")
        for update in stage.exchange.desk.updates.told:
            assert not trading.of_schema("Order", update["order"])
        path = "/v2beta1/events/activities?since=2026-11-01&until=2026-12-01"
        async with stage.http.get(path) as answer:
            lines = (await answer.text()).split("\n\n")
    events = [json.loads(line.removeprefix("data: ")) for line in lines if line]
    assert len(events) == 2
    for event in events:
        assert not trading.of_schema("ActivityEventV2", event)


async def test_market_data_is_as_specified(market_data: Specification) -> None:
    async with staged() as stage:

        async def visit(path: str, query: str) -> Any:
            url = path.replace("{loc}", "us") + query
            return await visited(stage, market_data, "GET", path, url=url)

        for symbol, feed in (("AAPL", "iex"), ("BTC/USD", "crypto")):
            for bar in flat_bars(moment("2026-11-18 09:30"), 5, Decimal(200)):
                stage.exchange.bar(symbol, bar, feed)
            stage.exchange.trade(symbol, "200", "2")
        bars = "&timeframe=1Min&start=2026-11-18&limit=3"
        assert (await visit("/v2/stocks/bars", f"?symbols=AAPL&feed=iex{bars}"))["next_page_token"]
        assert (await visit("/v1beta3/crypto/{loc}/bars", f"?symbols=BTC/USD{bars}"))["bars"]
        for kind in ("quotes", "trades"):
            assert (await visit(f"/v2/stocks/{kind}/latest", "?symbols=AAPL"))[kind]
            path = f"/v1beta3/crypto/{{loc}}/latest/{kind}"
            assert (await visit(path, "?symbols=BTC/USD"))[kind]
        path = "/v1beta3/crypto/{loc}/latest/orderbooks"
        assert (await visit(path, "?symbols=BTC/USD"))["orderbooks"]


def test_every_path_that_moves_money_away_is_one_that_is_never_called(
    trading: Specification,
) -> None:
    """A10: whatever the specification has of wallets, minting, locates and exercising."""
    words = ("wallets", "mint", "exercise")
    dangerous = [
        (method.upper(), path)
        for path, methods in trading.paths.items()
        for method in methods
        if method.upper() in WRITES | {"GET"} and any(word in path for word in words)
    ]

    assert len(dangerous) > 15
    for method, path in [*dangerous, ("POST", "/v1/locates")]:
        assert is_never_called(method, path.replace("{", "").replace("}", "")), (method, path)
        assert not is_data(path)


def test_the_walker_sees_what_is_wrong(trading: Specification) -> None:
    asset = {"id": "no-uuid", "class": "us_equity", "tradable": "yes", "status": "sleeping"}

    problems = trading.of_schema("Assets", asset)

    assert any("uuid" in each for each in problems)
    assert any("no boolean" in each for each in problems)
    assert any("sleeping" in each for each in problems)
    assert "$.symbol: missing" in problems
