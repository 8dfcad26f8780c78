"""I8: what our trades did to the money at a venue is what our books say of them, to the last digit.

The left side is the venue's own ledger (its flows of each asset, futures' gains among them); of ours
are taken whose fill is whose, and the sums that an operator is told. No convention of the daemon's
about fees, dust or averages is repeated: whatever was paid has to be in the P&L or in what is open.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any, Final

from tests.simulation.excess import trade
from tests.simulation.facts import Facts, holding
from tests.simulation.ledger import Flow
from tests.simulation.markets import CURRENCY
from tests.simulation.plan import Plan
from tests.simulation.tape import Tape
from tests.simulation.venue import SimulatedVenue
from tradebotd.domain.ids import VenueName

# 28 digits of a quotient, times what was turned over: a cent in 10^15 is an error, not a rounding.
DIGITS: Final = Fraction(1, 10**20)
# What the open rest of futures cost is a share of all that was entered, kept to twelve decimals: so
# is what the part that is closed has gained until the rest is closed, too.
SHARE: Final = Fraction(1, 2 * 10**12)
OLD: Final = 600.0  # seconds: the newest price that was shown of it
BOOKED: Final = 1100.0  # venues pay by the hour: they are asked every 15 minutes
SOON: Final = 3700.0  # until the fill was heard of
Purse = tuple[str, str]  # a venue, and an asset there
Venues = Mapping[VenueName, SimulatedVenue]


def unbalanced(
    positions: list[Any], fills: list[Any], payments: list[Any], facts: Facts
) -> list[str]:
    """Money of each venue: the ledger's, and the books'. Coins are compared elsewhere (I2)."""
    venues, plan, tape = facts.venues, facts.plan, facts.tape
    claimed = {
        (row["venue"], row["payment_id"]) for row in payments if row["position_id"] is not None
    }
    paid, turnover = _paid(fills, claimed, venues)
    _take_over(paid, turnover, facts)
    quotes = {(each.instrument.venue, each.instrument.quote_asset) for each in plan.markets}
    booked = _booked(positions, fills, venues, plan)
    shares = Counter(
        (row["venue"], plan.market(row["symbol"]).instrument.quote_asset)
        for row in positions
        if row["position_type"] == "futures"
        and row["exit_quantity"]
        and row["quantity"] + row["dust"]
    )
    netted = _netted(positions, plan)
    apart = _averages_apart(positions, facts)
    found = []
    for purse in sorted({*quotes, *booked}):
        there, here = paid.get(purse, Fraction(0)), booked.get(purse, Fraction(0))
        rounded = DIGITS * max(Fraction(1), turnover.get(purse, Fraction(0)))
        rounded += shares.get(purse, 0) * SHARE + netted.get(purse, Fraction(0))
        if abs(there - here - apart.get(purse, Fraction(0))) > rounded:
            found.append(
                f"I8 cash of {purse[1]} at {purse[0]} changed by {float(there)},"
                f" the books say {float(here)} ({float(here - there)} too much)"
            )
    return [
        *found,
        *_unclaimed(claimed, facts),
        *_misvalued(fills, plan, tape),
        *_leaks(venues),
    ]


def _netted(positions: list[Any], plan: Plan) -> dict[Purse, Fraction]:
    """What dust of futures may have gained at most, by purse: less than a lot of a long and of a short,
    which no exit could close, close each other at the venue, and are in no P&L of ours. Where lots have
    changed it may be many times what an order needs, and the next position of its side has an
    average entry there of which it is a part.
    """
    dust: dict[str, dict[str, Fraction]] = defaultdict(lambda: defaultdict(Fraction))
    prices: dict[str, list[Fraction]] = defaultdict(list)
    for row in positions:
        if row["position_type"] == "futures":
            dust[row["symbol"]][row["side"]] += Fraction(row["dust"])
            prices[row["symbol"]].append(Fraction(row["entry_price"]))
    most: dict[Purse, Fraction] = defaultdict(Fraction)
    for symbol, sides in dust.items():
        instrument = plan.market(symbol).instrument
        apart = max(prices[symbol]) - min(prices[symbol])
        both = [sides.get("long", Fraction(0)), sides.get("short", Fraction(0))]
        part = sum(both) if symbol in plan.noon[1] else min(both)
        most[instrument.venue, instrument.quote_asset] += part * apart
    return most


def _averages_apart(positions: list[Any], facts: Facts) -> dict[Purse, Fraction]:
    """What the open futures of a purse cost more by the venue's average than by ours.

    A venue has one average of all that was entered in a symbol and was open together, and takes each
    exit's gain from that of its moment; ours is each position's, of all its entries. Once everything
    is closed the sums are the same; until then they are apart by what the rest has cost. Where a
    hand holds some of it there is no telling, and they are as near as they were.
    """
    quantities: dict[tuple[str, str], Fraction] = defaultdict(Fraction)
    costs: dict[tuple[str, str], Fraction] = defaultdict(Fraction)
    for row in positions:
        held = Fraction(holding(row))
        if row["position_type"] == "futures" and held:
            quantities[row["venue"], row["symbol"]] += held
            costs[row["venue"], row["symbol"]] += held * Fraction(row["entry_price"])
    apart: dict[Purse, Fraction] = defaultdict(Fraction)
    for (venue, symbol), quantity in quantities.items():
        theirs = facts.venues[VenueName(venue)].ledger.positions.get(symbol)
        if theirs is not None and Fraction(theirs.quantity) == quantity:
            quote = facts.plan.market(symbol).instrument.quote_asset
            apart[venue, quote] += Fraction(theirs.cost) - costs[venue, symbol]
    return apart


def _unclaimed(claimed: set[tuple[str, str]], facts: Facts) -> Iterator[str]:
    """Funding is paid for what our orders hold (hands hold none), be it dust: it is somebody's before
    long.
    """
    for name, venue in facts.venues.items():
        for flow in venue.ledger.flows:
            late = facts.now - facts.seconds(flow.at)
            due = flow.kind == "funding" and late > BOOKED and (name, flow.ref) not in claimed
            if due:
                yield f"I8 funding {flow.ref} of {late:.0f} s ago is in no position"


def _paid(
    fills: list[Any], claimed: set[tuple[str, str]], venues: Venues
) -> tuple[dict[Purse, Fraction], dict[Purse, Fraction]]:
    """What came and went by the fills that our books have, and by funding; and the turnover."""
    shares: dict[Purse, Fraction] = defaultdict(Fraction)
    fees: dict[Purse, Fraction] = defaultdict(Fraction)
    for row in fills:
        shares[row["venue"], trade(row)] += Fraction(row["quantity"])
        fees[row["venue"], trade(row)] += Fraction(row["fee"])
    paid: dict[Purse, Fraction] = defaultdict(Fraction)
    turnover: dict[Purse, Fraction] = defaultdict(Fraction)
    for name, venue in venues.items():
        whole = {str(fill.trade_id): Fraction(fill.quantity) for fill in venue.ledger.fills}
        for flow in venue.ledger.flows:
            if flow.kind == "funding":
                share = Fraction((name, flow.ref) in claimed)
            else:
                share = _share(flow, name, shares, whole)
            amount = share * Fraction(flow.amount)
            if flow.kind == "fee" and 0 < share < 1:  # of one that is split, to a scale
                amount = -fees[name, flow.ref]
            paid[name, flow.asset] += amount
            turnover[name, flow.asset] += abs(Fraction(flow.amount))
    return paid, turnover


def _take_over(paid: dict[Purse, Fraction], turnover: dict[Purse, Fraction], facts: Facts) -> None:
    """What is made up for the mixed trades of a hand moved that hand's money. To the books it is as
    if it had been bought or sold at the price of the moment.
    """
    quotes = {each.name: each.instrument.quote_asset for each in facts.plan.markets}
    for fill in facts.made_up.values():
        money = Fraction(fill.quantity) * Fraction(fill.price)
        purse = fill.venue, quotes[fill.symbol]
        paid[purse] -= fill.side.sign * money
        turnover[purse] += money


def _share(
    flow: Flow,
    venue: VenueName,
    shares: Mapping[tuple[str, str], Fraction],
    whole: Mapping[str, Fraction],
) -> Fraction:
    """How much of it is ours: of an exit that sold too much, what was the position's."""
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
    for row in fills:
        elsewhere = Fraction(row["fee_elsewhere"])
        booked[row["venue"], quotes[row["symbol"]]] += elsewhere * Fraction(row["fee_rate"] or 0)
        if row["fee_asset"] not in (quotes[row["symbol"]], bases[row["symbol"]]):
            booked[row["venue"], row["fee_asset"]] -= Fraction(row["fee"])
    return booked


