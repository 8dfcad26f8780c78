"""`equity_snapshots`, and the sums that they and the account limits are computed from."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, LiteralString, NamedTuple

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
# Columns of one statement, and of one snapshot: what leaves `pending` is among the holdings, and in the sums. A symbol
# that has left the configuration is still known by what it was.
FLOWS: Final = """
    ARRAY(SELECT (id, venue, symbol, quantity - filled_quantity, limit_price, position_type, leverage,
                  position_id IS NULL, venue_order_id IS NOT NULL)
            FROM orders WHERE role = 'entry' AND NOT settled ORDER BY id) AS pending,
    ARRAY(SELECT (venue, asset, sum(earned + paid_elsewhere - fees_taken))
            FROM asset_sums GROUP BY venue, asset ORDER BY venue, asset) AS sums,
    ARRAY(SELECT (p.id, p.bot, p.venue, p.symbol, m.base_asset, m.quote_asset, p.position_type, p.side, p.quantity,
                  p.entry_price, p.cost, p.leverage, p.exit_quantity + p.swept, p.funding)
            FROM positions AS p LEFT JOIN market_symbols AS m ON m.symbol = p.symbol
           WHERE p.closed_at IS NULL ORDER BY p.bot, p.id) AS holdings,
    (SELECT (count(*), count(*) FILTER (WHERE moves), count(*) FILTER (WHERE moves AND role = 'exit'))
       FROM (SELECT role, NOT (type <> 'market' AND (status IN ('new', 'partially_filled')
                                                     OR role = 'exit' AND status = 'pending_new')) AS moves
               FROM orders WHERE NOT settled) AS unsettled) AS under_way,
    (SELECT coalesce(sum(closed), 0)::bigint FROM bot_sums) AS closed
"""
_OF_ALL: Final = """,
    ARRAY(SELECT (c.name, s.venue, s.asset, s.realized)
            FROM bot_configs AS c LEFT JOIN bot_sums AS s ON s.bot = c.name ORDER BY c.name, s.venue, s.asset) AS bots
"""
SELECT_BOT_FLOWS: Final[LiteralString] = "SELECT" + FLOWS + _OF_ALL
# A peak from before an operator resumed from a drawdown is none any more, nor is what was before the account was empty.
SELECT_EXTREMES: Final[LiteralString] = """
    SELECT (SELECT unit_value FROM equity_snapshots
             WHERE account = $1 AND bot IS NULL
               AND ts >= greatest($2, (SELECT since FROM account_units WHERE account = $1))
             ORDER BY ts LIMIT 1) AS day_start,
           (SELECT peak FROM account_peaks WHERE account = $1) AS peak,
           (SELECT count(*) FROM orders WHERE role = 'entry' AND created_at > $3) AS recent_entries
"""

CashKey = tuple[VenueName, str]  # a venue, and an asset there


class Snapshot(NamedTuple):
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
    bot: BotName
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


class BotFlows(NamedTuple):
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

    `holdings`: of all bots; `bots`: those that were asked for.
    `exiting`: exits among them. `resting`: orders rest at a venue, and may fill at any moment.
    `sums`: the change of each purse by all that we have recorded, without the cost of open spot
    holdings.
    `closed`: how many positions have been closed, of all bots, in all. What it has grown by between
    two reads, beyond what only the first one holds, was opened and closed in between.
    """

    sums: Mapping[CashKey, Decimal]
    bots: Sequence[BotFlows]
    holdings: Sequence[OpenHolding]
    pending: Sequence[PendingEntry]
    moving: bool
    exiting: bool
    resting: bool
    closed: int = 0


class AccountHistory(NamedTuple):
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
    """Return the flows of all bots."""
    return flows_of(await connection.fetchrow(SELECT_BOT_FLOWS))


def flows_of(row: Any) -> Flows:
    """Build the flows from the columns of FLOWS, and from `bots`."""
    holdings = tuple(_holding(each) for each in row["holdings"])
    of_bot: dict[BotName, list[OpenHolding]] = defaultdict(list)
    for holding in holdings:
        of_bot[holding.bot].append(holding)
    realized: dict[BotName, dict[CashKey, Decimal]] = {}
    for bot, venue, asset, amount in row["bots"]:
        sums = realized.setdefault(BotName(bot), {})
        if venue is not None:
            sums[VenueName(venue), asset] = amount
    unsettled, moving, exiting = row["under_way"]
    return Flows(
        sums={(VenueName(venue), asset): booked for venue, asset, booked in row["sums"]},
        bots=tuple(
            BotFlows(bot=bot, realized=sums, holdings=tuple(of_bot.get(bot, ())))
            for bot, sums in realized.items()
        ),
        holdings=holdings,
        pending=tuple(_pending(each) for each in row["pending"]),
        moving=moving > 0,
        exiting=exiting > 0,
        resting=unsettled > moving,
        closed=row["closed"],
    )


async def select_history(
    connection: Connection, account: str, day_began: datetime, minute_ago: datetime
) -> AccountHistory:
    return history_of(await connection.fetchrow(SELECT_EXTREMES, account, day_began, minute_ago))


def history_of(row: Any) -> AccountHistory:
    """Build the history from the columns of SELECT_EXTREMES."""
    return AccountHistory(
        day_start=row["day_start"],
        peak=row["peak"],
        recent_entries=row["recent_entries"],
    )


def _holding(row: Any) -> OpenHolding:
    (
        position_id,
        bot,
        venue,
        symbol,
        base_asset,
        quote_asset,
        position_type,
        side,
        quantity,
        entry_price,
        cost,
        leverage,
        exited,
        funding,
    ) = row
    return OpenHolding(
        position_id=PositionId(position_id),
        bot=BotName(bot),
        venue=VenueName(venue),
        symbol=symbol,
        base_asset=base_asset,
        quote_asset=quote_asset,
        position_type=PositionType(position_type),
        quantity=quantity if side == "long" else -quantity,
        entry_price=entry_price,
        cost=cost,
        leverage=leverage,
        exited=exited,
        funding=funding,
    )


def _pending(row: Any) -> PendingEntry:
    order_id, venue, symbol, quantity, limit_price, position_type, leverage, opens, known = row
    return PendingEntry(
        order_id=OrderId(order_id),
        venue=VenueName(venue),
        symbol=symbol,
        quantity=quantity,
        limit_price=limit_price,
        position_type=PositionType(position_type),
        leverage=leverage,
        opens=opens,
        acknowledged=known,
    )
