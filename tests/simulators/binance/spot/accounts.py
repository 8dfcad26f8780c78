"""Accounts: free and locked balances, commission rates, and the events that tell of both."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from tests.simulators.binance.spot.figures import ZERO, shown, truncated


@dataclass
class Balance:
    free: Decimal = ZERO
    locked: Decimal = ZERO

    @property
    def total(self) -> Decimal:
        return self.free + self.locked


@dataclass(frozen=True)
class Rates:
    """One group of commission rates, parts of one."""

    maker: Decimal = ZERO
    taker: Decimal = ZERO
    buyer: Decimal = ZERO
    seller: Decimal = ZERO

    def of(self, *, maker: bool, buyer: bool) -> Decimal:
        return (self.maker if maker else self.taker) + (self.buyer if buyer else self.seller)

    def row(self) -> dict[str, str]:
        return {
            "maker": shown(self.maker),
            "taker": shown(self.taker),
            "buyer": shown(self.buyer),
            "seller": shown(self.seller),
        }


@dataclass(frozen=True)
class Commission:
    """Rates of an account: the discount (a factor taken off) is on the standard ones alone."""

    standard: Rates = Rates(maker=Decimal("0.001"), taker=Decimal("0.001"))
    special: Rates = Rates()
    tax: Rates = Rates()
    discount: Decimal = Decimal("0.25")
    discount_asset: str = "BNB"
    pays_in_discount_asset: bool = False

    def rate(self, *, maker: bool, buyer: bool, discounted: bool) -> Decimal:
        standard = self.standard.of(maker=maker, buyer=buyer)
        kept = standard * (1 - self.discount) if discounted else standard
        others = self.special.of(maker=maker, buyer=buyer) + self.tax.of(maker=maker, buyer=buyer)
        return kept + others

    def row(self, symbol: str) -> dict[str, Any]:
        return {
            "symbol": symbol,
            "standardCommission": self.standard.row(),
            "specialCommission": self.special.row(),
            "taxCommission": self.tax.row(),
            "discount": {
                "enabledForAccount": self.pays_in_discount_asset,
                "enabledForSymbol": True,
                "discountAsset": self.discount_asset,
                "discount": shown(self.discount),
            },
        }


@dataclass
class Account:
    """One account of the venue; amounts move by its methods only."""

    name: str
    uid: int
    commission: Commission = Commission()
    group: int = -1  # tradeGroupId: accounts that may not trade with each other
    can_trade: bool = True
    updated_ms: int = 0
    max_asset: Mapping[str, Decimal] = field(default_factory=dict)  # MAX_ASSET filters
    balances: dict[str, Balance] = field(default_factory=lambda: defaultdict(Balance))
    events: list[dict[str, Any]] = field(default_factory=list)  # of the user stream, all of them

    def free(self, asset: str) -> Decimal:
        return self.balances[asset].free

    def add(self, asset: str, amount: Decimal) -> None:
        """Change the free balance; raises ValueError where it would be negative."""
        balance = self.balances[asset]
        if balance.free + amount < 0:
            raise ValueError(f"{self.name} has not {-amount} {asset} free")
        balance.free += amount

    def lock(self, asset: str, amount: Decimal) -> None:
        """Move *amount* from free to locked; a negative one moves it back."""
        self.add(asset, -amount)
        balance = self.balances[asset]
        if balance.locked + amount < 0:
            raise ValueError(f"{self.name} has not {-amount} {asset} locked")
        balance.locked += amount

    def spend_locked(self, asset: str, amount: Decimal) -> None:
        self.lock(asset, -amount)
        self.add(asset, -amount)

    def position_event(self, assets: Iterable[str], now_ms: int) -> dict[str, Any]:
        """Build outboundAccountPosition of *assets*."""
        self.updated_ms = now_ms
        rows = [
            {
                "a": asset,
                "f": shown(self.balances[asset].free),
                "l": shown(self.balances[asset].locked),
            }
            for asset in sorted(set(assets))
        ]
        return {"e": "outboundAccountPosition", "E": now_ms, "u": now_ms, "B": rows}

    def row(self, *, omit_zero: bool) -> dict[str, Any]:
        """Build the answer of `GET /api/v3/account`."""
        rates = self.commission.standard
        return {
            "makerCommission": int(rates.maker * 10_000),
            "takerCommission": int(rates.taker * 10_000),
            "buyerCommission": int(rates.buyer * 10_000),
            "sellerCommission": int(rates.seller * 10_000),
            "commissionRates": rates.row(),
            "canTrade": self.can_trade,
            "canWithdraw": True,
            "canDeposit": True,
            "brokered": False,
            "requireSelfTradePrevention": False,
            "preventSor": False,
            "updateTime": self.updated_ms,
            "accountType": "SPOT",
            "balances": [
                {"asset": asset, "free": shown(held.free), "locked": shown(held.locked)}
                for asset, held in sorted(self.balances.items())
                if held.total or not omit_zero
            ],
            "permissions": ["SPOT"],
            "uid": self.uid,
        } | ({} if self.group == -1 else {"tradeGroupId": self.group})


@dataclass(frozen=True)
class Fee:
    asset: str
    amount: Decimal


def received_fee(asset: str, amount: Decimal, rate: Decimal) -> Fee:
    """Charge *rate* of what was received."""
    return Fee(asset, truncated(amount * rate))
