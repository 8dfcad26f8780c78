"""`order_searches`: inquiries about orders whose outcome is unknown. Host times."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, LiteralString, NamedTuple

from tradebotd.domain.ids import ClientOrderId, OrderId, VenueName
from tradebotd.domain.instrument import PositionType
from tradebotd.domain.side import Side
from tradebotd.storage import orders
from tradebotd.storage.orders import StoredOrder
from tradebotd.storage.postgres.database import Connection

# Two halves, each with its partial index: unsettled orders, and orders inferred absent.
SELECT_IN_DOUBT: Final[LiteralString] = """
    SELECT o.id, o.client_order_id, o.venue_order_id, o.position_id, o.exit_group_id, o.bot, o.venue, o.symbol, o.role,
           o.side, o.type, o.quantity, o.filled_quantity, o.venue_filled_quantity, o.average_price, o.status, o.reason,
           o.created_at, o.send_by, o.position_type, o.leverage, o.exits, o.settled, o.ladder_step,
           coalesce(o.trigger_price, o.stop_price) AS level, o.params_hash, o.limit_price, o.stop_price,
           s.began_at, s.last_asked_at, s.negatives, s.endpoints, s.inferred_absent_at, s.cancel_acknowledged_at
      FROM orders AS o LEFT JOIN order_searches AS s ON s.order_id = o.id AND s.ended_at IS NULL
     WHERE NOT o.settled
    UNION ALL
    SELECT o.id, o.client_order_id, o.venue_order_id, o.position_id, o.exit_group_id, o.bot, o.venue, o.symbol, o.role,
           o.side, o.type, o.quantity, o.filled_quantity, o.venue_filled_quantity, o.average_price, o.status, o.reason,
           o.created_at, o.send_by, o.position_type, o.leverage, o.exits, o.settled, o.ladder_step,
           coalesce(o.trigger_price, o.stop_price) AS level, o.params_hash, o.limit_price, o.stop_price,
           s.began_at, s.last_asked_at, s.negatives, s.endpoints, s.inferred_absent_at, s.cancel_acknowledged_at
      FROM order_searches AS s JOIN orders AS o ON o.id = s.order_id
     WHERE s.ended_at IS NULL AND o.settled
     ORDER BY 1
"""
UPSERT: Final[LiteralString] = """
    INSERT INTO order_searches (order_id, began_at, last_asked_at, negatives, endpoints, inferred_absent_at,
                                cancel_acknowledged_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7)
    ON CONFLICT (order_id) DO UPDATE
       SET began_at = excluded.began_at, last_asked_at = excluded.last_asked_at, negatives = excluded.negatives,
           endpoints = excluded.endpoints, inferred_absent_at = excluded.inferred_absent_at,
           cancel_acknowledged_at = excluded.cancel_acknowledged_at, ended_at = NULL
"""
# Sent, or being sent, and nobody has said what became of it; the index of unsettled orders serves.
SELECT_LOST: Final[LiteralString] = """
    SELECT o.client_order_id, o.venue, o.send_by, o.role = 'exit' AS is_exit,
           coalesce(s.negatives, 0) AS negatives
      FROM orders o LEFT JOIN order_searches s ON s.order_id = o.id AND s.ended_at IS NULL
     WHERE NOT o.settled AND o.status IN ('unknown', 'pending_new')
     ORDER BY o.id
"""
END: Final[LiteralString] = """
    UPDATE order_searches SET ended_at = $2 WHERE order_id = $1 AND ended_at IS NULL
"""
SELECT_VENUES: Final[LiteralString] = """
    SELECT client_order_id, venue FROM orders WHERE client_order_id = ANY ($1::text[])
"""
SELECT_SYMBOLS_UNSETTLED: Final[LiteralString] = """
    SELECT DISTINCT symbol FROM orders
     WHERE NOT settled AND venue = $1 AND side = $2 AND position_type = $3 AND id <> ALL ($4::bigint[])
"""
# Unsettled orders, orders inferred absent that may still appear, and fills in excess of a position.
SELECT_SYMBOLS_OPEN: Final[LiteralString] = """
    SELECT symbol FROM orders WHERE NOT settled AND venue = $1
    UNION
    SELECT o.symbol
      FROM order_searches AS s JOIN orders AS o ON o.id = s.order_id
     WHERE s.ended_at IS NULL AND o.venue = $1
    UNION
    SELECT e.symbol
      FROM external_fills AS e JOIN orders AS o ON o.id = e.excess_of
     WHERE e.venue = $1 AND e.excess_of IS NOT NULL AND e.adopted_by IS NULL AND e.forced IS NULL
