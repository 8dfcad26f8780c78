"""The ledger loses nothing: property tests over random orders, cancels and prices."""

from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.simulators.binance.spot.figures import ZERO
from tests.unit.simulators.binance.spot.desk import FUNDS, Desk

PRICES = st.integers(59_000, 61_000).map(str)
TRADERS = st.sampled_from(["trader", "other"])
SIDES = st.sampled_from(["BUY", "SELL"])
QUANTITIES = st.integers(1, 40_000).map(lambda lots: str(Decimal(lots) / 100_000))
KINDS = st.sampled_from(
    ["LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT"]
)
PREVENTIONS = st.sampled_from(["NONE", "EXPIRE_MAKER", "EXPIRE_TAKER", "EXPIRE_BOTH", "DECREMENT"])
ORDERS = st.tuples(st.just("order"), TRADERS, SIDES, KINDS, QUANTITIES, PRICES, PRICES, PREVENTIONS)
PAIRS = st.tuples(st.just("oco"), TRADERS, SIDES, QUANTITIES, PRICES, PRICES, PRICES)
CHAINS = st.tuples(st.just("oto"), TRADERS, SIDES, QUANTITIES, PRICES, PRICES)
CANCELS = st.tuples(st.just("cancel"), TRADERS, st.integers(1, 40))
MOVES = st.tuples(st.just("move"), PRICES, st.sampled_from(["0.05", "0.5", "10"]))
FEES = st.tuples(st.just("fees"), TRADERS, st.booleans())
STEPS = st.lists(st.one_of(ORDERS, PAIRS, CHAINS, CANCELS, MOVES, FEES), max_size=25)


def perform(desk: Desk, step: tuple[Any, ...]) -> None:
    match step:
        case "order", by, side, kind, quantity, price, stop, prevention:
            params = {"selfTradePreventionMode": prevention}
            if kind in {"LIMIT", "LIMIT_MAKER", "STOP_LOSS_LIMIT"}:
                params["price"] = price
            if kind in {"STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT"}:
                params["stopPrice"] = stop
            desk.try_place(side, kind, quantity, by=by, **params)
        case "oco", by, side, quantity, *prices:
            low, mid, high = sorted(prices, key=int)
            stop, other = ("above", "below") if side == "BUY" else ("below", "above")
            legs = {
                f"{stop}Type": "STOP_LOSS_LIMIT", f"{stop}Price": mid, f"{stop}TimeInForce": "GTC",
                f"{stop}StopPrice": high if side == "BUY" else low,
                f"{other}Type": "TAKE_PROFIT", f"{other}StopPrice": low if side == "BUY" else high,
            }  # fmt: skip
            desk.ask(
                "POST", "/api/v3/orderList/oco", by=by, symbol="BTCUSDT", side=side,
                quantity=quantity, **legs,
            )  # fmt: skip
        case "oto", by, side, quantity, price, exit_price:
            desk.ask(
                "POST", "/api/v3/orderList/oto", by=by, symbol="BTCUSDT", workingType="LIMIT",
                workingSide=side, workingPrice=price, workingQuantity=quantity,
                workingTimeInForce="GTC", pendingType="LIMIT", pendingTimeInForce="GTC",
                pendingSide="SELL" if side == "BUY" else "BUY", pendingPrice=exit_price,
                pendingQuantity=quantity,
            )  # fmt: skip
        case "cancel", by, order_id:
            desk.ask("DELETE", "/api/v3/order", by=by, symbol="BTCUSDT", orderId=order_id)
        case "move", price, depth:
            desk.venue.move("BTCUSDT", price, depth)
        case "fees", by, in_bnb:
            desk.venue.set_commission(by, pays_in_discount_asset=in_bnb)
        case _:
            raise AssertionError(step)


@given(STEPS)
@settings(max_examples=60, deadline=None)
def test_totals_are_kept_to_the_last_digit(steps: list[tuple[Any, ...]]) -> None:
    """Accounts, fees and the outside together hold what came in; locked is what open orders need."""
    desk = Desk()
    desk.open("other")
    desk.venue.move("BNBUSDT", "600")
    for step in steps:
        perform(desk, step)
        desk.clock.advance(20_000)

    held = {asset: total for asset, total in desk.venue.ledger.totals().items() if total}
    assert held == {asset: 2 * Decimal(amount) for asset, amount in FUNDS.items()}
    for name, account in desk.venue.accounts.items():
        open_orders = desk.venue.open_orders(name)
        assert all(
            balance.free >= 0 and balance.locked >= 0 for balance in account.balances.values()
        )
        if not open_orders:
            assert all(balance.locked == ZERO for balance in account.balances.values())
    fills = [fill for m in desk.venue.markets.values() for o in m.orders for fill in o.fills]
    assert all(fill.quantity > 0 for fill in fills)


@given(STEPS)
@settings(max_examples=20, deadline=None)
def test_all_cancelled_is_all_free(steps: list[tuple[Any, ...]]) -> None:
    desk = Desk()
    desk.open("other")
    for step in steps:
        perform(desk, step)
        desk.clock.advance(20_000)
    for name in desk.venue.accounts:
        desk.ask("DELETE", "/api/v3/openOrders", by=name, symbol="BTCUSDT")

    assert not any(market.open for market in desk.venue.markets.values())
    balances = [b for account in desk.venue.accounts.values() for b in account.balances.values()]
    assert all(balance.locked == ZERO for balance in balances)
