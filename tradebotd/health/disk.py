"""Free disk space: PostgreSQL that cannot commit stops every order."""

import os
from collections.abc import Callable
from pathlib import Path

Probe = Callable[[Path], int]


def free_bytes(path: Path) -> int:
    """Return the bytes available to us on the file system of *path*. Blocks; raises OSError."""
    system = os.statvfs(path)
    return system.f_bavail * system.f_frsize


def disk_problem(path: Path, least: int, probe: Probe = free_bytes) -> str | None:
    """Describe the shortage; None while at least *least* bytes are free."""
    try:
        free = probe(path)
    except OSError as error:
        return f"{path}: {error.strerror or error}"
    if free >= least:
        return None
    return f"{free / 1e6:,.0f} MB free in {path}, at least {least / 1e6:,.0f} MB wanted"
