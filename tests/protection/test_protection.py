"""A slice of `python -m tests.protection`: what befalls a stop on each venue, and what comes of it."""

import pytest

import tests.protection.alpaca  # noqa: F401 - its calendar is read before a loop runs
from tests.protection.campaign import Plan, run_seed
from tests.protection.places import place_of
from tradebotd.storage.postgres.database import Database

ONE_WAY = 0.02  # seconds: shorter than in the runs that are measured
PLANS: dict[str, Plan] = {
    "spot": (["expired", "moved"], "expired by price range"),
    "usdm": (["rejected", "expired"], "deleveraged"),
    "alpaca": (["expired", "replaced by hand"], "stopped"),
}


@pytest.mark.slow
@pytest.mark.parametrize("venue", sorted(PLANS))
async def test_no_position_stays_without_a_stop(database: Database, venue: str) -> None:
    """S3, F5, A3, M5.7: alerted, and the next exit at once; each position ends in the books, too."""
    async with place_of(venue, ONE_WAY) as place:
        outcome = await run_seed(1, place, database, rounds=1, plan=PLANS[venue])

    assert outcome.wrong == []
    assert len(outcome.positions) == len(place.symbols)
    async with database.connection() as connection:
        alerted = await connection.fetchval(
            "SELECT count(*) FROM alerts WHERE code = 'resting_stop_lost'"
        )
        still_open = await connection.fetchval(
            "SELECT count(*) FROM positions WHERE closed_at IS NULL"
        )
    assert alerted >= len(place.symbols)
    assert still_open == 0
