"""`symbol_pauses`: symbols whose exits are paused, with the reason."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Final, LiteralString, NamedTuple

from tradebotd.domain.decimals import from_float
from tradebotd.storage.postgres.database import Connection

SELECT: Final[LiteralString] = "SELECT symbol, code, reason, detail, since FROM symbol_pauses"
INSERT: Final[LiteralString] = """
    INSERT INTO symbol_pauses (symbol, code, reason, detail, since) VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (symbol) DO NOTHING
"""
DELETE: Final[LiteralString] = "DELETE FROM symbol_pauses WHERE symbol = $1"
SELECT_LAST_CLOSES: Final[LiteralString] = """
    SELECT m.symbol, last.close, last.ts
      FROM market_symbols AS m
     CROSS JOIN LATERAL (SELECT o.close, o.ts FROM ohlc AS o
                          WHERE o.symbol_id = m.id AND o.timeframe = '1m' ORDER BY o.ts DESC LIMIT 1) AS last
     WHERE m.symbol = ANY ($1::text[])
"""


class SymbolPause(NamedTuple):
    """Pause of a symbol; `ratio`: new shares per old one, where a split is suspected."""

    symbol: str
    code: str
    reason: str
    ratio: Fraction | None
    since: datetime


async def select(connection: Connection) -> list[SymbolPause]:
    return [
        SymbolPause(
            symbol=row["symbol"],
            code=row["code"],
            reason=row["reason"],
            ratio=Fraction(row["detail"]["ratio"]) if "ratio" in row["detail"] else None,
            since=row["since"],
        )
        for row in await connection.fetch(SELECT)
    ]


async def insert(connection: Connection, pause: SymbolPause) -> None:
    detail = {} if pause.ratio is None else {"ratio": str(pause.ratio)}
    await connection.execute(INSERT, pause.symbol, pause.code, pause.reason, detail, pause.since)


async def delete(connection: Connection, symbol: str) -> None:
    await connection.execute(DELETE, symbol)


async def select_last_closes(
    connection: Connection, symbols: Sequence[str]
) -> dict[str, tuple[Decimal, datetime]]:
    """Return each symbol's newest one-minute close, and when that minute ended."""
    rows = await connection.fetch(SELECT_LAST_CLOSES, list(symbols))
    return {
        row["symbol"]: (from_float(row["close"]), row["ts"] + timedelta(minutes=1)) for row in rows
    }
