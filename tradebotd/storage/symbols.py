"""`market_symbols`: what the configuration watches, with the numbers other tables know it by."""

from collections.abc import Sequence
from typing import Final, LiteralString

from tradebotd.domain.ids import SymbolId
from tradebotd.domain.instrument import MarketSymbol
from tradebotd.storage.database import Connection

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
DEACTIVATE_OTHERS: Final[LiteralString] = """
    UPDATE market_symbols SET active = false, updated_at = now()
     WHERE active AND symbol <> ALL ($1::text[])
"""


async def sync_symbols(
    connection: Connection, symbols: Sequence[MarketSymbol]
) -> dict[str, SymbolId]:
    """Make the table say what the configuration says; the id of each of its symbols.

    Those gone from the configuration become inactive: their candles and trades stay.
    """
    ids = {}
    for symbol in sorted(symbols, key=lambda each: each.symbol):  # one order: no deadlock
        ids[symbol.symbol] = SymbolId(await connection.fetchval(UPSERT_SYMBOL, *_row(symbol)))
    await connection.execute(DEACTIVATE_OTHERS, list(ids))
    return ids


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
