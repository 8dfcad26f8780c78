"""Settings that outlive a process: instance nonce, market time reached, halt, disabled jobs."""

from typing import Any, Final, LiteralString

from tradebotd.storage.postgres.database import Connection

INSTANCE_NONCE: Final = "instance_nonce"  # 5 bytes in hex, drawn by the first migration
ACCOUNT: Final = "account"  # whose database it is: rows of bots and orders do not say
MARKET_CLOCK: Final = "market_clock"  # {"reached": ISO 8601, "ended": bool}
HALT: Final = "halt"  # {"reason", "since"}, or null
ACCOUNT_HALT: Final = "account_halt"  # {"rule", "detail", "since", "until" or null}, or null
ACCOUNT_PEAK_SINCE: Final = "account_peak_since"  # ISO 8601: resumed from a drawdown
DISABLED_JOBS: Final = "disabled_jobs"  # names
WRITE_PROBE: Final = "write_probe"  # never there for longer than a transaction

SELECT_VALUE: Final[LiteralString] = "SELECT value FROM settings WHERE key = $1"
LOCK_VALUE: Final[LiteralString] = "SELECT value FROM settings WHERE key = $1 FOR UPDATE"
UPSERT_VALUE: Final[LiteralString] = """
    INSERT INTO settings (key, value) VALUES ($1, $2)
    ON CONFLICT (key) DO UPDATE SET value = excluded.value, updated_at = now()
"""
# Locked FOR SHARE by every insert of an entry: the rows always exist, so that they can be locked.
CLEAR_VALUE: Final[LiteralString] = """
    INSERT INTO settings (key, value) VALUES ($1, 'null')
    ON CONFLICT (key) DO UPDATE SET value = excluded.value, updated_at = now()
"""
CLAIM_VALUE: Final[LiteralString] = """
    INSERT INTO settings (key, value) VALUES ($1, $2) ON CONFLICT (key) DO NOTHING
"""
DELETE_VALUE: Final[LiteralString] = "DELETE FROM settings WHERE key = $1"


_HALTS: Final = frozenset({ACCOUNT_HALT, HALT})


async def get(connection: Connection, key: str) -> Any | None:
    """Return the stored value; None if there is none."""
    return await connection.fetchval(SELECT_VALUE, key)


async def lock(connection: Connection, key: str) -> Any | None:
    """Return the value as `get` does, locked until the transaction ends."""
    return await connection.fetchval(LOCK_VALUE, key)


async def claim(connection: Connection, key: str, value: Any) -> Any:
    """Store *value* unless there is one; return what is stored from now on."""
    await connection.execute(CLAIM_VALUE, key, value)
    return await get(connection, key)


async def put(connection: Connection, key: str, value: Any) -> None:
    """Store *value* as JSON; None removes the key, or empties a halt, which others may lock."""
    if value is None:
        await connection.execute(CLEAR_VALUE if key in _HALTS else DELETE_VALUE, key)
    else:
        await connection.execute(UPSERT_VALUE, key, value)
