"""The simulator of Alpaca on a port, with a client that shares nothing with the daemon."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

from tests.simulators.alpaca.exchange import Exchange
from tests.simulators.alpaca.gate import KEY, SECRET
from tests.simulators.alpaca.simulator import Simulator
from tests.simulators.alpaca.terms import Terms
from tests.simulators.shared.clock import SimulatorClock
from tests.simulators.shared.server import Server, served
from tests.unit.simulators.alpaca.scenes import OPEN, moment


@dataclass
class Stage:
    simulator: Simulator
    server: Server
    http: aiohttp.ClientSession

    @property
    def exchange(self) -> Exchange:
        return self.simulator.exchange

    async def ask(self, method: str, path: str, **more: Any) -> tuple[int, Any]:
        """The status of the answer and its JSON, None if it has none."""
        async with self.http.request(method, path, **more) as answer:
            body = await answer.read()
            return answer.status, await answer.json() if body else None

    async def place(self, **more: Any) -> tuple[int, Any]:
        """A market order of the day for 10 AAPL, unless *more* says otherwise."""
        body = {
            "symbol": "AAPL",
            "side": "buy",
            "qty": "10",
            "type": "market",
            "time_in_force": "day",
        }
        return await self.ask("POST", "/v2/orders", json=body | more)


@asynccontextmanager
async def staged(local: str = OPEN, **terms: Any) -> AsyncIterator[Stage]:
    """A stage whose clock stands until it is moved."""
    simulator = Simulator(Terms(**terms))
    clock = SimulatorClock(moment(local), running=False)
    keys = {KEY: simulator.terms.key, SECRET: simulator.terms.secret}
    async with (
        served(simulator.build, clock=clock) as server,
        aiohttp.ClientSession(server.http, headers=keys) as http,
    ):
        stage = Stage(simulator, server, http)
        stage.exchange.quote("AAPL", "199.98", "200")
        stage.exchange.quote("BTC/USD", "60000", "60000")
        yield stage
