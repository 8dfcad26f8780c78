"""Lots that have changed are learnt soon after the first order that the venue refused for them."""

from collections.abc import Iterator
from typing import Final

from tests.simulation.facts import Facts
from tradebotd.domain.order import OrderStatus

SOON: Final = 60.0  # seconds: two looks are half a minute apart, and one takes a while


def unlearnt(facts: Facts) -> Iterator[str]:
    """Orders by the former lot, long after one was refused by the same process in fair weather."""
    noon, lots = facts.plan.noon
    for symbol, lot in lots.items():
        venue = facts.venues[facts.plan.market(symbol).instrument.venue]
        refused = sorted(
            facts.seconds(order.at)
            for order in venue.ledger.orders.values()
            if order.is_ours
            and order.status is OrderStatus.REJECTED
            and order.request.symbol == symbol
            and order.request.quantity % lot
        )
        for first in refused:
            late = next((at for at in refused if at > first + SOON), None)
            if late is None or first < noon or facts.life_at(first) is not facts.life_at(late):
                continue
            if facts.life_at(first) is not None and facts.is_fair(first, late):
                yield f"M4.6 {symbol} was ordered by its former lot still at {late:.0f}"
                break
