"""Queries for operators: rows named by their columns, several tables joined."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, LiteralString, NamedTuple

from tradebotd.domain.ids import JobName, PositionId
from tradebotd.domain.job import RunStatus
from tradebotd.storage.postgres.database import Connection

Row = dict[str, Any]

SELECT_ACCOUNT: Final[LiteralString] = """
    SELECT (SELECT count(*) FROM positions WHERE closed_at IS NULL)::integer AS positions,
           (SELECT count(*) FROM orders WHERE NOT settled AND status = 'unknown')::integer AS unknown_orders,
           (SELECT min(updated_at) FROM orders WHERE NOT settled AND status = 'unknown') AS unknown_since,
           (SELECT count(*) FROM dead_letters WHERE state = 'open')::integer AS open_dead_letters,
           snapshot.ts AS equity_at, snapshot.equity, leader.token, leader.acquired_at,
           leader.holder
      FROM (SELECT 1) AS one
      LEFT JOIN LATERAL (SELECT ts, equity FROM equity_snapshots
                          WHERE account = $1 AND bot IS NULL ORDER BY ts DESC LIMIT 1) AS snapshot ON true
      LEFT JOIN leadership AS leader ON leader.account = $1 AND leader.released_at IS NULL
"""
SELECT_BOTS: Final[LiteralString] = """
    SELECT c.name, c.name AS bot, c.symbol, c.config->>'timeframe' AS timeframe,
           c.config->>'strategy' AS strategy, c.active, c.orphaned, coalesce(s.status, 'pending') AS status,
           coalesce(s.in_position, false) AS in_position, s.paused_by, s.day,
           coalesce(s.daily_pnl, 0) AS daily_pnl, coalesce(s.daily_trades_count, 0) AS daily_trades_count,
           coalesce(s.daily_unconverted, '{}') AS daily_unconverted,
           s.last_run_at, s.last_error_message
      FROM bot_configs AS c LEFT JOIN bot_states AS s ON s.bot = c.name
     WHERE ($1::text IS NULL OR c.name = $1) ORDER BY c.name
"""
SELECT_BOT_CONFIG: Final[LiteralString] = "SELECT config FROM bot_configs WHERE name = $1"
SELECT_POSITIONS: Final[LiteralString] = """
    SELECT id, bot, venue, symbol, side, quantity, entry_price, opened_at, stop_loss, take_profit, trailing_stop,
           best_price, (SELECT m.quote_asset FROM market_symbols AS m WHERE m.symbol = positions.symbol) AS quote_asset
      FROM positions WHERE closed_at IS NULL ORDER BY bot, symbol
"""
SELECT_TRADES: Final[LiteralString] = """
    SELECT id, bot, venue, symbol, side, quantity, entry_price, exit_price, opened_at, closed_at, close_reason,
           realized_pnl, fees, dust, dust_cost, swept_income,
           (SELECT m.quote_asset FROM market_symbols AS m WHERE m.symbol = trades.symbol) AS quote_asset
      FROM trades
     WHERE ($1::timestamptz IS NULL OR closed_at >= $1) AND ($2::text IS NULL OR bot = $2)
     ORDER BY closed_at DESC, id DESC LIMIT $3
"""
SELECT_TRADE: Final[LiteralString] = """
    SELECT id, bot, venue, symbol, side, quantity, entry_price, exit_price, opened_at, closed_at, close_reason,
           realized_pnl, fees, dust, dust_cost, swept_income,
           (SELECT m.quote_asset FROM market_symbols AS m WHERE m.symbol = trades.symbol) AS quote_asset
      FROM trades WHERE id = $1
"""
SELECT_ORDERS: Final[LiteralString] = """
    SELECT id, client_order_id, venue_order_id, position_id, bot, venue, symbol, role, side, type, time_in_force,
           quantity, filled_quantity, average_price, limit_price, stop_price, status, reason, created_at, updated_at
      FROM orders
     WHERE (NOT $1 OR NOT settled) AND (NOT $3 OR (status = 'unknown' AND NOT settled))
     ORDER BY id DESC LIMIT $2
"""
SELECT_ORDER: Final[LiteralString] = """
    SELECT id, client_order_id, venue_order_id, position_id, bot, venue, symbol, role, side, type, time_in_force,
           quantity, filled_quantity, average_price, status, reason, created_at, updated_at,
           limit_price, stop_price, trigger_price, reduce_only, settled, send_by, venue_filled_quantity,
           ARRAY(SELECT v.venue_order_id FROM order_venue_ids AS v WHERE v.order_id = orders.id ORDER BY v.seen_at)
           AS venue_order_ids
      FROM orders WHERE id = $1
