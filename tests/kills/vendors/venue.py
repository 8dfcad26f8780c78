"""The vendor's simulator in a process of its own: shown the daemon's prices, asked for its ledger."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

import anyio
from anyio.abc import SocketAttribute, SocketStream
from anyio.streams.buffered import BufferedByteReceiveStream

from tests.kills.outliving import HOST, Introduce
from tests.kills.vendors.shared_time import EPOCH, MICROSECOND, SharedTime, VenueClock
from tests.simulation.vendors.alpaca import name_of
from tests.simulators.alpaca.simulator import Simulator
from tests.simulators.alpaca.terms import Terms
from tests.simulators.alpaca.told_ledger import ledger_of as alpaca_ledger
from tests.simulators.binance import ed25519
from tests.simulators.binance.spot.told_ledger import ledger_of as spot_ledger
from tests.simulators.binance.usdm.told_ledger import ledger_of as usdm_ledger
from tests.simulators.shared.clock import SimulatorClock
from tests.simulators.shared.server import served
from tests.venue_core.clock import verify
from tests.venue_core.places.alpaca import AlpacaPlace, alpaca
from tests.venue_core.places.place import Place, Serve
from tests.venue_core.places.spot import ACCOUNT, SpotPlace, spot
from tests.venue_core.places.usdm import UsdmPlace, usdm

LONGEST: Final = 10_000  # bytes of a line
WALK: Final = timedelta(seconds=15)
Books = dict[str, Any]


class Coins(AlpacaPlace):
    """Alpaca's coins, for which it keeps no stop that the daemon relies on."""

    symbol = "BTC/USD"
    quantity = Decimal("0.01")
    symbol_lines = 'base_asset = "BTC"\nquote_asset = "USD"'

    def __init__(self, server: Any, simulator: Simulator) -> None:
        super().__init__(server, simulator)
        self.move(Decimal(60_000))


@asynccontextmanager
async def coins(clock: SimulatorClock) -> AsyncIterator[Coins]:
    simulator = Simulator(Terms(storm=10_000))
    async with served(simulator.build, clock=clock) as server:
        yield Coins(server, simulator)


def _ledger_of_spot(place: SpotPlace) -> Books:
    return spot_ledger(place.simulator.venue, ACCOUNT)


def _ledger_of_usdm(place: UsdmPlace) -> Books:
    return usdm_ledger(place.simulator.account)


def _ledger_of_alpaca(place: AlpacaPlace) -> Books:
    """As it is told, but a pair by the two names that it was sent with."""
    desk = place.simulator.exchange.desk
    place.simulator.exchange.catch_up()
    told = alpaca_ledger(desk)
    for row, order in zip(told["orders"], desk.book.all, strict=True):
        row["client_id"] = name_of(order)
    return told


@dataclass(frozen=True)
class Kind:
    serve: Serve
    ledger: Callable[[Any], Books]


KINDS: Final = {
    "binance_spot": Kind(spot, _ledger_of_spot),
    "binance_usdm": Kind(usdm, _ledger_of_usdm),
    "alpaca": Kind(alpaca, _ledger_of_alpaca),
    "alpaca_coins": Kind(coins, _ledger_of_alpaca),
}


class Kept:
    """What those who keep the venue may ask of it: prices come in, the ledger goes out."""

    def __init__(self, place: Place, kind: Kind, shared: SharedTime) -> None:
        self._step = Decimal("0.1") if isinstance(place, UsdmPlace) else Decimal("0.01")
        self._place, self._kind, self._shared = place, kind, shared
        self._shown = 0  # microseconds of market time

    async def answer(self, line: bytes) -> bytes:
        asked = json.loads(line)
        told = await self._words[asked["do"]](asked)
        return json.dumps({"data": told}).encode() + b"\n"

    @property
    def _words(self) -> dict[str, Callable[[dict[str, Any]], Awaitable[Any]]]:
        return {"tick": self._tick, "walk": self._walk, "ledger": self._ledger}

    async def _tick(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Take a price, unless it was shown before; tells how many orders it has changed."""
        if asked["at"] <= self._shown:
            return {"changed": 0}
        self._shown = asked["at"]
        before = self._states()
        self._place.move(Decimal(asked["price"]))
        await self._place.server.clock.run_due()
        after = self._states()
        return {"changed": sum(before.get(name) != state for name, state in after.items())}

    async def _walk(self, asked: dict[str, Any]) -> None:
        """Move the market while nobody is shown it: by factors of its price, each some seconds later."""
        for factor in asked["factors"]:
            self._shared.reach(self._shared.now() + WALK)
            await self._place.server.clock.run_due()
            price = self._place.price * Decimal(factor)
            self._place.move(price.quantize(self._step))
        self._shown = max(self._shown, (self._shared.now() - EPOCH) // MICROSECOND)

    def _states(self) -> dict[str, tuple[str, str]]:
        rows = self._kind.ledger(self._place)["orders"]
        return {each["id"]: (each["status"], each["filled"]) for each in rows}

    async def _ledger(self, _: dict[str, Any]) -> Books:
        return self._kind.ledger(self._place)


async def keep(kind: str, shared: SharedTime, introduce: Introduce) -> None:
    """Serve the venue *kind* until the process ends."""
    signatures: Any = ed25519
    signatures.verify = verify  # its own is written to be read
    serving: AbstractAsyncContextManager[Place] = KINDS[kind].serve(VenueClock(shared))
    async with serving as place:
        kept = Kept(place, KINDS[kind], shared)
        listener = await anyio.create_tcp_listener(local_host=HOST)

        async def serve(stream: SocketStream) -> None:
            async with stream:
                try:
                    line = await BufferedByteReceiveStream(stream).receive_until(b"\n", LONGEST)
                    await stream.send(await kept.answer(line))
                except (anyio.IncompleteRead, anyio.BrokenResourceError):
                    return  # whoever asked was killed

        async with listener:
            introduce(
                {
                    "port": listener.extra(SocketAttribute.local_port),  # noqa: S610 - no query
                    "section": place.section,
                    "secrets": dict(place.secrets),
                }
            )
            await listener.serve(serve)
