"""How much an account has lost of the most that it ever had, by the venues' ledgers."""

from collections import defaultdict
from decimal import Decimal
from typing import Final

from tests.simulation.facts import Facts
from tests.simulation.ledger import Flow
from tests.simulation.markets import CONVERSIONS, CURRENCY

ZERO: Final = Decimal(0)


def most_lost(facts: Facts) -> Decimal:
    """The greatest fall, as a share of what was there before it, with what was realised: after each
    change of a balance, at the prices of that moment. What was paid in or taken out is none of it,
    and the account is what something is paid in, and the coins that were traded since.
    """
    money = {each.instrument.quote_asset for each in facts.plan.markets}
    counted = money | {each.instrument.base_asset for each in facts.plan.markets if each.traded}
    held: dict[str, Decimal] = defaultdict(Decimal)
    flows: list[Flow] = []
    for venue in facts.venues.values():
        flows += [each for each in venue.ledger.flows if each.asset in counted]
        for asset, amount in venue.ledger.began_with.items():
            held[asset] += amount if asset in money else ZERO
    peak, most = _worth(held, 0.0, facts), ZERO
    flows.sort(key=lambda each: each.at)
    for place, flow in enumerate(flows):
        at = facts.seconds(flow.at)
        before = _worth(held, at, facts) if flow.kind == "transfer" else ZERO
        held[flow.asset] += flow.amount
        if place + 1 < len(flows) and flows[place + 1].ref == flow.ref:
            continue  # of the same fill: a purchase is no loss before the coins are there
        after = _worth(held, at, facts)
        if flow.kind == "transfer":
            peak = peak * after / before if before > 0 and after > 0 else after
        peak = max(peak, after)
        most = max(most, (peak - after) / peak if peak > 0 else ZERO)
    return most


def _worth(held: dict[str, Decimal], at: float, facts: Facts) -> Decimal:
    return sum((amount * _rate(asset, at, facts) for asset, amount in held.items() if amount), ZERO)


def _rate(asset: str, at: float, facts: Facts) -> Decimal:
    """Of the account's currency for one of it. What no symbol says is worth nothing."""
    if asset == CURRENCY:
        return Decimal(1)
    base, quote = CONVERSIONS.get(asset, (asset, CURRENCY))
    if base == CURRENCY:
        return (
            1 / facts.tape.price_at(f"{base}{quote}", at)
            if _is_known(base + quote, facts)
            else ZERO
        )
    for market in facts.plan.markets:
        if market.instrument.base_asset == asset:
            price = facts.tape.price_at(market.name, at)
            return price * _rate(market.instrument.quote_asset, at, facts)
    return ZERO


def _is_known(symbol: str, facts: Facts) -> bool:
    return symbol in facts.tape.prices