"""
SELECT_CANCELLED_EXITS: Final[LiteralString] = """
    SELECT client_order_id FROM orders
     WHERE position_id = ANY ($1::bigint[]) AND role = 'exit' AND status = 'canceled' AND updated_at >= $2
"""
SELECT_LATEST_ORDER: Final[LiteralString] = "SELECT max(id) FROM orders"
SELECT_SEARCH: Final[LiteralString] = """
    SELECT began_at, last_asked_at, negatives, endpoints, inferred_absent_at, cancel_acknowledged_at, ended_at
      FROM order_searches WHERE order_id = $1
"""
SELECT_EVENTS: Final[LiteralString] = (
    "SELECT at, status, detail FROM order_events WHERE order_id = $1 ORDER BY id"
)
SELECT_FILLS: Final[LiteralString] = """
    SELECT f.id, f.order_id, f.position_id, o.bot, f.venue, f.symbol, f.trade_id, f.side, f.quantity, f.price,
           f.fee, f.fee_asset, f.fee_value, f.executed_at
      FROM fills AS f JOIN orders AS o ON o.id = f.order_id
     WHERE $1::bigint IS NULL OR f.order_id = $1
     ORDER BY f.executed_at DESC, f.id DESC LIMIT $2
"""
SELECT_DECISIONS: Final[LiteralString] = """
    SELECT id, candle_ts, intent, signal, reason, path, indicators, order_id, decided_at
      FROM decision_runs WHERE bot = $1 ORDER BY candle_ts DESC, intent LIMIT $2
"""
SELECT_SYMBOLS: Final[LiteralString] = """
    SELECT id, symbol, venue, base_asset, quote_asset, tick_size, lot_size, min_notional, calendar, feeds,
           timeframes, active
      FROM market_symbols ORDER BY NOT active, symbol
"""
SELECT_CANDLES: Final[LiteralString] = """
    SELECT $1::text AS symbol, o.timeframe, o.ts, o.open, o.high, o.low, o.close, o.volume, o.feed
      FROM ohlc AS o
     WHERE o.symbol_id = (SELECT id FROM market_symbols WHERE symbol = $1) AND o.timeframe = $2
     ORDER BY o.ts DESC LIMIT $3
"""
SELECT_LEVELS: Final[LiteralString] = """
    SELECT s.symbol, l.trade_date, l.y_high, l.y_low, l.y_close, l.pp, l.r1, l.r2, l.s1, l.s2
      FROM levels_daily AS l JOIN market_symbols AS s ON s.id = l.symbol_id
     WHERE s.symbol = $1 ORDER BY l.trade_date DESC LIMIT 1
"""
SELECT_BOTS_IN_ERROR: Final[LiteralString] = """
    SELECT bot FROM bot_states WHERE status LIKE 'error%' ORDER BY bot
"""
SELECT_NEWEST_SNAPSHOT: Final[LiteralString] = """
    SELECT max(ts) FROM equity_snapshots WHERE account = $1 AND bot IS NULL
"""
SELECT_ALERTS: Final[LiteralString] = """
    SELECT code, severity, subject, message, raised_at, runbook FROM alerts
     WHERE cleared_at IS NULL ORDER BY raised_at, id LIMIT 100
"""
# One row a job that has ended a run since then: whether it ever did so well, and how the last one ended.
SELECT_SINCE_START: Final[LiteralString] = """
    SELECT job, bool_or(status = 'ok') AS ran_well,
           (array_agg(status ORDER BY slot_at DESC, id DESC))[1] AS last_status
      FROM job_runs
     WHERE job = ANY ($1::text[]) AND slot_at >= $2 AND status IN ('ok', 'partial', 'failed', 'timeout')
     GROUP BY job
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Account; `equity` is the latest snapshot's, of `equity_at`; no leader: `token` is None."""

    positions: int
    unknown_orders: int
    unknown_since: datetime | None
    open_dead_letters: int
    equity_at: datetime | None
    equity: Decimal | None
    token: int | None
    acquired_at: datetime | None
    holder: Row | None


