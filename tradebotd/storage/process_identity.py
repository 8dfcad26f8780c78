"""Who a process is, so that another one can tell whether it still lives.

A pid comes back; a pid with its start time on one boot of one machine does not.
"""

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

PROC: Final = Path("/proc")
_MACHINE_ID_FILES: Final = (Path("/etc/machine-id"), Path("/var/lib/dbus/machine-id"))
_ZOMBIE_STATES: Final = frozenset("ZXx")


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """`pid_started`: clock ticks since boot, field 22 of /proc/PID/stat."""

    machine_id: str
    boot_id: str
    pid: int
    pid_started: int

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> "Holder":
        return cls(
            machine_id=str(stored.get("machine_id", "")),
            boot_id=str(stored.get("boot_id", "")),
            pid=int(stored.get("pid", 0)),
            pid_started=int(stored.get("pid_started", 0)),
        )

    def is_provably_dead(self, here: "Holder") -> bool:
        """Whether *here*, on the same boot of the same machine, sees that the process is gone.

        A machine that booted anew has lost all its processes. What cannot be known is alive.
        """
        if not self.machine_id or self.machine_id != here.machine_id:
            return False
        if not self.boot_id or not here.boot_id:
            return False
        if self.boot_id != here.boot_id:
            return True
        return pid_started(self.pid) != self.pid_started


def current() -> Holder:
    """This process. Reads /proc: call it before the loop starts, or in a thread."""
    pid = os.getpid()
    return Holder(
        machine_id=_machine_id(),
        boot_id=_read(PROC / "sys/kernel/random/boot_id"),
        pid=pid,
        pid_started=pid_started(pid) or 0,
    )


def pid_started(pid: int) -> int | None:
    """Start time of a running process in clock ticks since boot; None for none, or a zombie."""
    try:
        stat = (PROC / str(pid) / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The command, field 2, is in brackets and may hold anything: count from its end.
    state, *rest = stat.rpartition(")")[2].split()
    return None if state in _ZOMBIE_STATES else int(rest[18])


def is_alive(pid: int) -> bool:
    return pid_started(pid) is not None


def parent_of(pid: int) -> int | None:
    try:
        stat = (PROC / str(pid) / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return int(stat.rpartition(")")[2].split()[1])


def _machine_id() -> str:
    return next((text for path in _MACHINE_ID_FILES if (text := _read(path))), os.uname().nodename)


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
