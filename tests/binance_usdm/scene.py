"""The adapter of Binance USDT-M against its simulator on a port of the loopback."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import anyio

from tests.binance_spot.scene import SimulatedHost
from tests.simulators.binance.usdm.account import Account
from tests.simulators.binance.usdm.app import serving
from tests.simulators.binance.usdm.simulator import KEY, Simulator
from tests.simulators.shared.clock import SimulatorClock
from tests.simulators.shared.server import Server
from tradebotd.domain.ids import ClientOrderId, VenueName
from tradebotd.domain.instrument import Instrument, MarketSymbol, PositionType
from tradebotd.domain.order import OrderReport, OrderRequest
from tradebotd.domain.order_type import OrderType, TimeInForce
from tradebotd.domain.side import Side
from tradebotd.net.gate import Gate
from tradebotd.ports.clock import HostClock
from tradebotd.ports.venue import StreamState, not_blocked
from tradebotd.venues.binance.rest import Key
from tradebotd.venues.binance.signing import signer_of
from tradebotd.venues.binance.usdm.parts import Parts, Settings, WalletAt
from tradebotd.venues.binance.usdm.venue import RECEIVE_WINDOW, BinanceUsdmVenue, usdm_traits

VENUE = VenueName("usdm")
NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)
PATIENCE = 20.0


def symbol(name: str, market: str, base: str = "BTC", **filters: Any) -> MarketSymbol:
    return MarketSymbol(
        instrument=Instrument(
            symbol=name,
            venue=VENUE,
            base_asset=base,
            quote_asset="USDT",
            tick_size=Decimal("0.1"),
            lot_size=Decimal("0.001"),
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
    simulator: Simulator
    clock: SimulatorClock
    parts: Parts
    venue: BinanceUsdmVenue
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
    def account(self) -> Account:
        return self.simulator.account

    @property
    def market(self) -> Any:
        return self.simulator.venue.market

    def price(self, price: str, market: str = "BTCUSDT") -> None:
        self.market.set_price(market, Decimal(price))

    async def send(self, name: str, request: OrderRequest) -> OrderReport:
        return await self.venue.submit(named(name), request, send_blocked_by=not_blocked)


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
        "position_type": PositionType.FUTURES,
        "limit_price": level if kind is OrderType.LIMIT else None,
        "stop_price": None if kind is OrderType.LIMIT else level,
    }
    return OrderRequest(**{**asked, **changes})


def closing(side: Side, quantity: str, *how: Any, **changes: Any) -> OrderRequest:
    return order(side, quantity, *how, reduce_only=True, **changes)


def named(text: str) -> ClientOrderId:
    return ClientOrderId(text)


@asynccontextmanager
async def scene(
    *,
    host: HostClock | None = None,
    symbols: Iterable[MarketSymbol] = (BTC, ETH),
    clock: SimulatorClock | None = None,
    wallet: str | None = None,
    allow_unrestricted_key: bool = False,
    streams: bool = False,
) -> AsyncIterator[Scene]:
    """*streams*: the user stream is kept, too. *wallet*: the address of the spot host."""
    clock = clock or SimulatorClock(NOW, running=False)
    async with serving(clock=clock) as (server, simulator):
        host = host or SimulatedHost(clock)
        settings = Settings(
            venue=VENUE,
            base_url=server.http,
            ws_url=server.ws,
            key=Key(name=KEY.name, signer=signer_of(KEY.secret, "venues.usdm.api_secret")),
            secrets=(KEY.name, KEY.secret),
            receive_window=RECEIVE_WINDOW,
            gate=Gate(VENUE, host),
            host=host,
            wallet=None if wallet is None else WalletAt(base_url=wallet, gate=Gate("wallet", host)),
        )
        parts = Parts(settings, symbols)
        venue = BinanceUsdmVenue(
            parts, usdm_traits(), allow_unrestricted_key=allow_unrestricted_key
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


__all__ = ["BTC", "ETH", "Scene", "SimulatedHost", "closing", "named", "order", "scene", "symbol"]
