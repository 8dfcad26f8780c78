"""A slice of `python -m tests.protection`: what befalls a stop on each venue, and what comes of it."""

import pytest
from blockbuster import BlockBuster

from tests.database import PostgresServer
from tests.protection.plan import Plan, plan_of
from tests.protection.seed import run_alone

WORST = 4.0  # seconds: what was told of 300 ms away, and not by the stream
TOLD = 1.0
PLANS: dict[str, Plan] = {
    "spot": plan_of("killed as it fills > expired, moved > expired by price range"),
    "usdm": plan_of("killed as it fills > rejected, cancelled while down > deleveraged"),
    "alpaca": plan_of("at once > replaced by hand, stream cut > stopped"),
}


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("venue", sorted(PLANS))
def test_no_position_stays_without_a_stop(
    blockbuster: BlockBuster, postgres_server: PostgresServer, venue: str
) -> None:
    """S3, F5, A3, M5.7: the next exit at once; each position ends in the books, too.

    The time is virtual: these seconds are the venue's way and the daemon's own waits.
    """
    blockbuster.deactivate()  # each life's files are written in the loop
    outcome = run_alone(postgres_server, venue, 1, rounds=1, plan=PLANS[venue])

    assert outcome.wrong == []
    assert len(outcome.positions) == len(outcome.counted) == 4
    assert max(each.seconds for each in outcome.spells if each.is_told) <= TOLD
    assert max(each.own for each in outcome.spells) <= WORST
