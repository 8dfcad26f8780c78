"""The trigger book against a naive model that looks at every position on every tick."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from itertools import count

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tradebotd.domain.exit_plan import BreakEven, ExitPlan
from tradebotd.domain.ids import BotName, PositionId, VenueName
from tradebotd.domain.instrument import PositionType
from tradebotd.domain.position import Position
from tradebotd.domain.side import PositionSide
from tradebotd.risk.exit_levels import ExitLevels, more_favourable, triggered
from tradebotd.risk.trigger_book import TriggerBook
from tradebotd.risk.triggers import MovedStop, Trigger

TICK = Decimal("0.1")
LONG, SHORT = PositionSide.LONG, PositionSide.SHORT


def position(
    number: int = 1,
    side: PositionSide = LONG,
    *,
    entry: str = "100",
    stop: str | None = None,
    target: str | None = None,
    trail: str | None = None,
    trailing_stop: str | None = None,
) -> Position:
    return Position(
        id=PositionId(number),
        bot=BotName(f"bot-{number}"),
        venue=VenueName("paper"),
        symbol="S",
        side=side,
        position_type=PositionType.FUTURES,
        quantity=Decimal(1),
        entry_price=Decimal(entry),
        opened_at=datetime(2022, 3, 1, tzinfo=UTC),
        stop_loss=None if stop is None else Decimal(stop),
        take_profit=None if target is None else Decimal(target),
        trailing_stop=None if trailing_stop is None else Decimal(trailing_stop),
        best_price=Decimal(entry),
        exits=ExitPlan(trailing_stop=None if trail is None else Decimal(trail)),
        version=1,
    )


def ticks(book: TriggerBook, *prices: str) -> list[tuple[int, str, Decimal]]:
    met = [each for price in prices for each in book.tick("S", Decimal(price))]
    return [(each.position_id, str(each.reason), each.level) for each in met]


def test_a_tick_between_the_levels_is_quiet_and_one_on_a_level_is_not() -> None:
    """M4.7"""
    book = TriggerBook()
    book.add(position(stop="99", target="101"), TICK)

    assert ticks(book, "100", "99.1", "100.9") == []
    assert ticks(book, "99") == [(1, "stop_loss", Decimal(99))]


def test_a_short_is_the_mirror_of_a_long() -> None:
    """M4.7: longs and shorts mirrored."""
    book = TriggerBook()
    book.add(position(1, SHORT, stop="101", target="99"), TICK)
    book.add(position(2, SHORT, trail="0.01"), TICK)

    assert ticks(book, "99.5", "99.1", "100.2") == [(2, "trailing_stop", Decimal("100.0"))]
    assert ticks(book, "101") == [(1, "stop_loss", Decimal(101))]


def test_a_trailing_stop_follows_the_best_price_and_never_widens() -> None:
    """M4.7: from the best price since entry; it only ever tightens."""
    book = TriggerBook()
    book.add(position(trail="0.01"), TICK)

    assert ticks(book, "110", "109.5") == []
    assert book.best_price(PositionId(1)) == 110
    assert book.trailing_stop(PositionId(1)) == Decimal("108.9")
    assert ticks(book, "108.9") == [(1, "trailing_stop", Decimal("108.9"))]


def test_a_stored_stop_that_is_tighter_than_the_best_price_gives_is_kept() -> None:
    """M4.7: a restart changes nothing, it only ever tightens."""
    book = TriggerBook()
    book.add(position(trail="0.05", trailing_stop="99"), TICK)

    assert book.trailing_stop(PositionId(1)) == 99
    assert ticks(book, "98.9") == [(1, "trailing_stop", Decimal(99))]


def test_the_level_that_was_met_first_names_the_reason() -> None:
    """M4.7: of several levels the one nearest to where the price came from."""
    book = TriggerBook()
    book.add(position(1, stop="98", trail="0.01"), TICK)
    book.add(position(2, stop="99.5", trail="0.01"), TICK)

    assert ticks(book, "90") == [
        (2, "stop_loss", Decimal("99.5")),
        (1, "trailing_stop", Decimal(99)),
    ]


def test_a_price_that_betters_the_best_may_still_meet_a_stop_above_it() -> None:
    """M4.7: after a gap, with a stop that stands above the price."""
    book = TriggerBook()
    book.add(position(1, entry="90", trail="0.01"), TICK)
    book.add(position(2, entry="100", stop="95"), TICK)

    assert ticks(book, "91") == [(2, "stop_loss", Decimal(95))]


def test_a_triggered_position_is_silent_until_it_is_released() -> None:
    """M4.7: a position whose exit is on its way is not closed twice."""
    book = TriggerBook()
    book.add(position(stop="99"), TICK)
    assert len(ticks(book, "98")) == 1

    assert ticks(book, "97", "100", "98") == []
    book.update(position(stop="99.5"))
    assert ticks(book, "97") == []
    book.release(PositionId(1))
    assert ticks(book, "97") == [(1, "stop_loss", Decimal("99.5"))]


def test_only_moved_best_prices_are_given_out_to_persist_and_once() -> None:
    """M4.7: stored with the position."""
    book = TriggerBook()
    book.add(position(1, trail="0.01"), TICK)
    book.add(position(2, entry="120", trail="0.01"), TICK)
    ticks(book, "110")

    moved = list(book.moved_since_last_persist())
    assert [(each.position_id, each.best_price, each.trailing_stop) for each in moved] == [
        (1, Decimal(110), Decimal("108.9"))
    ]
    assert list(book.moved_since_last_persist()) == []


def test_removing_leaves_nothing_behind() -> None:
    book = TriggerBook()
    book.add(position(stop="99", trail="0.01"), TICK)
    book.remove(PositionId(1))
    book.remove(PositionId(1))

    assert len(book) == 0
    assert ticks(book, "1") == []


@pytest.mark.parametrize("name", ["release", "best_price"])
def test_an_unknown_position_is_a_key_error(name: str) -> None:
    with pytest.raises(KeyError):
        getattr(TriggerBook(), name)(PositionId(9))


def test_a_stop_moves_to_break_even_once_the_price_has_earned_it_and_is_told() -> None:
    """M4.7: silently, on the tick; it counts from the next one, and is given out to be stored."""
    book = TriggerBook()
    plan = ExitPlan(break_even=BreakEven(at=Decimal("0.02"), lock=Decimal("0.001")))
    book.add(replace(position(stop="95"), exits=plan), TICK)

    assert ticks(book, "101.9", "100") == []
    assert [each.stop_loss for each in book.moved_since_last_persist()] == [Decimal(95)]
    assert ticks(book, "102", "100.2") == []
    assert list(book.moved_since_last_persist()) == [
        MovedStop(PositionId(1), Decimal(102), Decimal("100.1"), None)
    ]
    assert ticks(book, "100.1") == [(1, "stop_loss", Decimal("100.1"))]


def test_a_plan_that_gains_a_break_even_has_not_earned_it_yet() -> None:
    """M4.7: that the former plan trailed does not count for the new one's break-even."""
    book = TriggerBook()
    book.add(position(stop="90", trail="0.2"), TICK)
    plan = ExitPlan(trailing_stop=Decimal("0.2"), break_even=BreakEven(at=Decimal("0.02")))
    book.update(replace(position(stop="90"), exits=plan))

    assert ticks(book, "99", "102", "100") == [(1, "stop_loss", Decimal(100))]


