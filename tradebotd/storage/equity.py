"""`equity_snapshots`, and the sums that they and the account limits are computed from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, LiteralString

from tradebotd.domain.ids import BotName, OrderId, PositionId, VenueName
from tradebotd.domain.instrument import PositionType
from tradebotd.storage.postgres.database import Connection

INSERT_SNAPSHOTS: Final[LiteralString] = """
    INSERT INTO equity_snapshots (ts, account, bot, equity, cash, exposure, unrealized_pnl, unit_value)
    SELECT $1, $2, bot, equity, cash, exposure, unrealized_pnl, CASE WHEN bot IS NULL THEN $8::numeric END
      FROM unnest($3::text[], $4::numeric[], $5::numeric[], $6::numeric[], $7::numeric[])
           AS s (bot, equity, cash, exposure, unrealized_pnl)
    ON CONFLICT (ts, account, coalesce(bot, '')) DO NOTHING
"""
# A symbol that has left the configuration is still known by what it was.
SELECT_BOT_FLOWS: Final[LiteralString] = """
    SELECT c.name AS bot, coalesce(p.realized, '[]') AS realized, o.venue, o.symbol, o.side, o.position_type,
           o.quantity, o.entry_price, o.cost, o.leverage, m.base_asset, m.quote_asset,
           o.id, o.exit_quantity + o.swept AS exited, o.funding, u.unsettled, u.moving, u.exiting
      FROM bot_configs AS c
      LEFT JOIN (SELECT bot, jsonb_agg(jsonb_build_array(venue, asset, realized::text)) AS realized
                   FROM bot_sums GROUP BY bot) AS p ON p.bot = c.name
      LEFT JOIN positions AS o ON o.bot = c.name AND o.closed_at IS NULL
      LEFT JOIN market_symbols AS m ON m.symbol = o.symbol
     CROSS JOIN (SELECT count(*) AS unsettled, count(*) FILTER (WHERE moves) AS moving,
                        count(*) FILTER (WHERE moves AND role = 'exit') AS exiting
                   FROM (SELECT role, NOT (type <> 'market' AND status IN ('new', 'partially_filled')) AS moves
                           FROM orders WHERE NOT settled) AS open) AS u
     ORDER BY c.name, o.id
"""
SELECT_SUMS: Final[LiteralString] = """
    SELECT venue, asset, sum(earned + paid_elsewhere - fees_taken) AS booked FROM asset_sums GROUP BY venue, asset
     ORDER BY venue, asset
"""
# A peak from before an operator resumed from a drawdown is none any more, nor is what was before the account was empty.
SELECT_EXTREMES: Final[LiteralString] = """
    SELECT (SELECT unit_value FROM equity_snapshots
             WHERE account = $1 AND bot IS NULL
               AND ts >= greatest($2, (SELECT since FROM account_units WHERE account = $1))
             ORDER BY ts LIMIT 1) AS day_start,
           (SELECT peak FROM account_peaks WHERE account = $1) AS peak,
           (SELECT count(*) FROM orders WHERE role = 'entry' AND created_at > $3) AS recent_entries
"""
SELECT_PENDING: Final[LiteralString] = """
    SELECT id, venue, symbol, quantity - filled_quantity AS quantity, limit_price, position_type, leverage,
           position_id IS NULL AS opens, venue_order_id IS NOT NULL AS acknowledged
      FROM orders
     WHERE role = 'entry' AND NOT settled
     ORDER BY id
"""

CashKey = tuple[VenueName, str]  # a venue, and an asset there


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Snapshot in the account's currency; `bot` None: the whole account."""

    bot: BotName | None
    equity: Decimal
    cash: Decimal
    exposure: Decimal
    unrealized_pnl: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenHolding:
    """Open holding; `quantity` is signed, `cost` is its price paid in the quote asset.

    `exited`: how much has been sold of it; `funding`: what it has received of that, in all.
    """

    position_id: PositionId
    venue: VenueName
    symbol: str
    base_asset: str
    quote_asset: str
    position_type: PositionType
    quantity: Decimal
    entry_price: Decimal
    cost: Decimal
    leverage: int
    exited: Decimal
    funding: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class BotFlows:
    """Flows of a bot. `realized`: by venue and quote asset, net of fees, of all its positions.

    Open positions are included.
    """

    bot: BotName
    realized: Mapping[CashKey, Decimal]
    holdings: Sequence[OpenHolding]


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingEntry:
    """Unfilled part of an unsettled entry; `opens`: none of it has been filled yet."""

    order_id: OrderId
    venue: VenueName
    symbol: str
    quantity: Decimal
    limit_price: Decimal | None
    position_type: PositionType
    leverage: int
    opens: bool
    acknowledged: bool = field(default=False, compare=False)  # the venue counts it


