"""A venue that keeps its books in memory and misbehaves when told."""

from collections import deque
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from enum import Enum, auto

import anyio

from tests.fakes.prices import FakePrices
from tests.fakes.scripted_engine import AUTHORITATIVE, SCRIPTED
from tests.fakes.scripted_promises import PromisingBooks
from tradebotd.clocks.host import host_now
from tradebotd.domain.candle import Tick
from tradebotd.domain.errors import (
    OrderRejectedError,
    OutcomeUnknownError,
    VenueUnavailableError,
)
from tradebotd.domain.fill import Fill
from tradebotd.domain.funding import FundingPayment
from tradebotd.domain.ids import ClientOrderId
from tradebotd.domain.instrument import Instrument, MarketSymbol, PositionType
from tradebotd.domain.order import (
    OrderReport,
    OrderRequest,
    OrderType,
    TimeInForce,
)
from tradebotd.domain.quote import PriceKind, Quote
from tradebotd.domain.side import Side
from tradebotd.domain.transfer import Transfer
from tradebotd.market.price_cache import PriceCache
from tradebotd.ports.venue import (
    Commission,
    Listener,
    OrderLookup,
    Replaced,
    Replacement,
    SendBlockedBy,
    StreamListener,
    StreamState,
    SymbolSetup,
    Venue,
    VenueAccount,
    VenueClock,
    check_may_leave,
    not_blocked,
    status_of,
)
from tradebotd.storage.postgres.database import assert_no_connection_held

__all__ = ["AUTHORITATIVE", "SCRIPTED", "Behaviour", "ScriptedVenue", "as_venue"]


OTHERS = (PriceKind.MARK, PriceKind.BID, PriceKind.ASK)


class Behaviour(Enum):
    """What happens to the next order. Without one it is filled whole, at the current price."""

    UNREACHABLE = auto()  # never left us: VenueUnavailableError
    DROP_BEFORE = auto()  # lost on the way there: OutcomeUnknownError, and nothing happened
    DROP_AFTER = auto()  # lost on the way back: OutcomeUnknownError, and it was executed
    REJECT = auto()
    REJECT_NEW = auto()  # of `replace`: the old one is cancelled, the new one is not taken
    BREAK_PROMISE = auto()  # of `replace`: promised, and the new one is rejected afterwards
    TELL_NEW_ALONE = auto()  # of `replace`: its answer does not tell of the old one


