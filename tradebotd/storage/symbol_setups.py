"""Leverage of what is held and ordered in a symbol; and schema `paper`: how its symbols are set up."""

from typing import Final, LiteralString

from tradebotd.domain.ids import VenueName
from tradebotd.ports.venue import SymbolSetup
from tradebotd.storage.postgres.database import Connection

SELECT_IN_USE: Final[LiteralString] = """
    SELECT leverage FROM positions
     WHERE venue = $1 AND symbol = $2 AND position_type = 'futures' AND closed_at IS NULL
    UNION
    SELECT leverage FROM orders
     WHERE venue = $1 AND symbol = $2 AND position_type = 'futures' AND role = 'entry' AND NOT settled
"""
SELECT_PAPER: Final[LiteralString] = """
    SELECT symbol, leverage, isolated FROM paper.symbol_setups WHERE venue = $1
"""
PUT_PAPER: Final[LiteralString] = """
    INSERT INTO paper.symbol_setups (venue, symbol, leverage, isolated) VALUES ($1, $2, $3, $4)
    ON CONFLICT (venue, symbol) DO UPDATE SET leverage = EXCLUDED.leverage, isolated = EXCLUDED.isolated
"""


async def select_in_use(connection: Connection, venue: VenueName, symbol: str) -> set[int]:
    """Leverage of open futures positions, and of entries that are not settled."""
    rows = await connection.fetch(SELECT_IN_USE, venue, symbol)
    return {row["leverage"] for row in rows}


async def select_paper(connection: Connection, venue: VenueName) -> dict[str, SymbolSetup]:
    """Return what the paper venue was set up with, by symbol."""
    rows = await connection.fetch(SELECT_PAPER, venue)
    return {
        row["symbol"]: SymbolSetup(leverage=row["leverage"], isolated=row["isolated"])
        for row in rows
    }


async def put_paper(
    connection: Connection, venue: VenueName, symbol: str, setup: SymbolSetup
) -> None:
    await connection.execute(PUT_PAPER, venue, symbol, setup.leverage, setup.isolated)
