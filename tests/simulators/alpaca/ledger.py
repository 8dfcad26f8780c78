"""The account's money and holdings: exact Decimals, moved by fills, fees and transfers alone."""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

ZERO: Final = Decimal(0)


@dataclass
class Holding:
    """*quantity*: below zero when short. *cost*: of what is held, signed like it."""

    quantity: Decimal = ZERO
    cost: Decimal = ZERO

    @property
    def average(self) -> Decimal:
        return self.cost / self.quantity if self.quantity else ZERO


@dataclass
class Ledger:
    cash: Decimal
    holdings: dict[str, Holding] = field(default_factory=dict)

    def quantity(self, symbol: str) -> Decimal:
        holding = self.holdings.get(symbol)
        return holding.quantity if holding else ZERO

    def trade(self, symbol: str, quantity: Decimal, price: Decimal) -> None:
        """Book a fill of *quantity*, below zero for a sale."""
        self.cash -= quantity * price
        self._move(symbol, quantity, quantity * price)

    def take_fee(self, symbol: str, quantity: Decimal) -> None:
        """Take *quantity* of the asset away, a fee. What is left has cost what all did."""
        holding = self.holdings.setdefault(symbol, Holding())
        holding.quantity -= quantity
        self._drop_empty(symbol)

    def transfer(self, amount: Decimal) -> None:
        """Move cash in, or out when *amount* is below zero: deposits, fees in cash, dividends."""
        self.cash += amount

    def split(self, symbol: str, ratio: Decimal) -> None:
        """Turn each share into *ratio* shares."""
        if symbol in self.holdings:
            self.holdings[symbol].quantity *= ratio

    def _move(self, symbol: str, quantity: Decimal, cost: Decimal) -> None:
        holding = self.holdings.setdefault(symbol, Holding())
        before = holding.quantity
        if before * quantity >= 0:
            holding.quantity += quantity
            holding.cost += cost
        elif abs(quantity) <= abs(before):
            left = before + quantity
            holding.cost = holding.cost * left / before
            holding.quantity = left
        else:
            price = cost / quantity
            holding.quantity = before + quantity
            holding.cost = holding.quantity * price
        self._drop_empty(symbol)

    def _drop_empty(self, symbol: str) -> None:
        if not self.holdings[symbol].quantity:
            del self.holdings[symbol]
