"""Which database of time zones is read: the newer of the system's and the package tzdata's.

`zoneinfo` takes the system's first, however old it is. On a Debian of 2025b the day of a bot in
Vancouver then begins an hour late from November 2026 on, and its limits with it. Every zone of ours
comes from `zone`; what libraries read (exchange_calendars and pandas, by `zoneinfo` too) follows,
since the choice is made for the whole process, before any of them is imported.
"""

import importlib.util
import re
import zoneinfo
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final, Literal
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
    """No such zone, or none that can be trusted; the text follows the place in the file."""


@dataclass(frozen=True, slots=True)
class ZoneDatabase:
    """*version* is IANA's, as 2026f; empty where a directory does not tell it."""

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
        """Greater is newer. After 2026z come 2026za and 2026zb."""
        matched = _VERSION.match(self.version)
        return (int(matched[1]), matched[2]) if matched else (0, "")

    @property
    def is_too_old(self) -> bool:
        needed = ZoneDatabase(self.source, NEEDED, self.place)
        return self.age < needed.age


@cache
def in_force() -> ZoneDatabase:
    """The newest there is, from now on the only one of this process. Blocks the first time.

    Raises ConfigError where there is none.
    """
    found = available()
    if not found:
        raise ConfigError([f"daemon.timezone: there is no database of time zones here: {UPDATE}"])
    newest = max(found, key=lambda each: each.age)
    zoneinfo.reset_tzpath(to=[newest.place])
    ZoneInfo.clear_cache()
    return newest


def available() -> list[ZoneDatabase]:
    """The package's, then those of zoneinfo's own search path. Of two as new the first is better:

    the package has every old name, and was installed by its hash.
    """
    return [*_of_the_package(), *_of_the_system()]


def in_words() -> str:
    """For `tradebotd check`, and what is set aside because it is older."""
    used = in_force()
    others = [str(each) for each in available() if each.place != used.place]
    return f"time zones {used}" + (f", not {' or '.join(others)}" if others else "")


def must_be_current(what: str) -> None:
    """Raises ConfigError when *what* would be read from a database older than needed."""
    if in_force().is_too_old:
        raise ConfigError([f"{what} {_too_old()}"])


@cache
def zone(name: str) -> ZoneInfo:
    """The zone *name* of the database in force. Raises ZoneError; blocks the first time."""
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
    there = " and ".join(str(each) for each in available())
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
    """zoneinfo's, as it was before `in_force` set it."""
    return zoneinfo.TZPATH


def _of_the_system() -> Iterator[ZoneDatabase]:
    for entry in _search_path():
        place = Path(entry)
        if place.is_dir():
            yield ZoneDatabase("system", _first(place / "tzdata.zi", place / "+VERSION"), place)


def _first(*files: Path) -> str:
    """The version that the first readable one of *files* begins with."""
    for file in files:
        try:
            with file.open(encoding="ascii", errors="replace") as lines:
                line = lines.readline(200)
        except OSError:
            continue
        if matched := re.fullmatch(r"(?:# version )?(\d{4}[a-z]+)\b.*", line.strip()):
            return matched[1]
    return ""