def test_a_range_is_followed_beside_fractions() -> None:
    """M4.7: two average true ranges behind the best price, whatever others follow by."""
    book = TriggerBook()
    plan = ExitPlan(trailing_stop_atr=Decimal(2), atr=Decimal("1.5"))
    book.add(replace(position(1), exits=plan), TICK)
    book.add(position(2, trail="0.02"), TICK)
    book.add(replace(position(3, SHORT), exits=plan), TICK)

    assert ticks(book, "200", "197", "196") == [
        (3, "trailing_stop", Decimal(103)),
        (1, "trailing_stop", Decimal(197)),
        (2, "trailing_stop", Decimal(196)),
    ]


def test_of_a_fraction_and_a_range_the_tighter_ends_first_whichever_it_is() -> None:
    """M4.7: two followers of one best price; near 100, 1 % is nearer than a range of 3."""
    book = TriggerBook()
    plan = ExitPlan(trailing_stop_atr=Decimal(2), atr=Decimal("1.5"))
    book.add(replace(position(1), exits=plan), TICK)
    book.add(position(2, trail="0.01"), TICK)

    assert ticks(book, "101", "100.5", "99.9") == [(2, "trailing_stop", Decimal("100.0"))]
    assert ticks(book, "98") == [(1, "trailing_stop", Decimal(98))]


