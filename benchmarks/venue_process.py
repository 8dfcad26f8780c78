"""`python -m benchmarks.venue_process KIND`: a simulated venue by itself, as large as a real one.

KIND is `spot`, `usdm`, `alpaca` or `twelvedata`. It prints its addresses and keys as a line of JSON
and serves until it is terminated. Of the Binance ones the first *moved* symbols (`B0000USDT` …) are
traded *rate* times a second, all together. Two more words of their control: `tick {symbol, price}`
tells a trade and answers when that was written to the stream, `arrivals` answers when orders
arrived, both in seconds of `time.perf_counter`, which all processes of a machine share.
"""

import argparse
import asyncio
import json
import subprocess
import sys
import time
import urllib.request
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from decimal import Decimal
from itertools import cycle
from pathlib import Path
from random import Random
from typing import Any, Final

from aiohttp import web

from tests.simulators.alpaca.simulator import Simulator as AlpacaSimulator
from tests.simulators.binance import ed25519
from tests.simulators.binance.pem import private_pem
from tests.simulators.binance.signing import ApiKey
from tests.simulators.binance.spot.simulator import SpotSimulator
from tests.simulators.binance.spot.symbols import Symbol, usual_filters
from tests.simulators.binance.usdm import app as usdm_app
from tests.simulators.binance.usdm import simulator as usdm
from tests.simulators.binance.usdm.instruments import Instrument
from tests.simulators.shared.answers import Handler, Scene
from tests.simulators.shared.server import served
from tests.simulators.shared.streams import Message, Stream
from tests.simulators.twelvedata.rest import build as twelvedata
from tests.simulators.twelvedata.vendor import KEY as TWELVEDATA_KEY

LISTED: Final = {"spot": 3_000, "usdm": 600}  # about as many as at the venues themselves
ACCOUNT, KEY, SECRET = "bench", "benchKey", bytes(range(32))  # they open nothing elsewhere
MOST_HELD: Final = 500  # coins that the account has
PRICE: Final = "100"
DEEP: Final = "1000000"
COINS: Final = {"BTC/USD": ("60000.00", "60010.00"), "ETH/USD": ("3000.000", "3001.000")}
ORDERS: Final = frozenset({"/api/v3/order", "/fapi/v1/order"})


def name_of(number: int) -> str:
    return f"{base_of(number)}USDT"


def base_of(number: int) -> str:
    return f"B{number:04}"


@dataclass(frozen=True, slots=True)
class Told:
    """What a started venue says of itself; secrets are those of the simulator."""

    http: str
    ws: str
    control: str
    key: str
    secret: str

    def do(self, word: str, **told: object) -> Any:
        """Have the venue do something. Raises HTTPError where it cannot."""
        body = json.dumps({"do": word, **told}).encode()
        with urllib.request.urlopen(self.control, body, timeout=30) as answer:  # noqa: S310 - ours
            return json.load(answer)["ok"]


