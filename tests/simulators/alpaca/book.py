"""All orders of the account, and how they are listed."""

from collections.abc import Callable, Iterable
from typing import Any, Final

from tests.simulators.alpaca.orders import Order, order_json
from tests.simulators.alpaca.refusals import malformed, not_found
from tests.simulators.alpaca.wording import moment_of

DEFAULT_LIMIT: Final = 50
LARGEST_LIMIT: Final = 500


class Book:
    def __init__(self) -> None:
        self._by_id: dict[str, Order] = {}
        self._by_client_id: dict[str, Order] = {}

    def add(self, order: Order) -> None:
        self._by_id[order.id] = order
        self._by_client_id[order.client_order_id] = order

    def knows_client_id(self, client_order_id: str) -> bool:
        """Whether the id was ever used: it is never free again, whatever became of the order."""
        return client_order_id in self._by_client_id

    def get(self, order_id: str) -> Order:
        """Raises RequestRefusedError (404) when there is none."""
        if order_id not in self._by_id:
            raise not_found(f"order not found for {order_id}")
        return self._by_id[order_id]

    def by_client_id(self, client_order_id: str) -> Order:
        """Raises RequestRefusedError (404) when there is none."""
        if client_order_id not in self._by_client_id:
            raise not_found(f"order not found for {client_order_id}")
        return self._by_client_id[client_order_id]

    @property
    def all(self) -> Iterable[Order]:
        """Oldest first."""
        return self._by_id.values()

    def open(self, symbol: str = "") -> list[Order]:
        return [
            each
            for each in self._by_id.values()
            if each.is_open and symbol in {"", each.asset.symbol}
        ]

    def listed(self, query: dict[str, str]) -> list[dict[str, Any]]:
        """The answer of GET /v2/orders.

        A7: 50 unless `limit` says more (500 at most), newest first; `before_order_id` and
        `after_order_id` exclude each other, and `after` and `until`.
        """
        nested = query.get("nested", "").lower() == "true"
        limit = _limit(query)
        wanted = _filter(query)
        found = [each for each in self._by_id.values() if wanted(each)]
        if nested:  # a parent stands for its legs: it is listed when one of them is wanted
            heads = {id(each.group.parent if each.group else each) for each in found}
            found = [each for each in self._by_id.values() if id(each) in heads]
        found = self._between(found, query)
        if query.get("direction", "desc") == "desc":
            found.reverse()
        return [order_json(each, nested=nested) for each in found[:limit]]

    def _between(self, found: list[Order], query: dict[str, str]) -> list[Order]:
        cursors = [name for name in ("before_order_id", "after_order_id") if name in query]
        if not cursors:
            return found
        if len(cursors) > 1 or "after" in query or "until" in query:
            raise malformed("before_order_id, after_order_id and after/until exclude each other")
        order = list(self._by_id)
        if query[cursors[0]] not in order:
            raise malformed(f"invalid {cursors[0]}")
        at = order.index(query[cursors[0]])
        side = set(order[:at] if cursors[0] == "before_order_id" else order[at + 1 :])
        return [each for each in found if each.id in side]


def _limit(query: dict[str, str]) -> int:
    told = query.get("limit", str(DEFAULT_LIMIT))
    if not told.isdecimal() or not 1 <= int(told) <= LARGEST_LIMIT:
        raise malformed("invalid limit")
    return int(told)


def _filter(query: dict[str, str]) -> Callable[[Order], bool]:
    state = query.get("status", "open")
    if state not in {"open", "closed", "all"}:
        raise malformed("invalid status")
    symbols = {each.replace("/", "") for each in query.get("symbols", "").split(",") if each}
    kinds = {each for each in query.get("asset_class", "all").split(",") if each}
    try:
        after = moment_of(query["after"]) if "after" in query else None
        until = moment_of(query["until"]) if "until" in query else None
    except ValueError as error:
        raise malformed(f"invalid date: {error}") from error

    def wanted(order: Order) -> bool:
        return (
            (state == "all" or order.is_open == (state == "open"))
            and (not symbols or order.asset.position_symbol in symbols)
            and query.get("side", order.side) == order.side
            and ("all" in kinds or order.asset.kind in kinds)
            and (after is None or order.submitted_at > after)
            and (until is None or order.submitted_at < until)
        )

    return wanted
