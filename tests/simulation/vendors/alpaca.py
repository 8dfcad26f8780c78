"""Alpaca in a seed: its simulator, its ledger, and the adapter of a life.

A seed trades either shares, whole ones within a regular session, or coins.
"""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import ROUND_CEILING, Decimal
from random import Random
from typing import Any, ClassVar, Final

import orjson
from aiohttp import web

from tests.simulation.host import Life
from tests.simulation.ledger import LIVE, VenueOrder
from tests.simulation.markets import CURRENCY, Market
from tests.simulation.plan import Plan, VenuePlan
from tests.simulation.vendors.client import LivingClient, Way
from tests.simulation.vendors.faults import Words
from tests.simulation.vendors.ledger import VendorLedger
from tests.simulation.vendors.venue import VendorVenue
from tests.simulators.alpaca import power
from tests.simulators.alpaca.assets import Asset, Assets
from tests.simulators.alpaca.desk import Desk
from tests.simulators.alpaca.execution import GRAIN
from tests.simulators.alpaca.orders import Order, Status
from tests.simulators.alpaca.refusals import RequestRefusedError
from tests.simulators.alpaca.simulator import Simulator
from tests.simulators.alpaca.terms import Terms
from tests.simulators.shared.answers import Handler, Scene
from tests.simulators.shared.faults import Fault as Wrong
from tests.simulators.shared.faults import answered
from tests.simulators.shared.money import text
from tradebotd.domain.fill import Fill
from tradebotd.domain.ids import ClientOrderId, TradeId, VenueName
from tradebotd.domain.instrument import MarketSymbol
from tradebotd.domain.order import OrderRequest, OrderStatus, OrderType, TimeInForce
from tradebotd.domain.side import Side
from tradebotd.net.allow_list import AllowList
from tradebotd.net.gate import Gate
from tradebotd.net.http import Unsigned
from tradebotd.net.limited import LimitedClient
from tradebotd.ports.venue import VenueTraits
from tradebotd.venues.alpaca import paths
from tradebotd.venues.alpaca.parts import Parts, Settings
from tradebotd.venues.alpaca.paths import Host
from tradebotd.venues.alpaca.rest import KEY_ID, SECRET, Lines
from tradebotd.venues.alpaca.venue import AlpacaVenue, traits_of

ZERO: Final = Decimal(0)
FEED: Final = "iex"
FEE: Final = Decimal("0.0025")
OPENED: Final = datetime(2026, 3, 2, 15, tzinfo=UTC)  # half past nine in New York, and half an hour
SHARES: Final = ("12.5", "48", "100", "250")  # their prices
PAIR: Final = "oco."
TYPES: Final = {
    "market": OrderType.MARKET,
    "limit": OrderType.LIMIT,
    "stop": OrderType.STOP_MARKET,
    "stop_limit": OrderType.STOP_LIMIT,
}
ENDS: Final = {
    Status.FILLED: OrderStatus.FILLED,
    Status.CANCELED: OrderStatus.CANCELED,
    Status.REPLACED: OrderStatus.CANCELED,
    Status.EXPIRED: OrderStatus.EXPIRED,
    Status.REJECTED: OrderStatus.REJECTED,
}
ERRORS: Final[tuple[tuple[int, object], ...]] = (
    (500, {"code": 50010000, "message": "internal server error occurred"}),
    (502, "<html>bad gateway</html>"),
    (503, {"message": "service unavailable"}),
    (504, "upstream request timeout"),
)


def is_of_coins(seed: int) -> bool:
    return Random(f"coins {seed}").random() < 0.4


def listed(market: Market, seed: int, venue: VenueName) -> Market:
    """As it is traded here: shares by the cent and whole, coins for ten of the currency at least."""
    instrument = market.instrument
    if is_of_coins(seed):
        name = f"{instrument.base_asset}/{instrument.quote_asset}"
        least = max(instrument.min_notional, Decimal(10))
        traded = replace(instrument, min_notional=least, max_leverage=1, max_quantity=None)
        return replace(market, symbol=_named(market.symbol, venue, name, traded))
    traded = replace(
        instrument,
        tick_size=Decimal("0.01"),
        lot_size=Decimal(1),
        min_quantity=Decimal(1),
        max_quantity=None,
        min_notional=ZERO,
        max_leverage=1,
    )
    start = Decimal(Random(f"share {seed} {market.name}").choice(SHARES))
    named = _named(market.symbol, venue, instrument.base_asset, traded)
    return replace(market, symbol=named, start=start)


def _named(symbol: MarketSymbol, venue: VenueName, name: str, instrument: Any) -> MarketSymbol:
    return replace(symbol, instrument=instrument, names={str(venue): name})


