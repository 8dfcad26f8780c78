"""Binance USDT-M: reduce-only algo orders, of which an old and a new one may rest side by side."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from aiohttp import web

from tests.protection.places import SYMBOLS, Guarded, Place
from tests.protection.slow_line import slow_line
from tests.simulators.binance.usdm.app import application
from tests.simulators.binance.usdm.instruments import Instrument
from tests.simulators.binance.usdm.orders import AlgoOrder
from tests.simulators.binance.usdm.simulator import KEY, Simulator
from tests.simulators.shared.answers import Scene
from tests.simulators.shared.clock import SimulatorClock
from tests.simulators.shared.server import Server, served
from tradebotd.domain.instrument import PositionType
from tradebotd.ports.venue import SymbolSetup

PRICE: Final = Decimal(100)


NAMES: Final = tuple(f"T{number}USDT" for number in range(SYMBOLS))


@dataclass(frozen=True, kw_only=True)
class Usdm:
    """What is done there."""

    server: Server
    simulator: Simulator

    def stops(self, name: str) -> list[AlgoOrder]:
        return [
            algo
            for algo in self.simulator.account.book.open_algos(name)
            if algo.is_waiting and algo.type in {"STOP", "STOP_MARKET"}
        ]

    def look(self, name: str) -> Guarded:
        total = sum((algo.quantity for algo in self.stops(name)), Decimal(0))
        return Guarded(self.simulator.account.position(name, "BOTH").amount, total)

    def price(self, name: str) -> Decimal:
        return self.simulator.venue.market[name].last

    def move(self, name: str, price: Decimal) -> None:
        self.simulator.venue.market.set_price(name, price)

    async def cancelled(self, name: str) -> None:
        for algo in self.stops(name):
            self.simulator.venue.algos.cancel(self.simulator.account, algo)

    async def expired(self, name: str) -> None:
        for algo in self.stops(name):
            self.simulator.venue.algos.expire(self.simulator.account, algo, "by the venue")

    async def rejected(self, name: str) -> None:
        """F5: it triggers, and the order that it becomes is refused."""
        for algo in self.stops(name):
            self.simulator.venue.algos.reject(self.simulator.account, algo, "Reduce Only reject")

    def offer(self, name: str, quantity: Decimal) -> None:
        self.simulator.venue.market.set_book(name, [], [(self.price(name), quantity)])

    async def liquidated(self, name: str) -> None:
        account = self.simulator.account
        for position in list(account.held(name)):
            self.simulator.venue.forced.liquidate(account, position, PRICE * Decimal("0.97"))

    async def deleveraged(self, name: str) -> None:
        account, forced = self.simulator.account, self.simulator.venue.forced
        for position in list(account.held(name)):
            forced.deleverage(account, position, abs(position.amount), PRICE)


def simulator_of(scene: Scene) -> Simulator:
    listed = {
        name: Instrument(name, name.removesuffix("USDT"), Decimal("0.01"), Decimal("0.001"), PRICE)
        for name in NAMES
    }
    return Simulator(scene, Decimal(1_000_000), listed)


@asynccontextmanager
async def usdm(clock: SimulatorClock, one_way: float) -> AsyncIterator[Place]:
    made: list[Simulator] = []

    def remembered(scene: Scene) -> web.Application:
        made.append(simulator_of(scene))
        return application(made[0])

    async with (
        served(remembered, clock=clock) as server,
        slow_line(server.port, one_way) as line,
    ):
        here = Usdm(server=server, simulator=made[0])
        made[0].venue.funds_by_itself = False
        for name in NAMES:
            here.move(name, PRICE)
            made[0].account.leverages[name] = SymbolSetup().leverage
            made[0].account.isolated.add(name)
        yield Place(
            kind="binance_usdm",
            server=server,
            clock=clock,
            symbols=NAMES,
            currency="USDT",
            secrets={"key": KEY.name, "secret": KEY.secret},
            section=f"""
base_url = "http://127.0.0.1:{line.port}"
ws_url = "ws://127.0.0.1:{line.port}"
""",
            position_type=PositionType.FUTURES,
            quantity=Decimal(10),
            start_price=PRICE,
            bot_lines='position_type = "futures"',
            look=here.look,
            price=here.price,
            move=here.move,
            offer=here.offer,
            cancel=here.cancelled,
            stop_call={"method": "POST", "path": "/fapi/v1/algoOrder"},
            refusal=(400, {"code": -4045, "msg": "Reach max stop order limit."}),
            mishaps={"expired": here.expired, "rejected": here.rejected},
            endings={"liquidated": here.liquidated, "deleveraged": here.deleveraged},
        )
