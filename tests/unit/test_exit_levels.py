from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradebotd.domain.exit_plan import ExitPlan
from tradebotd.domain.ids import VenueName
from tradebotd.domain.instrument import Instrument
from tradebotd.domain.position import CloseReason
from tradebotd.domain.side import PositionSide
from tradebotd.risk.exit_levels import (
    ExitLevels,
    expired,
    levels_for,
    triggered,
    with_trailing_stop,
)

LONG, SHORT = PositionSide.LONG, PositionSide.SHORT
NOW = datetime(2022, 3, 1, tzinfo=UTC)


def instrument(tick: Decimal = Decimal("0.1")) -> Instrument:
    return Instrument(
        symbol="S",
        venue=VenueName("paper"),
        base_asset="B",
        quote_asset="Q",
        tick_size=tick,
        lot_size=Decimal(1),
    )


PLAN = ExitPlan(
    stop_loss=Decimal("0.0105"), take_profit=Decimal("0.0205"), trailing_stop=Decimal("0.0033")
)


def test_levels_of_a_long_are_rounded_up_and_of_a_short_down() -> None:
    """M4.7: a stop is never wider than asked; longs and shorts mirrored."""
    assert levels_for(PLAN, LONG, Decimal(100), instrument()) == ExitLevels(
        stop_loss=Decimal("99.0"), take_profit=Decimal("102.1"), trailing_stop=Decimal("99.7")
    )
    assert levels_for(PLAN, SHORT, Decimal(100), instrument()) == ExitLevels(
        stop_loss=Decimal("101.0"), take_profit=Decimal("97.9"), trailing_stop=Decimal("100.3")
    )
    assert levels_for(ExitPlan(), LONG, Decimal(100), instrument()) == ExitLevels()


PRICES = st.decimals("0.5", "100000", places=3)
FRACTIONS = st.decimals("0.0001", "0.9", places=4)
TICKS = st.sampled_from(["0.0001", "0.01", "0.05", "0.25", "1"]).map(Decimal)


@given(price=PRICES, fraction=FRACTIONS, tick=TICKS)
def test_levels_lie_on_the_tick_within_one_of_what_was_asked(
    price: Decimal, fraction: Decimal, tick: Decimal
) -> None:
    """M4.7"""
    plan = ExitPlan(stop_loss=fraction, take_profit=fraction, trailing_stop=fraction)
    for side in PositionSide:
        levels = levels_for(plan, side, price, instrument(tick))
        assert levels.stop_loss is not None
        assert levels.take_profit is not None
        asked = price * (1 - side.sign * fraction)
        assert 0 <= (levels.stop_loss - asked) * side.sign < tick
        asked = price * (1 + side.sign * fraction)
        assert 0 <= (levels.take_profit - asked) * side.sign < tick
        assert levels.stop_loss == levels.trailing_stop
        assert not levels.stop_loss % tick
        assert not levels.take_profit % tick


@given(distances=st.lists(st.integers(1, 500), min_size=3, max_size=3), move=st.integers(-600, 600))
def test_a_short_is_triggered_where_a_mirrored_long_is(distances: list[int], move: int) -> None:
    """M4.7: longs and shorts mirrored."""
    stop, target, trailing = distances

    def outcome(side: PositionSide) -> tuple[CloseReason, Decimal] | None:
        levels = ExitLevels(
            stop_loss=Decimal(1000 - side.sign * stop),
            take_profit=Decimal(1000 + side.sign * target),
            trailing_stop=Decimal(1000 - side.sign * trailing),
        )
        met = triggered(side, levels, Decimal(1000 + side.sign * move))
        return None if met is None else (met[0], (met[1] - 1000) * side.sign)

    assert outcome(LONG) == outcome(SHORT)
    if move <= -min(stop, trailing):
        reason = CloseReason.STOP_LOSS if stop <= trailing else CloseReason.TRAILING_STOP
        assert outcome(LONG) == (reason, Decimal(-min(stop, trailing)))
    elif move >= target:
        assert outcome(LONG) == (CloseReason.TAKE_PROFIT, Decimal(target))
    else:
        assert outcome(LONG) is None


@given(prices=st.lists(PRICES, min_size=2, max_size=20), fraction=FRACTIONS, tick=TICKS)
def test_a_trailing_stop_only_ever_tightens(
    prices: list[Decimal], fraction: Decimal, tick: Decimal
) -> None:
    """M4.7"""
    plan = ExitPlan(trailing_stop=fraction)
    for side in PositionSide:
        levels = levels_for(plan, side, prices[0], instrument(tick))
        for price in prices[1:]:
            before = levels.trailing_stop
            levels = with_trailing_stop(side, plan, levels, price, instrument(tick))
            assert before is not None
            assert levels.trailing_stop is not None
            assert (levels.trailing_stop - before) * side.sign >= 0


@pytest.mark.parametrize(("held", "over"), [(59, False), (60, True), (61, True)])
def test_the_holding_time_is_over_when_it_is_reached(held: int, over: bool) -> None:  # noqa: FBT001
    """M4.7: maximum holding time, in market time."""
    plan = ExitPlan(max_holding=timedelta(seconds=60))
    assert expired(plan, NOW, NOW + timedelta(seconds=held)) is over
    assert not expired(ExitPlan(), NOW, NOW + timedelta(days=9999))
