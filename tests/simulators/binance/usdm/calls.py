"""Calls: what a request asks of the venue, whether it came by REST or by the WebSocket API."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum

from tests.simulators.binance.signing import ApiKey
from tests.simulators.binance.usdm.account import Account
from tests.simulators.binance.usdm.amounts import integer_of
from tests.simulators.binance.usdm.order_requests import needed
from tests.simulators.binance.usdm.refusals import RefusalError
from tests.simulators.binance.usdm.venue import Venue

DAY_MS = 24 * 60 * 60 * 1000


class Security(Enum):
    """What a request must bring along."""

    NONE = "nothing"
    KEY = "the key's header"
    SIGNED = "the key's header, a timestamp and a signature"


@dataclass(frozen=True)
class Call:
    venue: Venue
    params: Mapping[str, str]
    owner: Account | None = None
    key: ApiKey | None = None

    @property
    def account(self) -> Account:
        if self.owner is None:
            raise RefusalError(-2015)
        return self.owner

    def text(self, name: str) -> str:
        return needed(self.params, name)

    def number(self, name: str) -> int | None:
        given = self.params.get(name)
        return integer_of(given, name) if given else None

    def limit(self, default: int, largest: int) -> int:
        """The limit, never more than the venue gives; zero and less are refused."""
        given = self.number("limit")
        if given is None:
            return default
        if given <= 0:
            raise RefusalError(-1130, name="limit")
        return min(given, largest)

    def symbol(self) -> str | None:
        """The symbol, if one was sent.

        Raises:
            RefusalError: -1121 for an unknown one.
        """
        given = self.params.get("symbol")
        if given and given not in self.venue.instruments:
            raise RefusalError(-1121)
        return given or None

    def span(self, days: int, oldest_days: int) -> tuple[int, int]:
        """Read startTime and endTime in milliseconds, the last *days* by default.

        Raises:
            RefusalError: -4165 for more than *days* at once; what is older than *oldest_days* is
                silently not there.
        """
        now = self.venue.now_ms()
        start, end = self.number("startTime"), self.number("endTime")
        if start is not None and end is not None and end - start > days * DAY_MS:
            raise RefusalError(-4165, f"Invalid time interval. Maximum time interval is {days} days.")  # fmt: skip
        if start is None:
            start = (now if end is None else end) - days * DAY_MS
        if end is None:
            end = start + days * DAY_MS
        return max(start, now - oldest_days * DAY_MS), end


Weight = Callable[[Mapping[str, str]], int]


def fixed(weight: int) -> Weight:
    return lambda _: weight


def one_or_all(one: int, everything: int) -> Weight:
    """A weight that depends on whether a symbol was sent."""
    return lambda params: one if params.get("symbol") else everything


@dataclass(frozen=True)
class Endpoint:
    """One operation.

    Attributes:
        operation: the word that faults know it by: place (with .market, .limit), place.stop,
            cancel.order, query.stop …
        orders: how many it adds to the order counts.
        permission: the field of apiRestrictions that the key must have; "" for none.
        headers_lie: the used-weight header of its answers is wrong (F16).
    """

    handle: Callable[[Call], object]
    weight: Weight
    security: Security = Security.SIGNED
    operation: str = ""
    orders: int = 0
    headers_lie: bool = False
    permission: str = "enableFutures"
