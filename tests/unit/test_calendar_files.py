"""What `tradebotd check` says of a calendar: one line, its place in the file, what to do."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.fakes.market_data import market_symbol
from tradebotd.daemon import calendar_files
from tradebotd.daemon.calendar_files import DataSpan, calendar_warnings, read_calendars
from tradebotd.daemon.commands.main import main
from tradebotd.domain.errors import ConfigError
from tradebotd.market import calendars

exchange_calendars = pytest.importorskip("exchange_calendars")


def data(begins: str, ends: str | None = None, source: str = "the recording of A") -> DataSpan:
    end = None if ends is None else datetime.fromisoformat(ends).replace(tzinfo=UTC)
    return DataSpan(source, datetime.fromisoformat(begins).replace(tzinfo=UTC), end)


def problems(code: str, *spans: DataSpan) -> list[str]:
    symbols = [market_symbol("B"), market_symbol("A", calendar=code)]
    with pytest.raises(ConfigError) as refused:
        read_calendars(symbols, {"A": spans})
    return refused.value.problems


@pytest.mark.parametrize(
    ("code", "hint"),
    [
        ("XNYSE", "did you mean 'XNYS' or"),
        ("xetr", "did you mean 'XETR' or"),
        ("NOPE", "it is '24/7', or a code that exchange_calendars knows, such as 'XNYS'"),
    ],
)
@pytest.mark.parametrize("installed", [True, False])
def test_a_typo_is_named(
    monkeypatch: pytest.MonkeyPatch,
    code: str,
    hint: str,
    installed: bool,  # noqa: FBT001
) -> None:
    """M1.4: whether the library is there or not."""
    if not installed:
        monkeypatch.setattr(calendars, "find_spec", lambda _: None)
    (problem,) = problems(code)
    assert problem.startswith(f"symbols[1].calendar: there is no calendar '{code}'; ")
    assert hint in problem


def test_a_missing_library_is_installed_as_the_readme_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(calendars, "find_spec", lambda _: None)
    (problem,) = problems("XNYS")
    assert problem == (
        "symbols[1].calendar: calendar 'XNYS' needs exchange_calendars, which is not installed:"
        " pip install --require-hashes -r requirements-calendars.txt"
    )


@pytest.mark.parametrize(
    "raised",
    [
        NotImplementedError("implemented by subclasses"),
        ValueError("Special dates\n [Timestamp('2006-12-03')]" + "x" * 500),
        TypeError(),
        ImportError("no module named pandas._libs"),
        KeyError("Asia/Nicosia"),
    ],
)
def test_whatever_the_library_raises_is_one_line(
    monkeypatch: pytest.MonkeyPatch, raised: Exception
) -> None:
    """M1.4: the code, the cause, and what to do."""

    def build(*_: object, **__: object) -> None:
        raise raised

    monkeypatch.setattr(exchange_calendars, "get_calendar", build)
    (problem,) = problems("XTAE")
    assert problem.startswith("symbols[1].calendar: calendar 'XTAE' cannot be built by exchange_")
    assert f"({type(raised).__name__}: " in problem
    assert problem.endswith("pip install --require-hashes -r requirements-calendars.txt")
    assert "\n" not in problem
    assert len(problem) < 500


def test_data_from_before_a_calendars_first_day_are_refused() -> None:
    """Taken for a market that never opens, they would be waited through without a word."""
    (problem,) = problems("XSAU", data("2020-12-30", "2021-03-01"))
    assert problem == (
        "symbols[1].calendar: XSAU knows no session before 2021-01-01, and the recording of A"
        " begins on 2020-12-30: leave out what is older"
    )
    started = data("2016-05-01", source="feeds.h.start")
    (problem,) = problems("AIXK", started)
    assert "before 2017-01-01, and feeds.h.start begins on 2016-05-01" in problem


def test_old_data_of_a_calendar_that_knows_them_are_traded() -> None:
    """A table reaches back to the oldest recording of any of its symbols."""
    symbols = [market_symbol("A", calendar="XNYS"), market_symbol("B", calendar="XNYS")]
    spans = {"A": [data("2024-01-02", "2024-02-01")], "B": [data("1996-01-03", "1996-01-04")]}
    calendar = read_calendars(symbols, spans)["XNYS"]
    assert calendar.is_open(datetime(1996, 1, 3, 14, 30, tzinfo=UTC))
    assert calendar.last_completed(datetime(1996, 1, 3, 14, 0, tzinfo=UTC)) is not None


def test_an_end_that_is_near_is_told_before_anything_is_started(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By the data where there are any, else by today."""
    symbols = [market_symbol("B"), market_symbol("A", calendar="XSHG")]
    spans = {"A": [data("2026-12-01", "2026-12-20")]}
    (warning,) = calendar_warnings(symbols, read_calendars(symbols, spans), spans)
    assert warning.startswith(
        "symbols[1].calendar: sessions of XSHG are known until 2026-12-31 only (11 days from"
    )
    assert not calendar_warnings(
        symbols,
        read_calendars(symbols, spans),
        {"A": [data("2025-12-01", "2025-12-20")]},
    )
    monkeypatch.setattr(calendar_files, "host_now", lambda: datetime(2030, 1, 1, tzinfo=UTC))
    (warning,) = calendar_warnings(symbols, read_calendars(symbols, {}), {})
    assert "are known until 2026-12-31 only: regular hours" in warning


def test_a_lunch_that_the_library_leaves_out_is_told() -> None:
    symbols = [market_symbol("A", calendar="XSES"), market_symbol("B", calendar="XTKS")]
    spans = {name: [data("2024-12-01", "2024-12-20")] for name in ("A", "B")}
    (warning,) = calendar_warnings(symbols, read_calendars(symbols, spans), spans)
    assert warning.startswith(
        "symbols[0].calendar: XSES breaks for lunch, which exchange_calendars"
    )


def test_check_ends_with_78_and_its_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "A_1m.csv").write_text(
        "ts,open,high,low,close,volume\n2020-01-05T08:00:00+00:00,1,1,1,1,1\n"
    )
    config = tmp_path / "config.toml"
    config.write_text(
        f'[daemon]\nstate_dir = "{tmp_path}/var"\n[feeds.h]\nkind = "replay"\npath = "*.csv"\n'
        'speed = 0\n[venues.p]\nkind = "paper"\n[[symbols]]\nsymbol = "A"\nfeeds = ["h"]\n'
        'venue = "p"\ncalendar = "XSAU"\nbase_asset = "A"\nquote_asset = "USDT"\n'
    )
    assert main(["check", "--config", str(config)]) == 78
    err = capsys.readouterr().err
    assert "symbols[0].calendar ('A', line 13): XSAU knows no session before 2021-01-01" in err
    assert "Traceback" not in err
    assert not (tmp_path / "var").exists()
