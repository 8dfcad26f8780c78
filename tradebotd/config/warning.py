"""Warnings of `check`: values that are valid but worth knowing about; never a refusal."""

from enum import StrEnum
from typing import NamedTuple


class WarningKind(StrEnum):
    """Kinds of warnings; each is listed in the table of docs/configuration.md."""

    NO_STOP = "no_stop"
    STOP_WITHIN_COSTS = "stop_within_costs"
    STOP_WITHIN_TICK = "stop_within_tick"
    TARGET_WITHIN_COSTS = "target_within_costs"
    HOLDING_WITHIN_CANDLE = "holding_within_candle"
    NO_RESTING_STOP = "no_resting_stop"
    STOP_BY_LAST = "stop_by_last"
    STOP_ENDS_DAILY = "stop_ends_daily"
    COOLDOWN_LONG = "cooldown_long"
    STOP_ABOVE_DAILY_LOSS = "stop_above_daily_loss"
    RISK_HIGH = "risk_high"
    SIZE_TINY = "size_tiny"
    SIZE_ABOVE_CAPITAL = "size_above_capital"
    SIZE_ABOVE_EXPOSURE = "size_above_exposure"
    CAPITAL_ABOVE_CASH = "capital_above_cash"
    CASH_MISSING = "cash_missing"
    CASH_UNUSED = "cash_unused"
    COSTS_TINY = "costs_tiny"
    LIMIT_OFF = "limit_off"
    GUARD_DISABLED = "guard_disabled"
    GUARD_SLOW = "guard_slow"
    JOB_DISABLED = "job_disabled"
    JOB_SLOW = "job_slow"
    CLOCKS_DIFFER = "clocks_differ"


class ConfigWarning(NamedTuple):
    """Warning of `check`; `place` is the path in the file."""

    kind: WarningKind
    place: str
    words: str

    def __str__(self) -> str:
        return f"{self.place}: {self.words}"
