"""Fees of `fills` that could not be valued when the fill was booked."""

from datetime import datetime
from decimal import Decimal
from typing import Final, LiteralString, NamedTuple

from tradebotd.domain.ids import VenueName
from tradebotd.storage.positions import LOCK_STATE_OF_HELD
from tradebotd.storage.postgres.database import Connection

SELECT_UNVALUED: Final[LiteralString] = """
    SELECT f.venue, f.fee_asset, f.id, f.executed_at, p.bot, m.quote_asset
      FROM fills AS f
      JOIN positions AS p ON p.id = f.position_id
      JOIN market_symbols AS m ON m.symbol = f.symbol
     WHERE f.fee_rate IS NULL AND f.fee_elsewhere <> 0 AND (f.venue, f.fee_asset, f.id) > ($1, $2, $3)
     ORDER BY f.venue, f.fee_asset, f.id
     LIMIT $4
"""
_HELD: Final = """
    WITH held AS MATERIALIZED (
        SELECT p.id, p.bot FROM positions AS p WHERE p.id = (SELECT position_id FROM fills WHERE id = $1) FOR UPDATE
"""
LOCK_POSITION: Final[LiteralString] = _HELD + LOCK_STATE_OF_HELD
# What the position holds and its levels stay as they are, and so does its version.
VALUE: Final[LiteralString] = """
    WITH valued AS (UPDATE fills SET fee_rate = $2, fee_value = fee * $2 WHERE id = $1 AND fee_rate IS NULL
                    RETURNING position_id, fee_value)
    UPDATE positions AS p
       SET fees = p.fees + v.fee_value, realized_pnl = p.realized_pnl - v.fee_value
      FROM valued AS v WHERE p.id = v.position_id
    RETURNING v.fee_value
"""
IS_LEFT: Final[LiteralString] = """
    SELECT EXISTS (SELECT 1 FROM fills
                    WHERE fee_rate IS NULL AND fee_elsewhere <> 0 AND venue = $1 AND fee_asset = $2)
"""


class Unvalued(NamedTuple):
    """Fee of fill `id`, of a position of `bot` in a symbol quoted in `quote_asset`."""

    venue: VenueName
    fee_asset: str
    id: int
    executed_at: datetime
    bot: str
    quote_asset: str


Place = tuple[str, str, int]
FIRST: Final[Place] = ("", "", 0)


def place_of(fee: Unvalued) -> Place:
    return fee.venue, fee.fee_asset, fee.id


async def select_page(connection: Connection, after: Place, limit: int) -> list[Unvalued]:
    """Return the fees after the place *after*, by venue, asset and fill."""
    rows = await connection.fetch(SELECT_UNVALUED, *after, limit)
    return [Unvalued(**dict(row)) for row in rows]


async def value(connection: Connection, fill_id: int, rate: Decimal) -> Decimal | None:
    """Subtract the fee from its position's P&L; return its worth, or None if already valued.

    *rate*: quote asset per unit of the fee's asset.
    """
    await connection.fetchval(LOCK_POSITION, fill_id)
    worth: Decimal | None = await connection.fetchval(VALUE, fill_id, rate)
    return worth


async def is_left(connection: Connection, venue: VenueName, fee_asset: str) -> bool:
    """Return whether a fee in that asset still has no value."""
    found: bool = await connection.fetchval(IS_LEFT, venue, fee_asset)
    return found
