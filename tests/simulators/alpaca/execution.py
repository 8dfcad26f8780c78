"""Execution: which orders run at the market's prices, and what a fill moves."""

from datetime import datetime, time, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Final

from tests.simulators.alpaca import groups
from tests.simulators.alpaca.calendar import Phase, phase_at
from tests.simulators.alpaca.desk import Desk, Execution
from tests.simulators.alpaca.orders import WORKING, Order, Status
from tests.simulators.shared.money import text

ZERO: Final = Decimal(0)
GRAIN: Final = Decimal("1e-9")
CENT: Final = Decimal("0.01")
STOPS: Final = frozenset({"stop", "stop_limit", "trailing_stop"})


def runs_in(order: Order, phase: Phase) -> bool:
    """A2: whether *order* can be executed in *phase*.

    Outside the regular session only limit orders with extended_hours are; stops and the legs of
    brackets are not. Overnight the asset must be tradable there and not halted. Crypto always runs.
    """
    if order.asset.is_crypto:
        return True
    if phase is Phase.CORE:
        return order.time_in_force not in {"opg", "cls"}
    if phase is Phase.CLOSED or not order.extended_hours or order.type != "limit":
        return False
    return phase is not Phase.OVERNIGHT or order.asset.trades_overnight


def match_symbol(desk: Desk, symbol: str) -> None:
    """Run every order of *symbol* at the market's prices, oldest first."""
    for order in desk.book.open(symbol):
        match(desk, order)


def match(desk: Desk, order: Order, *, at_auction: bool = False) -> None:
    """Run *order* as far as the market's prices and sizes go."""
    if not _is_working(desk, order) or not (at_auction or runs_in(order, phase_at(desk.now))):
        return
    if order.type in STOPS and not order.triggered:
        _trail(desk, order)
        if not _is_passed(desk, order):
            return
        order.triggered = True
        groups.triggered(desk, order)
    price, size = desk.market.reachable(order.asset.symbol, order.side)
    if not price or not _is_within(order, price):
        return
    if order.quantity is None:
        if order.notional is None:
            return
        order.quantity = (order.notional / price).quantize(GRAIN, ROUND_FLOOR)
    quantity = order.left if size is None else min(order.left, size)
    if quantity <= 0 or (order.time_in_force == "fok" and quantity < order.left):
        return
    desk.market.take(order.asset.symbol, order.side, quantity)
    fill(desk, order, quantity, price)


def fill(desk: Desk, order: Order, quantity: Decimal, price: Decimal) -> None:
    """Book *quantity* of *order* at *price*, tell it, and let its group act."""
    symbol = order.asset.position_symbol
    at = max(desk.now, order.submitted_at)
    desk.ledger.trade(symbol, order.sign * quantity, price)
    order.filled += quantity
    order.paid += quantity * price
    order.updated_at = order.filled_at = at
    if not order.left:
        order.status = Status.FILLED
    elif order.status is Status.NEW:
        order.status = Status.PARTIALLY_FILLED
    fee, paid_in = _charge(desk, order, quantity, price)
    done = Execution(order, order.filled, price, quantity, fee, paid_in, at)
    desk.executions.append(done)
    position = desk.ledger.quantity(symbol)
    execution = desk.updates.execution(order, at, price=price, quantity=quantity, position=position)
    desk.activities.fill(order, at, execution, price=price, quantity=quantity)
    groups.after_fill(desk, order)


def _is_working(desk: Desk, order: Order) -> bool:
    return (
        order.routed
        and (order.status in WORKING or order.status is Status.HELD)
        and order.asset.symbol not in desk.market.halted
    )


def _is_within(order: Order, price: Decimal) -> bool:
    limit = order.ceiling
    return limit is None or order.sign * (limit - price) >= 0


def _is_passed(desk: Desk, order: Order) -> bool:
    """Whether the price has come to the stop: of the last trade, or of the side that it meets."""
    if order.stop_price is None:
        return False
    side, _ = desk.market.reachable(order.asset.symbol, order.side)
    trade = desk.market.trades.get(order.asset.symbol)
    quote = desk.market.quotes.get(order.asset.symbol)
    prices = [side] if side else []
    if trade is not None and (quote is None or trade.at >= quote.at):
        prices.append(trade.price)
    return any(order.sign * (price - order.stop_price) >= 0 for price in prices)


def _trail(desk: Desk, order: Order) -> None:
    """Move a trailing stop's high-water mark (low-water for buys), and its stop with it."""
    if order.type != "trailing_stop":
        return
    price = desk.market.price(order.asset.symbol)
    if not price:
        return
    mark = order.high_water
    if mark is None or order.sign * (mark - price) > 0:
        order.high_water = mark = price
    trail = order.trail_price
    if trail is None:
        trail = mark * (order.trail_percent or ZERO) / 100
    order.stop_price = (mark + order.sign * trail).quantize(CENT)


def _charge(desk: Desk, order: Order, quantity: Decimal, price: Decimal) -> tuple[Decimal, str]:
    """Crypto pays in what it gets: a buy in the coin, a sale in USD. Stocks pay TAF on sales.

    The balance moves with the fill (a stock's fee: with its row); rows come on the next day.
    Returns what moved with the fill.
    """
    if order.asset.is_crypto:
        rate, base = desk.terms.crypto_taker_fee, order.asset.symbol.partition("/")[0]
        if order.side == "buy":
            coins = (quantity * rate).quantize(GRAIN, ROUND_CEILING)
            desk.ledger.take_fee(order.asset.position_symbol, coins)
            _row(desk, "CFEE", ZERO, order, qty=text(-coins), price=text(price))
            return coins, base
        dollars = (quantity * price * rate).quantize(GRAIN, ROUND_CEILING)
        desk.ledger.transfer(-dollars)
        _row(desk, "FEE", -dollars, order)
        return dollars, desk.terms.currency
    if order.side == "sell" and desk.terms.sell_fee_per_share:
        dollars = (quantity * desk.terms.sell_fee_per_share).quantize(CENT, ROUND_CEILING)

        def pay() -> None:
            desk.ledger.transfer(-dollars)
            desk.activities.money("FEE", desk.now, -dollars, description=f"TAF fee {quantity}")

        desk.on(next_utc_day(desk.now), pay)
    return ZERO, desk.terms.currency


def next_utc_day(moment: datetime) -> datetime:
    return datetime.combine(moment.date() + timedelta(days=1), time(0, 5), moment.tzinfo)


def _row(desk: Desk, kind: str, amount: Decimal, order: Order, **more: str) -> None:
    symbol = order.asset.position_symbol

    def write() -> None:
        desk.activities.money(
            kind, desk.now, amount, symbol=symbol, description="Coin Pair Transaction Fee", **more
        )

    desk.on(next_utc_day(desk.now), write)
