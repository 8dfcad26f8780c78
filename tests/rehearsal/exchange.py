"""The rehearsal venue itself: a protocol of its own in front of another venue's ledger.

Whoever speaks to it sends a line of JSON: `do`, and the words of that. `code` 0 is a yes. Its ledger
is a double of the suites (the scripted venue, or the simulated one): what it refuses, fills and
charges is theirs; its words, numbers, times, codes and its stream are its own.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import orjson

from tests.rehearsal.wire import from_ms, text_of, to_ms
from tradebotd.domain.errors import OrderRejectedError, OutcomeUnknownError, VenueUnavailableError
from tradebotd.domain.fill import Fill
from tradebotd.domain.ids import ClientOrderId, VenueOrderId
from tradebotd.domain.instrument import MarketSymbol, PositionType
from tradebotd.domain.order import OrderReport, OrderRequest, OrderType, TimeInForce
from tradebotd.domain.quote import PriceKind
from tradebotd.domain.side import Side
from tradebotd.domain.transfer import Transfer
from tradebotd.ports.clock import Clock
from tradebotd.ports.venue import (
    SendBlockedBy,
    StreamState,
    SymbolSetup,
    Venue,
    VenueAccount,
    not_blocked,
)

Json = dict[str, Any]
Send = Callable[[bytes], Awaitable[None]]

DIRECTIONS: Final = {"buy": "B", "sell": "S"}
BOOKS: Final = {"spot": "CASH", "futures": "PERP"}
LASTS: Final = {"gtc": "OPEN", "ioc": "NOW", "fok": "ALL", "day": "DAY"}
PRICES: Final = {"last": "TRADE", "mark": "FAIR", "bid": "BID", "ask": "ASK"}
KINDS: Final = {
    "market": "MKT",
    "limit": "LMT",
    "stop_market": "STP",
    "stop_limit": "STP-LMT",
    "take_profit_market": "TGT",
    "take_profit_limit": "TGT-LMT",
}
STATES: Final = {
    "new": "WORKING",
    "pending_new": "WORKING",
    "partially_filled": "PARTIALLY_FILLED",
    "filled": "FILLED",
    "canceled": "PULLED",
    "expired": "LAPSED",
    "rejected": "REJECTED",
    "unknown": "suspended",
}
PHASES: Final = {
    "trading": "LIVE",
    "halted": "PAUSED",
    "cancel_only": "CLOSING",
    "delisted": "GONE",
}
FORCED: Final = {"liquidation": "LIQ", "adl": "ADL", "settlement": "DLV"}
IN_DOUBT, AWAY, BANNED = 9000, 9001, 9002
OTHER: Final = 4099
# What its ledger says, by how that begins (or, the last ones, by what it has in it): its code.
CODES: Final = {
    "unknown symbol": 4001,
    "duplicate": 4002,
    "nothing to cancel": 4003,
    "insufficient balance": 4004,
    "order would trigger immediately": 4005,
    "would trigger immediately": 4005,
    "self_trade": 4006,
    "symbol_not_trading": 4007,
    "order_type_not_taken": 4008,
    "working_price_not_taken": 4009,
    "time_in_force_not_taken": 4010,
    "quantity_off_lot": 4011,
    "quantity_below_minimum": 4012,
    "quantity_above_maximum": 4013,
    "notional_below_minimum": 4014,
    "notional_above_maximum": 4015,
    "price_off_tick": 4016,
    "price_below_minimum": 4017,
    "price_above_maximum": 4018,
    "price_outside_percent": 4019,
    "too_many_orders": 4020,
    "too_many_stop_orders": 4021,
    "leverage_above_maximum": 4022,
    "Filter failure: LOT_SIZE (maximum)": 4013,
    "Filter failure: LOT_SIZE": 4011,
    "Filter failure: PRICE_FILTER": 4016,
    "Filter failure: NOTIONAL": 4014,
}
WITHDRAWAL: Final = Decimal(1)  # what one costs, where it is that much


class Exchange:
    """*ledger*: the venue behind it. *garbled*: what it raises is answered with half an answer.

    *told*: lines of the stream that its subscriber was sent. *words*: of its own, for the state of
    an order. *by_duration* (the host's clock): a ban is told by how long it lasts still, else by
    when it ends.
    """

    def __init__(
        self,
        ledger: Venue,
        symbols: Sequence[MarketSymbol],
        clock: Clock,
        *,
        garbled: tuple[type[Exception], ...] = (),
        number_of: Callable[[Fill], VenueOrderId | None] = lambda fill: fill.venue_order_id,
    ) -> None:
        self.ledger, self._clock = ledger, clock
        self._garbled, self._number_of = garbled, number_of
        self.symbols = symbols
        self._symbols = {each.name_at(ledger.name): each for each in symbols}
        self._names = {each.symbol: name for name, each in self._symbols.items()}
        self._subscriber: Send | None = None
        self.drop: Callable[[], None] | None = None
        self.is_silent = False
        self.told = 0
        self.words: dict[str, str] = {}
        self.by_duration: Callable[[], datetime] | None = None
        ledger.listen(self._on_order, self._on_stream)

    # The stream

    def attach(self, send: Send) -> None:
        """A subscriber who is not told that he is one."""
        self._subscriber = send

    async def subscribe(self, send: Send, drop: Callable[[], None]) -> None:
        """*send* takes a line; *drop* is called when the stream is cut by the venue."""
        self._subscriber, self.drop, self.told = send, drop, 0
        await self._tell({"ch": "hello"})

    async def _tell(self, event: Json) -> None:
        if self._subscriber is not None and not self.is_silent:
            self.told += 1
            await self._subscriber(orjson.dumps(event | {"at": to_ms(self._clock.now())}))

    async def _on_order(self, report: OrderReport) -> None:
        await self._tell({"ch": "order", "order": self._order(report)})

    async def _on_stream(self, state: StreamState) -> None:
        self.is_silent = not state.connected
        if self.is_silent and self.drop is not None:
            self.drop()
            self._subscriber = self.drop = None

    # Questions and answers

    async def answer(self, line: bytes, blocked: SendBlockedBy = not_blocked) -> bytes | None:
        """The answer to a line; None: the connection ends without one."""
        asked = orjson.loads(line)
        try:
            data = await getattr(self, f"do_{asked.pop('do')}")(asked, blocked)
        except OrderRejectedError as error:
            return orjson.dumps(_refusal(error.reason))
        except VenueUnavailableError as error:
            return orjson.dumps(self._away(error))
        except OutcomeUnknownError as error:
            if len(str(error)) % 2:  # it knows itself that it does not know, or says nothing
                return None
            return orjson.dumps({"code": IN_DOUBT, "msg": "timed out inside"})
        except self._garbled:
            return b'{"code":0,"data":{}}'
        return orjson.dumps({"code": 0, "data": data})

    def _away(self, error: VenueUnavailableError) -> Json:
        answer: Json = {"code": AWAY, "msg": str(error)}
        if error.until is None:
            return answer | ({"code": BANNED} if error.is_ban else {})
        if self.by_duration is None:
            return answer | {"resumeAt": to_ms(error.until)}
        left = (error.until - self.by_duration()) // timedelta(seconds=1) + 1
        return answer | {"retryAfter": str(left)}

    async def do_place(self, asked: Json, blocked: SendBlockedBy) -> Json:
        orders = [(ClientOrderId(each["tag"]), self._request(each)) for each in asked["orders"]]
        if len(orders) > 1:
            reports = await self.ledger.submit_linked(orders, send_blocked_by=blocked)
        else:
            reports = [await self.ledger.submit(*orders[0], send_blocked_by=blocked)]
        return {"orders": [self._order(each) for each in reports]}

    async def do_swap(self, asked: Json, blocked: SendBlockedBy) -> Json:
        old, new, request = asked["tag"], asked["by"]["tag"], self._request(asked["by"])
        symbol = self._symbol(asked["mkt"])
        answer = await self.ledger.replace(symbol, old, new, request, send_blocked_by=blocked)
        return {"order": self._order(answer.new)}

    async def do_pull(self, asked: Json, _: SendBlockedBy) -> Json:
        report = await self.ledger.cancel(self._symbol(asked["mkt"]), asked["tag"])
        return {"order": self._order(report)}

    async def do_find(self, asked: Json, _: SendBlockedBy) -> Json:
        found = await self.ledger.find_order(self._symbol(asked["mkt"]), asked["tag"])
        order = None if found.report is None else self._order(found.report)
        return {"order": order, "now": to_ms(found.venue_time)}

    async def do_working(self, asked: Json, _: SendBlockedBy) -> Json:
        reports = await self.ledger.open_orders([self._symbol(each) for each in asked["mkts"]])
        return {"orders": [self._order(each) for each in reports]}

    async def do_deals(self, asked: Json, _: SendBlockedBy) -> Json:
        symbols = [self._symbol(each) for each in asked["mkts"]]
        fills = await self.ledger.fills_since(from_ms(asked["since"]), symbols)
        return {"deals": [self._deal(each, self._number_of(each)) for each in fills]}

    async def do_funding(self, asked: Json, _: SendBlockedBy) -> Json:
        return {
            "pays": [
                {
                    "no": each.payment_id,
                    "mkt": self._name(each.symbol),
                    "coin": each.asset,
                    "amt": text_of(each.amount),
                    "cost": "0",
                    "at": to_ms(each.paid_at),
                }
                for each in await self.ledger.funding_since(from_ms(asked["since"]))
            ]
        }

    async def do_moves(self, asked: Json, _: SendBlockedBy) -> Json:
        told = await self.ledger.transfers_since(from_ms(asked["since"]))
        return {"moves": [_move(each) for each in told]}

    async def do_account(self, _: Json, __: SendBlockedBy) -> Json:
        told: VenueAccount = await self.ledger.account()
        return {
            "coins": {
                coin: {
                    "total": text_of(told.balances.get(coin, Decimal(0))),
                    "held": text_of(told.locked.get(coin, Decimal(0))),
                }
                for coin in {*told.balances, *told.locked, "DUST"}
            },
            "perps": [
                {
                    "mkt": self._name(symbol),
                    "net": text_of(net),
                    "avg": text_of(told.entry_prices.get(symbol)),
                }
                for symbol, net in told.positions.items()
            ],
            "power": {coin: text_of(most) for coin, most in told.buying_power.items()},
            "margin": {coin: text_of(used) for coin, used in told.margin_used.items()},
            "bothSides": told.hedge_mode,
        }

    async def do_prices(self, asked: Json, _: SendBlockedBy) -> Json:
        told = await self.ledger.quotes(self._listed(asked))
        return {
            "prices": {
                self._name(symbol): {
                    word: text_of(quote.price(PriceKind(kind))) for kind, word in PRICES.items()
                }
                | {"MEAN": text_of(quote.average)}
                for symbol, quote in told.items()
            }
        }

    async def do_markets(self, asked: Json, _: SendBlockedBy) -> Json:
        told = await self.ledger.instruments(self._listed(asked))
        return {
            "markets": {
                self._name(symbol): {
                    "pxStep": text_of(each.tick_size),
                    "qtyStep": text_of(each.lot_size),
                    "qtyMin": text_of(each.min_quantity),
                    "qtyMax": text_of(each.max_quantity or Decimal(0)),
                    "worthMin": text_of(each.min_notional),
                    "phase": PHASES[each.status],
                }
                for symbol, each in told.items()
            }
        }

    async def do_rates(self, asked: Json, _: SendBlockedBy) -> Json:
        told = await self.ledger.commissions(self._listed(asked))
        return {
            "rates": {
                self._name(symbol): {
                    "mk": text_of(each.maker),
                    "tk": text_of(each.taker),
                    "coin": each.asset,
                    "inKind": each.in_base,
                }
                for symbol, each in told.items()
            }
        }

    async def do_setup(self, asked: Json, _: SendBlockedBy) -> Json:
        setup = SymbolSetup(
            leverage=int(asked["lev"]), isolated=asked["alone"], one_way=asked["oneWay"]
        )
        await self.ledger.set_up(self._symbol(asked["mkt"]), setup)
        return {}

    async def do_clock(self, _: Json, __: SendBlockedBy) -> Json:
        return {"now": to_ms((await self.ledger.server_clock()).time)}

    # Its words

    def _symbol(self, market: str) -> str:
        known = self._symbols.get(market)
        return market if known is None else known.instrument.symbol

    def _name(self, symbol: str) -> str:
        return self._names.get(symbol, symbol)

    def _listed(self, asked: Json) -> list[MarketSymbol]:
        return [self._symbols[each] for each in asked["mkts"]]

    def _request(self, told: Json) -> OrderRequest:
        limit, stop, by = told["px"], told["trig"], told["trigBy"]
        return OrderRequest(
            venue=self.ledger.name,
            symbol=self._symbol(told["mkt"]),
            side=Side(_back(DIRECTIONS, told["dir"])),
            type=OrderType(_back(KINDS, told["kind"])),
            time_in_force=TimeInForce(_back(LASTS, told["lasts"])),
            quantity=Decimal(told["qty"]),
            position_type=PositionType(_back(BOOKS, told["book"])),
            limit_price=None if limit is None else Decimal(limit),
            stop_price=None if stop is None else Decimal(stop),
            reduce_only=told["shrinks"],
            working_price=PriceKind.LAST if by is None else PriceKind(_back(PRICES, by)),
        )

    def _order(self, report: OrderReport) -> Json:
        asked = report.asked
        assert asked is not None, "its ledger says what was asked"
        why = _refusal(report.reason) if report.reason else None
        return {
            "no": report.venue_order_id,
            "tag": "" if report.forced else report.client_order_id,
            "mkt": self._name(asked.symbol),
            "book": BOOKS[asked.position_type],
            "dir": DIRECTIONS[asked.side],
            "kind": KINDS[asked.type],
            "lasts": LASTS[asked.time_in_force],
            "qty": text_of(asked.quantity),
            "px": text_of(asked.limit_price),
            "trig": text_of(asked.stop_price),
            "trigBy": None if asked.stop_price is None else PRICES[asked.working_price],
            "shrinks": asked.reduce_only,
            "state": self.words.get(report.client_order_id) or STATES[report.status],
            "why": why,
            "traded": text_of(report.filled_quantity),
            "deals": [self._deal(each, report.venue_order_id) for each in report.fills],
            "forced": FORCED[report.forced] if report.forced else None,
            "at": to_ms(report.at or self._clock.now()),
        }

    def _deal(self, fill: Fill, number: VenueOrderId | None) -> Json:
        return {
            "no": fill.trade_id,
            "order": number,
            "tag": "" if fill.forced else fill.client_order_id,
            "mkt": self._name(fill.symbol),
            "dir": DIRECTIONS[fill.side],
            "qty": text_of(fill.quantity),
            "px": text_of(fill.price),
            "fee": text_of(fill.fee),
            "feeCoin": fill.fee_asset,
            "forced": FORCED[fill.forced] if fill.forced else None,
            "at": to_ms(fill.executed_at),
        }


def _move(told: Transfer) -> Json:
    """What left is told without its cost, which stands beside it."""
    cost = WITHDRAWAL if told.amount <= -WITHDRAWAL else Decimal(0)
    return {
        "no": told.transfer_id,
        "coin": told.asset,
        "amt": text_of(told.amount + cost),
        "cost": text_of(cost),
        "at": to_ms(told.at),
    }


def _refusal(reason: str) -> Json:
    """Its code, and its words beside it."""
    for begins, code in CODES.items():
        if reason.startswith(begins):
            return {"code": code, "msg": reason[len(begins) :].lstrip(": ")}
    return {"code": OTHER, "msg": reason}


def _back(words: Mapping[str, str], word: str) -> str:
    return next(each for each, theirs in words.items() if theirs == word)
