"""Assets that are traded: a handful of stocks, each with a trait of its own, and two crypto pairs."""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from tests.simulators.shared.money import text

NAMES: Final = uuid.UUID("5b6de2b6-4c2c-4cc0-8f2c-6a7f1e1f6f10")


@dataclass(frozen=True, kw_only=True)
class Asset:
    symbol: str
    name: str
    kind: str = "us_equity"
    exchange: str = "NASDAQ"
    status: str = "active"
    tradable: bool = True
    marginable: bool = True
    shortable: bool = True
    easy_to_borrow: bool = True
    fractionable: bool = True
    attributes: tuple[str, ...] = ()
    min_order_size: Decimal | None = None
    min_trade_increment: Decimal | None = None
    price_increment: Decimal | None = None

    @property
    def id(self) -> str:
        return str(uuid.uuid5(NAMES, self.symbol))

    @property
    def is_crypto(self) -> bool:
        return self.kind == "crypto"

    @property
    def position_symbol(self) -> str:
        """BTCUSD of BTC/USD: positions and fee activities carry the compressed name."""
        return self.symbol.replace("/", "")

    @property
    def trades_overnight(self) -> bool:
        """A2: overnight_tradable, and not halted there."""
        return "overnight_tradable" in self.attributes and "overnight_halted" not in self.attributes


OVERNIGHT: Final = ("fractional_eh_enabled", "has_options", "overnight_tradable")

ASSETS: Final = (
    Asset(symbol="AAPL", name="Apple Inc. Common Stock", attributes=OVERNIGHT),
    Asset(symbol="MSFT", name="Microsoft Corporation Common Stock", attributes=OVERNIGHT),
    Asset(symbol="SPY", name="SPDR S&P 500 ETF Trust", exchange="ARCA", attributes=OVERNIGHT),
    Asset(symbol="TSLA", name="Tesla, Inc. Common Stock", attributes=("overnight_tradable",)),
    Asset(symbol="BRK.A", name="Berkshire Hathaway Inc.", exchange="NYSE", fractionable=False),
    Asset(symbol="PENY", name="Penny Holdings Common Stock", exchange="AMEX"),
    Asset(symbol="HARD", name="Hard To Borrow Corp.", exchange="NYSE", easy_to_borrow=False),
    Asset(symbol="LONG", name="Never Shorted Inc.", exchange="NYSE", shortable=False),
    Asset(symbol="HALT", name="Halted Overnight Inc.", attributes=(*OVERNIGHT, "overnight_halted")),
    Asset(symbol="GONE", name="Delisted Inc.", exchange="OTC", status="inactive", tradable=False),
    Asset(
        symbol="BTC/USD",
        name="Bitcoin / US Dollar",
        kind="crypto",
        exchange="CRYPTO",
        marginable=False,
        shortable=False,
        easy_to_borrow=False,
        min_order_size=Decimal("0.000026873"),
        min_trade_increment=Decimal("0.000000001"),
        price_increment=Decimal("0.01"),
    ),
    Asset(
        symbol="ETH/USD",
        name="Ethereum / US Dollar",
        kind="crypto",
        exchange="CRYPTO",
        marginable=False,
        shortable=False,
        easy_to_borrow=False,
        min_order_size=Decimal("0.000405"),
        min_trade_increment=Decimal("0.000000001"),
        price_increment=Decimal("0.001"),
    ),
    Asset(
        symbol="USDT/USD",
        name="USD Tether / US Dollar",
        kind="crypto",
        exchange="CRYPTO",
        marginable=False,
        shortable=False,
        easy_to_borrow=False,
        min_order_size=Decimal(1),
        min_trade_increment=Decimal("0.000000001"),
        price_increment=Decimal("0.0001"),
    ),
)


class Assets:
    """The assets by symbol, by compressed symbol and by id."""

    def __init__(self, assets: Iterable[Asset] = ASSETS) -> None:
        self._all = sorted(assets, key=lambda each: (each.kind, each.exchange, each.symbol))
        self._by_name = {
            name: each
            for each in self._all
            for name in (each.symbol, each.position_symbol, each.id)
        }

    def get(self, name: str) -> Asset | None:
        return self._by_name.get(name)

    def matching(self, query: dict[str, str]) -> list[Asset]:
        """The assets that GET /v2/assets lists for *query*: class (us_equity when none is named), status, …"""
        wanted = {each for each in query.get("attributes", "").split(",") if each}
        return [
            each
            for each in self._all
            if each.kind == query.get("asset_class", "us_equity")
            and query.get("status", each.status) == each.status
            and query.get("exchange", each.exchange) == each.exchange
            and (not wanted or wanted & set(each.attributes))
        ]


def asset_json(asset: Asset, *, easy_to_borrow: bool) -> dict[str, Any]:
    """A4: borrow_status speaks; easy_to_borrow is beyond its sunset and may be left out.

    alpaca-py 0.44 still requires it, so whether it is told is a setting.
    """
    told: dict[str, Any] = {
        "id": asset.id,
        "class": asset.kind,
        "exchange": asset.exchange,
        "symbol": asset.symbol,
        "name": asset.name,
        "status": asset.status,
        "tradable": asset.tradable,
        "marginable": asset.marginable,
        "shortable": asset.shortable,
        "fractionable": asset.fractionable,
        "attributes": list(asset.attributes),
    }
    if easy_to_borrow:
        told["easy_to_borrow"] = asset.easy_to_borrow
    if asset.is_crypto:
        for name in ("min_order_size", "min_trade_increment", "price_increment"):
            told[name] = text(getattr(asset, name))
    else:
        told["borrow_status"] = "easy_to_borrow" if asset.easy_to_borrow else "hard_to_borrow"
        told["cusip"] = None
        told["maintenance_margin_requirement"] = 30
        told["margin_requirement_long"] = "30"
        told["margin_requirement_short"] = "30"
    return told
