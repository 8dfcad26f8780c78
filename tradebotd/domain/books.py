"""The arithmetic of one position's fills: averages, fees, P&L, dust. Pure."""

from dataclasses import dataclass, replace
from decimal import Decimal

from tradebotd.domain.decimals import ZERO
from tradebotd.domain.fill import Fill
from tradebotd.domain.side import PositionSide


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionBooks:
    """What the fills of a position add up to; always `quantity = entered - exited - dust`.

    Prices are averages without fees. `fees`, `funding` (received; negative when paid) and
    `realized_pnl` are in the quote asset, the latter net of every fee and funding so far, so that
    an open position shows its entry fee as a loss.
    """

    side: PositionSide
    entry_quantity: Decimal = ZERO
    entry_price: Decimal = ZERO
    exit_quantity: Decimal = ZERO
    exit_price: Decimal | None = None
    fees: Decimal = ZERO
    dust: Decimal = ZERO
    funding: Decimal = ZERO

    @property
    def quantity(self) -> Decimal:
        return self.entry_quantity - self.exit_quantity - self.dust

    @property
    def realized_pnl(self) -> Decimal:
        gained = ZERO
        if self.exit_price is not None:
            gained = (self.exit_price - self.entry_price) * self.exit_quantity * self.side.sign
        return gained - self.fees + self.funding

    def entered(self, fill: Fill, base_asset: str) -> "PositionBooks":
        """A fee taken in the base asset makes less of it held than was bought.

        A short holds none of it: such a fee leaves its quantity as it is, and is a cost only.
        """
        received = fill.quantity - self._fee_in_base(fill, base_asset)
        total = self.entry_quantity + received
        cost = self.entry_price * self.entry_quantity + fill.price * received
        return replace(
            self,
            entry_quantity=total,
            entry_price=cost / total,
            fees=self.fees + fee_in_quote(fill, base_asset),
        )

    def exited(self, fill: Fill, base_asset: str, lot_size: Decimal) -> "PositionBooks":
        """What is left below one lot cannot be sold: it is booked as dust. Raises ValueError.

        A fee taken in the base asset leaves the position, too, as if it had been sold at the
        fill's price to pay for itself: no more of it than is there, the venue took the rest from
        what is not ours.
        """
        if fill.quantity > self.quantity:
            raise ValueError(f"a fill of {fill.quantity} exits more than {self.quantity}")
        gone = min(fill.quantity + self._fee_in_base(fill, base_asset), self.quantity)
        total = self.exit_quantity + gone
        proceeds = (self.exit_price or ZERO) * self.exit_quantity + fill.price * gone
        left = self.quantity - gone
        return replace(
            self,
            exit_quantity=total,
            exit_price=proceeds / total,
            fees=self.fees + fee_in_quote(fill, base_asset),
            dust=self.dust + (left if left < lot_size else ZERO),
        )

    def funded(self, received: Decimal) -> "PositionBooks":
        """Funding in the quote asset; negative when paid. It may come after the last exit."""
        return replace(self, funding=self.funding + received)

    def _fee_in_base(self, fill: Fill, base_asset: str) -> Decimal:
        """What the fee takes out of what is held."""
        held = self.side is PositionSide.LONG and fill.fee_asset == base_asset
        return fill.fee if held else ZERO


def fee_in_quote(fill: Fill, base_asset: str) -> Decimal:
    """The fee at the fill's own price where it was taken in the base asset."""
    return fill.fee * fill.price if fill.fee_asset == base_asset else fill.fee
