"""Jobs that are disabled, or run too seldom for their purpose."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from tradebotd.config.model import Config
from tradebotd.config.sections import JobSection
from tradebotd.config.warning import ConfigWarning, WarningKind
from tradebotd.domain.timeframe import Timeframe

_DAY: Final = timedelta(days=1)
_FIVE_MINUTES: Final = timedelta(minutes=5)
# Jobs that guard against losses: how long one may pause, and the effect meanwhile.
GUARDS: Final = {
    "stop_loss_check": (_FIVE_MINUTES, "nothing sweeps for stops that no tick has seen"),
    "reconcile": (timedelta(minutes=15), "nothing compares our books with the venue's"),
}
NEEDED: Final = {
    "realtime_pull": "no candle comes in, so no bot decides",
    "run_bots": "no bot decides anything",
    "daily_reset": "a bot that has reached a daily limit never enters again",
    "equity_snapshot": "max_daily_loss and max_drawdown of the account are not judged",
}
_ONE_HOUR: Final = timedelta(hours=1)
_NAMES: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def job_warnings(config: Config) -> Iterator[ConfigWarning]:
    for name, (longest, meanwhile) in GUARDS.items():
        yield from _judged(config, name, longest, meanwhile, guard=True)
    candle = min(
        (Timeframe(bot.timeframe).duration for bot in config.bots if bot.active), default=_DAY
    )
    longest_of = {"daily_reset": _DAY, "equity_snapshot": _ONE_HOUR}
    for name, meanwhile in NEEDED.items():
        yield from _judged(config, name, longest_of.get(name, candle), meanwhile, guard=False)


def _judged(
    config: Config, name: str, longest: timedelta, meanwhile: str, *, guard: bool
) -> Iterator[ConfigWarning]:
    job = config.jobs.get(name)
    if job is None:
        return
    if job.enabled is False:
        kind = WarningKind.GUARD_DISABLED if guard else WarningKind.JOB_DISABLED
        yield ConfigWarning(kind, f"jobs.{name}.enabled", f"switched off: {meanwhile}")
        return
    key, wait = _longest_wait(job)
    if wait > longest:
        kind = WarningKind.GUARD_SLOW if guard else WarningKind.JOB_SLOW
        yield ConfigWarning(
            kind,
            f"jobs.{name}.{key}",
            f"for {_told(wait)} {meanwhile}; at most {_told(longest)} between two runs",
        )


def _longest_wait(job: JobSection) -> tuple[str, timedelta]:
    """Return the key of the schedule and its longest wait; zero for a default schedule."""
    if job.every is not None:
        return "every", job.every
    if job.at is None:
        return "every", timedelta()
    days = [_NAMES.index(day) for day in job.days or _NAMES]
    following = [*days[1:], days[0] + len(_NAMES)]
    return "at", _DAY * max(late - early for early, late in zip(days, following, strict=True))


def _told(duration: timedelta) -> str:
    for unit, length in (("d", _DAY), ("h", _ONE_HOUR), ("m", timedelta(minutes=1))):
        if duration >= length and not duration % length:
            return f"{duration // length}{unit}"
    return f"{int(duration.total_seconds())}s"
