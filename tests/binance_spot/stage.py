"""Binance spot as the numbered cases have it: the adapter, and its simulator on the loopback.

The cases were written for a venue that tells of an order either in an answer or by its stream. This
one tells both: what an answer has said is left out of what a case hears.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final, TypeVar

import anyio

from tests.fakes.clock import FakeClock
from tests.fakes.prices import FakePrices
from tests.simulators.binance.signing import ApiKey
from tests.simulators.binance.spot.accounts import Rates
from tests.simulators.binance.spot.simulator import SpotSimulator
from tests.simulators.binance.spot.symbols import Row, Symbol
from tests.simulators.shared.clock import SimulatorClock, to_ms
from tests.simulators.shared.faults import ALWAYS, Executed, Fault, Kind
from tests.simulators.shared.server import Server, served
from tradebotd.domain.candle import Tick
from tradebotd.domain.errors import OrderRejectedError, VenueUnavailableError
from tradebotd.domain.fill import Fill
from tradebotd.domain.filters import SymbolStatus
from tradebotd.domain.ids import ClientOrderId, VenueName, VenueOrderId
from tradebotd.domain.instrument import Instrument, MarketSymbol
from tradebotd.domain.order import OrderReport, OrderRequest, OrderStatus
from tradebotd.domain.order_type import OrderType
from tradebotd.domain.quote import Quote
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
from tradebotd.venues.binance.spot.orders import TYPES
from tradebotd.venues.binance.spot.parts import Parts, Settings
from tradebotd.venues.binance.spot.venue import RECEIVE_WINDOW, BinanceSpotVenue, traits_of

T = TypeVar("T")
NAME: Final = VenueName("binance_spot")
ACCOUNT, KEY_NAME, SECRET = "case", "caseKey", "caseSecret"
PATIENCE: Final = 20.0
DEEP: Final = "1000000"
FEE: Final = Decimal("0.0004")
STATUSES: Final = {
    SymbolStatus.TRADING: "TRADING",
    SymbolStatus.HALTED: "HALT",
    SymbolStatus.CANCEL_ONLY: "CANCEL_ONLY",
}
OF_FUTURES: Final = "it has no futures"
OTHERS_ORDERS: Final = "its traits are its own: EXPIRE_MAKER, and stops that are GTC"
BY_LAST: Final = "its stops are compared with the last price alone"
OUTSIDE: Final = "its market trades with whatever rests: tests/binance_spot"
# What a case asks of a venue that this one is not: what a user would be told.
EXCLUDED: Final[dict[str, str]] = {
    "test_venue_promises": "it replaces at once: VC-25",
    "test_venue_setups": OF_FUTURES,
    "test_venue_thin_market": OUTSIDE,
    "test_margin_is_what_positions_and_the_orders_that_open_them_hold": OF_FUTURES,
    "True": OF_FUTURES,  # hedge mode
    "test_reduce_only_orders_need_no_minimum_notional": OF_FUTURES,
    "test_reduce_only_never_opens_a_position": OF_FUTURES,
    "test_reduce_only_orders_of_futures_may_overlap_and_sell_once": OF_FUTURES,
    "buy-0.099-market-None-5-notional_below_minimum-filters": OF_FUTURES,
    "buy-5.001-market-None-5-quantity_above_maximum-filters": OF_FUTURES,
    "funding_since": "spot pays no funding, and nothing is asked for it",
    "set_up": "spot has nothing to set up, and nothing is asked for it",
    "test_a_doubled_client_order_id_is_refused_and_trades_nothing": (
        "an id is taken again once its order is closed: no order is sent twice"
    ),
    "test_without_a_price_an_order_never_reached_the_venue": "what it knows of prices is its own",
    "test_quotes_are_the_last_prices": "its quotes have bid and ask as well",
    "test_a_quote_has_each_kind_that_is_claimed_and_no_other": "it tells last, bid and ask",
    "test_the_clock_is_the_venues_at_the_moment_of_the_call": "its clock is the case's here",
    "EXPIRED_IN_MATCH-expired": "the reason is self_trade: VC-89",
    "test_resting_buys_hold_the_cash": "a buy is charged in what it buys, so no cash is held for it",
    "test_a_refused_replacement_leaves_the_old_one": (
        "-2021: what is refused at the market is refused once the old order is cancelled"
    ),
    "test_orders_that_rest_are_counted_by_symbol": (
        "the filters judge a replacement before the old order is cancelled"
    ),
    "test_what_is_not_claimed_is_refused_by_name": OTHERS_ORDERS,
    "test_a_day_order_ends_with_its_session": OTHERS_ORDERS,
    "test_venue_self_trades": OUTSIDE,
    "test_a_linked_order_or_a_replacement_is_filtered_like_any_other": (
        "a stop without a limit is worth the average price"
    ),
    "sell-0.105-stop_market-95-None-notional_below_minimum-filters": (
        "a stop without a limit is worth the average price"
    ),
    "min_notional-stop_market-0.6": "a stop without a limit is a market order to this filter",
    "market_lot-stop_market-0.015": "that lot is of orders which trade at once",
    "market_lot-take_profit_market-0.015": "that lot is of orders which trade at once",
    "stop_lot-stop_market-1.5": "it has no such lot",
    "stop_lot-take_profit_market-1.5": "it has no such lot",
    "filters1-1.5-95-94-quantity_off_lot": "it has no such lot",
    "max_notional-market-1.501": "its words are those of a notional too small",
    "test_the_notional_at_the_market_is_judged_by_the_average_price": (
        "the average is weighted by what was traded: tests/binance_spot"
    ),
    "test_filters_are_told_as_they_are_in_force": "it has more filters than a case: test_filters.py",
    "quote": "a buy is charged in what it buys, or in BNB",
    "stop_market-95-94-mark": BY_LAST,
    "stop_market-95-94-bid": BY_LAST,
    "stop_market-95-94-ask": BY_LAST,
    "take_profit_market-105-106-mark": BY_LAST,
    "take_profit_market-105-106-bid": BY_LAST,
    "take_profit_market-105-106-ask": BY_LAST,
    "test_a_stop_limit_is_met_by_its_working_price_and_sold_by_the_last": BY_LAST,
    "test_a_stop_of_the_last_price_minds_no_other": BY_LAST,
    "test_whether_it_would_trigger_at_once_is_asked_of_its_working_price": BY_LAST,
    "test_a_stop_by_a_price_that_is_not_known_yet_is_refused": BY_LAST,
    "test_what_rests_says_by_which_price_and_keeps_it": BY_LAST,
    "test_prices_of_two_kinds_at_one_time_are_both_met": BY_LAST,
}


async def until(so: Callable[[], bool]) -> None:
    with anyio.fail_after(PATIENCE):
        while not so():  # noqa: ASYNC110 - it has no event: it happens at the venue
            await anyio.sleep(0.001)


class CaseHost:
    """Host clock that goes with the case's."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock

    def now(self) -> datetime:
        return self._clock.now()

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


