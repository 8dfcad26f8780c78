"""SIGHUP reaches a daemon that nobody waits for: whatever it brings must not end it."""

from collections.abc import Sequence

import pytest

from tradebotd.daemon.app import App
from tradebotd.domain.errors import (
    ConfigError,
    DatabaseUnavailableError,
    RefusedError,
    TradebotError,
)


@pytest.mark.parametrize(
    "error",
    [
        ConfigError(["bots[0].leverage: out of range"]),
        RefusedError("needs_restart", "only a restart can change venues"),
        DatabaseUnavailableError("PostgreSQL is away"),
    ],
)
@pytest.mark.anyio
async def test_a_reload_that_fails_is_logged_and_ends_nothing(error: TradebotError) -> None:
    """M1.5: also while the database is away, when the signal's task would take all others along."""
    asked = []

    async def reload() -> Sequence[str]:
        asked.append(1)
        raise error

    app = object.__new__(App)
    app.reload = reload

    await app.reload_by_signal()

    assert asked == [1]
