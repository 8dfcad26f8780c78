"""`positions`: each bot's open and closed ones; the view `trades` shows the closed ones."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final, LiteralString, NamedTuple

from tradebotd.domain.decimals import ZERO
from tradebotd.domain.errors import OpenedMeanwhileError
from tradebotd.domain.exit_plan import ExitPlan
from tradebotd.domain.ids import BotName, PositionId, VenueName
from tradebotd.domain.instrument import PositionType
from tradebotd.domain.position import CloseReason, Position, PositionTotals
from tradebotd.domain.side import PositionSide
from tradebotd.storage.exit_plans import exits_as_json, exits_from_json
from tradebotd.storage.postgres import json_codec
from tradebotd.storage.postgres.database import Connection

INSERT_POSITION: Final[LiteralString] = """
    INSERT INTO positions (bot, venue, symbol, side, position_type, leverage, quantity, entry_quantity,
                           entry_price, fees, realized_pnl, stop_loss, take_profit, trailing_stop, best_price,
                           exits, opened_at, liquidation_price, entry_cost, cost)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)
    ON CONFLICT (bot, symbol) WHERE closed_at IS NULL DO NOTHING
    RETURNING id
"""
UPDATE_BOOKS: Final[LiteralString] = """
    UPDATE positions
       SET quantity = $2, entry_quantity = $3, entry_price = $4, exit_quantity = $5, exit_price = $6, fees = $7,
           realized_pnl = $8, dust = $9, closed_at = coalesce($10, closed_at),
           close_reason = coalesce($11, close_reason), entry_cost = $12, exit_proceeds = $13, cost = $14, swept = $15,
           swept_income = $16, version = version + 1
     WHERE id = $1
"""
UPDATE_LEVELS: Final[LiteralString] = """
    UPDATE positions
       SET stop_loss = $2, take_profit = $3, trailing_stop = $4, best_price = $5, ladder_done = $6,
           liquidation_price = $7, step_sold = $8
     WHERE id = $1
"""
UPDATE_PLAN: Final[LiteralString] = """
    UPDATE positions SET exits = $2, version = version + 1 WHERE id = $1
"""
# They only tighten, and only what they were computed from: a fill or a hand may have set others
# since. What is not there stays away; but break even makes a stop where there was none.
UPDATE_TRAILS: Final[LiteralString] = """
    UPDATE positions AS p
       SET best_price = CASE p.side WHEN 'long' THEN greatest(p.best_price, m.best_price)
                                    ELSE least(p.best_price, m.best_price) END,
           stop_loss = CASE WHEN p.stop_loss IS NULL AND NOT p.exits ? 'break_even' THEN NULL
                            WHEN p.side = 'long' THEN greatest(p.stop_loss, m.stop_loss)
                            ELSE least(p.stop_loss, m.stop_loss) END,
           trailing_stop = CASE WHEN p.trailing_stop IS NULL THEN NULL
                                WHEN p.side = 'long' THEN greatest(p.trailing_stop, m.trailing_stop)
                                ELSE least(p.trailing_stop, m.trailing_stop) END
      FROM unnest($1::bigint[], $2::integer[], $3::numeric[], $4::numeric[], $5::numeric[])
           AS m (id, version, best_price, stop_loss, trailing_stop)
     WHERE p.id = m.id AND p.version = m.version AND p.closed_at IS NULL
"""
# What `position_of` unpacks, in its order; the page has 10,000 rows, and names would cost a third. A number that is mostly
# zero is null then: a null costs nothing to read.
COLUMNS: Final[LiteralString] = """
    SELECT id, bot, venue, symbol, side, position_type, quantity, entry_price, opened_at, stop_loss, take_profit,
           trailing_stop, best_price, exits::text, version, entry_quantity, ladder_done, leverage,
           liquidation_price, nullif(step_sold, 0) AS step_sold"""
COLUMN_COUNT: Final = 20
_SIDES: Final = {each.value: each for each in PositionSide}
_TYPES: Final = {each.value: each for each in PositionType}
SELECT_ONE: Final[LiteralString] = (
    COLUMNS
    + """
      FROM positions
     WHERE id = $1 AND closed_at IS NULL
"""
)
COLUMNS_FOR_UPDATE: Final = (
    COLUMNS
    + """,
           exit_quantity, fees, dust, closed_at, close_reason, funding, entry_cost, exit_proceeds, swept,
           swept_income
"""
)
SELECT_FOR_UPDATE: Final[LiteralString] = (
    COLUMNS_FOR_UPDATE
    + """
      FROM positions
     WHERE id = $1
       FOR UPDATE
