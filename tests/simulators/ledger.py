"""The paper venue's balances once more, from its fills and funding alone. Shares no code with the venue.

Spot: base and quote change hands. Futures: each fill pays its cash and the position is worth
nothing until it is closed, so the realized P&L comes out as a fold over average prices.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

import asyncpg

FILLS = """
    SELECT f.symbol, f.side, f.quantity, f.price, f.fee, f.fee_asset, o.position_type
      FROM paper.fills f JOIN paper.orders o ON o.id = f.order_id
     WHERE f.venue = $1 ORDER BY f.id
"""


FUNDING = "SELECT asset, amount FROM paper.funding WHERE venue = $1"


@dataclass(frozen=True)
class Ledger:
    balances: dict[str, Fraction]
    positions: dict[str, Fraction]


async def recompute(
    connection: asyncpg.Connection,
    venue: str,
    cash: Mapping[str, Decimal],
    assets: Mapping[str, tuple[str, str]],
) -> Ledger:
    """*assets*: (base, quote) by symbol."""
    ledger = fold(await connection.fetch(FILLS, venue), cash, assets)
    for row in await connection.fetch(FUNDING, venue):
        before = ledger.balances.get(row["asset"], Fraction(0))
        ledger.balances[row["asset"]] = before + Fraction(row["amount"])
    return ledger


def fold(
    rows: Iterable[Mapping[str, object]],
    cash: Mapping[str, Decimal],
    assets: Mapping[str, tuple[str, str]],
) -> Ledger:
    balances: dict[str, Fraction] = defaultdict(Fraction)
    held: dict[str, Fraction] = defaultdict(Fraction)
    cost: dict[str, Fraction] = defaultdict(Fraction)
    for asset, total in cash.items():
        balances[asset] += Fraction(total)
    for row in rows:
        symbol = str(row["symbol"])
        base, quote = assets[symbol]
        quantity, price = Fraction(str(row["quantity"])), Fraction(str(row["price"]))
        signed = quantity if row["side"] == "buy" else -quantity
        balances[str(row["fee_asset"])] -= Fraction(str(row["fee"]))
        if row["position_type"] == "spot":
            balances[base] += signed
            balances[quote] -= signed * price
            continue
        closing = min(quantity, abs(held[symbol])) if held[symbol] * signed < 0 else Fraction(0)
        if closing:
            part = cost[symbol] * closing / abs(held[symbol])
            direction = 1 if held[symbol] > 0 else -1
            balances[quote] += direction * closing * price - part
            cost[symbol] -= part
            held[symbol] -= direction * closing
        opening = quantity - closing
        direction = 1 if signed > 0 else -1
        held[symbol] += direction * opening
        cost[symbol] += direction * opening * price
    return Ledger(
        {asset: total for asset, total in balances.items() if total},
        {symbol: total for symbol, total in held.items() if total},
    )
