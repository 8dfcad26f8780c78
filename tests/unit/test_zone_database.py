"""Which database of time zones is read, tried on processes that find others than ours."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
import tzdata

from tests.unit.config_text import ONE_BOT, written
from tradebotd.config.zone_database import NEEDED, ZoneDatabase, ZoneError, in_force, zone
from tradebotd.daemon.zone_view import time_zones

ZONES = Path(tzdata.__file__).parent / "zoneinfo"
NAMES = ("UTC", "Europe/Berlin", "America/Vancouver")
OPEN_OF_NEW_YORK = """
from datetime import UTC, datetime
from tradebotd.config.zone_database import in_force
from tradebotd.market.calendars import load_calendar

in_force()
day = load_calendar("XNYS").session_at(datetime(2026, 7, 1, 15, tzinfo=UTC))
print(f"{day.open:%H:%M}")
"""
NOW_IN_VANCOUVER = """
from datetime import UTC, datetime
from zoneinfo import ZoneInfo
from tradebotd.config.zone_database import in_force

in_force()
print(datetime(2026, 12, 1, tzinfo=UTC).astimezone(ZoneInfo("America/Vancouver")).utcoffset())
"""


def database(place: Path, version: str, names: Mapping[str, str] | None = None) -> Path:
    """Zones named after the first, ruled as the second; told as `tzdata.zi` does."""
    for name, like in (names or {name: name for name in NAMES}).items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ZONES / like, place / name)
    if version:
        (place / "tzdata.zi").write_text(f"# version {version}\n# ddeps backzone\n")
    return place


def package(place: Path, version: str) -> Path:
    """A package tzdata that is found before the installed one."""
    database(place / "tzdata" / "zoneinfo", version)
    (place / "tzdata" / "__init__.py").write_text(f'IANA_VERSION = "{version}"\n')
    return place


def ran(*words: str, system: Path, modules: Path | None = None) -> tuple[int, str]:
    """A process whose system has its time zones in *system*. What it printed, on both ways out."""
    environment = dict(os.environ, PYTHONTZPATH=str(system))
    if modules is not None:
        environment["PYTHONPATH"] = str(modules)
    ended = subprocess.run(
        [sys.executable, *words],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return ended.returncode, ended.stdout + ended.stderr


def checked(
    folder: Path, timezone: str, *, system: Path, modules: Path | None = None
) -> tuple[int, str]:
    config = written(folder, ONE_BOT + f'timezone = "{timezone}"\n')
    words = ("-m", "tradebotd.daemon.commands.main", "check", "--config", str(config))
    return ran(*words, system=system, modules=modules)


def as_before(place: Path, version: str) -> Path:
    """Vancouver as it was: it goes back in November, as Los Angeles does."""
    like = {name: name for name in NAMES} | {"America/Vancouver": "America/Los_Angeles"}
    return database(place, version, like)


@pytest.mark.parametrize(("version", "hours"), [("2025b", 7), ("2026e", 7), ("2099a", 8)])
def test_the_newer_one_is_read_by_everybody_in_the_process(
    tmp_path: Path, version: str, hours: int
) -> None:
    """M4.8: `ZoneInfo` of a library or a strategy, too."""
    system = as_before(tmp_path / "zones", version)

    assert ran("-c", NOW_IN_VANCOUVER, system=system) == (0, f"-1 day, {24 - hours}:00:00\n")


def test_exchange_calendars_reads_the_same(tmp_path: Path) -> None:
    """M9: a New York on UTC opens at 9:30 UTC."""
    pytest.importorskip("exchange_calendars")
    names = {str(path.relative_to(ZONES)): "" for path in ZONES.rglob("*/*") if path.is_file()}
    like = {name: name for name in (*names, "UTC")} | {"America/New_York": "UTC"}
    system = database(tmp_path / "zones", "2099a", like)

    assert ran("-c", OPEN_OF_NEW_YORK, system=system) == (0, "09:30\n")


def test_check_tells_which_one_and_what_it_leaves(tmp_path: Path) -> None:
    older = database(tmp_path / "older", "2025b")
    code, said = checked(tmp_path, "America/Vancouver", system=older)

    assert code == 0
    line = f", time zones {tzdata.IANA_VERSION} (the package tzdata), not 2025b (the system's, {older})\n"
    assert line in said

    newer = database(tmp_path / "newer", "2099a")
    code, said = checked(tmp_path, "America/Vancouver", system=newer)

    assert code == 0
    assert f", time zones 2099a (the system's, {newer}), not {tzdata.IANA_VERSION} (the" in said


def test_status_tells_which_one() -> None:
    told, used = time_zones(), in_force()

    assert (told.version, told.source, told.place) == (used.version, used.source, str(used.place))
    assert told.version >= NEEDED


def test_a_zone_that_only_the_older_one_has_is_refused_at_its_place(tmp_path: Path) -> None:
    """Neither is the other database asked: two of different age are never mixed."""
    newer = database(tmp_path / "newer", "2099a")
    code, said = checked(tmp_path, "US/Pacific", system=newer)

    assert code == 78
    there = f"{tzdata.IANA_VERSION} (the package tzdata)"
    what = f"{there} has it, 2099a (the system's, {newer}) has not"
    assert said.splitlines()[1:] == [
        f"  bots[0].timezone ('btc-ema', line 15): 'US/Pacific' is no time zone any more: {what}"
    ]

    older = database(tmp_path / "older", "2025b", {name: name for name in NAMES} | {"Own": "UTC"})
    code, said = checked(tmp_path, "Own", system=older)

    assert code == 78
    assert "bots[0].timezone ('btc-ema', line 15): 'Own' is no time zone any more: 2025b" in said


@pytest.mark.parametrize("version", ["2025b", ""])
def test_one_that_is_too_old_starts_nothing(tmp_path: Path, version: str) -> None:
    """Each place that names a zone is told, and what to do."""
    system = database(tmp_path / "zones", version)
    modules = package(tmp_path / "modules", "2024a")
    code, said = checked(tmp_path, "America/Vancouver", system=system, modules=modules)

    assert code == 78
    lines = said.splitlines()
    told = version or "of an unknown version"
    assert lines[1] == (
        f"  bots[0].timezone ('btc-ema', line 15): 'America/Vancouver' needs time zones of {NEEDED} or newer, here are"
        f" 2024a (the package tzdata) and {told} (the system's, {system}):"
        " pip install --upgrade tzdata"
    )
    assert [line.split(":")[0] for line in lines[1:]] == [
        "  bots[0].timezone ('btc-ema', line 15)",
        "  jobs.daily_close.timezone",
        "  jobs.calculate_pivots.timezone",
    ]


def test_a_calendar_is_not_read_from_one_that_is_too_old(tmp_path: Path) -> None:
    """Its sessions would be an hour off where the zone has changed."""
    config = written(
        tmp_path, ONE_BOT.replace('venue = "paper"', 'venue = "paper"\ncalendar = "XNYS"')
    )
    words = ("-m", "tradebotd.daemon.commands.main", "check", "--config", str(config))
    modules = package(tmp_path / "modules", "2024a")
    code, said = ran(*words, system=tmp_path / "nowhere", modules=modules)

    assert code == 78
    assert (
        f"  symbols[0].calendar ('BTCUSDT', line 10): calendar XNYS needs time zones of {NEEDED} or newer"
        in said
    )


def test_without_any_there_is_one_line(tmp_path: Path) -> None:
    modules = tmp_path / "modules"
    (modules / "tzdata").mkdir(parents=True)
    (modules / "tzdata" / "__init__.py").write_text("")
    code, said = checked(tmp_path, "UTC", system=tmp_path / "nowhere", modules=modules)

    assert code == 78
    assert said.splitlines()[1:] == [
        "  daemon.timezone: there is no database of time zones here: pip install --upgrade tzdata"
    ]


@pytest.mark.parametrize("name", ["Mars/Olympus", "../UTC", "Europe", "", "UTC\0", "Ä" * 300])
def test_what_is_no_zone_is_told_as_before(name: str) -> None:
    with pytest.raises(ZoneError, match="is no time zone; write"):
        zone(name)


def test_leap_seconds_are_not_what_exchanges_count() -> None:
    with pytest.raises(ZoneError, match="leap seconds"):
        zone("right/Europe/Berlin")


def test_versions_are_compared_as_iana_counts_them() -> None:
    """After z come za and zb."""
    told = ["", "2025c", "2026b", "2026f", "2026z", "2026za", "2027a", "2027b-dirty"]
    databases = [ZoneDatabase("system", each, Path("/")) for each in told]

    assert sorted(databases, key=lambda each: each.age) == databases
    assert [each.version for each in databases if each.is_too_old] == told[:3]
