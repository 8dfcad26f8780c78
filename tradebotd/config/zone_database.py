"""Choice of the time-zone database: the newer of the system's and the tzdata package's.

`zoneinfo` prefers the system's, however old it is. On a Debian with 2025b the day of a bot in
Vancouver would begin an hour late from November 2026 on, and its limits with it. All our zones
come from `zone`; libraries that use `zoneinfo` (exchange_calendars, pandas) follow, since the
choice is made for the whole process before any of them is imported.
"""

import importlib.util
import re
import zoneinfo
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final, Literal, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from tradebotd.domain.errors import ConfigError

# The release that our tests were run with. Since 2025b Chisinau (2026a), Vancouver (2026b),
# Casablanca and Edmonton (2026c), Inuvik (2026d), Winnipeg (2026e) and Havana (2026f) have changed.
NEEDED: Final = "2026f"
UPDATE: Final = "pip install --upgrade tzdata"

_FIXED: Final = "UTC"  # needs no database to be right
_VERSION: Final = re.compile(r"(\d{4})([a-z]+)")
_LEAP_SECONDS: Final = "right/"


class ZoneError(ValueError):
    """Unknown or untrustworthy time zone; the message follows the key's path in the file."""


class ZoneDatabase(NamedTuple):
    """Time-zone database; *version* is IANA's, like 2026f, or empty if the directory has none."""

    source: Literal["package", "system"]
    version: str
    place: Path

    def __str__(self) -> str:
        version = self.version or "of an unknown version"
        if self.source == "package":
            return f"{version} (the package tzdata)"
        return f"{version} (the system's, {self.place})"

    @property
    def age(self) -> tuple[int, str]:
        """Sort key, greater for newer versions: 2026z is followed by 2026za and 2026zb."""
        matched = _VERSION.match(self.version)
        return (int(matched[1]), matched[2]) if matched else (0, "")

    @property
    def is_too_old(self) -> bool:
        needed = ZoneDatabase(self.source, NEEDED, self.place)
        return self.age < needed.age


@cache
def in_force() -> ZoneDatabase:
    """Select the newest database, for the whole process from now on. Blocks the first time.

    Raises ConfigError if there is none.
    """
    found = available()
    if not found:
        raise ConfigError([f"daemon.timezone: there is no database of time zones here: {UPDATE}"])
    newest = max(found, key=lambda database: database.age)
    zoneinfo.reset_tzpath(to=[newest.place])
    ZoneInfo.clear_cache()
    return newest


def available() -> list[ZoneDatabase]:
    """Return the package's database, then those on zoneinfo's search path.

    Of two equally new ones the first is preferred: the package has every old name, and its hash was
    checked at installation.
    """
    return [*_of_the_package(), *_of_the_system()]


def in_words() -> str:
    """Describe the database in use and those set aside as older, for `tradebotd check`."""
    used = in_force()
    others = [str(database) for database in available() if database.place != used.place]
    return f"time zones {used}" + (f", not {' or '.join(others)}" if others else "")


def must_be_current(what: str) -> None:
    """Raise ConfigError if *what* would be read from a database older than needed."""
    if in_force().is_too_old:
        raise ConfigError([f"{what} {_too_old()}"])


@cache
def zone(name: str) -> ZoneInfo:
    """Return the zone *name* of the selected database. Raises ZoneError; blocks the first time."""
    database = in_force()
    if name.startswith(_LEAP_SECONDS):
        raise ZoneError(f"{name!r} counts leap seconds, as no exchange does; leave out `right/`")
    try:
        found = ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ZoneError(_unknown(name, database)) from None
    # Where the file is missing, zoneinfo goes on to the package, which is the older one then.
    if database.source == "system" and not (database.place / name).is_file():
        raise ZoneError(_unknown(name, database))
    if name != _FIXED and database.is_too_old:
        raise ZoneError(f"{name!r} {_too_old()}")
    return found


def _unknown(name: str, database: ZoneDatabase) -> str:
    for other in available():
        if other.place != database.place and _has(other.place, name):
            return f"{name!r} is no time zone any more: {other} has it, {database} has not"
    return f'{name!r} is no time zone; write "UTC" or "Europe/Berlin"'


def _has(place: Path, name: str) -> bool:
    try:
        return (place / name).is_file() and (place / name).resolve().is_relative_to(place.resolve())
    except (ValueError, OSError):
        return False


def _too_old() -> str:
    there = " and ".join(str(database) for database in available())
    return f"needs time zones of {NEEDED} or newer, here are {there}: {UPDATE}"


def _of_the_package() -> Iterator[ZoneDatabase]:
    spec = importlib.util.find_spec("tzdata")
    if spec is None or spec.origin is None:
        return
    place = Path(spec.origin).absolute().parent / "zoneinfo"
    if place.is_dir():
        yield ZoneDatabase("package", _first(place / "tzdata.zi") or _of_init(spec.origin), place)


def _of_init(origin: str) -> str:
    matched = re.search(r'^IANA_VERSION = "(\w+)"', Path(origin).read_text(), re.MULTILINE)
    return matched[1] if matched else ""


@cache
def _search_path() -> tuple[str, ...]:
    """Return zoneinfo's search path as it was before `in_force` replaced it."""
    return zoneinfo.TZPATH


def _of_the_system() -> Iterator[ZoneDatabase]:
    for entry in _search_path():
        place = Path(entry)
        if place.is_dir():
            yield ZoneDatabase("system", _first(place / "tzdata.zi", place / "+VERSION"), place)


def _first(*files: Path) -> str:
    """Return the version at the start of the first of *files* that has one."""
    for file in files:
        try:
            with file.open(encoding="ascii", errors="replace") as lines:
                line = lines.readline(200)
        except OSError:
            continue
        if matched := re.fullmatch(r"(?:# version )?(\d{4}[a-z]+)\b.*", line.strip()):
            return matched[1]
    return ""
