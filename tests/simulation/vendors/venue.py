"""A vendor's simulator as the seeds' venue: served on the loopback, its own ledger behind it."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, ClassVar, Protocol

from aiohttp import web

from tests.simulation.host import Life
from tests.simulation.ledger import VenueOrder
from tests.simulation.vendors.faults import (
    EFFECT,
    STREAM_FAULTS,
    STREAM_SECONDS,
    DrawnFaults,
    Words,
)
from tests.simulation.vendors.ledger import StreetClock, VendorLedger
from tests.simulation.venue import SimulatedVenue
from tests.simulators.shared.answers import Handler, Scene
from tests.simulators.shared.faults import Fault, Kind
from tests.simulators.shared.server import Server, served
from tradebotd.domain.instrument import MarketSymbol
from tradebotd.domain.order import OrderStatus
from tradebotd.ports.venue import RunsBetweenCalls, Venue

if TYPE_CHECKING:
    from tests.simulation.vendors.client import Way


class Adapter(Venue, RunsBetweenCalls, Protocol):
    """Every vendor's."""


TICK: float = 0.5  # virtual seconds between two looks at what is due at the simulator


@dataclass
class VendorVenue(SimulatedVenue):
    """What is the same for all vendors; a subclass has its simulator."""

    server: Server | None = None
    _calmed: bool = False
    words: ClassVar[Words]

    @property
    def far(self) -> Server:
        assert self.server is not None
        return self.server

    @property
    def books(self) -> VendorLedger:
        assert isinstance(self.ledger, VendorLedger)
        return self.ledger

    async def serve(self, stack: AsyncExitStack) -> None:
        """Until *stack* ends."""
        clock = StreetClock(self.street)

        def build(scene: Scene) -> web.Application:
            scene.streams.look = TICK
            scene.faults = DrawnFaults(clock, self.street, self.words)
            app = self.build(scene)
            app.middlewares.append(self._watch)
            return app

        self.server = await stack.enter_async_context(served(build, clock=clock, tick=TICK))
        self.furnish()
        self.books.follow()

    def build(self, scene: Scene) -> web.Application:
        raise NotImplementedError

    def furnish(self) -> None:
        """Open the account and the markets."""
        raise NotImplementedError

    @web.middleware
    async def _watch(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """What is really executed, whatever is told of it."""
        answer = await self.execute(request, handler)
        self.books.follow()
        return answer

    async def execute(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        raise NotImplementedError

    def adapter(self, life: Life) -> "tuple[Adapter, Way]":
        """Of one life."""
        raise NotImplementedError

    def move(self, symbol: str, price: Decimal) -> None:
        self.street.set(symbol, price)
        self.market_moves(symbol, price)
        self.books.follow()

    def market_moves(self, symbol: str, price: Decimal) -> None:
        raise NotImplementedError

    def look(self) -> None:
        self.books.follow()
        super().look()

    def symbols(self) -> Sequence[MarketSymbol]:
        return [
            each.symbol for each in self.street.plan.markets if each.instrument.venue == self.name
        ]

    def cancel(self, order: VenueOrder, how: OrderStatus = OrderStatus.CANCELED) -> None:
        """By somebody else's hand."""
        raise NotImplementedError

    def lots_change(self, symbol: str, lot: Decimal) -> None:
        raise NotImplementedError

    def pass_time(self) -> None:
        """Noon changes lots, and streams and the way to the venue fail for a while."""
        (noon, lots), instruments = self.street.plan.noon, self.ledger.instruments
        for symbol in sorted(instruments.keys() & lots.keys()):
            if (
                self.street.time.monotonic() >= noon
                and instruments[symbol].lot_size != lots[symbol]
            ):
                instruments[symbol] = replace(instruments[symbol], lot_size=lots[symbol])
                self.lots_change(symbol, lots[symbol])
                self.street.record.say("lots change", symbol)
        if not self.street.faults.on:
            if not self._calmed:
                self._calmed = True
                self.far.faults.clear()
            return
        for name, fault in STREAM_FAULTS.items():
            seconds = self.street.chance.uniform(*STREAM_SECONDS) if fault.lasting else 0.0
            if self.street.faults.strikes(name, seconds + EFFECT):
                self.far.faults.set(fault.drawn(self.street.chance, self.words.stream, seconds))
                self.street.record.say("fault", f"stream {name}")
        if self.street.faults.strikes("disconnect"):
            seconds = self.street.chance.uniform(1, 300)
            self.street.faults.lasts(seconds + EFFECT)
            self.far.faults.set(Fault(kind=Kind.REFUSED, lasts=seconds))
            self.street.record.say("venue", "disconnect")
