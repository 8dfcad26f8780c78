"""Rejections of exits beside a stop: which of them are no refusals, and for how long."""

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from tests.fakes.clock import FakeClock
from tests.fakes.resting import traits
from tests.fakes.trading import NOON, SYMBOL, market_symbol
from tests.fakes.venue import SCRIPTED, ScriptedVenue
from tradebotd.domain.denial import DenialRule
from tradebotd.domain.exit_plan import ExitPlan
from tradebotd.domain.ids import BotName, PositionId
from tradebotd.domain.instrument import PositionType
from tradebotd.domain.position import Position
from tradebotd.domain.side import PositionSide
from tradebotd.market.price_cache import PriceCache
from tradebotd.ports.venue import Replacement
from tradebotd.trading.exits.backoff import Backoff
from tradebotd.trading.exits.overtaken_exits import AWAITED, REPORTED_WITHIN, OvertakenExits

ONE = PositionId(1)
REJECTED, LOST = "reduce only rejected", "database is away"
POSITION = Position(
    id=ONE,
    bot=BotName("one"),
    venue=SCRIPTED,
    symbol=SYMBOL,
    side=PositionSide.LONG,
    position_type=PositionType.FUTURES,
    quantity=Decimal(1),
    entry_price=Decimal(100),
    opened_at=NOON,
    stop_loss=Decimal(95),
    take_profit=None,
    trailing_stop=None,
    best_price=Decimal(100),
    exits=ExitPlan(),
    version=1,
)


class Forgotten:
    """A listener; `positions`: those that it was told to forget."""

    def __init__(self) -> None:
        self.positions: list[PositionId] = []

    def watch(self, position: Position) -> None: ...

    def forget(self, position_id: PositionId) -> None:
        self.positions.append(position_id)

    def release(self, position_id: PositionId, at: datetime | None = None) -> None: ...


class Stage:
    """Attempts of exits of POSITION. `rests`: its stop does; `is_held`: it is not closed."""

    def __init__(self, replacement: Replacement = Replacement.OVERLAP) -> None:
        self.clock, self.backoff, self.listener = FakeClock(NOON), Backoff(), Forgotten()
        self.rests = self.is_held = True
        venue = ScriptedVenue(
            self.clock, PriceCache(Decimal(100), {}), {SYMBOL: market_symbol(SYMBOL).instrument}, {}
        )
        venue.traits = traits(replacement)
        self.overtaken = OvertakenExits(
            clock=self.clock,
            venues={SCRIPTED: venue},
            backoff=self.backoff,
            current=lambda _: POSITION if self.is_held else None,
            listeners=self.listener,
            rests=lambda _: self.rests,
        )

    def attempt(
        self, reason: str = REJECTED, *, rejected: bool = True, position: Position = POSITION
    ) -> tuple[dict[str, str], dict[str, str]]:
        """Return what has failed and what waits after an attempt that is refused."""
        failed: dict[str, str] = {"1": reason}
        waiting: dict[str, str] = {}
        self.overtaken.begin(position)
        self.overtaken.refused(ONE, reason, rejected=rejected)
        self.overtaken.take_back(ONE, failed, waiting)
        return failed, waiting


@pytest.fixture
def stage() -> Stage:
    return Stage()


def test_a_rejection_beside_a_stop_is_told_after_a_moment_though_nothing_more_is_tried(
    stage: Stage,
) -> None:
    """M4.7, M5.6: the stop's fill is told within that time, or it was none."""
    assert stage.attempt() == ({}, {"1": AWAITED})
    assert stage.overtaken.refusals() == {}
    stage.clock.advance(REPORTED_WITHIN)
    assert stage.overtaken.refusals() == {"position 1": REJECTED}


def test_a_denial_after_a_rejection_takes_nothing_back(stage: Stage) -> None:
    """M5.6: it was rejected without a stop beside it; the next attempt, beside one, is denied."""
    stage.rests = False
    assert stage.attempt() == ({"1": REJECTED}, {})

    stage.rests = True
    failed, waiting = dict[str, str](), {"1": str(DenialRule.EXIT_RETIRING)}
    stage.overtaken.begin(POSITION)
    stage.overtaken.take_back(ONE, failed, waiting)

    assert (failed, waiting) == ({}, {"1": DenialRule.EXIT_RETIRING})
    assert stage.overtaken.refusals() == {"position 1": REJECTED}


def test_what_fails_otherwise_after_a_rejection_stays_a_failure(stage: Stage) -> None:
    """M5.6: the database is away, or another daemon has the account; neither counts a refusal."""
    stage.attempt()
    failed: dict[str, str] = {"1": LOST}
    waiting: dict[str, str] = {}
    stage.overtaken.begin(POSITION)
    stage.overtaken.take_back(ONE, failed, waiting)
    assert (failed, waiting) == ({"1": LOST}, {})


def test_a_later_rejection_does_not_begin_the_silence_anew(stage: Stage) -> None:
    """M5.6: nor does one beside a stop take back what has been told already."""
    stage.attempt()
    stage.clock.advance(REPORTED_WITHIN)
    assert stage.attempt() == ({"1": REJECTED}, {})
    assert stage.overtaken.refusals() == {"position 1": REJECTED}


def test_a_refusal_of_another_kind_is_told_at_once(stage: Stage) -> None:
    stage.attempt()
    stage.clock.advance(timedelta(seconds=1))
    assert stage.attempt("connection refused", rejected=False)[1] == {}
    assert stage.overtaken.refusals() == {"position 1": "connection refused"}


@pytest.mark.parametrize(
    ("replacement", "kind"),
    [
        (Replacement.OVERLAP, PositionType.SPOT),
        (Replacement.CANCEL_FIRST, PositionType.FUTURES),
        (Replacement.PROMISED, PositionType.SPOT),
    ],
)
def test_a_rejection_after_the_stop_was_cancelled_is_told_at_once(
    replacement: Replacement, kind: PositionType
) -> None:
    """M5.6: an exit that makes its stop go first knows that the stop is gone."""
    stage = Stage(replacement)
    failed, waiting = stage.attempt(position=replace(POSITION, position_type=kind))
    assert (failed, waiting) == ({"1": REJECTED}, {})
    assert stage.overtaken.refusals() == {"position 1": REJECTED}


def test_a_position_that_is_closed_by_then_is_no_refusal(stage: Stage) -> None:
    """M4.7"""
    stage.is_held = False
    assert stage.attempt() == ({}, {"1": DenialRule.POSITION_CLOSED})
    assert stage.listener.positions == [ONE]
