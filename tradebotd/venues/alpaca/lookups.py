"""Orders and fills of the past, everywhere that Alpaca keeps them.

An order is asked for by its id, then looked for in the lists of open and closed orders and behind
the latest fills. One order may have several ids here: a replaced one, the stop of a pair. What is
returned is complete, or it raises.
"""

from collections import OrderedDict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from tradebotd.domain.decimals import ZERO
from tradebotd.domain.errors import VenueUnavailableError
from tradebotd.domain.fill import Fill
from tradebotd.domain.ids import ClientOrderId, VenueOrderId
from tradebotd.domain.order import OrderReport, OrderRequest
from tradebotd.net.answers import Value
from tradebotd.net.rate_limit import Priority
from tradebotd.ports.clock import HostClock
from tradebotd.ports.venue import OrderLookup, status_of
from tradebotd.venues.alpaca import paths
from tradebotd.venues.alpaca.errors import Refusal, error_of
from tradebotd.venues.alpaca.names import (
    MOST_NAMES,
    OURS,
    OrderNames,
    is_lone_leg,
    is_ours,
    named_orders,
)
from tradebotd.venues.alpaca.orders import OrderReader, is_live
from tradebotd.venues.alpaca.payload import ONE_SECOND, id_of, instant_of, stamped
from tradebotd.venues.alpaca.rest import Rest
from tradebotd.venues.alpaca.symbols import Symbols, short_name

PAGE: Final = 500  # of orders
ACTIVITY_PAGE: Final = 100
MOST_PAGES: Final = 1000
CLOSED_PAGES: Final = 4  # of closed orders that are searched for an id
MOST_STRANGERS: Final = 10  # orders that only fills have told, and that are asked for one by one
MOST_SUCCESSORS: Final = 20
MANY_SYMBOLS: Final = 50  # beyond it a list is of all symbols
A_MINUTE: Final = timedelta(minutes=1)


def _each_once(fills: Iterable[Fill]) -> list[Fill]:
    """Return *fills* without those that a list has told twice."""
    return list({each.trade_id: each for each in fills}.values())


def _check_length(chain: Sequence[Value]) -> None:
    if len(chain) > MOST_SUCCESSORS:
        raise VenueUnavailableError(f"an order was replaced more than {MOST_SUCCESSORS} times")


