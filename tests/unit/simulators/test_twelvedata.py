"""The simulated Twelve Data, asked as its documents say."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from tests.simulators.shared.answers import Scene
from tests.simulators.shared.clock import SimulatorClock
from tests.simulators.shared.server import Server, served
from tests.simulators.twelvedata.bars import Bar, Given
from tests.simulators.twelvedata.credits import PLANS, Account
from tests.simulators.twelvedata.instruments import AAPL, BTCUSD, Split
from tests.simulators.twelvedata.rest import build
from tests.simulators.twelvedata.vendor import KEY, TwelveData

TUESDAY = datetime(2026, 3, 3, 15, 7, 30, tzinfo=UTC)  # 10:07:30 in New York, 16:07:30 in Berlin
Json = dict[str, Any]


class Asked:
    def __init__(self, server: Server, vendor: TwelveData, client: aiohttp.ClientSession) -> None:
        self.server, self.vendor, self._client = server, vendor, client
        self.headers: Any = {}
        self.status = 0

    async def __call__(self, call: str, *, key: str = KEY, **params: object) -> Json:
        header = {"Authorization": f"apikey {key}"}
        asked = {name: str(value) for name, value in params.items()}
        async with self._client.get(
            f"{self.server.http}/{call}", params=asked, headers=header
        ) as answer:
            self.headers, self.status = answer.headers, answer.status
            told: Json = json.loads(await answer.read())
            return told

    def line(self, key: str = KEY) -> Any:
        return self._client.ws_connect(f"{self.server.ws}/v1/quotes/price?apikey={key}")


@asynccontextmanager
async def asking(plan: str = "pro", **vendor: Any) -> AsyncIterator[Asked]:
    clock = SimulatorClock(TUESDAY, running=False)
    accounts = {KEY: Account(PLANS[plan])}
    made = TwelveData(clock, accounts=accounts, **vendor)

    def app(scene: Scene) -> web.Application:
        return build(scene, made)

    async with served(app, clock=clock) as server, aiohttp.ClientSession() as client:
        yield Asked(server, made, client)


async def test_values_are_newest_first_with_the_unfinished_bar() -> None:
    async with asking() as ask:
        told = await ask(
            "time_series", symbol="AAPL", interval="1min", timezone="UTC", outputsize=3
        )

    assert [row["datetime"] for row in told["values"]] == [
        "2026-03-03 15:07:00",
        "2026-03-03 15:06:00",
        "2026-03-03 15:05:00",
    ]
    assert told["meta"]["exchange_timezone"] == "America/New_York"
    assert told["status"] == "ok"


async def test_datetimes_are_the_exchanges_unless_a_zone_is_asked_for() -> None:
    async with asking() as ask:
        told = await ask("time_series", symbol="AAPL", interval="5min", outputsize=1)
        pair = await ask("time_series", symbol="BTC/USD", interval="5min", outputsize=1)

    assert told["values"][0]["datetime"] == "2026-03-03 10:05:00"
    assert pair["values"][0]["datetime"] == "2026-03-03 15:05:00"


async def test_days_are_the_exchanges_whatever_zone_is_asked_for() -> None:
    """T1: `timezone` is ignored for days."""
    async with asking() as ask:
        ask.server.clock.advance(
            timedelta(hours=10)
        )  # 01:07 on the 4th in UTC, still the 3rd there
        told = await ask(
            "time_series", symbol="AAPL", interval="1day", timezone="UTC", outputsize=2
        )

    assert [row["datetime"] for row in told["values"]] == ["2026-03-03", "2026-03-02"]


async def test_eight_hours_is_an_interval() -> None:
    """T2."""
    async with asking() as ask:
        told = await ask("time_series", symbol="BTC/USD", interval="8h", outputsize=2)

    assert [row["datetime"][11:13] for row in told["values"]] == ["08", "00"]


async def test_the_default_size_depends_on_dates() -> None:
    """T3: 30 without dates, all with them."""
    async with asking() as ask:
        few = await ask("time_series", symbol="BTC/USD", interval="1min")
        begin = {"start_date": "2026-03-03T14:00:00", "timezone": "UTC"}
        all_ = await ask("time_series", symbol="BTC/USD", interval="1min", **begin)

    assert len(few["values"]) == 30
    assert len(all_["values"]) == 68


async def test_stored_bars_change_after_a_split_unless_none_is_adjusted() -> None:
    """T4: `splits` is the default."""
    minute = datetime(2026, 3, 2, 15, tzinfo=UTC)
    price = Decimal(400)
    bar = Bar(minute, date(2026, 3, 2), price, price, price, price, Decimal(10))
    split = replace(AAPL, splits=[Split(date(2026, 3, 3), Decimal(4))])
    async with asking(minutes=Given({"AAPL": [bar]}), instruments=[split]) as ask:
        usual = await ask("time_series", symbol="AAPL", interval="1day")
        traded = await ask("time_series", symbol="AAPL", interval="1day", adjust="none")

    assert (usual["values"][0]["close"], usual["values"][0]["volume"]) == ("100.00000", "40")
    assert (traded["values"][0]["close"], traded["values"][0]["volume"]) == ("400.00000", "10")


async def test_a_batch_has_a_status_each_and_costs_a_credit_a_symbol() -> None:
    """T5: one bad symbol is an error inside a 200."""
    async with asking() as ask:
        told = await ask("time_series", symbol="AAPL,NONE,BTC/USD", interval="1min", outputsize=1)

        assert ask.headers["Is_batch"] == "true"
        assert ask.headers["api-credits-used"] == "3"
    assert [told[each]["status"] for each in ("AAPL", "NONE", "BTC/USD")] == ["ok", "error", "ok"]
    assert told["NONE"]["code"] == 404


async def test_the_minutes_and_the_days_credits_end_in_words_of_their_own() -> None:
    """T6: 8 a minute and 800 a UTC day on Basic."""
    async with asking("basic") as ask:
        for _ in range(8):
            assert "price" in await ask("price", symbol="AAPL")
        refused = await ask("price", symbol="AAPL")
        assert (refused["code"], ask.status) == (429, 200)
        assert "9 API credits were used, with the current limit being 8" in refused["message"]
        assert "for the current minute" in refused["message"]
        ask.server.clock.advance(timedelta(minutes=1))
        assert "price" in await ask("price", symbol="AAPL")

        ask.vendor.accounts[KEY].used_in_day = 800
        assert "for the day" in (await ask("price", symbol="AAPL"))["message"]
        assert (await ask("api_usage"))["plan_daily_limit"] == 800
        ask.server.clock.advance(timedelta(hours=9))
        assert "price" in await ask("price", symbol="AAPL")


@pytest.mark.parametrize(("symbol", "status"), [("SIE", 403), ("7203", 404)])
async def test_what_a_plan_lacks_is_told_by_either_status(symbol: str, status: int) -> None:
    """T7: plan gates come as 403 or 404."""
    async with asking("basic") as ask:
        told = await ask("price", symbol=symbol)

    assert (told["code"], ask.status) == (status, status)
    assert "plan" in told["message"]


async def test_a_wrong_key_is_refused_and_both_places_of_it_are_read() -> None:
    """T11: the header, or the parameter."""
    async with asking() as ask:
        assert (await ask("price", key="wrong", symbol="AAPL"))["code"] == 401
        async with aiohttp.ClientSession() as client:
            asked = {"symbol": "AAPL", "apikey": KEY}
            async with client.get(f"{ask.server.http}/price", params=asked) as answer:
                assert "price" in await answer.json()


async def test_calls_of_several_kinds_go_in_one_batch() -> None:
    """T10."""
    asked = {
        "one": {"url": "/price?symbol=AAPL"},
        "two": {"url": "/time_series?symbol=NONE&interval=1min"},
    }
    async with asking() as ask, aiohttp.ClientSession() as client:
        header = {"Authorization": f"apikey {KEY}"}
        async with client.post(f"{ask.server.http}/batch", json=asked, headers=header) as answer:
            told = await answer.json()

    assert (told["data"]["one"]["status"], told["data"]["two"]["status"]) == ("success", "error")


async def test_a_time_without_trading_is_no_data() -> None:
    async with asking() as ask:
        sunday = {"start_date": "2026-03-01", "end_date": "2026-03-01T23:00:00"}
        told = await ask("time_series", symbol="AAPL", interval="1min", **sunday)

    assert told["code"] == 400
    assert told["message"].startswith("No data is available")


async def test_the_stream_tells_what_was_subscribed_and_what_failed() -> None:
    """T8: success and fails; then prices, and an answer to each heartbeat."""
    async with asking() as ask, ask.line() as line:
        await line.send_json({"action": "subscribe", "params": {"symbols": "BTC/USD,NONE"}})
        told = await line.receive_json()
        assert [each["symbol"] for each in told["success"]] == ["BTC/USD"]
        assert told["fails"] == [{"symbol": "NONE"}]

        await ask.server.scene.controls["price"]({"symbol": "BTC/USD", "price": "64001.5"})
        price = await line.receive_json()
        assert (price["event"], price["price"]) == ("price", 64001.5)
        assert (await ask("price", symbol="BTC/USD"))["price"] == "64001.50000"
        await line.send_json({"action": "heartbeat"})
        assert (await line.receive_json())["event"] == "heartbeat"


async def test_the_connection_that_is_one_too_many_ends_the_oldest() -> None:
    """T8: one connection on Basic; eight symbols."""
    nine = [replace(BTCUSD, symbol=f"C{number}/USD") for number in range(9)]
    async with asking("basic", instruments=nine) as ask, ask.line() as old, ask.line() as new:
        assert (await old.receive(30)).type is aiohttp.WSMsgType.CLOSE
        symbols = ",".join(each.symbol for each in nine)
        await new.send_json({"action": "subscribe", "params": {"symbols": symbols}})
        told = await new.receive_json()
        assert (len(told["success"]), told["fails"]) == (8, [{"symbol": "C8/USD"}])


async def test_a_quote_knows_whether_the_market_is_open() -> None:
    async with asking() as ask:
        assert (await ask("quote", symbol="AAPL"))["is_market_open"] is True
        ask.server.clock.advance(timedelta(hours=8))
        assert (await ask("quote", symbol="AAPL"))["is_market_open"] is False
