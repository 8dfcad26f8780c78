"""The arithmetic of fills, against sums over the fills themselves."""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradebotd.domain.books import PositionBooks
from tradebotd.domain.fill import Fill
from tradebotd.domain.ids import ClientOrderId, TradeId, VenueName
from tradebotd.domain.side import PositionSide, Side

LOT = Decimal("0.001")
BASE, QUOTE = "BTC", "USDT"
# The decimal context keeps 28 digits: an average of many fills is exact to far less than a tick.
NEGLIGIBLE = Fraction(1, 10**12)


def fill(side: Side, lots: int, cents: int, fee: Decimal, fee_asset: str = QUOTE) -> Fill:
    return Fill(
        venue=VenueName("paper"),
        symbol="BTCUSDT",
        trade_id=TradeId("1"),
        client_order_id=ClientOrderId("tb1"),
        side=side,
        quantity=lots * LOT,
        price=cents / Decimal(100),
        fee=fee,
        fee_asset=fee_asset,
        executed_at=datetime(2022, 3, 1, tzinfo=UTC),
    )


lots = st.integers(1, 5000)
cents = st.integers(1, 10_000_000)
fees = st.decimals("0", "10", places=8)
legs = st.lists(st.tuples(lots, cents, fees), min_size=1, max_size=6)


@st.composite
def histories(draw: st.DrawFn) -> tuple[PositionSide, list[Fill], list[Fill]]:
    """Entries, and exits of no more than was entered; fees in the quote asset."""
    side = draw(st.sampled_from(PositionSide))
    entered = [fill(side.entry, *leg) for leg in draw(legs)]
    left = int(sum(each.quantity for each in entered) / LOT)
    exited = []
    for size, price, fee in draw(legs):
        if left and (size := min(size, left)):
            exited.append(fill(side.exit, size, price, fee))
            left -= size
    return side, entered, exited


def booked(side: PositionSide, entered: Sequence[Fill], exited: Sequence[Fill]) -> PositionBooks:
    books = PositionBooks(side=side)
    for each in entered:
        books = books.entered(each, BASE)
    for each in exited:
        books = books.exited(each, BASE, LOT)
    return books


@given(histories())
def test_the_quantity_is_what_was_entered_less_what_was_exited(
    history: tuple[PositionSide, list[Fill], list[Fill]],
) -> None:
    """M5.4: quantity = entered - exited - dust, as sums over the fills."""
    side, entered, exited = history
    books = booked(side, entered, exited)

    bought = sum((each.quantity for each in entered), Decimal(0))
    sold = sum((each.quantity for each in exited), Decimal(0))
    assert books.quantity == books.entry_quantity - books.exit_quantity - books.dust
    assert books.quantity == bought - sold
    assert books.dust == 0


@given(histories())
def test_what_a_closed_position_earned_is_its_cash_flow(
    history: tuple[PositionSide, list[Fill], list[Fill]],
) -> None:
    """M5.4, 3.8: realized P&L net of fees equals the cash that went in and out."""
    side, entered, exited = history
    left = int((sum(each.quantity for each in entered) - sum(e.quantity for e in exited)) / LOT)
    if left:
        exited = [*exited, fill(side.exit, left, 12_345, Decimal("0.5"))]
    books = booked(side, entered, exited)

    cash = sum(
        (
            -each.side.sign * Fraction(each.quantity) * Fraction(each.price) - Fraction(each.fee)
            for each in (*entered, *exited)
        ),
        Fraction(0),
    )
    assert books.quantity == 0
    assert abs(Fraction(books.realized_pnl) - cash) < NEGLIGIBLE * (1 + abs(cash))


@given(legs)
def test_a_fee_in_the_base_asset_makes_less_of_it_held_than_was_bought(
    bought: list[tuple[int, int, Decimal]],
) -> None:
    """M4.6, M5.4: the fee leaves the quantity, and its worth is a cost."""
    entered = [
        fill(Side.BUY, size, price, size * LOT * Decimal("0.001"), BASE)
        for size, price, _ in bought
    ]
    books = booked(PositionSide.LONG, entered, [])

    assert books.quantity == sum(each.quantity - each.fee for each in entered)
    worth = sum((Fraction(each.fee) * Fraction(each.price) for each in entered), Fraction(0))
    assert abs(Fraction(books.fees) - worth) < NEGLIGIBLE * (1 + worth)


def test_what_is_less_than_a_lot_is_booked_as_dust() -> None:
    """M4.6: exits sell what can be sold; the rest is no open position."""
    bought = fill(Side.BUY, 1000, 10_000, Decimal("0.0005"), BASE)
    books = booked(PositionSide.LONG, [bought], [fill(Side.SELL, 999, 11_000, Decimal(0))])

    assert (books.quantity, books.dust) == (Decimal(0), Decimal("0.0005"))
    assert books.exit_quantity == Decimal("0.999")


def test_a_lot_that_is_left_is_no_dust() -> None:
    """M4.6: it can still be sold."""
    bought = fill(Side.BUY, 1000, 10_000, Decimal(0))
    books = booked(PositionSide.LONG, [bought], [fill(Side.SELL, 999, 11_000, Decimal(0))])

    assert (books.quantity, books.dust) == (LOT, Decimal(0))


def test_more_than_is_held_cannot_be_exited() -> None:
    """M5.4: a position never goes through zero."""
    bought = fill(Side.BUY, 10, 10_000, Decimal(0))

    with pytest.raises(ValueError, match="exits more than"):
        booked(PositionSide.LONG, [bought], [fill(Side.SELL, 11, 10_000, Decimal(0))])
