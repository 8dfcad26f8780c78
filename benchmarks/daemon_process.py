"""The installed daemon as a process, and the moment at which it says that it is ready."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

BINARIES: Final = Path(sys.executable).parent
READY_SECONDS: Final = 30.0
STOP_SECONDS: Final = 30.0
ROOT: Final = Path(__file__).parent.parent


@dataclass(slots=True)
class Daemon:
    """`ready_seconds`: from the start of the process to `READY=1`, as systemd would see it."""

    process: subprocess.Popen[bytes]
    started: float
    log: Path
    ready_seconds: float = 0.0

    def ended(self, seconds: float) -> float:
        """Return its life in seconds. Raises RuntimeError unless it ends with 0 in *seconds*."""
        exit_code = self.process.wait(seconds)
        lasted = time.perf_counter() - self.started
        if exit_code:
            raise RuntimeError(f"tradebotd ended with {exit_code}:\n{self.tail()}")
        return lasted

    def tail(self) -> str:
        return self.log.read_text(errors="replace")[-3000:]


@contextmanager
def running(config: Path, command: Sequence[str | Path] | None = None) -> Iterator[Daemon]:
    """Ready when the block is entered, stopped when it is left. *command* takes `run` and so on."""
    address = config.parent / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(str(address))
        channel.settimeout(READY_SECONDS)
        log = config.with_suffix(".log")
        with log.open("wb") as output:
            started = time.perf_counter()
            process = subprocess.Popen(  # noqa: S603 - our own daemon
                [*(command or (BINARIES / "tradebotd",)), "run", "--config", config],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, "NOTIFY_SOCKET": str(address)},
                cwd=ROOT,
            )
        daemon = Daemon(process, started, log)
        try:
            _wait_until_ready(daemon, channel)
            yield daemon
        finally:
            _stop(process)
            address.unlink()


def _wait_until_ready(daemon: Daemon, channel: socket.socket) -> None:
    try:
        while b"READY=1" not in channel.recv(4096):
            pass
    except TimeoutError as error:
        raise RuntimeError(f"tradebotd was not ready:\n{daemon.tail()}") from error
    daemon.ready_seconds = time.perf_counter() - daemon.started


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
