"""The JSON shapes of what acts on the daemon as a whole: halt, resume, reload, flatten."""

from typing import Literal

from pydantic import Field

from tradebotd.control.messages.positions import Trade
from tradebotd.control.messages.status import Halt, State
from tradebotd.control.wire import Message


class HaltRequest(Message):
    reason: str | None = None  # "by hand", or what it is already


class EntryGateState(Message):
    state: State
    halt: Halt | None


class Reloaded(Message):
    """Result of a reload; `changes`: lines like `bots[1].limits.max_daily_trades: 20 -> 10`."""

    changes: list[str]


class Left(Message):
    kind: Literal["position", "order", "venue", "step"]
    subject: str
    why: str


class Flattened(Message):
    """Result of a flatten: flat if `left` is empty; entries stay halted in either case.

    `trades`: trades of the positions in `closed`. `cancelled`: client ids of the resting entry and
    exit orders.
    """

    closed: list[str]
    cancelled: list[str]
    trades: list[Trade] = Field(default_factory=list)
    left: list[Left]
