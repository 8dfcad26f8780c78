"""Fills of no venue: what an operator adopted though no fills of one side tell how it came about.

A hand that bought and sold is no one order. Then the books take what is left of it at the price of
the moment and without a fee, and the venue's ledger has no such fill. It is true of the books only
where the operator asked for it just then, the price was shown just then, and the venue's own fills
could not have been taken for it; how much it is, the holdings say (I2).
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from tests.simulation.facts import Facts
from tests.simulation.ledger import Ledger
from tradebotd.domain.fill import Fill
from tradebotd.domain.ids import ClientOrderId, TradeId, VenueName
from tradebotd.domain.side import Side

MICROSECOND: Final = 2e-6  # what is stored of an instant, rounded at both ends


def made_up(
    fills: list[Any], orders: Mapping[str, Any], facts: Facts
) -> dict[tuple[str, str], Fill]:
    """Those of our *fills* that may be so, by venue and trade."""
    return {
        (row["venue"], row["trade_id"]): _fill(row)
        for row in fills
        if row["trade_id"] == f"adopted-{row['order_id']}"
        and orders[row["client_order_id"]]["reason"] in {"adopted", "external"}
        and not row["fee"]
        and _was_asked_for(row, facts)
        and _is_mixed(row, facts)
    }


def _fill(row: Any) -> Fill:
    return Fill(
        venue=VenueName(row["venue"]),
        symbol=row["symbol"],
        trade_id=TradeId(row["trade_id"]),
        client_order_id=ClientOrderId(row["client_order_id"]),
        side=Side(row["side"]),
        quantity=row["quantity"],
        price=row["price"],
        fee=row["fee"],
        fee_asset=row["fee_asset"],
        executed_at=row["executed_at"],
    )


def _was_asked_for(row: Any, facts: Facts) -> bool:
    """By an operator who was answered, at a price that was shown meanwhile."""
    at = facts.seconds(row["executed_at"])
    deeds = [
        deed
        for deed in facts.operator.deeds
        if deed.name == "adopt"
        and deed.done
        and deed.ended is not None
        and deed.answer == row["position_id"]
        and deed.began - MICROSECOND <= at <= deed.ended + MICROSECOND
    ]
    return any(
        shown.price == row["price"]
        for deed in deeds
        for shown in facts.tape.between(row["symbol"], deed.began, deed.ended or deed.began)
    )


def _is_mixed(row: Any, facts: Facts) -> bool:
    """The latest trades by hand that come to it bought and sold, or in several symbols."""
    ledger = facts.venues[row["venue"]].ledger
    asset = ledger.instruments[row["symbol"]].base_asset
    wanted = row["quantity"] * (1 if row["side"] == "buy" else -1)
    total, behind = Decimal(0), set()
    for fill in reversed(ledger.fills):
        change = _change(fill, asset, ledger)
        if not change:
            continue
        total += change
        behind.add((fill.symbol, fill.side))
        if total == wanted:
            return len(behind) > 1
    return False


def _change(fill: Fill, asset: str, ledger: Ledger) -> Decimal:
    """What a trade by hand made of it."""
    order = None if fill.client_order_id is None else ledger.orders[fill.client_order_id]
    by_hand = order is None or not (order.is_ours or order.is_forced)
    if not by_hand or ledger.instruments[fill.symbol].base_asset != asset:
        return Decimal(0)
    return fill.quantity * fill.side.sign - (fill.fee if fill.fee_asset == asset else Decimal(0))
