"""Rate limits of a Binance interface, as windows of the gate that all calls pass.

Weights and raw requests are counted by address, unfilled orders by account. What is in force is
read from `exchangeInfo` (S2: the documents print an old number); until then the usual values hold.
The headers of each answer say what the venue has counted.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Final

from tradebotd.net.gate import Gate
from tradebotd.net.rate_limit import Costs
from tradebotd.ports.clock import HostClock
from tradebotd.venues.binance.calls import Call
from tradebotd.venues.binance.payload import Node

WEIGHT: Final = "REQUEST_WEIGHT"
RAW: Final = "RAW_REQUESTS"
ORDERS: Final = "ORDERS"
SHARE_OF_MANY: Final = 0.6  # of a window's weight, for questions about many symbols
_LETTERS: Final = {"SECOND": "S", "MINUTE": "M", "HOUR": "H", "DAY": "D"}
_SECONDS: Final = {"S": 1, "M": 60, "H": 3_600, "D": 86_400}
_HEADER: Final = re.compile(r"x-mbx-(used-weight|order-count)-(\d{1,5})([smhd])", re.ASCII)
_COUNTED: Final = {"used-weight": WEIGHT, "order-count": ORDERS}
_NUMBER: Final = re.compile(r"\d{1,9}", re.ASCII)


def address(product: str, *, live: bool) -> str:
    """Return the name of the gate that all of *product* share, by whatever URL they ask.

    The venue counts weights, and bans, by the address that asks: its mirrors are no second count.
    """
    return f"binance {product}" if live else f"binance {product} test"


class Limits:
    """Windows of one account at one address. *account* tells its orders from those of others."""

    def __init__(
        self,
        gate: Gate,
        host: HostClock,
        account: str,
        usual: Mapping[str, int],
        *,
        success_is_free: bool = True,
    ) -> None:
        """*usual*: limits by kind and window (`REQUEST_WEIGHT_1M`).

        *success_is_free*: an order or a cancel that succeeds costs no weight (S1: spot alone).
        """
        self.gate = gate
        self._success_is_free = success_is_free
        self._host, self._account = host, account
        self._names: dict[str, set[str]] = {}  # by kind
        self.ban_ends_at: datetime | None = None  # as the venue has told it last
        for name, limit in usual.items():
            self._set(name, limit)

    def costs(self, call: Call) -> Costs:
        """Return what *call* may cost at most: an order that fails costs its documented weight."""
        return {
            **dict.fromkeys(self._named(WEIGHT), call.weight),
            **dict.fromkeys(self._named(RAW), 1),
            **(dict.fromkeys(self._named(ORDERS), call.orders) if call.orders else {}),
        }

    def spare(self) -> int:
        """Return the weight that questions about many symbols may spend now.

        They leave a part of each window to whatever else is asked: an order's state, the balances.
        """
        now, left = self._host.monotonic(), []
        for name in self._named(WEIGHT):
            if (window := self.gate.limits.window(name)) is not None:
                used = window.own(now) + window.others(now)
                left.append(int(window.limit * SHARE_OF_MANY) - used)
        return max(0, min(left, default=0))

    def weighing(self, weight: int) -> Costs:
        """Return the costs of what weighs so much and is no call of the REST interface."""
        return dict.fromkeys(self._named(WEIGHT), weight)

    def spent(self, call: Call, *, succeeded: bool) -> Costs:
        """S1: return what *call* has cost: an order or a cancel that succeeded, no weight."""
        costs = dict(self.costs(call))
        if call.acts and succeeded and self._success_is_free:
            costs |= dict.fromkeys(self._named(WEIGHT), 0)
        return costs

    def learn(self, told: Node) -> None:
        """S2: take the limits of `exchangeInfo`'s `rateLimits`. Raises MalformedAnswerError."""
        for each in told.items():
            kind, letter = each.text("rateLimitType"), _LETTERS.get(each.text("interval"))
            number, limit = each.integer("intervalNum"), each.integer("limit")
            if kind in {WEIGHT, RAW, ORDERS} and letter and 0 < number < 10**5 and limit > 0:
                self._set(f"{kind}_{number}{letter}", limit)

    def observe(self, headers: Mapping[str, str]) -> None:
        """Take what the headers of an answer say was used.

        S20: fills lower the count of orders, by what no document promises: the header is believed
        where it is less than our own count, too.
        """
        for name, used in _used(headers):
            full_name = self._full_name(name)
            window = self.gate.limits.window(full_name)
            if window is None:
                continue
            excess = window.own(self._host.monotonic()) - used
            if name.startswith(ORDERS) and excess > 0:
                self.gate.settle({full_name: excess}, {})
            self.gate.observe(full_name, used)

    def ban(self, reason: str, until: datetime | None) -> None:
        """Let nobody ask until then; None: the venue tells no end."""
        self.ban_ends_at = until
        self.gate.ban(reason, until)

    def hold_orders(self, retry_after: float | None) -> None:
        """S17: place no order for *retry_after* seconds: too many are unfilled (-1015)."""
        seconds = 10.0 if retry_after is None else retry_after
        for name in self._named(ORDERS):
            window = self.gate.limits.window(name)
            if window is not None and window.seconds >= min(seconds, 86_400):
                resets_at = self._host.now() + timedelta(seconds=seconds)
                self.gate.observe(name, window.limit, resets_at)
                return

    def _set(self, name: str, limit: int) -> None:
        kind, _, span = name.rpartition("_")
        full_name = self._full_name(name)
        self._names.setdefault(kind, set()).add(full_name)
        seconds = float(int(span[:-1]) * _SECONDS[span[-1]])
        self.gate.limits.set_limit(full_name, limit, seconds)

    def _named(self, kind: str) -> list[str]:
        """Return the names of the windows of one *kind*, the shortest first."""
        return sorted(self._names.get(kind, ()), key=self._seconds)

    def _seconds(self, name: str) -> float:
        window = self.gate.limits.window(name)
        return 0.0 if window is None else window.seconds

    def _full_name(self, name: str) -> str:
        return f"{name} {self._account}" if name.startswith(ORDERS) else name


def _used(headers: Mapping[str, str]) -> Iterator[tuple[str, int]]:
    for header, value in headers.items():
        found = _HEADER.fullmatch(header)
        if found is not None and _NUMBER.fullmatch(value):
            yield f"{_COUNTED[found[1]]}_{found[2]}{found[3].upper()}", int(value)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds of `Retry-After`; None where it is left out, or is no number."""
    told = headers.get("retry-after", "")
    return float(told) if _NUMBER.fullmatch(told) else None
