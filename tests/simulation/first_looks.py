"""What was there before us: the venue's coins at the daemon's first look, hands' trades among them.

Whatever somebody's hand had done by then is no difference to anybody, and nobody adopts it. When
that look was only the daemon knows, so its amount is taken from PostgreSQL, but not on its word: it
stays as it was when it was seen first, and it has to be what we began with and what hands had made
of it at a moment when the venue told of its account.
"""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from tests.simulation.facts import Facts
from tests.simulation.venue import SimulatedVenue
from tradebotd.domain.ids import VenueName

if TYPE_CHECKING:
    from tests.simulation.check import Books

BASELINES: Final = "SELECT value FROM settings WHERE key = 'spot_baselines'"
ZERO: Final = Decimal(0)


@dataclass
class FirstLooks:
    """*seen*: (venue, asset) to the amount."""

    facts: Facts
    seen: dict[tuple[VenueName, str], Decimal] = field(default_factory=dict)

    async def note(self, books: "Books") -> list[str]:
        """After each life, and before anything is adopted: what cannot have been so."""
        facts, found = self.facts, []
        rows = await books.rows(BASELINES)
        for name, amounts in sorted(rows[0]["value"].items() if rows else ()):
            venue = facts.venues[VenueName(name)]
            for asset in sorted(set(amounts) & _traded_at(venue, facts)):
                amount = Decimal(amounts[asset])
                words = f"I2 {amount} {asset} at {name} were there before us"
                first = self.seen.get((venue.name, asset))
                if first is not None and amount != first:
                    found.append(f"{words}, and {first} the first time")
                if first is None:
                    self.seen[venue.name, asset] = amount
                    before = amount - venue.ledger.began_with.get(asset, ZERO)
                    told = {hands.get(asset, ZERO) for hands in venue.hands_when_told}
                    found += [] if before in told else [f"{words}, which it never told"]
        return found

    def set_apart(self) -> None:
        """What hands had made of it by then is nothing that they made of it since."""
        for (name, asset), amount in self.seen.items():
            ledger = self.facts.venues[name].ledger
            before = amount - ledger.began_with.get(asset, ZERO)
            ledger.before_us[asset] = before
            ledger.by_hand[asset] = ledger.by_hand.get(asset, ZERO) - before


def _traded_at(venue: SimulatedVenue, facts: Facts) -> set[str]:
    """Coins whose holdings are compared there."""
    return {
        each.instrument.base_asset
        for each in facts.plan.markets
        if each.traded and each.instrument.venue == venue.name
    }
