"""The market that the accounts trade against: books, prices and trades as a test gives them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from tests.simulators.binance.usdm.amounts import ZERO
from tests.simulators.binance.usdm.instruments import Instrument

IDS_AN_EVENT = 3  # an event covers several of the engine's updates: U < u
DEEP = Decimal(1_000_000_000)


@dataclass
class Level:
    price: Decimal
    quantity: Decimal


@dataclass(frozen=True)
class PublicTrade:
    trade_id: int
    price: Decimal
    quantity: Decimal
    time_ms: int
    is_buyer_maker: bool


@dataclass
class SymbolMarket:
    """One symbol's book and prices.

    The mark price follows the last one until a test sets it apart; from then on it stays there.
    """

    instrument: Instrument
    last: Decimal
    mark: Decimal
    bids: list[Level] = field(default_factory=list)
    asks: list[Level] = field(default_factory=list)
    trades: list[PublicTrade] = field(default_factory=list)
    update_id: int = 1_000_000
    mark_is_apart: bool = False
    funding_rate: Decimal = Decimal("0.0001")
    next_funding_ms: int = 0
    next_trade_id: int = 5000

    @property
    def symbol(self) -> str:
        return self.instrument.symbol

    @property
    def index(self) -> Decimal:
        return self.mark

    def opposite(self, side: str) -> list[Level]:
        """The levels that an order of *side* takes from, best first."""
        return self.asks if side == "BUY" else self.bids

    def best(self, side: str) -> Decimal | None:
        """The price that an order of *side* would get first."""
        levels = self.opposite(side)
        return levels[0].price if levels else None

    def crosses(self, side: str, price: Decimal) -> bool:
        best = self.best(side)
        return best is not None and is_as_good(side, best, price)


def is_as_good(side: str, offered: Decimal, limit: Decimal) -> bool:
    return offered <= limit if side == "BUY" else offered >= limit


class Market:
    """All symbols, and who listens for a change of one."""

    def __init__(self, instruments: dict[str, Instrument], now_ms: Callable[[], int]) -> None:
        self.now_ms = now_ms
        self.instruments = instruments
        self.symbols: dict[str, SymbolMarket] = {}
        self.on_change: list[Callable[[SymbolMarket], None]] = []
        self.on_trade: list[Callable[[SymbolMarket, PublicTrade], None]] = []
        self.asset_prices: dict[str, Decimal] = {"USDT": Decimal(1), "USDC": Decimal(1), "BNB": Decimal(600), "BTC": Decimal(60000)}  # fmt: skip
        for instrument in instruments.values():
            self.symbols[instrument.symbol] = SymbolMarket(instrument, instrument.price, instrument.price)  # fmt: skip
            self._quote(self.symbols[instrument.symbol], instrument.price)

    def __getitem__(self, symbol: str) -> SymbolMarket:
        return self.symbols[symbol]

    def margin_assets(self) -> dict[str, str]:
        return {i.symbol: i.margin_asset for i in self.instruments.values()}

    def set_price(self, symbol: str, price: Decimal, quantity: Decimal = Decimal("0.1")) -> None:
        """Trade at *price* with a deep book one tick around it."""
        market = self.symbols[symbol]
        self._quote(market, price)
        self.trade(symbol, price, quantity, is_buyer_maker=price < market.last)

    def set_book(
        self, symbol: str, bids: Sequence[tuple[Decimal, Decimal]], asks: Sequence[tuple[Decimal, Decimal]]
    ) -> None:  # fmt: skip
        """Give the book level by level, best first; what orders take from it is gone."""
        market = self.symbols[symbol]
        market.bids = [Level(price, quantity) for price, quantity in bids]
        market.asks = [Level(price, quantity) for price, quantity in asks]
        self._changed(market)

    def set_mark(self, symbol: str, price: Decimal) -> None:
        """Set the mark price apart from the last one."""
        market = self.symbols[symbol]
        market.mark, market.mark_is_apart = price, True
        self._changed(market)

    def join_mark(self, symbol: str) -> None:
        """Let the mark price follow the last one again."""
        market = self.symbols[symbol]
        market.mark_is_apart, market.mark = False, market.last
        self._changed(market)

    def trade(
        self, symbol: str, price: Decimal, quantity: Decimal, *, is_buyer_maker: bool, quiet: bool = False
    ) -> None:  # fmt: skip
        """Print a trade; *quiet* leaves the reaction of resting orders to the caller."""
        market = self.symbols[symbol]
        market.next_trade_id += 1
        printed = PublicTrade(market.next_trade_id, price, quantity, self.now_ms(), is_buyer_maker)
        market.trades.append(printed)
        del market.trades[:-5000]
        market.last = price
        if not market.mark_is_apart:
            market.mark = price
        for listener in list(self.on_trade):
            listener(market, printed)
        if not quiet:
            self._changed(market)

    def touch(self, symbol: str) -> None:
        """Tell that a book has changed, after orders of ours took from it."""
        self._changed(self.symbols[symbol])

    def take(self, levels: list[Level], quantity: Decimal) -> None:
        """Take from the best level; an empty one is gone."""
        levels[0].quantity -= quantity
        if levels[0].quantity <= ZERO:
            levels.pop(0)

    def _quote(self, market: SymbolMarket, price: Decimal) -> None:
        tick = market.instrument.tick
        market.bids = [Level(price - tick * step, DEEP) for step in range(5) if price > tick * step]
        market.asks = [Level(price + tick * step, DEEP) for step in range(5)]

    def _changed(self, market: SymbolMarket) -> None:
        market.update_id += IDS_AN_EVENT
        for listener in list(self.on_change):
            listener(market)
