"""The adapter of Alpaca against its simulator on a port of the loopback."""

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any

import anyio

from tests.simulators.alpaca.exchange import Exchange
from tests.simulators.alpaca.simulator import Simulator
from tests.simulators.alpaca.terms import Terms
from tests.simulators.shared.clock import SimulatorClock
from tests.simulators.shared.server import Server, served
from tests.unit.simulators.alpaca.scenes import OPEN, moment
from tradebotd.domain.ids import ClientOrderId, VenueName
from tradebotd.domain.instrument import Instrument, MarketSymbol
from tradebotd.domain.order import OrderReport, OrderRequest
from tradebotd.domain.order_type import OrderType, TimeInForce
from tradebotd.domain.side import Side
from tradebotd.net.gate import Gate
from tradebotd.ports.venue import StreamState
from tradebotd.venues.alpaca.parts import Parts, Settings
from tradebotd.venues.alpaca.paths import Host
from tradebotd.venues.alpaca.symbols import is_crypto
from tradebotd.venues.alpaca.venue import AlpacaVenue, traits_of

VENUE = VenueName("alpaca")
PATIENCE = 20.0


class SimulatedHost:
    """Host clock that goes with the simulator's: nothing passes unless a test says so."""

    def __init__(self, clock: SimulatorClock, ahead: timedelta = timedelta()) -> None:
        self._clock, self.ahead = clock, ahead
        self.slept: list[float] = []

    def now(self) -> Any:
        return self._clock.now() + self.ahead

    def monotonic(self) -> float:
        return self._clock.now_ms() / 1000

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await anyio.sleep(0.01)


def symbol(name: str, market: str, base: str, **filters: Any) -> MarketSymbol:
    known: dict[str, Any] = {"tick_size": Decimal("0.01"), "lot_size": Decimal("0.001"), **filters}
    return MarketSymbol(
        instrument=Instrument(
            symbol=name, venue=VENUE, base_asset=base, quote_asset="USD", **known
        ),
        feeds=(),
        timeframes=(),
        names={VENUE: market},
    )


APPLE = symbol("apple", "AAPL", "AAPL")
PENNY = symbol("penny", "PENY", "PENY")
BTC = symbol("btcusd", "BTC/USD", "BTC")


@dataclass
class Stage:
    """`heard`: what the stream told; `states`: how it fares."""

    server: Server
    simulator: Simulator
    clock: SimulatorClock
    host: SimulatedHost
    parts: Parts
    venue: AlpacaVenue
    heard: list[OrderReport] = field(default_factory=list)
    states: list[StreamState] = field(default_factory=list)

    @property
    def exchange(self) -> Exchange:
        return self.simulator.exchange

    async def hear(self, report: OrderReport) -> None:
        self.heard.append(report)

    async def see(self, state: StreamState) -> None:
        self.states.append(state)

    async def until(self, so: Callable[[], object]) -> None:
        with anyio.fail_after(PATIENCE):
            while not so():  # noqa: ASYNC110 - it has no event: it happens at the venue
                await anyio.sleep(0.005)

    def requests(self, path: str, method: str = "") -> int:
        return self.server.scene.count(path, method)

    def price(self, price: str, market: str = "AAPL", bid: str | None = None) -> None:
        self.exchange.quote(market, bid or price, price)
        self.exchange.trade(market, price)


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
        "symbol": APPLE.symbol,
        "side": side,
        "type": kind,
        "time_in_force": TimeInForce.DAY if level is None else TimeInForce.GTC,
        "quantity": Decimal(quantity),
        "limit_price": level if kind is OrderType.LIMIT else None,
        "stop_price": None if kind is OrderType.LIMIT else level,
    }
    return OrderRequest(**{**asked, **changes})


def named(text: str) -> ClientOrderId:
    return ClientOrderId(text)


@asynccontextmanager
async def staged(
    local: str = OPEN,
    *,
    symbols: Iterable[MarketSymbol] = (APPLE, PENNY),
    live: bool = False,
    feed: str = "iex",
    streams: bool = False,
    ahead: timedelta = timedelta(),
    terms: Terms | None = None,
    key_id: str | None = None,
    secret: str | None = None,
) -> AsyncIterator[Stage]:
    """*streams*: the order stream is kept, too."""
    simulator = Simulator(terms or Terms(storm=10_000))
    clock, known = SimulatorClock(moment(local), running=False), list(symbols)
    host = SimulatedHost(clock, ahead)
    async with served(simulator.build, clock=clock) as server:
        markets = [each.name_at(VENUE) for each in known]
        traits = traits_of(
            crypto=any(map(is_crypto, markets)),
            stocks=not all(map(is_crypto, markets)),
            feed=feed,
        )
        settings = Settings(
            venue=VENUE,
            base_url=server.http,
            data_url=server.http,
            ws_url=f"{server.ws}/stream",
            key_id=key_id or simulator.terms.key,
            secret=secret or simulator.terms.secret,
            feed=feed,
            price_kinds=traits.price_kinds,
            gates={each: Gate(each, host) for each in Host},
            host=host,
        )
        parts = Parts(settings, known)
        venue = AlpacaVenue(parts, traits, live=live, key_id=settings.key_id)
        stage = Stage(server, simulator, clock, host, parts, venue)
        venue.listen(stage.hear, stage.see)
        stage.price("200")
        stage.price("60000", "BTC/USD")
        async with anyio.create_task_group() as tasks:
            if streams:
                tasks.start_soon(venue.run)
                await stage.until(lambda: stage.states)
            try:
                yield stage
            finally:
                tasks.cancel_scope.cancel()
        await parts.close()