class SinceStart(NamedTuple):
    ran_well: bool
    last_status: RunStatus


async def bots_in_error(connection: Connection) -> list[str]:
    """Return the bots whose last cycle ended in an error."""
    return [row["bot"] for row in await connection.fetch(SELECT_BOTS_IN_ERROR)]


async def newest_snapshot(connection: Connection, account_name: str) -> datetime | None:
    """Return the time of the account's latest equity snapshot."""
    newest: datetime | None = await connection.fetchval(SELECT_NEWEST_SNAPSHOT, account_name)
    return newest


async def account(connection: Connection, name: str) -> Account:
    return Account(**dict(await connection.fetchrow(SELECT_ACCOUNT, name)))


async def bots(connection: Connection, name: str | None = None) -> list[Row]:
    return _rows(await connection.fetch(SELECT_BOTS, name))


async def bot_config(connection: Connection, name: str) -> Row:
    config: Row | None = await connection.fetchval(SELECT_BOT_CONFIG, name)
    return config or {}


async def decisions(connection: Connection, bot: str, limit: int) -> list[Row]:
    return _rows(await connection.fetch(SELECT_DECISIONS, bot, limit))


async def open_positions(connection: Connection) -> list[Row]:
    return _rows(await connection.fetch(SELECT_POSITIONS))


async def trades(
    connection: Connection, *, since: datetime | None = None, bot: str | None = None, limit: int
) -> list[Row]:
    """Return trades, the latest first."""
    return _rows(await connection.fetch(SELECT_TRADES, since, bot, limit))


async def trade(connection: Connection, position_id: int) -> Row | None:
    """Return the trade; None while the position is open, or when there is none."""
    row = await connection.fetchrow(SELECT_TRADE, position_id)
    return None if row is None else dict(row)


async def orders(
    connection: Connection, *, open_only: bool, unknown_only: bool, limit: int
) -> list[Row]:
    return _rows(await connection.fetch(SELECT_ORDERS, open_only, limit, unknown_only))


async def order(connection: Connection, order_id: int) -> Row | None:
    """Return the order with its `events`, `fills` and `search`."""
    row = await connection.fetchrow(SELECT_ORDER, order_id)
    if row is None:
        return None
    events = _rows(await connection.fetch(SELECT_EVENTS, order_id))
    search = await connection.fetchrow(SELECT_SEARCH, order_id)
    return {
        **dict(row),
        "events": events,
        "fills": await fills(connection, order_id=order_id),
        "search": None if search is None else dict(search),
    }


async def latest_order(connection: Connection) -> int | None:
    latest: int | None = await connection.fetchval(SELECT_LATEST_ORDER)
    return latest


async def cancelled_exits(
    connection: Connection, position_ids: Sequence[PositionId], since: datetime
) -> list[str]:
    """Return client ids of these positions' exits that were cancelled since then."""
    rows = await connection.fetch(SELECT_CANCELLED_EXITS, position_ids, since)
    return [row["client_order_id"] for row in rows]


async def fills(
    connection: Connection, *, order_id: int | None = None, limit: int = 1000
) -> list[Row]:
    return _rows(await connection.fetch(SELECT_FILLS, order_id, limit))


async def symbols(connection: Connection) -> list[Row]:
    return _rows(await connection.fetch(SELECT_SYMBOLS))


async def candles(connection: Connection, symbol: str, timeframe: str, limit: int) -> list[Row]:
    """Return the latest *limit* candles, oldest first."""
    rows = await connection.fetch(SELECT_CANDLES, symbol, timeframe, limit)
    return _rows(list(reversed(rows)))


async def levels(connection: Connection, symbol: str) -> Row | None:
    """Return the newest session's levels."""
    row = await connection.fetchrow(SELECT_LEVELS, symbol)
    return None if row is None else dict(row)


async def open_alerts(connection: Connection) -> list[Row]:
    return _rows(await connection.fetch(SELECT_ALERTS))


async def since_start(
    connection: Connection, jobs: Sequence[JobName], start: datetime
) -> dict[JobName, SinceStart]:
    rows = await connection.fetch(SELECT_SINCE_START, list(jobs), start)
    return {
        JobName(row["job"]): SinceStart(
            ran_well=row["ran_well"], last_status=RunStatus(row["last_status"])
        )
        for row in rows
    }


def _rows(rows: Sequence[Any]) -> list[Row]:
    return [dict(row) for row in rows]
