"""What a seed draws."""

import random
from dataclasses import dataclass
from typing import Final

# In the order of an entry's way. Behind its row it has two seconds to leave.
BEFORE_ITS_ROW: Final = ("set-up", "prices", "account")
BEHIND_ITS_ROW: Final = ("limits", "dial", "dialled")
AT_SIGNING: Final = ("signing", "signed", "leaving")  # where nothing waits
POINTS: Final = ("decided", *BEFORE_ITS_ROW, *BEHIND_ITS_ROW, *AT_SIGNING)
COMMANDS: Final = ("halt", "halt", "halt", "pause", "disable")
LONGEST: Final = 1.2
SOON: Final = 0.6


@dataclass(frozen=True)
class Plan:
    """*waits*: seconds by point. *at*: the point that the command comes at; else *after* seconds.

    *refreshes*: the symbols are asked for meanwhile, slowly.
    """

    venue: str
    seed: int
    command: str
    limit: bool
    waits: dict[str, float]
    at: str | None
    after: float
    refreshes: bool

    def __str__(self) -> str:
        return f"{self.venue}/{self.seed}"


def draw(venue: str, seed: int) -> Plan:
    chance = random.Random(f"halts {venue} {seed}")
    points = [each for each in POINTS if each != "set-up" or venue == "binance_usdm"]
    waits = {
        point: round(chance.uniform(0.01, LONGEST if point in BEFORE_ITS_ROW else SOON), 3)
        for point in points
        if point in BEFORE_ITS_ROW + BEHIND_ITS_ROW and chance.random() < 0.6
    }
    return Plan(
        venue=venue,
        seed=seed,
        command=chance.choice(COMMANDS),
        limit=chance.random() < 0.3,
        waits=waits,
        at=chance.choice(points) if chance.random() < 0.5 else None,
        after=round(chance.uniform(0, 0.8 * sum(waits.values()) + 0.05), 3),
        refreshes=chance.random() < 0.3,
    )


def plan_of(name: str) -> Plan:
    """Raises ValueError for a name that is none."""
    venue, seed = name.split("/")
    return draw(venue, int(seed))
