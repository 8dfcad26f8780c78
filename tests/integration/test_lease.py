"""Who may send, and until when: judged by host time that is moved by hand."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Literal

import pytest

from tests.fakes.host import ShiftedHost
from tests.fakes.trading import ACCOUNT, HOLDER, open_harness
from tradebotd.clocks.host import host_now
from tradebotd.daemon.leader_election import LeadershipCandidate, beat_once
from tradebotd.domain.errors import AccountTakenError, VenueUnavailableError
from tradebotd.storage import leadership, process_identity
from tradebotd.storage.postgres.database import Database
from tradebotd.trading.execution.lease import LEASE_SECONDS, Lease

ELSEWHERE = replace(HOLDER, machine_id="there", boot_id="there", host="there")


class Silence(ShiftedHost):
    """Nobody beats while we sleep."""


class Beating(ShiftedHost):
    """The holder beats while we sleep, *times* often."""

    def __init__(self, database: Database, token: int, times: int) -> None:
        super().__init__()
        self._database, self._token, self._times = database, token, times

    async def sleep(self, seconds: float) -> None:
        await super().sleep(seconds)
        if self._times:
            self._times -= 1
            async with self._database.connection() as connection:
                assert await leadership.beat(connection, ACCOUNT, self._token)


async def taken(database: Database) -> int:
    async with database.transaction(durable=True) as connection:
        return await leadership.take(connection, ACCOUNT, ELSEWHERE, host_now())


def candidate(
    database: Database, host: ShiftedHost, when_taken: Literal["exit", "standby"]
) -> LeadershipCandidate:
    here = replace(HOLDER, pid_started=7)
    return LeadershipCandidate(database, ACCOUNT, here, when_taken=when_taken, host=host)


async def test_a_silent_holder_elsewhere_is_taken_over_after_its_lease_behind_a_fence(
    database: Database,
) -> None:
    """M1.6: only after the lease and the venue's receive window have passed."""
    token, host = await taken(database), Silence()

    lease = await candidate(database, host, "exit").acquire()

    assert LEASE_SECONDS <= sum(host.slept) <= LEASE_SECONDS + 2
    assert lease.token == token + 1
    assert not lease.may_send(), "the fence is not known yet"
    lease.start_fence(5.0)
    call = 10  # seconds that one of theirs may still be on its way, and one more
    host.shift += timedelta(seconds=5 + call)
    lease.renewed(host.monotonic())  # it is ours: nothing but the fence holds it back
    assert not lease.may_send()
    host.shift += timedelta(seconds=1.5)
    lease.renewed(host.monotonic())
    assert lease.may_send()


async def test_a_holder_whose_beat_moves_is_let_be(database: Database) -> None:
    """M1.6: `exit` ends with 75 as soon as it is seen to live."""
    token = await taken(database)
    host = Beating(database, token, times=1)

    with pytest.raises(AccountTakenError, match="its beat moves"):
        await candidate(database, host, "exit").acquire()


async def test_a_standby_waits_as_long_as_the_holder_beats_and_for_the_lease_after_that(
    database: Database,
) -> None:
    """M1.6: `standby`."""
    token = await taken(database)
    host = Beating(database, token, times=40)

    lease = await candidate(database, host, "standby").acquire()

    assert lease.taken_over
    assert sum(host.slept) >= 40 + LEASE_SECONDS - 1


async def test_a_beat_between_the_look_and_the_takeover_keeps_the_account(
    database: Database,
) -> None:
    """The takeover is one statement that demands the very beat that was seen."""
    token = await taken(database)
    async with database.connection() as connection:
        seen = await leadership.select_holder(connection, ACCOUNT)
        assert seen is not None
        await leadership.beat(connection, ACCOUNT, token)
        assert await leadership.take_from(connection, seen, HOLDER, host_now()) is None
        assert await leadership.beat(connection, ACCOUNT, token)


async def test_no_beat_within_the_lease_stops_the_sending_and_a_beat_resumes_it(
    database: Database,
) -> None:
    """2.5: with the database away longer than the lease nothing is sent."""
    host = ShiftedHost()
    token = await taken(database)
    lease = Lease(account=ACCOUNT, token=token, host=host)
    assert lease.may_send()

    host.shift += timedelta(seconds=LEASE_SECONDS + 1)

    assert "lease lost" in (lease.send_blocked_by() or "")
    await beat_once(database, lease, host)
    assert lease.may_send()


async def test_a_beat_that_finds_another_token_ends_it_for_good(database: Database) -> None:
    host = ShiftedHost()
    token = await taken(database)
    lease = Lease(account=ACCOUNT, token=token - 1, host=host)

    with pytest.raises(AccountTakenError, match="taken over"):
        await beat_once(database, lease, host)
    lease.renewed(host.monotonic())
    assert "lease lost" in (lease.send_blocked_by() or "")


async def test_an_order_past_the_lease_never_reaches_the_venue(database: Database) -> None:
    """2.3 'Order': looked at right before the call; the row says `not_sent`."""
    harness, host = await open_harness(database), ShiftedHost()
    harness.placement._lease = Lease(account=ACCOUNT, token=harness.token, host=host)
    host.shift += timedelta(seconds=LEASE_SECONDS + 1)

    with pytest.raises(VenueUnavailableError, match="lease lost"):
        await harness.enter()

    assert harness.venue.submitted == []
    (order,) = await harness.orders()
    assert order["status"] == "rejected"
    assert order["reason"].startswith("not_sent: lease lost")
    assert order["filled_quantity"] == Decimal(0)


def test_this_process_is_seen_to_live() -> None:
    here = process_identity.current()
    assert here.is_provably_alive(here)
    assert not replace(here, pid_started=here.pid_started + 1).is_provably_alive(here)
    assert not ELSEWHERE.is_provably_alive(here)
