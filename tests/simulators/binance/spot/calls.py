"""Calls of the venue: what both the REST and the WebSocket API let a client ask."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.simulators.binance.errors import refusal
from tests.simulators.binance.signing import ApiKey
from tests.simulators.binance.spot.accounts import Account
from tests.simulators.binance.spot.market import Market
from tests.simulators.binance.spot.venue import Venue

Params = Mapping[str, str]
SIGNED = frozenset({"timestamp", "recvWindow", "signature"})


@dataclass
class Call:
    """One request whose key, time and signature were found good."""

    venue: Venue
    params: Params
    account: Account | None = None
    key: ApiKey | None = None
    admit: Callable[[int], None] = lambda _: None  # counts orders on their way to the engine

    @property
    def owner(self) -> Account:
        """The account that asks; a public endpoint has none."""
        assert self.account is not None
        return self.account

    def market(self, name: str = "symbol") -> Market:
        """Find the market of a mandatory symbol; raises -1102 without, -1121 for an unknown one."""
        symbol = self.params.get(name)
        if not symbol:
            raise refusal(-1102, name)
        if symbol not in self.venue.markets:
            raise refusal(-1121)
        return self.venue.markets[symbol]


Handler = Callable[[Call], Any]
Weight = Callable[[Params], int]


@dataclass(frozen=True)
class Endpoint:
    """One endpoint.

    *names*: parameters that it reads. *method_name*: of the WebSocket API. *free*: S1, successes cost
    no weight. *word*: what faults call it; with the order's type behind a dot where it places one.
    """

    method: str
    path: str
    handler: Handler
    weight: int | Weight
    names: frozenset[str]
    security: str = "NONE"
    method_name: str = ""
    free: bool = False
    word: str = ""

    @property
    def permission(self) -> str:
        """The field of apiRestrictions that a key must have."""
        return {
            "NONE": "",
            "TRADE": "enableSpotAndMarginTrading",
            "USER_DATA": "enableReading",
            "USER_STREAM": "enableReading",
        }[self.security]

    def weight_of(self, params: Params) -> int:
        return self.weight if isinstance(self.weight, int) else self.weight(params)


def names(text: str) -> frozenset[str]:
    return frozenset(text.split())


def limit_of(params: Params, default: int = 500, most: int = 1000) -> int:
    """Read `limit`; beyond the maximum it is the maximum."""
    text = params.get("limit")
    if text is None:
        return default
    if not text.isdecimal() or not int(text):
        raise refusal(-1130, "limit")
    return min(int(text), most)


def flag_of(params: Params, name: str, *, default: bool) -> bool:
    value = params.get(name)
    if value is None:
        return default
    if value.lower() not in {"true", "false"}:
        raise refusal(-1130, name)
    return value.lower() == "true"
