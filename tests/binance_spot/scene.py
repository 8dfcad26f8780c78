"""The adapter of Binance spot against its simulator on a port of the loopback."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import anyio

from tests.simulators.binance.spot.demo import (
    ACCOUNT,
    ED25519_KEY,
    HMAC_KEY,
    HMAC_SECRET,
    furnish,
    private_pem,
)
from tests.simulators.binance.spot.simulator import SpotSimulator
from tests.simulators.shared.clock import SimulatorClock
from tests.simulators.shared.server import Server, served
from tradebotd.domain.ids import ClientOrderId, VenueName
from tradebotd.domain.instrument import Instrument, MarketSymbol
from tradebotd.domain.order import OrderReport, OrderRequest
from tradebotd.domain.order_type import OrderType, TimeInForce
from tradebotd.domain.side import Side
from tradebotd.net.gate import Gate
from tradebotd.ports.clock import HostClock
from tradebotd.ports.venue import StreamState
from tradebotd.venues.binance.rest import Key
from tradebotd.venues.binance.signing import signer_of
from tradebotd.venues.binance.spot.parts import Parts, Settings
from tradebotd.venues.binance.spot.venue import RECEIVE_WINDOW, BinanceSpotVenue, traits_of

VENUE = VenueName("spot")
NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)
PATIENCE = 20.0


class SimulatedHost:
    """Host clock that goes with the simulator's: nothing passes unless a test says so."""

    def __init__(self, clock: SimulatorClock, ahead: timedelta = timedelta()) -> None:
        self._clock, self.ahead = clock, ahead

    def now(self) -> datetime:
        return self._clock.now() + self.ahead

    def monotonic(self) -> float:
        return self._clock.now_ms() / 1000

    async def sleep(self, _: float) -> None:
        await anyio.sleep(0.01)


def symbol(name: str, market: str, base: str = "BTC", **filters: Any) -> MarketSymbol:
    return MarketSymbol(
        instrument=Instrument(
            symbol=name,
            venue=VENUE,
            base_asset=base,
            quote_asset="USDT",
            tick_size=Decimal("0.01"),
            lot_size=Decimal("0.00001"),
            **filters,
        ),
        feeds=(),
        timeframes=(),
        names={VENUE: market},
    )


BTC, ETH = symbol("BTC/USDT", "BTCUSDT"), symbol("ETH/USDT", "ETHUSDT", "ETH")


@dataclass
class Scene:
    """`heard`: what the stream told; `states`: how it fares."""

    server: Server
    simulator: SpotSimulator
    clock: SimulatorClock
    parts: Parts
    venue: BinanceSpotVenue
    heard: list[OrderReport] = field(default_factory=list)
    states: list[StreamState] = field(default_factory=list)

    async def hear(self, report: OrderReport) -> None:
        self.heard.append(report)

    async def see(self, state: StreamState) -> None:
        self.states.append(state)

    async def until(self, so: Any) -> None:
        with anyio.fail_after(PATIENCE):
            while not so():  # noqa: ASYNC110 - it has no event: it happens at the venue
                await anyio.sleep(0.005)

    def requests(self, path: str, method: str = "") -> int:
        return self.server.scene.count(path, method)

    @property
    def held(self) -> Any:
        return self.simulator.venue


def order(
    side: Side,
    quantity: str,
    kind: OrderType = OrderType.MARKET,
    price: str | None = None,
    **changes: Any,
) -> OrderRequest:
    level = None if price is None else Decimal(price)
    asked: dict[str, Any] = {
        "venue": VENUE,
        "symbol": BTC.symbol,
        "side": side,
        "type": kind,
        "time_in_force": TimeInForce.IOC if level is None else TimeInForce.GTC,
        "quantity": Decimal(quantity),
        "limit_price": level if kind is OrderType.LIMIT else None,
        "stop_price": None if kind is OrderType.LIMIT else level,
    }
    return OrderRequest(**{**asked, **changes})


def named(text: str) -> ClientOrderId:
    return ClientOrderId(text)


@asynccontextmanager
async def scene(
    *,
    ed25519: bool = True,
    live: bool = True,
    host: HostClock | None = None,
    symbols: Iterable[MarketSymbol] = (BTC, ETH),
    clock: SimulatorClock | None = None,
    allow_unrestricted_key: bool = False,
    streams: bool = False,
) -> AsyncIterator[Scene]:
    """*streams*: the user stream is kept, too."""
    clock = clock or SimulatorClock(NOW, running=False)
    simulator = SpotSimulator()
    async with served(simulator.build, clock=clock) as server:
        furnish(simulator.venue)
        name, secret = (ED25519_KEY, private_pem()) if ed25519 else (HMAC_KEY, HMAC_SECRET)
        host = host or SimulatedHost(clock)
        settings = Settings(
            venue=VENUE,
            base_url=server.http,
            ws_url=f"{server.ws}/ws-api/v3",
            key=Key(name=name, signer=signer_of(secret, "venues.spot.api_secret")),
            secrets=(name, secret),
            receive_window=RECEIVE_WINDOW,
            gate=Gate(VENUE, host),
            host=host,
        )
        parts = Parts(settings, symbols)
        venue = BinanceSpotVenue(
            parts,
            traits_of(live=live),
            live=live,
            allow_unrestricted_key=allow_unrestricted_key,
        )
        made = Scene(server, simulator, clock, parts, venue)
        venue.listen(made.hear, made.see)
        async with anyio.create_task_group() as tasks:
            if streams:
                tasks.start_soon(venue.run)
                await made.until(lambda: made.states)
            try:
                yield made
            finally:
                tasks.cancel_scope.cancel()
        await parts.close()


__all__ = [
    "ACCOUNT",
    "BTC",
    "ED25519_KEY",
    "ETH",
    "Scene",
    "SimulatedHost",
    "named",
    "order",
    "scene",
    "symbol",
]
