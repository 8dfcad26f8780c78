"""The one time of a run: the loop's, from a moment on. Daemon, simulator and test go by it."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, Final, cast

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from tests.simulation.host import VirtualTime
from tests.simulation.world import virtual_host
from tests.simulators.binance import ed25519
from tests.simulators.binance.spot import simulator as spot
from tests.simulators.binance.usdm import app as usdm
from tests.simulators.shared import server, streams
from tests.simulators.shared.clock import SimulatorClock, to_ms
from tests.venue_core.loop import SharedTimeLoop
from tradebotd.daemon import disk_watch
from tradebotd.scheduling import scheduler

LOOK: Final = 0.5  # seconds between two looks of a simulator at what is due
DISK_SECONDS: Final = 30.0  # between two looks at the free space, each in a thread


class SharedClock(SimulatorClock):
    """A vendor's clock that goes with the loop's time; `offset` sets it apart from the daemon's."""

    def __init__(self, loop: SharedTimeLoop, began: datetime) -> None:
        super().__init__(began, running=False)
        self._loop, self._zero_ms, self._since = loop, to_ms(began), loop.time()

    def now_ms(self) -> int:
        passed = round((self._loop.time() - self._since) * 1000)
        return self._zero_ms + passed + self.offset // timedelta(milliseconds=1)


def verify(key: bytes, message: bytes, signature: bytes) -> bool:
    """As the simulator's own, which is written to be read and takes a third of a run."""
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


@contextmanager
def shared_time(loop: SharedTimeLoop, began: datetime, *, look: float = LOOK) -> Iterator[None]:
    """The daemon's machine has the loop's time; whoever looks at it looks seldom enough.

    Each look is a turn of the loop: a hundred in a second would cost more than all else does. The
    scheduler's timers are set for the instant itself: whoever waits for it turn by turn waits for ever.
    """
    changed: list[tuple[Any, str, Any]] = [
        (server, "TICK", look),
        (usdm, "TURN", look),
        (spot, "TICK", look),
        (streams, "POLL", look),
        (disk_watch, "LOOK_SECONDS", DISK_SECONDS),
        (ed25519, "verify", verify),
        (scheduler, "EARLY_SECONDS", 0.0),
    ]
    began -= timedelta(seconds=loop.time())
    with pytest.MonkeyPatch.context() as patched:
        for module, name, value in changed:
            patched.setattr(module, name, value)
        with virtual_host(VirtualTime(cast(Any, loop), began)):
            yield
