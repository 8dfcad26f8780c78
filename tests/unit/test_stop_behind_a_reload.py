"""A stop is heard whatever else a signal has set going."""

import signal
from typing import cast

import anyio

from tradebotd.daemon.process_signals import Receiver, Signals
from tradebotd.daemon.stop_request import StopRequest, watch_signals


class HandedSignals:
    """Signals that a test sends, without touching the process's own."""

    def __init__(self) -> None:
        self.receiver: Receiver | None = None

    def receive_by(self, receiver: Receiver) -> None:
        self.receiver = receiver


async def test_a_stop_does_not_wait_for_a_reload_that_hangs() -> None:
    """M1.2: SIGTERM behind a SIGHUP whose reload waits for a database that is away."""
    signals, stop, reloading = HandedSignals(), StopRequest(), anyio.Event()

    async def hang() -> None:
        reloading.set()
        await anyio.sleep_forever()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watch_signals, cast("Signals", signals), stop, hang)
        await anyio.wait_all_tasks_blocked()
        assert signals.receiver is not None
        signals.receiver(signal.SIGHUP)
        await reloading.wait()
        signals.receiver(signal.SIGTERM)
        with anyio.fail_after(30):
            await stop.wait()
        tasks.cancel_scope.cancel()

    assert stop.reason == "SIGTERM"
