"""Margins: what positions and orders need, what is available, and when it is not enough."""

from decimal import Decimal

from tests.simulators.binance.usdm.account import Account
from tests.simulators.binance.usdm.amounts import ZERO
from tests.simulators.binance.usdm.market import Market
from tests.simulators.binance.usdm.orders import Order
from tests.simulators.binance.usdm.positions import Position


def exposures(account: Account, market: Market, symbol: str, extra: Order | None = None) -> list[tuple[Decimal, Decimal]]:  # fmt: skip
    """(notional of the position, largest notional with open orders) of each side in use."""
    mark = market[symbol].mark
    orders = [o for o in account.book.open_orders(symbol) if not o.reduce_only]
    if extra is not None and not extra.reduce_only:
        orders.append(extra)
    sides = ("LONG", "SHORT") if account.dual_side else ("BOTH",)
    found = []
    for side in sides:
        held = account.position(symbol, side).notional(mark)
        bids = sum(
            (value(o, market) for o in orders if o.position_side == side and o.side == "BUY"), ZERO
        )
        asks = sum(
            (value(o, market) for o in orders if o.position_side == side and o.side == "SELL"), ZERO
        )
        if side == "LONG":
            asks = ZERO
        elif side == "SHORT":
            bids = ZERO
        found.append((abs(held), max(abs(held + bids), abs(held - asks))))
    return found  # fmt: skip


def value(order: Order, market: Market) -> Decimal:
    """The notional of what an order has left, at its price or at the one that it would get."""
    price = order.price
    if not price:
        symbol = market[order.symbol]
        price = symbol.best(order.side) or symbol.last
    return order.remaining * price


def position_margin(account: Account, market: Market, position: Position) -> Decimal:
    notional = abs(position.notional(market[position.symbol].mark))
    return notional / account.leverage(position.symbol)


def order_margin(account: Account, market: Market, symbol: str, extra: Order | None = None) -> Decimal:  # fmt: skip
    needed = sum((full - held for held, full in exposures(account, market, symbol, extra)), ZERO)
    return needed / account.leverage(symbol)


def available(account: Account, market: Market, asset: str, extra: Order | None = None) -> Decimal:
    """What is free for new positions; negative when *extra* would need more than there is.

    With multi-assets margin every asset counts at its price, and every position against the sum.
    """
    assets = market.margin_assets()
    symbols = {p.symbol for p in account.held()} | {o.symbol for o in account.book.open_orders()}
    if extra is not None:
        symbols.add(extra.symbol)
    if not account.multi_assets:
        symbols = {symbol for symbol in symbols if assets[symbol] == asset}
    free = crossed_money(account, market, asset)
    for symbol in symbols:
        free -= order_margin(account, market, symbol, extra if extra and extra.symbol == symbol else None)  # fmt: skip
        if account.is_isolated(symbol):
            continue
        for position in account.held(symbol):
            free += position.unrealized(market[symbol].mark)
            free -= position_margin(account, market, position)
    return free


def crossed_money(account: Account, market: Market, asset: str) -> Decimal:
    """The wallet that crossed positions share; with multi-assets margin all of them, at their prices."""
    assets = market.margin_assets()
    if not account.multi_assets:
        return account.cross_wallet(asset, assets)
    values = (account.cross_wallet(a, assets) * market.asset_prices[a] for a in account.wallets)
    return sum(values, ZERO)


def maintenance(market: Market, position: Position) -> Decimal:
    symbol = market[position.symbol]
    return symbol.instrument.maintenance(abs(position.notional(symbol.mark)))


def cross_state(account: Account, market: Market, asset: str) -> tuple[Decimal, Decimal]:
    """(margin balance, maintenance margin) of the crossed positions of *asset*, or of all assets."""
    assets = market.margin_assets()
    balance, needed = crossed_money(account, market, asset), ZERO
    for position in account.held():
        counts = account.multi_assets or assets[position.symbol] == asset
        if counts and not account.is_isolated(position.symbol):
            balance += position.unrealized(market[position.symbol].mark)
            needed += maintenance(market, position)
    return balance, needed


def liquidation_price(account: Account, market: Market, position: Position) -> Decimal:
    """The mark price at which the margin no longer covers the maintenance; zero if there is none."""
    if not position.amount:
        return ZERO
    instrument = market[position.symbol].instrument
    mark = market[position.symbol].mark
    size = abs(position.amount)
    if account.is_isolated(position.symbol):
        wallet = position.isolated_wallet
    else:
        balance, needed = cross_state(account, market, instrument.margin_asset)
        wallet = balance - needed - position.unrealized(mark) + maintenance(market, position)
    step = next((s for s in instrument.steps if size * mark <= s.cap), instrument.steps[-1])
    sign = 1 if position.amount > 0 else -1
    price = (wallet + step.deducted - position.cost) / (size * (step.maintenance - sign))
    return max(price, ZERO)
