"""The simulated venue as a test holds it: accounts, prices, what happens to them, and when."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Protocol

from tests.simulators.binance.limits import ORDERS, RAW, WEIGHT, Limits, Rule
from tests.simulators.binance.signing import ApiKey, KeyRing
from tests.simulators.binance.spot.accounts import Account
from tests.simulators.binance.spot.candles import Candles
from tests.simulators.binance.spot.engine import Engine
from tests.simulators.binance.spot.figures import ZERO, shown
from tests.simulators.binance.spot.filters import Facts
from tests.simulators.binance.spot.market import Market, Trade
from tests.simulators.binance.spot.orders import Order
from tests.simulators.binance.spot.settlement import Settlement
from tests.simulators.binance.spot.symbols import Row, Symbol, usual_filters

# S2: 300,000 raw requests in five minutes, since April 2026. S20: credits are examples.
RULES = (
    Rule(WEIGHT, "MINUTE", 1, 6000),
    Rule(ORDERS, "SECOND", 10, 100),
    Rule(ORDERS, "DAY", 1, 200_000),
    Rule(RAW, "MINUTE", 5, 300_000),
)
USUAL = (
    Symbol("BTCUSDT", "BTC", "USDT", usual_filters("0.01", "0.00001")),
    Symbol("ETHUSDT", "ETH", "USDT", usual_filters("0.01", "0.0001")),
    Symbol("BNBUSDT", "BNB", "USDT", usual_filters("0.01", "0.001")),
    Symbol("ETHBTC", "ETH", "BTC", usual_filters("0.00001", "0.0001")),
)
TAKER_CREDIT, MAKER_CREDIT = 1, 5


class Clock(Protocol):
    def now_ms(self) -> int: ...


@dataclass(frozen=True)
class Transfer:
    """A movement that no order made: a deposit, a withdrawal, or one between the owner's wallets."""

    id: int
    account: str
    kind: str  # "deposit", "withdrawal", or the universal transfer's type: MAIN_UMFUTURE …
    asset: str
    amount: Decimal  # always positive
    fee: Decimal
    time_ms: int


@dataclass
class Slowness:
    """How long, by the venue's clock, a request takes from its arrival to the engine (S18)."""

    to_gateway_ms: int = 0
    to_engine_ms: int = 0


