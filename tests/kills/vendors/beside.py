"""A vendor's venue as the campaign has it: forked, described in the file, judged by its own ledger."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any

import asyncpg

from tests.kills import books
from tests.kills.outliving import ask, outliving
from tests.kills.scenarios import Scenario, Traded
from tests.kills.vendors.judge import violations
from tests.kills.vendors.life import live_at
from tests.kills.vendors.scenarios import OPENING, PLACES, Place
from tests.kills.vendors.shared_time import SharedTime
from tests.kills.vendors.venue import keep


@dataclass(frozen=True)
class AtVendor:
    """*opening*: the ledger before the first daemon."""

    place: Place
    shared: SharedTime
    port: int
    traded: Traded
    opening: dict[str, Any]

    async def run(self, life: Callable[[], Awaitable[object]]) -> None:
        await live_at(self.shared, self.port, life)

    def while_dead(self, chance: Random) -> None:
        """Let the market go on for a minute at most, half of the time: stops fill, entries do."""
        if chance.random() < 0.5:
            factors = [f"{chance.uniform(0.99, 1.01):.4f}" for _ in range(chance.randint(1, 4))]
            ask(self.port, {"do": "walk", "factors": factors})

    async def judge(self, dsn: str) -> tuple[list[str], dict[str, Any]]:
        ledger = ask(self.port, {"do": "ledger"})
        connection = await asyncpg.connect(dsn)
        try:
            found = await books.found_by(books.OWN_CHECKS, connection)
            found += await violations(dsn, connection, self.place, ledger, self.opening)
            return found, await books.figures(connection)
        finally:
            await connection.close()


@contextmanager
def at_vendor(scenario: Scenario) -> Iterator[AtVendor]:
    place = PLACES[scenario.kind]
    shared = SharedTime(scenario.start - OPENING)
    with outliving(partial(keep, place.serves, shared)) as told:
        port = told["port"]
        traded = _traded(place, told["section"], told["secrets"])
        yield AtVendor(place, shared, port, traded, ask(port, {"do": "ledger"}))


def _traded(place: Place, section: str, secrets: dict[str, str]) -> Traded:
    market = place.market
    symbols = f"""
[[symbols]]
symbol = "{market.symbol}"
feeds = ["history"]
venue = "{market.venue}"
names = {{ {market.venue} = "{market.market}" }}
base_asset = "{market.base}"
quote_asset = "{market.quote}"
timeframes = ["1m"]
{place.symbol_lines}
"""
    return Traded(
        venue=f"[venues.{market.venue}]\n{section}",
        symbol=market.symbol,
        symbols=symbols,
        currency=place.currency,
        times=place.times,
        secrets=secrets,
    )
