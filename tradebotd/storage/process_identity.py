"""Identity of a process, by which another process can tell whether it still lives.

A pid is reused; a pid with its start time on one boot of one machine is not.
"""

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

PROC: Final = Path("/proc")
MACHINE_ID: Final = Path("/etc/machine-id")
_ZOMBIE_STATES: Final = frozenset("ZXx")


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Identity. `pid_started`: clock ticks since boot. `pid_namespace`: pids are valid in it."""

    machine_id: str
    boot_id: str
    pid: int
    pid_started: int
    pid_namespace: str
    host: str

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> "Holder":
        return cls(
            machine_id=str(stored.get("machine_id", "")),
            boot_id=str(stored.get("boot_id", "")),
            pid=int(stored.get("pid", 0)),
            pid_started=int(stored.get("pid_started", 0)),
            pid_namespace=str(stored.get("pid_namespace", "")),
            host=str(stored.get("host", "")),
        )

    def is_on_host_of(self, here: "Holder") -> bool:
        """Return whether both share one boot of one machine, even if in separate containers."""
        return bool(self.boot_id) and self.boot_id == here.boot_id

    def is_provably_alive(self, here: "Holder") -> bool:
        """Return whether *here* can see this very process alive. Reads /proc."""
        if not self.is_on_host_of(here) or self.pid_namespace != here.pid_namespace:
            return False
        return pid_started(self.pid) == self.pid_started

    def is_provably_dead(self, here: "Holder") -> bool:
        """Return whether *here* can see that the process is gone; if unknown, it counts as alive.

        A machine that has rebooted since has lost all its processes. Reads /proc.
        """
        if not self.boot_id or not here.boot_id:
            return False
        if self.boot_id != here.boot_id:
            return bool(self.machine_id) and self.machine_id == here.machine_id
        if self.machine_id != here.machine_id or self.pid_namespace != here.pid_namespace:
            return False
        return pid_started(self.pid) != self.pid_started


def current() -> Holder:
    """Return the calling process. Reads /proc: before the loop starts, or in a thread."""
    pid = os.getpid()
    return Holder(
        machine_id=_read(MACHINE_ID),
        boot_id=_read(PROC / "sys/kernel/random/boot_id"),
        pid=pid,
        pid_started=pid_started(pid) or 0,
        pid_namespace=_link(PROC / "self/ns/pid"),
        host=os.uname().nodename,
    )


def pid_started(pid: int) -> int | None:
    """Return a running process's start in clock ticks since boot; None if gone or a zombie."""
    fields = _stat(pid)
    return None if fields is None or fields[0] in _ZOMBIE_STATES else int(fields[19])


def is_alive(pid: int) -> bool:
    return pid_started(pid) is not None


def _stat(pid: int) -> list[str] | None:
    """Return fields 3 (state), 4 (parent) … of /proc/PID/stat, as proc(5) counts them."""
    try:
        stat = (PROC / str(pid) / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The command, field 2, is in brackets and may hold anything: count from its end.
    return stat.rpartition(")")[2].split()


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def _link(path: Path) -> str:
    try:
        return str(path.readlink())
    except OSError:
        return ""
