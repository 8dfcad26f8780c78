"""The matching engine: placing, filling, modifying and cancelling of LIMIT and MARKET orders."""

from decimal import Decimal

from tests.simulators.binance.usdm import margin, reports
from tests.simulators.binance.usdm.account import Account
from tests.simulators.binance.usdm.amounts import ZERO
from tests.simulators.binance.usdm.fills import Fills
from tests.simulators.binance.usdm.instruments import is_tradfi
from tests.simulators.binance.usdm.market import Level, Market, SymbolMarket, is_as_good
from tests.simulators.binance.usdm.orders import Order
from tests.simulators.binance.usdm.positions import Position
from tests.simulators.binance.usdm.refusals import RefusalError

# `er` of ORDER_TRADE_UPDATE: why an order expired.
SELF_TRADE, IOC_REST, REDUCE_ONLY, LIQUIDATED, GTE, DELISTED, MARKET_REST = 1, 2, 4, 5, 6, 7, 9


class Engine:
    """Orders of all accounts against the market that the test gives.

    Accounts do not trade with each other; an account's own orders meet by self-trade prevention.
    """

    def __init__(self, market: Market, fills: Fills) -> None:
        self.market, self.fills = market, fills
        self.accounts: dict[str, Account] = {}
        self.first_order_id = 4_000_000
        self._order_ids: dict[str, int] = {}
        market.on_change.append(self._match_resting)
        fills.on_closed.append(self._expire_reducing)

    def next_order_id(self, symbol: str) -> int:
        """Count for each symbol apart, as the venue does: two symbols' orders may share an id."""
        self._order_ids[symbol] = self._order_ids.get(symbol, self.first_order_id) + 1
        return self._order_ids[symbol]

    def place(self, account: Account, order: Order) -> None:
        """Accept an order and match it at once.

        Raises:
            RefusalError: the order never existed then, whatever the reason.
        """
        market = self.market[order.symbol]
        self.check(account, order)
        if order.type == "MARKET":
            self._check_bound(market, order)
        elif order.time_in_force == "GTX" and market.crosses(order.side, order.price):
            raise RefusalError(-5022)
        elif order.time_in_force == "FOK" and self._within_reach(market, order) < order.quantity:
            raise RefusalError(-5021)
        account.book.add(order)
        order.updated_ms = self.market.now_ms()
        account.emit(reports.order_trade_update(order, self.market, "NEW"))
        self._take(account, order)
        if order.is_open and order.type == "MARKET":
            self.fills.end(account, order, "EXPIRED", "EXPIRED", MARKET_REST)
        elif order.is_open and order.time_in_force in {"IOC", "FOK"}:
            self.fills.end(account, order, "EXPIRED", "EXPIRED", IOC_REST)
        if order.executed:
            self.market.touch(order.symbol)

    def check(self, account: Account, order: Order) -> None:
        """Judge an order against account and position.

        Raises:
            RefusalError: -2022, -2019, -2025, -2027, -4140, -4400 or -4411.
        """
        market = self.market[order.symbol]
        reduces = order.reduce_only or order.close_position
        if market.instrument.status != "TRADING":
            raise RefusalError(-4140 if market.instrument.status != "CLOSE" else -4141)
        if is_tradfi(market.instrument) and not account.tradfi_signed:
            raise RefusalError(-4411)
        if account.is_reduce_only and not reduces:
            raise RefusalError(-4400)
        position = account.position(order.symbol, order.position_side)
        closable = position.closes(order.sign * order.quantity)
        if reduces and not closable:
            raise RefusalError(-2022)
        if self._closes_by_side(order):
            if closable < order.quantity:
                raise RefusalError(-2022)
            return
        if reduces:
            return
        if len(account.book.open_orders(order.symbol)) >= market.instrument.max_orders:
            raise RefusalError(-2025)
        self._check_margin(account, order)

    def modify(self, account: Account, order: Order, price: Decimal, quantity: Decimal) -> None:
        """F10: change a LIMIT order's price and quantity, which may cancel it.

        Raises:
            RefusalError: -5027 when nothing changes; the order stays as it is then.
        """
        if (price, quantity) == (order.price, order.quantity):
            raise RefusalError(-5027)
        order.modifications += 1
        market = self.market[order.symbol]
        crosses = order.time_in_force == "GTX" and market.crosses(order.side, price)
        if quantity <= order.executed or crosses:
            self.fills.end(account, order, "CANCELED", "CANCELED")
            return
        order.price, order.quantity = price, quantity
        order.updated_ms = self.market.now_ms()
        account.emit(reports.order_trade_update(order, self.market, "AMENDMENT"))
        self._take(account, order)
        self.market.touch(order.symbol)

    def cancel(self, account: Account, order: Order) -> None:
        self.fills.end(account, order, "CANCELED", "CANCELED")

    def expire_old(self, now_ms: int) -> None:
        """Cancel GTD orders whose date has come."""
        for account in self.accounts.values():
            for order in account.book.open_orders():
                if order.time_in_force == "GTD" and order.good_till_ms <= now_ms:
                    self.fills.end(account, order, "EXPIRED", "EXPIRED")

    def _closes_by_side(self, order: Order) -> bool:
        """In hedge mode a SELL of LONG and a BUY of SHORT can only close."""
        return (order.position_side, order.side) in {("LONG", "SELL"), ("SHORT", "BUY")}

    def _check_bound(self, market: SymbolMarket, order: Order) -> None:
        best = market.best(order.side)
        if best is None or not self._within_bound(market, order.side, best):
            raise RefusalError(-4131)

    def _within_bound(self, market: SymbolMarket, side: str, price: Decimal) -> bool:
        """How far from the mark price a MARKET order may take."""
        bound = market.instrument.market_take_bound
        if side == "BUY":
            return price <= market.mark * (1 + bound)
        return price >= market.mark * (1 - bound)

    def _within_reach(self, market: SymbolMarket, order: Order) -> Decimal:
        levels = market.opposite(order.side)
        return sum(
            (v.quantity for v in levels if is_as_good(order.side, v.price, order.price)), ZERO
        )

    def _check_margin(self, account: Account, order: Order) -> None:
        symbol = order.symbol
        instrument = self.market[symbol].instrument
        cap = instrument.max_notional(account.leverage(symbol))
        before = margin.exposures(account, self.market, symbol)
        after = margin.exposures(account, self.market, symbol, order)
        if sum(full for _, full in after) <= sum(full for _, full in before):
            return  # it makes the position smaller
        if any(full > cap for _, full in after):
            raise RefusalError(-2027)
        if margin.available(account, self.market, instrument.margin_asset, order) < 0:
            raise RefusalError(-2019)

    def _take(self, account: Account, order: Order) -> None:
        """Take from the opposite side while price, quantity and position allow."""
        market = self.market[order.symbol]
        while order.is_open:
            levels = market.opposite(order.side)
            own = self._own_opposite(account, order)
            offered = levels[0].price if levels else None
            if own is not None and (offered is None or is_as_good(order.side, own.price, offered)):
                self._meet_own(account, order, own)
                continue
            if offered is None or not self._may_take(market, order, offered):
                return
            quantity = min(order.remaining, levels[0].quantity, self._reducible(account, order))
            if not quantity:
                self.fills.end(account, order, "EXPIRED", "EXPIRED", REDUCE_ONLY)
                return
            self.market.take(levels, quantity)
            self.fills.book(account, order, offered, quantity, is_maker=False)
            self.market.trade(
                order.symbol, offered, quantity, is_buyer_maker=order.side == "SELL", quiet=True
            )

    def _may_take(self, market: SymbolMarket, order: Order, offered: Decimal) -> bool:
        if order.type == "MARKET":
            return self._within_bound(market, order.side, offered)
        return is_as_good(order.side, offered, order.price)

    def _reducible(self, account: Account, order: Order) -> Decimal:
        if not order.reduce_only and not order.close_position:
            return order.remaining
        position = account.position(order.symbol, order.position_side)
        return position.closes(order.sign * order.remaining)

    def _own_opposite(self, account: Account, order: Order) -> Order | None:
        """The account's own resting order that this one would meet first."""
        opposite = [
            other
            for other in account.book.open_orders(order.symbol)
            if other is not order
            and other.side != order.side
            and (order.type == "MARKET" or is_as_good(order.side, other.price, order.price))
        ]
        opposite.sort(key=lambda other: other.price * order.sign)
        return opposite[0] if opposite else None

    def _meet_own(self, account: Account, order: Order, own: Order) -> None:
        """F9: EXPIRE_MAKER, the default, expires the one that rests; NONE lets the two trade."""
        mode = order.self_trade_prevention
        if mode == "NONE":
            quantity = min(order.remaining, own.remaining)
            self.fills.book(account, own, own.price, quantity, is_maker=True)
            self.fills.book(account, order, own.price, quantity, is_maker=False)
            return
        if mode in {"EXPIRE_MAKER", "EXPIRE_BOTH"}:
            self.fills.end(account, own, "EXPIRED_IN_MATCH", "EXPIRED", SELF_TRADE)
        if mode in {"EXPIRE_TAKER", "EXPIRE_BOTH"}:
            self.fills.end(account, order, "EXPIRED_IN_MATCH", "EXPIRED", SELF_TRADE)

    def _match_resting(self, market: SymbolMarket) -> None:
        """Fill resting orders that the book has come to, at their own prices, the oldest first."""
        for account in list(self.accounts.values()):
            for order in account.book.open_orders(market.symbol):
                levels: list[Level] = market.opposite(order.side)
                while order.is_open and levels and order.type == "LIMIT":
                    if not is_as_good(order.side, levels[0].price, order.price):
                        break
                    quantity = min(
                        order.remaining, levels[0].quantity, self._reducible(account, order)
                    )
                    if not quantity:
                        self.fills.end(account, order, "EXPIRED", "EXPIRED", REDUCE_ONLY)
                        break
                    self.market.take(levels, quantity)
                    self.fills.book(account, order, order.price, quantity, is_maker=True)

    def _expire_reducing(self, account: Account, position: Position) -> None:
        """Without a position there is nothing left that a reduce-only order could reduce."""
        for order in account.book.open_orders(position.symbol):
            if order.reduce_only and order.position_side == position.side:
                self.fills.end(account, order, "EXPIRED", "EXPIRED", REDUCE_ONLY)

    def fill(self, account: Account, order: Order, quantity: Decimal, price: Decimal | None = None) -> None:  # fmt: skip
        """Fill a resting order by a test's command, in part or whole, whatever the book says."""
        at = order.price if price is None else price
        self.fills.book(account, order, at, min(quantity, order.remaining), is_maker=True)
