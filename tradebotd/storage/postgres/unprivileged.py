"""Execution of PostgreSQL's programs: never as root, never longer than their starter lives."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

Owner = tuple[int, int]  # user and group


def unprivileged(command: Sequence[str | Path], owner: Owner | None = None) -> list[str]:
    """Return *command* so that it does not run as root. Looks for programs in $PATH.

    For root it runs as *owner*: what it writes stays readable to the cluster's owner. It may
    traverse closed directories, since systemd keeps a dynamic user's below one of root's.
    """
    words = [str(word) for word in command]
    if os.geteuid() != 0:
        return words
    if owner is not None:
        return [shutil.which("setpriv") or "setpriv", *_become(owner), "--", *words]
    unshare = shutil.which("unshare") or "unshare"
    return [unshare, "--user", "--map-user=65534", "--map-group=65534", "--", *words]


def _become(owner: Owner) -> list[str]:
    user, group = owner
    walk = "+dac_read_search"
    return [
        *("--reuid", str(user), "--regid", str(group), "--clear-groups"),
        *("--inh-caps", walk, "--ambient-caps", walk),
    ]


def mortal(command: Sequence[str | Path], owner: Owner | None = None) -> list[str]:
    """Return *command* unprivileged, and stopped by SIGINT when its starter dies.

    Without setpriv (util-linux) it outlives a killed daemon, and the next start stops it.
    """
    setpriv = shutil.which("setpriv")
    words = [setpriv, "--pdeathsig", "INT", *command] if setpriv else command
    return unprivileged(words, owner)
