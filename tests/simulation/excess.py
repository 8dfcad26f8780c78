"""Fills that stand in our books in two parts: what an exit took of its position, and what of another.

An exit may execute more than its position is known to hold. What exceeds it is booked when the venue
shows whose it was: as a part of its own, of whatever it closed.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from tests.simulation.facts import Facts
from tradebotd.domain.ids import TradeId

SUFFIX: Final = ".excess"


def trade(row: Any) -> TradeId:
    """The venue's name of the fill that *row* is, or is a part of."""
    name: str = row["trade_id"]
    while name.endswith(SUFFIX):  # what an excess closed of dust may exceed that, too
        name = name.removesuffix(SUFFIX)
    return TradeId(name)


def is_excess(row: Any) -> bool:
    name: str = row["trade_id"]
    return name.endswith(SUFFIX)


def exceeded(subject: str, orders: Mapping[str, Any], facts: Facts) -> bool:
    """Whether by the venue's ledger the exits of the position that this fill was sent to close had
    executed more by then than its entries are known to have brought (*subject*: venue, symbol, trade).
    """
    name, _, rest = subject.partition(" ")
    number = rest.partition(" ")[2]
    ledger = next(each.ledger for each in facts.venues.values() if each.name == name)
    fill = next((each for each in ledger.fills if each.trade_id == number), None)
    row = None if fill is None else orders.get(str(fill.client_order_id))
    if fill is None or row is None or row["role"] != "exit":
        return False
    of_it = [each for each in orders.values() if each["position_id"] == row["position_id"]]
    executed = sum(
        (
            part.quantity
            for each in of_it
            if each["role"] == "exit" and each["client_order_id"] in ledger.orders
            for part in ledger.orders[each["client_order_id"]].fills
            if part.executed_at <= fill.executed_at
        ),
        Decimal(0),
    )
    entered = sum(
        (each["filled_quantity"] for each in of_it if each["role"] == "entry"), Decimal(0)
    )
    return executed > entered
