"""What a cycle does next, for each of the facts that it may have so far."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.trading import SYMBOL, ScriptedStrategy, spec
from tests.fakes.venue import SCRIPTED
from tradebotd.domain.bot_status import (
    CONFIGURATION_CHANGED,
    ENTRY_RESTING,
    MARKET_CLOSED,
    NO_FRESH_CANDLE,
    NO_SIGNAL,
    ORDER_PENDING,
    PAUSED_BY_USER,
    RUNNING,
    STOPPED,
    WARMING_UP,
    BotStatus,
    BotStatusKind,
    paused,
    waiting,
)
from tradebotd.domain.candle import Candle
from tradebotd.domain.exit_plan import ExitPlan
from tradebotd.domain.ids import BotName, PositionId
from tradebotd.domain.instrument import PositionType
from tradebotd.domain.position import Position
from tradebotd.domain.side import PositionSide
from tradebotd.domain.signal import Signal, SignalKind
from tradebotd.storage.bots import LeasedState
from tradebotd.trading.bots.next_action import (
    Action,
    CancelResting,
    Candles,
    CycleContext,
    Enter,
    Evaluate,
    Evaluated,
    Exit,
    ReadCandles,
    Record,
    Wait,
    Withdrawn,
    decided_before,
    next_action,
)

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
ROWS: Sequence[Candle] = (Candle(NOON, 1, 1, 1, 1, 1),)
READ = Candles(ROWS, enough=True, stale=False)
STATE = LeasedState(
    status=RUNNING,
    paused_by=None,
    day=None,
    daily_pnl=Decimal(0),
    daily_trades_count=0,
    position_id=None,
    position_symbol=None,
    order_pending=False,
    entry_resting=False,
)
FUTURES = spec(position_type=PositionType.FUTURES, allow_short=True)
BEGUN = CycleContext(
    spec=FUTURES, strategy=ScriptedStrategy(), state=STATE, limit=None, is_open=True, decided=None
)
HOLDING = replace(STATE, position_id=PositionId(1), position_symbol=SYMBOL)


def held(side: PositionSide) -> Position:
    return Position(
        id=PositionId(1),
        bot=BotName("b"),
        venue=SCRIPTED,
        symbol=SYMBOL,
        side=side,
        position_type=PositionType.FUTURES,
        quantity=Decimal(1),
        entry_price=Decimal(100),
        opened_at=NOON,
        stop_loss=None,
        take_profit=None,
        trailing_stop=None,
        best_price=Decimal(100),
        exits=ExitPlan(),
        version=1,
    )


def said(kind: SignalKind, side: PositionSide | None = None, **changes: object) -> CycleContext:
    """The strategy was asked, and *side* is held."""
    position = None if side is None else held(side)
    return replace(
        BEGUN,
        state=replace(HOLDING if side else STATE, **changes),  # type: ignore[arg-type]
        candles=READ,
        evaluated=Evaluated(Signal(kind=kind, reason="said so"), position),
    )


BUY, SELL, NONE = SignalKind.BUY, SignalKind.SELL, SignalKind.NONE
LONG, SHORT = PositionSide.LONG, PositionSide.SHORT


@pytest.mark.parametrize(
    ("context", "status"),
    [
        (replace(BEGUN, spec=replace(FUTURES, active=False)), STOPPED),
        (replace(BEGUN, state=replace(STATE, paused_by="user")), PAUSED_BY_USER),
        (replace(BEGUN, limit="max_daily_loss reached"), paused("max_daily_loss reached")),
        (
            replace(BEGUN, state=replace(HOLDING, position_symbol="ETHUSDT")),
            waiting("position of ETHUSDT open"),
        ),
        (replace(BEGUN, is_open=False), MARKET_CLOSED),
        (replace(BEGUN, candles=replace(READ, enough=False)), WARMING_UP),
        (replace(BEGUN, candles=replace(READ, stale=True)), NO_FRESH_CANDLE),
        (replace(BEGUN, candles=READ, decided=NOON), RUNNING),
        (said(BUY, order_pending=True), ORDER_PENDING),
    ],
)
def test_what_keeps_a_cycle_from_a_decision(context: CycleContext, status: BotStatus) -> None:
    """M4.2: each with its own reason."""
    assert next_action(context) == Wait(status)


@pytest.mark.parametrize(
    ("context", "kind"),
    [
        (BEGUN, ReadCandles),
        (replace(BEGUN, candles=READ), Evaluate),
        (replace(BEGUN, state=replace(HOLDING, paused_by="user")), ReadCandles),
        (said(BUY), Enter),
        (said(SELL), Enter),
        (said(NONE), Record),
        (said(BUY, LONG), Record),
        (said(SELL, LONG), Exit),
        (said(BUY, SHORT), Exit),
        (said(BUY, entry_resting=True), CancelResting),
        (said(NONE, entry_resting=True), Record),
        (said(NONE, order_pending=True), Record),
    ],
)
def test_what_follows_from_the_facts(context: CycleContext, kind: type[Action]) -> None:
    """M4.2."""
    assert isinstance(next_action(context), kind)


def test_a_pause_makes_no_entry_and_still_exits() -> None:
    """M4.9: what is held may be closed by a signal while its bot is paused."""
    entering = said(BUY, LONG, paused_by="user")
    ending = said(SELL, LONG, paused_by="user")
    flat = replace(said(BUY), limit="daily target reached", state=HOLDING)

    assert isinstance(next_action(entering), Record)
    assert isinstance(next_action(ending), Exit)
    record = next_action(flat)
    assert isinstance(record, Record)
    assert record.decision.reason == "paused; said so"


def test_a_configuration_that_changed_meanwhile_decides_in_the_next_cycle() -> None:
    context = said(BUY)
    assert context.evaluated is not None
    changed = replace(context, evaluated=replace(context.evaluated, is_current=False))

    assert next_action(changed) == Wait(CONFIGURATION_CHANGED)
    ends = said(SELL, LONG)
    assert ends.evaluated is not None
    after = replace(ends, evaluated=replace(ends.evaluated, is_current=False))
    assert isinstance(next_action(after), Exit)


def test_an_entry_that_rests_is_taken_back_before_anything_else() -> None:
    """M4.4a: one to the wanted side stays; what had filled by then is held, and decided about."""
    context = said(SELL, entry_resting=True)
    stays = replace(context, withdrawn=Withdrawn(failed=False, rests=True, position=None))
    gone = replace(context, withdrawn=Withdrawn(failed=False, rests=False, position=None))
    filled = replace(gone, withdrawn=Withdrawn(failed=False, rests=False, position=held(LONG)))
    failed = replace(context, withdrawn=Withdrawn(failed=True, rests=True, position=None))

    assert next_action(context) == CancelResting(unless=SHORT)
    assert next_action(failed) == Wait(ORDER_PENDING)
    record = next_action(stays)
    assert isinstance(record, Record)
    assert record.decision.status == ENTRY_RESTING
    entry = next_action(gone)
    assert isinstance(entry, Enter)
    assert entry.decision.reason == "its entry was taken back; said so"
    ending = next_action(filled)
    assert isinstance(ending, Exit)
    assert ending.position == held(LONG)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (RUNNING, RUNNING),
        (waiting("max_exposure"), waiting("max_exposure")),
        (MARKET_CLOSED, NO_SIGNAL),
        (NO_FRESH_CANDLE, NO_SIGNAL),
        (ORDER_PENDING, NO_SIGNAL),
        (ENTRY_RESTING, NO_SIGNAL),
        (paused("daily target reached"), NO_SIGNAL),
        (waiting("position of ETHUSDT open"), NO_SIGNAL),
        (waiting("market_closed"), NO_SIGNAL),
        (waiting("no fresh price"), NO_SIGNAL),
        (BotStatus(BotStatusKind.PENDING), NO_SIGNAL),
        (BotStatus(BotStatusKind.ORPHANED), NO_SIGNAL),
    ],
)
def test_of_a_candle_decided_before_the_status_is_what_was_decided(
    before: BotStatus, after: BotStatus
) -> None:
    """M4.2: what kept an earlier cycle from looking is over."""
    assert decided_before(replace(STATE, status=before)) == after


def test_a_pause_is_shown_whatever_the_cycle_came_to() -> None:
    """M4.9, and a closed market is said first."""
    limited = replace(BEGUN, limit="max_daily_loss reached", state=HOLDING)

    assert limited.status_of(RUNNING) == paused("max_daily_loss reached")
    assert limited.status_of(MARKET_CLOSED) == MARKET_CLOSED
    assert limited.paused_by == "limit"
    stopped = replace(limited, spec=replace(FUTURES, active=False))
    assert stopped.status_of(STOPPED) == STOPPED


@given(
    st.sampled_from(BotStatusKind),
    st.none()
    | st.text(st.characters(categories=["L", "Nd"], include_characters=" ()_"), min_size=1),
)
def test_a_status_is_read_back_as_it_is_shown(kind: BotStatusKind, detail: str | None) -> None:
    status = BotStatus(kind, detail)

    assert BotStatus.parse(str(status)) == status