@dataclass
class Venue:
    """Binance spot. Times are milliseconds of *clock*; amounts are exact."""

    clock: Clock
    symbols: Iterable[Symbol] = USUAL
    exchange_filters: tuple[Row, ...] = ()
    keys: KeyRing = field(default_factory=KeyRing)
    slowness: Slowness = field(default_factory=Slowness)
    cancel_renames: bool = False  # a cancelled order is found by the cancel's client id alone
    cancel_renames_lists: bool = False  # and the orders of order lists are told under it
    transfers: list[Transfer] = field(default_factory=list)
    user_followers: list[Callable[[str, dict[str, Any]], None]] = field(default_factory=list)
    market_followers: list[Callable[[Market, str, Any], None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.markets = {symbol.name: Market(symbol) for symbol in self.symbols}
        self.candles: dict[str, Candles] = defaultdict(Candles)
        self.accounts: dict[str, Account] = {}
        self.limits = Limits(RULES, self.now_ms)
        self.ledger = Settlement(self.accounts, self.price_of)
        self.engine = Engine(
            self.markets,
            self.ledger,
            self.now_ms,
            tell=self._tell_user,
            tell_trade=self._tell_trade,
            tell_book=lambda market, changed: self._tell_market(market, "depth", changed),
            first_fill=self._first_fill,
        )

    def now_ms(self) -> int:
        return self.clock.now_ms()

    # Accounts.

    def open_account(
        self, name: str, funds: Mapping[str, str] | None = None, group: int = -1
    ) -> Account:
        """Open an account; *funds* came in before anybody looked, without an event."""
        account = Account(name, uid=354_937_868 + len(self.accounts), group=group)
        self.accounts[name] = account
        for asset, amount in (funds or {}).items():
            account.add(asset, Decimal(amount))
        return account

    def add_key(self, key: ApiKey) -> ApiKey:
        self.keys.add(key)
        return key

    def set_commission(self, account: str, **terms: Any) -> None:
        held = self.accounts[account]
        held.commission = replace(held.commission, **terms)

    def deposit(self, account: str, asset: str, amount: str) -> Transfer:
        return self._transfer(account, "deposit", asset, Decimal(amount), ZERO)

    def withdraw(self, account: str, asset: str, amount: str, fee: str = "0") -> Transfer:
        """Take *amount* out, *fee* on top of it; raises ValueError where it is not free."""
        return self._transfer(account, "withdrawal", asset, -Decimal(amount), Decimal(fee))

    def move_out(self, account: str, kind: str, asset: str, amount: str) -> Transfer:
        """Move to another wallet of the owner: `MAIN_UMFUTURE`, `MAIN_FUNDING` …"""
        return self._transfer(account, kind, asset, -Decimal(amount), ZERO)

    def move_in(self, account: str, kind: str, asset: str, amount: str) -> Transfer:
        """Move from another wallet of the owner: `UMFUTURE_MAIN`, `FUNDING_MAIN` …"""
        return self._transfer(account, kind, asset, Decimal(amount), ZERO)

    def lock_outside(self, account: str, asset: str, amount: str) -> None:
        """Lock funds for another system of the venue (margin collateral); a negative amount frees them."""
        held, now = self.accounts[account], self.now_ms()
        held.lock(asset, Decimal(amount))
        event = {
            "e": "externalLockUpdate",
            "E": now,
            "a": asset,
            "d": shown(Decimal(amount)),
            "T": now,
        }
        self._tell_user(account, event)
        self._tell_user(account, held.position_event([asset], now))

    # Prices.

    def quote(
        self, symbol: str, bids: Iterable[tuple[str, str]], asks: Iterable[tuple[str, str]]
    ) -> None:
        """Replace the outside's book by (price, quantity) levels; resting orders meet it."""
        market = self.markets[symbol]
        market.bids = {Decimal(price): Decimal(quantity) for price, quantity in bids}
        market.asks = {Decimal(price): Decimal(quantity) for price, quantity in asks}
        if not market.last and market.bids:
            market.last = max(market.bids)
        self.engine.moved(market)

    def print_trade(self, symbol: str, price: str, quantity: str = "0.001") -> None:
        """Let the outside trade with itself; resting orders at better prices trade first."""
        self.engine.printed(self.markets[symbol], Decimal(price), Decimal(quantity))

    def move(self, symbol: str, price: str, depth: str = "10") -> None:
        """Set a book of one level a side, *depth* each: *price* and a tick above; then trade there."""
        ask = Decimal(price) + self.markets[symbol].symbol.tick()
        self.quote(symbol, [(price, depth)], [(str(ask), depth)])
        self.print_trade(symbol, price)

    def set_reference(self, symbol: str, price: str | None) -> None:
        """S3: set the reference price, or make it null."""
        reference = self.markets[symbol].reference
        reference.price = None if price is None else Decimal(price)
        reference.at_ms, reference.ever = self.now_ms(), True
        self._tell_market(self.markets[symbol], "referencePrice", reference)

    def change(self, symbol: str, **terms: Any) -> None:
        """Change a symbol's terms from now on: its status, its filters, what it allows."""
        market = self.markets[symbol]
        market.symbol = replace(market.symbol, **terms)

    def set_filter(self, symbol: str, **row: Any) -> None:
        market = self.markets[symbol]
        market.symbol = market.symbol.with_filter(**row)

    def cancel_by_exchange(self, symbol: str) -> None:
        """Let the venue cancel all orders of *symbol*: maintenance, liquidation."""
        for order in list(self.markets[symbol].open.values()):
            if order.is_open:
                self.engine.expire(order, "EXCHANGE_CANCELED")
        self.engine.finish()

    def price_of(self, asset: str, quote: str) -> Decimal:
        """Look up an asset's price by its market; zero where there is none."""
        if asset == quote:
            return Decimal(1)
        market = self.markets.get(asset + quote)
        return market.last if market else ZERO

    # What filters and queries ask.

    def facts(self, market: Market, account: Account) -> Facts:
        here = [o for o in market.open.values() if o.account == account.name]
        everywhere = self.open_orders(account.name) if self.exchange_filters else []
        lists = [e for e in self.engine.lists.open.values() if e.account == account.name]
        inside = [each for each in lists if each.symbol == market.symbol.name]
        return Facts(market, account, self.now_ms(), here, everywhere, len(inside), len(lists))

    def open_orders(self, account: str, symbol: str | None = None) -> list[Order]:
        markets = self.markets.values() if symbol is None else [self.markets[symbol]]
        return [o for m in markets for o in m.open.values() if o.account == account]

    def _transfer(
        self, account: str, kind: str, asset: str, change: Decimal, fee: Decimal
    ) -> Transfer:
        held, now = self.accounts[account], self.now_ms()
        held.add(asset, change - fee)
        done = Transfer(len(self.transfers) + 1, account, kind, asset, abs(change), fee, now)
        self.transfers.append(done)
        delta = shown(change - fee)
        self._tell_user(account, {"e": "balanceUpdate", "E": now, "a": asset, "d": delta, "T": now})
        self._tell_user(account, held.position_event([asset], now))
        return done

    def _tell_user(self, account: str, event: dict[str, Any]) -> None:
        self.accounts[account].events.append(event)
        for follow in self.user_followers:
            follow(account, event)

    def _tell_trade(self, market: Market, trade: Trade) -> None:
        self.candles[market.symbol.name].add(trade)
        self._tell_market(market, "trade", trade)

    def _tell_market(self, market: Market, kind: str, payload: Any) -> None:
        for follow in self.market_followers:
            follow(market, kind, payload)

    def _first_fill(self, account: str, maker: bool) -> None:  # noqa: FBT001 - the engine's callback
        self.limits.first_fill(account, MAKER_CREDIT if maker else TAKER_CREDIT)
