"""Events of the user stream: which of them concern an order, and which of those are news. Pure."""

from typing import Final, NamedTuple

import structlog

from tradebotd.domain.order import OrderReport, OrderStatus
from tradebotd.venues.binance.payload import Node
from tradebotd.venues.binance.usdm.order_names import OrderNames
from tradebotd.venues.binance.usdm.orders import OrderReader

log = structlog.get_logger(__name__)

ORDER: Final = "ORDER_TRADE_UPDATE"
ALGO: Final = "ALGO_UPDATE"
KEY_EXPIRED: Final = "listenKeyExpired"
# Balances and positions are asked for; TRADE_LITE says less than ORDER_TRADE_UPDATE; F5: what
# CONDITIONAL_ORDER_TRIGGER_REJECT told is `rm` of ALGO_UPDATE since December 2025.


class Told(NamedTuple):
    """Report of an event. `identity`: equal where two connections tell one event."""

    symbol: str
    report: OrderReport
    identity: tuple[object, ...]
    is_algo: bool = False


def told_of(event: Node, reader: OrderReader) -> Told | None:
    """Return what *event* says of an order; None where it is of none."""
    match event.text("e"):
        case "ORDER_TRADE_UPDATE":
            told = event.field("o")
            identity = (
                *(ORDER, told.text("s"), told.integer("i"), told.text("x"), told.text("X")),
                *(told.integer("t"), told.text("z"), told.integer("T")),
            )
            symbol = reader.markets.symbol(told.text("s"))
            return Told(symbol, reader.order_event(event), identity)
        case "ALGO_UPDATE":
            told = event.field("o")
            symbol = reader.markets.symbol(told.text("s"))
            return Told(symbol, reader.algo_event(event), algo_identity(told), is_algo=True)
        case "MARGIN_CALL":
            log.error("margin call received", venue=reader.venue)
            return None
        case _:
            return None


def algo_identity(told: Node) -> tuple[object, ...]:
    """F6: return what tells two updates of an algo order apart.

    A trailing one that becomes active says NEW again, with `ia`: no event that came twice.
    """
    active = told.has("ia") and told.flag("ia")
    return (ALGO, told.integer("aid"), told.text("X"), told.text_if_any("ai"), active)


def is_news_of(told: Told, names: OrderNames) -> bool:
    """Return whether the report is to be passed on.

    What an algo order says of the order that it has become is left out where that one has spoken
    for itself: it knows what was traded, and how it ended. Not so where that one was told under
    another client id.
    """
    report = told.report
    if not told.is_algo or not report.other_ids:
        return True
    became = report.other_ids[0]
    if misnamed(told, names) is not None:
        return True
    if report.status is OrderStatus.UNKNOWN:  # FINISHED
        return not names.has_ended(told.symbol, became)
    return names.name(told.symbol, became) is None


def misnamed(told: Told, names: OrderNames) -> str | None:
    """Return how an order was told before it was known which stop it is of; None: not, or right."""
    if not told.is_algo or not told.report.other_ids:
        return None
    known = names.name(told.symbol, told.report.other_ids[0])
    return None if known == told.report.client_order_id else known


def key_has_expired(event: Node) -> bool:
    return event.text("e") == KEY_EXPIRED
