"""What a replay came to: closed trades by bot, and how far equity fell, as snapshots saw it."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final, LiteralString

from tradebotd.storage.postgres.database import Connection

# A bot without trades is a result, too. One whose symbol was changed has a row for each.
SELECT_TRADES: Final[LiteralString] = """
    SELECT r.bot, r.symbol, m.quote_asset, count(r.id)::integer AS trades,
           (count(r.id) FILTER (WHERE r.realized_pnl > 0))::integer AS won,
           coalesce(sum(r.realized_pnl), 0) AS realized_pnl, coalesce(sum(r.fees), 0) AS fees,
           (SELECT count(*) FROM positions AS p
             WHERE p.bot = r.bot AND p.symbol = r.symbol AND p.closed_at IS NULL)::integer AS open
      FROM (SELECT c.name AS bot, coalesce(t.symbol, c.symbol) AS symbol, t.id, t.realized_pnl, t.fees
              FROM bot_configs AS c LEFT JOIN trades AS t ON t.bot = c.name
             WHERE NOT c.orphaned OR t.id IS NOT NULL) AS r
      LEFT JOIN market_symbols AS m ON m.symbol = r.symbol
     GROUP BY r.bot, r.symbol, m.quote_asset
     ORDER BY r.bot, r.symbol
"""
# The account's by its unit's value: what was paid in or taken out is neither gain nor loss.
SELECT_EQUITY: Final[LiteralString] = """
    SELECT bot, min(ts) AS since, max(ts) AS until, (array_agg(equity ORDER BY ts))[1] AS first,
           (array_agg(equity ORDER BY ts DESC))[1] AS last, coalesce(max(1 - value / nullif(peak, 0)), 0) AS drawdown
      FROM (SELECT bot, ts, equity, value, max(value) OVER (PARTITION BY bot ORDER BY ts) AS peak
              FROM (SELECT bot, ts, equity, CASE WHEN bot IS NULL THEN unit_value ELSE equity END AS value
                      FROM equity_snapshots WHERE account = $1) AS valued) AS peaked
     GROUP BY bot
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class BotTrades:
    """Closed ones of one symbol. P&L is net of *fees*, both in *quote_asset*; `open`: positions."""

    bot: str
    symbol: str
    quote_asset: str | None
    trades: int
    won: int
    realized_pnl: Decimal
    fees: Decimal
    open: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EquityCurve:
    """In the account's currency; `drawdown`: the deepest fall, a share of the highest before it."""

    since: datetime
    until: datetime
    first: Decimal
    last: Decimal
    drawdown: Decimal


async def trades_by_bot(connection: Connection) -> list[BotTrades]:
    return [BotTrades(**dict(row)) for row in await connection.fetch(SELECT_TRADES)]


async def equity_curves(connection: Connection, account: str) -> dict[str | None, EquityCurve]:
    """By bot, None for the account; those without a snapshot are left out."""
    curves: dict[str | None, EquityCurve] = {}
    for row in await connection.fetch(SELECT_EQUITY, account):
        values = dict(row)
        bot = values.pop("bot")
        curves[bot] = EquityCurve(**values)
    return curves
