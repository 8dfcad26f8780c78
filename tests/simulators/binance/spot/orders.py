"""Orders and fills as the engine keeps them."""

from dataclasses import dataclass, field
from decimal import ROUND_UP, Decimal

from tests.simulators.binance.spot.figures import ZERO

STOPS = ("STOP_LOSS", "STOP_LOSS_LIMIT")
TAKES = ("TAKE_PROFIT", "TAKE_PROFIT_LIMIT")
ALGO_TYPES = STOPS + TAKES  # S9: what MAX_NUM_ALGO_ORDERS counts
PRICELESS = ("MARKET", "STOP_LOSS", "TAKE_PROFIT")
OPEN = ("NEW", "PARTIALLY_FILLED", "PENDING_NEW")


@dataclass(frozen=True)
class Fill:
    """One trade of one order; *trade_id* is unique within the symbol only."""

    trade_id: int
    price: Decimal
    quantity: Decimal
    quote: Decimal
    fee: Decimal
    fee_asset: str
    maker: bool
    time_ms: int


@dataclass(frozen=True)
class Amendment:
    execution_id: int
    old_client_id: str
    new_client_id: str
    old_quantity: Decimal
    new_quantity: Decimal
    time_ms: int


@dataclass(kw_only=True)
class Order:
    """An order; *id* is unique within the symbol only, *client_id* among the account's open orders."""

    symbol: str
    base: str
    quote_asset: str
    account: str
    id: int = 0
    client_id: str
    side: str
    type: str
    time_in_force: str = "GTC"
    quantity: Decimal = ZERO
    quote_quantity: Decimal = ZERO  # MARKET orders by quoteOrderQty
    price: Decimal = ZERO
    stop_price: Decimal = ZERO
    trailing_delta: int = 0
    iceberg: Decimal = ZERO
    prevention: str = "NONE"
    strategy_id: int | None = None
    strategy_type: int | None = None
    list_id: int = -1
    status: str = "NEW"
    executed: Decimal = ZERO
    spent: Decimal = ZERO
    prevented: Decimal = ZERO
    prevented_match: int | None = None
    created_ms: int = 0
    updated_ms: int = 0
    working_ms: int = -1  # -1: not on the book, and was never
    trailing_ms: int = -1
    extreme: Decimal = ZERO  # of the last price, since a trailing stop became active
    reject_reason: str = "NONE"
    expiry_reason: str = ""
    cancel_id: str = ""  # the client id of the cancel
    old_client_id: str = ""  # before an amendment
    taking: bool = False
    fills: list[Fill] = field(default_factory=list)
    amendments: list[Amendment] = field(default_factory=list)

    @property
    def is_open(self) -> bool:
        return self.status in OPEN

    @property
    def buys(self) -> bool:
        return self.side == "BUY"

    @property
    def left(self) -> Decimal:
        return self.quantity - self.executed - self.prevented

    @property
    def waits(self) -> bool:
        """A stop, or a pending order, that is not on the book yet."""
        return self.is_open and self.working_ms == -1

    @property
    def rests(self) -> bool:
        return self.is_open and self.working_ms != -1 and not self.taking

    @property
    def limited(self) -> bool:
        return self.type not in PRICELESS

    @property
    def hold_asset(self) -> str:
        return self.quote_asset if self.buys else self.base

    def needs(self) -> Decimal:
        """The amount of its hold asset that the rest of an open order may spend."""
        if not self.is_open or self.type == "MARKET":
            return ZERO
        if not self.buys:
            return self.left
        price = self.price if self.limited else self.stop_price
        return (price * self.left).quantize(Decimal("1e-8"), rounding=ROUND_UP)

    def rises_to_trigger(self) -> bool:
        """STOP_LOSS BUY and TAKE_PROFIT SELL wait for a higher price, the others for a lower one."""
        return (self.type in STOPS) == self.buys

    def triggers_at(self, last: Decimal) -> bool:
        """Tell whether *last* sets the order off; a trailing one follows the price meanwhile."""
        rises = self.rises_to_trigger()
        if self.stop_price and not self.trailing_delta:
            return last >= self.stop_price if rises else last <= self.stop_price
        return self._trails_to(last, rises=rises)

    def _trails_to(self, last: Decimal, *, rises: bool) -> bool:
        if self.extreme == ZERO:
            begins = not self.stop_price or (
                last >= self.stop_price if self._starts_above() else last <= self.stop_price
            )
            self.extreme = last if begins else ZERO
            return False
        self.extreme = min(self.extreme, last) if rises else max(self.extreme, last)
        share = Decimal(self.trailing_delta) / 10_000
        bound = self.extreme * (1 + share if rises else 1 - share)
        return last >= bound if rises else last <= bound

    def _starts_above(self) -> bool:
        return self.rises_to_trigger() == (self.type in TAKES)


@dataclass(kw_only=True)
class OrderList:
    """Orders that depend on each other: OCO, OTO; an OTOCO is an OTO of three orders."""

    id: int
    symbol: str
    account: str
    client_id: str
    contingency: str
    working: list[Order]  # an OCO's legs, or the one order that triggers the others
    pending: list[Order] = field(default_factory=list)
    pays: bool = False  # OPO: what the working order received is the quantity of the pending ones
    status_type: str = "EXEC_STARTED"
    order_status: str = "EXECUTING"
    time_ms: int = 0

    @property
    def orders(self) -> list[Order]:
        return self.working + self.pending

    @property
    def is_open(self) -> bool:
        return any(order.is_open for order in self.orders)


@dataclass
class Hold:
    """Locked funds of one order, or of two legs of which only one can trade."""

    orders: list[Order]
    amount: Decimal = ZERO

    def needed(self) -> Decimal:
        return max((order.needs() for order in self.orders), default=ZERO)
