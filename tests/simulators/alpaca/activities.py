"""Account activities: fills, fees, transfers, dividends, and their pages."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from tests.simulators.alpaca.calendar import NEW_YORK
from tests.simulators.alpaca.orders import Order, Status
from tests.simulators.alpaca.refusals import malformed
from tests.simulators.alpaca.wording import moment_of, stamp
from tests.simulators.shared.money import text

LARGEST_PAGE: Final = 100
TRANSFERS: Final = frozenset({"CSD", "CSW"})
ULID: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


@dataclass(frozen=True)
class Activity:
    at: datetime
    body: dict[str, Any]
    event_id: str


Listener = Callable[[Activity], None]


class Activities:
    def __init__(self) -> None:
        self.all: list[Activity] = []
        self._listeners: list[Listener] = []

    def follow(self, listener: Listener) -> None:
        self._listeners.append(listener)

    def leave(self, listener: Listener) -> None:
        self._listeners.remove(listener)

    def fill(
        self, order: Order, at: datetime, execution: str, *, price: Decimal, quantity: Decimal
    ) -> None:
        whole = order.status is Status.FILLED
        self._add(
            at,
            execution,
            {
                "activity_type": "FILL",
                "transaction_time": stamp(at),
                "type": "fill" if whole else "partial_fill",
                "price": text(price),
                "qty": text(quantity),
                "side": order.side,
                "symbol": order.asset.symbol,
                "leaves_qty": text(order.left),
                "order_id": order.id,
                "cum_qty": text(order.filled),
                "order_status": order.status.value,
            },
        )

    def money(self, kind: str, at: datetime, amount: Decimal, **more: str) -> None:
        """One that moves cash (or, with *qty*, an asset): *kind* is CSD, CSW, FEE, CFEE, DIV …"""
        self._add(
            at,
            str(uuid.uuid4()),
            {
                "activity_type": kind,
                "date": f"{at.astimezone(NEW_YORK):%Y-%m-%d}",
                "net_amount": text(amount),
                "description": more.pop("description", ""),
                "status": "executed",
                "currency": "USD",
                "created_at": stamp(at),
                **more,
            },
        )

    def _add(self, at: datetime, reference: str, body: dict[str, Any]) -> None:
        number = f"{at.astimezone(UTC):%Y%m%d%H%M%S%f}"[:17]
        identity = {"id": f"{number}::{reference}"}
        activity = Activity(at, identity | body, ulid(at, len(self.all)))
        self.all.append(activity)
        for listener in tuple(self._listeners):
            listener(activity)

    def page(self, query: dict[str, str], kinds: frozenset[str]) -> list[dict[str, Any]]:
        """The answer of one GET; *kinds* empty is all. Newest first unless `direction=asc`.

        A9: `order_id` filters (since 2026-07-29).
        """
        size = _size(query)
        found = [each for each in self.all if _matches(each, query, kinds)]
        if query.get("direction", "desc") == "desc":
            found.reverse()
        token = query.get("page_token")
        if token:
            ids = [each.body["id"] for each in found]
            if token not in ids:
                raise malformed("invalid page_token")
            found = found[ids.index(token) + 1 :]
        return [each.body for each in found[:size]]


def kinds_of(names: str, category: str = "") -> frozenset[str]:
    """The activity types that *names* means: TRANS is both transfers."""
    if category and names:
        raise malformed("cannot specify both activity_types and category")
    if category == "trade_activity":
        return frozenset({"FILL"})
    if category == "non_trade_activity":
        return frozenset({"CSD", "CSW", "FEE", "CFEE", "DIV", "INT", "JNLC", "SPLIT"})
    kinds = {each for each in names.split(",") if each}
    return frozenset(kinds - {"TRANS"} | (TRANSFERS if "TRANS" in kinds else frozenset()))


def activity_event(activity: Activity) -> dict[str, Any]:
    """*activity* as the SSE endpoint tells it."""
    body = activity.body
    fill = body["activity_type"] == "FILL"
    day = f"{activity.at.astimezone(NEW_YORK):%Y-%m-%d}"
    details: dict[str, Any] = {"system_date": day}
    if fill:
        details = {
            name: body[name]
            for name in ("order_id", "side", "symbol", "leaves_qty", "cum_qty", "order_status")
        }
        details |= {"asset_id": str(uuid.uuid5(uuid.NAMESPACE_OID, body["symbol"]))}
        details |= {"execution_type": "fill"}
    told = {
        "at": stamp(activity.at),
        "event_id": activity.event_id,
        "activity_type": body["activity_type"],
        "executed_at": stamp(activity.at),
        "status": "executed",
        "settle_date": day,
        "currency": "USD",
        "ref_id": body["id"].partition("::")[2],
        "details": details,
    }
    for name in ("price", "qty", "net_amount"):
        if name in body:
            told[name] = body[name]
    return told


def ulid(at: datetime, number: int) -> str:
    """A ULID of *at*; later ones sort behind earlier ones, by *number* within a millisecond."""
    value = (int(at.timestamp() * 1000) << 80) | number
    digits = []
    for _ in range(26):
        digits.append(ULID[value & 31])
        value >>= 5
    return "".join(reversed(digits))


def _size(query: dict[str, str]) -> int:
    told = query.get("page_size", str(LARGEST_PAGE))
    if not told.isdecimal() or not 1 <= int(told) <= LARGEST_PAGE:
        raise malformed("invalid page_size")
    return int(told)


def _matches(activity: Activity, query: dict[str, str], kinds: frozenset[str]) -> bool:
    try:
        after = moment_of(query["after"]) if "after" in query else None
        until = moment_of(query["until"]) if "until" in query else None
    except ValueError as error:
        raise malformed(f"invalid date: {error}") from error
    day = query.get("date", "")[:10]
    return (
        (not kinds or activity.body["activity_type"] in kinds)
        and query.get("order_id", activity.body.get("order_id")) == activity.body.get("order_id")
        and (after is None or activity.at > after)
        and (until is None or activity.at < until)
        and day in {"", f"{activity.at:%Y-%m-%d}"}
    )
