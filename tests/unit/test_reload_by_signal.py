"""SIGHUP reaches a daemon that nobody waits for: whatever it brings must not end it."""

from collections.abc import Sequence
from typing import cast

import pytest
from structlog.contextvars import bound_contextvars, merge_contextvars
from structlog.testing import capture_logs

from tradebotd.daemon.app import App
from tradebotd.daemon.reload import Reloader
from tradebotd.domain.errors import (
    ConfigError,
    DatabaseUnavailableError,
    RefusedError,
    TradebotError,
)
from tradebotd.domain.refusal import RefusalCode


class FailingReloader:
    def __init__(self, error: TradebotError) -> None:
        self._error = error
        self.asked = 0

    async def reload(self) -> Sequence[str]:
        self.asked += 1
        raise self._error


@pytest.mark.parametrize(
    "error",
    [
        ConfigError(["bots[0].leverage: out of range"]),
        RefusedError(RefusalCode.NEEDS_RESTART, "only a restart can change venues"),
        DatabaseUnavailableError("PostgreSQL is away"),
    ],
)
@pytest.mark.anyio
async def test_a_reload_that_fails_is_logged_and_ends_nothing(error: TradebotError) -> None:
    """M1.5: also while the database is away, when the signal's task would take all others along."""
    reloader = FailingReloader(error)
    app = object.__new__(App)
    app.reloader, app.draining, app.started = cast("Reloader", reloader), False, True

    await app.reload_by_signal()

    assert reloader.asked == 1


class ChangingReloader:
    async def reload(self) -> Sequence[str]:
        return ["risk.max_open_positions: 10 -> 5"]


@pytest.mark.anyio
async def test_a_reload_is_in_the_journal_whoever_asked() -> None:
    """M1.5, M8.6: one line with what changed; a signal has no other name than its own."""
    app = object.__new__(App)
    app.reloader, app.draining, app.started = cast("Reloader", ChangingReloader()), False, True

    with capture_logs(processors=[merge_contextvars]) as said:
        await app.reload_by_signal()
        with bound_contextvars(by="uid 0, pid 7"):
            await app.reload()

    changes = ["risk.max_open_positions: 10 -> 5"]
    assert [(each["event"], each["changes"], each["by"]) for each in said] == [
        ("configuration reloaded", changes, "SIGHUP"),
        ("configuration reloaded", changes, "uid 0, pid 7"),
    ]


@pytest.mark.anyio
@pytest.mark.parametrize(("started", "draining"), [(False, False), (True, True)])
async def test_nothing_is_read_again_before_the_start_or_after_the_end(
    *, started: bool, draining: bool
) -> None:
    """M1.5: a reload would schedule jobs twice, or anew on a scheduler that has been shut down."""
    reloader = FailingReloader(ConfigError([]))
    app = object.__new__(App)
    app.reloader, app.draining, app.started = cast("Reloader", reloader), draining, started

    with pytest.raises(RefusedError, match="nothing was read again"):
        await app.reload()

    assert reloader.asked == 0
