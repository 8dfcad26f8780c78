"""I8: what our trades did to the money at a venue is what our books say of them, to the last digit.

The left side is the venue's own ledger (its flows of each asset, futures' gains among them); of ours
are taken whose fill is whose, and the sums that an operator is told. No convention of the daemon's
about fees, dust or averages is repeated: whatever was paid has to be in the P&L or in what is open.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any, Final

from tests.simulation.ledger import Flow
from tests.simulation.plan import Plan
from tests.simulation.venue import SimulatedVenue
from tradebotd.domain.ids import VenueName

# 28 digits of a quotient, times what was turned over: a cent in 10^15 is an error, not a rounding.
DIGITS: Final = Fraction(1, 10**20)
Purse = tuple[str, str]  # a venue, and an asset there
Venues = Mapping[VenueName, SimulatedVenue]


def unbalanced(positions: list[Any], fills: list[Any], venues: Venues, plan: Plan) -> list[str]:
    """Money of each venue: the ledger's, and the books'. Coins are compared elsewhere (I2)."""
    paid, turnover = _paid(fills, venues)
    quotes = {(each.instrument.venue, each.instrument.quote_asset) for each in plan.markets}
    booked = _booked(positions, fills, venues, plan)
    found = []
    for purse in sorted({*quotes, *booked}):
        there, here = paid.get(purse, Fraction(0)), booked.get(purse, Fraction(0))
        if abs(there - here) > DIGITS * max(Fraction(1), turnover.get(purse, Fraction(0))):
            found.append(
                f"I8 cash of {purse[1]} at {purse[0]} changed by {float(there)},"
                f" the books say {float(here)} ({float(here - there)} too much)"
            )
    return found + _leaks(venues)


def _paid(fills: list[Any], venues: Venues) -> tuple[dict[Purse, Fraction], dict[Purse, Fraction]]:
    """What came and went by the fills that our books have, and by funding; and the turnover."""
    shares = {(row["venue"], row["trade_id"]): Fraction(row["quantity"]) for row in fills}
    paid: dict[Purse, Fraction] = defaultdict(Fraction)
    turnover: dict[Purse, Fraction] = defaultdict(Fraction)
    for name, venue in venues.items():
        whole = {str(fill.trade_id): Fraction(fill.quantity) for fill in venue.ledger.fills}
        for flow in venue.ledger.flows:
            share = _share(flow, name, shares, whole)
            paid[name, flow.asset] += share * Fraction(flow.amount)
            turnover[name, flow.asset] += abs(Fraction(flow.amount))
    return paid, turnover


def _share(
    flow: Flow,
    venue: VenueName,
    shares: Mapping[tuple[str, str], Fraction],
    whole: Mapping[str, Fraction],
) -> Fraction:
    """How much of it is ours: of an exit that sold too much, what was the position's."""
    if flow.kind == "funding":
        return Fraction(1)
    if flow.kind == "transfer":
        return Fraction(0)
    ours = shares.get((venue, flow.ref))
    return Fraction(0) if ours is None else ours / whole[flow.ref]


def _booked(
    positions: list[Any], fills: list[Any], venues: Venues, plan: Plan
) -> dict[Purse, Fraction]:
    """Realised P&L, less what the open spot holdings cost; fees of other assets are given back."""
    quotes = {each.name: each.instrument.quote_asset for each in plan.markets}
    bases = {each.name: each.instrument.base_asset for each in plan.markets}
    booked: dict[Purse, Fraction] = defaultdict(Fraction)
    for row in positions:
        purse = (row["venue"], quotes[row["symbol"]])
        booked[purse] += Fraction(row["realized_pnl"])
        if row["position_type"] == "spot":
            booked[purse] -= Fraction(row["cost"])
    for row, fee in _fees_in_other_assets(fills, quotes, bases):
        booked[row["venue"], quotes[row["symbol"]]] += fee
        booked[row["venue"], row["fee_asset"]] -= Fraction(row["fee"])
    return booked


def _fees_in_other_assets(
    fills: list[Any], quotes: Mapping[str, str], bases: Mapping[str, str]
) -> Iterator[tuple[Any, Fraction]]:
    """(fill, what the P&L counts of its fee). A fee in the base asset is part of what was bought."""
    for row in fills:
        if row["fee_asset"] not in (quotes[row["symbol"]], bases[row["symbol"]]):
            yield row, Fraction(row["fee"])


def _leaks(venues: Venues) -> list[str]:
    """The ledger itself: balances are the sum of its flows, and each fill's flows are its own."""
    found = []
    for name, venue in venues.items():
        ledger = venue.ledger
        sums: dict[str, Fraction] = defaultdict(Fraction)
        for flow in ledger.flows:
            sums[flow.asset] += Fraction(flow.amount)
        for asset in sorted({*ledger.balances, *ledger.began_with}):
            began = Fraction(ledger.began_with.get(asset, 0))
            if began + sums[asset] != Fraction(ledger.balances.get(asset, 0)):
                found.append(f"the ledger of {name} does not add up in {asset}")
    return found
