"""A venue that is honest in its ledger and faulty in everything it says about it."""

import asyncio
import random
import traceback
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING, ClassVar, Final

from tests.simulation.host import KilledError
from tests.simulation.ledger import LIVE, Ledger, VenueOrder
from tests.simulation.plan import VenuePlan
from tests.simulation.street import Street
from tests.simulation.switches import Draw
from tradebotd.domain.errors import (
    DatabaseUnavailableError,
    OrderRejectedError,
)
from tradebotd.domain.ids import ClientOrderId, VenueName, VenueOrderId
from tradebotd.domain.order import (
    OrderReport,
    OrderRequest,
    OrderStatus,
    OrderType,
    TimeInForce,
)

if TYPE_CHECKING:
    from tests.simulation.line import Line

HIDDEN_SECONDS: Final = 40 * 60.0  # for so long a venue may say "never seen" of what it executed
STOPS: Final = frozenset({OrderType.STOP_MARKET, OrderType.STOP_LIMIT})
TARGETS: Final = frozenset({OrderType.TAKE_PROFIT_MARKET, OrderType.TAKE_PROFIT_LIMIT})
TOLD_WITHIN: Final = 0.3
DECIDED_WITHIN: Final = 3.0
Departure = Callable[[VenueName, ClientOrderId, int | None], Awaitable[None]]


