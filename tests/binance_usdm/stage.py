"""Binance USDT-M as the numbered cases have it: the adapter, and its simulator on the loopback.

The cases were written for a spot venue. Here each order of theirs is one of futures at leverage 1,
and what is held of a base asset is the position. What an answer has said is left out of what a
case hears by the stream.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final, TypeVar

import anyio
from aiohttp import web

from tests.binance_spot.stage import CaseClock, CaseHost
from tests.binance_usdm.excluded import EXCLUDED
from tests.fakes.clock import FakeClock
from tests.fakes.prices import FakePrices
from tests.simulators.binance.usdm import instruments as listed
from tests.simulators.binance.usdm.app import application
from tests.simulators.binance.usdm.simulator import KEY, Simulator
from tests.simulators.shared.answers import Scene
from tests.simulators.shared.clock import to_ms
from tests.simulators.shared.faults import ALWAYS, Executed, Fault, Kind
from tests.simulators.shared.server import Server, served
from tradebotd.domain.candle import Tick
from tradebotd.domain.errors import OrderRejectedError, VenueUnavailableError
from tradebotd.domain.fill import Fill
from tradebotd.domain.filters import SymbolStatus
from tradebotd.domain.ids import ClientOrderId, VenueName, VenueOrderId
from tradebotd.domain.instrument import Instrument, MarketSymbol, PositionType
from tradebotd.domain.order import OrderReport, OrderRequest, OrderStatus
from tradebotd.domain.quote import PriceKind, Quote
from tradebotd.net.gate import Gate, Turn
from tradebotd.ports.venue import (
    Listener,
    OrderLookup,
    Replaced,
    SendBlockedBy,
    StreamListener,
    StreamState,
    VenueAccount,
    VenueTraits,
    not_blocked,
)
from tradebotd.venues.binance.payload import Node
from tradebotd.venues.binance.rest import Key
from tradebotd.venues.binance.signing import signer_of
from tradebotd.venues.binance.usdm.parts import Parts, Settings
from tradebotd.venues.binance.usdm.requests import TYPES
from tradebotd.venues.binance.usdm.venue import RECEIVE_WINDOW, BinanceUsdmVenue, usdm_traits

__all__ = ["EXCLUDED", "NAME", "StagedUsdm", "as_futures", "held", "staged_usdm"]

T = TypeVar("T")
NAME: Final = VenueName("binance_usdm")
PATIENCE: Final = 20.0
STATUSES: Final = {
    SymbolStatus.TRADING: "TRADING",
    SymbolStatus.HALTED: "TRADING_HALT",
    SymbolStatus.CANCEL_ONLY: "PRE_SETTLE",
    SymbolStatus.DELISTED: "CLOSE",
}
FAR: Final = Decimal(1000)


async def until(so: Callable[[], bool]) -> None:
    with anyio.fail_after(PATIENCE):
        while not so():  # noqa: ASYNC110 - it has no event: it happens at the venue
            await anyio.sleep(0.001)


def as_futures(request: OrderRequest) -> OrderRequest:
    return replace(request, position_type=PositionType.FUTURES)


class StagedUsdm(BinanceUsdmVenue):
    """The adapter, and what a case does at the venue itself."""

    def __init__(
        self,
        parts: Parts,
        traits: VenueTraits,
        server: Server,
        simulator: Simulator,
        prices: FakePrices,
        instruments: Mapping[str, Instrument],
    ) -> None:
        super().__init__(parts, traits, allow_unrestricted_key=True)
        self.prices = prices
        self.server, self.simulator, self._symbols = server, simulator, instruments
        self._listed = dict(instruments)
        self.told = self.taken = 0
        self.is_lost = self._is_away = False
        self.runs: anyio.CancelScope | None = None
        self._listener: Listener | None = None
        self._waiting: list[OrderReport] | None = None
        self._refused: dict[ClientOrderId, str] = {}
        self.connected = anyio.Event()
        simulator.account.listeners.append(self._count)
        hear = parts.stream._hear

        async def counted(event: Node) -> None:
            await hear(event)
            self.taken += 1

        parts.stream._hear = counted  # type: ignore[method-assign]

    def _count(self, _: dict[str, object]) -> None:
        self.told += self.connected.is_set() and not self.is_lost

    def listen(self, listener: Listener, on_stream: StreamListener | None = None) -> None:
        """The former stream ends, and a case hears a new one."""
        self._listener = listener

        async def seen(state: StreamState) -> None:
            if on_stream is not None:
                await on_stream(state)
            if state.connected:
                self.connected.set()

        super().listen(self._hear, seen)
        self.connected = anyio.Event()
        if self.runs is not None:
            self.runs.cancel()

    async def keep(self) -> None:
        """Run the adapter, and again whenever another listener has come."""
        while True:
            stream = self._parts.stream
            stream._current, stream._lost, stream._heard_at = None, False, None
            with anyio.CancelScope() as self.runs:
                await stream.run()

    async def _hear(self, report: OrderReport) -> None:
        """That a stop was met, and works now, is no news to a case; what it trades is."""
        if report.status is OrderStatus.NEW and not report.fills:
            return
        if self._waiting is not None:
            self._waiting.append(report)
        elif self._listener is not None:
            await self._listener(report)

    def _refilter(self) -> None:
        """What a case has changed of the venue's filters."""
        for name, instrument in self._symbols.items():
            if self._listed[name] != instrument:
                self._listed[name], there = instrument, contract_of(instrument)
                self.simulator.venue.instruments[name].__dict__.update(there.__dict__)

    async def settled(self) -> None:
        self._refilter()
        for symbol, market in self.simulator.venue.market.symbols.items():
            price = self.prices.price(symbol)
            if price is not None and price != market.last:
                self.price(symbol, price)
        await until(
            lambda: (
                self.is_lost
                or self._is_away
                or (self.connected.is_set() and self.taken >= self.told)
            )
        )

    async def _asked(
        self, ask: Awaitable[T], of: Callable[[T], Sequence[OrderReport]] = lambda _: ()
    ) -> T:
        """The answer; what it says of orders the stream has not told."""
        await self.settled()
        self._waiting, known = [], dict[VenueOrderId, OrderReport]()
        try:
            answer = await ask
            known = {each.venue_order_id: each for each in of(answer)}
            return answer
        finally:
            with anyio.CancelScope(shield=True):
                await self.settled()
            heard, self._waiting = self._waiting, None
            for report in heard:
                if report.venue_order_id not in known and self._listener is not None:
                    await self._listener(report)

    async def submit(
        self,
        client_order_id: ClientOrderId,
        request: OrderRequest,
        *,
        send_blocked_by: SendBlockedBy = not_blocked,
    ) -> OrderReport:
        name = ClientOrderId(client_order_id.replace(" ", "-"))
        sending = super().submit(name, request, send_blocked_by=send_blocked_by)
        try:
            return await self._asked(sending, lambda report: [report])
        except OrderRejectedError as error:  # the venue forgets it at once; the cases ask for it
            self._refused[client_order_id] = error.reason
            raise

    async def submit_linked(
        self,
        orders: Sequence[tuple[ClientOrderId, OrderRequest]],
        *,
        send_blocked_by: SendBlockedBy = not_blocked,
    ) -> Sequence[OrderReport]:
        return await super().submit_linked(orders, send_blocked_by=send_blocked_by)

    async def replace(
        self,
        symbol: str,
        old: ClientOrderId,
        new: ClientOrderId,
        request: OrderRequest,
        *,
        send_blocked_by: SendBlockedBy = not_blocked,
    ) -> Replaced:
        return await super().replace(symbol, old, new, request, send_blocked_by=send_blocked_by)

    async def cancel(self, symbol: str, client_order_id: ClientOrderId) -> OrderReport:
        return await self._asked(super().cancel(symbol, client_order_id), lambda told: [told])

    async def find_order(self, symbol: str, client_order_id: ClientOrderId) -> OrderLookup:
        found = await super().find_order(symbol, client_order_id)
        reason = self._refused.get(client_order_id)
        if found.report is not None or reason is None:
            return found
        refused = OrderReport(
            client_order_id=client_order_id,
            venue_order_id=VenueOrderId("refused"),
            status=OrderStatus.REJECTED,
            reason=reason,
        )
        return found._replace(report=refused)

    async def open_orders(self, symbols: Collection[str] | None = None) -> Sequence[OrderReport]:
        told = await super().open_orders(self._symbols if symbols is None else symbols)
        return sorted(told, key=lambda each: each.client_order_id)

    async def fills_since(
        self, since: Any, symbols: Collection[str] | None = None
    ) -> Sequence[Fill]:
        return await super().fills_since(since, self._symbols if symbols is None else symbols)

    async def account(self) -> VenueAccount:
        return await self._asked(super().account())

    async def quotes(self, symbols: Sequence[MarketSymbol]) -> dict[str, Quote]:
        return await self._asked(super().quotes(symbols))

    # At the venue

    async def meet(self, point: Tick, before: Decimal | None) -> None:
        """The price goes from one to the other, by way of every level that something rests at."""
        if point.kind is PriceKind.MARK:
            self.simulator.venue.market.set_mark(point.symbol, point.price)
        elif point.kind is PriceKind.LAST:
            book = self.simulator.account.book
            low, high = sorted((before or point.price, point.price))
            levels = {
                *(order.price for order in book.open_orders(point.symbol)),
                *(level for each in book.open_algos(point.symbol)
                  for level in (each.price, each.trigger_price)),
            }  # fmt: skip
            way = sorted(level for level in levels if level and low < level < high)
            if before is not None and before > point.price:
                way.reverse()
            for level in (*([] if point.after_gap else way), point.price):
                self.price(point.symbol, level)
        await self.settled()

    def price(self, symbol: str, level: Decimal) -> None:
        """A market that is halted has no prices."""
        self._refilter()
        if self.simulator.venue.instruments[symbol].status == "TRADING":
            self.simulator.venue.market.set_price(symbol, level)

    def in_words(self, client_order_id: ClientOrderId, word: str) -> None:
        book = self.simulator.account.book
        for order in book.orders.values():
            if order.client_id == client_order_id:
                order.status = word
        for algo in book.algos.values():
            if algo.client_id == client_order_id:
                algo.status = word

    def transfer(self, amount: Decimal | int, asset: str = "USDT") -> None:
        self.simulator.venue.cash.transfer(self.simulator.account, asset, Decimal(amount))

    async def lose_stream(self) -> None:
        gone = Fault(kind=Kind.ANSWER, path="/private", status=503, body="gone", times=ALWAYS)
        self.is_lost = True
        self.connected = anyio.Event()
        self.server.faults.set(gone, Fault(kind=Kind.DISCONNECT, path="/private"))
        await self.server.settle()
        await until(lambda: self._parts.stream._lost)

    async def restore_stream(self) -> None:
        self.told = self.taken
        self.server.faults.clear()
        await self.server.settle()
        with anyio.fail_after(PATIENCE):
            await self.connected.wait()
        self.is_lost = False

    @property
    def away(self) -> VenueUnavailableError | None:
        return None

    @away.setter
    def away(self, error: VenueUnavailableError | None) -> None:
        """A ban, as the venue tells it: with its end in the text, or without one."""
        self.server.faults.clear()
        self._parts.limits.gate.answered()
        self._is_away = error is not None
        if error is None:
            return
        until = "" if error.until is None else f"; IP banned until {to_ms(error.until)}"
        body = {"code": -1003, "msg": f"Way too much request weight used{until}."}
        self.server.faults.set(
            Fault(
                kind=Kind.ANSWER,
                executed=Executed.NEVER,
                path="/fapi",
                status=418,
                body=body,
                times=ALWAYS,
            )
        )

    @property
    def hedge_mode(self) -> bool:
        return self.simulator.account.dual_side

    @hedge_mode.setter
    def hedge_mode(self, hedged: bool) -> None:
        self.simulator.account.dual_side = hedged

    buying_power: Mapping[str, Decimal] = {}