@dataclass(frozen=True, slots=True, kw_only=True)
class Flows:
    """Flows of the account. `moving`: orders are in flight, which the venue may have booked first.

    `exiting`: exits among them. `resting`: orders rest at a venue, and may fill at any moment.
    `sums`: the change of each purse by all that we have recorded, without the cost of open spot
    holdings.
    """

    sums: Mapping[CashKey, Decimal]
    bots: Sequence[BotFlows]
    pending: Sequence[PendingEntry]
    moving: bool
    exiting: bool
    resting: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountHistory:
    """History of the account. `recent_entries`: in the last minute; the others are unit values."""

    day_start: Decimal | None
    peak: Decimal | None
    recent_entries: int


async def insert_snapshots(
    connection: Connection,
    ts: datetime,
    account: str,
    rows: list[Snapshot],
    unit_value: Decimal,
) -> None:
    """Insert the snapshots. *unit_value*: of the account's unit, in its currency."""
    await connection.execute(
        INSERT_SNAPSHOTS,
        ts,
        account,
        [row.bot for row in rows],
        [row.equity for row in rows],
        [row.cash for row in rows],
        [row.exposure for row in rows],
        [row.unrealized_pnl for row in rows],
        unit_value,
    )


async def select_bot_flows(connection: Connection) -> Flows:
    """Return the flows; pending entries are read first, so that one that fills is not missed."""
    pending = tuple(_pending(row) for row in await connection.fetch(SELECT_PENDING))
    sums = {
        (VenueName(row["venue"]), row["asset"]): row["booked"]
        for row in await connection.fetch(SELECT_SUMS)
    }
    bots: dict[BotName, BotFlows] = {}
    moving = exiting = resting = False
    for row in await connection.fetch(SELECT_BOT_FLOWS):
        moving, exiting = row["moving"] > 0, row["exiting"] > 0
        resting = row["unsettled"] > row["moving"]
        bot = BotName(row["bot"])
        known = bots.get(bot)
        holdings = () if row["symbol"] is None else (_holding(row),)
        bots[bot] = BotFlows(
            bot=bot,
            realized={
                (VenueName(venue), asset): Decimal(amount)
                for venue, asset, amount in row["realized"]
            },
            holdings=holdings if known is None else (*known.holdings, *holdings),
        )
    return Flows(
        sums=sums,
        bots=tuple(bots.values()),
        pending=pending,
        moving=moving,
        exiting=exiting,
        resting=resting,
    )


async def select_history(
    connection: Connection, account: str, day_began: datetime, minute_ago: datetime
) -> AccountHistory:
    row = await connection.fetchrow(SELECT_EXTREMES, account, day_began, minute_ago)
    return AccountHistory(
        day_start=row["day_start"],
        peak=row["peak"],
        recent_entries=row["recent_entries"],
    )


def _holding(row: Any) -> OpenHolding:
    sign = 1 if row["side"] == "long" else -1
    return OpenHolding(
        position_id=PositionId(row["id"]),
        venue=VenueName(row["venue"]),
        symbol=row["symbol"],
        base_asset=row["base_asset"],
        quote_asset=row["quote_asset"],
        position_type=PositionType(row["position_type"]),
        quantity=sign * row["quantity"],
        entry_price=row["entry_price"],
        cost=row["cost"],
        leverage=row["leverage"],
        exited=row["exited"],
        funding=row["funding"],
    )


def _pending(row: Any) -> PendingEntry:
    return PendingEntry(
        order_id=OrderId(row["id"]),
        venue=VenueName(row["venue"]),
        symbol=row["symbol"],
        quantity=row["quantity"],
        limit_price=row["limit_price"],
        position_type=PositionType(row["position_type"]),
        leverage=row["leverage"],
        opens=row["opens"],
        acknowledged=row["acknowledged"],
    )
