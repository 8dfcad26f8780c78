"""Allow-list of Alpaca: each call that the adapter can make, at its trading and its data host.

A call that is not in this list cannot be made. A10: nothing of wallets, whitelists, perpetuals,
tokenization, locates (they cost) and exercises is here, and nothing that closes or cancels in bulk.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from tradebotd.net.allow_list import ANY_SEGMENT


class Host(StrEnum):
    TRADING = "trading"
    DATA = "data"


@dataclass(frozen=True, slots=True)
class Call:
    """One call. *acts*: it sends, replaces or cancels an order."""

    method: str
    path: str
    host: Host = Host.TRADING
    acts: bool = False

    def of(self, name: str) -> str:
        """Return the path with *name* in its place."""
        return self.path.replace(ANY_SEGMENT, name)


ACCOUNT: Final = Call("GET", "/v2/account")
POSITIONS: Final = Call("GET", "/v2/positions")
CLOCK: Final = Call("GET", "/v2/clock")
ACTIVITIES: Final = Call("GET", "/v2/account/activities")
ASSETS: Final = Call("GET", "/v2/assets")
ASSET: Final = Call("GET", "/v2/assets/{}")
ORDERS: Final = Call("GET", "/v2/orders")
ORDER: Final = Call("GET", "/v2/orders/{}")
ORDER_BY_CLIENT_ID: Final = Call("GET", "/v2/orders:by_client_order_id")
PLACE: Final = Call("POST", "/v2/orders", acts=True)
REPLACE: Final = Call("PATCH", "/v2/orders/{}", acts=True)
CANCEL: Final = Call("DELETE", "/v2/orders/{}", acts=True)
STOCK_TRADES: Final = Call("GET", "/v2/stocks/trades/latest", Host.DATA)
STOCK_QUOTES: Final = Call("GET", "/v2/stocks/quotes/latest", Host.DATA)
STOCK_BARS: Final = Call("GET", "/v2/stocks/bars", Host.DATA)
CRYPTO_TRADES: Final = Call("GET", "/v1beta3/crypto/us/latest/trades", Host.DATA)
CRYPTO_QUOTES: Final = Call("GET", "/v1beta3/crypto/us/latest/quotes", Host.DATA)

CALLS: Final = (
    *(ACCOUNT, POSITIONS, CLOCK, ACTIVITIES, ASSETS, ASSET),
    *(ORDERS, ORDER, ORDER_BY_CLIENT_ID, PLACE, REPLACE, CANCEL),
    *(STOCK_TRADES, STOCK_QUOTES, STOCK_BARS, CRYPTO_TRADES, CRYPTO_QUOTES),
)


def allowed(host: Host) -> tuple[tuple[str, str], ...]:
    """Return the pairs of a method and a path that may be called at *host*."""
    return tuple((each.method, each.path) for each in CALLS if each.host is host)
