"""Owner of a PostgreSQL socket folder: two daemons may place their sockets side by side."""

import os
from pathlib import Path
from typing import Final

LOCK_FILE: Final = ".s.PGSQL.5432.lock"  # line 1: its process, line 2: its data directory


def is_used_by_another(folder: Path, data: Path) -> bool:
    """Return whether *folder* belongs to another user or another PostgreSQL. Blocks.

    Another PostgreSQL is a live one that serves a directory other than *data*: the lock file of a
    dead one may name a reused pid.
    """
    if folder.exists() and folder.lstat().st_uid not in {os.geteuid(), data.parent.lstat().st_uid}:
        return True
    try:
        pid, served, *_ = (folder / LOCK_FILE).read_text().splitlines()
        command = (Path("/proc") / pid.strip() / "cmdline").read_bytes()
    except (OSError, ValueError):
        return False
    return served != str(data) and os.fsencode(served) in command
