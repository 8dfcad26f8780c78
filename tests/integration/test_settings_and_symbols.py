from decimal import Decimal

from tradebotd.domain.ids import FeedName, VenueName
from tradebotd.domain.instrument import Instrument, MarketSymbol
from tradebotd.domain.timeframe import Timeframe
from tradebotd.storage import settings
from tradebotd.storage.postgres.database import Database
from tradebotd.storage.symbols import sync_symbols


def watched(name: str, tick: str = "0.01") -> MarketSymbol:
    return MarketSymbol(
        instrument=Instrument(
            symbol=name,
            venue=VenueName("paper"),
            base_asset=name[:3],
            quote_asset="USDT",
            tick_size=Decimal(tick),
            lot_size=Decimal("0.001"),
        ),
        feeds=(FeedName("history"),),
        timeframes=(Timeframe.M1, Timeframe.H1),
    )


async def test_a_setting_comes_back_as_it_was_put(database: Database) -> None:
    async with database.connection() as connection:
        assert await settings.get(connection, settings.HALT) is None
        await settings.put(connection, settings.HALT, {"reason": "a"})
        await settings.put(connection, settings.HALT, {"reason": "b"})
        assert await settings.get(connection, settings.HALT) == {"reason": "b"}
        await settings.put(connection, settings.HALT, None)
        assert await settings.get(connection, settings.HALT) is None


async def test_the_first_migration_drew_a_nonce_of_five_bytes(database: Database) -> None:
    async with database.connection() as connection:
        nonce = await settings.get(connection, settings.INSTANCE_NONCE)

    assert len(bytes.fromhex(str(nonce))) == 5


async def test_symbols_keep_their_numbers_and_those_gone_become_inactive(
    database: Database,
) -> None:
    async with database.transaction() as connection:
        first = await sync_symbols(connection, [watched("BTCUSDT"), watched("ETHUSDT")])
        second = await sync_symbols(connection, [watched("ETHUSDT", "0.1"), watched("ADAUSDT")])
        rows = await connection.fetch("SELECT symbol, tick_size, active FROM market_symbols")

    assert second["ETHUSDT"] == first["ETHUSDT"]
    assert set(second) == {"ETHUSDT", "ADAUSDT"}
    state = {row["symbol"]: (row["tick_size"], row["active"]) for row in rows}
    assert state["BTCUSDT"] == (Decimal("0.01"), False)
    assert state["ETHUSDT"] == (Decimal("0.1"), True)
