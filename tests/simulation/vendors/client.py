"""One life's side of the wire: its requests leave and arrive only while it lives."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.simulation.host import Life
from tests.simulation.vendors.venue import VendorVenue
from tradebotd.domain.ids import ClientOrderId
from tradebotd.net.http import Answer, HttpClient, SignNow, Timeouts, Unsigned
from tradebotd.net.http_wire import HttpWire

Names = Callable[[str, str, Unsigned], list[str]]
"""The client order ids of new orders in a request (method, path)."""


@dataclass
class Way:
    """To *venue* and back. *token*: under which this life took the account."""

    venue: VendorVenue
    life: Life
    names: Names
    token: int | None = None
    checks: set["asyncio.Task[None]"] = field(default_factory=set)

    async def leaving(self) -> None:
        """Before a request leaves: somebody may be faster, and the process may end or stand still."""
        street = self.venue.street
        self.life.sending.set()
        await self.life.window("halt_as_it_leaves")
        await asyncio.sleep(street.chance.uniform(0.001, 0.05))
        await self.life.awake()
        self.life.step()

    def left(self, method: str, path: str, leaving: Unsigned) -> None:
        venue = self.venue
        for name in self.names(method, path, leaving):
            order = ClientOrderId(name)
            venue.departures[order] = venue.street.time.monotonic()
            check = asyncio.ensure_future(venue.at_departure(venue.name, order, self.token))
            self.checks.add(check)
            check.add_done_callback(self.checks.discard)

    async def arrived(self) -> None:
        """Before an answer is read."""
        await self.life.window()
        await asyncio.sleep(self.venue.street.chance.uniform(0.001, 0.05))
        await self.life.awake()
        self.life.step()


class LivingClient(HttpClient):
    """An HTTP client of a process that may be killed or stopped."""

    def __init__(self, way: Way, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._way = way

    async def _wire(self, bounds: Timeouts) -> HttpWire:
        await self._way.leaving()
        return await super()._wire(bounds)

    async def _exchange(
        self,
        wire: HttpWire,
        method: str,
        path: str,
        unsigned: Unsigned,
        sign_now: SignNow | None,
        bounds: Timeouts,
    ) -> Answer:
        def sign(request: Unsigned) -> Unsigned:
            leaving = request if sign_now is None else sign_now(request)
            self._way.left(method, path, leaving)
            return leaving

        try:
            return await super()._exchange(wire, method, path, unsigned, sign, bounds)
        finally:
            await self._way.arrived()