@dataclass
class SimulatedVenue:
    """Outlives the daemon: each life of it talks through a `Line` of its own."""

    plan: VenuePlan
    ledger: Ledger
    street: Street
    at_departure: Departure
    cut_until: float = 0.0
    rate_limited_until: float = 0.0
    line: "Line | None" = None
    tasks: set["asyncio.Task[None]"] = field(default_factory=set)
    hidden: dict[ClientOrderId, float] = field(default_factory=dict)  # ever denied, until when
    departures: dict[ClientOrderId, float] = field(default_factory=dict)  # when each left us
    resting: list[tuple[float, dict[ClientOrderId, Decimal]]] = field(default_factory=list)
    hands_when_told: list[dict[str, Decimal]] = field(default_factory=list)  # with each account

    has_coins: ClassVar[bool] = True  # that a hand may trade
    liquidates_itself: ClassVar[bool] = False

    @property
    def name(self) -> VenueName:
        return self.plan.name

    async def serve(self, stack: AsyncExitStack) -> None:
        """Nothing: it is asked directly."""

    # What really happens

    async def arrive(
        self, client_order_id: ClientOrderId, request: OrderRequest, linked: str | None = None
    ) -> VenueOrder:
        """An order reaches the matching engine. Raises OrderRejectedError."""
        street = self.street
        self.ledger.arrivals.append((client_order_id, street.time.now()))
        if client_order_id in self.ledger.orders:
            street.record.say("venue", f"duplicate {client_order_id}")
            raise OrderRejectedError("duplicate client order id")
        order = self.enroll(client_order_id, request, linked)
        price = street.prices.get(request.symbol, Decimal(0))
        reason = self.ledger.refusal(request, price, linked)
        self.ledger.orders[client_order_id] = order
        if reason is None and not street.is_open(request.symbol):
            reason = "market closed" if request.type is OrderType.MARKET else None
        if reason is None and street.faults.strikes("reject", 30.0):
            reason = "the venue is in no mood"
        if reason is None and request.type in STOPS | TARGETS and _met(request, price):
            reason = "would trigger immediately"
        if reason is not None:
            order.status, order.reason = OrderStatus.REJECTED, reason
            street.record.say("rejected", f"{client_order_id} {_words(request)}: {reason}")
            raise OrderRejectedError(reason)
        street.record.say("order", f"{client_order_id} {_words(request)}")
        if request.type is OrderType.MARKET:
            self.match(order, price)
        elif request.type is OrderType.LIMIT and street.is_open(request.symbol):
            self._meet(order, price)
        order.rested = order.status is OrderStatus.NEW
        return order

    def enroll(
        self, client_order_id: ClientOrderId, request: OrderRequest, linked: str | None = None
    ) -> VenueOrder:
        return VenueOrder(
            client_order_id=client_order_id,
            venue_order_id=VenueOrderId(f"v{len(self.ledger.orders) + 1}"),
            request=request,
            at=self.street.time.now(),
            linked=linked,
        )

    def match(self, order: VenueOrder, price: Decimal) -> None:
        """At the market, at once or in pieces; immediate-or-cancel may leave a rest undone.

        What may rest goes on doing so with its rest, where that is drawn.
        """
        street, request = self.street, order.request
        pieces = street.chance.randint(2, 3) if street.faults.strikes("pieces") else 1
        lot = self.ledger.instruments[request.symbol].lot_size
        rests = request.type is not OrderType.MARKET and Draw.PARTS in street.plan.on
        short = street.faults.strikes("rests_in_part" if rests else "short_of_liquidity")
        wanted = order.left
        if short:
            wanted = max(lot, (wanted * street.chance.randint(2, 9) / 10) // lot * lot)
        for piece in range(pieces):
            part = wanted if piece == pieces - 1 else max(lot, wanted / 2 // lot * lot)
            if piece == pieces - 2 and self._leaves_little(order):
                part = wanted - (wanted % lot or lot)
            part = min(part, wanted)
            if part > 0 and not self._fill(order, part, price):
                break
            wanted -= part
        if order.status in LIVE and rests:
            order.triggered = True
            street.record.say("rests in part", order.client_order_id)
        elif order.status in LIVE:
            order.status = OrderStatus.CANCELED if order.fills else OrderStatus.EXPIRED
            street.record.say("short", order.client_order_id)

    def _leaves_little(self, order: VenueOrder) -> bool:
        """Whether its last piece is a lot or what is less: where lots change, by many an order."""
        plan = self.street.plan
        if not plan.noon[1]:
            return False
        return random.Random(f"last piece {plan.seed} {order.client_order_id}").random() < 0.5

    def _fill(self, order: VenueOrder, quantity: Decimal, price: Decimal) -> bool:
        """False: it was reduce-only, and nothing is left to reduce."""
        street = self.street
        third = street.prices.get(f"{self.ledger.third}USDT", Decimal(0))
        fill = self.ledger.execute(order, quantity, price, street.time.now(), third)
        if fill is None:
            order.status = OrderStatus.CANCELED if order.fills else OrderStatus.EXPIRED
            return False
        street.record.say("fill", f"{order.client_order_id} {fill.quantity}@{fill.price}")
        if order.linked is not None:
            for other in self.ledger.orders.values():
                if other.linked == order.linked and other is not order and other.status in LIVE:
                    other.status = OrderStatus.CANCELED
        return True

    def move(self, symbol: str, price: Decimal) -> None:
        """The market moves, and what rests is met by it."""
        self.street.set(symbol, price)
        for order in list(self.ledger.orders.values()):
            if order.status in LIVE and order.request.symbol == symbol:
                self._meet(order, price)

    def _meet(self, order: VenueOrder, price: Decimal) -> None:
        if order.request.type is OrderType.MARKET:
            return
        goes_on = order.triggered and order.request.type in STOPS | TARGETS
        if not goes_on and not _met(order.request, price):
            return
        if not _allowed(order.request, price):
            order.triggered = order.run_through = True
            return
        self.match(order, price)
        self.tell(order)

    def cancel(self, order: VenueOrder, how: OrderStatus = OrderStatus.CANCELED) -> None:
        for each in self.ledger.orders.values():
            same = each is order or (order.linked is not None and each.linked == order.linked)
            if same and each.status in LIVE:
                each.status = how
                self.street.record.say(
                    "cancel" if how is OrderStatus.CANCELED else "day over", each.client_order_id
                )
                self.tell(each)

    def promise(
        self, former: VenueOrder, client_order_id: ClientOrderId, request: OrderRequest
    ) -> VenueOrder:
        """Say yes to a replacement, and decide within seconds. Raises OrderRejectedError."""
        street = self.street
        self.ledger.arrivals.append((client_order_id, street.time.now()))
        if client_order_id in self.ledger.orders or former.replaced_by is not None:
            raise OrderRejectedError("duplicate, or it is being replaced")
        order = self.enroll(client_order_id, request)
        order.status = OrderStatus.PENDING_NEW
        self.ledger.orders[client_order_id] = order
        reason = self._refusal_instead(former, order)
        if reason is not None:
            order.status, order.reason = OrderStatus.REJECTED, reason
            street.record.say("rejected", f"{client_order_id} {_words(request)}: {reason}")
            raise OrderRejectedError(reason)
        former.replaced_by = client_order_id
        street.record.say("promised", f"{client_order_id} {_words(request)}")
        self._later(street.chance.uniform(0.01, DECIDED_WITHIN), self._decide(former, order))
        return order

    def withdraw(self, order: VenueOrder) -> None:
        order.status = OrderStatus.CANCELED
        for each in self.ledger.orders.values():
            if each.replaced_by == order.client_order_id:
                each.replaced_by = None

    async def _decide(self, former: VenueOrder, order: VenueOrder) -> None:
        if order.status is not OrderStatus.PENDING_NEW:
            return
        former.replaced_by = None
        reason = "nothing to replace"
        if former.status in LIVE:
            broken = "in no mood" if self.street.faults.strikes("reject", 30.0) else None
            reason = broken or self._refusal_instead(former, order) or ""
        if reason:
            order.status, order.reason = OrderStatus.REJECTED, reason
        else:
            self.cancel(former)
            order.status, order.rested = OrderStatus.NEW, True
        self.street.record.say("decided", f"{order.client_order_id} {order.status} {reason}")
        self.tell(order)

    def _refusal_instead(self, former: VenueOrder, order: VenueOrder) -> str | None:
        """Of the order, once *former* holds nothing any more."""
        price, status = self.street.prices.get(order.request.symbol, Decimal(0)), former.status
        former.status = OrderStatus.CANCELED
        try:
            reason = self.ledger.refusal(order.request, price)
        finally:
            former.status = status
        if reason is None and order.request.type is not former.request.type:
            reason = "an order keeps its type"
        if reason is None and _met(order.request, price):
            reason = "would trigger immediately"
        return reason

    def by_hand(self, name: str, request: OrderRequest, price: Decimal) -> None:
        """An order that is none of ours: somebody else's, or the venue's own."""
        order = self.enroll(ClientOrderId(name), request)
        self.ledger.orders[order.client_order_id] = order
        self.ledger.execute(order, request.quantity, price, self.street.time.now())

    def force(self, name: str, request: OrderRequest) -> None:
        """The venue closes a position, or a part of it."""
        self.by_hand(name, request, self.street.prices[request.symbol])

    def fund(self, symbol: str, rate: Decimal, ref: str) -> None:
        position = self.ledger.positions[symbol]
        amount = -(position.quantity * self.street.prices[symbol] * rate)
        asset = self.street.market(symbol).instrument.quote_asset
        self.ledger.pay(self.street.time.now(), asset, amount, "funding", ref)

    def transfer(self, asset: str, amount: Decimal, ref: str) -> None:
        self.ledger.pay(self.street.time.now(), asset, amount, "transfer", ref)

    def hide(self, order: VenueOrder, seconds: float) -> None:
        order.hidden_until = self.street.time.monotonic() + seconds
        self.hidden[order.client_order_id] = order.hidden_until

    def pass_time(self) -> None:
        """The day of orders ends, and lots change at noon."""
        (noon, lots), instruments = self.street.plan.noon, self.ledger.instruments
        for symbol in instruments.keys() & lots.keys():
            if self.street.time.monotonic() >= noon:
                instruments[symbol] = replace(instruments[symbol], lot_size=lots[symbol])
        for order in list(self.ledger.orders.values()):
            lasts, symbol = order.request.time_in_force, order.request.symbol
            if order.status not in LIVE or lasts is not TimeInForce.DAY:
                continue
            if self.street.closes_after(symbol, order.at) <= self.street.time.now():
                self.cancel(order, OrderStatus.EXPIRED)

    def look(self) -> None:
        """Note which stops of ours rest now and can be met, and for how much."""
        prices = self.street.prices
        stops = {
            name: order.left
            for name, order in self.ledger.orders.items()
            if order.status in LIVE
            and order.is_ours
            and order.request.type in STOPS
            and (not order.triggered or _allowed(order.request, prices[order.request.symbol]))
        }
        self.resting.append((self.street.time.monotonic(), stops))

    # What is said of it

    def tell(self, order: VenueOrder) -> None:
        """On the stream: late, twice, in pieces, in any order, or not at all."""
        street = self.street
        if self.line is None or street.faults.strikes("stream_loses"):
            return
        reports = [order.report(fills=count) for count in range(1, len(order.fills))]
        reports.append(order.report())
        if street.faults.strikes("stream_repeats"):
            reports += [street.chance.choice(reports), order.report()]
        if street.faults.strikes("stream_reorders"):
            street.chance.shuffle(reports)
        for report in reports:
            late = 20.0 if street.faults.strikes("stream_late", 20.0) else TOLD_WITHIN
            self._later(street.chance.uniform(0.001, late), self._say(self.line, report))

    async def _say(self, line: "Line", report: OrderReport) -> None:
        if line is not self.line or line.listener is None or line.life.ended.is_set():
            return
        try:
            await line.listener(report)
        except (DatabaseUnavailableError, TimeoutError):
            self.street.record.say("unheard", report.client_order_id)
        except Exception as error:  # noqa: BLE001 - it is a finding
            if not line.life.ended.is_set():
                trace = "".join(traceback.format_exception(error))[-1500:]
                self.street.crashes.append(f"out of the order stream's listener: {trace}")

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
            self.street.record.say("late", client_order_id)
            self.tell(await self.arrive(client_order_id, request))

        self._later(seconds, arrive())


def _met(request: OrderRequest, price: Decimal) -> bool:
    sign = request.side.sign
    if request.type is OrderType.LIMIT:
        return request.limit_price is not None and (request.limit_price - price) * sign >= 0
    if request.stop_price is None:
        return False
    beyond = (price - request.stop_price) * sign
    return beyond >= 0 if request.type in STOPS else beyond <= 0


def _allowed(request: OrderRequest, price: Decimal) -> bool:
    """By the limit of one that has a stop, too."""
    if request.limit_price is None or request.stop_price is None:
        return True
    return (request.limit_price - price) * request.side.sign >= 0


def _words(request: OrderRequest) -> str:
    level = request.stop_price or request.limit_price or "market"
    kind = f"{request.position_type}{' reduce-only' if request.reduce_only else ''}"
    return f"{request.side} {request.quantity} {request.symbol} {kind} {request.type} {level}"