class StagedSpot(BinanceSpotVenue):
    """The adapter, and what a case does at the venue itself."""

    def __init__(
        self,
        parts: Parts,
        traits: VenueTraits,
        server: Server,
        simulator: SpotSimulator,
        prices: FakePrices,
        instruments: Mapping[str, Instrument],
    ) -> None:
        super().__init__(parts, traits, live=True, allow_unrestricted_key=True)
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
        simulator.venue.user_followers.append(self._count)
        hear = parts.stream._hear

        async def counted(event: Node) -> None:
            await hear(event)
            self.taken += 1

        parts.stream._hear = counted  # type: ignore[method-assign]

    def _count(self, _: str, __: dict[str, Any]) -> None:
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
                self._listed[name], there = instrument, market_of(instrument)
                self.simulator.venue.change(name, filters=there.filters, status=there.status)

    async def settled(self) -> None:
        self._refilter()
        for symbol, market in self.simulator.venue.markets.items():
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
        return await self._remembered(
            [client_order_id], self._asked(sending, lambda report: [report])
        )

    async def submit_linked(
        self,
        orders: Sequence[tuple[ClientOrderId, OrderRequest]],
        *,
        send_blocked_by: SendBlockedBy = not_blocked,
    ) -> Sequence[OrderReport]:
        sending = super().submit_linked(orders, send_blocked_by=send_blocked_by)
        return await self._asked(sending, lambda reports: reports)

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
        return await self._asked(
            sending, lambda told: [told.new, *([told.old] if told.old else [])]
        )

    async def cancel(self, symbol: str, client_order_id: ClientOrderId) -> OrderReport:
        return await self._asked(super().cancel(symbol, client_order_id), lambda told: [told])

    async def _remembered(self, orders: Sequence[ClientOrderId], sending: Awaitable[T]) -> T:
        """The venue forgets what it refuses at once; the cases ask for it."""
        try:
            return await sending
        except OrderRejectedError as error:
            self._refused |= dict.fromkeys(orders, error.reason)
            raise

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
        return await self._asked(super().account())

    async def quotes(self, symbols: Sequence[MarketSymbol]) -> dict[str, Quote]:
        return await self._asked(super().quotes(symbols))

    # At the venue

    async def meet(self, point: Tick, before: Decimal | None) -> None:
        """The price goes from one to the other, by way of every level that something rests at."""
        market = self.simulator.venue.markets[point.symbol]
        low, high = sorted((before or point.price, point.price))
        levels = {
            level
            for order in market.open.values()
            for level in (order.price, order.stop_price)
            if level and low < level < high
        }
        way = sorted(levels, reverse=before is not None and before > point.price)
        for level in (*([] if point.after_gap else way), point.price):
            self.price(point.symbol, level)
        await self.settled()

    def price(self, symbol: str, level: Decimal) -> None:
        """A market that is halted has no prices."""
        venue, text = self.simulator.venue, str(level)
        self._refilter()
        if venue.markets[symbol].symbol.status != "TRADING":
            return
        venue.quote(symbol, [(text, DEEP)], [(text, DEEP)])
        venue.print_trade(symbol, text)

    def in_words(self, client_order_id: ClientOrderId, word: str) -> None:
        for market in self.simulator.venue.markets.values():
            for order in market.orders:
                if order.client_id == client_order_id:
                    order.status = word

    def transfer(self, amount: Decimal | int, asset: str = "USDT") -> None:
        venue, size = self.simulator.venue, str(abs(amount))
        if amount > 0:
            venue.deposit(ACCOUNT, asset, size)
        else:
            venue.withdraw(ACCOUNT, asset, size)

    async def lose_stream(self) -> None:
        gone = Fault(kind=Kind.ANSWER, path="/ws-api", status=503, body="gone", times=ALWAYS)
        self.is_lost = True
        self.connected = anyio.Event()
        self.server.faults.set(gone, Fault(kind=Kind.DISCONNECT, path="/ws-api"))
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
        self.server.faults.set(
            *(
                Fault(
                    kind=Kind.ANSWER,
                    executed=Executed.NEVER,
                    path=path,
                    status=418,
                    body={"code": -1003, "msg": f"Way too much request weight used{until}."},
                    times=ALWAYS,
                )
                for path in ("/api", "/sapi")
            )
        )

    hedge_mode = False
    buying_power: Mapping[str, Decimal] = {}


