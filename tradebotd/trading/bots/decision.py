"""Decision that follows from a signal, given the bot's position and permissions. Pure."""

from dataclasses import dataclass
from typing import Literal

from tradebotd.domain.bot import BotSpec
from tradebotd.domain.bot_status import ENTRY_RESTING, NO_SIGNAL, RUNNING, BotStatus
from tradebotd.domain.instrument import PositionType
from tradebotd.domain.side import PositionSide
from tradebotd.domain.signal import Signal, SignalKind

Action = Literal["enter", "exit", "nothing"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """A decision. `status` is the bot's when nothing is done; `reason` goes into the record."""

    action: Action
    reason: str
    status: BotStatus
    side: PositionSide | None = None


def wanted_side(signal: Signal) -> PositionSide | None:
    if signal.kind is SignalKind.NONE:
        return None
    return PositionSide.LONG if signal.kind is SignalKind.BUY else PositionSide.SHORT


def rests_already(signal: Signal) -> Decision:
    """Return the decision when an entry of the wanted side rests already: it is not made twice."""
    return Decision(
        action="nothing", reason=f"{signal.reason}; an entry rests already", status=ENTRY_RESTING
    )


def decide(spec: BotSpec, signal: Signal, held: PositionSide | None) -> Decision:
    """Decide on a signal: one against the position closes it, one that agrees does nothing more."""
    wanted = wanted_side(signal)
    if wanted is None:
        return Decision(
            action="nothing",
            reason=signal.reason,
            status=RUNNING if held else NO_SIGNAL,
        )
    if held is wanted:
        return Decision(action="nothing", reason=f"{held} already", status=RUNNING)
    if held is not None:
        return Decision(action="exit", reason=signal.reason, status=RUNNING, side=held)
    if wanted is PositionSide.SHORT and not _may_short(spec):
        return Decision(
            action="nothing",
            reason=f"{signal.reason}; nothing is held, and shorts are not allowed",
            status=NO_SIGNAL,
        )
    return Decision(action="enter", reason=signal.reason, status=RUNNING, side=wanted)


def _may_short(spec: BotSpec) -> bool:
    return spec.allow_short and spec.position_type is PositionType.FUTURES
