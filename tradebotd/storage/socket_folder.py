"""Whose PostgreSQL has its socket in a folder: two daemons may name sockets side by side."""

import os
from pathlib import Path
from typing import Final

LOCK_FILE: Final = ".s.PGSQL.5432.lock"  # line 1: its process, line 2: its data directory


def is_used_by_another(folder: Path, data: Path) -> bool:
    """Whether a PostgreSQL lives in *folder* that serves another directory than *data*, or the folder
    is another user's. Blocks.

    The lock file of one that has died may name a process that is something else by now.
    """
    if folder.exists() and folder.lstat().st_uid not in {os.geteuid(), data.parent.lstat().st_uid}:
        return True
    try:
        pid, served, *_ = (folder / LOCK_FILE).read_text().splitlines()
        command = (Path("/proc") / pid.strip() / "cmdline").read_bytes()
    except (OSError, ValueError):
        return False
    return served != str(data) and os.fsencode(served) in command