def market_of(instrument: Instrument) -> Symbol:
    """The instrument as the venue would list it."""

    def text(number: Decimal | None, else_: str = "0") -> str:
        return else_ if number is None else format(number, "f")

    notional = {
        "filterType": "NOTIONAL",
        "minNotional": text(instrument.min_notional),
        "applyMinToMarket": instrument.notional_at_market,
        "maxNotional": text(instrument.max_notional, "1000000000"),
        "applyMaxToMarket": instrument.notional_at_market,
        "avgPriceMins": instrument.average_minutes,
    }
    rows: list[Row] = [
        {
            "filterType": "PRICE_FILTER",
            "minPrice": text(instrument.min_price),
            "maxPrice": text(instrument.max_price),
            "tickSize": text(instrument.tick_size),
        },
        {
            "filterType": "LOT_SIZE",
            "minQty": text(instrument.min_quantity),
            "maxQty": text(instrument.max_quantity, "1000000"),
            "stepSize": text(instrument.lot_size),
        },
        notional,
    ]
    if (lot := instrument.market_lot) is not None:
        rows.append(
            {
                "filterType": "MARKET_LOT_SIZE",
                "minQty": text(lot.minimum),
                "maxQty": text(lot.maximum),
                "stepSize": text(lot.step),
            }
        )
    if (percent := instrument.percent_price) is not None:
        rows.append(
            {
                "filterType": "PERCENT_PRICE_BY_SIDE",
                "bidMultiplierUp": text(percent.buy_above),
                "bidMultiplierDown": text(percent.buy_below),
                "askMultiplierUp": text(percent.sell_above),
                "askMultiplierDown": text(percent.sell_below),
                "avgPriceMins": instrument.average_minutes,
            }
        )
    if instrument.max_orders is not None:
        rows.append({"filterType": "MAX_NUM_ORDERS", "maxNumOrders": instrument.max_orders})
    if instrument.max_stops is not None:
        rows.append({"filterType": "MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders": instrument.max_stops})
    types = frozenset(OrderType) if instrument.order_types is None else instrument.order_types
    return Symbol(
        instrument.symbol,
        instrument.base_asset,
        instrument.quote_asset,
        tuple(rows),
        status=STATUSES[instrument.status],
        order_types=("LIMIT_MAKER", *(TYPES[each] for each in OrderType if each in types)),
    )


