"""What to believe about an order, and what a difference in holdings is. Pure."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from tradebotd.domain.decimals import ZERO
from tradebotd.domain.ids import VenueName


class Verdict(StrEnum):
    RECORD = "record"  # the venue knows it: write down what it says
    WAIT = "wait"  # it may still be on its way
    ABSENT = "absent"  # it never arrived, and cannot arrive any more


def judge_order(*, found: bool, send_by: datetime, asked_at: datetime) -> Verdict:
    """A venue's "never seen" counts only if it was asked when the order could not be sent any more.

    Host times both; an order that is being sent is not asked about at all.
    The paper venue's books are authoritative: what it has not seen by then it never will.
    """
    if found:
        return Verdict.RECORD
    return Verdict.ABSENT if asked_at > send_by else Verdict.WAIT


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    venue: VenueName
    subject: str  # an asset (spot) or a symbol (futures)
    ours: Decimal
    theirs: Decimal

    def __str__(self) -> str:
        return f"we hold {self.ours:f} {self.subject}, {self.venue} says {self.theirs:f}"


def differences(
    venue: VenueName, ours: dict[str, Decimal], theirs: dict[str, Decimal]
) -> list[Difference]:
    """Every subject whose two sums are not equal; what one side does not name is zero."""
    return [
        Difference(
            venue=venue,
            subject=subject,
            ours=ours.get(subject, ZERO),
            theirs=theirs.get(subject, ZERO),
        )
        for subject in sorted(ours.keys() | theirs.keys())
        if ours.get(subject, ZERO) != theirs.get(subject, ZERO)
    ]
