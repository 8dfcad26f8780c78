"""What the oracle may judge by: the world as it was, second by second, and what was answered."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

from tests.simulation.forces import Forces
from tests.simulation.operator import Operator
from tests.simulation.plan import Plan
from tests.simulation.settings import Settings
from tests.simulation.street import Street
from tests.simulation.tape import Tape
from tests.simulation.venue import SimulatedVenue
from tradebotd.domain.fill import Fill
from tradebotd.domain.ids import ClientOrderId, VenueName

FENCE_MARGIN: Final = 11.0  # a call of ten seconds, and one more


@dataclass
class Span:
    """A process of ours. *ready*: it has loaded what is open; None: it never came so far.

    *fence*: for so many seconds at most after that it may send nothing, since it has taken the
    account over from one that may live still.
    """

    number: int
    began: float
    ready: float | None = None
    ended: float | None = None
    fence: float = 0.0


def holding(position: Any) -> Decimal:
    """What a row of `positions` still holds, its dust with it; a short is negative."""
    sign = 1 if position["side"] == "long" else -1
    held: Decimal = sign * (position["quantity"] + position["dust"] - position["swept"])
    return held


@dataclass
class Facts:
    """Times are virtual seconds. *taken*: by somebody else's hand."""

    plan: Plan
    street: Street
    venues: Mapping[VenueName, SimulatedVenue]
    operator: Operator
    settings: Settings
    swept: Sequence[tuple[float, int, frozenset[str]]]
    forces: Sequence[Forces]
    spans: list[Span] = field(default_factory=list)
    owners: dict[tuple[str, str], int] = field(default_factory=dict)  # fill to our position
    made_up: dict[tuple[str, str], Fill] = field(default_factory=dict)  # fills of no venue
    patient_from: float = float("inf")  # from then on everything is looked at more seldom

    @property
    def taken(self) -> set[tuple[str, str]]:
        return {each for force in self.forces for each in force.taken}

    @property
    def tape(self) -> Tape:
        return self.street.tape

    @property
    def now(self) -> float:
        return self.street.time.monotonic()

    def lot(self, symbol: str, at: float = float("inf")) -> Fraction:
        """What a position had by then to be worth an order: the coarser of the two, once lots have
        changed, since the daemon may go on for a while by the former one.
        """
        (noon, changed), lot = self.plan.noon, self.plan.market(symbol).instrument.lot_size
        return Fraction(max(lot, changed.get(symbol, lot)) if at >= noon else lot)

    def seconds(self, at: Any) -> float:
        """Of an instant that stands in the database."""
        return float((at - self.plan.began).total_seconds())

    def departed(self, client_order_id: str) -> float | None:
        """When it left us; None: it never did."""
        for venue in self.venues.values():
            at = venue.departures.get(ClientOrderId(client_order_id))
            if at is not None:
                return at
        return None

    def ready(self, number: int, *, taken_over: bool) -> None:
        """That process has loaded what is open. What its predecessor sent may arrive for as long as
        the most patient venue takes it, and then a margin.
        """
        span = next(each for each in self.spans if each.number == number)
        span.ready = self.now
        if taken_over:
            windows = [each.traits.receive_window.total_seconds() for each in self.plan.venues]
            span.fence = max(windows) + FENCE_MARGIN

    def life_at(self, at: float) -> Span | None:
        """The process that was there; a stopped one that wakes beside its successor is not it."""
        begun = bisect_right(self.spans, at, key=lambda each: each.began)
        span = self.spans[begun - 1] if begun else None
        gone = span is None or (span.ended is not None and span.ended <= at)
        return None if gone else span

    def is_fair(self, first: float, last: float) -> bool:
        """No fault had an effect between."""
        return all(until < first or at > last for at, until in self.street.faults.struck)
