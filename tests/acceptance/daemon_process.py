"""The installed daemon as a process: started, looked at, stopped, killed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

BINARIES = Path(sys.executable).parent

# A bound on every wait, not a judgement: a loaded machine of half the speed must pass, too.
PATIENCE_SECONDS = 90.0


@dataclass(frozen=True, slots=True)
class Ended:
    exit_code: int
    seconds: float
    log: str


class DaemonProcess:
    """`tradebotd run` on a config, its log in a file beside it."""

    def __init__(
        self,
        config: Path,
        environment: dict[str, str] | None = None,
        program: Sequence[str | Path] = (BINARIES / "tradebotd",),
    ) -> None:
        self.config = config
        self.log_path = config.with_suffix(".log")
        self._started = time.monotonic()
        self._log_began = self.log_path.stat().st_size if self.log_path.exists() else 0
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                [*program, "run", "--config", config],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **(environment or {})},
            )

    def wait(self, seconds: float) -> Ended:
        exit_code = self.process.wait(seconds)
        return Ended(exit_code, time.monotonic() - self._started, self.log())

    def terminate(self, seconds: float = PATIENCE_SECONDS) -> Ended:
        """SIGTERM; raises TimeoutExpired when it does not end."""
        asked = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        exit_code = self.process.wait(seconds)
        return Ended(exit_code, time.monotonic() - asked, self.log())

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(PATIENCE_SECONDS)

    def log(self) -> str:
        """What this process has said, not an earlier one of the same configuration."""
        return self.log_path.read_bytes()[self._log_began :].decode(errors="replace")


@contextmanager
def running(
    config: Path,
    environment: dict[str, str] | None = None,
    program: Sequence[str | Path] = (BINARIES / "tradebotd",),
) -> Iterator[DaemonProcess]:
    """A daemon that is gone when the block is left, whatever happened in it."""
    daemon = DaemonProcess(config, environment, program)
    try:
        yield daemon
    finally:
        if daemon.process.poll() is None:
            daemon.kill()


def run_to_end(config: Path, seconds: float) -> Ended:
    with running(config) as daemon:
        return daemon.wait(seconds)


def control(socket: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`tradebotctl` as a user types it."""
    return subprocess.run(
        [BINARIES / "tradebotctl", "--socket", socket, *arguments],
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )


def control_in_turn(socket: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`tradebotctl`, again where the job runs by its schedule just now."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        ended = control(socket, *arguments)
        if "already_running" not in ended.stdout or time.monotonic() > deadline:
            return ended
        time.sleep(0.2)


def wait_for_log(daemon: DaemonProcess, text: str, seconds: float = PATIENCE_SECONDS) -> None:
    """Poll the log until *text* stands in it; raises AssertionError with the log when it does not."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if text in daemon.log():
            return
        if daemon.process.poll() is not None:
            break
        time.sleep(0.02)
    raise AssertionError(f"{text!r} was not logged:\n{daemon.log()[-4000:]}")
