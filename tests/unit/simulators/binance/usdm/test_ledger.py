"""The simulator's ledger: nothing appears from nowhere, to the last digit."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.simulators.binance.errors import VenueError
from tests.simulators.binance.usdm.positions import Position
from tests.unit.simulators.binance.usdm.scene import BTC, Scene, scene

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("market"), st.sampled_from(["BUY", "SELL"]), st.integers(1, 60)),
        st.tuples(st.just("limit"), st.sampled_from(["BUY", "SELL"]), st.integers(1, 60)),
        st.tuples(st.just("stop"), st.sampled_from(["BUY", "SELL"]), st.integers(1, 60)),
        st.tuples(st.just("price"), st.just(""), st.integers(480_000, 720_000)),
        st.tuples(st.just("thin"), st.just(""), st.integers(480_000, 720_000)),
        st.tuples(st.just("mark"), st.just(""), st.integers(480_000, 720_000)),
        st.tuples(st.just("funding"), st.just(""), st.integers(-75, 75)),
        st.tuples(st.just("special"), st.just(""), st.integers(-75, 75)),
        st.tuples(st.just("liquidate"), st.just(""), st.integers(480_000, 720_000)),
        st.tuples(st.just("adl"), st.just(""), st.integers(480_000, 720_000)),
        st.tuples(st.just("transfer"), st.just(""), st.integers(-500, 5000)),
        st.tuples(st.just("isolate"), st.just(""), st.just(0)),
        st.tuples(st.just("burn"), st.just(""), st.just(0)),
    ),
    max_size=40,
)  # fmt: skip


def order(made: Scene, what: str, side: str, number: int) -> None:
    quantity, last = str(Decimal(number) / 1000), made.venue.market[BTC].last
    hedge = ("LONG" if number % 2 else "SHORT") if made.account.dual_side else "BOTH"
    if what == "market":
        made.place(side, quantity, position_side=hedge)
    elif what == "limit":
        made.place(side, quantity, str(last - number), position_side=hedge)
    else:
        trigger = last + (number if side == "BUY" else -number)
        reduces = not made.account.dual_side
        made.algo(side, quantity, str(trigger), position_side=hedge, reduce_only=reduces)


def move(made: Scene, what: str, side: str, number: int) -> None:
    market, price = made.venue.market, Decimal(number) / 10
    if what == "price":
        market.set_price(BTC, price)
    elif what == "thin":
        market.set_book(BTC, [(price, Decimal("0.007"))], [(price + 1, Decimal("0.011"))])
    else:
        market.set_mark(BTC, price)


def pay(made: Scene, what: str, side: str, number: int) -> None:
    if what == "transfer":
        made.venue.cash.transfer(made.account, "USDT", Decimal(number))
    else:
        made.venue.cash.fund(BTC, Decimal(number) / 100_000, special=what == "special")


def force(made: Scene, what: str, side: str, number: int) -> None:
    for position in list(made.account.held(BTC)):
        if what == "liquidate":
            made.venue.forced.liquidate(made.account, position, Decimal(number) / 10)
        else:
            part = abs(position.amount) / 2
            made.venue.forced.deleverage(made.account, position, part, Decimal(number) / 10)


def switch(made: Scene, what: str, side: str, number: int) -> None:
    if what == "burn":
        made.account.fee_burn = not made.account.fee_burn
        return
    wanted = "CROSSED" if made.account.isolated else "ISOLATED"
    made.venue.settings.set_margin_type(made.account, BTC, wanted)


ACTIONS = {
    "market": order, "limit": order, "stop": order, "price": move, "thin": move, "mark": move, "transfer": pay,
    "funding": pay, "special": pay, "liquidate": force, "adl": force, "isolate": switch, "burn": switch,
}  # fmt: skip


@settings(max_examples=120, deadline=None)
@given(steps=STEPS, dual=st.booleans())
def test_wallet_and_unrealised_are_what_came_in_and_what_trades_made(
    steps: list[tuple[str, str, int]],
    dual: bool,  # noqa: FBT001
) -> None:
    """Recompute the account from its trades alone, in cash, and compare every digit."""
    made = scene()
    made.account.dual_side = dual
    made.venue.cash.transfer(made.account, "BNB", Decimal(1))
    for what, side, number in steps:
        try:
            ACTIONS[what](made, what, side, number)
        except VenueError:
            continue
    account, mark = made.account, made.venue.market[BTC].mark

    cash = sum((t.price * t.quantity * (-1 if t.side == "BUY" else 1) for t in account.trades), Decimal(0))  # fmt: skip
    held = sum((t.quantity * (1 if t.side == "BUY" else -1) for t in account.trades), Decimal(0))
    fees = {asset: sum((t.commission for t in account.trades if t.commission_asset == asset), Decimal(0)) for asset in ("USDT", "BNB")}  # fmt: skip
    other = sum((i.amount for i in account.incomes if i.asset == "USDT" and i.type not in {"REALIZED_PNL", "COMMISSION"}), Decimal(0))  # fmt: skip
    positions = list(account.positions.values())
    assert held == sum((p.amount for p in positions), Decimal(0))
    assert made.venue.worth(account) == other + cash + held * mark - fees["USDT"]
    assert account.wallet("BNB") == 1 - fees["BNB"]
    assert account.wallet("USDT") == sum((i.amount for i in account.incomes if i.asset == "USDT"), Decimal(0))  # fmt: skip
    assert account.is_isolated(BTC) or not any(p.isolated_wallet for p in positions)


@given(
    st.lists(
        st.tuples(st.integers(-50, 50).filter(bool), st.integers(1, 10**7)), min_size=1, max_size=30
    )
)
def test_a_position_loses_no_digit(fills: list[tuple[int, int]]) -> None:
    position, realized, cash = Position(BTC, "BOTH"), Decimal(0), Decimal(0)
    for thousandths, cents in fills:
        signed, price = Decimal(thousandths) / 1000, Decimal(cents) / 100
        realized += position.apply(signed, price)
        cash -= signed * price

    assert realized - position.cost == cash
    assert position.realized == realized


@pytest.mark.parametrize(
    ("fills", "entry", "realized"),
    [
        ([("2", "100"), ("1", "103")], "101", "0"),
        ([("2", "100"), ("-1", "110")], "100", "10"),
        ([("2", "100"), ("-3", "90")], "90", "-20"),
        ([("-2", "100"), ("1", "90")], "100", "10"),
    ],
)
def test_entry_and_realised_of_known_fills(
    fills: list[tuple[str, str]], entry: str, realized: str
) -> None:
    position = Position(BTC, "BOTH")
    total = sum((position.apply(Decimal(q), Decimal(p)) for q, p in fills), Decimal(0))

    assert (position.entry_price, total) == (Decimal(entry), Decimal(realized))