def traits(seed: int) -> VenueTraits:
    coins = is_of_coins(seed)
    return traits_of(crypto=coins, stocks=not coins, feed=FEED)


def began(plan: Plan) -> datetime:
    """Shares are traded while New York is open."""
    if is_of_coins(plan.seed):
        return plan.began
    return OPENED + timedelta(seconds=Random(f"opened {plan.seed}").randint(0, 10_000))


def limited(until_ms: int, milliseconds: int) -> Wrong:
    return answered(
        429,
        {"code": 42910000, "message": "rate limit exceeded"},
        headers={
            "X-RateLimit-Limit": "200",
            "X-RateLimit-Remaining": "0",
            "X-RateLimit-Reset": str(until_ms // 1000 + 1),
        },
    )


@dataclass
class AlpacaLedger(VendorLedger):
    far: Desk | None = None
    symbols: dict[str, str] = field(default_factory=dict)  # ours, by its own
    activities: int = 0  # that have been taken over

    def follow(self) -> None:
        if self.far is None:
            return
        orders = {each.id: each for each in self.far.book.all}
        for order in orders.values():
            self._take(order)
        for activity in self.far.activities.all[self.activities :]:
            body = activity.body
            if body["activity_type"] == "FILL":
                self._book(orders[body["order_id"]], body, activity.at)
            elif body["activity_type"] in {"CSD", "CSW"}:
                amount = Decimal(body["net_amount"])
                self.pay(activity.at, CURRENCY, amount, "transfer", body["id"])
        self.activities = len(self.far.activities.all)
        for order in orders.values():
            self._state(order)
        self.balances = self._held()

    def _held(self) -> dict[str, Decimal]:
        assert self.far is not None
        held = {CURRENCY: self.far.ledger.cash}
        for name, holding in self.far.ledger.holdings.items():
            held[self.instruments[self.symbols[name]].base_asset] = holding.quantity
        return held

    def free(self, asset: str) -> Decimal:
        assert self.far is not None
        return power.cash_power(self.far) if asset == CURRENCY else self.balances.get(asset, ZERO)

    def _take(self, order: Order) -> None:
        if order.id in self.numbered or order.quantity is None:
            return
        kind = TYPES[order.type]
        request = OrderRequest(
            venue=self.venue,
            symbol=self.symbols[order.asset.symbol],
            side=Side(order.side),
            type=kind,
            time_in_force=TimeInForce(order.time_in_force),
            quantity=order.quantity,
            limit_price=order.limit_price,
            stop_price=order.stop_price,
        )
        at_ms = int(order.created_at.timestamp() * 1000)
        known = self.enlisted(order.id, name_of(order), request, order.id, at_ms)
        if order.order_class == "oco" and order.group is not None:
            known.linked = order.group.parent.id

    def _book(self, order: Order, body: dict[str, Any], at: datetime) -> None:
        known = self.numbered[order.id]
        quantity, price = Decimal(body["qty"]), Decimal(body["price"])
        base, sign = self.instruments[known.request.symbol].base_asset, known.request.side.sign
        fee, asset = _fee_of(order, quantity, price, base)
        fill = Fill(
            venue=self.venue,
            symbol=known.request.symbol,
            # A fill is told by what is filled of its order with it.
            trade_id=TradeId(f"{order.id}:{text(Decimal(body['cum_qty']))}"),
            client_order_id=known.client_order_id,
            side=known.request.side,
            quantity=quantity,
            price=price,
            fee=fee,
            fee_asset=asset,
            executed_at=at,
        )
        changes = [
            (base, sign * quantity, "trade"),
            (CURRENCY, -sign * quantity * price, "trade"),
            (asset, -fee, "fee"),
        ]
        self.book(known, fill, changes)

    def _state(self, order: Order) -> None:
        known = self.numbered.get(order.id)
        if known is None:
            return
        partly = OrderStatus.PARTIALLY_FILLED if order.filled else OrderStatus.NEW
        known.status = ENDS.get(order.status, partly)
        if order.replaces is not None and not order.routed and known.status in LIVE:
            known.status = OrderStatus.PENDING_NEW  # promised
        if order.quantity is not None and order.quantity != known.request.quantity:
            known.request = replace(known.request, quantity=order.quantity)  # restated
        known.triggered = order.triggered
        stays = order.triggered and order.type == "stop_limit" and known.status in LIVE
        known.run_through = known.run_through or stays  # met, and not filled by its limit
        known.rested = known.rested or (order.routed and order.type == "limit")


def _fee_of(order: Order, quantity: Decimal, price: Decimal, base: str) -> tuple[Decimal, str]:
    """Coins are paid for in what is got, rounded up; shares cost nothing."""
    if not order.asset.is_crypto:
        return ZERO, CURRENCY
    got, asset = (quantity, base) if order.side == "buy" else (quantity * price, CURRENCY)
    return (got * FEE).quantize(GRAIN, ROUND_CEILING), asset


def name_of(order: Order) -> str:
    """An OCO's target is sent with the names of both; its stop gets one that the venue makes up."""
    parent = order.group.parent if order.group is not None else order
    if parent.client_order_id.startswith(PAIR):
        target, _, stop = parent.client_order_id.removeprefix(PAIR).partition(".")
        if order is parent:
            return target
        if order.role == "stop_loss" and order.replaces is None:
            return stop
    return order.client_order_id or order.id


@dataclass
class AlpacaVenueOfSeed(VendorVenue):
    words: ClassVar[Words] = Words(
        acts=("place", "replace", "cancel"),
        queries=("find",),
        errors=ERRORS,
        stream="/stream",
        ban=limited,
    )

    def build(self, scene: Scene) -> web.Application:
        chance = Random(f"alpaca {self.street.plan.seed}")
        delays = (timedelta(0), timedelta(0), timedelta(milliseconds=chance.randint(1, 2500)))
        self._terms = Terms(
            cash=self.plan.cash[CURRENCY],
            currency=CURRENCY,
            crypto_taker_fee=FEE,
            requests_per_minute=chance.choice([200, 1000]),
            storm=10_000,
            routing_delay=chance.choice(delays),
            cancel_delay=chance.choice(delays),
            replace_delay=chance.choice(delays),
            stop_leg_status=chance.choice(["held", "new"]),
        )
        self._simulator = Simulator(self._terms)
        return self._simulator.build(scene)

    @property
    def desk(self) -> Desk:
        return self._simulator.exchange.desk

    def furnish(self) -> None:
        assert isinstance(self.ledger, AlpacaLedger)
        markets = [each for each in self.street.plan.markets if each.instrument.venue == self.name]
        self.desk.assets = Assets([asset_of(each, self.name) for each in markets])
        for each in markets:
            name = each.symbol.name_at(self.name)
            self.ledger.symbols[name] = self.ledger.symbols[name.replace("/", "")] = each.name
        self.ledger.far = self.desk
        for symbol, price in self.street.prices.items():
            self.market_moves(symbol, price)

    def market_moves(self, symbol: str, price: Decimal) -> None:
        name = self.street.market(symbol).symbol.name_at(self.name)
        size = None
        if self.street.faults.strikes("short_of_liquidity"):
            size = self.ledger.instruments[symbol].lot_size * self.street.chance.randint(1, 2000)
            self.street.record.say("thin", f"{symbol} {size}")
        self._simulator.exchange.quote(name, price, price, size, size)
        self._simulator.exchange.trade(name, price)

    async def execute(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.method not in {"POST", "PATCH"} or not request.path.startswith("/v2/orders"):
            return await handler(request)
        body = orjson.loads(await request.read())
        drafts = self._drafts(request, body)
        now = self.street.time.now()
        self.ledger.arrivals += [(ClientOrderId(name), now) for name, _ in drafts]
        if self.street.faults.strikes("reject", 30.0):
            refusal = {"code": 40310000, "message": "trade denied: in no mood"}
            answer: web.StreamResponse = web.json_response(refusal, status=403)
        else:
            answer = await handler(request)
        self.books.follow()
        for name, draft in drafts:
            if answer.status >= 400:
                reason = _reason(answer)
                self.street.record.say("rejected", f"{name} {draft.type}: {reason}")
                self.books.refused(name, draft, reason, now)
            else:
                level = draft.stop_price or draft.limit_price or ""
                words = f"{name} {draft.side} {draft.quantity} {draft.type} {level}"
                self.street.record.say("order", words)
        return answer

    def _drafts(self, request: web.Request, body: dict[str, Any]) -> list[tuple[str, OrderRequest]]:
        former = self.books.numbered.get(request.path.rpartition("/")[2])
        if former is not None:
            changed = replace(
                former.request,
                quantity=Decimal(body.get("qty", former.request.quantity)),
                stop_price=_number(body.get("stop_price")) or former.request.stop_price,
                limit_price=_number(body.get("limit_price")) or former.request.limit_price,
            )
            return [(body["client_order_id"], changed)]
        if "symbol" not in body:
            return []
        assert isinstance(self.ledger, AlpacaLedger)
        kind = TYPES[body["type"]]
        draft = OrderRequest(
            venue=self.name,
            symbol=self.ledger.symbols[body["symbol"]],
            side=Side(body["side"]),
            type=kind,
            time_in_force=TimeInForce(body["time_in_force"]),
            quantity=Decimal(body["qty"]),
            limit_price=_number(body.get("limit_price")),
            stop_price=_number(body.get("stop_price")),
        )
        return [(name, draft) for name in _names(body["client_order_id"])]

    def cancel(self, order: VenueOrder, how: OrderStatus = OrderStatus.CANCELED) -> None:
        del how
        self._contained(lambda: self._simulator.exchange.cancel(order.venue_order_id))

    def by_hand(self, name: str, request: OrderRequest, price: Decimal) -> None:
        del price
        market = self.street.market(request.symbol).symbol.name_at(self.name)
        body = {
            "symbol": market,
            "qty": f"{request.quantity:f}",
            "side": request.side.value,
            "type": "market",
            "time_in_force": "ioc" if "/" in market else "day",
            "client_order_id": name,
        }
        self._contained(lambda: self._simulator.exchange.submit(body))

    def _contained(self, act: Any) -> None:
        try:
            act()
        except RequestRefusedError as error:
            self.street.record.say("hand refused", error)
        self.books.follow()

    def transfer(self, asset: str, amount: Decimal, ref: str) -> None:
        del asset, ref
        self._simulator.exchange.transfer(amount)
        self.books.follow()

    def lots_change(self, symbol: str, lot: Decimal) -> None:
        """Never: no seed has a noon here."""

    def adapter(self, life: Life) -> tuple[AlpacaVenue, Way]:
        """Of one life."""
        way = Way(self, life, names_in)
        host = self.street.time
        settings = Settings(
            venue=self.name,
            base_url=self.far.http,
            data_url=self.far.http,
            ws_url=f"{self.far.ws}/stream",
            key_id=self._terms.key,
            secret=self._terms.secret,
            feed=FEED,
            price_kinds=self.plan.traits.price_kinds,
            gates={each: Gate(each, host) for each in Host},
            host=host,
        )
        parts = LivingParts(settings, self.symbols(), way)
        parts.stream._backoff._random = Random(f"backoff {self.street.plan.seed} {life.number}")
        return AlpacaVenue(parts, self.plan.traits, live=False, key_id=settings.key_id), way


class LivingParts(Parts):
    def __init__(self, settings: Settings, symbols: Any, way: Way) -> None:
        self._way = way
        super().__init__(settings, symbols)

    def _lines(self, settings: Settings, host: Host) -> Lines:
        limits = self.limits[host]
        url = settings.base_url if host is Host.TRADING else settings.data_url
        keys = {KEY_ID: settings.key_id, SECRET: settings.secret}
        clients = [
            LivingClient(
                self._way,
                settings.venue,
                url,
                AllowList(paths.allowed(host)),
                headers=keys,
                redact=self._redact,
            )
            for _ in range(2)
        ]
        self._clients += clients
        asks, acts = (LimitedClient(each, limits.gate, limits.take_note) for each in clients)
        return Lines(asks, acts, limits)


def asset_of(market: Market, venue: VenueName) -> Asset:
    instrument, name = market.instrument, market.symbol.name_at(venue)
    if "/" not in name:
        return Asset(symbol=name, name=name, fractionable=False)
    return Asset(
        symbol=name,
        name=name,
        kind="crypto",
        exchange="CRYPTO",
        marginable=False,
        shortable=False,
        easy_to_borrow=False,
        min_order_size=max(instrument.min_quantity, instrument.lot_size),
        min_trade_increment=instrument.lot_size,
        price_increment=instrument.tick_size,
    )


def planned(venue: VenuePlan, seed: int) -> VenuePlan:
    """Shares cost no fee, and coins one in what is got."""
    rate = FEE if is_of_coins(seed) else ZERO
    cash = {CURRENCY: venue.cash[CURRENCY]}
    return replace(venue, traits=traits(seed), maker=rate, taker=rate, fee_in="base", cash=cash)


def names_in(method: str, path: str, leaving: Unsigned) -> list[str]:
    """The new orders of a request."""
    if method not in {"POST", "PATCH"} or not path.startswith("/v2/orders"):
        return []
    return _names(orjson.loads(leaving.body)["client_order_id"])


def _names(client_order_id: str) -> list[str]:
    if not client_order_id.startswith(PAIR):
        return [client_order_id]
    return client_order_id.removeprefix(PAIR).split(".")


def _reason(answer: web.StreamResponse) -> str:
    body = answer.body if isinstance(answer, web.Response) else None
    told = orjson.loads(body) if isinstance(body, bytes) else {}
    return str(told.get("message"))


def _number(told: str | None) -> Decimal | None:
    return None if told is None else Decimal(told)
