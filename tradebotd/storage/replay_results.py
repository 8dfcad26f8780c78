"""Results of a replay: closed trades by bot, and equity's drawdown by the snapshots."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final, LiteralString, NamedTuple

from tradebotd.storage.postgres.database import Connection

# A configured bot ($1) without trades is a result, too. Whatever else has traded or holds something is part of the
# account's equity: a bot that has left the configuration, a symbol that a bot had before.
SELECT_TRADES: Final[LiteralString] = """
    WITH lines AS (
        SELECT name AS bot, symbol FROM bot_configs WHERE name = ANY ($1::text[])
         UNION
        SELECT bot, symbol FROM positions WHERE closed_at IS NULL OR entry_quantity > 0
    )
    SELECT l.bot, l.symbol, m.quote_asset, l.bot = ANY ($1::text[]) AS configured, count(t.id)::integer AS trades,
           (count(t.id) FILTER (WHERE t.realized_pnl > 0))::integer AS won,
           coalesce(sum(t.realized_pnl), 0) AS realized_pnl, coalesce(sum(t.fees), 0) AS fees,
           (SELECT count(*) FROM positions AS p
             WHERE p.bot = l.bot AND p.symbol = l.symbol AND p.closed_at IS NULL)::integer AS open
      FROM lines AS l
      LEFT JOIN market_symbols AS m ON m.symbol = l.symbol
      LEFT JOIN trades AS t ON t.bot = l.bot AND t.symbol = l.symbol
     GROUP BY l.bot, l.symbol, m.quote_asset
     ORDER BY l.bot, l.symbol
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
    """Closed trades of one bot and symbol; `open`: open positions.

    P&L is net of *fees*, both in *quote_asset*.
    """

    bot: str
    symbol: str
    quote_asset: str | None
    configured: bool
    trades: int
    won: int
    realized_pnl: Decimal
    fees: Decimal
    open: int


class EquityCurve(NamedTuple):
    """Equity in the account's currency; `drawdown`: the deepest fall, as a share of the peak."""

    since: datetime
    until: datetime
    first: Decimal
    last: Decimal
    drawdown: Decimal


async def trades_by_bot(connection: Connection, configured: Sequence[str]) -> list[BotTrades]:
    """Return the trades of all bots of this database; *configured*: names of the bots in force.

    A position belongs to a bot, and a bot to no account.
    """
    rows = await connection.fetch(SELECT_TRADES, list(configured))
    return [BotTrades(**dict(row)) for row in rows]


async def equity_curves(connection: Connection, account: str) -> dict[str | None, EquityCurve]:
    """Return the curves by bot, None for the account; without a snapshot there is none."""
    curves: dict[str | None, EquityCurve] = {}
    for row in await connection.fetch(SELECT_EQUITY, account):
        values = dict(row)
        bot = values.pop("bot")
        curves[bot] = EquityCurve(**values)
    return curves
