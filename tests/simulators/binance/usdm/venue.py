"""The venue: market, accounts and services together, and what a test may do to them."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from tests.simulators.binance.usdm.account import Account
from tests.simulators.binance.usdm.algo import AlgoOrders
from tests.simulators.binance.usdm.cash import Cash
from tests.simulators.binance.usdm.engine import Engine
from tests.simulators.binance.usdm.fills import Fills
from tests.simulators.binance.usdm.forced import ForcedOrders
from tests.simulators.binance.usdm.instruments import Instrument, usual_instruments
from tests.simulators.binance.usdm.market import Market
from tests.simulators.binance.usdm.settings import Settings

FUNDING_MS = 8 * 60 * 60 * 1000


@dataclass
class Countdown:
    """A dead man's switch: cancels the open orders of one symbol, but no conditional ones."""

    length_ms: int
    until_ms: int


class Venue:
    """One simulated USDT-M venue without a server.

    Args:
        now_ms: the venue's clock.
        instruments: by symbol; the usual four if none are given.

    Attributes:
        funds_by_itself: whether funding is paid at its times, or by a test's command only.
        throttled: -1008 to every order that is not reduce-only, while true.
    """

    def __init__(
        self, now_ms: Callable[[], int], instruments: dict[str, Instrument] | None = None
    ) -> None:
        self.now_ms = now_ms
        self.instruments = usual_instruments() if instruments is None else instruments
        self.market = Market(self.instruments, now_ms)
        self.engine = Engine(self.market, Fills(self.market))
        self.algos = AlgoOrders(self.engine)
        self.forced = ForcedOrders(self.engine)
        self.cash = Cash(self.engine)
        self.settings = Settings(self.engine)
        self.throttled = False
        self.funds_by_itself = False
        for market in self.market.symbols.values():
            market.next_funding_ms = (now_ms() // FUNDING_MS + 1) * FUNDING_MS
        self.countdowns: dict[tuple[str, str], Countdown] = {}

    @property
    def accounts(self) -> dict[str, Account]:
        return self.engine.accounts

    def open_account(self, name: str, deposit: Decimal = Decimal(10_000), asset: str = "USDT") -> Account:  # fmt: skip
        account = Account(name)
        self.engine.accounts[name] = account
        if deposit:
            self.cash.transfer(account, asset, deposit)
        return account

    def tick(self) -> None:
        """Do what the clock has come to: GTD orders, countdowns, funding times."""
        now = self.now_ms()
        self.engine.expire_old(now)
        self.algos.expire_old(now)
        for (name, symbol), countdown in list(self.countdowns.items()):
            if now >= countdown.until_ms:
                del self.countdowns[name, symbol]
                account = self.accounts[name]
                for order in account.book.open_orders(symbol):
                    self.engine.cancel(account, order)
        for market in self.market.symbols.values():
            if now >= market.next_funding_ms:
                market.next_funding_ms += FUNDING_MS
                if self.funds_by_itself:
                    self.cash.fund(market.symbol, market.funding_rate)

    def worth(self, account: Account, asset: str = "USDT") -> Decimal:
        """Wallet and unrealised P&L of *asset*, exact."""
        assets = self.market.margin_assets()
        unrealized = (
            p.unrealized(self.market[p.symbol].mark)
            for p in account.held()
            if assets[p.symbol] == asset
        )
        return account.wallet(asset) + sum(unrealized, Decimal(0))
