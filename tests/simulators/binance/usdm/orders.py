"""Orders, conditional orders and trades, and how long the venue remembers them."""

from dataclasses import dataclass
from decimal import Decimal

from tests.simulators.binance.usdm.amounts import ZERO

DAY_MS = 24 * 60 * 60 * 1000
OPEN_STATUSES = ("NEW", "PARTIALLY_FILLED")
OPEN_ALGO_STATUSES = ("NEW", "TRIGGERING", "TRIGGERED")


@dataclass
class Order:
    order_id: int
    client_id: str
    symbol: str
    side: str
    type: str
    quantity: Decimal
    price: Decimal
    created_ms: int
    position_side: str = "BOTH"
    time_in_force: str = "GTC"
    reduce_only: bool = False
    close_position: bool = False
    original_type: str = ""
    stop_price: Decimal = ZERO
    working_type: str = "CONTRACT_PRICE"
    price_protect: bool = False
    self_trade_prevention: str = "EXPIRE_MAKER"
    good_till_ms: int = 0
    status: str = "NEW"
    executed: Decimal = ZERO
    quote: Decimal = ZERO
    updated_ms: int = 0
    modifications: int = 0
    modify_id: int | None = None
    expiry_reason: int = 0
    forced: str = ""
    algo_id: int | None = None

    @property
    def remaining(self) -> Decimal:
        return self.quantity - self.executed

    @property
    def is_open(self) -> bool:
        return self.status in OPEN_STATUSES

    @property
    def sign(self) -> int:
        return 1 if self.side == "BUY" else -1

    @property
    def average_price(self) -> Decimal:
        return self.quote / self.executed if self.executed else ZERO


@dataclass
class AlgoOrder:
    algo_id: int
    client_id: str
    symbol: str
    side: str
    type: str
    quantity: Decimal
    price: Decimal
    trigger_price: Decimal
    created_ms: int
    position_side: str = "BOTH"
    time_in_force: str = "GTC"
    working_type: str = "CONTRACT_PRICE"
    price_protect: bool = False
    close_position: bool = False
    reduce_only: bool = False
    self_trade_prevention: str = "NONE"
    good_till_ms: int = 0
    activate_price: Decimal = ZERO
    callback_rate: Decimal = ZERO
    activated: bool = False
    extreme: Decimal = ZERO
    status: str = "NEW"
    updated_ms: int = 0
    triggered_ms: int = 0
    actual: Order | None = None
    reason: str = ""

    @property
    def is_open(self) -> bool:
        return self.status in OPEN_ALGO_STATUSES

    @property
    def is_waiting(self) -> bool:
        return self.status == "NEW"

    @property
    def sign(self) -> int:
        return 1 if self.side == "BUY" else -1


@dataclass(frozen=True)
class Trade:
    """A fill of ours. The id is unique within a symbol only."""

    trade_id: int
    order_id: int
    symbol: str
    side: str
    position_side: str
    price: Decimal
    quantity: Decimal
    realized: Decimal
    commission: Decimal
    commission_asset: str
    is_maker: bool
    time_ms: int


def is_forgotten(order: Order | AlgoOrder, now_ms: int) -> bool:
    """F2, F8: cancelled and expired ones without a fill are gone after 3 days, all after 90."""
    age = now_ms - order.created_ms
    if isinstance(order, AlgoOrder):
        empty = order.actual is None or not order.actual.executed
        ended = order.status in {"CANCELED", "EXPIRED"}
    else:
        empty = not order.executed
        ended = order.status in {"CANCELED", "EXPIRED", "EXPIRED_IN_MATCH"}
    return age > 90 * DAY_MS or (ended and empty and age > 3 * DAY_MS)


class AccountOrders:
    """All orders of one account; ids are counted for each symbol, client ids unique while open.

    The open ones are kept apart: a day's orders must not slow every price down.
    """

    def __init__(self) -> None:
        self.orders: dict[tuple[str, int], Order] = {}
        self.algos: dict[int, AlgoOrder] = {}
        self._open: dict[tuple[str, int], Order] = {}
        self._open_algos: dict[int, AlgoOrder] = {}
        self._named: dict[tuple[str, str], Order] = {}
        self._named_algos: dict[str, AlgoOrder] = {}

    def add(self, order: Order) -> None:
        key = order.symbol, order.order_id
        self.orders[key] = self._open[key] = order
        self._named[order.symbol, order.client_id] = order

    def add_algo(self, algo: AlgoOrder) -> None:
        self.algos[algo.algo_id] = self._open_algos[algo.algo_id] = algo
        self._named_algos[algo.client_id] = algo

    def open_orders(self, symbol: str | None = None) -> list[Order]:
        self._open = {key: order for key, order in self._open.items() if order.is_open}
        return [order for order in self._open.values() if symbol in {None, order.symbol}]

    def open_algos(self, symbol: str | None = None) -> list[AlgoOrder]:
        self._open_algos = {key: algo for key, algo in self._open_algos.items() if algo.is_open}
        return [algo for algo in self._open_algos.values() if symbol in {None, algo.symbol}]

    def has_open_client_id(self, symbol: str, client_id: str) -> bool:
        """Compare with open orders only: after a fill or a cancel the id is free again."""
        return any(order.client_id == client_id for order in self.open_orders(symbol))

    def has_open_algo_client_id(self, client_id: str) -> bool:
        return any(algo.client_id == client_id for algo in self.open_algos())

    def find(self, symbol: str, order_id: int | None, client_id: str | None) -> Order | None:
        """The order with that id; of several with the client id, the newest."""
        if order_id is not None:
            return self.orders.get((symbol, order_id))
        return self._named.get((symbol, client_id or ""))

    def find_algo(self, algo_id: int | None, client_id: str | None) -> AlgoOrder | None:
        if algo_id is not None:
            return self.algos.get(algo_id)
        return self._named_algos.get(client_id or "")
