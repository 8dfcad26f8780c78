"""One account: wallets, positions, orders, incomes, settings, and who listens to it."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal

from tests.simulators.binance.usdm.amounts import ZERO
from tests.simulators.binance.usdm.orders import AccountOrders, Trade
from tests.simulators.binance.usdm.positions import Position

Event = dict[str, object]
# F3: both belong to funding; the second is new since 2026.
FUNDING_INCOMES = ("FUNDING_FEE", "SPECIAL_FUNDING_FEE")


@dataclass(frozen=True)
class Income:
    """One change of a wallet.

    Attributes:
        tran_id: unique within its type only (F3): another type's income may bear the same.
    """

    tran_id: int
    type: str
    asset: str
    amount: Decimal
    time_ms: int
    symbol: str = ""
    info: str = ""
    trade_id: str = ""


@dataclass
class Account:
    name: str
    wallets: dict[str, Decimal] = field(default_factory=dict)
    positions: dict[tuple[str, str], Position] = field(default_factory=dict)
    book: AccountOrders = field(default_factory=AccountOrders)
    incomes: list[Income] = field(default_factory=list)
    trades: list[Trade] = field(default_factory=list)
    leverages: dict[str, int] = field(default_factory=dict)
    isolated: set[str] = field(default_factory=set)
    dual_side: bool = False
    multi_assets: bool = False
    fee_burn: bool = False
    taker_rate: Decimal = Decimal("0.0004")
    maker_rate: Decimal = Decimal("0.0002")
    default_leverage: int = 20
    tradfi_signed: bool = False
    is_reduce_only: bool = False  # -4400: the quantitative rules were broken
    has_coin_m_business: bool = False  # -4531: the coin-margined side cannot follow
    liquidates: bool = True
    was_called: bool = False
    listeners: list[Callable[[Event], None]] = field(default_factory=list)
    _counts: Counter[str] = field(default_factory=Counter)

    def position(self, symbol: str, side: str) -> Position:
        return self.positions.setdefault((symbol, side), Position(symbol, side))

    def held(self, symbol: str | None = None) -> Iterator[Position]:
        for position in self.positions.values():
            if position.amount and symbol in {None, position.symbol}:
                yield position

    def leverage(self, symbol: str) -> int:
        return self.leverages.get(symbol, self.default_leverage)

    def is_isolated(self, symbol: str) -> bool:
        return symbol in self.isolated

    def wallet(self, asset: str) -> Decimal:
        return self.wallets.get(asset, ZERO)

    def cross_wallet(self, asset: str, margin_assets: dict[str, str]) -> Decimal:
        """The wallet less what belongs to isolated positions; *margin_assets* by symbol."""
        apart = sum(
            (
                p.isolated_wallet
                for p in self.positions.values()
                if margin_assets[p.symbol] == asset
            ),
            ZERO,
        )
        return self.wallet(asset) - apart

    def book_income(
        self, kind: str, asset: str, amount: Decimal, time_ms: int, *, symbol: str = "", info: str = "", trade_id: str = ""
    ) -> Income:  # fmt: skip
        """Change a wallet and write down why. Nothing else changes one."""
        self.wallets[asset] = self.wallet(asset) + amount
        number = 9_000_000_000 + self._counts[kind]
        self._counts[kind] += 1
        income = Income(number, kind, asset, amount, time_ms, symbol, info or kind, trade_id)
        self.incomes.append(income)
        return income

    def emit(self, event: Event) -> None:
        for listener in list(self.listeners):
            listener(event)
