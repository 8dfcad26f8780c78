"""What a signal means for a bot, given what it holds and what it may. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final, Literal, Protocol

from tradebotd.domain.bot import BotSpec
from tradebotd.domain.decimals import ZERO
from tradebotd.domain.instrument import PositionType
from tradebotd.domain.side import PositionSide
from tradebotd.domain.signal import Signal, SignalKind
from tradebotd.trading.currencies import Currencies

ENTRY_RESTING: Final = "waiting (entry resting)"

Action = Literal["enter", "exit", "nothing"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """`status` is the bot's when nothing is done; `reason` goes into the record."""

    action: Action
    reason: str
    status: str
    side: PositionSide | None = None


class Counted(Protocol):
    """A bot's counters, and the day they belong to. `daily_pnl` is in the account's currency,
    without `daily_unconverted` (by asset), of which no rate was known.
    """

    @property
    def day(self) -> date | None: ...

    @property
    def daily_pnl(self) -> Decimal: ...

    @property
    def daily_trades_count(self) -> int: ...

    @property
    def daily_unconverted(self) -> Mapping[str, Decimal]: ...


def reached_limit(
    spec: BotSpec, state: Counted, today: date, currencies: Currencies | None = None
) -> str | None:
    """The daily limit that is reached. Counters of an earlier day count for nothing.

    What has no rate still might be anything: as long as there is some, a limit of P&L is taken for
    reached. *currencies* None: nobody is asked for one.
    """
    if state.day != today:
        return None
    limits, capital = spec.limits, spec.initial_capital
    if limits.max_daily_trades is not None and state.daily_trades_count >= limits.max_daily_trades:
        return "max_daily_trades reached"
    waiting = {asset: amount for asset, amount in state.daily_unconverted.items() if amount}
    known = {a: waiting[a] for a in waiting if currencies is not None and currencies.knows(a)}
    pnl = state.daily_pnl + (ZERO if currencies is None else currencies.sum(known))
    if limits.max_daily_loss is not None and pnl <= -limits.max_daily_loss * capital:
        return "max_daily_loss reached"
    if limits.daily_target is not None and pnl >= limits.daily_target * capital:
        return "daily target reached"
    unknown = sorted(waiting.keys() - known.keys())
    if unknown and (limits.max_daily_loss, limits.daily_target) != (None, None):
        return f"daily P&L unknown: no rate of {', '.join(unknown)}"
    return None


def wanted_side(signal: Signal) -> PositionSide | None:
    if signal.kind is SignalKind.NONE:
        return None
    return PositionSide.LONG if signal.kind is SignalKind.BUY else PositionSide.SHORT


def rests_already(signal: Signal) -> Decision:
    """An entry of the wanted side waits at its venue; it is not made twice."""
    return Decision(
        action="nothing", reason=f"{signal.reason}; an entry rests already", status=ENTRY_RESTING
    )


def decide(spec: BotSpec, signal: Signal, held: PositionSide | None) -> Decision:
    """A signal against what is held closes it; one that agrees does nothing more."""
    wanted = wanted_side(signal)
    if wanted is None:
        return Decision(
            action="nothing",
            reason=signal.reason,
            status="running" if held else "waiting (no signal)",
        )
    if held is wanted:
        return Decision(action="nothing", reason=f"{held} already", status="running")
    if held is not None:
        return Decision(action="exit", reason=signal.reason, status="running", side=held)
    if wanted is PositionSide.SHORT and not _may_short(spec):
        return Decision(
            action="nothing",
            reason=f"{signal.reason}; nothing is held, and shorts are not allowed",
            status="waiting (no signal)",
        )
    return Decision(action="enter", reason=signal.reason, status="running", side=wanted)


def _may_short(spec: BotSpec) -> bool:
    return spec.allow_short and spec.position_type is PositionType.FUTURES
