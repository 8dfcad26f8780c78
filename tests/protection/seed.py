"""One seed in a time of its own: nobody sleeps, and the figures are the daemon's, not the machine's."""

import tempfile
from pathlib import Path
from random import Random
from typing import Final

import pytest

from tests.database import PostgresServer
from tests.protection.campaign import Outcome, run_seed
from tests.protection.daemon import Setting
from tests.protection.places import place_of
from tests.protection.plan import Plan
from tests.venue_core.clock import SharedClock, shared_time
from tests.venue_core.loop import SharedTimeLoop
from tests.venue_core.machine import in_shared_time
from tests.venue_core.places.place import BEGAN
from tradebotd.storage.postgres.database import open_database
from tradebotd.venues.alpaca import parts as alpaca
from tradebotd.venues.binance.spot import parts as spot
from tradebotd.venues.binance.usdm import parts as usdm

ONE_WAY: Final = 0.15  # seconds: 300 ms there and back
LOOK: Final = 0.05  # seconds between two looks of a simulator at what is due


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
                open_database(dsn, pool_min=1, pool_max=1) as database,
                place_of(venue, SharedClock(loop, BEGAN), one_way) as place,
            ):
                setting = Setting(place, dsn, directory)
                return await run_seed(seed, setting, database, rounds, plan)

    def seeded() -> Random:
        return Random(seed)

    with pytest.MonkeyPatch.context() as patched, tempfile.TemporaryDirectory() as made:
        directory = Path(made)
        for parts in (alpaca, spot, usdm):
            patched.setattr(parts, "Random", seeded)
        return in_shared_time(work)
