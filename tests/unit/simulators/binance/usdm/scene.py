"""A venue with one account, and short ways to trade there, for the simulator's own tests."""

from dataclasses import dataclass, field, replace
from decimal import Decimal

from tests.simulators.binance.usdm.account import Account, Event
from tests.simulators.binance.usdm.orders import AlgoOrder, Order
from tests.simulators.binance.usdm.positions import Position
from tests.simulators.binance.usdm.venue import Venue

START = 1_790_000_000_000
BTC = "BTCUSDT"


@dataclass
class Now:
    ms: int = START

    def __call__(self) -> int:
        return self.ms


@dataclass
class Scene:
    now: Now
    venue: Venue
    account: Account
    events: list[Event] = field(default_factory=list)
    names: int = 0

    def order(self, side: str, quantity: str, price: str = "", **changes: object) -> Order:
        """Build an order; LIMIT with a price, MARKET without."""
        self.names += 1
        symbol = str(changes.pop("symbol", BTC))
        order = Order(
            self.venue.engine.next_order_id(symbol),
            f"c{self.names}",
            symbol,
            side,
            "LIMIT" if price else "MARKET",
            Decimal(quantity),
            Decimal(price or 0),
            self.now(),
        )
        return replace(order, **changes)  # type: ignore[arg-type]

    def place(self, side: str, quantity: str, price: str = "", **changes: object) -> Order:
        order = self.order(side, quantity, price, **changes)
        self.venue.engine.place(self.account, order)
        return order

    def algo(self, side: str, quantity: str, trigger: str, **changes: object) -> AlgoOrder:
        """Let a stop wait: STOP_MARKET, reduce-only, by the last price."""
        self.names += 1
        algo = AlgoOrder(
            self.venue.algos.next_id(),
            f"a{self.names}",
            str(changes.pop("symbol", BTC)),
            side,
            "STOP_MARKET",
            Decimal(quantity),
            Decimal(0),
            Decimal(trigger),
            self.now(),
            reduce_only=True,
        )
        algo = replace(algo, **changes)  # type: ignore[arg-type]
        self.venue.algos.place(self.account, algo)
        return algo

    def price(self, price: str, symbol: str = BTC) -> None:
        self.venue.market.set_price(symbol, Decimal(price))

    def position(self, side: str = "BOTH", symbol: str = BTC) -> Position:
        return self.account.position(symbol, side)

    def told(self, kind: str) -> list[dict[str, object]]:
        """The payloads of the events of one kind so far."""
        inner = {"ORDER_TRADE_UPDATE": "o", "ALGO_UPDATE": "o", "ACCOUNT_UPDATE": "a"}
        found = []
        for event in self.events:
            if event["e"] == kind:
                payload = event[inner[kind]] if kind in inner else event
                assert isinstance(payload, dict)
                found.append(payload)
        return found

    def incomes(self, kind: str) -> list[Decimal]:
        return [income.amount for income in self.account.incomes if income.type == kind]


def scene(deposit: str = "10000") -> Scene:
    now = Now()
    venue = Venue(now)
    account = venue.open_account("one", Decimal(deposit))
    made = Scene(now, venue, account)
    account.listeners.append(made.events.append)
    return made