"""
)
# Behind a position `held` FOR UPDATE, which has its bot. The locks come first, that of the position and that of its bot's
# state, so that a fill of the position and what else changes its books follow each other.
LOCK_STATE_OF_HELD: Final = """
    ), state AS MATERIALIZED (
        SELECT bot FROM bot_states WHERE bot = (SELECT bot FROM held) FOR UPDATE
    )
    SELECT held.id FROM held LEFT JOIN state ON true
"""
SELECT_OPEN_ID: Final[LiteralString] = """
    SELECT id FROM positions WHERE bot = $1 AND symbol = $2 AND closed_at IS NULL
"""
SELECT_OPEN_FUTURES: Final[LiteralString] = (
    COLUMNS
    + """
      FROM positions
     WHERE venue = $1 AND symbol = $2 AND side = $3 AND position_type = 'futures' AND closed_at IS NULL
     ORDER BY id
"""
)
MOST_WITH_DUST: Final = 100
SELECT_FUTURES_DUST: Final[LiteralString] = (
    COLUMNS
    + """, dust
      FROM positions
     WHERE venue = $1 AND symbol = $2 AND side = $3 AND position_type = 'futures' AND dust > 0 AND closed_at IS NOT NULL
     ORDER BY id LIMIT $4
"""
)
SELECT_SUMS: Final[LiteralString] = """
    SELECT venue, symbol, position_type, sum(quantity) AS quantity, sum(version) AS version, sum(open) AS open
      FROM (SELECT venue, symbol, position_type, CASE side WHEN 'long' THEN quantity ELSE -quantity END AS quantity, version,
                   1 AS open
              FROM positions WHERE closed_at IS NULL
            UNION ALL
            SELECT venue, symbol, 'futures', quantity, version, 0 FROM futures_dust
            UNION ALL
            SELECT venue, symbol, 'spot', quantity, version, 0 FROM dust) AS held
     GROUP BY venue, symbol, position_type
"""

MovedExit = tuple[PositionId, int, Decimal, Decimal | None, Decimal | None]


class LockedPosition(NamedTuple):
    """Position locked FOR UPDATE, with its totals."""

    position: Position
    books: PositionTotals
    is_open: bool
    close_reason: CloseReason | None


class HeldSum(NamedTuple):
    """Sum of all bots' positions in a symbol at a venue; signed. `version` changes with any."""

    venue: VenueName
    symbol: str
    position_type: PositionType
    quantity: Decimal
    version: int
    open: int


async def insert_position(
    connection: Connection, position: Position, books: PositionTotals, leverage: int
) -> PositionId:
    """Insert *position*, whose id is ignored, and return its id.

    Raises OpenedMeanwhileError: another order of the bot has opened one at the same time.
    """
    row_id: int | None = await connection.fetchval(
        INSERT_POSITION, *values_of_new(position, books, leverage)
    )
    if row_id is None:
        raise OpenedMeanwhileError(f"{position.bot} holds {position.symbol} already")
    return PositionId(row_id)


def values_of_new(position: Position, books: PositionTotals, leverage: int) -> tuple[Any, ...]:
    """Return the parameters of INSERT_POSITION."""
    return (
        position.bot,
        position.venue,
        position.symbol,
        position.side,
        position.position_type,
        leverage,
        books.quantity,
        books.entry_quantity,
        books.entry_price,
        books.fees,
        books.realized_pnl,
        position.stop_loss,
        position.take_profit,
        position.trailing_stop,
        position.best_price,
        exits_as_json(position.exits),
        position.opened_at,
        position.liquidation_price,
        books.entry_cost,
        books.cost,
    )


async def update_books(
    connection: Connection,
    position_id: PositionId,
    books: PositionTotals,
    closed: tuple[datetime, CloseReason] | None,
) -> None:
    """Update the totals. *closed* None: unchanged; a closed position is never reopened."""
    await connection.execute(UPDATE_BOOKS, position_id, *values_of_books(books, closed))


def values_of_books(
    books: PositionTotals, closed: tuple[datetime, CloseReason] | None
) -> tuple[Any, ...]:
    """Return the parameters of UPDATE_BOOKS behind the id."""
    return (
        books.quantity,
        books.entry_quantity,
        books.entry_price,
        books.exit_quantity,
        books.exit_price,
        books.fees,
        books.realized_pnl,
        books.dust,
        None if closed is None else closed[0],
        None if closed is None else closed[1],
        books.entry_cost,
        books.exit_proceeds,
        books.cost,
        books.swept,
        books.swept_income,
    )


async def update_levels(connection: Connection, position: Position) -> None:
    await connection.execute(UPDATE_LEVELS, position.id, *values_of_levels(position))


def values_of_levels(position: Position) -> tuple[Any, ...]:
    """Return the parameters of UPDATE_LEVELS behind the id."""
    return (
        position.stop_loss,
        position.take_profit,
        position.trailing_stop,
        position.best_price,
        position.ladder_done,
        position.liquidation_price,
        position.step_sold,
    )


