"""A venue that is honest in its ledger and faulty in everything it says about it."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from tests.simulation.host import Faults, KilledError, Life, Record, VirtualTime
from tests.simulation.ledger import LIVE, VENUE, Ledger, VenueOrder
from tradebotd.domain.errors import (
    DatabaseUnavailableError,
    OrderRejectedError,
    OutcomeUnknownError,
    VenueUnavailableError,
)
from tradebotd.domain.fill import Fill
from tradebotd.domain.funding import FundingPayment
from tradebotd.domain.ids import ClientOrderId, VenueName, VenueOrderId
from tradebotd.domain.instrument import MarketSymbol
from tradebotd.domain.order import OrderReport, OrderRequest, OrderStatus, OrderType
from tradebotd.ports.venue import Listener, OrderSearch, Venue, VenueAccount, VenueTraits
from tradebotd.storage.database import assert_no_connection_held

ENDPOINTS = frozenset({"open_orders", "order"})
HIDDEN_SECONDS = 40 * 60.0  # for so long a venue may say "never seen" of what it has executed
STOPS = frozenset({OrderType.STOP_MARKET, OrderType.STOP_LIMIT})
TARGETS = frozenset({OrderType.TAKE_PROFIT_MARKET, OrderType.TAKE_PROFIT_LIMIT})


@dataclass
class SimulatedVenue:
    """Outlives the daemon: each life of it talks through a `Line` of its own."""

    ledger: Ledger
    time: VirtualTime
    faults: Faults
    record: Record
    chance: random.Random
    prices: dict[str, Decimal]
    traits: VenueTraits = field(default_factory=VenueTraits)
    cut_until: float = 0.0
    rate_limited_until: float = 0.0
    fills_late_until: float = 0.0
    line: "Line | None" = None
    at_departure: Callable[[ClientOrderId, int | None], Awaitable[None]] | None = None
    tasks: set["asyncio.Task[None]"] = field(default_factory=set)

    # What really happens

    async def arrive(
        self, client_order_id: ClientOrderId, request: OrderRequest, linked: str | None = None
    ) -> VenueOrder:
        """An order reaches the matching engine. Raises OrderRejectedError."""
        self.ledger.arrivals.append((client_order_id, self.time.now()))
        if client_order_id in self.ledger.orders:
            self.record.say("venue", f"duplicate {client_order_id}")
            raise OrderRejectedError("duplicate client order id")
        order = VenueOrder(
            client_order_id=client_order_id,
            venue_order_id=VenueOrderId(f"v{len(self.ledger.orders) + 1}"),
            request=request,
            at=self.time.now(),
            linked=linked,
        )
        price = self.prices[request.symbol]
        reason = self.ledger.refusal(request, price, linked)
        self.ledger.orders[client_order_id] = order
        if reason is None and self.faults.strikes("reject"):
            reason = "the venue is in no mood"
        if reason is None and request.type in STOPS | TARGETS and self._met(request, price):
            reason = "would trigger immediately"
        if reason is not None:
            order.status, order.reason = OrderStatus.REJECTED, reason
            self.record.say("rejected", f"{client_order_id} {_words(request)}: {reason}")
            raise OrderRejectedError(reason)
        self.record.say("order", f"{client_order_id} {_words(request)}")
        if request.type is OrderType.MARKET:
            self._match(order, price)
        elif request.type is OrderType.LIMIT:
            self._meet(order, price)
        return order

    def _match(self, order: VenueOrder, price: Decimal) -> None:
        """At the market, at once or in pieces; immediate-or-cancel may leave a rest undone."""
        pieces = 1
        if self.faults.strikes("pieces"):
            pieces = self.chance.randint(2, 3)
        lot = self.ledger.instruments[order.request.symbol].lot_size
        short = self.faults.strikes("short_of_liquidity")
        wanted = order.left
        if short:
            wanted = max(lot, (wanted * self.chance.randint(2, 9) / 10) // lot * lot)
        for piece in range(pieces):
            part = wanted if piece == pieces - 1 else max(lot, wanted / 2 // lot * lot)
            part = min(part, wanted)
            if part > 0:
                self._fill(order, part, price)
                wanted -= part
        if order.status in LIVE:
            order.status = OrderStatus.CANCELED if order.fills else OrderStatus.EXPIRED
            self.record.say("short", order.client_order_id)

    def _fill(self, order: VenueOrder, quantity: Decimal, price: Decimal) -> None:
        fill = self.ledger.execute(order, quantity, price, self.time.now())
        if fill is None:
            order.status = OrderStatus.CANCELED if order.fills else OrderStatus.EXPIRED
            return
        self.record.say("fill", f"{order.client_order_id} {fill.quantity}@{fill.price}")
        if order.linked is not None:
            for other in self.ledger.orders.values():
                if other.linked == order.linked and other is not order and other.status in LIVE:
                    other.status = OrderStatus.CANCELED

    def move(self, symbol: str, price: Decimal) -> None:
        """The market moves, and what rests is met by it."""
        self.prices[symbol] = price
        for order in list(self.ledger.orders.values()):
            if order.status in LIVE and order.request.symbol == symbol:
                self._meet(order, price)

    def _meet(self, order: VenueOrder, price: Decimal) -> None:
        if order.request.type is not OrderType.MARKET and not self._met(order.request, price):
            return
        self._match(order, price)
        self.tell(order)

    @staticmethod
    def _met(request: OrderRequest, price: Decimal) -> bool:
        sign = request.side.sign
        if request.type is OrderType.LIMIT:
            return request.limit_price is not None and (request.limit_price - price) * sign >= 0
        if request.stop_price is None:
            return False
        beyond = (price - request.stop_price) * sign
        return beyond >= 0 if request.type in STOPS else beyond <= 0

    # What is said of it

    def tell(self, order: VenueOrder) -> None:
        """On the stream: late, twice, in pieces, in any order, or not at all."""
        if self.line is None or self.faults.strikes("stream_loses"):
            return
        reports = [order.report(fills=count) for count in range(1, len(order.fills))]
        reports.append(order.report())
        if self.faults.strikes("stream_repeats"):
            reports += [self.chance.choice(reports), order.report()]
        if self.faults.strikes("stream_reorders"):
            self.chance.shuffle(reports)
        for report in reports:
            late = 20.0 if self.faults.strikes("stream_late") else 0.3
            self._later(self.chance.uniform(0.001, late), self._say(self.line, report))

    async def _say(self, line: "Line", report: OrderReport) -> None:
        if line is self.line and line.listener is not None and not line.life.ended.is_set():
            try:
                await line.listener(report)
            except (DatabaseUnavailableError, TimeoutError):
                self.record.say("unheard", report.client_order_id)

    def _later(self, seconds: float, work: Awaitable[None]) -> None:
        async def wait() -> None:
            await asyncio.sleep(seconds)
            try:
                await work
            except (KilledError, OrderRejectedError):
                return

        task = asyncio.ensure_future(wait())
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def arrive_late(
        self, seconds: float, client_order_id: ClientOrderId, request: OrderRequest
    ) -> None:
        async def arrive() -> None:
            self.record.say("late", client_order_id)
            self.tell(await self.arrive(client_order_id, request))

        self._later(seconds, arrive())


@dataclass
class Line:
    """One life's connection to the venue; implements the port `Venue`."""

    venue: SimulatedVenue
    life: Life
    listener: Listener | None = None
    token: int | None = None  # under which this life took the account

    @property
    def name(self) -> VenueName:
        return VENUE

    @property
    def traits(self) -> VenueTraits:
        return self.venue.traits

    def listen(self, listener: Listener) -> None:
        self.listener = listener

    async def submit(self, client_order_id: ClientOrderId, request: OrderRequest) -> OrderReport:
        await self._leave("an order is sent", client_order_id)
        venue, faults = self.venue, self.venue.faults
        if faults.strikes("lost_on_the_way_there"):
            await self._lose(client_order_id)
        if faults.strikes("late"):
            window = venue.traits.receive_window.total_seconds()
            venue.arrive_late(venue.chance.uniform(0.5, window), client_order_id, request)
            await self._lose(client_order_id)
        order = await venue.arrive(client_order_id, request)
        if faults.strikes("hidden"):
            order.hidden_until = venue.time.monotonic() + venue.chance.uniform(1, HIDDEN_SECONDS)
        if faults.strikes("stream_first"):
            venue.tell(order)
            await asyncio.sleep(venue.chance.uniform(0, 0.5))
        if faults.strikes("lost_on_the_way_back"):
            venue.tell(order)
            await self._lose(client_order_id)
        await self._arrive()
        if order.fills and faults.strikes("fills_later"):
            venue.tell(order)
            return order.report(fills=venue.chance.randint(0, len(order.fills) - 1))
        return order.report()

    async def submit_linked(
        self, orders: Sequence[tuple[ClientOrderId, OrderRequest]]
    ) -> Sequence[OrderReport]:
        await self._leave("linked orders are sent", *(name for name, _ in orders))
        if not self.venue.traits.linked_orders:
            raise OrderRejectedError("linked orders are not taken")
        link, made = orders[0][0], []
        for client_order_id, request in orders:
            try:
                made.append(await self.venue.arrive(client_order_id, request, link))
            except OrderRejectedError:
                for order in made:
                    order.status, order.reason = OrderStatus.REJECTED, "its link was rejected"
                raise
        if self.venue.faults.strikes("lost_on_the_way_back"):
            await self._lose(link)
        await self._arrive()
        return [order.report() for order in made]

    async def replace(
        self, symbol: str, old: ClientOrderId, new: ClientOrderId, request: OrderRequest
    ) -> OrderReport:
        await self._leave("an order is replaced", new)
        former = self.venue.ledger.orders.get(old)
        if former is None or former.status not in LIVE or former.request.symbol != symbol:
            raise OrderRejectedError("nothing to replace")
        self._cancel(former)
        order = await self.venue.arrive(new, request)
        if self.venue.faults.strikes("lost_on_the_way_back"):
            await self._lose(new)
        await self._arrive()
        return order.report()

    async def find_order(self, symbol: str, client_order_id: ClientOrderId) -> OrderSearch:
        await self._ask("order", client_order_id)
        order = self.venue.ledger.orders.get(client_order_id)
        seen = (
            order is not None
            and order.request.symbol == symbol
            and (order.hidden_until <= self.venue.time.monotonic() or not self.venue.faults.on)
        )
        report = None
        if seen and order is not None:
            late = order.fills and self.venue.faults.strikes("fills_later")
            report = order.report(fills=len(order.fills) - 1 if late else None)
        return OrderSearch(report=report, endpoints=ENDPOINTS, venue_time=self.venue.time.now())

    async def open_orders(self) -> Sequence[OrderReport]:
        await self._ask("open_orders")
        now, hides = self.venue.time.monotonic(), self.venue.faults.on
        return [
            order.report()
            for order in self.venue.ledger.orders.values()
            if order.status in LIVE and not (hides and order.hidden_until > now)
        ]

    async def cancel(self, symbol: str, client_order_id: ClientOrderId) -> OrderReport:
        await self._leave("an order is cancelled")
        if self.venue.faults.strikes("lost_on_the_way_there"):
            await self._lose(client_order_id)
        order = self.venue.ledger.orders.get(client_order_id)
        if order is None or order.status not in LIVE or order.request.symbol != symbol:
            raise OrderRejectedError("unknown order")
        self._cancel(order)
        if self.venue.faults.strikes("lost_on_the_way_back"):
            await self._lose(client_order_id)
        await self._arrive()
        return order.report()

    def _cancel(self, order: VenueOrder) -> None:
        for each in self.venue.ledger.orders.values():
            same = each is order or (order.linked is not None and each.linked == order.linked)
            if same and each.status in LIVE:
                each.status = OrderStatus.CANCELED
                self.venue.record.say("cancel", each.client_order_id)
                self.venue.tell(each)

    async def fills_since(self, since: datetime) -> Sequence[Fill]:
        await self._ask("fills")
        fills = [fill for fill in self.venue.ledger.fills if fill.executed_at >= since]
        if self.venue.faults.strikes("fills_endpoint_late"):
            late = self.venue.time.now() - timedelta(seconds=20)
            fills = [fill for fill in fills if fill.executed_at < late]
        return fills

    async def funding_since(self, since: datetime) -> Sequence[FundingPayment]:
        del since
        await self._ask("funding")
        return []

    async def account(self) -> VenueAccount:
        await self._ask("account")
        ledger = self.venue.ledger
        balances = {"USDT": ledger.cash} | ledger.balances
        return VenueAccount(
            balances={asset: total for asset, total in balances.items() if total},
            positions={symbol: held for symbol, held in ledger.positions.items() if held},
        )

    async def quotes(self, symbols: Sequence[MarketSymbol]) -> dict[str, Decimal]:
        await self._ask("quotes")
        return {each.symbol: self.venue.prices[each.symbol] for each in symbols}

    # The wire

    async def _leave(self, what: str, *new: ClientOrderId) -> None:
        """Raises VenueUnavailableError: nothing left us."""
        assert_no_connection_held(what)
        await self._wire(what)
        look = self.venue.at_departure
        if look is not None:
            for client_order_id in new:
                await look(client_order_id, self.token)

    async def _ask(self, what: str, detail: object = "") -> None:
        assert_no_connection_held("the venue is asked")
        await self._wire(f"{what} {detail}".strip())
        await self._arrive()

    async def _wire(self, what: str) -> None:
        venue, faults = self.venue, self.venue.faults
        await asyncio.sleep(venue.chance.uniform(0.001, 0.05))
        await self.life.awake()
        self.life.step()
        now = venue.time.monotonic()
        if faults.strikes("disconnect"):
            venue.cut_until = now + venue.chance.uniform(1, 300)
            venue.record.say("venue", "disconnect")
        if faults.strikes("rate_limit"):
            venue.rate_limited_until = now + venue.chance.uniform(1, 30)
            venue.record.say("venue", "rate limit")
        if faults.on and now < max(venue.cut_until, venue.rate_limited_until):
            raise VenueUnavailableError(f"{what}: 429, or no route")

    async def _arrive(self) -> None:
        seconds = 0.05
        if self.venue.faults.strikes("slow"):
            seconds = 25.0  # longer than anybody has patience
            self.venue.record.say("venue", "slow")
        await asyncio.sleep(self.venue.chance.uniform(0.001, seconds))
        await self.life.awake()
        self.life.step()

    async def _lose(self, client_order_id: ClientOrderId) -> None:
        self.venue.record.say("lost", client_order_id)
        await asyncio.sleep(self.venue.chance.uniform(0.01, 3))
        await self.life.awake()
        self.life.step()
        raise OutcomeUnknownError(client_order_id)


def _words(request: OrderRequest) -> str:
    level = request.stop_price or request.limit_price or "market"
    kind = f"{request.position_type}{' reduce-only' if request.reduce_only else ''}"
    return f"{request.side} {request.quantity} {request.symbol} {kind} {request.type} {level}"


def as_venue(line: Line) -> Venue:
    """Mypy's proof that it has the port's shape."""
    return line
