"""`market_symbols`: configured symbols, with the ids that other tables refer to."""

from collections.abc import Sequence
from typing import Final, LiteralString

from tradebotd.domain.ids import SymbolId, VenueName
from tradebotd.domain.instrument import Instrument, MarketSymbol
from tradebotd.storage.postgres.database import Connection

UPSERT_SYMBOL: Final[LiteralString] = """
    INSERT INTO market_symbols (symbol, venue, base_asset, quote_asset, tick_size, lot_size,
                                min_notional, calendar, feeds, timeframes)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
    ON CONFLICT (symbol) DO UPDATE
       SET venue = excluded.venue, base_asset = excluded.base_asset,
           quote_asset = excluded.quote_asset, tick_size = excluded.tick_size,
           lot_size = excluded.lot_size, min_notional = excluded.min_notional,
           calendar = excluded.calendar, feeds = excluded.feeds, timeframes = excluded.timeframes,
           active = true, updated_at = now()
    RETURNING id
"""
FOLLOW_SYMBOL: Final[LiteralString] = """
    INSERT INTO market_symbols (symbol, venue, base_asset, quote_asset, tick_size, lot_size,
                                min_notional, calendar, feeds, timeframes, active)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, false)
    ON CONFLICT (symbol) DO NOTHING
"""
SELECT_ID: Final[LiteralString] = "SELECT id FROM market_symbols WHERE symbol = $1"
DEACTIVATE_OTHERS: Final[LiteralString] = """
    UPDATE market_symbols SET active = false, updated_at = now()
     WHERE active AND symbol <> ALL ($1::text[])
"""
SELECT_INSTRUMENT: Final[LiteralString] = """
    SELECT symbol, venue, base_asset, quote_asset, tick_size, lot_size, min_notional
      FROM market_symbols
     WHERE symbol = $1
"""


async def sync_symbols(
    connection: Connection, symbols: Sequence[MarketSymbol]
) -> dict[str, SymbolId]:
    """Update the table to the configuration; return the id of each symbol.

    Removed symbols become inactive: their candles and trades stay.
    """
    ids = {}
    for symbol in sorted(symbols, key=lambda market: market.symbol):  # one order: no deadlock
        ids[symbol.symbol] = SymbolId(await connection.fetchval(UPSERT_SYMBOL, *_row(symbol)))
    await connection.execute(DEACTIVATE_OTHERS, list(ids))
    return ids


async def put_symbol(connection: Connection, symbol: MarketSymbol) -> None:
    """Make its row say what *symbol* says: its filters have changed while running."""
    await connection.execute(UPSERT_SYMBOL, *_row(symbol))


async def follow_symbol(connection: Connection, symbol: MarketSymbol) -> SymbolId:
    """Return its id; where it has no row yet, make one that is not active.

    What a row of a symbol that was traded once says of its filters stays.
    """
    await connection.execute(FOLLOW_SYMBOL, *_row(symbol))
    return SymbolId(await connection.fetchval(SELECT_ID, symbol.symbol))


async def select_instrument(connection: Connection, symbol: str) -> Instrument | None:
    """Return the instrument as last configured: a removed symbol may still be held."""
    row = await connection.fetchrow(SELECT_INSTRUMENT, symbol)
    if row is None:
        return None
    return Instrument(
        symbol=row["symbol"],
        venue=VenueName(row["venue"]),
        base_asset=row["base_asset"],
        quote_asset=row["quote_asset"],
        tick_size=row["tick_size"],
        lot_size=row["lot_size"],
        min_notional=row["min_notional"],
    )


def _row(symbol: MarketSymbol) -> tuple[object, ...]:
    instrument = symbol.instrument
    return (
        instrument.symbol,
        instrument.venue,
        instrument.base_asset,
        instrument.quote_asset,
        instrument.tick_size,
        instrument.lot_size,
        instrument.min_notional,
        symbol.calendar,
        list(symbol.feeds),
        [str(timeframe) for timeframe in symbol.timeframes],
    )
