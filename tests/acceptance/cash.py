"""Money adds up: cash against trades, by fractions, from the paper venue's ledger and our books.

It shares no code with the daemon, and asks neither for an average nor for the cost of anything.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

import asyncpg

EXECUTIONS = """
    SELECT f.symbol, f.side, f.quantity, f.price, f.fee, f.fee_asset, o.position_type, m.base_asset, m.quote_asset
      FROM paper.fills AS f JOIN paper.orders AS o ON o.id = f.order_id JOIN market_symbols AS m ON m.symbol = f.symbol
     ORDER BY f.id
"""
OPEN = """
    SELECT p.id, p.position_type, p.quantity + p.dust AS held, m.base_asset, m.quote_asset
      FROM positions AS p JOIN market_symbols AS m ON m.symbol = p.symbol WHERE p.closed_at IS NULL
"""
ENTERED = """
    SELECT f.quantity, f.price, f.fee, f.fee_asset FROM fills AS f JOIN orders AS o ON o.id = f.order_id
     WHERE f.position_id = $1 AND o.role = 'entry'
"""
EARNED = """
    SELECT m.quote_asset, sum(p.realized_pnl) AS earned FROM positions AS p JOIN market_symbols AS m ON m.symbol = p.symbol
     GROUP BY m.quote_asset
"""
# Only what is open after a partial exit is a share, which is kept to twelve digits.
ROUNDED = Fraction(1, 10**12)


@dataclass(slots=True)
class Contract:
    """A futures position of the ledger: how much, and what it cost."""

    held: Fraction = Fraction(0)
    cost: Fraction = Fraction(0)

    def trade(self, change: Fraction, price: Fraction) -> Fraction:
        """What is realized by so much more (or less) of it."""
        if self.held * change >= 0:
            self.held, self.cost = self.held + change, self.cost + change * price
            return Fraction(0)
        average, closed = self.cost / self.held, min(abs(self.held), abs(change))
        gone = closed if self.held > 0 else -closed
        realized = gone * (price - average)
        opened = change + gone  # through zero: the rest is a new position
        self.held, self.cost = self.held - gone, self.cost - gone * average
        self.held, self.cost = self.held + opened, self.cost + opened * price
        return realized


async def violations(
    connection: asyncpg.Connection, starting: Mapping[str, Fraction | int]
) -> list[str]:
    """What of *starting* cash became something else than the trades say, in the ledger or in ours."""
    balances = {
        row["asset"]: Fraction(row["total"])
        for row in await connection.fetch("SELECT * FROM paper.balances")
    }
    traded = await _from_executions(connection, starting)
    found = [
        f"the venue holds {float(balances.get(asset, Fraction(0)))} {asset}, its trades make it"
        f" {float(traded.get(asset, Fraction(0)))}"
        for asset in sorted(balances.keys() | traded.keys())
        if balances.get(asset, Fraction(0)) != traded.get(asset, Fraction(0))
    ]
    for asset, begun in sorted(starting.items()):
        earned, spent = await _from_positions(connection, asset)
        change = balances.get(asset, Fraction(0)) - begun
        if abs(change - (earned - spent)) >= ROUNDED:
            found.append(
                f"cash changed by {float(change)} {asset}: {float(earned)} realized,"
                f" {float(spent)} for what is open"
            )
    return found


async def _from_executions(
    connection: asyncpg.Connection, starting: Mapping[str, Fraction | int]
) -> dict[str, Fraction]:
    held: dict[str, Fraction] = defaultdict(Fraction)
    held |= {asset: Fraction(amount) for asset, amount in starting.items()}
    contracts: dict[str, Contract] = defaultdict(Contract)
    for row in await connection.fetch(EXECUTIONS):
        change = Fraction(row["quantity"]) * (1 if row["side"] == "buy" else -1)
        price, quote = Fraction(row["price"]), row["quote_asset"]
        held[row["fee_asset"]] -= Fraction(row["fee"])
        if row["position_type"] == "futures":
            held[quote] += contracts[row["symbol"]].trade(change, price)
        else:
            held[row["base_asset"]] += change
            held[quote] -= change * price
    for row in await connection.fetch("SELECT asset, amount FROM paper.funding"):
        held[row["asset"]] += Fraction(row["amount"])
    return dict(held)


async def _from_positions(connection: asyncpg.Connection, asset: str) -> tuple[Fraction, Fraction]:
    """What our books have realized in *asset*, and what was paid for the spot that is open."""
    earned = {row["quote_asset"]: Fraction(row["earned"]) for row in await connection.fetch(EARNED)}
    spent = Fraction(0)
    for position in await connection.fetch(OPEN):
        if position["quote_asset"] != asset or position["position_type"] == "futures":
            continue
        money = received = Fraction(0)
        for fill in await connection.fetch(ENTERED, position["id"]):
            quantity = Fraction(fill["quantity"])
            if fill["fee_asset"] == position["base_asset"]:
                quantity -= Fraction(fill["fee"])
            money += quantity * Fraction(fill["price"])
            received += quantity
        spent += money * Fraction(position["held"]) / received
    return earned.get(asset, Fraction(0)), spent
