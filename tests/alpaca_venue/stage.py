"""Alpaca as the numbered cases have it: the adapter, and its simulator on the loopback.

The cases were written for a venue that tells of an order either in an answer or by its stream. This
one answers that an order was taken and tells its fills by the stream: what the stream has said by
the time that all is settled is put into the answer here. A case's symbols are shares, paid in USDT.
"""

import heapq
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final, TypeVar

import anyio
import pytest

from tests.fakes.clock import FakeClock
from tests.fakes.prices import FakePrices
from tests.simulators.alpaca import orders as simulated_orders
from tests.simulators.alpaca.assets import Asset, Assets
from tests.simulators.alpaca.exchange import Exchange
from tests.simulators.alpaca.simulator import Simulator
from tests.simulators.alpaca.terms import Terms
from tests.simulators.shared.clock import SimulatorClock, to_ms
from tests.simulators.shared.faults import ALWAYS, Executed, Fault, Kind
from tests.simulators.shared.server import Server, served
from tradebotd.domain.candle import Tick
from tradebotd.domain.errors import OrderRejectedError, VenueUnavailableError
from tradebotd.domain.fill import Fill
from tradebotd.domain.ids import ClientOrderId, VenueName, VenueOrderId
from tradebotd.domain.instrument import Instrument, MarketSymbol
from tradebotd.domain.order import OrderReport, OrderRequest, OrderStatus
from tradebotd.domain.order_type import OrderType
from tradebotd.domain.quote import Quote
from tradebotd.net.answers import Value
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
from tradebotd.venues.alpaca.parts import Parts, Settings
from tradebotd.venues.alpaca.paths import Host
from tradebotd.venues.alpaca.venue import AlpacaVenue, traits_of

T = TypeVar("T")
NAME: Final = VenueName("alpaca")
PATIENCE: Final = 20.0
OF_FUTURES: Final = "it has no futures"
BY_LAST: Final = "its stops are compared with the last price alone"
NOT_COMPARED: Final = "a stop that the price has met already is taken, and trades at once"
NO_FEES: Final = "shares cost no fee"
OUTSIDE: Final = "its market trades with whatever rests: tests/alpaca_venue"
OF_ASSETS: Final = "its filters are those of its assets: tests/alpaca_venue"
NO_TARGETS: Final = "its targets are limit orders"
REJECTS: Final = "orders of ours that would meet are refused: VC-86"
# What a case asks of a venue that this one is not: what a user would be told.
EXCLUDED: Final[dict[str, str]] = {
    "test_venue_setups": OF_FUTURES,
    "test_venue_thin_market": OUTSIDE,
    "test_venue_filters": OF_ASSETS,
    "test_venue_price_kinds": BY_LAST,
    "test_margin_is_what_positions_and_the_orders_that_open_them_hold": OF_FUTURES,
    "True": OF_FUTURES,  # hedge mode
    "False": "it tells its buying power always",
    "test_reduce_only_never_opens_a_position": OF_FUTURES,
    "test_reduce_only_orders_of_futures_may_overlap_and_sell_once": OF_FUTURES,
    "funding_since": "shares pay no funding, and nothing is asked for it",
    "set_up": "it has nothing to set up, and nothing is asked for it",
    "commissions": "it does not tell them, and nothing is asked for them",
    "test_without_a_price_an_order_never_reached_the_venue": "what it knows of prices is its own",
    "test_a_stop_that_would_trigger_at_once_is_rejected": NOT_COMPARED,
    "test_an_immediate_limit_short_of_the_market_expires": (
        "what is left of an immediate order is told as canceled"
    ),
    "test_resting_buys_hold_the_cash": NO_FEES,
    "test_a_replacement_takes_over_the_inventory_in_one_call": "it promises replacements: VC-70",
    "test_a_refused_replacement_leaves_the_old_one": "it promises replacements: VC-74",
    "test_a_resting_buy_holds_its_cash_until_it_is_filled": (
        "what orders hold of the cash is missing in its buying power, and told nowhere else"
    ),
    "test_the_clock_is_the_venues_at_the_moment_of_the_call": "its clock is the case's here",
    "test_what_is_not_claimed_is_refused_by_name": "its traits are its own",
    "test_a_day_order_ends_with_its_session": "its sessions are New York's: tests/alpaca_venue",
    "test_one_whose_stop_is_met_already_is_refused": NOT_COMPARED,
    "test_a_promise_is_broken_where_the_new_order_would_trigger_at_once": NOT_COMPARED,
    "tb2-changes1": NOT_COMPARED,
    "test_a_promise_of_a_symbol_that_does_not_trade_waits": OF_ASSETS,
    "test_a_promise_is_judged_by_the_filters_of_its_decision": OF_ASSETS,
    "sell-take_profit_limit-105-105-104.99-106-105": NO_TARGETS,
    "sell-take_profit_limit-105-105.5-104.99-106-105.5": NO_TARGETS,
    "buy-take_profit_limit-95-94.5-95.01-94-94.5": NO_TARGETS,
    "94.8-tb1-tb2-take_profit_limit": NO_TARGETS,
    "106-tb2-tb1-take_profit_limit": NO_TARGETS,
    "90-rejects": OUTSIDE,
    "test_the_order_that_comes_expires": REJECTS,
    "test_the_order_that_rests_expires_and_the_other_is_filled": REJECTS,
    "test_an_order_that_reaches_none_of_ours_is_filled": REJECTS,
    "test_a_stop_limit_that_has_triggered_is_a_limit_order": REJECTS,
    "test_a_stop_limit_that_has_triggered_may_rest_beside_a_limit": OUTSIDE,
    "test_a_fee_in_the_base_asset_leaves_less_than_was_bought": NO_FEES,
}


