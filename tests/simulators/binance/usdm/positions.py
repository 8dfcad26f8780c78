"""One position: its amount and what was paid for it. No digit is ever lost between the two."""

from dataclasses import dataclass
from decimal import Decimal

from tests.simulators.binance.usdm.amounts import ZERO, money


@dataclass
class Position:
    """A position of one symbol and side.

    Attributes:
        amount: signed; a short is negative, on every side.
        cost: signed sum of quantity x price of what is held, so that amount x price - cost is the
            unrealised P&L. The entry price is derived from it and rounded only where it is shown.
        isolated_wallet: the part of the wallet that this position may lose, when isolated.
        realized: all P&L that was ever realised here, before fees.
    """

    symbol: str
    side: str
    amount: Decimal = ZERO
    cost: Decimal = ZERO
    isolated_wallet: Decimal = ZERO
    realized: Decimal = ZERO
    fees: Decimal = ZERO
    updated_ms: int = 0

    @property
    def entry_price(self) -> Decimal:
        return self.cost / self.amount if self.amount else ZERO

    @property
    def break_even_price(self) -> Decimal:
        return (self.cost + self.fees) / self.amount if self.amount else ZERO

    def unrealized(self, mark: Decimal) -> Decimal:
        return self.amount * mark - self.cost

    def notional(self, mark: Decimal) -> Decimal:
        return self.amount * mark

    def closes(self, signed: Decimal) -> Decimal:
        """The part of a signed quantity that would close this position, unsigned."""
        return min(abs(signed), abs(self.amount)) if self.amount * signed < 0 else ZERO

    def apply(self, signed: Decimal, price: Decimal) -> Decimal:
        """Book a fill and return the P&L that it realises.

        A part of the cost is rounded to a wallet's eight places; what the rounding leaves stays in
        the cost of the rest, so the sum of all is exact once the position is closed.
        """
        closed = self.closes(signed)
        realized = ZERO
        if closed:
            proceeds = closed * price if self.amount > 0 else -closed * price
            realized = proceeds - self.cost
            if closed < abs(self.amount):
                realized = money(proceeds - self.cost * closed / abs(self.amount))
                self.fees = money(self.fees * (abs(self.amount) - closed) / abs(self.amount))
            else:
                self.fees = ZERO
            self.cost -= proceeds - realized
            self.amount += closed if signed > 0 else -closed
        opened = abs(signed) - closed
        if opened:
            self.amount += opened if signed > 0 else -opened
            self.cost += (opened if signed > 0 else -opened) * price
        self.realized += realized
        return realized