def _misvalued(fills: list[Any], plan: Plan, tape: Tape) -> Iterator[str]:
    """A fee in a third asset is worth what that cost a short while before, in the quote asset."""
    quotes = {each.name: each.instrument.quote_asset for each in plan.markets}
    bases = {each.name: each.instrument.base_asset for each in plan.markets}
    for row in fills:
        symbol = f"{row['fee_asset']}{CURRENCY}"
        own = row["fee_asset"] in (quotes[row["symbol"]], bases[row["symbol"]])
        if own or not row["fee"] or quotes[row["symbol"]] != CURRENCY:
            continue
        if symbol not in tape.prices:
            continue
        at = (row["executed_at"] - plan.began).total_seconds()
        known = [Fraction(tape.price_at(symbol, at - OLD))]  # however long it has stood still
        known += [
            Fraction(price) for when, price in tape.prices[symbol] if at - OLD <= when <= at + SOON
        ]
        # The first print that a process sees of it has no other to be doubted by.
        known += [
            Fraction(each.price) for each in tape.first_prints(symbol) if each.at <= at + SOON
        ]
        rate = row["fee_rate"]
        if rate is None and not tape.between(symbol, at - OLD, at + SOON):
            continue  # nobody could know it
        if rate is None or not min(known) <= Fraction(rate) <= max(known):
            yield f"I8 fee of fill {row['trade_id']} is valued at {rate} {CURRENCY}"
        elif Fraction(row["fee_value"]) != Fraction(row["fee"]) * Fraction(rate):
            yield f"I8 fee of fill {row['trade_id']} is {row['fee_value']} {CURRENCY}"


def _leaks(venues: Venues) -> list[str]:
    """The ledger itself: balances are the sum of its flows, and each fill's flows are its own."""
    found = []
    for name, venue in venues.items():
        ledger = venue.ledger
        sums: dict[str, Fraction] = defaultdict(Fraction)
        turnover: dict[str, Fraction] = defaultdict(Fraction)
        for flow in ledger.flows:
            sums[flow.asset] += Fraction(flow.amount)
            turnover[flow.asset] += abs(Fraction(flow.amount))
        for asset in sorted({*ledger.balances, *ledger.began_with}):
            began = Fraction(ledger.began_with.get(asset, 0))
            leaked = began + sums[asset] - Fraction(ledger.balances.get(asset, 0))
            if abs(leaked) > DIGITS * max(Fraction(1), began + turnover[asset]):
                found.append(f"the ledger of {name} does not add up in {asset}")
    return found