@dataclass
class ScriptedVenue(PromisingBooks):
    """`script`: one behaviour an order, in turn. `gate`: every call waits there while it is set.
    `limiter` is awaited before an order leaves, as an adapter's is.

    `before_submit` is awaited when an order arrives. `submitted` is every order that reached the
    venue, in order, doubled ones included. `hidden`: orders it falsely says it has never seen.
    `ahead`: its clock before ours. `asked_for`: the names of its reads, in order; `cancelled`: what
    it was asked to cancel.

    `before_account_answers` is awaited when the balances are read and not yet told.

    `submit_linked` and `replace` take their behaviour from `script` too, one a call; `cancel` has
    `cancel_script`. `hidden_until`: it has never seen the order for so many asks, or until then
    by the host. `fills_are_late`: its list of trades has none yet; `fills_asked`: the symbols of
    which it was asked for trades. `words`: its own for the state of an order. `away`: what every
    call is answered by, while it is set.

    `prices_of`: of when the prices of its quotes are, where it tells that.

    `promises`: of replacements by the new order, where those are promised. They are kept before the
    next call is answered; where `promises_wait`, at the next price, after what rests has met it, or
    by `keep_promises`.
    """

    reads_fail: bool = False
    gate: anyio.Event | None = None
    before_submit: Callable[[ClientOrderId], Awaitable[object]] | None = None
    limiter: Callable[[], Awaitable[object]] | None = None
    quote_calls: list[set[str]] = field(default_factory=list)
    script: deque[Behaviour] = field(default_factory=deque)
    submitted: list[tuple[ClientOrderId, OrderRequest]] = field(default_factory=list)
    listener: Listener | None = None
    stream_listener: StreamListener | None = None
    endpoints: frozenset[str] = frozenset({"orders"})
    hidden: set[ClientOrderId] = field(default_factory=set)
    ahead: timedelta = timedelta()
    cancelled: list[ClientOrderId] = field(default_factory=list)
    payments: list[FundingPayment] = field(default_factory=list)
    transfers: list[Transfer] = field(default_factory=list)
    asked_for: list[str] = field(default_factory=list)
    before_cancel: Callable[[ClientOrderId], Awaitable[object]] | None = None
    cancel_script: deque[Behaviour] = field(default_factory=deque)
    hidden_until: dict[ClientOrderId, int | datetime] = field(default_factory=dict)
    before_account_answers: Callable[[], Awaitable[object]] | None = None
    fills_are_late: bool = False
    set_up_calls: list[tuple[str, SymbolSetup]] = field(default_factory=list)
    setup_refused: str | None = None
    stream_lost: datetime | None = None
    stream_told: bool = False
    session: VenueClock = field(default_factory=lambda: VenueClock(time=host_now()))
    buying_power: dict[str, Decimal] = field(default_factory=dict)
    hedge_mode: bool = False
    wrong_modes: tuple[str, ...] = ()
    away: VenueUnavailableError | None = None
    promises_wait: bool = False
    fills_asked: list[set[str] | None] = field(default_factory=list)
    words: dict[ClientOrderId, str] = field(default_factory=dict)
    prices_of: datetime | None = None

    async def submit(
        self,
        client_order_id: ClientOrderId,
        request: OrderRequest,
        *,
        send_blocked_by: SendBlockedBy = not_blocked,
    ) -> OrderReport:
        assert_no_connection_held("an order is sent")
        await self._sign(send_blocked_by)
        if self.before_submit is not None:
            await self.before_submit(client_order_id)
        behaviour = self._departure(client_order_id)
        self.submitted.append((client_order_id, request))
        report = self._take(
            client_order_id, request, "scripted" if behaviour is Behaviour.REJECT else None
        )
        ended, self.ended_by_our_own = self.ended_by_our_own, []
        await self._tell(ended)
        if behaviour is Behaviour.DROP_AFTER:
            raise OutcomeUnknownError(client_order_id)
        return report

    async def find_order(self, symbol: str, client_order_id: ClientOrderId) -> OrderLookup:
        await self._read("find_order")
        report = None if self._hides(client_order_id) else self.orders.get(client_order_id)
        known = self.asked.get(client_order_id)
        report = None if report is None else self._in_words(report)
        return OrderLookup(
            report=report if known is None or known.symbol == symbol else None,
            endpoints=self.endpoints,
            venue_time=host_now() + self.ahead,
        )

    def _in_words(self, report: OrderReport) -> OrderReport:
        """As an adapter tells what the venue has its own word for."""
        word = self.words.get(report.client_order_id)
        if word is None:
            return report
        asked = self.asked[report.client_order_id]
        status, reason = status_of(word, report.filled_quantity, asked.quantity)
        return replace(report, status=status, reason=reason or report.reason)

    def listen(self, listener: Listener, on_stream: StreamListener | None = None) -> None:
        self.listener, self.stream_listener, self.stream_told = listener, on_stream, False

    async def lose_stream(self) -> None:
        """What happens from now on is told to nobody, ever."""
        self.stream_lost = self.clock.now()
        await self._say_stream(connected=False)

    async def restore_stream(self) -> None:
        await self._say_stream(connected=True)
        self.stream_lost = None

    async def _say_stream(self, *, connected: bool) -> None:
        self.stream_told = True
        if self.stream_listener is not None and self.traits.tells_stream:
            await self.stream_listener(StreamState(connected=connected, gap_since=self.stream_lost))

    async def submit_linked(
        self,
        orders: Sequence[tuple[ClientOrderId, OrderRequest]],
        *,
        send_blocked_by: SendBlockedBy = not_blocked,
    ) -> Sequence[OrderReport]:
        assert_no_connection_held("orders are sent")
        await self._sign(send_blocked_by)
        if not self.traits.linked_orders:
            raise OrderRejectedError("linked orders are not taken")
        for client_order_id, _ in orders:
            if self.before_submit is not None:
                await self.before_submit(client_order_id)
        family = orders[0][0]
        behaviour = self._departure(family)
        self.submitted.extend(orders)
        if any(client_order_id in self.orders for client_order_id, _ in orders):
            raise OrderRejectedError("duplicate client order id")
        asked = [request for _, request in orders]
        reasons = [
            self._refusal(request, linked=True, beside=asked[:number])
            for number, request in enumerate(asked)
        ]
        reason = "scripted" if behaviour is Behaviour.REJECT else next(filter(None, reasons), None)
        if reason is not None:
            for client_order_id, request in orders:
                self._refuse(client_order_id, request, reason)
            raise OrderRejectedError(reason)
        reports = []
        for client_order_id, request in orders:
            self.linked[client_order_id] = family
            reports.append(self._rest(client_order_id, request))
        if behaviour is Behaviour.DROP_AFTER:
            raise OutcomeUnknownError(family)
        return reports

    async def replace(
        self,
        symbol: str,
        old: ClientOrderId,
        new: ClientOrderId,
        request: OrderRequest,
        *,
        send_blocked_by: SendBlockedBy = not_blocked,
    ) -> Replaced:
        assert_no_connection_held("an order is replaced")
        await self._sign(send_blocked_by)
        if self.traits.replacement not in {Replacement.REPLACE, Replacement.PROMISED}:
            raise OrderRejectedError("orders are not replaced")
        if self.before_submit is not None:
            await self.before_submit(new)
        behaviour = self._departure(new)
        self.submitted.append((new, request))
        if behaviour is Behaviour.REJECT:
            raise OrderRejectedError("scripted")
        if old not in self.resting:
            raise OrderRejectedError(f"nothing to cancel: {symbol} {old}")
        if self.traits.replacement is Replacement.PROMISED:
            promise = self._promise(old, new, request, breaks=behaviour is Behaviour.BREAK_PROMISE)
            if behaviour is Behaviour.DROP_AFTER:
                raise OutcomeUnknownError(new)
            return Replaced(new=promise)
        before, kept = dict(self.resting), dict(self.orders)
        cancelled = self._cancel(old)
        if behaviour is Behaviour.REJECT_NEW:
            await self._tell(cancelled)
            self._refuse(new, request, "scripted")
            raise OrderRejectedError("scripted")
        try:
            report = self._take(new, request)
        except OrderRejectedError:
            self.resting, self.orders = before, kept  # all of it or nothing
            raise
        if behaviour is Behaviour.DROP_AFTER:
            await self._tell(cancelled)
            raise OutcomeUnknownError(new)
        await self._tell(each for each in cancelled if each.client_order_id != old)
        told = None if behaviour is Behaviour.TELL_NEW_ALONE else self.orders[old]
        return Replaced(new=report, old=told)

    async def keep_promises(self, symbol: str | None = None) -> None:
        """The venue decides: the new order takes the place of the old one, or is rejected."""
        for new, promise in list(self.promises.items()):
            name = promise.request.symbol
            if new in self.promises and symbol in {None, name} and self._trades(name):
                await self._tell(self._decide(new))

    async def open_orders(self, symbols: Collection[str] | None = None) -> Sequence[OrderReport]:
        await self._read("open_orders")
        live = [*self.resting.items()]
        live += [(new, promise.request) for new, promise in self.promises.items()]
        told = [
            self.orders[each]
            for each, request in live
            if not self._is_hidden(each) and (symbols is None or request.symbol in symbols)
        ]
        if not self.traits.open_orders_tell_fills:
            told = [replace(each, fills=()) for each in told]
        return [self._in_words(each) for each in told]

    async def funding_since(self, since: datetime) -> Sequence[FundingPayment]:
        await self._read("funding_since")
        return [each for each in self.payments if each.paid_at >= since]

    async def transfers_since(self, since: datetime) -> Sequence[Transfer]:
        await self._read("transfers_since")
        return [each for each in self.transfers if each.at >= since]

    def transfer(self, amount: Decimal | int, asset: str = "USDT", *, told: bool = True) -> None:
        """Money comes in, or leaves; *told*: it is in the list, too."""
        self.balances[asset] = self.balances.get(asset, Decimal(0)) + Decimal(amount)
        if told:
            self.tell_transfer(amount, asset)

    def tell_transfer(self, amount: Decimal | int, asset: str = "USDT") -> None:
        number = str(len(self.transfers) + 1)
        self.transfers.append(
            Transfer(
                venue=self.name,
                transfer_id=number,
                asset=asset,
                amount=Decimal(amount),
                at=self.clock.now(),
            )
        )

    async def cancel(self, symbol: str, client_order_id: ClientOrderId) -> OrderReport:
        """`before_cancel` is awaited when it arrives; what is raised there is the answer."""
        await self._read("cancel")
        self.cancelled.append(client_order_id)
        if self.before_cancel is not None:
            await self.before_cancel(client_order_id)
        behaviour = self.cancel_script.popleft() if self.cancel_script else None
        if behaviour is Behaviour.UNREACHABLE:
            raise VenueUnavailableError("connection refused")
        if behaviour is Behaviour.DROP_BEFORE:
            raise OutcomeUnknownError(client_order_id)
        if behaviour is Behaviour.REJECT:
            raise OrderRejectedError("scripted")
        if any(promise.old == client_order_id for promise in self.promises.values()):
            raise OrderRejectedError(f"{client_order_id} is being replaced")
        if client_order_id in self.promises:
            return self._withdraw(client_order_id)
        if client_order_id not in self.resting:
            raise OrderRejectedError(f"nothing to cancel: {symbol} {client_order_id}")
        reports = self._cancel(client_order_id)
        await self._tell(each for each in reports if each.client_order_id != client_order_id)
        if behaviour is Behaviour.DROP_AFTER:
            raise OutcomeUnknownError(client_order_id)
        return self.orders[client_order_id]

    # What happens between calls

    async def move(
        self, symbol: str, price: Decimal | str, kind: PriceKind = PriceKind.LAST
    ) -> list[OrderReport]:
        """To *price*; what rests meets it, and whoever listens is told."""
        assert isinstance(self.prices, FakePrices | PriceCache), "prices that a test moves"
        self.prices.record(Tick(self.clock.now(), symbol, Decimal(price), kind=kind))
        return await self.match(symbol)

    async def match(self, symbol: str) -> list[OrderReport]:
        """What rests meets the last two prices, in the order it came; whoever listens is told."""
        last = self.prices.last_prices(symbol)
        assert last is not None, f"no price of {symbol}"
        self._remember(symbol, last)
        reports = self._days_over()
        if not self._trades(symbol):
            await self._tell(reports)
            return reports
        for client_order_id, request in list(self.resting.items()):
            if client_order_id not in self.resting or request.symbol != symbol:
                continue  # its twin was met first
            if self._come(client_order_id, last):
                reports += self._meet(client_order_id, last)
        await self._tell(reports)
        await self.keep_promises(symbol)
        return reports

    async def fill_and_tell(
        self, client_order_id: ClientOrderId, quantity: Decimal, price: Decimal | None = None
    ) -> list[OrderReport]:
        """A part of what rests trades; its twins go, and whoever listens is told."""
        reports = self._fill(client_order_id, quantity, price)
        await self._tell(reports)
        return reports

    async def order_by_hand(self, client_order_id: str, request: OrderRequest) -> OrderReport:
        """Somebody else's order at the same account; whoever listens is told."""
        report = self._take(ClientOrderId(client_order_id), request)
        await self._tell([report])
        return report

    async def trade_by_hand(
        self, symbol: str, side: Side, quantity: Decimal | str, client_order_id: str = "by-hand-1"
    ) -> OrderReport:
        """Somebody else's order at the market, at the same account."""
        futures = symbol in self.positions
        request = OrderRequest(
            venue=self.name,
            symbol=symbol,
            side=side,
            type=OrderType.MARKET,
            time_in_force=TimeInForce.IOC,
            quantity=Decimal(quantity),
            position_type=PositionType.FUTURES if futures else PositionType.SPOT,
        )
        return await self.order_by_hand(client_order_id, request)

    def fill(self, client_order_id: ClientOrderId, quantity: Decimal) -> OrderReport:
        """So much of what rests trades at its limit; whoever listens must be told by the test."""
        return self._fill(client_order_id, quantity, None)[0]

    async def fills_since(
        self, since: datetime, symbols: Collection[str] | None = None
    ) -> Sequence[Fill]:
        await self._read("fills_since")
        self.fills_asked.append(None if symbols is None else set(symbols))
        if self.fills_are_late:
            return []
        asked = [fill for fill in self.fills if symbols is None or fill.symbol in symbols]
        return [fill for fill in asked if fill.executed_at >= since]

    async def account(self) -> VenueAccount:
        await self._read("account")
        free = self._free()
        locked = {asset: total - free[asset] for asset, total in self.balances.items()}
        answer = VenueAccount(
            balances={asset: total for asset, total in self.balances.items() if total},
            locked={asset: amount for asset, amount in locked.items() if amount},
            positions={symbol: held for symbol, held in self.positions.items() if held},
            buying_power=dict(self.buying_power),
            margin_used=self._margins() if self.keeps_margins else {},
            hedge_mode=self.hedge_mode,
            wrong_modes=self.wrong_modes,
        )
        if self.before_account_answers is not None:
            await self.before_account_answers()
        return answer

    async def quotes(self, symbols: Sequence[MarketSymbol]) -> dict[str, Quote]:
        self.quote_calls.append({each.symbol for each in symbols})
        await self._read("quotes")
        found: dict[str, Quote] = {}
        for each in symbols:
            told = {
                kind: self.price_of(each.symbol, kind)
                for kind in PriceKind
                if kind in self.traits.price_kinds
            }
            last = self.price_of(each.symbol, PriceKind.LAST)
            if last is not None:
                mark, bid, ask = (told.get(kind) for kind in OTHERS)
                average = self.average(each.symbol)
                found[each.symbol] = Quote(
                    last=last,
                    mark=mark,
                    bid=bid,
                    ask=ask,
                    average=average,
                    times=dict.fromkeys(PriceKind, self.prices_of) if self.prices_of else {},
                )
        return found

    async def instruments(self, symbols: Sequence[MarketSymbol]) -> dict[str, Instrument]:
        await self._read("instruments")
        names = [each.symbol for each in symbols]
        return {name: self.filters[name] for name in names}

    async def commissions(self, symbols: Sequence[MarketSymbol]) -> dict[str, Commission]:
        await self._read("commissions")
        asset, in_base = self.fee_taken_in, self.fee_in_base
        commission = Commission(maker=self.fee, taker=self.fee, asset=asset, in_base=in_base)
        return {each.symbol: commission for each in symbols}

    async def set_up(self, symbol: str, setup: SymbolSetup) -> None:
        await self._read("set_up")
        self.set_up_calls.append((symbol, setup))
        reason = self.setup_refused or self._setup_refusal(symbol, setup)
        if reason is not None:
            raise OrderRejectedError(reason)
        self.set_ups[symbol] = setup

    async def server_clock(self) -> VenueClock:
        await self._read("server_clock")
        return replace(self.session, time=host_now() + self.ahead)

    async def _read(self, what: str) -> None:
        assert_no_connection_held("the venue is asked")
        self.asked_for.append(what)
        await self._wait()
        self._check_away()
        if self.reads_fail:
            raise VenueUnavailableError("503")
        if not self.stream_told and self.stream_lost is None:
            await self._say_stream(connected=True)
        await self._tell(self._days_over())

    async def _sign(self, send_blocked_by: SendBlockedBy) -> None:
        """What an order waits for before it leaves, and the look directly before it does."""
        await self._wait()
        if self.limiter is not None:
            await self.limiter()
        await self._tell(self._days_over())
        check_may_leave(send_blocked_by)
        self._check_away()

    def _check_away(self) -> None:
        if self.away is not None:
            raise VenueUnavailableError(str(self.away), self.away.until, banned=self.away.is_ban)

    async def _wait(self) -> None:
        if self.gate is not None:
            await self.gate.wait()
        if not self.promises_wait:
            await self.keep_promises()

    def _departure(self, client_order_id: ClientOrderId) -> Behaviour | None:
        """What does not arrive ends here."""
        behaviour = self.script.popleft() if self.script else None
        if behaviour is Behaviour.UNREACHABLE:
            raise VenueUnavailableError("connection refused")
        if behaviour is Behaviour.DROP_BEFORE:
            raise OutcomeUnknownError(client_order_id)
        return behaviour

    def _hides(self, client_order_id: ClientOrderId) -> bool:
        """Whether this ask is answered by "never seen"; each counts."""
        hidden = self._is_hidden(client_order_id)
        until = self.hidden_until.get(client_order_id)
        if isinstance(until, int) and until > 0:
            self.hidden_until[client_order_id] = until - 1
        return hidden

    def _is_hidden(self, client_order_id: ClientOrderId) -> bool:
        if client_order_id in self.hidden:
            return True
        until = self.hidden_until.get(client_order_id)
        if isinstance(until, datetime):
            return host_now() < until
        return until is not None and until > 0

    async def _tell(self, reports: Iterable[OrderReport]) -> None:
        if self.listener is None or self.stream_lost is not None:
            return
        for report in reports:
            await self.listener(report)


def as_venue(venue: ScriptedVenue) -> Venue:
    """Mypy's proof that the fake has the port's shape."""
    return venue
