"""`external_orders`, `external_fills`: external activity in an account of ours."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final, LiteralString, NamedTuple

from tradebotd.domain.fill import Fill, Forced
from tradebotd.domain.ids import BotName, ClientOrderId, OrderId, PositionId, VenueName
from tradebotd.domain.instrument import PositionType
from tradebotd.domain.order import OrderReport, OrderRequest
from tradebotd.storage import fills as stored_fills
from tradebotd.storage.postgres.database import Connection

SELECT_OURS: Final[LiteralString] = """
    SELECT client_order_id FROM orders WHERE client_order_id = ANY ($1::text[])
"""
UPSERT_ORDER: Final[LiteralString] = """
    INSERT INTO external_orders (venue, symbol, venue_order_id, client_order_id, side, type, quantity, status, seen_at,
                                 gone_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
    ON CONFLICT (venue, symbol, venue_order_id) DO UPDATE
       SET status = excluded.status, quantity = excluded.quantity, gone_at = excluded.gone_at
"""
MARK_GONE: Final[LiteralString] = """
    UPDATE external_orders SET gone_at = $3
     WHERE venue = $1 AND gone_at IS NULL AND venue_order_id <> ALL ($2::text[])
"""
# Each fill of a venue: which order of ours it is of, by our id or by the venue's, and whether it has been applied.
SELECT_KNOWN: Final[LiteralString] = """
    SELECT coalesce(o.client_order_id, v.client_order_id, i.client_order_id) AS owner,
           f.id IS NOT NULL OR x.excess_of IS NOT NULL AS is_applied
      FROM unnest($2::text[], $3::text[], $4::text[], $5::text[])
           WITH ORDINALITY AS told (symbol, trade_id, client_order_id, venue_order_id, place)
      LEFT JOIN orders AS o ON o.client_order_id = told.client_order_id
      LEFT JOIN LATERAL (SELECT client_order_id FROM orders
                          WHERE venue = $1 AND symbol = told.symbol AND venue_order_id = told.venue_order_id
                          LIMIT 1) AS v ON o.id IS NULL
      LEFT JOIN LATERAL (SELECT named.client_order_id
                           FROM order_venue_ids AS n JOIN orders AS named ON named.id = n.order_id
                          WHERE n.venue = $1 AND n.symbol = told.symbol AND n.venue_order_id = told.venue_order_id)
             AS i ON o.id IS NULL
      LEFT JOIN fills AS f ON f.venue = $1 AND f.symbol = told.symbol AND f.trade_id = told.trade_id
      LEFT JOIN external_fills AS x
             ON x.venue = $1 AND x.symbol = told.symbol AND x.trade_id = told.trade_id AND x.excess_of IS NOT NULL
     ORDER BY told.place
"""
INSERT_FILL: Final[LiteralString] = """
    INSERT INTO external_fills AS e (venue, symbol, trade_id, client_order_id, side, quantity, price, fee, fee_asset,
                                     executed_at, forced, venue_order_id)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
    ON CONFLICT (venue, symbol, trade_id) DO UPDATE
       SET client_order_id = coalesce(e.client_order_id, excluded.client_order_id),
           venue_order_id = coalesce(e.venue_order_id, excluded.venue_order_id)
     WHERE (e.client_order_id IS NULL AND excluded.client_order_id IS NOT NULL)
        OR (e.venue_order_id IS NULL AND excluded.venue_order_id IS NOT NULL)
"""
# One that became ours after all (its order was known by another name) explains nothing. An excess has a name of its
# own, since the rest of its trade is ours already. OFFSET: each is looked up by its index; else all fills might be read.
SELECT_UNADOPTED: Final[LiteralString] = """
    SELECT venue, symbol, CASE WHEN excess_of IS NULL THEN trade_id ELSE trade_id || '.excess' END AS trade_id,
           coalesce(client_order_id, (SELECT x.client_order_id FROM external_orders AS x
                                       WHERE x.venue = e.venue AND x.symbol = e.symbol
                                         AND x.venue_order_id = e.venue_order_id)) AS client_order_id,
           side, quantity, price, fee, fee_asset, executed_at, forced, venue_order_id
      FROM external_fills AS e
     WHERE venue = $1 AND adopted_by IS NULL
       AND (excess_of IS NOT NULL
            OR NOT EXISTS (SELECT 1 FROM fills AS f
                            WHERE f.venue = e.venue AND f.symbol = e.symbol AND f.trade_id = e.trade_id OFFSET 0))
     ORDER BY executed_at DESC, trade_id DESC
     LIMIT $2
"""
# The part of one of our own fills that exceeded the position.
INSERT_EXCESS: Final[LiteralString] = """
    INSERT INTO external_fills (venue, symbol, trade_id, client_order_id, side, quantity, price, fee, fee_asset,
                                executed_at, excess_of, venue_order_id, forced)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
    ON CONFLICT (venue, symbol, trade_id)
    DO UPDATE SET quantity = excluded.quantity, fee = excluded.fee, excess_of = excluded.excess_of
"""
SELECT_EXCESS: Final[LiteralString] = """
    SELECT e.venue, e.symbol, e.trade_id || '.excess' AS trade_id, e.client_order_id, e.side, e.quantity, e.price,
           e.fee, e.fee_asset, e.executed_at, e.venue_order_id, o.bot, o.position_id, o.position_type, coalesce(p.leverage, o.leverage) AS leverage
      FROM external_fills AS e
      JOIN orders AS o ON o.id = e.excess_of
      LEFT JOIN positions AS p ON p.id = o.position_id
     WHERE e.venue = $1 AND e.excess_of IS NOT NULL AND e.adopted_by IS NULL AND e.forced IS NULL
     ORDER BY e.executed_at, e.trade_id
"""
# Forced closes of positions that may be ours, open or left as dust: external positions may have been closed, too. Whole ones
# of which nothing is booked, and what they took beyond a position, which has a name of its own.
SELECT_FORCED: Final[LiteralString] = """
    SELECT e.venue, e.symbol, CASE WHEN excess_of IS NULL THEN trade_id ELSE trade_id || '.excess' END AS trade_id,
           client_order_id, e.side, quantity, price, fee, fee_asset, executed_at, forced, venue_order_id,
           excess_of IS NULL AS is_whole, ours.of_open
      FROM external_fills AS e
     CROSS JOIN LATERAL (
           SELECT excess_of IS NULL
                  AND EXISTS (SELECT 1 FROM positions AS p
                               WHERE p.venue = e.venue AND p.symbol = e.symbol AND p.position_type = 'futures'
                                 AND p.closed_at IS NULL AND p.opened_at <= e.executed_at
                                 AND p.side = CASE e.side WHEN 'sell' THEN 'long' ELSE 'short' END) AS of_open,
                  EXISTS (SELECT 1 FROM positions AS p
                           WHERE p.venue = e.venue AND p.symbol = e.symbol AND p.position_type = 'futures'
                             AND p.closed_at IS NOT NULL AND p.dust > 0 AND p.opened_at <= e.executed_at
                             AND p.side = CASE e.side WHEN 'sell' THEN 'long' ELSE 'short' END) AS of_dust) AS ours
     WHERE forced IS NOT NULL AND adopted_by IS NULL AND (ours.of_open OR ours.of_dust)
       AND (excess_of IS NOT NULL
            OR NOT EXISTS (SELECT 1 FROM fills AS f
                            WHERE f.venue = e.venue AND f.symbol = e.symbol AND f.trade_id = e.trade_id))
     ORDER BY executed_at, trade_id
     LIMIT $1
"""
ADOPT: Final[LiteralString] = """
    UPDATE external_fills SET adopted_by = $4
     WHERE venue = $1 AND symbol = $2
       AND CASE WHEN excess_of IS NULL THEN trade_id ELSE trade_id || '.excess' END = ANY ($3::text[])
"""
# A group of executed orders does not replace another exit.
INSERT_CLOSED_GROUP: Final[LiteralString] = """
    INSERT INTO exit_groups (position_id, role, made_at) VALUES ($1, 'closed', $2) RETURNING id
"""
SELECT_DOUBTFUL: Final[LiteralString] = """
    SELECT client_order_id FROM orders WHERE venue = $1 AND symbol = $2 AND NOT settled
       AND status NOT IN ('new', 'partially_filled') ORDER BY id LIMIT 1
"""


class Excess(NamedTuple):
    """Part of a fill that exceeds what its order's position held, with the order's bot.

    `position_id`: of an exit.
    """

    fill: Fill
    bot: BotName
    position_id: PositionId | None
    position_type: PositionType
    leverage: int


class ForcedFill(NamedTuple):
    """Forced close. `is_whole`: else it is what exceeded a position. `of_open`: one is open for it,
    else dust was left that it may have closed.
    """

    fill: Fill
    is_whole: bool
    of_open: bool


async def select_ours(
    connection: Connection, client_order_ids: Sequence[ClientOrderId]
) -> set[ClientOrderId]:
    rows = await connection.fetch(SELECT_OURS, list(client_order_ids))
    return {ClientOrderId(row["client_order_id"]) for row in rows}


async def upsert_order(
    connection: Connection,
    report: OrderReport,
    asked: OrderRequest,
    at: datetime,
    gone_at: datetime | None,
) -> None:
    await connection.execute(
        UPSERT_ORDER,
        asked.venue,
        asked.symbol,
        report.venue_order_id,
        report.client_order_id,
        asked.side,
        asked.type,
        asked.quantity,
        report.status,
        at,
        gone_at,
    )


async def mark_gone(
    connection: Connection, venue: VenueName, still: Sequence[str], at: datetime
) -> None:
    """Mark external orders that no longer rest; *still*: venue ids of those that do."""
    await connection.execute(MARK_GONE, venue, list(still), at)


async def select_known(
    connection: Connection, venue: VenueName, fills: Sequence[Fill]
) -> list[tuple[ClientOrderId | None, bool]]:
    """Return for each fill our order that it belongs to, and whether it is applied already."""
    rows = await connection.fetch(
        SELECT_KNOWN,
        venue,
        [fill.symbol for fill in fills],
        [fill.trade_id for fill in fills],
        [fill.client_order_id for fill in fills],
        [fill.venue_order_id for fill in fills],
    )
    return [
        (None if row["owner"] is None else ClientOrderId(row["owner"]), row["is_applied"])
        for row in rows
    ]


async def insert_fills(connection: Connection, fills: Sequence[Fill]) -> None:
    await connection.executemany(
        INSERT_FILL,
        [
            (
                fill.venue,
                fill.symbol,
                fill.trade_id,
                fill.client_order_id,
                fill.side,
                fill.quantity,
                fill.price,
                fill.fee,
                fill.fee_asset,
                fill.executed_at,
                fill.forced,
                fill.venue_order_id,
            )
            for fill in fills
        ],
    )


async def insert_excess(connection: Connection, fill: Fill, order_id: OrderId) -> None:
    await connection.execute(
        INSERT_EXCESS,
        fill.venue,
        fill.symbol,
        fill.trade_id,
        fill.client_order_id,
        fill.side,
        fill.quantity,
        fill.price,
        fill.fee,
        fill.fee_asset,
        fill.executed_at,
        order_id,
        fill.venue_order_id,
        fill.forced,
    )


async def select_excess(connection: Connection, venue: VenueName) -> list[Excess]:
    """Return excess fills that are not settled yet, oldest first."""
    return [
        Excess(
            fill=stored_fills.from_row(row),
            bot=BotName(row["bot"]),
            position_id=None if row["position_id"] is None else PositionId(row["position_id"]),
            position_type=PositionType(row["position_type"]),
            leverage=row["leverage"],
        )
        for row in await connection.fetch(SELECT_EXCESS, venue)
    ]


async def select_unadopted(connection: Connection, venue: VenueName, limit: int) -> list[Fill]:
    """Return the latest external fills that are not adopted, oldest first."""
    rows = await connection.fetch(SELECT_UNADOPTED, venue, limit)
    return [_fill(row) for row in reversed(rows)]


async def select_forced(connection: Connection, limit: int) -> list[ForcedFill]:
    """Return forced closes against our futures positions that are not adopted, oldest first."""
    return [
        ForcedFill(fill=_fill(row), is_whole=row["is_whole"], of_open=row["of_open"])
        for row in await connection.fetch(SELECT_FORCED, limit)
    ]


async def adopt(
    connection: Connection,
    venue: VenueName,
    symbol: str,
    trade_ids: Sequence[str],
    position_id: PositionId,
) -> None:
    await connection.execute(ADOPT, venue, symbol, list(trade_ids), position_id)


async def insert_closed_group(connection: Connection, position_id: PositionId, at: datetime) -> int:
    group_id: int = await connection.fetchval(INSERT_CLOSED_GROUP, position_id, at)
    return group_id


async def select_doubtful(connection: Connection, venue: VenueName, symbol: str) -> str | None:
    """Return an unsettled order of ours there that is not known to rest, or None."""
    order: str | None = await connection.fetchval(SELECT_DOUBTFUL, venue, symbol)
    return order


def _fill(row: Any) -> Fill:
    forced = row["forced"]
    fill = stored_fills.from_row(row)
    return fill if forced is None else replace(fill, forced=Forced(forced))
