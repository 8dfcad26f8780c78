"""The arithmetic of fills, against sums over the fills themselves."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.trading import market_symbol
from tradebotd.domain.fill import Fill
from tradebotd.domain.ids import ClientOrderId, TradeId, VenueName
from tradebotd.domain.instrument import PositionType
from tradebotd.domain.position import PositionTotals, paid_elsewhere
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


def booked(side: PositionSide, entered: Sequence[Fill], exited: Sequence[Fill]) -> PositionTotals:
    books = PositionTotals(side=side)
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


@st.composite
def mixed_histories(draw: st.DrawFn) -> tuple[list[Fill | Decimal], Decimal]:
    """Of a long, in any order: entries and exits with fees of either asset, and funding.

    With the lot size: exits are whole lots of what is held, as the exits of the daemon are.
    """
    asset = draw(st.sampled_from([BASE, QUOTE]))
    rate = draw(st.sampled_from(["0", "0.0004", "0.001"]).map(Decimal))
    history: list[Fill | Decimal] = []
    books = PositionTotals(side=PositionSide.LONG)
    for wanted, price, amount in draw(
        st.lists(st.tuples(lots, cents, fees), min_size=2, max_size=9)
    ):
        kind = draw(st.sampled_from(["enter", "exit", "fund"])) if history else "enter"
        if kind == "fund":
            history.append(amount - 5)
            books = books.funded(amount - 5)
            continue
        size = min(wanted, int(books.quantity / LOT)) if kind == "exit" else wanted
        if not size:
            continue
        quantity = size * LOT
        fee = quantity * rate * (1 if asset == BASE else price / Decimal(100))
        each = fill(Side.SELL if kind == "exit" else Side.BUY, size, price, fee, asset)
        history.append(each)
        books = books.exited(each, BASE, LOT) if kind == "exit" else books.entered(each, BASE)
    return history, draw(st.sampled_from([LOT, 10 * LOT]))


@given(mixed_histories())
def test_a_ledger_of_fractions_finds_the_same_quantity_and_profit(
    history: tuple[list[Fill | Decimal], Decimal],
) -> None:
    """M5.4: fees of either asset on the way in and out, funding in between, dust at the end."""
    events, lot = history
    books = PositionTotals(side=PositionSide.LONG)
    entered = exited = dust = spent = proceeds = other = Fraction(0)
    for event in events:
        if isinstance(event, Decimal):
            books = books.funded(event)
            other += Fraction(event)
            continue
        price, quantity, fee = (Fraction(each) for each in (event.price, event.quantity, event.fee))
        base_fee = fee if event.fee_asset == BASE else Fraction(0)
        held = entered - exited - dust
        if entered and not held:
            continue  # it is closed: what is bought now is another position
        if event.side is Side.BUY:
            books = books.entered(event, BASE)
            entered += quantity - base_fee
            spent += (quantity - base_fee) * price
        elif quantity > held:
            continue  # what became dust on this lot size is no longer there to sell
        else:
            books = books.exited(event, BASE, lot)
            gone = min(quantity + base_fee, held)
            exited += gone
            proceeds += gone * price
            dust += held - gone if held - gone < lot else 0
        other -= fee * price if base_fee else fee
        assert Fraction(books.quantity) == entered - exited - dust
        assert (Fraction(books.exit_quantity), Fraction(books.dust)) == (exited, dust)
        is_closed = books.quantity == 0 and exited
        earned = proceeds - (spent if is_closed else spent / entered * exited) + other
        assert abs(Fraction(books.realized_pnl) - earned) < NEGLIGIBLE * (1 + spent + proceeds)


@given(histories(), st.lists(st.decimals("-10", "10", places=6), max_size=4))
def test_funding_is_part_of_what_was_earned(
    history: tuple[PositionSide, list[Fill], list[Fill]], received: list[Decimal]
) -> None:
    """Issue 3: realized P&L = price gains - fees + funding, whenever it comes."""
    books = booked(*history)
    funded = books
    for amount in received:
        funded = funded.funded(amount)

    assert funded.funding == sum(received, Decimal(0))
    assert abs(funded.realized_pnl - books.realized_pnl - funded.funding) < Decimal("1e-12")
    assert funded.quantity == books.quantity


def test_a_fee_of_the_base_asset_on_the_way_out_leaves_the_position_too() -> None:
    """M4.6, M5.4: 1 bought at 100, 0.9 sold at 110, 0.001 taken: 0.1 - 0.001 is left."""
    bought = fill(Side.BUY, 1000, 10_000, Decimal(0))
    sold = fill(Side.SELL, 900, 11_000, Decimal("0.001"), BASE)
    books = booked(PositionSide.LONG, [bought], [sold])

    assert books.quantity == Decimal("0.099")
    assert books.realized_pnl == Decimal("8.9")  # 9 less what 0.001 cost: 0.1


def test_a_base_fee_beyond_what_is_held_is_a_cost_and_goes_below_nothing() -> None:
    """M5.4: a position never goes through zero; the venue took it from what is not ours."""
    bought = fill(Side.BUY, 1000, 10_000, Decimal(0))
    books = booked(
        PositionSide.LONG, [bought], [fill(Side.SELL, 1000, 11_000, Decimal("0.001"), BASE)]
    )

    assert (books.quantity, books.dust) == (Decimal(0), Decimal(0))
    assert books.realized_pnl == Decimal("9.89")


def test_a_short_does_not_shrink_by_a_fee_of_the_base_asset() -> None:
    """M5.4: nothing of it is held; the fee is a cost."""
    sold = fill(Side.SELL, 1000, 10_000, Decimal("0.001"), BASE)
    bought = fill(Side.BUY, 1000, 9_000, Decimal("0.001"), BASE)
    books = booked(PositionSide.SHORT, [sold], [bought])

    assert books.entry_quantity == 1
    assert (books.quantity, books.dust) == (Decimal(0), Decimal(0))
    assert books.realized_pnl == 10 - Decimal("0.1") - Decimal("0.09")


def test_what_is_less_than_a_lot_is_booked_as_dust() -> None:
    """M4.6: exits sell what can be sold; the rest is no open position."""
    bought = fill(Side.BUY, 1000, 10_000, Decimal("0.0005"), BASE)
    books = booked(PositionSide.LONG, [bought], [fill(Side.SELL, 999, 11_000, Decimal(0))])

    assert (books.quantity, books.dust) == (Decimal(0), Decimal("0.0005"))
    assert books.exit_quantity == Decimal("0.999")
    assert books.realized_pnl == Decimal("109.89") - 100  # 0.05 went for the dust


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


@pytest.mark.parametrize(
    ("asset", "elsewhere"),
    [(QUOTE, "0"), ("BNB", "0.3"), (BASE, "0.2")],
    ids=["own", "third", "base"],
)
def test_what_neither_the_quote_nor_the_position_paid_was_paid_elsewhere(
    asset: str, elsewhere: str
) -> None:
    """M5.6: 0.9 of 1 is sold for a fee of 0.3 base: 0.1 of it is there, 0.2 is from beyond."""
    bought = booked(PositionSide.LONG, [fill(Side.BUY, 1000, 10_000, Decimal(0))], [])
    sold = fill(Side.SELL, 900, 10_000, Decimal("0.3"), asset)
    after = bought.exited(sold, BASE, LOT)

    assert paid_elsewhere(bought, after, sold, market_symbol("BTCUSDT").instrument) == Decimal(
        elsewhere
    )


def test_a_fee_counts_at_the_rate_of_its_asset() -> None:
    """M5.4: 0.002 of what is worth 500 is 1 of the quote asset, on the way in and out."""
    fees = [fill(side, 1000, 10_000, Decimal("0.002"), "BNB") for side in (Side.BUY, Side.SELL)]
    books = PositionTotals(side=PositionSide.LONG).entered(fees[0], BASE, Decimal(500))
    books = books.exited(fees[1], BASE, LOT, Decimal(500))

    assert (books.fees, books.realized_pnl) == (Decimal(2), Decimal(-2))


def test_futures_hold_none_of_the_base_asset_that_a_fee_is_taken_in() -> None:
    """M5.4: contracts are as many as were traded; the fee is a cost."""
    books = PositionTotals(side=PositionSide.LONG, position_type=PositionType.FUTURES)
    books = books.entered(fill(Side.BUY, 1000, 10_000, Decimal("0.001"), BASE), BASE)

    assert (books.quantity, books.fees) == (Decimal(1), Decimal("0.1"))


@given(histories())
def test_money_adds_up_to_the_last_digit(
    history: tuple[PositionSide, list[Fill], list[Fill]],
) -> None:
    """I8: what was realized less what the open part cost is the cash, whatever was averaged."""
    side, entered, exited = history
    books = PositionTotals(side=side)
    fills: list[Fill] = []
    for each in (*entered, *exited):
        step = books.entered(each, BASE) if each in entered else books.exited(each, BASE, LOT)
        books, fills = step, [*fills, each]
        cash = sum((-f.side.sign * f.quantity * f.price - f.fee for f in fills), Decimal(0))
        assert books.realized_pnl - books.cost * side.sign == cash


def test_what_futures_leave_below_a_lot_is_held_on_and_costs_nothing() -> None:
    """M5.4: the lot grew meanwhile: 0.5 contracts stay at the venue, and nothing was paid for them."""
    books = PositionTotals(side=PositionSide.SHORT, position_type=PositionType.FUTURES)
    books = books.entered(fill(Side.SELL, 1500, 10_000, Decimal(0)), BASE)
    books = books.exited(fill(Side.BUY, 1000, 9_000, Decimal(0)), BASE, Decimal(1))

    assert (books.quantity, books.dust) == (Decimal(0), Decimal("0.5"))
    assert (books.realized_pnl, books.cost) == (Decimal(10), Decimal(50))


def test_what_closes_the_dust_of_futures_realizes_its_share_of_the_cost() -> None:
    """M5.4: 0.5 that were sold at 100 are bought at 80 for a fee of 0.1; nothing more is there then."""
    books = PositionTotals(side=PositionSide.SHORT, position_type=PositionType.FUTURES)
    books = books.entered(fill(Side.SELL, 1500, 10_000, Decimal(0)), BASE)
    books = books.exited(fill(Side.BUY, 1000, 9_000, Decimal(0)), BASE, Decimal(1))
    part = books.closing_dust(fill(Side.BUY, 200, 8_000, Decimal(0)), BASE)
    books = part.closing_dust(fill(Side.BUY, 300, 8_000, Decimal("0.1")), BASE)

    assert (part.dust, part.cost, part.realized_pnl) == (Decimal("0.3"), Decimal(30), Decimal(14))
    assert (books.quantity, books.dust, books.cost) == (Decimal(0), Decimal(0), Decimal(0))
    assert (books.exit_quantity, books.realized_pnl) == (Decimal("1.5"), Decimal("19.9"))
    with pytest.raises(ValueError, match="more dust than"):
        books.closing_dust(fill(Side.BUY, 1, 8_000, Decimal(0)), BASE)


def test_dust_of_spot_is_no_part_of_its_position_any_more() -> None:
    """M4.6: it has been paid for: a later exit that takes it along earns all that it brings."""
    bought = fill(Side.BUY, 1000, 10_000, Decimal("0.0005"), BASE)
    books = booked(PositionSide.LONG, [bought], [fill(Side.SELL, 999, 11_000, Decimal(0))])

    with pytest.raises(ValueError, match="more dust than"):
        books.closing_dust(replace(bought, side=Side.SELL, quantity=books.dust), BASE)
