"""One seed in a time of its own: nobody sleeps, and the figures are the daemon's, not the machine's."""

from typing import Final

from tests.database import PostgresServer
from tests.protection.campaign import Outcome, Plan, run_seed
from tests.protection.places import place_of
from tests.venue_core.clock import SharedClock, shared_time
from tests.venue_core.loop import SharedTimeLoop
from tests.venue_core.machine import in_shared_time
from tests.venue_core.places.place import BEGAN
from tradebotd.storage.postgres.database import open_database

ONE_WAY: Final = 0.15  # seconds: 300 ms there and back
LOOK: Final = 0.02  # seconds between two looks of a simulator at what is due


def run_alone(
    server: PostgresServer,
    venue: str,
    seed: int,
    *,
    rounds: int,
    plan: Plan | None = None,
    one_way: float = ONE_WAY,
) -> Outcome:
    """*seed* on a loop, a database and a venue of its own, to its end."""

    async def work(loop: SharedTimeLoop) -> Outcome:
        with shared_time(loop, BEGAN, look=LOOK):
            async with (
                server.fresh_database() as dsn,
                open_database(dsn, pool_min=2, pool_max=10) as database,
                place_of(venue, SharedClock(loop, BEGAN), one_way) as place,
            ):
                return await run_seed(seed, place, database, rounds, plan)

    return in_shared_time(work)
