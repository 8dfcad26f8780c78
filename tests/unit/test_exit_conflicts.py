"""Ladders, break-even, ranges and prices set by hand: levels against exact fractions."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tradebotd.domain.exit_plan import BreakEven, ExitPlan, LadderStep
from tradebotd.domain.ids import VenueName
from tradebotd.domain.instrument import Instrument
from tradebotd.domain.side import PositionSide
from tradebotd.risk.exit_levels import (
    ExitLevels,
    ladder_step,
    levels_for,
    step_quantity,
    target_in_force,
    with_break_even,
    with_trailing_stop,
)

LONG, SHORT = PositionSide.LONG, PositionSide.SHORT
LOT = Decimal("0.001")
TICKS = st.sampled_from(["0.0001", "0.01", "0.05", "0.25"]).map(Decimal)
PRICES = st.decimals("10", "100000", places=3)
SIDES = st.sampled_from(PositionSide)


def instrument(tick: Decimal = Decimal("0.1")) -> Instrument:
    return Instrument(
        symbol="S",
        venue=VenueName("paper"),
        base_asset="B",
        quote_asset="Q",
        tick_size=tick,
        lot_size=LOT,
    )


def step(at: str, share: str) -> LadderStep:
    return LadderStep(at=Decimal(at), share=Decimal(share))


LADDER = ExitPlan(take_profit=Decimal("0.05"), ladder=(step("0.01", "0.5"), step("0.02", "0.25")))


@pytest.mark.parametrize(
    ("done", "long", "short", "number"),
    [(0, "101", "99", 1), (1, "102", "98", 2), (2, "105", "95", None), (9, "105", "95", None)],
)
def test_the_target_in_force_is_the_next_step_then_the_take_profit(
    done: int, long: str, short: str, number: int | None
) -> None:
    """M4.7: longs and shorts mirrored."""
    for side, expected in ((LONG, long), (SHORT, short)):
        entry = Decimal(100)
        assert target_in_force(LADDER, side, entry, done, instrument()) == Decimal(expected)
        assert ladder_step(LADDER, side, entry, done, instrument()) == number
        levels = levels_for(LADDER, side, entry, instrument(), ladder_done=done)
        assert levels.take_profit == Decimal(expected)


def test_a_take_profit_before_the_next_step_takes_all() -> None:
    """M4.7: the nearest target is in force; it is no step of the ladder."""
    plan = ExitPlan(take_profit=Decimal("0.015"), ladder=LADDER.ladder)

    assert target_in_force(plan, LONG, Decimal(100), 1, instrument()) == Decimal("101.5")
    assert ladder_step(plan, LONG, Decimal(100), 1, instrument()) is None
    assert ladder_step(plan, LONG, Decimal(100), 0, instrument()) == 1


def test_after_the_last_step_of_a_ladder_alone_no_target_is_left() -> None:
    """M4.7"""
    plan = ExitPlan(ladder=LADDER.ladder)
    assert target_in_force(plan, SHORT, Decimal(100), 2, instrument()) is None


@pytest.mark.parametrize(
    ("number", "entered", "held", "expected"),
    [
        (1, "1", "1", "0.5"),
        (2, "1", "0.5", "0.25"),
        (1, "0.0039", "0.0039", "0.001"),  # floored to the lot
        (1, "0.0019", "0.0019", "0"),  # less than a lot: skipped
        (1, "1", "0.2", "0.2"),  # no more than is held
        (1, "0.0020", "0.0015", "0.001"),  # what stays is less than a lot
        (1, "1", "0.0004", "0"),
    ],
)
def test_a_step_sells_its_share_of_what_was_entered_in_whole_lots(
    number: int, entered: str, held: str, expected: str
) -> None:
    """M4.7, M4.6"""
    sold = step_quantity(LADDER, number, Decimal(entered), Decimal(held), LOT)
    assert sold == Decimal(expected)


def test_the_last_step_of_a_ladder_that_sells_everything_takes_what_flooring_left() -> None:
    """M4.7: no stray lot stays behind a ladder whose shares add up to one."""
    plan = ExitPlan(ladder=(step("0.01", "0.5"), step("0.02", "0.5")))
    entered = Decimal("0.0039")

    assert step_quantity(plan, 1, entered, entered, LOT) == LOT
    assert step_quantity(plan, 2, entered, entered - LOT, LOT) == 2 * LOT


@example(shares=[33, 33, 33], all_of_it=False, entered=33, dust=Decimal("0.000334"))
@given(
    shares=st.lists(st.integers(1, 33), min_size=1, max_size=3),
    all_of_it=st.booleans(),
    entered=st.integers(1, 50_000),
    dust=st.decimals("0", "0.000999", places=6),
)
def test_the_steps_sell_whole_lots_of_their_shares_and_all_only_if_they_add_up(
    shares: list[int],
    all_of_it: bool,  # noqa: FBT001
    entered: int,
    dust: Decimal,
) -> None:
    """M4.7: each within a lot of its share; what is left of a full ladder is less than a lot."""
    if all_of_it:
        shares = [*shares, 100 - sum(shares)]
    ladder = tuple(
        LadderStep(at=Decimal(number), share=Decimal(share) / 100)
        for number, share in enumerate(shares, start=1)
    )
    plan = ExitPlan(ladder=ladder)
    bought = entered * LOT + dust
    held = bought
    for number, each in enumerate(ladder, start=1):
        sold = step_quantity(plan, number, bought, held, LOT)
        assert 0 <= sold <= held
        assert not sold % LOT
        if number < len(ladder) or not all_of_it:
            assert 0 <= each.share * bought - sold < LOT
        held -= sold
    if all_of_it or bought < LOT:
        assert held < LOT
    else:
        assert held >= (1 - sum(step.share for step in ladder)) * bought


@given(side=SIDES, price=PRICES, atr=st.decimals("0.001", "3", places=3), tick=TICKS)
def test_multiples_of_the_range_are_amounts_rounded_within_a_tick(
    side: PositionSide, price: Decimal, atr: Decimal, tick: Decimal
) -> None:
    """M4.7: a stop is never wider than asked, a target never nearer."""
    plan = ExitPlan(
        stop_loss_atr=Decimal("1.5"),
        take_profit_atr=Decimal(3),
        trailing_stop_atr=Decimal(2),
        atr=atr,
    )
    levels = levels_for(plan, side, price, instrument(tick))
    for level, away in (
        (levels.stop_loss, Fraction(-3, 2)),
        (levels.trailing_stop, Fraction(-2)),
        (levels.take_profit, Fraction(3)),
    ):
        assert level is not None
        asked = Fraction(price) + side.sign * away * Fraction(atr)
        assert 0 <= (Fraction(level) - asked) * side.sign < Fraction(tick)
        assert not level % tick


def test_a_plan_whose_range_was_never_measured_has_no_levels() -> None:
    """M4.7: better no position than one without its stop."""
    for plan in (
        ExitPlan(stop_loss_atr=Decimal(1)),
        ExitPlan(take_profit_atr=Decimal(1)),
        ExitPlan(trailing_stop_atr=Decimal(1)),
    ):
        with pytest.raises(ValueError, match="never measured"):
            levels_for(plan, LONG, Decimal(100), instrument())


def test_prices_set_by_hand_are_taken_as_they_are() -> None:
    """M4.7: whatever the entry was."""
    plan = ExitPlan(stop_loss_price=Decimal("90.5"), take_profit_price=Decimal(120))
    assert levels_for(plan, LONG, Decimal(100), instrument()) == ExitLevels(
        stop_loss=Decimal("90.5"), take_profit=Decimal(120)
    )


@given(
    side=SIDES,
    price=PRICES,
    at=st.decimals("0.001", "0.2", places=3),
    part=st.decimals("0", "0.9", places=1),
    best=st.decimals("-0.1", "0.4", places=4),
    stop=st.one_of(st.none(), st.decimals("-0.1", "0.3", places=3)),
    tick=TICKS,
)
def test_break_even_moves_the_stop_once_earned_and_only_tighter(
    side: PositionSide,
    price: Decimal,
    at: Decimal,
    part: Decimal,
    best: Decimal,
    stop: Decimal | None,
    tick: Decimal,
) -> None:
    """M4.7"""
    lock = at * part
    plan = ExitPlan(break_even=BreakEven(at=at, lock=lock))
    former = None if stop is None else price * (1 + side.sign * stop)
    reached = price * (1 + side.sign * best)
    levels = ExitLevels(stop_loss=former, take_profit=Decimal(1))
    moved = with_break_even(plan, side, price, reached, levels, instrument(tick))

    wanted = Fraction(price) * (1 + side.sign * Fraction(lock))
    if best < at or moved.stop_loss == former:
        assert moved == levels
        # Not earned, or earned and tighter already. `at` itself lies on the tick, rounded away.
        earned = (best - at) * price >= tick
        assert not earned or former is not None
        assert not earned or (Fraction(former or 0) - wanted) * side.sign >= 0
        return
    assert moved.stop_loss is not None
    assert 0 <= (Fraction(moved.stop_loss) - wanted) * side.sign < Fraction(tick)
    assert former is None or (moved.stop_loss - former) * side.sign > 0
    assert moved.take_profit == 1


@given(
    side=SIDES,
    prices=st.lists(PRICES, min_size=2, max_size=20),
    atr=st.decimals("0.1", "5", places=1),
)
def test_a_stop_that_trails_by_a_range_only_ever_tightens(
    side: PositionSide, prices: list[Decimal], atr: Decimal
) -> None:
    """M4.7"""
    plan = ExitPlan(trailing_stop_atr=Decimal(2), atr=atr)
    levels = levels_for(plan, side, prices[0], instrument())
    for price in prices[1:]:
        before = levels.trailing_stop
        levels = with_trailing_stop(side, plan, levels, price, instrument())
        assert before is not None
        assert levels.trailing_stop is not None
        assert (levels.trailing_stop - before) * side.sign >= 0
