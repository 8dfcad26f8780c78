"""I4 by the clock: five seconds after its first fill a position is protected, thirty after a restart.

A process that took the account over sends nothing before its fence is over, and at once after it.
Looked at second by second, wherever no fault has an effect: by what rested at the venue, by the sweeps
that ended well, by what left us. And a stop that the stream has shown to be met is acted on at once.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

from tests.simulation import levels
from tests.simulation.exits import Case
from tests.simulation.facts import Facts, Span
from tests.simulation.ledger import VenueOrder
from tradebotd.domain.ids import ClientOrderId

AFTER_FILL, AFTER_START = 5.0, 30.0
EFFECT: Final = 15.0  # what a fault has delayed may need so long still
SWEPT: Final = 12.0  # a sweep is due every 5 to 7 s, and takes a while
UNDER_WAY: Final = 45.0  # an exit that was sent; a refused one is tried again after 30 s at most
AT_ONCE: Final = 5.5  # a tick to the exit's departure
SHOWN: Final = 3  # prices beyond the stop that no guard may doubt any more
FEW: Final = 2


def unprotected(positions: list[Any], orders: Mapping[str, Any], facts: Facts) -> list[str]:
    found: list[str] = []
    for row in positions:
        case = Case(row, orders, facts)
        if not case.is_ours:
            continue
        each = Watch(case)
        found += list(each.naked())[:FEW]
        found += list(each.missed())[:FEW]
    return found


def _is_unseen(order: VenueOrder | None) -> bool:
    return order is None or order.forgotten


@dataclass
class Watch:
    case: Case

    def __post_init__(self) -> None:
        row, facts = self.case.row, self.case.facts
        self.facts: Facts = facts
        self.began = self.case.changes[0][0] if self.case.changes else float("inf")
        self.exits = sorted(
            at
            for name in self.case.mine
            if self.case.orders[name]["role"] == "exit"
            and self.case.orders[name]["type"] == "market"
            and (at := facts.departed(name)) is not None
        )
        self.ends = float("inf") if row["closed_at"] is None else facts.seconds(row["closed_at"])

    def naked(self) -> Iterator[str]:
        """Seconds at which nothing protects it."""
        venue = self.facts.venues[self.case.row["venue"]]
        for at, stops in venue.resting:
            if at < self.began + AFTER_FILL or at > min(self.ends, self.facts.patient_from):
                continue
            span = self._awake(at, AFTER_START)
            if span is None or not self.facts.is_fair(at - EFFECT, at):
                continue
            if not self.case.holds(at) or not self._is_tradable(at - SWEPT, at):
                continue
            resting = sum(
                (Fraction(left) for name, left in stops.items() if name in self.case.mine),
                Fraction(0),
            )
            if (
                self.case.holds(at, besides=resting)
                and not self._ends_about(at)
                and not self._is_swept(at, span)
                and not self._is_sought(at)
            ):
                yield f"I4 position {self.case.row['id']} is naked at {at:.0f}"

    def _awake(self, at: float, after: float) -> Span | None:
        span = self.facts.life_at(at)
        ready = None if span is None else span.ready
        if span is None or ready is None:
            return None
        return span if at >= ready + max(after, span.fence) else None

    def _is_tradable(self, first: float, last: float) -> bool:
        """All the time between."""
        symbol, street = self.case.row["symbol"], self.facts.street
        times = (first + (last - first) * part / 4 for part in range(5))
        return all(
            street.hours_at(symbol, at) and self.facts.settings.knows(symbol, at) for at in times
        )

    def _ends_about(self, at: float) -> bool:
        return any(at - UNDER_WAY <= each <= at for each in self.exits)

    def _is_swept(self, at: float, span: Span) -> bool:
        number = str(self.case.row["id"])
        return any(
            at - SWEPT <= when <= at and life == span.number and number not in failed
            for when, life, failed in self.facts.swept
        )

    def _is_sought(self, at: float) -> bool:
        """An exit of it was lost on its way, and what the venue holds cannot say whether it sold.

        Because a hand took some of it, or because an order to the other side was lost as well: until
        its search has ended nothing more is sold beside it, and the daemon tells them by name.
        """
        lost = [row for row in self._lost(at) if row["symbol"] == self.case.row["symbol"]]
        exits = [row for row in lost if row["position_id"] == self.case.row["id"]]
        exits = [row for row in exits if row["role"] == "exit"]
        return any(
            self.case.is_taken or any(other["side"] != row["side"] for other in lost)
            for row in exits
        )

    def _lost(self, at: float) -> list[Any]:
        """Written down before, and never seen by the venue: whether it left us, nobody knows."""
        theirs = self.facts.venues[self.case.row["venue"]].ledger.orders
        return [
            row
            for name, row in self.case.orders.items()
            if row["venue"] == self.case.row["venue"]
            and _is_unseen(theirs.get(ClientOrderId(name)))
            and self.facts.seconds(row["created_at"]) <= at
        ]

    def missed(self) -> Iterator[str]:
        """Ticks beyond every stop it may have had, and no exit that left."""
        if self.case.sets:
            return
        level = self._loosest()
        if level is None:
            return
        side, symbol = self.case.side, self.case.row["symbol"]
        for tick in self.facts.tape.between(symbol, self.began + AFTER_FILL, self.ends):
            at = tick.at
            if not side.has_met_stop(Fraction(tick.price), level) or tick.how != "tick":
                continue
            after = self.facts.tape.between(symbol, at, at + AT_ONCE)
            beyond = all(side.has_met_stop(Fraction(each.price), level) for each in after)
            if len(after) < SHOWN or not beyond or at > self.facts.patient_from:
                continue
            span, later = self._awake(at, AFTER_FILL), self._awake(at + AT_ONCE, AFTER_FILL)
            if span is None or later is not span:
                continue
            if not self.facts.is_fair(at - EFFECT, at + AT_ONCE):
                continue
            if not self._is_tradable(at, at + AT_ONCE):
                continue
            left = any(at - UNDER_WAY <= each <= at + AT_ONCE for each in self.exits)
            if not left and not self._is_sought(at) and self.case.holds(at + AT_ONCE):
                yield (
                    f"I4 position {self.case.row['id']}: {tick.price} at {at:.2f} has met its stop"
                    f" at {float(level)}, and no exit left"
                )

    def _loosest(self) -> Fraction | None:
        """The one that is met last, of all that its plan may mean."""
        found = [
            level
            for plan in self.case.plans
            for level in levels.stops(plan, self.case.side, self.case.entries)
        ]
        has_stop = all(
            plan.stop_loss is not None or plan.stop_loss_atr is not None for plan in self.case.plans
        )
        if not found or not has_stop:
            return None
        return min(found, key=lambda each: each * self.case.side.sign)
