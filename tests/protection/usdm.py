"""Binance USDT-M: reduce-only algo orders, of which an old and a new one may rest side by side."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from aiohttp import web

from tests.protection.daemon import VenueTime
from tests.protection.places import SYMBOLS, VENUE, Guarded, Place, symbol_of
from tests.protection.slow_line import slow_line
from tests.simulators.binance.usdm.app import application
from tests.simulators.binance.usdm.instruments import Instrument
from tests.simulators.binance.usdm.orders import AlgoOrder
from tests.simulators.binance.usdm.simulator import KEY, Simulator
from tests.simulators.shared.answers import Scene
from tests.simulators.shared.clock import SimulatorClock
from tests.simulators.shared.faults import Fault, Kind, answered
from tests.simulators.shared.server import Server, served
from tradebotd.domain.instrument import MarketSymbol, PositionType
from tradebotd.market.sessions import AlwaysOpen
from tradebotd.net.gate import Gate
from tradebotd.ports.venue import SymbolSetup, Venue
from tradebotd.venues.binance.rest import Key
from tradebotd.venues.binance.signing import signer_of
from tradebotd.venues.binance.usdm.parts import Parts, Settings
from tradebotd.venues.binance.usdm.venue import RECEIVE_WINDOW, BinanceUsdmVenue, usdm_traits

PRICE: Final = Decimal(100)


NAMES: Final = tuple(f"T{number}USDT" for number in range(SYMBOLS))


@dataclass(frozen=True, kw_only=True)
class Usdm:
    """What is done there; *port*: of the slow line."""

    server: Server
    simulator: Simulator
    host: VenueTime
    port: int
    symbols: Mapping[str, MarketSymbol]

    def build(self) -> Venue:
        settings = Settings(
            venue=VENUE,
            base_url=f"http://127.0.0.1:{self.port}",
            ws_url=f"ws://127.0.0.1:{self.port}",
            key=Key(name=KEY.name, signer=signer_of(KEY.secret, "venues.there.api_secret")),
            secrets=(KEY.name, KEY.secret),
            receive_window=RECEIVE_WINDOW,
            gate=Gate(VENUE, self.host),
            host=self.host,
            wallet=None,
        )
        parts = Parts(settings, list(self.symbols.values()))
        return BinanceUsdmVenue(parts, usdm_traits(), allow_unrestricted_key=True)

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

    async def refused(self, name: str) -> None:
        """It is gone, and the next one is refused once."""
        body = {"code": -4045, "msg": "Reach max stop order limit."}
        self.server.faults.set(answered(400, body, method="POST", path="/fapi/v1/algoOrder"))
        await self.cancelled(name)

    async def unheard(self, name: str) -> None:
        self.server.faults.set(Fault(kind=Kind.DISCONNECT, code=0))
        await self.server.met()
        await self.expired(name)

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
    calendar = AlwaysOpen()
    made: list[Simulator] = []

    def remembered(scene: Scene) -> web.Application:
        made.append(simulator_of(scene))
        return application(made[0])

    symbols = {
        name: symbol_of(name, name.removesuffix("USDT"), "USDT", calendar, "0.01", "0.001")
        for name in NAMES
    }
    async with (
        served(remembered, clock=clock) as server,
        slow_line(server.port, one_way) as line,
    ):
        here = Usdm(
            server=server,
            simulator=made[0],
            host=VenueTime(clock),
            port=line.port,
            symbols=symbols,
        )
        for name in NAMES:
            here.move(name, PRICE)
            made[0].account.leverages[name] = SymbolSetup().leverage
            made[0].account.isolated.add(name)
        yield Place(
            name="usdm",
            server=server,
            clock=clock,
            symbols=symbols,
            calendar=calendar,
            position_type=PositionType.FUTURES,
            quantity=Decimal(10),
            start_price=PRICE,
            build=here.build,
            look=here.look,
            price=here.price,
            move=here.move,
            mishaps={
                "cancelled by hand": here.cancelled,
                "expired": here.expired,
                "rejected": here.rejected,
                "refused": here.refused,
                "unheard": here.unheard,
            },
            endings={"liquidated": here.liquidated, "deleveraged": here.deleveraged},
        )