@contextmanager
def venue_process(
    kind: str, *, listed: int | None = None, moved: int = 0, rate: int = 0
) -> Iterator[Told]:
    """Start one in a process of its own, and end it when the block is left."""
    command = [sys.executable, "-m", "benchmarks.venue_process", kind]
    command += ["--listed", str(listed or LISTED.get(kind, 0))]
    command += ["--moved", str(moved), "--rate", str(rate)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603 - ours
    try:
        line = process.stdout.readline() if process.stdout is not None else ""
        yield Told(**json.loads(line))
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def write_keys(home: Path, name: str, told: Told) -> None:
    """Write `NAME.key` and `NAME.secret`, which nobody else may read."""
    for what, text in (("key", told.key), ("secret", told.secret)):
        path = home / f"{name}.{what}"
        path.touch(0o600)
        path.write_text(text)


class Stand:
    """A simulator, what moves its prices, and when orders arrived."""

    def __init__(self, kind: str, listed: int) -> None:
        self.kind, self.listed = kind, listed
        self.arrivals: list[float] = []
        self.departures: deque[float] = deque(maxlen=100)
        self.key, self.secret = "", ""
        self.move: Callable[[str, str], None] = lambda _symbol, _price: None

    def build(self, scene: Scene) -> web.Application:
        app = {
            "spot": self._spot,
            "usdm": self._usdm,
            "alpaca": self._alpaca,
            "twelvedata": self._twelvedata,
        }[self.kind](scene)
        app.middlewares.insert(0, self._stamp)
        self._note_departures()
        scene.controls |= {"tick": self._tick, "arrivals": self._arrived}
        return app

    def _spot(self, scene: Scene) -> web.Application:
        symbols = [
            Symbol(name_of(n), base_of(n), "USDT", usual_filters("0.01", "0.001"))
            for n in range(self.listed)
        ]
        simulator = SpotSimulator(symbols)
        app = simulator.build(scene)
        venue = simulator.venue
        funds = {"USDT": "100000000", **{each.base: "10000" for each in symbols[:MOST_HELD]}}
        venue.open_account(ACCOUNT, funds)
        venue.add_key(ApiKey(KEY, ACCOUNT, public_key=ed25519.public_key(SECRET)))
        self.key, self.secret = KEY, private_pem(SECRET)
        self.move = lambda symbol, price: venue.move(symbol, price, DEEP)
        for each in symbols:
            self.move(each.name, PRICE)
        return app

    def _usdm(self, scene: Scene) -> web.Application:
        tick, step = Decimal("0.01"), Decimal("0.001")
        instruments = {
            name_of(n): Instrument(name_of(n), base_of(n), tick, step, Decimal(PRICE))
            for n in range(self.listed)
        }
        simulator = usdm.Simulator(scene, Decimal(10_000_000), instruments)
        self.key, self.secret = usdm.ED25519_KEY.name, private_pem(usdm.ED25519_SECRET)
        market = simulator.venue.market
        self.move = lambda symbol, price: market.set_price(symbol, Decimal(price))
        return usdm_app.application(simulator)

    def _alpaca(self, scene: Scene) -> web.Application:
        simulator = AlpacaSimulator()
        app = simulator.build(scene)
        self.key, self.secret = simulator.terms.key, simulator.terms.secret
        for symbol, (bid, ask) in COINS.items():
            simulator.exchange.quote(symbol, bid, ask)
        return app

    def _twelvedata(self, scene: Scene) -> web.Application:
        self.key = TWELVEDATA_KEY
        return twelvedata(scene)

    @web.middleware
    async def _stamp(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.method == "POST" and request.path in ORDERS:
            self.arrivals.append(time.perf_counter())
        return await handler(request)

    async def _tick(self, told: dict[str, Any]) -> float:
        self.departures.clear()
        self.move(told["symbol"], told["price"])
        while not self.departures:  # noqa: ASYNC110 - it is no event: a few turns of the loop
            await asyncio.sleep(0)
        return self.departures[0]

    def _note_departures(self) -> None:
        """Note when a trade is written to a stream, what the simulator does before left out."""
        send = Stream._send  # noqa: SLF001 - there is no other place to look

        async def noted(stream: Stream, event: Message) -> None:
            if isinstance(event, str) and '"aggTrade"' in event:
                self.departures.append(time.perf_counter())
            await send(stream, event)

        Stream._send = noted  # type: ignore[method-assign, assignment]  # noqa: SLF001

    async def _arrived(self, _: dict[str, Any]) -> list[float]:
        arrived, self.arrivals = self.arrivals, []
        return arrived

    async def trade(self, moved: int, rate: int) -> None:
        """Move the first *moved* symbols in turn, *rate* times a second in all, for ever."""
        chance = Random(1)  # noqa: S311 - prices, not secrets
        prices = dict.fromkeys(map(name_of, range(moved)), 100.0)
        began = time.perf_counter()
        for told, name in enumerate(cycle(prices), 1):
            prices[name] *= 1 + chance.gauss(0, 0.0002)
            self.move(name, f"{prices[name]:.2f}")
            await asyncio.sleep(max(0.0, began + told / rate - time.perf_counter()))


async def _serve(kind: str, listed: int, moved: int, rate: int) -> None:
    stand = Stand(kind, listed)
    async with served(stand.build) as server:
        told = Told(server.http, server.ws, server.control_url, stand.key, stand.secret)
        print(json.dumps(asdict(told)), flush=True)
        if moved:
            await stand.trade(moved, rate)
        await asyncio.Event().wait()


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind")
    for name in ("--listed", "--moved", "--rate"):
        parser.add_argument(name, type=int, default=0)
    asked = parser.parse_args()
    asyncio.run(_serve(asked.kind, asked.listed, asked.moved, asked.rate))


if __name__ == "__main__":
    _main()
