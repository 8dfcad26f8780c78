"""S11: a symbol as exchangeInfo describes it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

Row = Mapping[str, Any]
ORDER_TYPES = (
    "LIMIT",
    "LIMIT_MAKER",
    "MARKET",
    "STOP_LOSS",
    "STOP_LOSS_LIMIT",
    "TAKE_PROFIT",
    "TAKE_PROFIT_LIMIT",
)
# TRANSFER is allowed on every symbol since April 2026.
PREVENTION_MODES = (
    "NONE",
    "EXPIRE_TAKER",
    "EXPIRE_MAKER",
    "EXPIRE_BOTH",
    "DECREMENT",
    "TRANSFER",
)


@dataclass(frozen=True)
class Symbol:
    """Rules of one symbol; its filters are the rows that the venue prints."""

    name: str
    base: str
    quote: str
    filters: tuple[Row, ...]
    status: str = "TRADING"
    order_types: Sequence[str] = ORDER_TYPES
    iceberg_allowed: bool = True
    oco_allowed: bool = True
    oto_allowed: bool = True
    opo_allowed: bool = True
    quote_order_qty_allowed: bool = True
    trailing_stop_allowed: bool = True
    cancel_replace_allowed: bool = True
    amend_allowed: bool = True
    peg_allowed: bool = False
    default_prevention: str = "EXPIRE_MAKER"
    preventions: Sequence[str] = PREVENTION_MODES
    execution_rule: Row | None = None  # S3: the PRICE_RANGE row of executionRules

    def filter(self, kind: str) -> Row | None:
        return next((row for row in self.filters if row["filterType"] == kind), None)

    def with_filter(self, **row: Any) -> "Symbol":
        """Put *row* in the place of the filter of its type, or beside the others."""
        kept = tuple(old for old in self.filters if old["filterType"] != row["filterType"])
        return replace(self, filters=(*kept, row))

    def lot_step(self) -> Decimal:
        row = self.filter("LOT_SIZE")
        return Decimal(row["stepSize"]) if row else Decimal(0)

    def tick(self) -> Decimal:
        row = self.filter("PRICE_FILTER")
        return Decimal(row["tickSize"]) if row else Decimal(0)

    def row(self, *, permission_sets: bool = True) -> dict[str, Any]:
        return {
            "symbol": self.name,
            "status": self.status,
            "baseAsset": self.base,
            "baseAssetPrecision": 8,
            "quoteAsset": self.quote,
            "quotePrecision": 8,
            "quoteAssetPrecision": 8,
            "baseCommissionPrecision": 8,
            "quoteCommissionPrecision": 8,
            "orderTypes": list(self.order_types),
            "icebergAllowed": self.iceberg_allowed,
            "ocoAllowed": self.oco_allowed,
            "otoAllowed": self.oto_allowed,
            "opoAllowed": self.opo_allowed,
            "quoteOrderQtyMarketAllowed": self.quote_order_qty_allowed,
            "allowTrailingStop": self.trailing_stop_allowed,
            "cancelReplaceAllowed": self.cancel_replace_allowed,
            "amendAllowed": self.amend_allowed,
            "pegInstructionsAllowed": self.peg_allowed,
            "isSpotTradingAllowed": True,
            "isMarginTradingAllowed": False,
            "filters": [dict(row) for row in self.filters],
            "permissions": [],
            "permissionSets": [["SPOT"]] if permission_sets else [],
            "defaultSelfTradePreventionMode": self.default_prevention,
            "allowedSelfTradePreventionModes": list(self.preventions),
        }


def usual_filters(tick: str = "0.01", step: str = "0.00001") -> tuple[Row, ...]:
    """Build the filters of a usual symbol: the rows and their order as the venue lists them (S9)."""
    return (
        {
            "filterType": "PRICE_FILTER",
            "minPrice": _eight(tick),
            "maxPrice": "1000000.00000000",
            "tickSize": _eight(tick),
        },
        {
            "filterType": "LOT_SIZE",
            "minQty": _eight(step),
            "maxQty": "9000.00000000",
            "stepSize": _eight(step),
        },
        {"filterType": "ICEBERG_PARTS", "limit": 100},
        {
            "filterType": "MARKET_LOT_SIZE",
            "minQty": "0.00000000",
            "maxQty": "120.00000000",
            "stepSize": "0.00000000",
        },
        {
            "filterType": "TRAILING_DELTA",
            "minTrailingAboveDelta": 10,
            "maxTrailingAboveDelta": 2000,
            "minTrailingBelowDelta": 10,
            "maxTrailingBelowDelta": 2000,
        },
        {
            "filterType": "PERCENT_PRICE_BY_SIDE",
            "bidMultiplierUp": "5",
            "bidMultiplierDown": "0.2",
            "askMultiplierUp": "5",
            "askMultiplierDown": "0.2",
            "avgPriceMins": 5,
        },
        {
            "filterType": "NOTIONAL",
            "minNotional": "5.00000000",
            "applyMinToMarket": True,
            "maxNotional": "9000000.00000000",
            "applyMaxToMarket": False,
            "avgPriceMins": 5,
        },
        {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": 200},
        {"filterType": "MAX_NUM_ORDER_LISTS", "maxNumOrderLists": 20},
        {"filterType": "MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders": 5},
        {"filterType": "MAX_NUM_ORDER_AMENDS", "maxNumOrderAmends": 10},
    )


def _eight(number: str) -> str:
    return f"{Decimal(number):.8f}"
