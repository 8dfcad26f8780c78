"""Dust of futures: less than a lot since noon, so that no order of ours can close it.

It is a position at the venue all the same: it is paid and charged funding, and may be liquidated. Our
books have closed what it was left of, and alert what becomes of it.
"""

from fractions import Fraction
from typing import Any

from tests.simulation.facts import Facts


def is_left(positions: list[Any], symbol: str, at: float, facts: Facts) -> bool:
    """Whether some of what was closed before then is dust, and lots have changed by then."""
    return (
        symbol in facts.plan.noon[1]
        and at >= facts.plan.noon[0]
        and bool(_left(positions, symbol, at, facts))
    )


def is_taken(positions: list[Any], symbol: str, more: Fraction, facts: Facts) -> bool:
    """Whether our books have so much *more* than the venue as it has taken of dust by force."""
    if not more or symbol not in facts.plan.noon[1]:
        return False
    ledger = facts.venues[facts.plan.market(symbol).instrument.venue].ledger
    return any(
        more == _left(positions, symbol, facts.seconds(fill.executed_at), facts)
        for order in ledger.orders.values()
        if order.is_forced and order.request.symbol == symbol
        for fill in order.fills
        if facts.seconds(fill.executed_at) >= facts.plan.noon[0]
    )


def _left(positions: list[Any], symbol: str, at: float, facts: Facts) -> Fraction:
    """Signed; a position that the same fill has closed counts."""
    return sum(
        (
            Fraction(row["dust"] - row["swept"]) * (1 if row["side"] == "long" else -1)
            for row in positions
            if (row["symbol"], row["position_type"]) == (symbol, "futures")
            and row["closed_at"] is not None
            and facts.seconds(row["closed_at"]) <= at
        ),
        Fraction(0),
    )
