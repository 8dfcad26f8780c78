import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

import anyio
import anyio.to_thread
import pytest

from tradebotd.domain.errors import AccountTakenError
from tradebotd.storage import leadership, process_identity
from tradebotd.storage.postgres.database import Database
from tradebotd.storage.process_identity import Holder

NOW: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)
ORDER_LIKE: Final = f"WITH {leadership.LEASE} SELECT token FROM lease"


async def here() -> Holder:
    return await anyio.to_thread.run_sync(process_identity.current)


async def take(database: Database, holder: Holder) -> int:
    async with database.transaction(durable=True) as connection:
        return await leadership.take(connection, "main", holder, NOW)


async def release(database: Database, token: int) -> bool:
    async with database.transaction(durable=True) as connection:
        return await leadership.release(connection, "main", token, NOW)


def killed_process() -> Holder:
    """A process that really ran, took the account, and was killed without a word."""
    child = subprocess.Popen(
        [sys.executable, "-c", "print(flush=True); input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert child.stdout is not None
    child.stdout.readline()
    started = process_identity.pid_started(child.pid)
    assert started is not None
    child.kill()
    child.communicate()
    return replace(process_identity.current(), pid=child.pid, pid_started=started)


async def test_the_first_one_takes_the_account_and_the_second_is_told_who_has_it(
    database: Database,
) -> None:
    """M1.6: only one daemon acts on one (database, account)."""
    holder = await here()

    assert await take(database, holder) == 1
    with pytest.raises(
        AccountTakenError, match=rf"'main' is held by process {holder.pid} on this host"
    ):
        await take(database, holder)


async def test_what_was_released_is_free_and_the_token_grows(database: Database) -> None:
    holder = await here()
    first = await take(database, holder)

    assert await release(database, first)
    assert await take(database, holder) == first + 1
    assert not await release(database, first), "the old token let go of the new holder's lease"


async def test_a_killed_holder_is_taken_over_at_once(database: Database) -> None:
    """M1.6: a holder that is provably dead on this host is taken over at once."""
    dead = await anyio.to_thread.run_sync(killed_process)
    await take(database, dead)

    assert await take(database, await here()) == 2


async def test_a_pid_that_came_back_is_not_the_holder(database: Database) -> None:
    """M1.6: the start time tells a recycled pid from the process that took the account."""
    holder = await here()
    await take(database, replace(holder, pid_started=holder.pid_started - 1))

    assert await take(database, holder) == 2


@pytest.mark.parametrize(
    "elsewhere",
    [
        {"machine_id": "another", "boot_id": "another"},
        {"pid_namespace": "pid:[1]"},
        {"boot_id": ""},
    ],
    ids=["another host", "another container", "unknown boot"],
)
async def test_what_cannot_be_known_is_alive(database: Database, elsewhere: dict[str, str]) -> None:
    """M1.6: a holder on another host is never taken over here."""
    dead = await anyio.to_thread.run_sync(killed_process)
    await take(database, replace(dead, **elsewhere))  # type: ignore[arg-type]

    with pytest.raises(AccountTakenError):
        await take(database, await here())


def test_a_machine_that_booted_anew_has_lost_its_processes() -> None:
    """M1.6: after a power cut the account is free again."""
    now = replace(process_identity.current(), machine_id="m", boot_id="second")

    assert replace(now, boot_id="first").is_provably_dead(now)
    assert not replace(now, boot_id="first", machine_id="").is_provably_dead(
        replace(now, machine_id="")
    )


async def test_a_zombie_is_dead(database: Database) -> None:
    def zombie() -> bool:
        child = subprocess.Popen(["true"])
        try:
            while process_identity.is_alive(child.pid):
                pass
            return True
        finally:
            child.wait()

    with anyio.fail_after(30):
        assert await anyio.to_thread.run_sync(zombie)


async def test_a_beat_counts_for_the_holder_alone(database: Database) -> None:
    token = await take(database, await here())
    async with database.connection() as connection:
        assert await leadership.beat(connection, "main", token)
        assert not await leadership.beat(connection, "main", token + 1)


async def test_no_takeover_commits_between_an_orders_lease_and_its_commit(
    database: Database,
) -> None:
    """M5, 2.3, I5: an order's row carries the current token, or is not written."""
    dead = await anyio.to_thread.run_sync(killed_process)
    old = await take(database, dead)
    taken = anyio.Event()

    async def take_over() -> None:
        assert await take(database, await here()) == old + 1
        taken.set()

    async with anyio.create_task_group() as other, database.transaction() as connection:
        assert await connection.fetchval(ORDER_LIKE, "main", old) == old
        other.start_soon(take_over)
        with anyio.move_on_after(0.1) as waited:
            await taken.wait()
        assert waited.cancelled_caught, "the takeover did not wait for the order"

    async with database.connection() as connection:
        assert await connection.fetchval(ORDER_LIKE, "main", old) is None
        assert await connection.fetchval(ORDER_LIKE, "main", old + 1) == old + 1


async def test_a_released_lease_writes_no_order(database: Database) -> None:
    """I5: after the release no order byte leaves."""
    token = await take(database, await here())
    await release(database, token)

    async with database.connection() as connection:
        assert await connection.fetchval(ORDER_LIKE, "main", token) is None
