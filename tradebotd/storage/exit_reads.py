"""Reads that an exit is made from: a position, its exit groups and what it shares, in one snapshot."""

from decimal import Decimal
from typing import Final, LiteralString, NamedTuple

from tradebotd.domain.decimals import ZERO
from tradebotd.domain.ids import PositionId
from tradebotd.domain.position import Position
from tradebotd.storage import dust, exit_groups
from tradebotd.storage.exit_groups import Groups
from tradebotd.storage.positions import COLUMNS, position_of
from tradebotd.storage.postgres.database import Connection

SELECT: Final[LiteralString] = (  # constants alone
    "WITH p AS ("  # noqa: S608
    + COLUMNS
    + """
      FROM positions
     WHERE id = $1 AND closed_at IS NULL
    )
    SELECT p.*,
    """
    + exit_groups.COLUMNS
    + """,
           p.position_type = 'futures' AND
           EXISTS (SELECT 1 FROM positions AS s
                    WHERE s.venue = p.venue AND s.symbol = p.symbol AND s.position_type = p.position_type
                      AND s.closed_at IS NULL AND s.id <> p.id) AS is_shared,
           CASE WHEN p.position_type = 'spot' THEN (
    """
    + dust.SELECT_AVAILABLE.replace("$1", "p.venue").replace("$2", "p.symbol").replace("$3", "p.id")
    + """
           ) END AS dust
      FROM p
      LEFT JOIN exit_groups AS g ON g.position_id = p.id AND g.role <> 'closed'
      LEFT JOIN orders AS o ON o.exit_group_id = g.id
     ORDER BY g.id, o.id
"""
)


class ExitRead(NamedTuple):
    """An open position and its groups.

    `is_shared`: other futures positions of its symbol are open, and the venue knows their sum.
    `dust`: of earlier positions of its symbol, which an exit of a spot position may sell with it.
    """

    position: Position
    groups: Groups
    is_shared: bool
    dust: Decimal


async def select(connection: Connection, position_id: PositionId) -> ExitRead | None:
    """Return None when the position is closed, or there is none."""
    rows = await connection.fetch(SELECT, position_id)
    if not rows:
        return None
    first = rows[0]
    return ExitRead(
        position=position_of(first),
        groups=exit_groups.groups_of(row for row in rows if row["group_id"] is not None),
        is_shared=first["is_shared"],
        dust=max(first["dust"] or ZERO, ZERO),
    )
