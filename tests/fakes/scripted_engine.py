"""The books of the scripted venue: what it holds, and what its orders change there."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from tests.fakes import scripted_books
from tests.fakes.scripted_books import (
    TRIGGERED,
    crosses,
    family_of,
    free_of,
    has_come,
    level_of,
    met_at,
    price_after_trigger,
    untaken,
)
from tradebotd.domain.decimals import ZERO
from tradebotd.domain.errors import (
    OrderRejectedError,
    VenueUnavailableError,
)
from tradebotd.domain.fill import Fill, forced_by_name
from tradebotd.domain.filters import SymbolStatus
from tradebotd.domain.ids import ClientOrderId, TradeId, VenueName, VenueOrderId
from tradebotd.domain.instrument import Instrument, PositionType
from tradebotd.domain.order import (
    OrderReport,
    OrderRequest,
    OrderStatus,
    OrderType,
    TimeInForce,
)
from tradebotd.domain.quote import PriceKind
from tradebotd.domain.self_trade import SELF_TRADE
from tradebotd.domain.side import Side
from tradebotd.ports.clock import Clock
from tradebotd.ports.prices import LastPrices, PriceSource
from tradebotd.ports.venue import SelfTrade, SymbolSetup, VenueTraits

SCRIPTED = VenueName("scripted")
LASTING = frozenset({TimeInForce.GTC, TimeInForce.DAY})
# What it has not seen when it is asked never arrived.
AUTHORITATIVE = VenueTraits(
    receive_window=timedelta(),
    absence_margin=timedelta(),
    resting_margin=timedelta(),
    negatives=1,
    endpoints=1,
    tells_transfers=True,
)


@dataclass
class ScriptedBooks:
    """`thin`: the next market orders trade so much at most, and the rest expires.

    `linked`: the family of an order of which one fill cancels the others. `fee_taken_in`: a third
    asset, at the price of its own symbol; one for one while that has none. `keeps_margins`: futures
    orders are refused that the cash does not carry, by the leverage of the symbol's set-up.
    `told_prices`: what it tells and compares stops with beside the last price; else what `prices`
    have of that kind. `triggered`: stop-limits that rest as limits by now. `closes`: of its
    sessions, when DAY orders end; else at UTC midnight. `averages`: what it tells of a symbol, else
    the mean of what its orders have met in the symbol's minutes. `latency`: how long an order is on
    its way. `depth`: what one price trades at most, in the quote asset; `traded`: what it has.
    """

    clock: Clock
    prices: PriceSource
    filters: dict[str, Instrument]
    balances: dict[str, Decimal]
    name: VenueName = SCRIPTED
    fee: Decimal = Decimal("0.0004")
    traits: VenueTraits = AUTHORITATIVE
    positions: dict[str, Decimal] = field(default_factory=dict)
    entries: dict[str, Decimal] = field(default_factory=dict)  # averages, of futures
    orders: dict[ClientOrderId, OrderReport] = field(default_factory=dict)
    fills: list[Fill] = field(default_factory=list)
    resting: dict[ClientOrderId, OrderRequest] = field(default_factory=dict)
    thin: deque[Decimal] = field(default_factory=deque)
    linked: dict[ClientOrderId, str] = field(default_factory=dict)
    asked: dict[ClientOrderId, OrderRequest] = field(default_factory=dict)
    fee_in_base: bool = False
    fee_taken_in: str | None = None
    keeps_margins: bool = False
    ended_by_our_own: list[OrderReport] = field(default_factory=list)
    set_ups: dict[str, SymbolSetup] = field(default_factory=dict)
    told_prices: dict[tuple[str, PriceKind], Decimal] = field(default_factory=dict)
    triggered: set[ClientOrderId] = field(default_factory=set)
    closes: list[datetime] = field(default_factory=list)
    latency: timedelta = timedelta()
    depth: Decimal | None = None
    traded: dict[str, tuple[datetime, Decimal]] = field(default_factory=dict)
    averages: dict[str, Decimal] = field(default_factory=dict)
    met: list[tuple[datetime, str, Decimal]] = field(default_factory=list)

    def price_of(self, symbol: str, kind: PriceKind) -> Decimal | None:
        told = self.told_prices.get((symbol, kind))
        seen = self.prices.last_prices(symbol, kind) if told is None else None
        return told if seen is None else seen.current

    def _trades(self, symbol: str) -> bool:
        known = self.filters.get(symbol)
        return known is None or known.status is SymbolStatus.TRADING

    def _remember(self, symbol: str, last: LastPrices) -> None:
        """For the average: each last price once, also where a price of another kind came."""
        if (last.at, symbol, last.current) not in self.met[-1:]:
            self.met.append((last.at, symbol, last.current))

    def average(self, symbol: str) -> Decimal | None:
        known = self.filters.get(symbol)
        minutes = 0 if known is None else known.average_minutes
        since = self.clock.now() - timedelta(minutes=minutes)
        lately = [price for at, name, price in self.met if name == symbol and at > since]
        mean = sum(lately) / Decimal(len(lately)) if lately else None
        return self.averages.get(symbol, mean)

    def _refusal(
        self,
        request: OrderRequest,
        *,
        linked: bool = False,
        beside: Sequence[OrderRequest] = (),
    ) -> str | None:
        if request.symbol not in self.filters:
            return f"unknown symbol {request.symbol}"
        last = self.prices.last_prices(request.symbol)
        if last is None:
            raise VenueUnavailableError("no price yet")
        if (why := untaken(request, self.traits)) is not None:
            return why
        compared = self.price_of(request.symbol, request.working_price)
        if request.stop_price is not None and request.working_price not in self.traits.stop_prices:
            return "working_price_not_taken"
        at = last.current if request.stop_price is None or compared is None else compared
        if linked and (request.type is OrderType.MARKET or has_come(request, at)):
            return scripted_books.AT_ONCE
        held = self.positions.get(request.symbol, ZERO)
        instrument = self.filters[request.symbol]
        found = scripted_books.refusal(
            request,
            last.current,
            instrument,
            held,
            self._free(),
            self.fee,
            compared=compared,
            average=self.average(request.symbol),
            beside=[*self.resting.values(), *beside],
        )
        if found is None and self.traits.self_trade is SelfTrade.REJECTS:
            found = self._wash_refusal(request)
        if found is None and request.position_type is PositionType.FUTURES and self.keeps_margins:
            return self._margin_refusal(request, last.current)
        return found

    def _setup_refusal(self, symbol: str, setup: SymbolSetup) -> str | None:
        """The words of -4028, -4047 and -4067; what is set already is taken."""
        if not setup.one_way:
            return "-4068 dual side is not allowed"
        if not 0 < setup.leverage <= self.filters[symbol].max_leverage:
            return "leverage_above_maximum: -4028"
        rests = any(each.symbol == symbol for each in self.resting.values())
        changes = setup != self.set_ups.get(symbol, SymbolSetup())
        if changes and (rests or self.positions.get(symbol)):
            return "-4067 there are positions or orders"
        return None

    def _margin_refusal(self, request: OrderRequest, price: Decimal) -> str | None:
        """Isolated margin by the symbol's set-up, and the fee, of what an order opens."""
        instrument, change = self.filters[request.symbol], request.quantity * request.side.sign
        held = self.positions.get(request.symbol, ZERO)
        if held * change < 0 and abs(change) <= abs(held):
            return None
        leverage = self.set_ups.get(request.symbol, SymbolSetup()).leverage
        worth = request.quantity * price
        free = self._free().get(instrument.quote_asset, ZERO)
        return None if worth / leverage + worth * self.fee <= free else "insufficient balance"

    def _margins(self) -> dict[str, Decimal]:
        """What positions and the orders that may open one hold, by asset."""
        used: dict[str, Decimal] = {}
        held = [
            (name, abs(many) * self.entries[name]) for name, many in self.positions.items() if many
        ]
        for client_order_id, each in self.resting.items():
            if each.position_type is PositionType.FUTURES and not each.reduce_only:
                left = each.quantity - self.orders[client_order_id].filled_quantity
                priced = self._priced(each)
                held.append((each.symbol, left * (priced.limit_price or level_of(priced))))
        for symbol, worth in held:
            asset = self.filters[symbol].quote_asset
            leverage = self.set_ups.get(symbol, SymbolSetup()).leverage
            used[asset] = used.get(asset, ZERO) + worth / leverage
        return used

    def _free(self) -> dict[str, Decimal]:
        if not scripted_books.locks(self.traits):
            return dict(self.balances)
        filled = {each: self.orders[each].filled_quantity for each in self.resting}
        priced = {name: self._priced(each) for name, each in self.resting.items()}
        return free_of(self.balances, priced, self.linked, filled, self.filters, self.fee)

    def _priced(self, request: OrderRequest) -> OrderRequest:
        """One at the market locks what it would cost now."""
        last = self.prices.last_prices(request.symbol)
        if request.type is not OrderType.MARKET or last is None:
            return request
        return replace(request, type=OrderType.LIMIT, limit_price=last.current)

    def _take(
        self, client_order_id: ClientOrderId, request: OrderRequest, reason: str | None = None
    ) -> OrderReport:
        if client_order_id in self.orders:
            raise OrderRejectedError("duplicate client order id")
        reason = reason or self._refusal(request)
        if reason is not None:
            self._refuse(client_order_id, request, reason)
            raise OrderRejectedError(reason)
        last = self.prices.last_prices(request.symbol)
        assert last is not None
        if self._ends_by_our_own(request, last.current):
            report = self._report(client_order_id, request, OrderStatus.EXPIRED, reason=SELF_TRADE)
            self.orders[client_order_id] = report
            return report
        if self.latency:
            return self._rest(client_order_id, request)
        if request.type is OrderType.MARKET:
            return self._execute(client_order_id, request, last)
        if request.type is OrderType.LIMIT and crosses(request, last.current):
            return self._execute(client_order_id, request, last)
        report = self._rest(client_order_id, request)
        if request.time_in_force is TimeInForce.IOC:
            del self.resting[client_order_id]
            report = self.orders[client_order_id] = replace(report, status=OrderStatus.EXPIRED)
        return report

    def _ends_by_our_own(self, request: OrderRequest, price: Decimal) -> bool:
        """Whether an order of ours on the book ends *request*; else *request* may end that one."""
        kind = self.traits.self_trade
        takes = request.type is OrderType.MARKET or (
            request.type is OrderType.LIMIT and crosses(request, price)
        )
        if not takes or kind not in {SelfTrade.EXPIRES_INCOMING, SelfTrade.EXPIRES_RESTING}:
            return False
        sign = request.side.sign
        met = [
            name
            for name, each in self._on_book()
            if (each.symbol, each.side, each.type)
            == (request.symbol, request.side.opposite, OrderType.LIMIT)
            and (price - level_of(each)) * sign >= 0
        ]
        if kind is SelfTrade.EXPIRES_INCOMING:
            return bool(met)
        for name in met:
            self._end(name, OrderStatus.EXPIRED)
            self.orders[name] = replace(self.orders[name], reason=SELF_TRADE)
            self.ended_by_our_own.append(self.orders[name])
        return False

    def _wash_refusal(self, request: OrderRequest) -> str | None:
        """A venue that rejects: of both sides only limits that do not cross are there at once."""
        for name, each in self._on_book():
            if (each.symbol, each.side) != (request.symbol, request.side.opposite):
                continue
            limits = {each.type, request.type} == {OrderType.LIMIT}
            if not limits or (level_of(request) - level_of(each)) * request.side.sign >= 0:
                return f"{SELF_TRADE}: 403 opposite order {name} exists"
        return None

    def _on_book(self) -> list[tuple[ClientOrderId, OrderRequest]]:
        """What rests; a stop-limit that has triggered is a limit order."""
        return [
            (name, replace(each, type=OrderType.LIMIT) if name in self.triggered else each)
            for name, each in self.resting.items()
        ]

    def _refuse(self, client_order_id: ClientOrderId, request: OrderRequest, reason: str) -> None:
        report = self._report(client_order_id, request, OrderStatus.REJECTED, reason=reason)
        self.orders[client_order_id] = report

    def _rest(self, client_order_id: ClientOrderId, request: OrderRequest) -> OrderReport:
        report = self._report(client_order_id, request, OrderStatus.NEW)
        self.orders[client_order_id] = report
        self.resting[client_order_id] = request
        return report

    def _execute(
        self, client_order_id: ClientOrderId, request: OrderRequest, last: LastPrices
    ) -> OrderReport:
        price = last.current
        quantity = self._offered(request, request.quantity, price, last)
        if self.thin and request.type is OrderType.MARKET:
            quantity = min(quantity, self.thin.popleft())
        if quantity < request.quantity and request.time_in_force in LASTING:
            rests = self._rest(client_order_id, request)
            return self._fill(client_order_id, quantity, price)[0] if quantity else rests
        fills = (self._book(client_order_id, request, quantity, price),) if quantity else ()
        report = replace(
            self._report(client_order_id, request, OrderStatus.FILLED),
            status=OrderStatus.FILLED if quantity == request.quantity else OrderStatus.EXPIRED,
            filled_quantity=quantity,
            fills=fills,
        )
        self.orders[client_order_id] = report
        return report

    def _offered(
        self, request: OrderRequest, left: Decimal, price: Decimal, last: LastPrices
    ) -> Decimal:
        """How much of what is *left* this price trades: in whole lots, one at least for the first."""
        if self.depth is None:
            return left
        at, used = self.traded.get(request.symbol, (last.at, ZERO))
        used = used if at == last.at else ZERO
        lot = self.filters[request.symbol].lot_size
        if used >= self.depth:
            return ZERO
        lots = max((self.depth - used) / price // lot, Decimal(1)) * lot
        part = min(left, lots)
        if part < left and request.time_in_force is TimeInForce.FOK:
            return ZERO
        self.traded[request.symbol] = last.at, used + part * price
        return part

    def _fill(
        self, client_order_id: ClientOrderId, quantity: Decimal, price: Decimal | None
    ) -> list[OrderReport]:
        """The order's report, then those of its twins that this cancels."""
        request = self.resting[client_order_id]
        before = self.orders[client_order_id]
        paid = level_of(request) if price is None else price
        part = self._book(client_order_id, request, quantity, paid)
        filled = before.filled_quantity + quantity
        done = filled == request.quantity
        twins = family_of(client_order_id, self.linked, self.resting)
        if done:
            del self.resting[client_order_id]
        report = replace(
            before,
            status=OrderStatus.FILLED if done else OrderStatus.PARTIALLY_FILLED,
            filled_quantity=filled,
            fills=(*before.fills, part),
        )
        self.orders[client_order_id] = report
        gone = [self._end(each) for each in twins if each != client_order_id]
        return [report, *gone]

    def _come(self, client_order_id: ClientOrderId, last: LastPrices) -> bool:
        """Whether its price meets it; what has triggered waits for its limit, by the last one."""
        request = self.resting[client_order_id]
        accepted = self.orders[client_order_id].at
        if self.latency and accepted is not None and accepted + self.latency >= last.at:
            return False
        if request.type is OrderType.MARKET or request.time_in_force not in LASTING:
            return True
        if client_order_id in self.triggered:
            if request.limit_price is None:
                return True
            return has_come(replace(request, type=OrderType.LIMIT), last.current)
        compared = self.price_of(request.symbol, request.working_price)
        return compared is not None and has_come(request, compared)

    def _price_met(self, client_order_id: ClientOrderId, last: LastPrices) -> Decimal | None:
        request = self.resting[client_order_id]
        if request.type is OrderType.MARKET or self._comes_now(client_order_id, last):
            return last.current
        if client_order_id in self.triggered:
            if request.limit_price is None:
                return last.current
            as_limit = replace(request, type=OrderType.LIMIT, working_price=PriceKind.LAST)
            return met_at(as_limit, last, last)
        path: LastPrices | None = last
        if request.working_price is not PriceKind.LAST:
            path = self.prices.last_prices(request.symbol, request.working_price)
        if request.type in TRIGGERED and request.limit_price is not None:
            self.triggered.add(client_order_id)
            return price_after_trigger(request, last, path)
        return met_at(request, last, path)

    def _comes_now(self, client_order_id: ClientOrderId, last: LastPrices) -> bool:
        """A limit beyond the market that this price is the first for takes what there is."""
        request, accepted = self.resting[client_order_id], self.orders[client_order_id].at
        if not self.latency or request.type is not OrderType.LIMIT or accepted is None:
            return False
        new = last.previous_at is None or last.previous_at <= accepted + self.latency
        return new and crosses(request, last.current)

    def _end_of_day(self, accepted: datetime) -> datetime:
        later = [close for close in self.closes if close > accepted]
        midnight = accepted.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        return min(later, default=midnight + timedelta(days=1))

    def _days_over(self) -> list[OrderReport]:
        """DAY orders whose day is over expire, and what is linked to them."""
        now, gone = self.clock.now(), list[OrderReport]()
        for each, request in list(self.resting.items()):
            accepted = self.orders[each].at
            if each not in self.resting or accepted is None:
                continue
            if request.time_in_force is TimeInForce.DAY and self._end_of_day(accepted) <= now:
                family = family_of(each, self.linked, self.resting)
                gone += [self._end(one, OrderStatus.EXPIRED) for one in family]
        return gone

    def _meet(self, client_order_id: ClientOrderId, last: LastPrices) -> list[OrderReport]:
        """All that is left of it trades; reduce-only, as much as is left to reduce."""
        request = self.resting[client_order_id]
        lasts = request.time_in_force in LASTING
        if not lasts and not self._takes(client_order_id, last):
            return [self._end(client_order_id, OrderStatus.EXPIRED)]
        price = self._price_met(client_order_id, last)
        if price is None:
            return []
        left = request.quantity - self.orders[client_order_id].filled_quantity
        if request.reduce_only:
            held = self.positions.get(request.symbol, ZERO)
            left = min(left, max(-held * request.side.sign, ZERO))
        offered = self._offered(request, left, price, last) if left else ZERO
        reports = self._fill(client_order_id, offered, price) if offered else []
        if lasts and offered < left:
            self.triggered |= {client_order_id} if request.type in TRIGGERED else set()
        elif client_order_id in self.resting:
            reports.append(self._end(client_order_id, OrderStatus.EXPIRED))
        return reports

    def _takes(self, client_order_id: ClientOrderId, last: LastPrices) -> bool:
        request = self.resting[client_order_id]
        return request.type is OrderType.MARKET or self._comes_now(client_order_id, last)

    def _cancel(self, client_order_id: ClientOrderId) -> list[OrderReport]:
        return [self._end(each) for each in family_of(client_order_id, self.linked, self.resting)]

    def _end(
        self, client_order_id: ClientOrderId, status: OrderStatus = OrderStatus.CANCELED
    ) -> OrderReport:
        del self.resting[client_order_id]
        report = replace(self.orders[client_order_id], status=status, at=self.clock.now())
        self.orders[client_order_id] = report
        return report

    def _book(
        self,
        client_order_id: ClientOrderId,
        request: OrderRequest,
        quantity: Decimal,
        price: Decimal,
    ) -> Fill:
        instrument = self.filters[request.symbol]
        in_base = (
            self.fee_in_base
            and request.side is Side.BUY
            and request.position_type is PositionType.SPOT
        )
        fee = quantity * self.fee * (1 if in_base else price)
        fee_asset = instrument.base_asset if in_base else instrument.quote_asset
        if self.fee_taken_in is not None:
            last = self.prices.last_prices(f"{self.fee_taken_in}{fee_asset}")
            fee_asset = self.fee_taken_in
            fee = (fee if last is None else fee / last.current).quantize(Decimal("1e-8"))
        fill = Fill(
            venue=self.name,
            symbol=request.symbol,
            trade_id=TradeId(str(len(self.fills) + 1)),
            client_order_id=client_order_id,
            side=request.side,
            quantity=quantity,
            price=price,
            fee=fee,
            fee_asset=fee_asset,
            executed_at=self.clock.now(),
            venue_order_id=self._number(client_order_id),
            forced=forced_by_name(client_order_id),
        )
        self.fills.append(fill)
        change = fill.quantity * fill.side.sign
        self._add(fill.fee_asset, -fill.fee)
        if request.position_type is PositionType.FUTURES:
            self._add(instrument.quote_asset, self._gain(fill.symbol, change, fill.price))
            self.positions[fill.symbol] = self.positions.get(fill.symbol, ZERO) + change
        else:
            self._add(instrument.base_asset, change)
            self._add(instrument.quote_asset, -change * fill.price)
        return fill

    def _gain(self, symbol: str, change: Decimal, price: Decimal) -> Decimal:
        """Of futures that a fill of *change* closes; what it opens moves their average."""
        held = self.positions.get(symbol, ZERO)
        entry = self.entries.get(symbol, price)
        if held * change >= 0:
            after = abs(held) + abs(change)
            self.entries[symbol] = (entry * abs(held) + price * abs(change)) / after
            return ZERO
        if abs(change) > abs(held):
            self.entries[symbol] = price
        return (price - entry) * min(abs(held), abs(change)) * (1 if held > 0 else -1)

    def _report(
        self,
        client_order_id: ClientOrderId,
        request: OrderRequest,
        status: OrderStatus,
        *,
        reason: str | None = None,
    ) -> OrderReport:
        works_by = PriceKind.LAST if request.stop_price is None else request.working_price
        self.asked[client_order_id] = replace(request, trigger_price=None, working_price=works_by)
        return OrderReport(
            client_order_id=client_order_id,
            venue_order_id=self._number(client_order_id),
            status=status,
            reason=reason,
            at=self.clock.now(),
            asked=self.asked[client_order_id],  # no venue is told of the level a tick crossed
            forced=forced_by_name(client_order_id),
        )

    def _number(self, client_order_id: ClientOrderId) -> VenueOrderId:
        """The same for the order and its fills, whichever comes first."""
        known = self.orders.get(client_order_id)
        return known.venue_order_id if known else VenueOrderId(str(len(self.orders) + 1))

    def _add(self, asset: str, change: Decimal) -> None:
        self.balances[asset] = self.balances.get(asset, ZERO) + change