"""
# Orders of which the venue may tell fills by a name that we do not know. One that it has acknowledged is known by the
# venue's id, unless what it triggers is another order there.
SELECT_DOUBTS: Final[LiteralString] = """
    SELECT client_order_id, symbol, side, quantity - filled_quantity - excess_quantity AS missing, created_at,
           false AS is_inferred_absent
      FROM orders
     WHERE venue = $1 AND NOT settled AND status IN ('pending_new', 'unknown')
       AND (venue_order_id IS NULL OR type NOT IN ('market', 'limit'))
    UNION ALL
    SELECT o.client_order_id, o.symbol, o.side, o.quantity - o.filled_quantity - o.excess_quantity, o.created_at, true
      FROM order_searches AS s JOIN orders AS o ON o.id = s.order_id
     WHERE s.ended_at IS NULL AND s.inferred_absent_at IS NOT NULL AND o.settled AND o.venue = $1
"""


class Doubt(NamedTuple):
    """Order whose executed quantity is uncertain; `missing`: the part not known to be filled."""

    client_order_id: ClientOrderId
    symbol: str
    side: Side
    missing: Decimal
    created_at: datetime
    is_inferred_absent: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderSearchState:
    """State of a search; `negatives`: "never seen" answers of `endpoints` since `began_at`."""

    began_at: datetime
    last_asked_at: datetime
    negatives: int = 0
    endpoints: frozenset[str] = frozenset()
    inferred_absent_at: datetime | None = None
    cancel_acknowledged_at: datetime | None = None


class LostOrder(NamedTuple):
    """Order of which nobody knows; *negatives*: how often its venue has said so, and it counted."""

    client_order_id: ClientOrderId
    venue: VenueName
    send_by: datetime
    is_exit: bool
    negatives: int


async def select_in_doubt(
    connection: Connection,
) -> list[tuple[StoredOrder, OrderSearchState | None]]:
    """Return unsettled orders, and those inferred absent that are still searched for."""
    rows = await connection.fetch(SELECT_IN_DOUBT)
    return [(orders.from_row(row), _search(row)) for row in rows]


async def select_lost(connection: Connection) -> list[LostOrder]:
    """Return orders whose outcome is unknown; those that are being sent are among them."""
    return [
        LostOrder(
            ClientOrderId(row["client_order_id"]),
            VenueName(row["venue"]),
            row["send_by"],
            is_exit=row["is_exit"],
            negatives=row["negatives"],
        )
        for row in await connection.fetch(SELECT_LOST)
    ]


async def select_symbols_unsettled(
    connection: Connection,
    venue: VenueName,
    side: Side,
    position_type: PositionType,
    besides: Sequence[OrderId],
) -> list[str]:
    """Return symbols in which orders to *side* may execute, or already have."""
    rows = await connection.fetch(
        SELECT_SYMBOLS_UNSETTLED, venue, side, position_type, list(besides)
    )
    return [row["symbol"] for row in rows]


async def select_symbols_open(connection: Connection, venue: VenueName) -> set[str]:
    """Return symbols in which an order of ours may have executed without a position showing it."""
    return {row["symbol"] for row in await connection.fetch(SELECT_SYMBOLS_OPEN, venue)}


async def select_doubts(connection: Connection, venue: VenueName) -> list[Doubt]:
    return [
        Doubt(
            client_order_id=ClientOrderId(row["client_order_id"]),
            symbol=row["symbol"],
            side=Side(row["side"]),
            missing=row["missing"],
            created_at=row["created_at"],
            is_inferred_absent=row["is_inferred_absent"],
        )
        for row in await connection.fetch(SELECT_DOUBTS, venue)
    ]


async def upsert(connection: Connection, order_id: OrderId, search: OrderSearchState) -> None:
    await connection.execute(
        UPSERT,
        order_id,
        search.began_at,
        search.last_asked_at,
        search.negatives,
        sorted(search.endpoints),
        search.inferred_absent_at,
        search.cancel_acknowledged_at,
    )


async def end(connection: Connection, order_id: OrderId, at: datetime) -> None:
    """End the search: the order was found, or is no longer asked about."""
    await connection.execute(END, order_id, at)


def _search(row: Any) -> OrderSearchState | None:
    if row["began_at"] is None:
        return None
    return OrderSearchState(
        began_at=row["began_at"],
        last_asked_at=row["last_asked_at"],
        negatives=row["negatives"],
        endpoints=frozenset(row["endpoints"]),
        inferred_absent_at=row["inferred_absent_at"],
        cancel_acknowledged_at=row["cancel_acknowledged_at"],
    )


async def select_venues(
    connection: Connection, client_order_ids: Sequence[ClientOrderId]
) -> dict[ClientOrderId, VenueName]:
    """Return the venues that these orders are sent to, for those that have rows."""
    rows = await connection.fetch(SELECT_VENUES, client_order_ids)
    return {ClientOrderId(row["client_order_id"]): VenueName(row["venue"]) for row in rows}
