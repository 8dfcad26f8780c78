"""One execution at a venue."""

from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final

from tradebotd.domain.decimals import plain
from tradebotd.domain.ids import ClientOrderId, TradeId, VenueName, VenueOrderId
from tradebotd.domain.side import Side

# A share of a fee is kept to a scale at which its worth stays exact.
FEE_SCALE: Final = Decimal("1e-12")


class Forced(StrEnum):
    """Reasons for which a venue closes a position on its own."""

    LIQUIDATION = "liquidation"
    ADL = "adl"  # auto-deleveraging: another account's liquidation found no buyer
    SETTLEMENT = "settlement"  # of a contract that is delisted or delivered


# The client ids that Binance's USD-M futures give to forced orders; `adl_autoclose` is no id of one
# order, every one has it.
_NAMES: Final = (
    ("settlement_autoclose", Forced.SETTLEMENT),
    ("adl_autoclose", Forced.ADL),
    ("autoclose-", Forced.LIQUIDATION),
)


def forced_by_name(client_order_id: str) -> Forced | None:
    """Return the kind of forced order that the client id names, or None.

    For adapters of venues that mark a forced order by its client id only.
    """
    return next((kind for name, kind in _NAMES if client_order_id.startswith(name)), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """FIX ExecutionReport with ExecType Trade; identity is (venue, symbol, trade_id).

    A venue may name the order by the client's id, by its own, or by both; a list of trades often
    has only the venue's. `client_order_id` None: not reported; no other id ever takes its place.
    `forced`: the venue closed a position on its own; it is left out of comparisons.
    """

    venue: VenueName
    symbol: str
    trade_id: TradeId
    client_order_id: ClientOrderId | None
    side: Side
    quantity: Decimal  # FIX LastQty (32), base asset
    price: Decimal  # FIX LastPx (31), quote asset per unit
    fee: Decimal  # in fee_asset, positive when paid
    fee_asset: str
    executed_at: datetime
    venue_order_id: VenueOrderId | None = field(default=None, compare=False)
    forced: Forced | None = field(default=None, compare=False)

    def __str__(self) -> str:
        """Return it as an operator reads it, in logs and alerts."""
        return (
            f"{self.side} {plain(self.quantity)} {self.symbol} at {plain(self.price)},"
            f" fee {plain(self.fee)} {self.fee_asset}, trade {self.trade_id} at {self.venue}"
            f" of {self.executed_at:%Y-%m-%dT%H:%M:%S.%f}Z"
        )


def contents_changed(before: Fill, now: Fill) -> list[str]:
    """Return what two accounts of one fill differ in, in words: "price 100 became 101"."""
    names = [each.name for each in fields(Fill) if each.compare]
    pairs = [(name, getattr(before, name), getattr(now, name)) for name in names]
    return [f"{name} {_shown(was)} became {_shown(is_)}" for name, was, is_ in pairs if was != is_]


def _shown(value: object) -> str:
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%dT%H:%M:%S.%f}Z"
    if isinstance(value, Decimal):
        return plain(value)
    return "none" if value is None else str(value)


def split(fill: Fill, most: Decimal) -> tuple[Fill | None, Fill | None]:
    """Split *fill* into at most *most* and the rest, each with its share of the fee.

    Either part is None where it would be empty.
    """
    if fill.quantity <= most:
        return fill, None
    if most <= 0:
        return None, fill
    rest = fill.quantity - most
    fee = (fill.fee * rest / fill.quantity).quantize(FEE_SCALE)
    return replace(fill, quantity=most, fee=fill.fee - fee), replace(fill, quantity=rest, fee=fee)
