"""`instrument_versions`: filters of each symbol as its venue told them, version by version."""

from collections.abc import Callable, Mapping
from dataclasses import fields
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, LiteralString

from tradebotd.domain.filters import LotSize, PercentPrice, SymbolStatus
from tradebotd.domain.ids import VenueName
from tradebotd.domain.instrument import Instrument, MarginBracket, NotionalCap
from tradebotd.domain.order_type import OrderType
from tradebotd.storage.postgres.database import Connection

SELECT_LATEST: Final[LiteralString] = """
    SELECT DISTINCT ON (symbol) symbol, filters
      FROM instrument_versions WHERE venue = $1 ORDER BY symbol, version DESC
"""
SELECT_BEFORE: Final[LiteralString] = """
    SELECT filters FROM instrument_versions
     WHERE venue = $1 AND symbol = $2 AND seen_at < $3 ORDER BY version DESC LIMIT 1
"""
SELECT_ANY: Final[LiteralString] = """
    SELECT EXISTS (SELECT FROM instrument_versions WHERE venue = $1 AND symbol = $2)
"""
INSERT: Final[LiteralString] = """
    INSERT INTO instrument_versions (venue, symbol, version, seen_at, filters)
    SELECT $1, $2, coalesce(max(version), 0) + 1, $3, $4
      FROM instrument_versions WHERE venue = $1 AND symbol = $2
    RETURNING version
"""

_AS_THEY_ARE: Final = frozenset(
    {
        *("symbol", "venue", "base_asset", "quote_asset"),
        *("average_minutes", "max_orders", "max_stops", "max_leverage"),
    }
)


async def select_latest(connection: Connection, venue: VenueName) -> dict[str, Instrument]:
    """Return the newest version of each symbol of *venue*, but those that cannot be read any more."""
    found = {}
    for row in await connection.fetch(SELECT_LATEST, venue):
        instrument = from_json(row["filters"])
        if instrument is not None:
            found[row["symbol"]] = instrument
    return found


async def select_before(
    connection: Connection, venue: VenueName, symbol: str, instant: datetime
) -> Instrument | None:
    """Return what was told last before *instant*; None: nothing, or it cannot be read any more."""
    row = await connection.fetchrow(SELECT_BEFORE, venue, symbol, instant)
    return None if row is None else from_json(row["filters"])


async def exists(connection: Connection, venue: VenueName, symbol: str) -> bool:
    """Return whether the venue has ever told anything of *symbol*."""
    found: bool = await connection.fetchval(SELECT_ANY, venue, symbol)
    return found


async def insert(connection: Connection, instrument: Instrument, at: datetime) -> int:
    """Write a new version and return its number."""
    version: int = await connection.fetchval(
        INSERT, instrument.venue, instrument.symbol, at, instrument
    )
    return version


def from_json(stored: Mapping[str, Any]) -> Instrument | None:
    """Return the instrument; None: another version of the program wrote values unknown here."""
    names = {each.name for each in fields(Instrument)}
    try:
        values = {name: _read(name, value) for name, value in stored.items() if name in names}
        return Instrument(**values)
    except (ArithmeticError, KeyError, TypeError, ValueError):
        return None


def _read(name: str, value: Any) -> Any:
    if value is None or isinstance(value, bool) or name in _AS_THEY_ARE:
        return value
    return _READERS.get(name, Decimal)(value)


def _decimals(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: None if value is None else Decimal(value) for key, value in values.items()}


_READERS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "status": SymbolStatus,
    "order_types": lambda value: frozenset(OrderType(each) for each in value),
    "further_brackets": lambda value: tuple(MarginBracket(**_decimals(each)) for each in value),
    "notional_caps": lambda value: tuple(
        NotionalCap(leverage=int(each["leverage"]), notional=Decimal(each["notional"]))
        for each in value
    ),
    "percent_price": lambda value: PercentPrice(**_decimals(value)),
    "market_lot": lambda value: LotSize(**_decimals(value)),
    "stop_lot": lambda value: LotSize(**_decimals(value)),
}