class Lookups:
    """Questions about orders and fills. Raise VenueError, MisshapenError."""

    def __init__(
        self,
        rest: Rest,
        reader: OrderReader,
        symbols: Symbols,
        names: OrderNames,
        host: HostClock,
    ) -> None:
        self._rest, self._reader, self._symbols = rest, reader, symbols
        self._names, self._host = names, host
        self._strange: OrderedDict[str, None] = OrderedDict()

    async def find_order(self, symbol: str, client_order_id: ClientOrderId) -> OrderLookup:
        asked: set[str] = set()
        found = await self.found(symbol, client_order_id, asked)
        report = None
        if found is not None and self._is_of(found, symbol):
            report = await self.whole(found, client_order_id)
        return OrderLookup(report=report, endpoints=frozenset(asked), venue_time=self._host.now())

    async def found(
        self,
        symbol: str,
        client_order_id: ClientOrderId,
        asked: set[str],
        priority: Priority = Priority.READ,
    ) -> Value | None:
        """Return the order as the venue tells it; None where none of the places has it."""
        asked.add("order")
        known = self._names.order_id(client_order_id)
        if known is not None:
            told = await self._one(paths.ORDER, of=known, priority=priority)
            if told is not None:
                return told
        query: dict[str, str] = {"client_order_id": client_order_id}
        told = await self._one(paths.ORDER_BY_CLIENT_ID, query, priority=priority)
        if told is not None:
            self._names.learn_all(told)
            return told
        return await self._in_lists(symbol, client_order_id, asked, priority)

    async def _one(
        self,
        call: paths.Call,
        query: dict[str, str] | None = None,
        of: str = "",
        priority: Priority = Priority.READ,
    ) -> Value | None:
        told = await self._rest.answer(call, query, of=of, priority=priority)
        if not isinstance(told, Refusal):
            return told
        if told.is_not_found:
            return None
        raise error_of(told)

    async def _in_lists(
        self, symbol: str, client_order_id: ClientOrderId, asked: set[str], priority: Priority
    ) -> Value | None:
        """Look through open and closed orders, and behind the latest fills of the symbol."""
        seen: set[str] = set()
        for status, most in (("open", MOST_PAGES), ("closed", CLOSED_PAGES)):
            asked.add(f"{status} orders")
            for told in await self._listed(
                status, [symbol], most, or_raise=status == "open", priority=priority
            ):
                self._names.learn_all(told)
                for each, name in named_orders(told):
                    seen.add(id_of(each["id"]))
                    if name == client_order_id:
                        return each
        asked.add("activities")
        latest = {"activity_types": "FILL", "direction": "desc"}
        rows = await self._activities(latest, pages=1, priority=priority)
        of_symbol = [each for each in rows if self._is_of(each, symbol)]
        numbers = dict.fromkeys(id_of(each["order_id"]) for each in of_symbol)
        for order_id in [each for each in numbers if each not in seen][:MOST_STRANGERS]:
            order = await self._one(paths.ORDER, of=order_id, priority=priority)
            if order is not None and order["client_order_id"].text() == client_order_id:
                return order
        return None

    def _is_of(self, told: Value, symbol: str) -> bool:
        market = told.get("symbol")
        return market is not None and self._symbols.symbol(market.text()) == symbol

    async def whole(
        self, told: Value, client_order_id: ClientOrderId, priority: Priority = Priority.READ
    ) -> OrderReport:
        """Return the order under our id with all its fills, and with those of what took its place.

        A venue that replaces an order by itself (a split) gives the new one an id of its own, and
        a client id that is none of ours: it is the same order to us. Raises VenueUnavailableError
        while fills lag behind the order.
        """
        chain = await self.chain(told, priority)
        self._names.follow(client_order_id, [id_of(each["id"]) for each in chain])
        fills: list[Fill] = []
        for each in chain:
            fills += await self._fills_of(each, client_order_id, priority)
        report = self._reader.order(chain[-1], client_order_id)
        traded = sum((fill.quantity for fill in fills), ZERO)
        filled = sum((each["filled_qty"].decimal() for each in chain), ZERO)
        if traded < filled:
            raise VenueUnavailableError(f"fills of order {report.venue_order_id} lag behind it")
        asked, moved = self._as_sent(report, chain[0])
        before = filled - chain[-1]["filled_qty"].decimal()
        if asked is not None and before:  # what is in its place is of what was left
            asked = replace(asked, quantity=asked.quantity + before)
        most = None if asked is None else asked.quantity
        if (traded > filled and not is_live(report.status)) or (most is not None and traded > most):
            raise chain[-1].wrong(f"has fills of {traded}, and says {filled} of {most}")
        status = report.status
        if is_live(status) and traded > report.filled_quantity:
            status = status_of(chain[-1]["status"].text(), traded, most)[0]
        return replace(
            report,
            status=status,
            filled_quantity=traded,
            fills=tuple(fills),
            other_ids=tuple(VenueOrderId(id_of(each["id"])) for each in chain[:-1]),
            asked=asked,
            moved=moved,
        )

    def _as_sent(self, report: OrderReport, root: Value) -> tuple[OrderRequest | None, str | None]:
        """Return what was asked for, at the prices that we sent; and where it rests instead.

        Somebody else may have moved it in the vendor's app: it is our order all the same, and what
        it sells is sold. The daemon's own check ends the position at the level that it knows.
        """
        sent = self._reader.order(root, report.client_order_id).asked
        if report.asked is None or sent is None:
            return report.asked, None
        as_sent = replace(report.asked, limit_price=sent.limit_price, stop_price=sent.stop_price)
        if as_sent == report.asked:
            return as_sent, None
        ours, theirs = (
            f"limit {each.limit_price}, stop {each.stop_price}" for each in (sent, report.asked)
        )
        return as_sent, f"from {ours} to {theirs}"

    async def chain(self, told: Value, priority: Priority = Priority.READ) -> list[Value]:
        """Return an order with all that it replaces, and all that has replaced it, but ours.

        What has a client id of ours is an order of its own, whatever it was put in the place of.
        Raises VenueUnavailableError for a chain without an end.
        """
        chain = [told]
        while not is_ours(chain[0]) and (earlier := chain[0].get("replaces")) is not None:
            before = await self._one(paths.ORDER, of=id_of(earlier), priority=priority)
            if before is None:
                break
            chain.insert(0, before)
            _check_length(chain)
        while (after := await self._successor(chain[-1], priority)) is not None:
            chain.append(after)
            _check_length(chain)
        return chain

    async def _successor(self, told: Value, priority: Priority) -> Value | None:
        """Return what the venue, or somebody else, has put in an order's place."""
        by = told.get("replaced_by")
        if by is None or told["status"].text() != "replaced":
            return None
        if self._names.promised(id_of(told["id"])) == id_of(by):
            return None
        successor = await self._one(paths.ORDER, of=id_of(by), priority=priority)
        return None if successor is None or is_ours(successor) else successor

    async def name_of(self, told: Value, own: ClientOrderId) -> ClientOrderId:
        """Return the client id that an order has with us: its own, or that of what it replaces."""
        order_id = id_of(told["id"])
        name = self._names.name(order_id)
        if (name is not None and name != own) or is_ours(told) or own.startswith(OURS):
            return name or own
        if told.get("replaces") is None or order_id in self._strange:
            return name or own
        chain = await self.chain(told)
        root = self._names.name(id_of(chain[0]["id"]))
        if root is None:
            (_, root), *_ = named_orders(chain[0])
        if not root.startswith(OURS):
            self._strange[order_id] = None  # what somebody else has replaced of his own
            if len(self._strange) > MOST_NAMES:
                self._strange.popitem(last=False)
            return name or own
        self._names.follow(root, [id_of(each["id"]) for each in chain])
        return root

    async def _fills_of(self, told: Value, name: ClientOrderId, priority: Priority) -> list[Fill]:
        if not told["filled_qty"].decimal():
            return []
        order_id = id_of(told["id"])
        rows = await self._activities(
            {
                "activity_types": "FILL",
                "order_id": order_id,  # A9; who ignores it tells more, which is left out below
                "after": stamped(instant_of(told["created_at"]) - A_MINUTE),
                "direction": "asc",
            },
            priority=priority,
        )
        return _each_once(
            self._reader.activity(each, name)
            for each in rows
            if id_of(each["order_id"]) == order_id
        )

    async def open_orders(self, symbols: Collection[str]) -> Sequence[OrderReport]:
        if not symbols:
            return []
        reports = []
        for told in await self._listed("open", symbols, MOST_PAGES):
            self._names.learn_all(told)
            for each, name in named_orders(told):
                ours = await self.name_of(each, name)
                report = self._reader.order(each, ours)
                if not is_live(report.status) or not self._is_among(each, symbols):
                    continue
                if self._names.is_replacement(id_of(each["id"])):
                    report = await self.whole(each, ours)
                reports.append(report)
        return reports

    def _is_among(self, told: Value, symbols: Collection[str]) -> bool:
        market = told.get("symbol")
        return market is None or self._symbols.symbol(market.text()) in symbols

    async def _listed(
        self,
        status: str,
        symbols: Collection[str],
        pages: int,
        *,
        or_raise: bool = True,
        priority: Priority = Priority.READ,
    ) -> list[Value]:
        """A7: return orders with their legs nested, page by page, from the newest to older ones.

        A page holds 50 unless more are asked for; the next one ends before its last order.
        """
        query = {"status": status, "limit": str(PAGE), "nested": "true", "direction": "desc"}
        if symbols and len(symbols) <= MANY_SYMBOLS:
            markets = sorted(short_name(self._symbols.market(each)) for each in symbols)
            query["symbols"] = ",".join(markets)
        found: list[Value] = []
        for _ in range(pages):
            rows = (await self._rest.ask(paths.ORDERS, query, priority=priority)).items()
            found += rows
            if len(rows) < PAGE:
                return found
            query["before_order_id"] = id_of(rows[-1]["id"])
        if or_raise:
            raise VenueUnavailableError(f"{status} orders: more than {pages} pages")
        return found

    async def fills_since(self, since: datetime, symbols: Collection[str]) -> Sequence[Fill]:
        """Return fills from the account's activities; they are listed by when they were made."""
        if not symbols:
            return []
        rows = await self._activities(
            {
                "activity_types": "FILL",
                "after": stamped(since - ONE_SECOND),
                "direction": "asc",
            }
        )
        rows = [
            each
            for each in rows
            if instant_of(each["transaction_time"]) >= since and self._is_among(each, symbols)
        ]
        await self._learn_names({id_of(each["order_id"]) for each in rows}, symbols)
        fills = [
            self._reader.activity(each, self._names.name(id_of(each["order_id"]))) for each in rows
        ]
        return sorted(_each_once(fills), key=lambda fill: fill.executed_at)

    async def _learn_names(self, order_ids: Iterable[str], symbols: Collection[str]) -> None:
        """Learn the client ids of orders: from one page of them, and a few one by one."""
        unnamed = [each for each in order_ids if self._names.name(each) is None]
        if not unnamed:
            return
        for told in await self._listed("all", symbols, 1, or_raise=False):
            self._names.learn_all(told)
            for each, name in named_orders(told):
                if id_of(each["id"]) in unnamed:
                    await self.name_of(each, name)
        for order_id in [each for each in unnamed if self._names.name(each) is None][
            :MOST_STRANGERS
        ]:
            order = await self._one(paths.ORDER, of=order_id)
            if order is not None and not is_lone_leg(order):
                self._names.learn_all(order)
                (_, name), *_ = named_orders(order)
                await self.name_of(order, name)

    async def learn_pairs(self) -> None:
        """Learn the stops of pairs that are open, which their own orders do not say."""
        for told in await self._listed("open", (), MOST_PAGES):
            self._names.learn_all(told)

    async def by_id(self, order_id: str, priority: Priority = Priority.READ) -> Value | None:
        return await self._one(paths.ORDER, of=order_id, priority=priority)

    async def _activities(
        self,
        query: dict[str, str],
        pages: int = MOST_PAGES,
        priority: Priority = Priority.READ,
    ) -> list[Value]:
        """Return activities page by page. Raises VenueUnavailableError where they do not end."""
        query = {**query, "page_size": str(ACTIVITY_PAGE)}
        found: list[Value] = []
        for _ in range(pages):
            rows = (await self._rest.ask(paths.ACTIVITIES, query, priority=priority)).items()
            found += rows
            if len(rows) < ACTIVITY_PAGE:
                return found
            token = rows[-1]["id"].text()
            if token == query.get("page_token"):
                raise rows[-1].wrong("is the page's own token")
            query["page_token"] = token
        if pages == 1:
            return found
        raise VenueUnavailableError(f"activities: more than {pages} pages")

    async def money_since(self, kinds: Iterable[str], since: datetime) -> list[Value]:
        """Return activities of *kinds* that were made at or after *since*."""
        return await self._activities(
            {
                "activity_types": ",".join(kinds),
                "after": stamped(since - ONE_SECOND),
                "direction": "asc",
            }
        )
