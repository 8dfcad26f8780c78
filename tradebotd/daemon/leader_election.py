"""Leadership of an account: taken when it is free, its holder is dead, or has fallen silent."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Literal

import anyio
import anyio.to_thread
import structlog

from tradebotd.clocks.host import host_now
from tradebotd.domain.errors import AccountTakenError, DatabaseUnavailableError
from tradebotd.ports.clock import HostClock
from tradebotd.storage import leadership, process_identity
from tradebotd.storage.leadership import LeadershipHolder
from tradebotd.storage.postgres.database import Database, Lane
from tradebotd.storage.process_identity import Holder
from tradebotd.trading.execution import lease as terms
from tradebotd.trading.execution.lease import Lease

log = structlog.get_logger(__name__)

LOOK_SECONDS = 1.0
RELEASE_SECONDS = 2.0

Seen = Callable[[LeadershipHolder], None]


class LeadershipCandidate:
    """Process that wants to hold the account. *when_taken* is `exit` or `standby`.

    `exit` raises AccountTakenError while the holder lives, `standby` waits. Silence is measured by
    this host's clock alone: clocks of two hosts are never compared. *seen* gets the holder at each
    check.
    """

    def __init__(
        self,
        database: Database,
        account: str,
        holder: Holder,
        *,
        when_taken: Literal["exit", "standby"],
        host: HostClock,
        seconds: float | None = None,
        seen: Seen = lambda _: None,
    ) -> None:
        self._database = database
        self._account = account
        self._holder = holder
        self._waits = when_taken == "standby"
        self._host = host
        self._seconds = terms.LEASE_SECONDS if seconds is None else seconds
        self._seen = seen
        self._last: LeadershipHolder | None = None
        self._since = host.monotonic()
        self._told = ""

    async def acquire(self) -> Lease:
        """Wait for the account. Raises AccountTakenError.

        Raises DatabaseUnavailableError unless it is standing by already.
        """
        while True:
            try:
                lease = await self._try()
            except DatabaseUnavailableError as error:
                if not self._waits or self._last is None:
                    raise
                self._since = self._host.monotonic()  # the beat may have moved unseen
                self._tell(f"the database is away: {error}")
            else:
                if lease is not None:
                    return lease
            await self._host.sleep(min(LOOK_SECONDS, self._seconds / 3))

    async def _try(self) -> Lease | None:
        """Check once; return None if the account cannot be taken yet."""
        try:
            return await self._take_if_free()
        except AccountTakenError as taken:
            async with self._database.connection() as connection:
                held = await leadership.select_holder(connection, self._account)
            if held is None:
                return None  # released between the two queries
            self._seen(held)
            if not self._waits and await self._lives(held):
                raise
            return await self._watch(held, taken)

    async def _take_if_free(self) -> Lease:
        asked_at = self._host.monotonic()
        async with self._database.transaction(durable=True) as connection:
            token = await leadership.take(connection, self._account, self._holder, host_now())
        return self._lease(token, asked_at, taken_over=False)

    async def _lives(self, held: LeadershipHolder) -> bool:
        return await anyio.to_thread.run_sync(held.holder.is_provably_alive, self._holder)

    async def _watch(self, held: LeadershipHolder, taken: AccountTakenError) -> Lease | None:
        now = self._host.monotonic()
        last, self._last = self._last, held
        if last is None or (last.token, last.beat) != (held.token, held.beat):
            self._since = now
            if last is not None and not self._waits:
                raise AccountTakenError(f"{held.describe(self._holder)}, and lives: its beat moves")
            self._tell(f"{taken}; watching whether it lives")
            return None
        if now - self._since < self._seconds:
            return None
        async with self._database.transaction(durable=True) as connection:
            token = await leadership.take_from(connection, held, self._holder, host_now())
        if token is None:
            return None
        log.warning(
            "account taken over",
            account=self._account,
            token=token,
            from_whom=held.describe(self._holder),
            silent_for=f"{now - self._since:.0f} s",
        )
        return self._lease(token, now, taken_over=True)

    def _tell(self, words: str) -> None:
        if words != self._told:
            log.info("standing by" if self._waits else "account taken", why=words)
            self._told = words

    def _lease(self, token: int, since: float, *, taken_over: bool) -> Lease:
        return Lease(
            account=self._account,
            token=token,
            host=self._host,
            seconds=self._seconds,
            since=since,
            taken_over=taken_over,
        )


async def acquire(
    database: Database,
    account: str,
    host: HostClock,
    *,
    when_taken: Literal["exit", "standby"],
    seen: Seen = lambda _: None,
) -> Lease:
    """Acquire the account. Raises AccountTakenError.

    The lease is running already: pass it to `holding` at once.
    """
    holder = await anyio.to_thread.run_sync(process_identity.current)
    candidate = LeadershipCandidate(
        database, account, holder, when_taken=when_taken, host=host, seen=seen
    )
    return await candidate.acquire()


@asynccontextmanager
async def holding(database: Database, lease: Lease, host: HostClock) -> AsyncIterator[None]:
    """Renew the lease during the block, and release the account at its end.

    Raises AccountTakenError, and cancels the block, as soon as another process has the account.
    """
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(keep_beating, database, lease, host)
            yield
            tasks.cancel_scope.cancel()
    finally:
        with anyio.move_on_after(RELEASE_SECONDS, shield=True):
            try:
                async with database.transaction(durable=True) as connection:
                    await leadership.release(connection, lease.account, lease.token, host_now())
            except DatabaseUnavailableError as error:
                # The next start sees that this process is dead, and takes over at once.
                log.warning("leadership not released", error=str(error))


async def keep_beating(database: Database, lease: Lease, host: HostClock) -> None:
    """Renew the lease periodically. Raises AccountTakenError when the account is lost."""
    while True:
        await host.sleep(terms.BEAT_SECONDS)
        await beat_once(database, lease, host)


async def beat_once(database: Database, lease: Lease, host: HostClock) -> None:
    """Renew the lease once. Raises AccountTakenError if the account was taken over.

    An unreachable database is not a loss yet: sending ends when the lease does.
    """
    asked_at = host.monotonic()
    before = lease.send_blocked_by()
    try:
        async with database.connection(Lane.ORDERS) as connection:
            ours = await leadership.beat(connection, lease.account, lease.token)
    except DatabaseUnavailableError as error:
        log.warning(
            "heartbeat failed", error=str(error), sending=lease.send_blocked_by() or "goes on"
        )
        return
    if not ours:
        lease.mark_lost()
        raise AccountTakenError(f"account {lease.account!r} was taken over")
    lease.renewed(asked_at)
    if before is not None and lease.may_send():
        log.warning("order sending resumed", after=before)
