"""Binance spot in a seed: its simulator, its ledger, and the adapter of a life."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from random import Random
from typing import Any, ClassVar, Final
from urllib.parse import parse_qsl

import orjson
from aiohttp import web

from tests.simulation.host import Life
from tests.simulation.ledger import LIVE, VenueOrder
from tests.simulation.vendors.client import LivingClient, Way
from tests.simulation.vendors.faults import Words
from tests.simulation.vendors.ledger import VendorLedger
from tests.simulation.vendors.venue import VendorVenue
from tests.simulators.binance.errors import VenueError
from tests.simulators.binance.signing import ApiKey
from tests.simulators.binance.spot.accounts import Rates
from tests.simulators.binance.spot.gateway import merged
from tests.simulators.binance.spot.orders import Fill as TheirFill
from tests.simulators.binance.spot.orders import Order
from tests.simulators.binance.spot.simulator import SpotSimulator
from tests.simulators.binance.spot.symbols import Symbol, usual_filters
from tests.simulators.binance.spot.venue import Transfer, Venue
from tests.simulators.shared.answers import Handler, Scene
from tests.simulators.shared.clock import from_ms
from tests.simulators.shared.faults import Fault as Wrong
from tests.simulators.shared.faults import answered
from tradebotd.domain.fill import Fill
from tradebotd.domain.ids import ClientOrderId, TradeId
from tradebotd.domain.instrument import Instrument, MarketSymbol
from tradebotd.domain.order import OrderRequest, OrderStatus, OrderType, TimeInForce
from tradebotd.domain.side import Side
from tradebotd.net.allow_list import AllowList
from tradebotd.net.gate import Gate
from tradebotd.net.http import HttpClient, Unsigned
from tradebotd.venues.binance.rest import Key
from tradebotd.venues.binance.signing import signer_of
from tradebotd.venues.binance.spot import paths
from tradebotd.venues.binance.spot.parts import Parts, Settings
from tradebotd.venues.binance.spot.venue import RECEIVE_WINDOW, BinanceSpotVenue, traits_of

ACCOUNT, KEY_NAME, SECRET = "seed", "seedKey", "seedSecret"
DEEP: Final = "1000000"
ZERO: Final = Decimal(0)
DISCOUNT: Final = Decimal("0.25")
APART: Final = 10_000_000  # between the numbers of one market and of the next: none is there twice
PLACING: Final = frozenset(
    {"/api/v3/order", "/api/v3/orderList/oco", "/api/v3/order/cancelReplace"}
)
NEW_NAMES: Final = ("newClientOrderId", "aboveClientOrderId", "belowClientOrderId")
TYPES: Final = {
    "MARKET": OrderType.MARKET,
    "LIMIT": OrderType.LIMIT,
    "LIMIT_MAKER": OrderType.LIMIT,
    "STOP_LOSS": OrderType.STOP_MARKET,
    "STOP_LOSS_LIMIT": OrderType.STOP_LIMIT,
    "TAKE_PROFIT": OrderType.TAKE_PROFIT_MARKET,
    "TAKE_PROFIT_LIMIT": OrderType.TAKE_PROFIT_LIMIT,
}
STATES: Final = {
    "NEW": OrderStatus.NEW,
    "PENDING_NEW": OrderStatus.NEW,
    "PARTIALLY_FILLED": OrderStatus.PARTIALLY_FILLED,
    "FILLED": OrderStatus.FILLED,
    "CANCELED": OrderStatus.CANCELED,
    "EXPIRED": OrderStatus.EXPIRED,
    "EXPIRED_IN_MATCH": OrderStatus.EXPIRED,
    "REJECTED": OrderStatus.REJECTED,
}
AT_ONCE: Final = ("would trigger immediately", "relationship of the prices", "immediately match")
ERRORS: Final[tuple[tuple[int, object], ...]] = (
    (502, "<html>bad gateway</html>"),
    (503, {"code": -1000, "msg": "Unknown error, please check your request or try again later."}),
    (504, {"code": -1007, "msg": "Timeout waiting for response from backend server."}),
    (500, {"code": -1006, "msg": "An unexpected response was received from the message bus."}),
    (500, {"code": -1001, "msg": "Internal error; unable to process your request."}),
)


def banned(until_ms: int, milliseconds: int) -> Wrong:
    return answered(
        418,
        {"code": -1003, "msg": f"Way too much request weight used; IP banned until {until_ms}."},
        headers={"Retry-After": str(milliseconds // 1000 + 1)},
    )


@dataclass
class SpotLedger(VendorLedger):
    far: Venue | None = None
    _seen: dict[str, int] = field(default_factory=dict)  # orders of a market that are over
    _transfers: int = 0

    def follow(self) -> None:
        far = self.far
        if far is None:
            return
        for market in far.markets.values():
            begin = self._seen.get(market.symbol.name, 0)
            over = True
            for place, order in enumerate(market.orders[begin:], begin):
                known = self._take(order)
                over = over and known.status not in LIVE
                if over:
                    self._seen[market.symbol.name] = place + 1
        for transfer in far.transfers[self._transfers :]:
            self._transfer(transfer)
        self._transfers = len(far.transfers)
        held = far.accounts[ACCOUNT].balances
        self.balances = {asset: each.total for asset, each in held.items()}

    def free(self, asset: str) -> Decimal:
        assert self.far is not None
        return self.far.accounts[ACCOUNT].free(asset)

    def _transfer(self, transfer: Transfer) -> None:
        sign = 1 if transfer.kind == "deposit" else -1
        amount = sign * transfer.amount - transfer.fee
        self.pay(
            from_ms(transfer.time_ms), transfer.asset, amount, "transfer", f"transfer {transfer.id}"
        )

    def _take(self, order: Order) -> VenueOrder:
        request = request_of(order, self)
        known = self.enlisted(
            (order.symbol, order.id), order.client_id, request, str(order.id), order.created_ms
        )
        for fill in order.fills[len(known.fills) :]:
            self._book(order, known, fill)
        known.status = STATES[order.status]
        known.reason = order.expiry_reason or None
        known.linked = None if order.list_id == -1 else str(order.list_id)
        known.triggered = order.working_ms != -1 and request.stop_price is not None
        known.rested = known.rested or order.rests
        return known

    def _book(self, order: Order, known: VenueOrder, fill: TheirFill) -> None:
        sign = 1 if order.buys else -1
        told = Fill(
            venue=self.venue,
            symbol=order.symbol,
            trade_id=TradeId(str(fill.trade_id)),
            client_order_id=known.client_order_id,
            side=Side.BUY if order.buys else Side.SELL,
            quantity=fill.quantity,
            price=fill.price,
            fee=fill.fee,
            fee_asset=fill.fee_asset,
            executed_at=from_ms(fill.time_ms),
        )
        changes = [
            (order.base, sign * fill.quantity, "trade"),
            (order.quote_asset, -sign * fill.quote, "trade"),
            (fill.fee_asset, -fill.fee, "fee"),
        ]
        self.book(known, told, changes)


def request_of(order: Order, ledger: SpotLedger) -> OrderRequest:
    kind = TYPES[order.type]
    return OrderRequest(
        venue=ledger.venue,
        symbol=order.symbol,
        side=Side.BUY if order.buys else Side.SELL,
        type=kind,
        time_in_force=TimeInForce.IOC
        if kind is OrderType.MARKET
        else TimeInForce(order.time_in_force.lower()),
        quantity=order.quantity,
        limit_price=order.price or None,
        stop_price=order.stop_price or None,
    )


def symbol_of(instrument: Instrument) -> Symbol:
    """As the venue lists it."""
    listed = Symbol(
        instrument.symbol, instrument.base_asset, instrument.quote_asset, usual_filters()
    )
    tick, lot = instrument.tick_size, instrument.lot_size
    listed = listed.with_filter(
        filterType="PRICE_FILTER",
        minPrice=f"{tick:.8f}",
        maxPrice="1000000000",
        tickSize=f"{tick:.8f}",
    )
    listed = listed.with_filter(**lot_row(instrument, lot))
    listed = listed.with_filter(filterType="MARKET_LOT_SIZE", minQty="0", maxQty="0", stepSize="0")
    return listed.with_filter(
        filterType="NOTIONAL",
        minNotional=f"{instrument.min_notional:.8f}",
        applyMinToMarket=True,
        maxNotional="9000000000.00000000",
        applyMaxToMarket=False,
        avgPriceMins=0,
    )


def lot_row(instrument: Instrument, lot: Decimal) -> dict[str, Any]:
    return {
        "filterType": "LOT_SIZE",
        "minQty": f"{max(instrument.min_quantity, lot):.8f}",
        "maxQty": f"{instrument.max_quantity or Decimal(9_000_000_000):.8f}",
        "stepSize": f"{lot:.8f}",
    }


@dataclass
class SpotVenue(VendorVenue):
    words: ClassVar[Words] = Words(
        acts=("place", "replace", "cancel"),
        queries=("query",),
        errors=ERRORS,
        stream="/ws-api",
        ban=banned,
    )

    @property
    def simulator(self) -> SpotSimulator:
        return self._simulator

    def build(self, scene: Scene) -> web.Application:
        symbols = [
            symbol_of(each.instrument)
            for each in self.street.plan.markets
            if each.instrument.venue == self.name
        ]
        self._simulator = SpotSimulator(symbols, tick=0.5)
        return self._simulator.build(scene)

    def furnish(self) -> None:
        venue, plan = self._simulator.venue, self.plan
        venue.open_account(ACCOUNT, {asset: f"{amount:f}" for asset, amount in plan.cash.items()})
        venue.add_key(ApiKey(KEY_NAME, ACCOUNT, secret=SECRET))
        rates = Rates(maker=max(plan.maker, ZERO), taker=plan.taker)
        venue.set_commission(
            ACCOUNT,
            standard=rates,
            discount=DISCOUNT,
            pays_in_discount_asset=plan.fee_in == "third",
        )
        venue.cancel_renames = self.street.plan.seed % 3 == 0
        for number, market in enumerate(venue.markets.values(), 1):
            market.next_order = market.next_trade = number * APART
        assert isinstance(self.ledger, SpotLedger)
        self.ledger.far = venue
        for symbol, price in self.street.prices.items():
            if symbol in venue.markets:
                self.market_moves(symbol, price)

    def market_moves(self, symbol: str, price: Decimal) -> None:
        venue, text = self._simulator.venue, f"{price:f}"
        depth = self._depth(symbol)
        venue.quote(symbol, [(text, depth)], [(text, depth)])
        # Others trade whole lots, too: what rests may meet them, and a price times less has too many digits.
        venue.print_trade(symbol, text, f"{self.ledger.instruments[symbol].lot_size:f}")

    def _depth(self, symbol: str) -> str:
        """Now and then so little that an order is filled in part."""
        if not self.street.faults.strikes("short_of_liquidity"):
            return DEEP
        instrument = self.ledger.instruments[symbol]
        few = instrument.lot_size * self.street.chance.randint(1, 2000)
        self.street.record.say("thin", f"{symbol} {few}")
        return f"{few:f}"

    async def execute(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.method != "POST" or request.path not in PLACING:
            return await handler(request)
        params = merged(request.raw_path.partition("?")[2], (await request.read()).decode())
        drafts = drafts_of(params, self)
        now = self.street.time.now()
        self.ledger.arrivals += [(ClientOrderId(name), now) for name, _ in drafts]
        if self.street.faults.strikes("reject", 30.0):
            reason = "This action is disabled on this account."
            for name, draft in drafts:
                self.books.refused(name, draft, reason, now)
            self.street.record.say("rejected", f"{drafts[0][0]}: {reason}")
            return web.json_response({"code": -2010, "msg": reason}, status=400)
        answer = await handler(request)
        self.books.follow()
        if answer.status >= 400:
            reason = reason_in(answer)
            self.street.record.say("rejected", f"{drafts[0][0]}: {reason}")
            for name, draft in drafts:
                self.books.refused(name, draft, reason, now)
        else:
            for name, draft in drafts:
                self.street.record.say(
                    "order", f"{name} {draft.side} {draft.quantity} {draft.type}"
                )
        return answer

    def by_hand(self, name: str, request: OrderRequest, price: Decimal) -> None:
        del price  # at the market
        venue = self._simulator.venue
        listed = venue.markets[request.symbol].symbol
        order = Order(
            symbol=request.symbol,
            base=listed.base,
            quote_asset=listed.quote,
            account=ACCOUNT,
            client_id=name,
            side="BUY" if request.side is Side.BUY else "SELL",
            type="MARKET",
            quantity=request.quantity,
        )
        try:
            venue.engine.place(order)
        except VenueError as error:
            self.street.record.say("hand refused", error.msg)
        self.books.follow()

    def cancel(self, order: VenueOrder, how: OrderStatus = OrderStatus.CANCELED) -> None:
        del how
        venue = self._simulator.venue
        for (symbol, number), known in self._numbered():
            if known is order and number in venue.markets[symbol].open:
                venue.engine.cancel(venue.markets[symbol].open[number], f"web_{number}")
        self.books.follow()

    def _numbered(self) -> list[tuple[tuple[str, int], VenueOrder]]:
        return list(self.books.numbered.items())  # type: ignore[arg-type]

    def transfer(self, asset: str, amount: Decimal, ref: str) -> None:
        del ref  # the venue has numbers of its own
        venue = self._simulator.venue
        if amount > 0:
            venue.deposit(ACCOUNT, asset, f"{amount:f}")
        else:
            venue.withdraw(ACCOUNT, asset, f"{-amount:f}")
        self.books.follow()

    def lots_change(self, symbol: str, lot: Decimal) -> None:
        instrument = self.ledger.instruments[symbol]
        self._simulator.venue.set_filter(symbol, **lot_row(instrument, lot))

    def adapter(self, life: Life) -> tuple[BinanceSpotVenue, Way]:
        """Of one life."""
        way = Way(self, life, names_in)
        host = self.street.time
        settings = Settings(
            venue=self.name,
            base_url=self.far.http,
            ws_url=f"{self.far.ws}/ws-api/v3",
            key=Key(name=KEY_NAME, signer=signer_of(SECRET, "secret")),
            secrets=(KEY_NAME, SECRET),
            receive_window=RECEIVE_WINDOW,
            gate=Gate(self.name, host),
            host=host,
        )
        parts = LivingParts(settings, self.symbols(), way)
        parts.stream._backoff._random = Random(f"backoff {self.street.plan.seed} {life.number}")
        adapter = BinanceSpotVenue(parts, self.plan.traits, live=True, allow_unrestricted_key=True)
        return adapter, way


class LivingParts(Parts):
    def __init__(self, settings: Settings, symbols: Sequence[MarketSymbol], way: Way) -> None:
        self._way = way
        super().__init__(settings, symbols)

    def _client(self, settings: Settings) -> HttpClient:
        return LivingClient(
            self._way,
            settings.venue,
            settings.base_url,
            AllowList(paths.ALLOWED),
            redact=self._redact,
        )


def names_in(method: str, path: str, leaving: Unsigned) -> list[str]:
    """The new orders of a request."""
    if method != "POST" or path not in PLACING:
        return []
    params = dict(parse_qsl(leaving.query) + parse_qsl(leaving.body.decode()))
    return [params[name] for name in NEW_NAMES if name in params]


def drafts_of(params: dict[str, str], venue: SpotVenue) -> list[tuple[str, OrderRequest]]:
    """What a request asks for, by client order id; for those that never come to be."""
    found = []
    for prefix, name in (
        ("", "newClientOrderId"),
        *((e, f"{e}ClientOrderId") for e in ("above", "below")),
    ):
        if name not in params:
            continue
        of = partial(_param, params, prefix)
        kind = TYPES[of("type") or "MARKET"]
        draft = OrderRequest(
            venue=venue.name,
            symbol=params["symbol"],
            side=Side(params["side"].lower()),
            type=kind,
            time_in_force=TimeInForce.IOC if kind is OrderType.MARKET else TimeInForce.GTC,
            quantity=Decimal(params["quantity"]),
            limit_price=_number(of("price")),
            stop_price=_number(of("stopPrice")),
        )
        found.append((params[name], draft))
    return found


def _param(params: dict[str, str], prefix: str, name: str) -> str | None:
    return params.get(prefix + name[0].upper() + name[1:] if prefix else name)


def _number(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def reason_in(answer: web.StreamResponse) -> str:
    """The venue's words, in those of the judgement where it asks for them."""
    body = answer.body if isinstance(answer, web.Response) else None
    told = orjson.loads(body) if isinstance(body, bytes) else {}
    half = (told.get("data") or {}).get("newOrderResponse") or {}
    words = str(half.get("msg") or told.get("msg"))
    return "would trigger immediately" if any(each in words for each in AT_ONCE) else words


TRAITS: Final = traits_of(live=True)
