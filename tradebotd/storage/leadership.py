"""Who acts on an account: one row, a token that only grows, locked FOR SHARE by every order."""

from datetime import datetime
from typing import Final, LiteralString

import anyio.to_thread

from tradebotd.domain.errors import AccountTakenError
from tradebotd.storage.database import Connection
from tradebotd.storage.process_identity import Holder

# The head of an order's INSERT, `WITH ` + LEASE + ` INSERT … SELECT … lease.token … FROM lease`:
# no row, no order. A plain EXISTS would let a takeover commit in between. $1 account, $2 token.
LEASE: Final[LiteralString] = """
    lease AS (
        SELECT token FROM leadership
         WHERE account = $1 AND token = $2 AND released_at IS NULL
           FOR SHARE
    )
"""

INSERT_FIRST: Final[LiteralString] = """
    INSERT INTO leadership (account, token, holder, acquired_at) VALUES ($1, 1, $2, $3)
    ON CONFLICT (account) DO NOTHING
    RETURNING token
"""
SELECT_FOR_UPDATE: Final[LiteralString] = """
    SELECT token, holder, acquired_at, released_at FROM leadership WHERE account = $1 FOR UPDATE
"""
UPDATE_TAKEN: Final[LiteralString] = """
    UPDATE leadership
       SET token = token + 1, holder = $2, acquired_at = $3, released_at = NULL, beat = 0
     WHERE account = $1
    RETURNING token
"""
UPDATE_RELEASED: Final[LiteralString] = """
    UPDATE leadership SET released_at = $3
     WHERE account = $1 AND token = $2 AND released_at IS NULL
    RETURNING token
"""
UPDATE_BEAT: Final[LiteralString] = """
    UPDATE leadership SET beat = beat + 1
     WHERE account = $1 AND token = $2 AND released_at IS NULL
    RETURNING token
"""


async def take(connection: Connection, account: str, holder: Holder, now: datetime) -> int:
    """The token under which *holder* may act. *now* is host time; needs a durable transaction.

    Free is what was never taken, was released, or whose holder is provably dead on this host.
    Raises AccountTakenError, which says who holds it.
    """
    first: int | None = await connection.fetchval(INSERT_FIRST, account, holder.as_json(), now)
    if first is not None:
        return first
    row = await connection.fetchrow(SELECT_FOR_UPDATE, account)
    if row["released_at"] is None:
        other = Holder.from_json(row["holder"])
        if not await anyio.to_thread.run_sync(other.is_provably_dead, holder):
            raise AccountTakenError(_who(account, other, holder, row["acquired_at"]))
    token: int = await connection.fetchval(UPDATE_TAKEN, account, holder.as_json(), now)
    return token


async def release(connection: Connection, account: str, token: int, now: datetime) -> bool:
    """Let go of the account; False when somebody else has taken it meanwhile."""
    return await connection.fetchval(UPDATE_RELEASED, account, token, now) is not None


async def beat(connection: Connection, account: str, token: int) -> bool:
    """Show that we live; False when the account is no longer ours."""
    return await connection.fetchval(UPDATE_BEAT, account, token) is not None


def _who(account: str, other: Holder, here: Holder, since: datetime) -> str:
    place = "this host" if other.boot_id == here.boot_id else f"another host ({other.host})"
    return f"account {account!r} is held by process {other.pid} on {place} since {since:%Y-%m-%dT%H:%M:%SZ}"
