"""What befalls a position: how it is entered, what happens to its stop, and how it ends."""

import random
from typing import Final, NamedTuple

from tests.protection.places import Place

AT_ONCE: Final = "at once"
IN_PARTS: Final = "in parts"
ACK_LATE: Final = "ack late"
ACK_LOST: Final = "ack lost"
KILLED: Final = "killed as it fills"
ENTRIES: Final = (AT_ONCE, AT_ONCE, AT_ONCE, IN_PARTS, IN_PARTS, ACK_LATE, ACK_LOST, KILLED)

MOVED: Final = "moved"
# The stop is cancelled outside, and besides:
CANCELLED: Final = "cancelled outside"
REFUSED: Final = "refused"
REFUSED_THRICE: Final = "refused thrice"
LATE: Final = "stop late"
LOST: Final = "stop's answer lost"
NOT_TAKEN: Final = "stop lost"
CUT: Final = "stream cut"
AWAY: Final = "stream away"
GAP: Final = "event lost"
DOWN: Final = "cancelled while down"
# Nothing befalls the stop itself:
KILL: Final = "killed"
RESTART: Final = "stopped and started"
STEPS: Final = (
    MOVED,
    CANCELLED,
    REFUSED,
    REFUSED_THRICE,
    LATE,
    LOST,
    NOT_TAKEN,
    CUT,
    AWAY,
    GAP,
    DOWN,
    KILL,
    RESTART,
)
STOPPED: Final = "stopped"


class Plan(NamedTuple):
    entry: str
    steps: list[str]
    ending: str


def drawn(draw: random.Random, place: Place) -> Plan:
    """Draw one: each of the venue's own mishaps weighs as much as each of all."""
    known = [*place.mishaps, *STEPS]
    steps = [draw.choice(known) for _ in range(draw.randrange(3))]
    return Plan(draw.choice(ENTRIES), steps, draw.choice([*place.endings, STOPPED, STOPPED]))


def plan_of(text: str) -> Plan:
    """Read `ENTRY > STEP, STEP > ENDING`; what is left out is usual."""
    entry, steps, ending = ([*text.split(">"), "", ""])[:3]
    named = [step.strip() for step in steps.split(",") if step.strip()]
    return Plan(entry.strip() or AT_ONCE, named, ending.strip() or STOPPED)
