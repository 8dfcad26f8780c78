"""Instruments: filters, brackets and status. The numbers are invented, the shape is the venue's."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from tests.simulators.binance.usdm.amounts import ZERO, plain, shown
from tests.simulators.binance.usdm.refusals import RefusalError

ORDER_TYPES = (
    "LIMIT", "MARKET", "STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET", "TRAILING_STOP_MARKET",
)  # fmt: skip
TIMES_IN_FORCE = ("GTC", "IOC", "FOK", "GTX", "GTD")


@dataclass(frozen=True)
class Bracket:
    """One step of the leverage brackets: notional from *floor* (excluded) to *cap*."""

    number: int
    leverage: int
    floor: Decimal
    cap: Decimal
    maintenance: Decimal
    deducted: Decimal

    def row(self) -> dict[str, object]:
        return {
            "bracket": self.number,
            "initialLeverage": self.leverage,
            "notionalCap": int(self.cap),
            "notionalFloor": int(self.floor),
            "maintMarginRatio": float(self.maintenance),
            "cum": float(self.deducted),
        }


def brackets(*steps: tuple[int, int, str]) -> tuple[Bracket, ...]:
    """Brackets of (leverage, notional cap, maintenance ratio); what is deducted keeps them continuous."""
    made: list[Bracket] = []
    for number, (leverage, cap, ratio) in enumerate(steps, 1):
        floor = made[-1].cap if made else ZERO
        before = made[-1] if made else None
        deducted = (
            before.deducted + floor * (Decimal(ratio) - before.maintenance) if before else ZERO
        )
        made.append(Bracket(number, leverage, floor, Decimal(cap), Decimal(ratio), deducted))
    return tuple(made)


USUAL_BRACKETS = brackets(
    (125, 50_000, "0.004"), (100, 250_000, "0.005"), (50, 1_000_000, "0.01"), (20, 10_000_000, "0.025"),
    (10, 20_000_000, "0.05"), (5, 50_000_000, "0.1"), (1, 500_000_000, "0.5"),
)  # fmt: skip


@dataclass
class Instrument:
    """What exchangeInfo says of one contract. Tests change a field to move a filter or the status."""

    symbol: str
    base: str
    tick: Decimal
    step: Decimal
    price: Decimal
    quote: str = "USDT"
    contract_type: str = "PERPETUAL"
    underlying_type: str = "COIN"
    status: str = "TRADING"
    price_places: int = 2
    quantity_places: int = 3
    min_price: Decimal = Decimal("0.01")
    max_price: Decimal = Decimal(10_000_000)
    min_quantity: Decimal = Decimal("0.001")
    max_quantity: Decimal = Decimal(1000)
    max_market_quantity: Decimal = Decimal(120)
    notional: Decimal = Decimal(5)
    multiplier_up: Decimal = Decimal("1.05")
    multiplier_down: Decimal = Decimal("0.95")
    trigger_protect: Decimal = Decimal("0.05")
    market_take_bound: Decimal = Decimal("0.05")
    liquidation_fee: Decimal = Decimal("0.0125")
    max_orders: int = 200
    steps: Sequence[Bracket] = field(default=USUAL_BRACKETS)

    @property
    def margin_asset(self) -> str:
        return self.quote

    @property
    def max_leverage(self) -> int:
        return self.steps[0].leverage

    def max_notional(self, leverage: int) -> Decimal:
        """The largest position that *leverage* allows, in the quote currency."""
        return max(step.cap for step in self.steps if step.leverage >= leverage)

    def maintenance(self, notional: Decimal) -> Decimal:
        for step in self.steps:
            if notional <= step.cap:
                return notional * step.maintenance - step.deducted
        last = self.steps[-1]
        return notional * last.maintenance - last.deducted

    def shown_price(self, price: Decimal) -> str:
        return shown(price, self.price_places)

    def shown_quantity(self, quantity: Decimal) -> str:
        return shown(quantity, self.quantity_places)

    def filters(self) -> list[dict[str, object]]:
        """F4: the venue has no MAX_NUM_ALGO_ORDERS here since the conditional orders moved."""
        return [
            {
                "filterType": "PRICE_FILTER",
                "maxPrice": plain(self.max_price),
                "minPrice": plain(self.min_price),
                "tickSize": plain(self.tick),
            },
            {
                "filterType": "LOT_SIZE",
                "maxQty": plain(self.max_quantity),
                "minQty": plain(self.min_quantity),
                "stepSize": plain(self.step),
            },
            {
                "filterType": "MARKET_LOT_SIZE",
                "maxQty": plain(self.max_market_quantity),
                "minQty": plain(self.min_quantity),
                "stepSize": plain(self.step),
            },
            {"filterType": "MAX_NUM_ORDERS", "limit": self.max_orders},
            {"filterType": "MIN_NOTIONAL", "notional": plain(self.notional)},
            {
                "filterType": "PERCENT_PRICE",
                "multiplierUp": shown(self.multiplier_up, 4),
                "multiplierDown": shown(self.multiplier_down, 4),
                "multiplierDecimal": "4",
            },
            {"filterType": "POSITION_RISK_CONTROL", "positionControlSide": "NONE"},
        ]

    def row(self) -> dict[str, object]:
        return {
            "symbol": self.symbol,
            "pair": self.symbol,
            "contractType": self.contract_type,
            "deliveryDate": 4133404800000,
            "onboardDate": 1569398400000,
            "status": self.status,
            "maintMarginPercent": "2.5000",
            "requiredMarginPercent": "5.0000",
            "baseAsset": self.base,
            "quoteAsset": self.quote,
            "marginAsset": self.margin_asset,
            "pricePrecision": self.price_places,
            "quantityPrecision": self.quantity_places,
            "baseAssetPrecision": 8,
            "quotePrecision": 8,
            "underlyingType": self.underlying_type,
            "underlyingSubType": ["TradFi"] if is_tradfi(self) else ["PoW"],
            "triggerProtect": shown(self.trigger_protect, 4),
            "liquidationFee": shown(self.liquidation_fee, 6),
            "marketTakeBound": plain(self.market_take_bound),
            "maxMoveOrderLimit": 10000,
            "filters": self.filters(),
            "orderTypes": list(ORDER_TYPES),
            "timeInForce": list(TIMES_IN_FORCE),
            "permissionSets": ["GRID", "COPY"],
        }


def is_tradfi(instrument: Instrument) -> bool:
    """F14: shares and commodities trade as perpetuals of a contract type of their own."""
    return instrument.contract_type == "TRADIFI_PERPETUAL"


def usual_instruments() -> dict[str, Instrument]:
    """The instruments of a new simulator: two coins, one cheap coin and one share."""
    listed = [
        Instrument("BTCUSDT", "BTC", Decimal("0.10"), Decimal("0.001"), Decimal(60000), notional=Decimal(50)),
        Instrument("ETHUSDT", "ETH", Decimal("0.01"), Decimal("0.001"), Decimal(3000), notional=Decimal(20), max_quantity=Decimal(10_000), max_market_quantity=Decimal(2000)),
        Instrument(
            "DOGEUSDT", "DOGE", Decimal("0.00001"), Decimal(1), Decimal("0.15"), price_places=6, quantity_places=0, min_price=Decimal("0.00244"), max_price=Decimal(30),
            min_quantity=Decimal(1), max_quantity=Decimal(50_000_000), max_market_quantity=Decimal(30_000_000),
        ),
        Instrument(
            "TSLAUSDT", "TSLA", Decimal("0.01"), Decimal("0.01"), Decimal(400), contract_type="TRADIFI_PERPETUAL", underlying_type="EQUITY", quantity_places=2,
            min_quantity=Decimal("0.01"), max_quantity=Decimal(10_000), max_market_quantity=Decimal(500), steps=brackets((20, 100_000, "0.025"), (10, 1_000_000, "0.05")),
        ),
    ]  # fmt: skip
    return {instrument.symbol: instrument for instrument in listed}


def listed(instruments: dict[str, Instrument], symbol: str) -> Instrument:
    """The instrument of that name.

    Raises:
        RefusalError: -1121 when there is none.
    """
    if symbol not in instruments:
        raise RefusalError(-1121)
    return instruments[symbol]
