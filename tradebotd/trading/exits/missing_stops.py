"""Stops that should rest and do not: why, until when nobody tries again, and their alert."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Final

from tradebotd.domain.alert_code import AlertCode
from tradebotd.domain.denial import DenialRule
from tradebotd.domain.errors import OrderDeniedError
from tradebotd.domain.ids import PositionId
from tradebotd.domain.position import CloseReason
from tradebotd.ports.clock import Clock
from tradebotd.storage.exit_groups import ExitGroup, GroupKind, Groups
from tradebotd.storage.postgres.database import Database
from tradebotd.trading.condition_alerts import ConditionAlerts, subject
from tradebotd.trading.execution.lease import HeldBack
from tradebotd.trading.exits.backoff import Backoff, RetryTimers
from tradebotd.trading.exits.exit_intents import ExitIntent, RestingPair
from tradebotd.trading.exits.resting_capability import GUARDS_ALONE
from tradebotd.trading.exits.resting_groups import any_rests, unknown
from tradebotd.trading.exits.resting_room import NO_ROOM
from tradebotd.trading.exits.shortfalls import Shortfalls

NOT_THERE: Final = "the stop that rested at the venue was not there any more"
FIRST: Final = timedelta(milliseconds=100)  # nothing rests meanwhile
SIBLING: Final = timedelta(milliseconds=100)  # between the events of two orders that are linked
RESTED: Final = timedelta(seconds=5)  # a stop that is gone sooner was as good as refused
TOLD_FOR: Final = timedelta(minutes=1)  # after such a one; longer than the longest pause
LEAST_PAUSE: Final = 0.01  # seconds, however the clock goes
IN_DOUBT: Final = frozenset({DenialRule.EXIT_UNKNOWN, DenialRule.EXIT_RETIRING})


class MissingStops:
    """Reasons by position. `failing`: of the last attempt; `lost`: alerted until a stop rests.

    *on_pause* is called when a pause begins that ends before all others. *shortfalls*: of stops
    that rest for less than is held, which is alerted, too.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        on_pause: Callable[[], None] | None = None,
        shortfalls: Shortfalls | None = None,
    ) -> None:
        self._clock = clock
        self._shortfalls = shortfalls
        self.lost: dict[PositionId, str] = {}
        self._unreported: dict[PositionId, str] = {}  # lost, and maybe there again
        self._kept: dict[PositionId, tuple[str, datetime]] = {}  # alerted until then at least
        self._accepted: dict[PositionId, datetime] = {}  # since when, without refusal or loss
        self.failing: dict[str, str] = {}
        self.timers = RetryTimers(on_pause)
        self.backoff = Backoff(FIRST)
        self._denied: set[PositionId] = set()  # by what is under way here: it may be over at once
        self._settled: set[PositionId] = set()  # an order has, since its check began
        self._waited: set[PositionId] = set()  # for the other one, since an order was settled
        self._alerts = ConditionAlerts(database, clock, AlertCode.RESTING_STOP_LOST, "warning")

    def forget(self, position_id: PositionId) -> None:
        self.lost.pop(position_id, None)
        self.failing.pop(str(position_id), None)
        self.timers.forget(position_id)
        self.backoff.forget(position_id)
        self._kept.pop(position_id, None)
        self._accepted.pop(position_id, None)
        self._denied.discard(position_id)
        self._settled.discard(position_id)
        self._waited.discard(position_id)

    def begin(self, position_id: PositionId) -> None:
        """Note that a check of the position begins to read."""
        self.failing.pop(str(position_id), None)
        self._settled.discard(position_id)

    def looks_again(self, position_id: PositionId, groups: Groups, *, attended: bool) -> bool:
        """Take in what was read of the position; return whether to read again in a moment.

        Orders that are linked end together, and are told of one after the other: to cancel one that
        is over already would take as long as to place the next stop.
        """
        if any_rests(groups):
            self.lost.pop(position_id, None)
        if not attended or position_id in self._waited or not _is_half_over(groups.active):
            return False
        self._waited.add(position_id)
        self._denied.add(position_id)
        self.timers.hold_until(position_id, self._clock.now() + SIBLING)
        return True

    def order_settled(self, position_id: PositionId) -> None:
        """End the pause after a denial: what stood in the way may be gone.

        Not after a refusal: an order that was refused is settled, too.
        """
        self._settled.add(position_id)
        self._waited.discard(position_id)
        if position_id in self._denied:
            self._denied.discard(position_id)
            self.timers.forget(position_id)

    def seconds_to_retry(self) -> float | None:
        """Return for how many seconds nobody need try again; None: nothing waits for its time."""
        if self.timers.next is None:
            return None
        left = (self.timers.next - self._clock.now()).total_seconds()
        return max(LEAST_PAUSE, left / (self._clock.speed or 1.0))

    def pauses_over(self) -> list[PositionId]:
        """Return the positions whose pause is over; each once."""
        return list(self.timers.take_over_due(self._clock.now()))

    def lose(self, position_id: PositionId, reason: str) -> None:
        """Note a stop that is gone: it is alerted, however soon the next one rests."""
        self.lost[position_id] = self._unreported[position_id] = reason

    def gone(self, position_id: PositionId, met: ExitIntent | None, wanted: RestingPair) -> bool:
        """Note a stop that is gone; return whether a price has *met* what ends its position.

        One whose twin at the target has been met is gone with it, and is told of sooner: no loss.
        """
        reached = met is not None and met.reason is CloseReason.TAKE_PROFIT
        if not reached or wanted.target is None:
            self.lose(position_id, NOT_THERE)
        return met is not None

    def guards_alone(self, position_id: PositionId) -> bool:
        """Return whether no stop can rest, for a reason that is no refusal: the daemon guards."""
        return self.lost.get(position_id, "").startswith(GUARDS_ALONE)

    def accepted(self, position_id: PositionId) -> None:
        """Note that the venue has taken a stop; the refusals before count until it has RESTED."""
        self.backoff.accepted(position_id)
        if self._shortfalls is not None:
            self._shortfalls.on_stop_accepted(position_id)
        self._accepted.setdefault(position_id, self._clock.now())

    def gone_at_once(self, position_id: PositionId) -> bool:
        """Return whether the stop that is gone was as good as refused; then begin a pause.

        One that is replaced as often as the venue takes it and ends it would never come to an end.
        """
        if self._has_rested(position_id):
            self._accepted.pop(position_id, None)
            self.backoff.forget(position_id)
            return False
        if self._accepted.pop(position_id, None) is None:
            return False  # placed by another process, or refused beside it: that has waited
        self.wait(position_id, NOT_THERE)
        times = self.backoff.count(position_id)
        reason = f"{NOT_THERE}, at once after it was placed; failures in a row: {times}"
        self.failing[str(position_id)] = reason
        self.lose(position_id, reason)
        self._kept[position_id] = reason, self._clock.now() + TOLD_FOR
        return True

    def is_held_back(self, position_id: PositionId, held_back: HeldBack | None) -> bool:
        """Return whether no order may leave; then wait until one may, which is no refusal."""
        if held_back is not None:
            self.timers.hold_until(position_id, self._clock.now() + held_back.pause)
        return held_back is not None

    def _has_rested(self, position_id: PositionId) -> bool:
        since = self._accepted.get(position_id)
        return since is not None and self._clock.now() - since >= RESTED

    def wait(self, position_id: PositionId, reason: str) -> None:
        """Begin a pause, a longer one for each refusal since a stop has RESTED."""
        self._denied.discard(position_id)
        if self._has_rested(position_id):
            self.backoff.forget(position_id)
        self._accepted.pop(position_id, None)
        pause = self.backoff.refused(position_id, reason)
        self.timers.hold_until(position_id, self._clock.now() + pause)

    def refused(self, position_id: PositionId, reason: str) -> None:
        self.failing[str(position_id)] = reason
        self.lose(position_id, reason)
        self.wait(position_id, reason)

    def denied(self, position_id: PositionId, groups: Groups, denied: OrderDeniedError) -> None:
        """Wait after a denial; a stop that may or may not rest is none to count on.

        This holds in this process and in the next.
        """
        if denied.rule in IN_DOUBT and unknown(groups):
            self.lost[position_id] = f"nobody knows whether a stop rests: {denied.detail}"
        if denied.rule is DenialRule.STOP_LIMIT_OUTSIDE:
            self.lost[position_id] = f"no stop can rest as it should: {denied.detail}"
        if denied.rule in NO_ROOM and not any_rests(groups):
            self.lost[position_id] = f"{GUARDS_ALONE}: {denied.rule}, {denied.detail}"
        if position_id in self._settled:
            return  # what was read is of before that: the next check sees it
        self.wait(position_id, denied.rule)
        self._denied.add(position_id)

    async def update_alerts(self) -> None:
        """Alert what is lost, and clear what is not any more. Raises DatabaseUnavailableError."""
        now, unreported = self._clock.now(), dict(self._unreported)
        self._kept = {one: kept for one, kept in self._kept.items() if kept[1] > now}
        if unreported:
            await self._alerts.update(_by_subject(unreported | self._conditions()))
            for position_id, reason in unreported.items():
                if self._unreported.get(position_id) is reason:
                    del self._unreported[position_id]
        await self._alerts.update(_by_subject(self._conditions()))

    def _conditions(self) -> dict[PositionId, str]:
        """Return what is lost, or was a moment ago and may be so again; and what rests for less."""
        kept = {one: reason for one, (reason, _) in self._kept.items()}
        bounded = {} if self._shortfalls is None else self._shortfalls.reasons()
        return bounded | kept | self.lost


def _is_half_over(group: ExitGroup | None) -> bool:
    """Return whether some of what rested is over, and some of it not as far as we know."""
    if group is None or group.kind is not GroupKind.RESTING:
        return False
    return 0 < len(group.unsettled) < len(group.orders)


def _by_subject(reasons: Mapping[PositionId, str]) -> dict[str, str]:
    return {subject(position_id): reason for position_id, reason in reasons.items()}