@asynccontextmanager
async def staged_spot(
    clock: FakeClock,
    prices: FakePrices,
    instruments: Mapping[str, Instrument],
    cash: Decimal,
    *,
    fee_in_base: bool,
) -> AsyncIterator[StagedSpot]:
    simulator = SpotSimulator([market_of(each) for each in instruments.values()])
    async with served(simulator.build, clock=CaseClock(clock)) as server:
        venue, host = simulator.venue, CaseHost(clock)
        venue.open_account(ACCOUNT, {"USDT": str(cash)})
        venue.add_key(ApiKey(KEY_NAME, ACCOUNT, secret=SECRET))
        fee = FEE if fee_in_base else Decimal(0)  # the venue charges a buy in what it buys
        venue.set_commission(ACCOUNT, standard=Rates(maker=fee, taker=fee))
        settings = Settings(
            venue=NAME,
            base_url=server.http,
            ws_url=f"{server.ws}/ws-api/v3",
            key=Key(name=KEY_NAME, signer=signer_of(SECRET, "case")),
            secrets=(SECRET,),
            receive_window=RECEIVE_WINDOW,
            gate=Gate(NAME, host),
            host=host,
        )
        symbols = [
            MarketSymbol(instrument=each, feeds=(), timeframes=()) for each in instruments.values()
        ]
        traits = replace(traits_of(live=True), resting_margin=timedelta(0))
        staged = StagedSpot(
            Parts(settings, symbols), traits, server, simulator, prices, instruments
        )
        for each in instruments:
            staged.price(each, Decimal(100))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(staged.keep)
            try:
                yield staged
            finally:
                tasks.cancel_scope.cancel()
        await staged._parts.close()


@asynccontextmanager
async def held(venue: StagedSpot) -> AsyncIterator[None]:
    """While it is held, whatever is sent waits at the gate."""
    gate, free = venue._parts.limits.gate, anyio.Event()
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
