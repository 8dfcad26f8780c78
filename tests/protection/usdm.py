"""Binance USDT-M: reduce-only algo orders, of which an old and a new one may rest side by side."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
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
from tests.simulators.shared.server import served
from tradebotd.domain.instrument import PositionType
from tradebotd.market.sessions import AlwaysOpen
from tradebotd.net.gate import Gate
from tradebotd.ports.venue import SymbolSetup, Venue
from tradebotd.venues.binance.rest import Key
from tradebotd.venues.binance.signing import signer_of
from tradebotd.venues.binance.usdm.parts import Parts, Settings
from tradebotd.venues.binance.usdm.venue import RECEIVE_WINDOW, BinanceUsdmVenue, usdm_traits

NOON: Final = datetime(2026, 11, 2, 12, tzinfo=UTC)
PRICE: Final = Decimal(100)


@asynccontextmanager
async def usdm(one_way: float) -> AsyncIterator[Place]:
    clock, calendar = SimulatorClock(NOON), AlwaysOpen()
    names = [f"T{number}USDT" for number in range(SYMBOLS)]
    listed = {
        name: Instrument(name, name.removesuffix("USDT"), Decimal("0.01"), Decimal("0.001"), PRICE)
        for name in names
    }
    made: list[Simulator] = []

    def remembered(scene: Scene) -> web.Application:
        made.append(Simulator(scene, Decimal(1_000_000), listed))
        return application(made[0])

    async with (
        served(remembered, clock=clock) as server,
        slow_line(server.port, one_way) as line,
    ):
        simulator, host = made[0], VenueTime(clock)
        venue, account = simulator.venue, simulator.account
        symbols = {
            name: symbol_of(name, name.removesuffix("USDT"), "USDT", calendar, "0.01", "0.001")
            for name in names
        }

        def build() -> Venue:
            settings = Settings(
                venue=VENUE,
                base_url=f"http://127.0.0.1:{line.port}",
                ws_url=f"ws://127.0.0.1:{line.port}",
                key=Key(name=KEY.name, signer=signer_of(KEY.secret, "venues.there.api_secret")),
                secrets=(KEY.name, KEY.secret),
                receive_window=RECEIVE_WINDOW,
                gate=Gate(VENUE, host),
                host=host,
                wallet=None,
            )
            parts = Parts(settings, list(symbols.values()))
            return BinanceUsdmVenue(parts, usdm_traits(), allow_unrestricted_key=True)

        def stops(name: str) -> list[AlgoOrder]:
            return [
                algo
                for algo in account.book.open_algos(name)
                if algo.is_waiting and algo.type in {"STOP", "STOP_MARKET"}
            ]

        def look(name: str) -> Guarded:
            total = sum((algo.quantity for algo in stops(name)), Decimal(0))
            return Guarded(account.position(name, "BOTH").amount, total)

        def move(name: str, price: Decimal) -> None:
            venue.market.set_price(name, price)

        async def cancelled(name: str) -> None:
            for algo in stops(name):
                venue.algos.cancel(account, algo)

        async def expired(name: str) -> None:
            for algo in stops(name):
                venue.algos.expire(account, algo, "expired by the venue")

        async def rejected(name: str) -> None:
            """F5: it triggers, and the order that it becomes is refused."""
            for algo in stops(name):
                venue.algos.reject(account, algo, "Reduce Only reject")

        async def refused(name: str) -> None:
            """It is gone, and the next one is refused once."""
            body = {"code": -4045, "msg": "Reach max stop order limit."}
            server.faults.set(answered(400, body, method="POST", path="/fapi/v1/algoOrder"))
            await cancelled(name)

        async def unheard(name: str) -> None:
            server.faults.set(Fault(kind=Kind.DISCONNECT, code=0))
            await server.met()
            await expired(name)

        async def liquidated(name: str) -> None:
            for position in list(account.held(name)):
                venue.forced.liquidate(account, position, PRICE * Decimal("0.97"))

        async def deleveraged(name: str) -> None:
            for position in list(account.held(name)):
                venue.forced.deleverage(account, position, abs(position.amount), PRICE)

        for name in names:
            move(name, PRICE)
            account.leverages[name] = SymbolSetup().leverage
            account.isolated.add(name)
        yield Place(
            name="usdm",
            server=server,
            clock=clock,
            symbols=symbols,
            calendar=calendar,
            position_type=PositionType.FUTURES,
            quantity=Decimal(10),
            start_price=PRICE,
            build=build,
            look=look,
            price=lambda name: venue.market[name].last,
            move=move,
            mishaps={
                "cancelled by hand": cancelled,
                "expired": expired,
                "rejected": rejected,
                "refused": refused,
                "unheard": unheard,
            },
            endings={"liquidated": liquidated, "deleveraged": deleveraged},
        )
