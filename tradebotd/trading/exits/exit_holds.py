"""Reasons for a market exit to wait without a refusal: no retry pause grows by them."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from tradebotd.domain.decimals import ZERO
from tradebotd.domain.denial import DenialRule
from tradebotd.domain.errors import OrderDeniedError
from tradebotd.domain.filters import SymbolStatus
from tradebotd.domain.ids import PositionId
from tradebotd.domain.instrument import MarketSymbol, PositionType
from tradebotd.domain.position import CloseReason, Position
from tradebotd.ports.clock import Clock
from tradebotd.trading.execution.placement import Placement, Prepared
from tradebotd.trading.exits.backoff import Backoff, RetryTimers
from tradebotd.trading.exits.exit_intents import ExitIntent, RestingPair
from tradebotd.trading.exits.resting_stops import RestingStops
from tradebotd.trading.exits.unfilled_stops import UnfilledStops
from tradebotd.trading.prices.split_pauses import SPLIT, SplitPauses

GRACE: Final = timedelta(seconds=2)
PROBE_EVERY: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class _Met:
    """Resting order that a price has met: its target or its stop, and since when."""

    pair: RestingPair
    target: bool
    at: datetime
    passed_over: bool = False  # the grace is over, and the position is there

    def is_of(self, pair: RestingPair, *, target: bool) -> bool:
        """Return whether that order still rests as it was, and is the one met now."""
        ours, theirs = (
            (each.stop, each.target, each.working_price, each.types.stop)
            for each in (self.pair, pair)
        )
        return self.target is target and ours == theirs


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
        symbols: Mapping[str, MarketSymbol],
    ) -> None:
        self._unfilled = unfilled
        self._clock = clock
        self._pauses = pauses
        self._resting = resting
        self._placement = placement
        self._timers = timers
        self._symbols = symbols
        self._halted = Backoff()
        self._probes: dict[PositionId, datetime] = {}  # when an exit is sent in spite of a status
        self._grace = GRACE if clock.speed else timedelta()
        self._met: dict[PositionId, _Met] = {}
        resting.pairs.subscribe_to_losses(self._on_stop_lost)

    def _on_stop_lost(self, position_id: PositionId) -> None:
        """End the grace of a stop that is gone: nothing but our own exit ends its position now.

        The position is watched again from the next tick on. A pause after a refusal goes on.
        """
        met, now = self._met.pop(position_id, None), self._clock.now()
        if met is None:
            return
        if self._timers.held_until(position_id, now) == met.at + self._grace:
            self._timers.hold_until(position_id, now)

    def reason(self, exit_: ExitIntent) -> str | None:
        """Return why the exit must wait; None when it need not.

        Its symbol is paused or does not trade, a resting stop has just been met, or no order may
        leave.
        """
        position = exit_.position
        reason = self.not_trading(position)
        if reason is None:
            self._probes.pop(position.id, None)
        elif not self._may_probe(position):
            pause = self._halted.refused(position.id, reason)
            self._timers.hold_until(position.id, self._clock.now() + pause)
            return reason
        self._halted.forget(position.id)
        if position.symbol in self._pauses.paused:
            return SPLIT
        if self._rests_just_triggered(exit_):
            return "a stop rests at the venue"
        held_back = self._placement.held_back(position.venue)
        if held_back is None:
            return None
        self._timers.hold_until(position.id, self._clock.now() + held_back.pause)
        return held_back.reason

    def _may_probe(self, position: Position) -> bool:
        """Return whether the status is put to the test by this exit: it may have been told wrong.

        Only where nothing rests, which would make way for it.
        """
        now = self._clock.now()
        due_at = self._probes.setdefault(position.id, now + PROBE_EVERY)
        if now < due_at or self._resting.live(position.id) is not None:
            return False
        self._probes[position.id] = now + PROBE_EVERY
        return True

    def not_trading(self, position: Position) -> str | None:
        """Return why its venue takes no order of its symbol; None: it does, or has not told."""
        symbol = self._symbols.get(position.symbol)
        if symbol is None or symbol.instrument.status is SymbolStatus.TRADING:
            return None
        return f"{position.symbol} is {symbol.instrument.status} at {position.venue}"

    def has_stop(self, position_id: PositionId) -> bool:
        """Return whether a stop or a target of the position is known to rest."""
        return self._resting.live(position_id) is not None

    def check_trading(self, position: Position) -> None:
        """Raise OrderDeniedError where its venue takes no order of its symbol."""
        if (reason := self.not_trading(position)) is not None:
            raise OrderDeniedError(DenialRule.SYMBOL_NOT_TRADING, reason)

    def forget(self, position_id: PositionId) -> None:
        self._probes.pop(position_id, None)
        self._halted.forget(position_id)
        self._forget_touch(position_id)

    def _forget_touch(self, position_id: PositionId) -> None:
        self._met.pop(position_id, None)

    def on_price_turned(self, position_id: PositionId) -> None:
        """Give what rests its grace again, the next time that the price meets it.

        While the grace lasts it is kept, so that a price that wavers is answered no later.
        """
        met = self._met.get(position_id)
        if met is not None and self._clock.now() >= met.at + self._grace:
            self._forget_touch(position_id)

    @contextmanager
    def alarming(self, position: Position, prepared: Sequence[Prepared]) -> Iterator[None]:
        """Note a stop-limit that was passed over, if the exit that is made here finds it unfilled.

        The price may have met it without our having been told of its fill yet. Where no cap joins
        them, the exit is written once the stop is gone, for what it has left; else it is the venue
        that takes it for something left.
        """
        met = self._met.get(position.id)
        pair = met.pair if met is not None and met.passed_over else None
        taken = False
        try:
            yield
            taken = True
        finally:
            cancelled_first = position.position_type is PositionType.SPOT
            if pair is not None and pair.has_limit and prepared and (taken or cancelled_first):
                left = sum((each.order.intent.request.quantity for each in prepared), ZERO)
                self._unfilled.add(position, pair, left)

    def is_passed_over(self, position_id: PositionId) -> bool:
        """Return whether the price has met its resting stop, and that has not ended it."""
        met = self._met.get(position_id)
        return met is not None and met.passed_over

    def _rests_just_triggered(self, exit_: ExitIntent) -> bool:
        position = exit_.position
        resting = self._resting.live(position.id)
        if resting is None or not resting.covers(position, exit_):
            return False
        now, target = self._clock.now(), exit_.reason is CloseReason.TAKE_PROFIT
        met = self._met.get(position.id)
        if met is None or not met.is_of(resting, target=target):
            self._forget_touch(position.id)
            self._met[position.id] = _Met(resting, target, now)
            self._timers.hold_until(position.id, now + self._grace)
            return True
        if now < met.at + self._grace:
            return True
        if not target:
            self._met[position.id] = replace(met, pair=resting, passed_over=True)
        return False