def test_a_stop_that_broke_even_does_so_again_at_a_new_average() -> None:
    """M4.7: a later fill brings wide levels and another entry price; what was earned is kept."""
    book = TriggerBook()
    plan = ExitPlan(break_even=BreakEven(at=Decimal("0.02")))
    book.add(replace(position(stop="95"), exits=plan), TICK)
    assert ticks(book, "102") == []
    book.update(replace(position(entry="101", stop="96"), exits=plan))

    assert ticks(book, "101.1") == []
    assert ticks(book, "101") == [(1, "stop_loss", Decimal(101))]


@dataclass
class Watched:
    """The naive model of one position: every tick looks at everything."""

    position: Position
    best: Decimal
    persisted: Decimal
    latched: bool = False
    secured: bool = False
    unsaved: bool = False

    @property
    def plan(self) -> ExitPlan:
        return self.position.exits

    @property
    def trails(self) -> bool:
        return self.plan.trailing_stop is not None or self.plan.trailing_stop_atr is not None

    @property
    def follows(self) -> bool:
        return self.trails or (self.plan.break_even is not None and not self.secured)

    def secure(self) -> None:
        """Break even where the best price has earned it; it only tightens."""
        if self.plan.break_even is None:
            return
        sign, entry = self.position.side.sign, self.position.entry_price
        at = on_tick(self.position.side, entry * (1 + sign * self.plan.break_even.at))
        if not self.secured and (self.best - at) * sign < 0:
            return
        self.secured = True
        stop = on_tick(self.position.side, entry * (1 + sign * self.plan.break_even.lock))
        former = self.position.stop_loss
        if former is None or (stop - former) * sign > 0:
            self.position = replace(self.position, stop_loss=stop)
            self.unsaved = True

    def trailing_stop(self) -> Decimal | None:
        stored = self.position.trailing_stop
        if not self.trails:
            return stored
        sign = self.position.side.sign
        if self.plan.trailing_stop is not None:
            raw = self.best * (1 - sign * self.plan.trailing_stop)
        else:
            assert self.plan.trailing_stop_atr is not None
            assert self.plan.atr is not None
            raw = self.best - sign * self.plan.trailing_stop_atr * self.plan.atr
        level = on_tick(self.position.side, raw)
        return level if stored is None else more_favourable(self.position.side, level, stored)

    def tick(self, price: Decimal) -> Trigger | None:
        if self.latched:
            return None
        side, stop = self.position.side, self.position.trailing_stop
        if self.follows:
            self.best = more_favourable(side, self.best, price)
        if self.trails and self.best != price:
            stop = self.trailing_stop()  # a price that is the best has not come back to its stop
        levels = ExitLevels(
            stop_loss=self.position.stop_loss,
            take_profit=self.position.take_profit,
            trailing_stop=stop,
        )
        if not self.secured:
            self.secure()  # it counts from the next tick on
        met = triggered(side, levels, price)
        if met is None:
            return None
        self.latched = True
        return Trigger(self.position.id, met[0], met[1])


def on_tick(side: PositionSide, raw: Decimal) -> Decimal:
    """Up for longs, down for shorts."""
    rounding = ROUND_CEILING if side is LONG else ROUND_FLOOR
    return (raw / TICK).to_integral_value(rounding) * TICK


PRICES = st.integers(900, 1100).map(lambda tenths: Decimal(tenths) / 10)
DISTANCES = st.one_of(st.none(), st.integers(0, 60).map(lambda tenths: Decimal(tenths) / 10))
FRACTIONS = st.sampled_from(["0.0005", "0.01", "0.013", "0.03"]).map(Decimal)
BREAK_EVENS = st.one_of(
    st.none(),
    st.builds(
        BreakEven,
        at=st.sampled_from(["0.002", "0.01", "0.02"]).map(Decimal),
        lock=st.sampled_from(["0", "0.0005", "0.002"]).map(Decimal),
    ),
)


@st.composite
def plans(draw: st.DrawFn) -> ExitPlan:
    trailing = draw(st.sampled_from(["none", "fraction", "range"]))
    return ExitPlan(
        trailing_stop=draw(FRACTIONS) if trailing == "fraction" else None,
        trailing_stop_atr=draw(st.sampled_from(["0.5", "2"]).map(Decimal))
        if trailing == "range"
        else None,
        atr=draw(st.sampled_from(["0.33", "1"]).map(Decimal)),
        break_even=draw(BREAK_EVENS),
    )


