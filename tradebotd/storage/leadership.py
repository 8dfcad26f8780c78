"""Leadership of an account: one row, a token that only grows, locked FOR SHARE by every order."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, LiteralString

import anyio.to_thread

from tradebotd.domain.errors import AccountTakenError
from tradebotd.storage.postgres.database import Connection
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
    SELECT token, holder, acquired_at, released_at, beat FROM leadership WHERE account = $1 FOR UPDATE
"""
UPDATE_TAKEN: Final[LiteralString] = """
    UPDATE leadership
       SET token = token + 1, holder = $2, acquired_at = $3, released_at = NULL, beat = 0
     WHERE account = $1
    RETURNING token
"""
SELECT_HELD: Final[LiteralString] = """
    SELECT token, holder, acquired_at, beat FROM leadership
     WHERE account = $1 AND released_at IS NULL
"""
SELECT_ACCOUNTS: Final[LiteralString] = "SELECT account FROM leadership ORDER BY account"
HAS_TABLE: Final[LiteralString] = "SELECT to_regclass('leadership') IS NOT NULL"
# Only if nothing has changed since it was read: a beat in between means that the holder lives.
UPDATE_TAKEN_FROM: Final[LiteralString] = """
    UPDATE leadership
       SET token = token + 1, holder = $2, acquired_at = $3, beat = 0
     WHERE account = $1 AND token = $4 AND beat = $5 AND released_at IS NULL
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


@dataclass(frozen=True, slots=True, kw_only=True)
class LeadershipHolder:
    """Holder of an account; `beat` increases while it lives."""

    account: str
    token: int
    holder: Holder
    acquired_at: datetime
    beat: int

    def describe(self, here: Holder) -> str:
        on_this_host = self.holder.is_on_host_of(here)
        place = "this host" if on_this_host else f"another host ({self.holder.host})"
        since = f"{self.acquired_at:%Y-%m-%dT%H:%M:%SZ}"
        return f"account {self.account!r} is held by process {self.holder.pid} on {place} since {since}"


async def is_there(connection: Connection) -> bool:
    """Return whether the database was set up: a fresh one has no holders."""
    return bool(await connection.fetchval(HAS_TABLE))


async def known_accounts(connection: Connection) -> list[str]:
    """Return every account that a daemon has ever held."""
    return [row["account"] for row in await connection.fetch(SELECT_ACCOUNTS)]


async def select_holder(connection: Connection, account: str) -> LeadershipHolder | None:
    """Return the present holder of *account*, or None."""
    row = await connection.fetchrow(SELECT_HELD, account)
    if row is None:
        return None
    return LeadershipHolder(
        account=account,
        token=row["token"],
        holder=Holder.from_json(row["holder"]),
        acquired_at=row["acquired_at"],
        beat=row["beat"],
    )


def lease_lost(account: str) -> AccountTakenError:
    return AccountTakenError(f"the lease of account {account!r} is no longer ours")


async def take_from(
    connection: Connection, held: LeadershipHolder, holder: Holder, now: datetime
) -> int | None:
    """Take over; return the token, or None if the account is not as *held* says. Durable.

    The caller has watched the beat stand still for the length of the lease, and now waits for the
    fence.
    """
    token: int | None = await connection.fetchval(
        UPDATE_TAKEN_FROM, held.account, holder.as_json(), now, held.token, held.beat
    )
    return token


async def take(connection: Connection, account: str, holder: Holder, now: datetime) -> int:
    """Take a free account; return the token under which *holder* may act.

    An account is free if it was never taken, was released, or its holder is provably dead on this
    host. *now* is host time; needs a durable transaction. Raises AccountTakenError, which names the
    holder.
    """
    first: int | None = await connection.fetchval(INSERT_FIRST, account, holder.as_json(), now)
    if first is not None:
        return first
    row = await connection.fetchrow(SELECT_FOR_UPDATE, account)
    if row["released_at"] is None:
        held = LeadershipHolder(
            account=account,
            token=row["token"],
            holder=Holder.from_json(row["holder"]),
            acquired_at=row["acquired_at"],
            beat=row["beat"],
        )
        if not await anyio.to_thread.run_sync(held.holder.is_provably_dead, holder):
            raise AccountTakenError(held.describe(holder))
    token: int = await connection.fetchval(UPDATE_TAKEN, account, holder.as_json(), now)
    return token


async def release(connection: Connection, account: str, token: int, now: datetime) -> bool:
    """Release the account; return False if another process has taken it meanwhile."""
    return await connection.fetchval(UPDATE_RELEASED, account, token, now) is not None


async def beat(connection: Connection, account: str, token: int) -> bool:
    """Renew the heartbeat; return False if the account is no longer ours."""
    return await connection.fetchval(UPDATE_BEAT, account, token) is not None
