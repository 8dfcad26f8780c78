"""What every venue says of its clock that claims to: numbered, run for each adapter."""

from datetime import timedelta

from tests.contract.conftest import Case
from tradebotd.clocks.host import host_now

MILLISECOND = timedelta(milliseconds=1)  # what many venues tell their time in, rounded down


async def test_the_clock_is_the_venues_at_the_moment_of_the_call(case: Case) -> None:
    """M6.2 (VC-83): aware, of now and never of an earlier answer; a market that always trades has
    no session.
    """
    for _ in range(2):
        before = host_now()
        told = await case.venue.server_clock()
        after = host_now()

        assert told.time.utcoffset() == timedelta()
        assert before - MILLISECOND < told.time <= after
        assert (told.is_open, told.next_open, told.next_close) == (None, None, None)
    assert case.venue.traits.tells_clock
