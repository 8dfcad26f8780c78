"""Fills: what one changes in position, wallet, incomes and order, and the events that tell it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal

from tests.simulators.binance.usdm import reports
from tests.simulators.binance.usdm.account import Account
from tests.simulators.binance.usdm.amounts import ZERO, money
from tests.simulators.binance.usdm.market import Market
from tests.simulators.binance.usdm.orders import Order, Trade
from tests.simulators.binance.usdm.positions import Position

BNB_DISCOUNT = Decimal("0.9")


@dataclass
class Fills:
    """The only place where a trade of ours is booked.

    Attributes:
        on_done: called with an order that is no longer open.
        on_closed: called with a position that has just become empty.
    """

    market: Market
    on_done: list[Callable[[Account, Order], None]] = field(default_factory=list)
    on_closed: list[Callable[[Account, Position], None]] = field(default_factory=list)
    _trade_ids: dict[str, int] = field(default_factory=dict)

    def book(
        self, account: Account, order: Order, price: Decimal, quantity: Decimal, *, is_maker: bool, execution: str = "TRADE"
    ) -> Trade:  # fmt: skip
        position = account.position(order.symbol, order.position_side)
        realized = self._move(account, position, order.sign * quantity, price)
        asset = self.market[order.symbol].instrument.margin_asset
        fee, fee_asset = self.commission(account, order.symbol, price * quantity, is_maker=is_maker)
        trade = self._trade(order, price, quantity, realized, fee, fee_asset, is_maker=is_maker)
        account.trades.append(trade)
        now = trade.time_ms  # of stream and lists alike
        named = {"symbol": order.symbol, "trade_id": str(trade.trade_id)}
        if realized:
            account.book_income("REALIZED_PNL", asset, realized, now, **named)
        if fee:
            account.book_income("COMMISSION", fee_asset, -fee, now, **named)
        if fee_asset == asset:
            position.fees += fee if position.amount else ZERO
        order.executed += quantity
        order.quote += quantity * price
        order.updated_ms = position.updated_ms = now
        order.status = "PARTIALLY_FILLED" if order.remaining else "FILLED"
        account.emit(reports.trade_lite(order, self.market, trade))
        account.emit(
            reports.account_update(account, self.market, "ORDER", assets={asset, fee_asset}, positions=(position,))
        )  # fmt: skip
        account.emit(reports.order_trade_update(order, self.market, execution, trade))
        if not order.is_open:
            self.done(account, order)
        if not position.amount:
            for listener in list(self.on_closed):
                listener(account, position)
        return trade

    def done(self, account: Account, order: Order) -> None:
        for listener in list(self.on_done):
            listener(account, order)

    def end(self, account: Account, order: Order, status: str, execution: str, reason: int = 0) -> None:  # fmt: skip
        """Close an order that is not filled (or not completely): CANCELED, EXPIRED, EXPIRED_IN_MATCH."""
        order.status, order.expiry_reason = status, reason
        order.updated_ms = self.market.now_ms()
        account.emit(reports.order_trade_update(order, self.market, execution))
        self.done(account, order)

    def commission(
        self, account: Account, symbol: str, notional: Decimal, *, is_maker: bool
    ) -> tuple[Decimal, str]:
        """The fee and its asset: BNB at a discount while burning is on and the wallet has enough."""
        asset = self.market[symbol].instrument.margin_asset
        fee = money(notional * (account.maker_rate if is_maker else account.taker_rate))
        if account.fee_burn:
            in_bnb = money(fee * BNB_DISCOUNT / self.market.asset_prices["BNB"])
            if ZERO < in_bnb <= account.wallet("BNB"):
                return in_bnb, "BNB"
        return fee, asset

    def _move(self, account: Account, position: Position, signed: Decimal, price: Decimal) -> Decimal:  # fmt: skip
        """Apply to the position; an isolated one takes margin with it, or gives its share back."""
        closed, held = position.closes(signed), abs(position.amount)
        if closed:
            left = (held - closed) / held
            position.isolated_wallet = money(position.isolated_wallet * left)
        realized = position.apply(signed, price)
        opened = abs(signed) - closed
        if account.is_isolated(position.symbol):
            leverage = account.leverage(position.symbol)
            position.isolated_wallet += money(opened * price / leverage)
        return realized

    def _trade(
        self, order: Order, price: Decimal, quantity: Decimal, realized: Decimal, fee: Decimal, fee_asset: str, *, is_maker: bool
    ) -> Trade:  # fmt: skip
        trade_id = self._trade_ids.get(order.symbol, 700_000) + 1
        self._trade_ids[order.symbol] = trade_id
        return Trade(
            trade_id,
            order.order_id,
            order.symbol,
            order.side,
            order.position_side,
            price,
            quantity,
            realized,
            fee,
            fee_asset,
            is_maker,
            self.market.now_ms(),
        )
