"""Money of the simulator of Alpaca: nothing comes from nowhere, nothing is lost."""

import contextlib
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.simulators.alpaca import power
from tests.simulators.alpaca.ledger import Ledger
from tests.simulators.alpaca.refusals import RequestRefusedError
from tests.unit.simulators.alpaca.scenes import Scene

STEPS = st.lists(
    st.tuples(
        st.sampled_from(["AAPL", "BTC/USD"]),
        st.sampled_from(["buy", "sell"]),
        st.sampled_from(
            ["market", "limit", "stop", "stop_limit", "notional", "bracket", "cancel", "replace"]
        ),
        st.integers(1, 40),
        st.integers(9_000, 11_000),
        st.sampled_from([None, "3", "0.7"]),
    ),
    min_size=1,
    max_size=25,
)


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_cash_and_holdings_are_what_fills_fees_and_transfers_made(
    steps: list[tuple[str, str, str, int, int, str | None]],
) -> None:
    """Conserved to the last digit under any orders and prices, as the updates and rows tell them."""
    scene = Scene(crypto_taker_fee=Decimal("0.0025"))
    scene.exchange.transfer("250.17")
    for symbol, side, kind, size, price, book in steps:
        cents = Decimal(price) / 100
        scene.exchange.quote(symbol, cents, cents + Decimal("0.02"), book, book)
        with contextlib.suppress(RequestRefusedError):
            act(scene, symbol, side, kind, size, cents)
        for each in ("AAPL", "BTC/USD"):
            owned = scene.desk.ledger.quantity(each.replace("/", ""))
            assert power.held(scene.desk, each) <= abs(owned)
        scene.wait(minutes=3)
    scene.wait(days=2)

    cash = Decimal(100_000)
    held: dict[str, Decimal] = {}
    for activity in scene.desk.activities.all:
        row = activity.body
        if row["activity_type"] == "FILL":
            signed = Decimal(row["qty"]) * (1 if row["side"] == "buy" else -1)
            symbol = row["symbol"].replace("/", "")
            held[symbol] = held.get(symbol, Decimal(0)) + signed
            cash -= signed * Decimal(row["price"])
        else:
            cash += Decimal(row["net_amount"])
            if row["activity_type"] == "CFEE":
                held[row["symbol"]] += Decimal(row["qty"])

    assert scene.desk.ledger.cash == cash
    assert {name: each.quantity for name, each in scene.desk.ledger.holdings.items()} == {
        name: quantity for name, quantity in held.items() if quantity
    }
    for order in scene.desk.book.all:
        assert order.quantity is None or order.filled <= order.quantity


def act(scene: Scene, symbol: str, side: str, kind: str, size: int, price: Decimal) -> None:
    """Place an order, or cancel or replace an open one."""
    if kind not in {"cancel", "replace"}:
        scene.exchange.submit(order_body(symbol, side, kind, size, price))
        return
    found = scene.desk.book.open(symbol)
    if not found:
        return
    order = found[size % len(found)]
    if kind == "cancel":
        scene.exchange.cancel(order.id)
    elif order.limit_price is not None:
        scene.exchange.replace(order.id, {"limit_price": str(price), "qty": str(size)})
    else:
        scene.exchange.replace(order.id, {"stop_price": str(price)})


def order_body(symbol: str, side: str, kind: str, size: int, price: Decimal) -> dict[str, object]:
    crypto = "/" in symbol
    body: dict[str, object] = {
        "symbol": symbol,
        "side": side,
        "type": kind if kind not in {"notional", "bracket"} else "market",
        "time_in_force": "gtc" if crypto else "day",
    }
    if kind == "notional":
        body["notional"] = str(size * 11)
    else:
        body["qty"] = str(Decimal(size) / (8 if crypto else 1))
    if kind in {"limit", "stop_limit"}:
        body["limit_price"] = str(price)
    if kind in {"stop", "stop_limit"}:
        body["stop_price"] = str(price)
    if kind == "bracket":
        sign = 1 if side == "buy" else -1
        body["order_class"] = "bracket"
        body["take_profit"] = {"limit_price": str(price + sign * 2)}
        body["stop_loss"] = {"stop_price": str(price - sign * 2)}
    return body


def test_a_position_that_turns_is_valued_at_its_last_price() -> None:
    ledger = Ledger(Decimal(1000))

    ledger.trade("AAPL", Decimal(4), Decimal(10))
    ledger.trade("AAPL", Decimal(-1), Decimal(12))
    assert ledger.quantity("AAPL") == 3
    assert ledger.holdings["AAPL"].average == 10

    ledger.trade("AAPL", Decimal(-5), Decimal(20))
    assert ledger.quantity("AAPL") == -2
    assert ledger.holdings["AAPL"].average == 20
    assert ledger.cash == 1000 - 40 + 12 + 100

    ledger.trade("AAPL", Decimal(2), Decimal(20))
    assert ledger.holdings == {}
