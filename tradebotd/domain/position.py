"""Positions and the arithmetic of fills."""

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final

from tradebotd.domain.decimals import ONE, ZERO
from tradebotd.domain.exit_plan import ExitPlan
from tradebotd.domain.fill import Fill
from tradebotd.domain.ids import BotName, PositionId, VenueName
from tradebotd.domain.instrument import Instrument, PositionType
from tradebotd.domain.quote import PriceKind
from tradebotd.domain.side import PositionSide


class CloseReason(StrEnum):
    STOP_LOSS = "stop_loss"
    TAKE_PROFIT = "take_profit"
    TRAILING_STOP = "trailing_stop"
    SIGNAL = "signal"
    MAX_HOLDING = "max_holding"
    FLATTEN = "flatten"
    MANUAL = "manual"
    EXTERNAL = "external"
    DUST = "dust"  # nothing of it could be sold, and nothing ever had been


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """An open position of one bot. `quantity` is positive; `side` gives the direction.

    `stop_loss`, `take_profit` and `trailing_stop` are prices on the tick; `best_price` is the most
    favourable price since entry; `exits` is the plan they follow from. `take_profit` is the next
    step of the ladder while one remains; `ladder_done` steps have been taken. `step_sold`: quantity
    of the next step already sold, negative where a step too small to be sold has joined it.
    """

    id: PositionId
    bot: BotName
    venue: VenueName
    symbol: str
    side: PositionSide
    position_type: PositionType
    quantity: Decimal
    entry_price: Decimal
    opened_at: datetime
    stop_loss: Decimal | None
    take_profit: Decimal | None
    trailing_stop: Decimal | None
    best_price: Decimal
    exits: ExitPlan
    version: int
    entry_quantity: Decimal = ZERO
    ladder_done: int = 0
    step_sold: Decimal = ZERO
    leverage: int = 1
    liquidation_price: Decimal | None = None

    @property
    def trigger_kind(self) -> PriceKind:
        """Kind of price that its exits are compared with."""
        return self.exits.trigger_price.kind(self.side)

    @property
    def has_stop(self) -> bool:
        """Whether a stop-loss or a trailing stop is in force."""
        return self.stop_loss is not None or self.trailing_stop is not None

    @property
    def signed_quantity(self) -> Decimal:
        return self.quantity * self.side.sign

    def unrealized_pnl(self, price: Decimal) -> Decimal:
        """Return the unrealized P&L at *price*, in quote asset, before fees."""
        return (price - self.entry_price) * self.signed_quantity


