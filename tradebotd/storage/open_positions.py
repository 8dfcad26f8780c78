"""Open positions, page by page: whole rows, or their versions and then the changed rows."""

from collections.abc import Sequence
from typing import Final, LiteralString

from tradebotd.domain.ids import PositionId
from tradebotd.domain.position import Position
from tradebotd.storage.positions import COLUMNS, position_of
from tradebotd.storage.postgres.database import Connection

PAGE_ROWS: Final = 1000

SELECT_OPEN_PAGE: Final[LiteralString] = (
    COLUMNS
    + """
      FROM positions
     WHERE closed_at IS NULL AND id > $1
     ORDER BY id
     LIMIT $2
"""
)
SELECT_VERSIONS: Final[LiteralString] = """
    SELECT id, version
      FROM positions
     WHERE closed_at IS NULL AND id > $1
     ORDER BY id
     LIMIT $2
"""
SELECT_THOSE: Final[LiteralString] = (
    COLUMNS
    + """
      FROM positions
     WHERE id = ANY ($1::bigint[]) AND closed_at IS NULL
"""
)


async def select_open_page(
    connection: Connection, after: PositionId, limit: int | None = None
) -> list[Position]:
    """Return open positions with an id above *after*, by id."""
    limit = limit or PAGE_ROWS
    return [position_of(row) for row in await connection.fetch(SELECT_OPEN_PAGE, after, limit)]


async def select_versions(
    connection: Connection, after: PositionId
) -> list[tuple[PositionId, int]]:
    """Return (id, version) of the next page of open positions, by id.

    A change of a row's quantities or exit plan changes its version.
    """
    return [(row[0], row[1]) for row in await connection.fetch(SELECT_VERSIONS, after, PAGE_ROWS)]


async def select_those(
    connection: Connection, position_ids: Sequence[PositionId]
) -> dict[PositionId, Position]:
    """Return those of the positions that are open."""
    rows = await connection.fetch(SELECT_THOSE, position_ids)
    return {row["id"]: position_of(row) for row in rows}