@st.composite
def positions(draw: st.DrawFn, number: int) -> Position:
    entry, side = draw(PRICES), draw(st.sampled_from(PositionSide))
    stop, target, stored = draw(DISTANCES), draw(DISTANCES), draw(DISTANCES)
    sign = side.sign
    return Position(
        id=PositionId(number),
        bot=BotName("bot"),
        venue=VenueName("paper"),
        symbol="S",
        side=side,
        position_type=PositionType.FUTURES,
        quantity=Decimal(1),
        entry_price=entry,
        opened_at=datetime(2022, 3, 1, tzinfo=UTC),
        stop_loss=None if stop is None else entry - sign * stop,
        take_profit=None if target is None else entry + sign * (target + TICK),
        trailing_stop=None if stored is None else entry - sign * stored,
        best_price=entry + sign * draw(st.sampled_from([Decimal(0), Decimal(1)])),
        exits=draw(plans()),
        version=1,
    )


class BookMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.book = TriggerBook()
        self.model: dict[PositionId, Watched] = {}
        self.numbers = count(1)

    @rule(data=st.data(), how_many=st.integers(1, 4))
    def add(self, data: st.DataObject, how_many: int) -> None:
        for _ in range(how_many):
            added = data.draw(positions(next(self.numbers)))
            self.book.add(added, TICK)
            self.watch(Watched(added, added.best_price, added.best_price))

    def watch(self, watched: Watched) -> None:
        watched.secure()
        self.model[watched.position.id] = watched

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def update(self, data: st.DataObject) -> None:
        """As after a later fill: another average, other levels."""
        known = self.model[data.draw(st.sampled_from(sorted(self.model)))]
        renewed = data.draw(positions(known.position.id))
        if renewed.side is not known.position.side:
            return
        self.renew(known, renewed)

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def climb(self, data: st.DataObject) -> None:
        """As after a step of a ladder: only the target in force moves on, or there is none left."""
        known = self.model[data.draw(st.sampled_from(sorted(self.model)))]
        sign, target = known.position.side.sign, known.position.take_profit
        if target is None:
            return
        further = data.draw(DISTANCES)
        target = None if further is None else target + sign * (further + TICK)
        self.renew(
            known,
            replace(known.position, take_profit=target, ladder_done=known.position.ladder_done + 1),
        )

    def renew(self, known: Watched, renewed: Position) -> None:
        self.book.update(renewed)
        self.watch(
            replace(
                known,
                position=renewed,
                best=more_favourable(renewed.side, known.best, renewed.best_price),
                secured=known.secured and renewed.exits.break_even is not None,
            )
        )

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        chosen = data.draw(st.sampled_from(sorted(self.model)))
        self.book.remove(chosen)
        del self.model[chosen]

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        chosen = data.draw(st.sampled_from(sorted(self.model)))
        self.book.release(chosen)
        self.model[chosen].latched = False

    @rule(prices=st.lists(PRICES, min_size=1, max_size=8))
    def tick(self, prices: list[Decimal]) -> None:
        for price in prices:
            met = self.book.tick("S", price)
            expected = [each.tick(price) for each in self.model.values()]
            assert {each.position_id: each for each in met} == {
                each.position_id: each for each in expected if each is not None
            }
            assert len({each.position_id for each in met}) == len(met)

    @rule()
    def persist(self) -> None:
        moved = {each.position_id: each for each in self.book.moved_since_last_persist()}
        expected = {}
        for number, watched in self.model.items():
            moves = watched.trails or watched.plan.break_even is not None
            if moves and (watched.best != watched.persisted or watched.unsaved):
                stop, trailing = watched.position.stop_loss, watched.trailing_stop()
                expected[number] = MovedStop(number, watched.best, stop, trailing)
                watched.persisted, watched.unsaved = watched.best, False
        assert moved == expected

    @invariant()
    def best_prices_and_stops_agree(self) -> None:
        for number, watched in self.model.items():
            assert self.book.best_price(number) == watched.best
            assert self.book.trailing_stop(number) == watched.trailing_stop()
            assert self.book.latched(number) == watched.latched


# What fails is told as it was found: making it smaller took five minutes. Add `Phase.shrink` for that.
BookMachine.TestCase.settings = settings(
    max_examples=100,
    stateful_step_count=30,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
)
TestBookAgainstTheNaiveModel = BookMachine.TestCase