def contract_of(instrument: Instrument) -> listed.Instrument:
    """The instrument as the venue would list it."""
    types = instrument.order_types
    lot, percent = instrument.market_lot, instrument.percent_price
    most = instrument.max_quantity or Decimal(1_000_000)
    return listed.Instrument(
        instrument.symbol,
        instrument.base_asset,
        instrument.tick_size,
        instrument.lot_size,
        Decimal(100),
        status=STATUSES[instrument.status],
        price_places=places(instrument.tick_size),
        quantity_places=places(instrument.lot_size),
        min_price=instrument.min_price or instrument.tick_size,
        max_price=instrument.max_price or Decimal(1_000_000),
        min_quantity=instrument.min_quantity or instrument.lot_size,
        max_quantity=most,
        max_market_quantity=most if lot is None or lot.maximum is None else min(lot.maximum, most),
        notional=instrument.min_notional,
        multiplier_up=FAR if percent is None else percent.buy_above,
        multiplier_down=1 / FAR if percent is None else percent.sell_below,
        market_take_bound=FAR,
        max_orders=instrument.max_orders or 200,
        steps=listed.brackets((instrument.max_leverage, 1_000_000_000, "0.004")),
        order_types=tuple(TYPES[each] for each in (types or TYPES)),
    )


def places(step: Decimal) -> int:
    return max(0, -int(step.normalize().as_tuple().exponent))


