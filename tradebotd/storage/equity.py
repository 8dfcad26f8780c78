"""`equity_snapshots`, and the sums they and the account limits are made of."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final, LiteralString

from tradebotd.domain.ids import BotName
from tradebotd.domain.instrument import PositionType
from tradebotd.storage.database import Connection

INSERT_SNAPSHOTS: Final[LiteralString] = """
    INSERT INTO equity_snapshots (ts, account, bot, equity, cash, exposure, unrealized_pnl)
    SELECT $1, $2, bot, equity, cash, exposure, unrealized_pnl
      FROM unnest($3::text[], $4::numeric[], $5::numeric[], $6::numeric[], $7::numeric[])
           AS s (bot, equity, cash, exposure, unrealized_pnl)
    ON CONFLICT (ts, account, coalesce(bot, '')) DO NOTHING
"""
SELECT_BOT_FLOWS: Final[LiteralString] = """
    SELECT c.name AS bot, coalesce(p.realized, 0) AS realized, o.symbol, o.side, o.position_type, o.quantity,
           o.entry_price, (SELECT count(*) FROM orders WHERE NOT settled) AS unsettled
      FROM bot_configs AS c
      LEFT JOIN (SELECT bot, sum(realized_pnl) AS realized FROM positions GROUP BY bot) AS p ON p.bot = c.name
      LEFT JOIN positions AS o ON o.bot = c.name AND o.closed_at IS NULL
     ORDER BY c.name
"""
SELECT_EXTREMES: Final[LiteralString] = """
    SELECT (SELECT equity FROM equity_snapshots
             WHERE account = $1 AND bot IS NULL AND ts >= $2 ORDER BY ts LIMIT 1) AS day_start,
           (SELECT max(equity) FROM equity_snapshots WHERE account = $1 AND bot IS NULL) AS peak,
           (SELECT count(*) FROM orders WHERE created_at > $3) AS recent_orders,
           (SELECT coalesce(jsonb_agg(jsonb_build_array(symbol, (quantity - filled_quantity)::text)), '[]') FROM orders
             WHERE role = 'entry' AND NOT settled) AS pending,
           (SELECT count(*) FROM orders WHERE role = 'entry' AND NOT settled AND position_id IS NULL) AS pending_entries
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """`bot` None: the whole account. In the account's currency."""

    bot: BotName | None
    equity: Decimal
    cash: Decimal
    exposure: Decimal
    unrealized_pnl: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenHolding:
    """`quantity` is signed."""

    symbol: str
    position_type: PositionType
    quantity: Decimal
    entry_price: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class BotFlows:
    """`realized`: of all its positions, net of fees, the open one's entry fee included."""

    bot: BotName
    realized: Decimal
    holding: OpenHolding | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountHistory:
    """`pending`: (symbol, quantity not filled yet) of each unsettled entry."""

    day_start: Decimal | None
    peak: Decimal | None
    recent_orders: int
    pending: Sequence[tuple[str, Decimal]]
    pending_entries: int


async def insert_snapshots(
    connection: Connection, ts: datetime, account: str, rows: list[Snapshot]
) -> None:
    await connection.execute(
        INSERT_SNAPSHOTS,
        ts,
        account,
        [row.bot for row in rows],
        [row.equity for row in rows],
        [row.cash for row in rows],
        [row.exposure for row in rows],
        [row.unrealized_pnl for row in rows],
    )


async def select_bot_flows(connection: Connection) -> tuple[list[BotFlows], bool]:
    """And whether orders are under way, which the venue may have booked before we have."""
    flows, moving = [], False
    for row in await connection.fetch(SELECT_BOT_FLOWS):
        moving = row["unsettled"] > 0
        holding = None
        if row["symbol"] is not None:
            sign = 1 if row["side"] == "long" else -1
            holding = OpenHolding(
                symbol=row["symbol"],
                position_type=PositionType(row["position_type"]),
                quantity=sign * row["quantity"],
                entry_price=row["entry_price"],
            )
        flows.append(BotFlows(bot=BotName(row["bot"]), realized=row["realized"], holding=holding))
    return flows, moving


async def select_history(
    connection: Connection, account: str, day_began: datetime, minute_ago: datetime
) -> AccountHistory:
    row = await connection.fetchrow(SELECT_EXTREMES, account, day_began, minute_ago)
    return AccountHistory(
        day_start=row["day_start"],
        peak=row["peak"],
        recent_orders=row["recent_orders"],
        pending=[(symbol, Decimal(quantity)) for symbol, quantity in row["pending"]],
        pending_entries=row["pending_entries"],
    )
