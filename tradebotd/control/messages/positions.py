"""The JSON shapes of parts: what is waited for, and how a position may end."""

from typing import Literal

from tradebotd.control.wire import Instant, Message, Money

StopKind = Literal["stop_loss", "trailing_stop", "break_even"]
ExitKind = Literal[
    "stop_loss", "trailing_stop", "break_even", "ladder", "take_profit", "max_holding"
]


class JobWait(Message):
    """A job that has not run well since the start, and when it is due; null: by hand only."""

    job: str
    next_run_at: Instant | None


class PositionExit(Message):
    """One way for a position to end. `rule`: as it was configured or set, in words.

    `distance_percent`: from the last price, of it; below zero where it is beyond. `share_percent`:
    of what was entered, of a step of a ladder. `in_force`: the stop, or the target, that is met
    first. `moves_stop_to`: of a break-even, which is earned at `price`. `left_s`: market time.
    """

    kind: ExitKind
    rule: str
    price: Money | None = None
    distance_percent: Money | None = None
    in_force: bool = False
    share_percent: Money | None = None
    moves_stop_to: Money | None = None
    earned: bool = False
    ends_at: Instant | None = None
    left_s: float | None = None
