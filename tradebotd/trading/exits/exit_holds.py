"""Reasons for a market exit to wait without a refusal: no retry pause grows by them."""

from datetime import datetime, timedelta

from tradebotd.domain.ids import PositionId
from tradebotd.domain.position import CloseReason
from tradebotd.ports.clock import Clock
from tradebotd.trading.execution.placement import Placement
from tradebotd.trading.exits.backoff import RetryTimers
from tradebotd.trading.exits.exit_intents import ExitIntent
from tradebotd.trading.exits.resting_stops import GRACE, RestingStops
from tradebotd.trading.exits.unfilled_stops import UnfilledStops
from tradebotd.trading.prices.split_pauses import SPLIT, SplitPauses


class ExitHolds:
    """Holds of market exits. *timers* are theirs: a hold of known length is waited out there."""

    def __init__(
        self,
        *,
        clock: Clock,
        pauses: SplitPauses,
        resting: RestingStops,
        placement: Placement,
        timers: RetryTimers,
        unfilled: UnfilledStops,
    ) -> None:
        self._unfilled = unfilled
        self._clock = clock
        self._pauses = pauses
        self._resting = resting
        self._placement = placement
        self._timers = timers
        self._grace = GRACE if clock.speed else timedelta()
        self._triggered_at: dict[PositionId, datetime] = {}  # when the price met a resting order

    def reason(self, exit_: ExitIntent) -> str | None:
        """Return why the exit must wait; None when it need not.

        Its symbol is paused, a resting stop has just been met, or no order may leave.
        """
        position = exit_.position
        if position.symbol in self._pauses.paused:
            return SPLIT
        if self._rests_just_triggered(exit_):
            return "a stop rests at the venue"
        held_back = self._placement.held_back(position.venue)
        if held_back is None:
            return None
        self._timers.hold_until(position.id, self._clock.now() + held_back.pause)
        return held_back.reason

    def passed_over(self, position_id: PositionId) -> str | None:
        """Return what to say of the position's stop-limit once its exit has been taken."""
        return self._unfilled.passed_over(position_id)

    def on_exit_taken(self, position_id: PositionId, passed_over: str | None) -> None:
        """Say that the stop-limit which was *passed_over* did not fill."""
        if passed_over is not None:
            self._unfilled.add(position_id, passed_over)

    def forget(self, position_id: PositionId) -> None:
        self._unfilled.forget(position_id)
        self._triggered_at.pop(position_id, None)

    def _rests_just_triggered(self, exit_: ExitIntent) -> bool:
        position = exit_.position
        resting = self._resting.live(position.id)
        if resting is None or not resting.covers(position, exit_):
            return False
        now = self._clock.now()
        since = self._triggered_at.get(position.id)
        if since is not None and now >= since + self._grace:
            if exit_.reason is not CloseReason.TAKE_PROFIT:
                self._unfilled.pass_over(position, resting)
            return False
        if since is None:
            self._triggered_at[position.id] = now
            self._timers.hold_until(position.id, now + self._grace)
        return True
