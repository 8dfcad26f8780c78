"""Checks of the places where the configuration puts the daemon's state and its socket.

Looked at without making anything. `check` may be run by an operator, and the daemon by a user of
its own: of a folder that belongs to another user than root only that user can tell: that is a note.
"""

import os
import pwd
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tradebotd.config.model import Config
from tradebotd.domain.errors import ConfigError
from tradebotd.health.disk import disk_problem
from tradebotd.storage.postgres.binaries import HOME, cluster_version, data_directory, find_binaries

# StateDirectory= and RuntimeDirectory= of systemd/tradebotd.service: made when it starts.
SERVICE_STATE: Final = Path("/var/lib/tradebotd")
SERVICE_RUNTIME: Final = Path("/run/tradebotd")

# A new cluster with our schema takes 42 MB in 1,270 files, and grows at once.
LEAST_BYTES: Final = 64_000_000
LEAST_FILES: Final = 1_500


@dataclass(frozen=True, slots=True)
class PlaceFindings:
    """`problems`: a start fails; `warnings`: it does not, but; `notes`: another user could tell."""

    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def look_at_places(config: Config, *, starting: bool = False) -> PlaceFindings:
    """*starting*: whoever looks is whoever runs the daemon. Blocks."""
    findings = PlaceFindings()
    look = _Look(findings, starting)
    embedded = config.database.url == "embedded"
    if embedded:
        home = config.state_dir / HOME
        if look.may_write("daemon.state_dir", home, _whence(config)):
            findings.problems.extend(_room(home))
            findings.problems.extend(_binaries(home))
        if low := disk_problem(_existing(home), config.health.min_free_disk):
            findings.warnings.append(f"health.min_free_disk: {low}: no entry is made")
    _look_at_socket(config, look, within_state=embedded and _socket_follows(config))
    return findings


def _look_at_socket(config: Config, look: "_Look", *, within_state: bool) -> None:
    key, path = "daemon.socket", config.socket
    problems = look.findings.problems
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            problems.append(f"{key}: {path} is there already and is not a socket")
            return
    except (OSError, ValueError):
        pass  # it is not there, or the folder says why it cannot be looked at
    if within_state:
        return  # the same folders were looked at, and told of state_dir
    look.may_write(key, path.parent, "")
    beside = path.parent / HOME
    if config.database.url == "embedded" and _is_no_folder(beside):
        problems.append(f"{key}: {beside} is not a folder, and PostgreSQL's socket belongs there")


@dataclass(frozen=True, slots=True)
class _Look:
    findings: PlaceFindings
    starting: bool

    def may_write(self, key: str, folder: Path, whence: str) -> bool:
        """Return whether *folder* can be made, where it is not there, and written; note why not."""
        if words := _unusable(folder):
            self.findings.problems.append(f"{key}: {words}{whence}")
            return False
        there = _existing(folder)
        if os.access(there, os.W_OK | os.X_OK, effective_ids=True):
            if _keeps_files(there):
                return True
            self.findings.problems.append(f"{key}: {there} keeps no files{whence}")
            return False
        if not self.starting and (note := _of_another(there, folder)):
            self.findings.notes.append(f"{key}: {note}")
            return False
        why = "is read-only" if _is_read_only(there) else f"cannot be written by {_user()}"
        missing = "" if there == folder else f", so {folder} cannot be made"
        self.findings.problems.append(f"{key}: {there} {why}{missing}{whence}")
        return False


def _unusable(folder: Path) -> str | None:
    """Return why nobody could make *folder*, whatever they may, or None where somebody could."""
    if "\0" in str(folder):
        return "a path has no NUL in it"
    if unknown := next((part for part in folder.parts if part.startswith("~")), None):
        return f"no home is known of {unknown!r}; say the whole path"
    for place in (folder, *folder.parents):
        try:
            mode = place.stat().st_mode
        except PermissionError:
            continue  # the folder above says so
        except (FileNotFoundError, NotADirectoryError):
            if place.is_symlink():
                return f"{place} is a link that leads nowhere"
            continue
        except OSError as error:
            return f"{place}: {error.strerror or error}"
        return None if stat.S_ISDIR(mode) else f"{place} is a file where a folder should be"
    return None


def _existing(folder: Path) -> Path:
    """*folder*, or the nearest above it that is seen to be there."""
    for place in (folder, *folder.parents):
        try:
            place.stat()
        except (OSError, ValueError):
            continue
        return place
    return Path("/")


def _of_another(there: Path, wanted: Path) -> str | None:
    """Return a note of a folder that another user owns, or None where it is nobody else's."""
    if there != wanted and any(wanted.is_relative_to(each) for each in _OF_THE_SERVICE):
        return f"{wanted} is not seen by {_user()}; systemd makes it when it starts the service"
    owner = there.stat().st_uid
    if owner in {0, os.geteuid()}:
        return None
    return f"{there} belongs to {_user(owner)}: that user can tell whether it can be written"


_OF_THE_SERVICE: Final = (SERVICE_STATE, SERVICE_RUNTIME)


def _room(home: Path) -> Iterator[str]:
    """Warn of too little room for a database that is still to be made."""
    if data_directory(home).exists():
        return
    there = _existing(home)
    room = os.statvfs(there)
    free = room.f_bavail * room.f_frsize
    if room.f_blocks and free < LEAST_BYTES:
        yield (
            f"daemon.state_dir: {free / 1e6:,.0f} MB free in {there}, and a new database takes"
            f" {LEAST_BYTES / 1e6:,.0f} MB"
        )
    elif room.f_files and room.f_favail < LEAST_FILES:
        yield (
            f"daemon.state_dir: room for {room.f_favail:,} files in {there}, and a new database has"
            f" {LEAST_FILES:,}"
        )


def _keeps_files(folder: Path) -> bool:
    """Tried only where there is no room at all by its own word: /proc and /sys are such."""
    if os.statvfs(folder).f_blocks:
        return True
    try:
        probe = folder / f".tradebotd-check-{os.getpid()}"
        probe.mkdir()
        probe.rmdir()
    except OSError:
        return False
    return True


def _binaries(home: Path) -> list[str]:
    try:
        find_binaries(cluster_version(home))
    except ConfigError as error:
        return error.problems
    except OSError:
        return []  # another user's: the folder was told
    return []


def _whence(config: Config) -> str:
    if config.daemon.state_dir is not None:
        return ""
    return " (of $STATE_DIRECTORY)" if config.state_dir_is_said else " (the default)"


def _socket_follows(config: Config) -> bool:
    return config.socket.parent == config.state_dir


def _is_no_folder(path: Path) -> bool:
    try:
        return not stat.S_ISDIR(path.lstat().st_mode)
    except (OSError, ValueError):
        return False


def _is_read_only(folder: Path) -> bool:
    return bool(os.statvfs(folder).f_flag & os.ST_RDONLY)


def _user(uid: int | None = None) -> str:
    number = os.geteuid() if uid is None else uid
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"user {number}"
