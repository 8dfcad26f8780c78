"""What the venue does to an account by force: liquidation, auto-deleveraging, settlement."""

from collections.abc import Callable
from decimal import Decimal

from tests.simulators.binance.usdm import margin, reports
from tests.simulators.binance.usdm.account import Account
from tests.simulators.binance.usdm.amounts import ZERO, money
from tests.simulators.binance.usdm.engine import DELISTED, LIQUIDATED, Engine
from tests.simulators.binance.usdm.market import SymbolMarket
from tests.simulators.binance.usdm.orders import Order
from tests.simulators.binance.usdm.positions import Position

CALL_RATIO = Decimal("0.8")  # of maintenance to margin balance, where a margin call is sent


class ForcedOrders:
    """Closes positions that nobody asked to close, with client ids that tell so."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.market = engine.market
        self.count = 0
        self.execution = "CALCULATED"  # some accounts see TRADE instead: a test may set it
        self.on_forced: list[Callable[[Account, Order], None]] = []
        self.market.on_change.append(self._watch)

    def liquidate(self, account: Account, position: Position, price: Decimal | None = None) -> Order:  # fmt: skip
        """Close a position for want of margin: its orders expire, a clearance fee is taken.

        The wallet of the position cannot go below zero: the insurance fund pays what is missing,
        also as INSURANCE_CLEAR.
        """
        for order in account.book.open_orders(position.symbol):
            self.engine.fills.end(account, order, "EXPIRED", "EXPIRED", LIQUIDATED)
        at = self.market[position.symbol].mark if price is None else price
        size, wallet = abs(position.amount), self._at_risk(account, position)
        asset = self.market[position.symbol].instrument.margin_asset
        before = account.wallet(asset)
        order = self._close(account, position, at, f"autoclose-{self._stamp()}", "LIQUIDATION")
        left = wallet + account.wallet(asset) - before
        fee = money(size * at * self.market[position.symbol].instrument.liquidation_fee)
        self._clear(account, position, -left if left < 0 else -min(fee, left))
        return order

    def deleverage(self, account: Account, position: Position, quantity: Decimal, price: Decimal) -> Order:  # fmt: skip
        """Close a profitable position, or a part, against a bankrupt one (ADL)."""
        return self._close(account, position, price, "adl_autoclose", "ADL", quantity)

    def settle(self, symbol: str, price: Decimal) -> None:
        """Close every position at the settlement price; the symbol trades no longer."""
        self.market.instruments[symbol].status = "SETTLING"
        for account in self.engine.accounts.values():
            for order in account.book.open_orders(symbol):
                self.engine.fills.end(account, order, "EXPIRED", "EXPIRED", DELISTED)
            for position in list(account.held(symbol)):
                self._close(account, position, price, f"settlement_autoclose-{self._stamp()}", "SETTLEMENT", execution="TRADE")  # fmt: skip

    def _stamp(self) -> str:
        self.count += 1
        return f"{self.market.now_ms()}{self.count:06d}"

    def _close(
        self, account: Account, position: Position, price: Decimal, client_id: str, forced: str, quantity: Decimal | None = None, execution: str | None = None
    ) -> Order:  # fmt: skip
        size = abs(position.amount) if quantity is None else quantity
        order = Order(
            self.engine.next_order_id(position.symbol),
            client_id,
            position.symbol,
            "SELL" if position.amount > 0 else "BUY",
            "LIMIT",
            size,
            price,
            self.market.now_ms(),
            position.side,
            "IOC",
            reduce_only=not account.dual_side,
            self_trade_prevention="NONE",
            forced=forced,
        )
        account.book.add(order)
        account.emit(reports.order_trade_update(order, self.market, "NEW"))
        told = execution or self.execution
        self.engine.fills.book(account, order, price, size, is_maker=False, execution=told)
        for listener in list(self.on_forced):
            listener(account, order)
        return order

    def _at_risk(self, account: Account, position: Position) -> Decimal:
        """The part of the wallet that a liquidation may consume."""
        if account.is_isolated(position.symbol):
            return position.isolated_wallet
        asset = self.market[position.symbol].instrument.margin_asset
        balance, _ = margin.cross_state(account, self.market, asset)
        return balance - position.unrealized(self.market[position.symbol].mark)

    def _clear(self, account: Account, position: Position, amount: Decimal) -> None:
        if not amount:
            return
        asset = self.market[position.symbol].instrument.margin_asset
        account.book_income("INSURANCE_CLEAR", asset, amount, self.market.now_ms(), symbol=position.symbol)  # fmt: skip
        account.emit(
            reports.account_update(
                account, self.market, "INSURANCE_CLEAR", assets={asset}, changes={asset: amount}, positions=(position,)
            )
        )  # fmt: skip

    def _watch(self, market: SymbolMarket) -> None:
        """Call and liquidate where the mark price has consumed the margin."""
        for account in list(self.engine.accounts.values()):
            for position in list(account.held(market.symbol)):
                if account.is_isolated(market.symbol):
                    balance = position.isolated_wallet + position.unrealized(market.mark)
                    needed = margin.maintenance(self.market, position)
                else:
                    asset = market.instrument.margin_asset
                    balance, needed = margin.cross_state(account, self.market, asset)
                self._judge(account, position, balance, needed)

    def _judge(self, account: Account, position: Position, balance: Decimal, needed: Decimal) -> None:  # fmt: skip
        if balance <= needed and account.liquidates:
            self.liquidate(account, position)
        elif balance * CALL_RATIO <= needed and not account.was_called:
            account.was_called = True
            needs = margin.maintenance(self.market, position)
            account.emit(reports.margin_call(account, self.market, [(position, needs)]))
        elif balance * CALL_RATIO > needed:
            account.was_called = False


def bankruptcy_price(position: Position) -> Decimal:
    """The price at which an isolated position has lost its whole wallet."""
    return (position.cost - position.isolated_wallet) / position.amount if position.amount else ZERO
