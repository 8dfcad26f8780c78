"""Binance USDT-M in a seed: its simulator, its ledger, and the adapter of a life."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from random import Random
from typing import Any, ClassVar, Final
from urllib.parse import parse_qsl

from aiohttp import web

from tests.simulation.host import Life
from tests.simulation.ledger import FuturesPosition, VenueOrder
from tests.simulation.vendors.client import LivingClient, Way
from tests.simulation.vendors.faults import Words
from tests.simulation.vendors.ledger import VendorLedger
from tests.simulation.vendors.spot import APART, ERRORS, banned, reason_in
from tests.simulation.vendors.venue import TICK, VendorVenue
from tests.simulators.binance.signing import ApiKey
from tests.simulators.binance.usdm import margin
from tests.simulators.binance.usdm.account import Income
from tests.simulators.binance.usdm.app import application
from tests.simulators.binance.usdm.instruments import Instrument, brackets
from tests.simulators.binance.usdm.market import DEEP
from tests.simulators.binance.usdm.orders import AlgoOrder, Order, Trade
from tests.simulators.binance.usdm.simulator import FUTURES, KEY, Simulator
from tests.simulators.shared.answers import Handler, Scene
from tests.simulators.shared.clock import from_ms
from tradebotd.domain.fill import Fill
from tradebotd.domain.ids import ClientOrderId, TradeId
from tradebotd.domain.instrument import Instrument as Ours
from tradebotd.domain.instrument import PositionType
from tradebotd.domain.order import OrderRequest, OrderStatus, OrderType, TimeInForce
from tradebotd.domain.side import Side
from tradebotd.net.allow_list import AllowList
from tradebotd.net.gate import Gate
from tradebotd.net.http import HttpClient, Unsigned
from tradebotd.venues.binance.rest import Key
from tradebotd.venues.binance.signing import signer_of
from tradebotd.venues.binance.usdm.parts import Parts, Settings
from tradebotd.venues.binance.usdm.venue import RECEIVE_WINDOW, BinanceUsdmVenue, usdm_traits

ZERO: Final = Decimal(0)
MOST: Final = Decimal(1_000_000_000)
NAMES: Final = {
    "/fapi/v1/order": "newClientOrderId",
    "/fapi/v1/algoOrder": "clientAlgoId",
}
TYPES: Final = {
    "MARKET": OrderType.MARKET,
    "LIMIT": OrderType.LIMIT,
    "STOP_MARKET": OrderType.STOP_MARKET,
    "STOP": OrderType.STOP_LIMIT,
    "TAKE_PROFIT_MARKET": OrderType.TAKE_PROFIT_MARKET,
    "TAKE_PROFIT": OrderType.TAKE_PROFIT_LIMIT,
}
STATES: Final = {
    "NEW": OrderStatus.NEW,
    "PARTIALLY_FILLED": OrderStatus.PARTIALLY_FILLED,
    "FILLED": OrderStatus.FILLED,
    "CANCELED": OrderStatus.CANCELED,
    "EXPIRED": OrderStatus.EXPIRED,
    "EXPIRED_IN_MATCH": OrderStatus.EXPIRED,
    "REJECTED": OrderStatus.EXPIRED,
    "TRIGGERING": OrderStatus.NEW,
}
KINDS: Final = {
    "REALIZED_PNL": "gain",
    "COMMISSION": "fee",
    "FUNDING_FEE": "funding",
    "SPECIAL_FUNDING_FEE": "funding",
    "TRANSFER": "transfer",
    "INSURANCE_CLEAR": "clearance",
}
TRAITS: Final = usdm_traits()


@dataclass
class UsdmLedger(VendorLedger):
    far: Simulator | None = None
    incomes: int = 0  # that have been taken over
    trades: int = 0

    def follow(self) -> None:
        if self.far is None:
            return
        account = self.far.account
        for algo in account.book.algos.values():
            self._algo(algo)
        for order in account.book.orders.values():
            self._order(order)
        for trade in account.trades[self.trades :]:
            self._trade(trade)
        self.trades = len(account.trades)
        for income in account.incomes[self.incomes :]:
            self._income(income)
        self.incomes = len(account.incomes)
        for order in account.book.orders.values():
            self._state(order)
        for algo in account.book.algos.values():
            self._state_of_algo(algo)
        self.balances = dict(account.wallets)
        self.positions = {
            each.symbol: FuturesPosition(each.amount, each.cost, account.leverage(each.symbol))
            for each in account.held()
        }

    def free(self, asset: str) -> Decimal:
        assert self.far is not None
        account, market = self.far.account, self.far.venue.market
        if asset not in market.margin_assets().values():
            return account.wallet(asset)
        return margin.available(account, market, asset)

    def _algo(self, algo: AlgoOrder) -> None:
        request = self._request(algo, algo.type, algo.trigger_price)
        self.enlisted(
            ("algo", algo.algo_id), algo.client_id, request, str(algo.algo_id), algo.created_ms
        )

    def _order(self, order: Order) -> None:
        """The order that a stop becomes is the stop."""
        key = (order.symbol, order.order_id)
        if key in self.numbered:
            return
        if order.algo_id is not None:
            self.numbered[key] = self.numbered["algo", order.algo_id]
            return
        request = self._request(order, order.type, ZERO)
        self.enlisted(key, order.client_id, request, str(order.order_id), order.created_ms)

    def _request(self, order: Order | AlgoOrder, type_: str, stop: Decimal) -> OrderRequest:
        kind = TYPES[type_]
        return OrderRequest(
            venue=self.venue,
            symbol=order.symbol,
            side=Side.BUY if order.side == "BUY" else Side.SELL,
            type=kind,
            time_in_force=TimeInForce.IOC if kind is OrderType.MARKET else TimeInForce.GTC,
            quantity=order.quantity,
            position_type=PositionType.FUTURES,
            reduce_only=order.reduce_only,
            limit_price=order.price or None,
            stop_price=stop or None,
        )

    def _trade(self, trade: Trade) -> None:
        order = self.numbered[trade.symbol, trade.order_id]
        told = Fill(
            venue=self.venue,
            symbol=trade.symbol,
            trade_id=TradeId(str(trade.trade_id)),
            client_order_id=order.client_order_id,
            side=Side.BUY if trade.side == "BUY" else Side.SELL,
            quantity=trade.quantity,
            price=trade.price,
            fee=trade.commission,
            fee_asset=trade.commission_asset,
            executed_at=from_ms(trade.time_ms),
            forced=order.forced,
        )
        self.book(order, told, ())

    def _income(self, income: Income) -> None:
        """Every change of a wallet has one."""
        kind = KINDS[income.type]
        ref = income.trade_id or f"{income.type.lower()}-{income.tran_id}"
        self._flow(
            from_ms(income.time_ms), income.asset, income.amount, kind, ref, ours=kind != "transfer"
        )

    def _state(self, order: Order) -> None:
        if order.algo_id is None:
            known = self.numbered[order.symbol, order.order_id]
            known.status = STATES[order.status]
            known.rested = known.rested or (order.is_open and order.type == "LIMIT")

    def _state_of_algo(self, algo: AlgoOrder) -> None:
        known = self.numbered["algo", algo.algo_id]
        actual = algo.actual
        known.triggered = actual is not None
        known.status = STATES[algo.status if actual is None else actual.status]
        known.reason = algo.reason or None


def contract_of(instrument: Ours, price: Decimal) -> Instrument:
    """As the venue lists it."""
    tick, lot = instrument.tick_size, instrument.lot_size
    most = instrument.max_quantity or MOST
    maintenance = instrument.maintenance_margin
    return Instrument(
        instrument.symbol,
        instrument.base_asset,
        tick,
        lot,
        price,
        quote=instrument.quote_asset,
        price_places=places(tick),
        quantity_places=places(lot),
        min_price=tick,
        max_price=MOST,
        min_quantity=max(instrument.min_quantity, lot),
        max_quantity=most,
        max_market_quantity=most,
        notional=instrument.min_notional,
        steps=brackets((instrument.max_leverage, 500_000_000, f"{maintenance}")),
    )


def places(step: Decimal) -> int:
    return max(0, -int(step.normalize().as_tuple().exponent))


@dataclass
class UsdmVenue(VendorVenue):
    words: ClassVar[Words] = Words(
        acts=("place", "cancel"),
        queries=("query",),
        errors=ERRORS,
        stream="/private",
        ban=banned,
    )
    has_coins: ClassVar[bool] = False
    liquidates_itself: ClassVar[bool] = True

    def build(self, scene: Scene) -> web.Application:
        contracts = {
            each.name: contract_of(each.instrument, self.street.prices[each.name])
            for each in self.street.plan.markets
            if each.instrument.venue == self.name
        }
        self._simulator = Simulator(scene, ZERO, contracts)
        return application(self._simulator, TICK)

    def furnish(self) -> None:
        far, plan = self._simulator, self.plan
        far.keys.add(ApiKey(KEY.name, KEY.account, secret=KEY.secret, restrictions=FUTURES))
        far.account.wallets = dict(plan.cash)
        far.account.maker_rate, far.account.taker_rate = max(plan.maker, ZERO), plan.taker
        far.account.fee_burn = plan.fee_in == "third"
        far.venue.market.asset_prices |= {"EUR": Decimal(1), "JPY": Decimal(1)}
        for number, symbol in enumerate(far.venue.instruments, 1):
            far.venue.engine._order_ids[symbol] = number * APART
            far.venue.engine.fills._trade_ids[symbol] = number * APART
        assert isinstance(self.ledger, UsdmLedger)
        self.ledger.far = far
        for symbol, price in self.street.prices.items():
            self.market_moves(symbol, price)

    def market_moves(self, symbol: str, price: Decimal) -> None:
        market = self._simulator.venue.market
        market.set_price(symbol, price)
        if symbol == "BNBUSDT":
            market.asset_prices["BNB"] = price
        depth = DEEP
        if self.street.faults.strikes("short_of_liquidity"):
            instrument = self.ledger.instruments[symbol]
            depth = instrument.lot_size * self.street.chance.randint(1, 2000)
            self.street.record.say("thin", f"{symbol} {depth}")
        market.set_book(symbol, [(price, depth)], [(price, depth)])

    async def execute(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.method != "POST" or request.path not in NAMES:
            return await handler(request)
        query = request.rel_url.raw_query_string
        params = dict(parse_qsl((await request.read()).decode()) + parse_qsl(query))
        name, now = params[NAMES[request.path]], self.street.time.now()
        draft = self._draft(params)
        self.ledger.arrivals.append((ClientOrderId(name), now))
        if self.street.faults.strikes("reject", 30.0):
            answer: web.StreamResponse = web.json_response(
                {"code": -4400, "msg": "Trading quantitative rules"}, status=400
            )
        else:
            answer = await handler(request)
        self.books.follow()
        if answer.status >= 400:
            reason = reason_in(answer)
            self.street.record.say("rejected", f"{name} {draft.side} {draft.type}: {reason}")
            self.books.refused(name, draft, reason, now)
        else:
            level = draft.stop_price or draft.limit_price or ""
            self.street.record.say(
                "order", f"{name} {draft.side} {draft.quantity} {draft.type} {level}"
            )
        return answer

    def _draft(self, params: Mapping[str, str]) -> OrderRequest:
        kind = TYPES[params["type"]]
        return OrderRequest(
            venue=self.name,
            symbol=params["symbol"],
            side=Side(params["side"].lower()),
            type=kind,
            time_in_force=TimeInForce.IOC if kind is OrderType.MARKET else TimeInForce.GTC,
            quantity=Decimal(params["quantity"]),
            position_type=PositionType.FUTURES,
            reduce_only=params.get("reduceOnly") == "true",
            limit_price=_number(params.get("price")),
            stop_price=_number(params.get("triggerPrice")),
        )

    def cancel(self, order: VenueOrder, how: OrderStatus = OrderStatus.CANCELED) -> None:
        del how
        far = self._simulator
        for algo in far.account.book.open_algos():
            if algo.is_waiting and self.books.numbered["algo", algo.algo_id] is order:
                far.venue.algos.cancel(far.account, algo)
        for each in far.account.book.open_orders():
            if self.books.numbered[each.symbol, each.order_id] is order:
                far.venue.engine.cancel(far.account, each)
        self.books.follow()

    def by_hand(self, name: str, request: OrderRequest, price: Decimal) -> None:
        """Nothing: hands trade coins, of which there are none."""

    def force(self, name: str, request: OrderRequest) -> None:
        far = self._simulator
        price = self.street.prices[request.symbol]
        for position in list(far.account.held(request.symbol)):
            if name.startswith("adl_autoclose"):
                quantity = min(request.quantity, abs(position.amount))
                far.venue.forced.deleverage(far.account, position, quantity, price)
            else:
                far.venue.forced.liquidate(far.account, position, price)
        self.books.follow()

    def fund(self, symbol: str, rate: Decimal, ref: str) -> None:
        del ref
        special = self.street.chance.random() < 0.2
        self._simulator.venue.cash.fund(symbol, rate, special=special)
        self.books.follow()

    def transfer(self, asset: str, amount: Decimal, ref: str) -> None:
        del ref
        self._simulator.venue.cash.transfer(self._simulator.account, asset, amount)
        self.books.follow()

    def lots_change(self, symbol: str, lot: Decimal) -> None:
        contract = self._simulator.venue.instruments[symbol]
        contract.step = lot
        # What was ordered by the finer step is told in full.
        contract.quantity_places = max(contract.quantity_places, places(lot))
        contract.min_quantity = max(self.ledger.instruments[symbol].min_quantity, lot)

    def adapter(self, life: Life) -> tuple[BinanceUsdmVenue, Way]:
        """Of one life."""
        way = Way(self, life, names_in)
        host = self.street.time
        settings = Settings(
            venue=self.name,
            base_url=self.far.http,
            ws_url=self.far.ws,
            key=Key(name=KEY.name, signer=signer_of(KEY.secret, "secret")),
            secrets=(KEY.name, KEY.secret),
            receive_window=RECEIVE_WINDOW,
            gate=Gate(self.name, host),
            host=host,
        )
        parts = LivingParts(settings, self.symbols(), way)
        parts.stream._backoff._random = Random(f"backoff {self.street.plan.seed} {life.number}")
        return BinanceUsdmVenue(parts, self.plan.traits, allow_unrestricted_key=True), way


class LivingParts(Parts):
    def __init__(self, settings: Settings, symbols: Any, way: Way) -> None:
        self._way = way
        super().__init__(settings, symbols)

    def _client(self, base_url: str, allowed: frozenset[tuple[str, str]]) -> HttpClient:
        return LivingClient(
            self._way, self.venue, base_url, AllowList(allowed), redact=self._redact
        )


def names_in(method: str, path: str, leaving: Unsigned) -> list[str]:
    """The new order of a request."""
    if method != "POST" or path not in NAMES:
        return []
    params = dict(parse_qsl(leaving.query) + parse_qsl(leaving.body.decode()))
    return [params[NAMES[path]]]


def _number(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)
