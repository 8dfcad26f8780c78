"""Adapter of the rehearsal venue: the port, in the words of a venue that is made up.

Written by "Writing a venue adapter" in docs/architecture.md and by `ports/venue` alone.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import anyio
import orjson

from tests.rehearsal.wire import CutError, Ear, Wire, amounts, from_ms, number, text_of, to_ms
from tradebotd.clocks.host import SystemHost
from tradebotd.domain import errors, self_trade
from tradebotd.domain.fill import Fill, Forced
from tradebotd.domain.filters import FilterName, SymbolStatus
from tradebotd.domain.funding import FundingPayment
from tradebotd.domain.ids import ClientOrderId as Id
from tradebotd.domain.ids import TradeId, VenueName, VenueOrderId
from tradebotd.domain.instrument import Instrument, MarketSymbol, PositionType
from tradebotd.domain.order import OrderReport, OrderRequest, OrderType, TimeInForce
from tradebotd.domain.quote import PriceKind, Quote
from tradebotd.domain.side import Side
from tradebotd.domain.transfer import Transfer
from tradebotd.ports import venue as port
from tradebotd.ports.venue import VenueTraits
from tradebotd.storage.held import assert_no_connection_held

Json = Mapping[str, Any]
Blocked = port.SendBlockedBy
SIDES: Final = dict(zip(Side, ("B", "S"), strict=True))
BOOKS: Final = dict(zip(PositionType, ("CASH", "PERP"), strict=True))
LASTS: Final = dict(zip(TimeInForce, ("OPEN", "NOW", "ALL", "DAY"), strict=True))
PRICES: Final = dict(zip(PriceKind, ("TRADE", "FAIR", "BID", "ASK"), strict=True))
KINDS: Final = dict(zip(OrderType, ("MKT", "LMT", "STP", "STP-LMT", "TGT", "TGT-LMT"), strict=True))
PHASES: Final = dict(zip(SymbolStatus, ("LIVE", "PAUSED", "CLOSING", "GONE"), strict=True))
TABLES: Final[tuple[dict[Any, str], ...]] = (SIDES, BOOKS, LASTS, PRICES, KINDS, PHASES)
FORCED: Final = {"LIQ": Forced.LIQUIDATION, "ADL": Forced.ADL, "DLV": Forced.SETTLEMENT}
STATES: Final[Json] = {"WORKING": "new", "PULLED": "canceled", "LAPSED": "expired"}
WORDS: Final[Json] = {word: each for t in TABLES for each, word in t.items()}
IN_DOUBT, AWAY, BANNED = 9000, 9001, 9002
REFUSED: Final = ("unknown symbol", "duplicate client order id", "nothing to cancel")
REFUSED_TOO: Final = ("insufficient balance", "would trigger immediately", self_trade.SELF_TRADE)
NAMES: Final = dict(enumerate((*REFUSED, *REFUSED_TOO, *FilterName), 4001))
STOPS: Final = (OrderType.STOP_LIMIT, OrderType.TAKE_PROFIT_LIMIT)
TRAITS: Final = VenueTraits(
    resting_stops=True,
    linked_orders=True,
    order_types=frozenset({OrderType.MARKET, OrderType.LIMIT, *STOPS}),
    times_in_force=dict.fromkeys(STOPS, (TimeInForce.DAY,)),
    replacement=port.Replacement.PROMISED,
    tells_transfers=True,
    tells_instruments=True,
    tells_commissions=True,
    tells_clock=True,
    tells_stream=True,
    sets_up_symbols=True,
    endpoints=1,
)


def reason_of(why: Json) -> str:
    return ": ".join(filter(None, (NAMES.get(why["code"]), why["msg"])))


class RehearsalVenue:
    """Implementation of `ports.venue.Venue`. *symbols*: of which it is told how they are called."""

    def __init__(
        self, name: VenueName, wire: Wire, symbols: Iterable[MarketSymbol], traits: VenueTraits
    ) -> None:
        self.name, self.traits, self._wire, self._host = name, traits, wire, SystemHost()
        self.limiter = anyio.Lock()  # orders leave one by one, and wait for their turn here
        self._markets = {each.symbol: each.name_at(name) for each in symbols}
        self._ours = {market: symbol for symbol, market in self._markets.items()}

    async def run(self) -> None:
        await self._wire.run()

    def listen(self, listener: port.Listener, on_stream: port.StreamListener | None = None) -> None:
        heard_at: datetime | None = None  # the venue's time of what the stream told last

        async def tell(*, connected: bool) -> None:
            if on_stream is not None:
                await on_stream(port.StreamState(connected=connected, gap_since=heard_at))

        async def hear(line: bytes) -> None:
            nonlocal heard_at
            event = orjson.loads(line)
            if event["ch"] == "hello":
                await tell(connected=True)
            heard_at = from_ms(event["at"])
            if event["ch"] == "order":
                await listener(self._report(event["order"]))

        self._wire.subscribe(Ear(hear, lambda: tell(connected=False)))

    async def submit(
        self, client_order_id: Id, request: OrderRequest, *, send_blocked_by: Blocked
    ) -> OrderReport:
        orders = [(client_order_id, request)]
        return (await self.submit_linked(orders, send_blocked_by=send_blocked_by))[0]

    async def submit_linked(
        self, orders: Sequence[tuple[Id, OrderRequest]], *, send_blocked_by: Blocked
    ) -> Sequence[OrderReport]:
        legs = [self._order(*each) for each in orders]
        data = await self._ask("place", orders[0][0], send_blocked_by, orders=legs)
        return [self._report(each) for each in data["orders"]]

    async def replace(
        self, symbol: str, old: Id, new: Id, request: OrderRequest, *, send_blocked_by: Blocked
    ) -> port.Replaced:
        mkt, by = self._market(symbol), self._order(new, request)
        data = await self._ask("swap", new, send_blocked_by, mkt=mkt, tag=old, by=by)
        return port.Replaced(new=self._report(data["order"]))

    async def cancel(self, symbol: str, client_order_id: Id) -> OrderReport:
        data = await self._ask(
            "pull", client_order_id, mkt=self._market(symbol), tag=client_order_id
        )
        return self._report(data["order"])

    async def find_order(self, symbol: str, client_order_id: Id) -> port.OrderLookup:
        data = await self._ask("find", mkt=self._market(symbol), tag=client_order_id)
        report = None if data["order"] is None else self._report(data["order"])
        asked, at = frozenset({"find"}), from_ms(data["now"])
        return port.OrderLookup(report=report, endpoints=asked, venue_time=at)

    async def open_orders(self, symbols: Collection[str]) -> Sequence[OrderReport]:
        data = await self._ask("working", mkts=[self._market(each) for each in symbols])
        return [self._report(each) for each in data["orders"]]

    async def fills_since(self, since: datetime, symbols: Collection[str]) -> Sequence[Fill]:
        told = await self._ask("deals", since=to_ms(since), mkts=list(map(self._market, symbols)))
        return [self._fill(each) for each in told["deals"]]

    async def funding_since(self, since: datetime) -> Sequence[FundingPayment]:
        told = await self._ask("funding", since=to_ms(since))
        return [FundingPayment(**self._money(each, "payment", "paid_at")) for each in told["pays"]]

    async def transfers_since(self, since: datetime) -> Sequence[Transfer]:
        told = await self._ask("moves", since=to_ms(since))
        return [Transfer(**self._money(each, "transfer", "at")) for each in told["moves"]]

    async def account(self) -> port.VenueAccount:
        data = await self._ask("account")
        return port.VenueAccount(
            balances=amounts((coin, told["total"]) for coin, told in data["coins"].items()),
            locked=amounts((coin, told["held"]) for coin, told in data["coins"].items()),
            positions=amounts((self._symbol(each["mkt"]), each["net"]) for each in data["perps"]),
            entry_prices=amounts(
                (self._symbol(each["mkt"]), each["avg"]) for each in data["perps"]
            ),
            buying_power=amounts(data["power"].items()),
            margin_used=amounts(data["margin"].items()),
            hedge_mode=data["bothSides"],
        )

    async def quotes(self, symbols: Sequence[MarketSymbol]) -> dict[str, Quote]:
        told = await self._each("prices", symbols)
        kinds = {kind: PRICES[kind] for kind in self.traits.price_kinds} | {"average": "MEAN"}
        return {
            symbol: Quote(**{kind: number(each[word]) for kind, word in kinds.items()})
            for symbol, each in told.items()
        }

    async def instruments(self, symbols: Sequence[MarketSymbol]) -> dict[str, Instrument]:
        told = await self._each("markets", symbols)
        return {each.symbol: _instrument(each, told[each.symbol]) for each in symbols}

    async def commissions(self, symbols: Sequence[MarketSymbol]) -> dict[str, port.Commission]:
        told, rate = await self._each("rates", symbols), port.Commission
        return {
            symbol: rate(Decimal(each["mk"]), Decimal(each["tk"]), each["coin"], each["inKind"])
            for symbol, each in told.items()
        }

    async def set_up(self, symbol: str, setup: port.SymbolSetup) -> None:
        mkt, lev = self._market(symbol), str(setup.leverage)
        await self._ask("setup", mkt=mkt, lev=lev, alone=setup.isolated, oneWay=setup.one_way)

    async def server_clock(self) -> port.VenueClock:
        return port.VenueClock(time=from_ms((await self._ask("clock"))["now"]))

    async def _each(self, do: str, symbols: Sequence[MarketSymbol]) -> dict[str, Json]:
        data = await self._ask(do, mkts=[self._market(each.symbol) for each in symbols])
        return {self._symbol(market): told for market, told in data[do].items()}

    async def _ask(
        self, do: str, order: Id | None = None, blocked: Blocked = port.not_blocked, **words: Any
    ) -> Any:
        """*order*: whose outcome is unknown where no answer comes. Raises as `submit`."""
        assert_no_connection_held(f"the venue is asked: {do}")

        def sign() -> bytes:
            port.check_may_leave(blocked)
            return orjson.dumps({"do": do, "at": to_ms(self._host.now()), **words})

        if order is not None:
            async with self.limiter:
                pass
        try:
            answer = orjson.loads(await self._wire.exchange(sign))
        except CutError as error:
            answer = {"code": IN_DOUBT if error.sent else AWAY, "msg": str(error)}
        code = answer["code"]
        if code == 0:
            return answer["data"]
        if code == IN_DOUBT and order is not None:
            raise errors.OutcomeUnknownError(order)
        if code < IN_DOUBT:
            raise errors.OrderRejectedError(reason_of(answer))
        until = from_ms(answer["resumeAt"]) if "resumeAt" in answer else None
        if "retryAfter" in answer:
            until = self._host.now() + timedelta(seconds=int(answer["retryAfter"]))
        raise errors.VenueUnavailableError(answer["msg"], until, banned=code == BANNED)

    def _market(self, symbol: str) -> str:
        return self._markets.get(symbol, symbol)

    def _symbol(self, market: str) -> str:
        return self._ours.get(market, market)  # what we do not trade keeps its name

    def _money(self, told: Json, what: str, when: str) -> dict[str, Any]:
        amount = Decimal(told["amt"]) - Decimal(told["cost"])
        money = {"venue": self.name, "asset": told["coin"], "amount": amount}
        of = {"symbol": self._symbol(told["mkt"])} if "mkt" in told else {}
        return {f"{what}_id": told["no"], when: from_ms(told["at"]), **money, **of}

    def _order(self, tag: Id, request: OrderRequest) -> dict[str, Any]:
        return {
            "tag": tag,
            "mkt": self._market(request.symbol),
            "book": BOOKS[request.position_type],
            "dir": SIDES[request.side],
            "kind": KINDS[request.type],
            "lasts": LASTS[request.time_in_force],
            "qty": text_of(request.quantity),
            "px": text_of(request.limit_price),
            "trig": text_of(request.stop_price),
            "trigBy": PRICES[request.working_price] if request.stop_price else None,
            "shrinks": request.reduce_only,
        }

    def _report(self, told: Json) -> OrderReport:
        traded, quantity, why = Decimal(told["traded"]), Decimal(told["qty"]), told["why"]
        state, word = port.status_of(STATES.get(told["state"], told["state"]), traded, quantity)
        return OrderReport(
            client_order_id=Id(told["tag"] or f"venue-{told['no']}"),
            venue_order_id=VenueOrderId(told["no"]),
            status=state,
            filled_quantity=traded,
            reason=word or (reason_of(why) if why else None),
            at=from_ms(told["at"]),
            fills=tuple(map(self._fill, told["deals"])),
            asked=OrderRequest(
                **self._trade(told),
                type=WORDS[told["kind"]],
                time_in_force=WORDS[told["lasts"]],
                position_type=WORDS[told["book"]],
                limit_price=number(told["px"]),
                stop_price=number(told["trig"]),
                reduce_only=told["shrinks"],
                working_price=WORDS[told["trigBy"] or "TRADE"],
            ),
            forced=FORCED[told["forced"]] if told["forced"] else None,
        )

    def _fill(self, told: Json) -> Fill:
        return Fill(
            **self._trade(told),
            trade_id=TradeId(told["no"]),
            client_order_id=Id(told["tag"]) if told["tag"] else None,
            price=Decimal(told["px"]),
            fee=Decimal(told["fee"]),
            fee_asset=told["feeCoin"],
            executed_at=from_ms(told["at"]),
            venue_order_id=VenueOrderId(told["order"]),
            forced=FORCED[told["forced"]] if told["forced"] else None,
        )

    def _trade(self, told: Json) -> dict[str, Any]:
        symbol, side = self._symbol(told["mkt"]), WORDS[told["dir"]]
        return {"venue": self.name, "symbol": symbol, "side": side, "quantity": number(told["qty"])}


def _instrument(symbol: MarketSymbol, told: Json) -> Instrument:
    return replace(
        symbol.instrument,
        tick_size=Decimal(told["pxStep"]),
        lot_size=Decimal(told["qtyStep"]),
        min_quantity=Decimal(told["qtyMin"]),
        max_quantity=number(told["qtyMax"]) or None,
        min_notional=Decimal(told["worthMin"]),
        status=WORDS[told["phase"]],
    )