async def until(so: Callable[[], bool]) -> None:
    with anyio.fail_after(PATIENCE):
        while not so():  # noqa: ASYNC110 - it has no event: it happens at the venue
            await anyio.sleep(0.001)


def as_taken(request: OrderRequest) -> OrderRequest:
    """*request* as it is placed here: a target is a limit order."""
    if request.type is not OrderType.TAKE_PROFIT_MARKET:
        return request
    return replace(request, type=OrderType.LIMIT, limit_price=request.stop_price, stop_price=None)


class CaseHost:
    """Host clock that goes with the case's; while a ban is told, with the ban's."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self.fixed: datetime | None = None

    def now(self) -> datetime:
        return self.fixed or self._clock.now()

    def monotonic(self) -> float:
        return self._clock.now().timestamp()

    async def sleep(self, _: float) -> None:
        await anyio.sleep(0.01)


class CaseClock(SimulatorClock):
    """The simulator's clock, which is the case's."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(running=False)
        self._clock = clock

    def now_ms(self) -> int:
        return to_ms(self._clock.now())


class Word(str):
    """A status that the simulator has no name for."""

    __slots__ = ()

    @property
    def value(self) -> str:
        return str(self)


class StagedAlpaca(AlpacaVenue):
    """The adapter, and what a case does at the venue itself."""

    def __init__(
        self,
        parts: Parts,
        traits: VenueTraits,
        server: Server,
        simulator: Simulator,
        prices: FakePrices,
        symbols: Collection[str],
        host: CaseHost,
    ) -> None:
        super().__init__(parts, traits, live=False)
        self.prices, self.host = prices, host
        self.server, self.simulator, self._symbols = server, simulator, list(symbols)
        self.told = self.taken = 0
        self.is_lost = self._is_away = False
        self.runs: anyio.CancelScope | None = None
        self._listener: Listener | None = None
        self._waiting: list[OrderReport] | None = None
        self._refused: dict[ClientOrderId, str] = {}
        self.connected = anyio.Event()
        self.exchange.desk.updates.follow(self._count)
        hear = parts.stream.hear

        async def counted(event: Value) -> None:
            await hear(event)
            self.taken += 1

        parts.stream.hear = counted  # type: ignore[method-assign]

    @property
    def exchange(self) -> Exchange:
        return self.simulator.exchange

    def _count(self, _: dict[str, Any]) -> None:
        self.told += not self.is_lost

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
            stream._connected, stream._lost, stream._heard_at = False, False, None
            with anyio.CancelScope() as self.runs:
                await stream.run()

    async def _hear(self, report: OrderReport) -> None:
        """That an order works now is no news to a case, but for one that was promised."""
        works = report.status is OrderStatus.NEW and not report.fills
        promised = self._parts.names._promised.values()
        if works and self._waiting is None and report.venue_order_id not in promised:
            return
        if self._waiting is not None:
            self._waiting.append(report)
        elif self._listener is not None:
            await self._listener(report)

    async def settled(self) -> None:
        for symbol in self._symbols:
            price = self.prices.price(symbol)
            if price is not None and price != self.exchange.desk.market.price(symbol):
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
    ) -> tuple[T, dict[VenueOrderId, OrderReport]]:
        """The answer, and what the stream has told meanwhile of the orders that it speaks of."""
        await self.settled()
        self._waiting, known = [], dict[VenueOrderId, OrderReport]()
        try:
            answer = await ask
            known = {each.venue_order_id: each for each in of(answer)}
        finally:
            with anyio.CancelScope(shield=True):
                await self.settled()
            heard, self._waiting = self._waiting, None
            for report in heard:
                before = known.get(report.venue_order_id)
                if before is not None:
                    fills = (*before.fills, *report.fills)
                    known[report.venue_order_id] = replace(report, fills=fills)
                else:
                    await self._hear(report)
        return answer, known

    async def submit(
        self,
        client_order_id: ClientOrderId,
        request: OrderRequest,
        *,
        send_blocked_by: SendBlockedBy = not_blocked,
    ) -> OrderReport:
        sending = super().submit(client_order_id, request, send_blocked_by=send_blocked_by)
        try:
            answer, known = await self._asked(sending, lambda report: [report])
        except OrderRejectedError as error:  # the venue forgets what it refuses; the cases ask
            self._refused.setdefault(client_order_id, error.reason)
            raise
        return known[answer.venue_order_id]

    async def submit_linked(
        self,
        orders: Sequence[tuple[ClientOrderId, OrderRequest]],
        *,
        send_blocked_by: SendBlockedBy = not_blocked,
    ) -> Sequence[OrderReport]:
        sending = super().submit_linked(orders, send_blocked_by=send_blocked_by)
        answers, known = await self._asked(sending, lambda reports: reports)
        return [known[each.venue_order_id] for each in answers]

    async def replace(
        self,
        symbol: str,
        old: ClientOrderId,
        new: ClientOrderId,
        request: OrderRequest,
        *,
        send_blocked_by: SendBlockedBy = not_blocked,
    ) -> Replaced:
        sending = super().replace(symbol, old, new, request, send_blocked_by=send_blocked_by)
        answer, known = await self._asked(sending, lambda told: [told.new])
        return answer._replace(new=known[answer.new.venue_order_id])

    async def cancel(self, symbol: str, client_order_id: ClientOrderId) -> OrderReport:
        sending = super().cancel(symbol, client_order_id)
        answer, known = await self._asked(sending, lambda told: [told])
        return known[answer.venue_order_id]

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
        self, since: datetime, symbols: Collection[str] | None = None
    ) -> Sequence[Fill]:
        return await super().fills_since(since, self._symbols if symbols is None else symbols)

    async def account(self) -> VenueAccount:
        return (await self._asked(super().account()))[0]

    async def quotes(self, symbols: Sequence[MarketSymbol]) -> dict[str, Quote]:
        return (await self._asked(super().quotes(symbols)))[0]

    # At the venue

    async def meet(self, point: Tick, before: Decimal | None) -> None:
        """The price goes from one to the other, by way of every level that something rests at.

        Then the promises that were made are decided.
        """
        low, high = sorted((before or point.price, point.price))
        levels = {
            level
            for order in self.exchange.desk.book.open(point.symbol)
            for level in (order.limit_price, order.stop_price)
            if level and low < level < high
        }
        way = sorted(levels, reverse=before is not None and before > point.price)
        for level in (*([] if point.after_gap else way), point.price):
            self.price(point.symbol, level)
        self.decide()
        await self.settled()

    def price(self, symbol: str, level: Decimal) -> None:
        self.exchange.quote(symbol, level, level)
        self.exchange.trade(symbol, level)

    def decide(self) -> None:
        due = self.exchange.desk.due
        while due:
            _, _, action = heapq.heappop(due)
            action()

    def in_words(self, client_order_id: ClientOrderId, word: str) -> None:
        order = self.exchange.desk.book.by_client_id(client_order_id)
        order.status = Word(word)  # type: ignore[assignment]

    def transfer(self, amount: Decimal | int) -> None:
        self.exchange.transfer(Decimal(amount))

    async def lose_stream(self) -> None:
        gone = Fault(kind=Kind.ANSWER, path="/stream", status=503, body="gone", times=ALWAYS)
        self.is_lost = True
        self.connected = anyio.Event()
        self.server.faults.set(gone, Fault(kind=Kind.DISCONNECT, path="/stream"))
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
        """Too many requests, as the venue tells it: with the end of its window, or without one."""
        self.server.faults.clear()
        for limits in self._parts.limits.values():
            limits.gate.answered()
        self._is_away, self.host.fixed = error is not None, None
        if error is None:
            return
        headers = {}
        if error.until is not None:
            headers["X-RateLimit-Reset"] = str(to_ms(error.until) // 1000)
            self.host.fixed = error.until - timedelta(minutes=5)
        self.server.faults.set(
            *(
                Fault(
                    kind=Kind.ANSWER,
                    executed=Executed.NEVER,
                    path=path,
                    status=429,
                    body={"code": 42910000, "message": "rate limit exceeded"},
                    headers=headers,
                    times=ALWAYS,
                )
                for path in ("/v2", "/v1beta3")
            )
        )

    hedge_mode = False
    buying_power: Mapping[str, Decimal] = {}


@asynccontextmanager
async def staged_alpaca(
    clock: FakeClock, prices: FakePrices, instruments: Mapping[str, Instrument], cash: Decimal
) -> AsyncIterator[StagedAlpaca]:
    terms = Terms(
        cash=cash,
        currency="USDT",
        multiplier=1,
        storm=1_000_000,
        requests_per_minute=1_000_000,
        replace_delay=timedelta(days=1),  # until a case moves the price
    )
    simulator, host = Simulator(terms), CaseHost(clock)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(simulated_orders, "ROUTING", timedelta(0))  # a case's clock stands
        async with served(simulator.build, clock=CaseClock(clock)) as server:
            simulator.exchange.desk.assets = Assets(
                Asset(symbol=each.symbol, name=each.symbol) for each in instruments.values()
            )
            traits = traits_of(crypto=False, stocks=True, feed="iex")
            settings = Settings(
                venue=NAME,
                base_url=server.http,
                data_url=server.http,
                ws_url=f"{server.ws}/stream",
                key_id=terms.key,
                secret=terms.secret,
                feed="iex",
                price_kinds=traits.price_kinds,
                gates={each: Gate(each, host) for each in Host},
                host=host,
            )
            symbols = [
                MarketSymbol(instrument=each, feeds=(), timeframes=())
                for each in instruments.values()
            ]
            parts = Parts(settings, symbols)
            traits = replace(traits, resting_margin=timedelta(0))
            staged = StagedAlpaca(parts, traits, server, simulator, prices, instruments, host)
            for each in instruments:
                staged.price(each, Decimal(100))
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(staged.keep)
                try:
                    yield staged
                finally:
                    tasks.cancel_scope.cancel()
            await parts.close()


@asynccontextmanager
async def held(venue: StagedAlpaca) -> AsyncIterator[None]:
    """While it is held, whatever is sent waits at the gate."""
    gate, free = venue._parts.limits[Host.TRADING].gate, anyio.Event()
    turn = gate.turn

    @asynccontextmanager
    async def waiting(*costs: Any, **how: Any) -> AsyncIterator[Turn]:
        await free.wait()
        async with turn(*costs, **how) as mine:
            yield mine

    gate.turn = waiting  # type: ignore[method-assign,assignment]
    try:
        yield
    finally:
        gate.turn = turn  # type: ignore[method-assign]
        free.set()