async def update_plan(connection: Connection, position: Position) -> None:
    """Store a new exit plan and the levels that follow from it."""
    await connection.execute(UPDATE_PLAN, position.id, exits_as_json(position.exits))
    await update_levels(connection, position)


async def update_trails(connection: Connection, moved: Sequence[MovedExit]) -> None:
    """Store (id, version, best price, stop-loss, trailing stop) of each moved one at once.

    A stop of None stays as it is; so does the whole row if its version has changed.
    """
    await connection.execute(UPDATE_TRAILS, *(list(column) for column in zip(*moved, strict=True)))


async def select_one(connection: Connection, position_id: PositionId) -> Position | None:
    """Return the position; None if there is none or it is closed."""
    row = await connection.fetchrow(SELECT_ONE, position_id)
    return None if row is None else position_of(row)


async def lock(connection: Connection, position_id: PositionId) -> LockedPosition | None:
    row = await connection.fetchrow(SELECT_FOR_UPDATE, position_id)
    return None if row is None else locked_of(row)


def locked_of(row: Any) -> LockedPosition:
    """Build the position from a row with COLUMNS_FOR_UPDATE."""
    books = PositionTotals(
        side=PositionSide(row["side"]),
        position_type=PositionType(row["position_type"]),
        entry_quantity=row["entry_quantity"],
        entry_cost=row["entry_cost"],
        exit_quantity=row["exit_quantity"],
        exit_proceeds=row["exit_proceeds"],
        fees=row["fees"],
        dust=row["dust"],
        funding=row["funding"],
        swept=row["swept"],
        swept_income=row["swept_income"],
    )
    reason = row["close_reason"]
    return LockedPosition(
        position=position_of(row),
        books=books,
        is_open=row["closed_at"] is None,
        close_reason=None if reason is None else CloseReason(reason),
    )


async def select_open_id(connection: Connection, bot: BotName, symbol: str) -> PositionId | None:
    """Return the open position of a bot and symbol; there is at most one."""
    row_id = await connection.fetchval(SELECT_OPEN_ID, bot, symbol)
    return None if row_id is None else PositionId(row_id)


async def select_open_futures(
    connection: Connection, venue: VenueName, symbol: str, side: PositionSide
) -> list[Position]:
    """Return the open futures positions, oldest first.

    There are several only while a bot that left the configuration still holds one.
    """
    rows = await connection.fetch(SELECT_OPEN_FUTURES, venue, symbol, side)
    return [position_of(row) for row in rows]


async def select_futures_dust(
    connection: Connection, venue: VenueName, symbol: str, side: PositionSide
) -> list[tuple[Position, Decimal]]:
    """Return the closed futures positions that have left dust there, with the dust.

    The oldest MOST_WITH_DUST first.
    """
    rows = await connection.fetch(SELECT_FUTURES_DUST, venue, symbol, side, MOST_WITH_DUST)
    return [(position_of(row), row["dust"]) for row in rows]


async def select_sums(connection: Connection) -> list[HeldSum]:
    return [
        HeldSum(
            venue=VenueName(row["venue"]),
            symbol=row["symbol"],
            position_type=PositionType(row["position_type"]),
            quantity=row["quantity"],
            version=row["version"],
            open=row["open"],
        )
        for row in await connection.fetch(SELECT_SUMS)
    ]


def position_of(row: Any) -> Position:
    (
        position_id,
        bot,
        venue,
        symbol,
        side,
        position_type,
        quantity,
        entry_price,
        opened_at,
        stop_loss,
        take_profit,
        trailing_stop,
        best_price,
        plan,
        version,
        entry_quantity,
        ladder_done,
        leverage,
        liquidation_price,
        step_sold,
    ) = row[:COLUMN_COUNT]
    return Position(
        id=position_id,
        bot=bot,
        venue=venue,
        symbol=symbol,
        side=_SIDES[side],
        position_type=_TYPES[position_type],
        quantity=quantity,
        entry_price=entry_price,
        opened_at=opened_at,
        stop_loss=stop_loss,
        take_profit=take_profit,
        trailing_stop=trailing_stop,
        best_price=best_price,
        exits=_plan_of(plan),
        version=version,
        entry_quantity=entry_quantity,
        ladder_done=ladder_done,
        leverage=leverage,
        liquidation_price=liquidation_price,
        step_sold=ZERO if step_sold is None else step_sold,
    )


@lru_cache(maxsize=256)
def _plan_of(text: str) -> ExitPlan:
    """Parse a plan; cached, since the plans of a bot's positions are mostly the same."""
    return exits_from_json(json_codec.loads(text))