# The open share of a cost is kept to a scale at which sums of money stay exact.
COST_SCALE: Final = Decimal("1e-12")


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionTotals:
    """Sums over a position's fills; `quantity` is always entered minus exited minus dust.

    `entry_cost` and `exit_proceeds` are sums over the fills without fees, and exact; prices are
    their averages. They, `fees`, `funding` (received; negative when paid) and `realized_pnl` are in
    the quote asset. `realized_pnl` is net of every fee and funding so far, so an open position
    shows its entry fee as a loss.

    `swept`: dust of earlier positions of the symbol that this position's exits also sold; it no
    longer has a cost, so all of `swept_income` is a gain.

    Dust of spot has been paid for and cannot be sold: its cost is a loss once the position is
    closed. Dust of futures stays open at the venue and was not paid for: whoever closes it there
    exits the position that left it.
    """

    side: PositionSide
    position_type: PositionType = PositionType.SPOT
    entry_quantity: Decimal = ZERO
    entry_cost: Decimal = ZERO
    exit_quantity: Decimal = ZERO
    exit_proceeds: Decimal = ZERO
    fees: Decimal = ZERO
    dust: Decimal = ZERO
    funding: Decimal = ZERO
    swept: Decimal = ZERO
    swept_income: Decimal = ZERO

    @property
    def quantity(self) -> Decimal:
        return self.entry_quantity - self.exit_quantity - self.dust

    @property
    def closable_dust(self) -> Decimal:
        """Dust that a fill at the venue may still close as a part of this position."""
        return self.dust if self.position_type is PositionType.FUTURES else ZERO

    @property
    def entry_price(self) -> Decimal:
        """Average entry price; zero when nothing was entered."""
        return self.entry_cost / self.entry_quantity if self.entry_quantity else ZERO

    @property
    def exit_price(self) -> Decimal | None:
        return self.exit_proceeds / self.exit_quantity if self.exit_quantity else None

    @property
    def cost(self) -> Decimal:
        """Entry cost of the open quantity, without fees: its share of everything entered."""
        open_quantity = self.quantity
        if self.position_type is PositionType.FUTURES:
            open_quantity += self.dust
        if open_quantity in {ZERO, self.entry_quantity}:
            return self.entry_cost if open_quantity else ZERO
        return (self.entry_cost * open_quantity / self.entry_quantity).quantize(COST_SCALE)

    @property
    def realized_pnl(self) -> Decimal:
        gained = (self.exit_proceeds - (self.entry_cost - self.cost)) * self.side.sign
        return gained + self.swept_income - self.fees + self.funding

    def entered(self, fill: Fill, base_asset: str, rate: Decimal = ONE) -> "PositionTotals":
        """Return the totals after an entry; *rate* is the fee asset's value in the quote asset.

        A fee taken in the base asset reduces the quantity received. A short does not hold the base
        asset, and futures do not either: such a fee leaves the quantity unchanged and is only a
        cost.
        """
        received = fill.quantity - self._fee_in_base(fill, base_asset)
        return replace(
            self,
            entry_quantity=self.entry_quantity + received,
            entry_cost=self.entry_cost + fill.price * received,
            fees=self.fees + fee_in_quote(fill, base_asset, rate),
        )

    def exited(
        self, fill: Fill, base_asset: str, lot_size: Decimal, rate: Decimal = ONE
    ) -> "PositionTotals":
        """Return the totals after an exit; a remainder below one lot is booked as dust.

        Less than a lot cannot be sold. A fee taken in the base asset leaves the position, too, as
        if it had been sold at the fill's price to pay for itself, up to the quantity held: the
        venue took any more from outside the position. Raises ValueError when the fill exits more
        than is held.
        """
        if fill.quantity > self.quantity:
            raise ValueError(f"a fill of {fill.quantity} exits more than {self.quantity}")
        gone = min(fill.quantity + self._fee_in_base(fill, base_asset), self.quantity)
        left = self.quantity - gone
        return replace(
            self,
            exit_quantity=self.exit_quantity + gone,
            exit_proceeds=self.exit_proceeds + fill.price * gone,
            fees=self.fees + fee_in_quote(fill, base_asset, rate),
            dust=self.dust + (left if left < lot_size else ZERO),
        )

    def written_off(self) -> "PositionTotals":
        """Return the totals with all that is held booked as dust: it cannot be sold any more."""
        return replace(self, dust=self.dust + self.quantity)

    def closing_dust(self, fill: Fill, base_asset: str, rate: Decimal = ONE) -> "PositionTotals":
        """Return the totals after an exit of the dust that it left at its venue. Futures only.

        Its share of the entry cost is realized, as that of any exit. Raises ValueError when the
        fill closes more dust than there is.
        """
        if fill.quantity > self.closable_dust:
            raise ValueError(f"a fill of {fill.quantity} closes more dust than {self.dust}")
        return replace(
            self,
            exit_quantity=self.exit_quantity + fill.quantity,
            exit_proceeds=self.exit_proceeds + fill.price * fill.quantity,
            fees=self.fees + fee_in_quote(fill, base_asset, rate),
            dust=self.dust - fill.quantity,
        )

    def sweeping(self, fill: Fill, base_asset: str, rate: Decimal = ONE) -> "PositionTotals":
        """Return the totals after the part of an exit's fill that sold earlier positions' dust."""
        return replace(
            self,
            swept=self.swept + fill.quantity,
            swept_income=self.swept_income + fill.price * fill.quantity,
            fees=self.fees + fee_in_quote(fill, base_asset, rate),
        )

    def funded(self, received: Decimal) -> "PositionTotals":
        """Return the totals after funding, in the quote asset; negative when paid.

        Funding may arrive after the last exit.
        """
        return replace(self, funding=self.funding + received)

    def _fee_in_base(self, fill: Fill, base_asset: str) -> Decimal:
        """Return what the fee takes out of the quantity held."""
        holds = self.side is PositionSide.LONG and self.position_type is PositionType.SPOT
        return fill.fee if holds and fill.fee_asset == base_asset else ZERO


def fee_in_quote(fill: Fill, base_asset: str, rate: Decimal = ONE) -> Decimal:
    """Return the fee in quote asset: at the fill's price if in the base asset, else at *rate*."""
    return fill.fee * (fill.price if fill.fee_asset == base_asset else rate)


def paid_elsewhere(
    before: PositionTotals, after: PositionTotals, fill: Fill, instrument: Instrument
) -> Decimal:
    """Return the part of the fee, in its asset, that neither quote asset nor position has paid."""
    if fill.fee_asset == instrument.quote_asset:
        return ZERO
    if fill.fee_asset != instrument.base_asset:
        return fill.fee
    held = (totals.quantity + totals.dust - totals.swept for totals in (after, before))
    change = (next(held) - next(held)) * before.side.sign
    return fill.fee - (fill.quantity * fill.side.sign - change)