@asynccontextmanager
async def staged_usdm(
    clock: FakeClock,
    prices: FakePrices,
    instruments: Mapping[str, Instrument],
    cash: Decimal,
) -> AsyncIterator[StagedUsdm]:
    made: list[Simulator] = []

    def build(scene: Scene) -> web.Application:
        made.append(Simulator(scene, cash, {n: contract_of(i) for n, i in instruments.items()}))
        return application(made[0])

    async with served(build, clock=CaseClock(clock)) as server:
        simulator, host = made[0], CaseHost(clock)
        simulator.account.default_leverage = 1
        simulator.account.liquidates = False
        simulator.account.incomes.clear()  # the cash was there before
        settings = Settings(
            venue=NAME,
            base_url=server.http,
            ws_url=server.ws,
            key=Key(name=KEY.name, signer=signer_of(KEY.secret, "case")),
            secrets=(KEY.secret,),
            receive_window=RECEIVE_WINDOW,
            gate=Gate(NAME, host),
            host=host,
        )
        symbols = [
            MarketSymbol(instrument=each, feeds=(), timeframes=()) for each in instruments.values()
        ]
        traits = replace(usdm_traits(), resting_margin=timedelta(0))
        staged = StagedUsdm(
            Parts(settings, symbols), traits, server, simulator, prices, instruments
        )
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(staged.keep)
            try:
                yield staged
            finally:
                tasks.cancel_scope.cancel()
        await staged._parts.close()


@asynccontextmanager
async def held(venue: StagedUsdm) -> AsyncIterator[None]:
    """While it is held, whatever is sent waits at the gate."""
    gate, free = venue._parts.limits.gate, anyio.Event()
    turn = gate.turn

    @asynccontextmanager
    async def waiting(*costs: Any, **how: Any) -> AsyncIterator[Turn]:
        await free.wait()
        async with turn(*costs, **how) as mine:
            yield mine

    gate.turn = waiting  # type: ignore[assignment,method-assign]
    try:
        yield
    finally:
        gate.turn = turn  # type: ignore[method-assign]
        free.set()
