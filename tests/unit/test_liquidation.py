from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from tradebotd.domain.ids import VenueName
from tradebotd.domain.instrument import Instrument, margin_brackets
from tradebotd.domain.side import PositionSide
from tradebotd.risk.liquidation import is_liquidated_at, liquidation_price, stop_is_beyond

LONG, SHORT = PositionSide.LONG, PositionSide.SHORT


def instrument(
    tick: str = "0.1", maintenance: str = "0.005", *further: tuple[str, str]
) -> Instrument:
    rates = [("0", maintenance), *further]
    return Instrument(
        symbol="S",
        venue=VenueName("paper"),
        base_asset="B",
        quote_asset="Q",
        tick_size=Decimal(tick),
        lot_size=Decimal(1),
        maintenance_margin=Decimal(maintenance),
        further_brackets=margin_brackets((Decimal(a), Decimal(b)) for a, b in rates)[1:],
    )


def root(
    side: PositionSide,
    entry: Decimal,
    leverage: int,
    rates: Sequence[tuple[Decimal, Decimal]],
    quantity: Decimal,
) -> Fraction | None:
    """Where the equity of the position is what is asked for, found by halving; by no formula.

    Equity: margin and what was gained. Asked for: of each slice of the notional its own rate.
    """

    def asked(notional: Fraction) -> Fraction:
        floors = [Fraction(floor) for floor, _ in rates]
        ends = [*floors[1:], max(notional, *floors) + 1]
        return sum(
            (
                max(min(notional, end) - floor, Fraction(0)) * Fraction(rate)
                for floor, end, (_, rate) in zip(floors, ends, rates, strict=True)
            ),
            Fraction(0),
        )

    size, paid = Fraction(quantity), Fraction(entry)

    def spare(price: Fraction) -> Fraction:
        return size * paid / leverage + side.sign * size * (price - paid) - asked(size * price)

    lost, safe = (Fraction(0), paid) if side is LONG else (paid * 4, paid)
    if spare(lost) >= 0:
        return None  # a long that is paid in full
    if spare(safe) < 0:
        return paid  # lost at once: nearer than the entry
    for _ in range(100):
        middle = (lost + safe) / 2
        lost, safe = (middle, safe) if spare(middle) <= 0 else (lost, middle)
    return safe


def test_it_lies_where_the_margin_is_no_more_than_the_maintenance_asks_for() -> None:
    """M4.8: 10 % of margin, 0.5 % of maintenance, of the notional as it is by then.

    100 * 0.9 / 0.995 is 90.452, 100 * 1.1 / 1.005 is 109.453. Shorts of x10 at 2.5 % and of x3 at
    5 % were taken for safe up to 107,500 and 128,333.
    """
    one = Decimal(1)
    assert liquidation_price(LONG, Decimal(100), 10, instrument(), one) == Decimal("90.5")
    assert liquidation_price(SHORT, Decimal(100), 10, instrument(), one) == Decimal("109.4")
    short = liquidation_price(SHORT, Decimal(100_000), 10, instrument("1", "0.025"), one)
    assert short == 107_317
    short = liquidation_price(SHORT, Decimal(100_000), 3, instrument("1", "0.05"), one)
    assert short == 126_984


def test_the_maintenance_amount_of_a_higher_bracket_gives_room_back() -> None:
    """M4.8: 0.4 % up to 50,000, then 0.5 % less 50: 10 BTC short at 10,000, x10.

    (10 * 10,000 * 1.1 + 50) / (10 * 1.005) = 10,950.2487; without the 50 it would be 10,945.27.
    """
    traded = instrument("0.01", "0.004", ("50000", "0.005"))
    assert traded.brackets[1].amount == 50

    found = liquidation_price(SHORT, Decimal(10_000), 10, traded, Decimal(10))

    assert found == Decimal("10950.24")


def test_a_long_that_is_paid_in_full_is_never_liquidated() -> None:
    """M4.8: whatever the maintenance; it is a share of what the position is worth by then."""
    one = Decimal(1)
    for maintenance in ("0", "0.005"):
        traded = instrument(maintenance=maintenance)
        assert liquidation_price(LONG, Decimal(100), 1, traded, one) is None
    assert liquidation_price(SHORT, Decimal(100), 1, instrument(maintenance="0"), one) == 200


@settings(deadline=None, max_examples=60)
@given(
    side=st.sampled_from(PositionSide),
    price=st.decimals("10", "100000", places=2),
    leverage=st.integers(1, 125),
    maintenance=st.sampled_from(["0", "0.004", "0.005"]),
    further=st.sampled_from(
        [
            (),
            (("50000", "0.01"),),
            (("1000", "0.0055"), ("250000", "0.02"), ("1000000", "0.05")),
        ]
    ),
    quantity=st.decimals("0.001", "1000", places=3),
    tick=st.sampled_from(["0.0001", "0.01", "0.5"]),
)
def test_it_is_rounded_toward_the_entry_by_less_than_a_tick(
    side: PositionSide,
    price: Decimal,
    leverage: int,
    maintenance: str,
    further: tuple[tuple[str, str], ...],
    quantity: Decimal,
    tick: str,
) -> None:
    """M4.8: it is never later than said, in whatever bracket; more leverage is never further."""
    traded = instrument(tick, maintenance, *further)
    rates = [(each.floor, each.rate) for each in traded.brackets]
    found = liquidation_price(side, price, leverage, traded, quantity)
    exact = root(side, price, leverage, rates, quantity)
    if found is None:
        assert exact is None
        return
    if exact == Fraction(price):
        assert is_liquidated_at(side, price, found)
        return
    assert exact is not None
    assert -Fraction(1, 10**20) < (Fraction(found) - exact) * side.sign < Fraction(Decimal(tick))
    more = liquidation_price(side, price, leverage + 1, traded, quantity)
    assert more is not None
    assert (more - found) * side.sign >= 0


@given(
    price=st.integers(1, 10**6),
    leverage=st.integers(1, 125),
    side=st.sampled_from(PositionSide),
)
def test_one_that_falls_on_the_tick_stays_there(
    price: int, leverage: int, side: PositionSide
) -> None:
    """M4.8: 1 + 1/9 has no end in decimals; a price on the tick was told a tick before it."""
    entry = Decimal(price * leverage) / 100
    found = liquidation_price(
        side, entry, leverage, instrument("0.01", maintenance="0"), Decimal(3)
    )
    exact = Decimal(price * (leverage - side.sign)) / 100
    assert found == (exact or None)


def test_a_stop_at_the_liquidation_or_behind_it_is_beyond() -> None:
    """M4.8: it would never be reached; without either there is nothing to say."""
    at = Decimal(90)
    assert stop_is_beyond(LONG, at, at)
    assert stop_is_beyond(SHORT, at, at)
    assert not stop_is_beyond(LONG, Decimal("90.1"), at)
    assert stop_is_beyond(LONG, Decimal("89.9"), at)
    assert not stop_is_beyond(SHORT, Decimal("89.9"), at)
    assert stop_is_beyond(SHORT, Decimal("90.1"), at)
    assert not stop_is_beyond(LONG, None, at)
    assert not stop_is_beyond(LONG, at, None)
