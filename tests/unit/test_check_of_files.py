"""`tradebotd check` opens every file that a feed names, and says what is wrong with it."""

import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tradebotd.daemon.commands import main

START = datetime(2025, 1, 1, tzinfo=UTC)
HEADER = "ts,open,high,low,close,volume"
CONFIG = """
[feeds.h]
kind = "replay"
path = "data/*"
speed = 0
[venues.paper]
kind = "paper"
[[symbols]]
symbol = "AAAUSDT"
feeds = ["h"]
venue = "paper"
"""


def rows(count: int, first: int = 0) -> list[str]:
    times = [START + timedelta(minutes=first + number) for number in range(count)]
    return [f"{at.isoformat()},10,11,9,10,{at.minute}" for at in times]


def written(folder: Path, files: Mapping[str, Sequence[str]], text: str = CONFIG) -> list[str]:
    """The arguments of `check`."""
    for name, lines in files.items():
        path = folder / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(lines) + ("\n" if lines else ""))
    config = folder / "c.toml"
    config.write_text(text)
    return ["check", "--config", str(config)]


BAD = [*rows(3), "2025-01-01T00:03:00Z,10,9,11,10,1", *rows(2, 4)]

REFUSED: dict[str, tuple[dict[str, Sequence[str]], str]] = {
    "empty": ({"AAAUSDT_1m.csv": []}, "AAAUSDT_1m.csv: the file is empty"),
    "another header": (
        {"AAAUSDT_1m.csv": ["Day,Open,High,Low,Close,Volume", *rows(3)]},
        "AAAUSDT_1m.csv: columns are missing: ts",
    ),
    "no zone": (
        {"AAAUSDT_1m.csv": [HEADER, "2025-01-01 00:00:00,10,11,9,10,1"]},
        "AAAUSDT_1m.csv: no row is a candle; the first: line 2: ts has no time zone",
    ),
    "half": (
        {"AAAUSDT_1m.csv": [HEADER, *(f"{row},9" if n % 2 else row for n, row in enumerate(rows(20)))]},
        "AAAUSDT_1m.csv: 10 of 20 rows are left out; the first, line 3: 7 columns instead of 6",
    ),
    "two instruments in one": (
        {"AAAUSDT_1m.csv": [HEADER, *(f"{row}{x}" for row in rows(20) for x in ("", "1"))]},
        "AAAUSDT_1m.csv: 20 of 40 rows are left out; the first, line 2: differs from line 3",
    ),
    "one month of two": (
        {"1/AAAUSDT_1m.csv": [HEADER, *rows(9)], "2/AAAUSDT_1m.csv": [HEADER]},
        "2/AAAUSDT_1m.csv: the file holds no rows",
    ),
    "two sources": (
        {
            "a/AAAUSDT_1m.csv": [HEADER, *rows(9)],
            "b/AAAUSDT_1m.csv": [HEADER, *(f"{row}5" for row in rows(9, 1))],
        },
        "a/AAAUSDT_1m.csv: contradicts b/AAAUSDT_1m.csv, which ends later: 8 of 8 common times",
    ),
    "rows of hours, named as minutes": (
        {"AAAUSDT_1m.csv": [HEADER, *rows(1200)[::60]]},
        "AAAUSDT_1m.csv: its rows are 1 h apart, and by its name they are of 1m: name it 1h",
    ),
    "rows of three minutes": (
        {"AAAUSDT_1m.csv": [HEADER, *rows(90)[::3]]},
        "its rows are 3 min apart, and by its name they are of 1m: candles are of 1m, 5m, 15m, 1h",
    ),
    "rows of weeks, named as days": (
        {"AAAUSDT_1d.csv": [HEADER, *(f"{START + timedelta(weeks=n)},10,11,9,10,1" for n in range(30))]},
        "AAAUSDT_1d.csv: its rows are 7 d apart, and by its name they are of 1d",
    ),
    "the same letters": (
        {"aaa-usdt_1m.csv": [HEADER, *rows(3)], "BBB_1m.csv": [HEADER, *rows(3)]},
        'data/*; there is one of aaa-usdt: names = { h = "aaa-usdt" } of the symbol',
    ),
    "other symbols": ({"BBB_1m.csv": [HEADER, *rows(3)]}, "data/*; there are files of BBB"),
    "another name": (
        {"AAAUSDT_1min.csv": [HEADER, *rows(3)]},
        "data/*; AAAUSDT_1min.csv is named otherwise",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("files", "words"), REFUSED.values(), ids=REFUSED)
def test_a_feed_of_which_nothing_or_half_is_loaded_is_never_good(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    files: Mapping[str, Sequence[str]],
    words: str,
) -> None:
    """N9, N10: 78, with the file, the line and the reason."""
    deeper = "/" in next(iter(files))
    text = CONFIG.replace("data/*", "data/*/*.csv") if deeper else CONFIG

    assert main.main(written(tmp_path, files, text)) == 78
    said = capsys.readouterr()
    assert "good" not in said.out
    assert said.err.count("feeds.h") == 1
    assert words in said.err


BOT = """
[[bots]]
name = "m"
symbol = "AAAUSDT"
strategy = "ema_rsi"
"""


def test_a_bot_whose_candles_are_finer_than_what_is_recorded_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """M3.5: candles are made of finer ones, never the other way: it would wait for ever."""
    files = {"AAAUSDT_1h.csv": [HEADER, *rows(60 * 300)[::60]]}

    assert main.main(written(tmp_path, files, CONFIG + BOT)) == 78
    words = "bots[0].timeframe ('m', line 13): 1m, and the finest recording of AAAUSDT is of 1h"
    assert words in capsys.readouterr().err
    assert main.main(written(tmp_path, files, CONFIG + BOT + 'timeframe = "1h"\n')) == 0
    assert main.main(written(tmp_path, files, CONFIG + BOT + "active = false\n")) == 0


@pytest.mark.parametrize(("count", "is_told"), [(231, True), (232, False)])
def test_a_bot_that_no_recording_is_long_enough_for_is_told(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    count: int,
    is_told: bool,  # noqa: FBT001
) -> None:
    """N48: a replay of it would end with no trade, and no reason."""
    files = {"AAAUSDT_1m.csv": [HEADER, *rows(count - 1)]}  # a first candle may have begun before

    assert main.main(written(tmp_path, files, CONFIG + BOT)) == 0
    words = "warning: bots[0].strategy ('m', line 16): ema_rsi looks at 232 candles of 1m, and the"
    assert (words in capsys.readouterr().out) is is_told


def test_what_was_read_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong unit or zone is seen there, and holes."""
    files = {"x/y/AAAUSDT_1m.csv": [HEADER, *rows(20), *rows(10, 50)]}
    text = CONFIG.replace("data/*", "data/**/*.csv")

    assert main.main(written(tmp_path, files, text)) == 0
    words = (
        "note: feeds.h: AAAUSDT 1m: 30 candles, 2025-01-01 00:00 to 2025-01-01 00:59 UTC,"
        " 30 missing between them"
    )
    assert words in capsys.readouterr().out


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("data/*.tsv", "data/*.tsv; in {0}/data there is AAAUSDT_1m.csv"),
        ("dta/*.csv", "dta/*.csv: there is no folder {0}/dta"),
        ("data/BBB_1m.csv", "data/BBB_1m.csv; in {0}/data there is AAAUSDT_1m.csv"),
    ],
)
def test_what_is_there_is_told_where_no_file_matches(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], path: str, words: str
) -> None:
    """N9: the usual mistake is a folder or a suffix."""
    files = {"AAAUSDT_1m.csv": [HEADER, *rows(3)]}

    assert main.main(written(tmp_path, files, CONFIG.replace("data/*", path))) == 78
    assert words.format(tmp_path) in capsys.readouterr().err


def test_a_kind_that_is_misspelt_is_one_problem(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """N40: with a path it is meant to be a replay, and its files are looked at."""
    text = CONFIG.replace('"replay"', '"reply"')

    assert main.main(written(tmp_path, {"AAAUSDT_1m.csv": [HEADER, *rows(3)]}, text)) == 78
    assert "1 problem in the configuration" in capsys.readouterr().err
    assert main.main(written(tmp_path, {"AAAUSDT_1m.csv": [HEADER]}, text)) == 78
    assert "AAAUSDT_1m.csv: the file holds no rows" in capsys.readouterr().err


def test_parquet_without_its_extra_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """README: what it says of Parquet is so, or is said."""
    monkeypatch.setitem(sys.modules, "pyarrow", None)

    assert main.main(written(tmp_path, {"AAAUSDT_1m.parquet": ["PAR1"]})) == 78
    assert "requirements-parquet.txt" in capsys.readouterr().err


def test_what_is_missing_of_a_file_that_is_loaded_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """M3.4: some bad rows are quarantined, and known before the start."""
    files = {
        "AAAUSDT_1m.csv": [HEADER, *BAD],
        "AAAUSDT_1min.csv": [HEADER],
        "BBBUSDT_1m.csv": [HEADER],  # of no symbol here
        "README.md": ["none"],
    }
    assert main.main(written(tmp_path, files)) == 0
    said = capsys.readouterr().out
    assert (
        "warning: feeds.h: AAAUSDT_1m.csv: 1 of 6 rows are left out; the first, line 5: high"
        in said
    )
    assert (
        "warning: feeds.h: AAAUSDT_1min.csv is not read: it is not named SYMBOL_TIMEFRAME" in said
    )
    assert "BBB" not in said
    assert "README" not in said


def test_what_was_done_to_rows_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Sorted, replaced by a later row, twice in two files: nothing is missing, and it is no secret."""
    files = {
        "AAAUSDT_1m_2024.csv": [HEADER, *rows(9)[::-1]],
        "AAAUSDT_1m_2025.csv": [HEADER, *rows(2, 7), rows(1, 9)[0] + "5", *rows(9, 9)],
    }
    assert main.main(written(tmp_path, files)) == 0
    said = capsys.readouterr().out
    assert "note: feeds.h: AAAUSDT_1m_2024.csv: the newest row stood first: sorted" in said
    assert (
        "note: feeds.h: AAAUSDT_1m_2024.csv: 2 of its times are in a file that ends later" in said
    )
    assert (
        "note: feeds.h: AAAUSDT_1m_2025.csv: 1 of 12 rows are replaced; the first, line 4" in said
    )
    assert "warning: feeds.h" not in said


UNFINISHED = rows(1)[0].rpartition(",")[0] + ",0.5"
REPLACED: dict[str, tuple[dict[str, Sequence[str]], str]] = {
    "a file of one row": (
        {"AAAUSDT_1m_2024.csv": [HEADER, UNFINISHED], "AAAUSDT_1m_2025.csv": [HEADER, *rows(9)]},
        (
            "AAAUSDT_1m_2024.csv: 1 of its times are in a file that ends later, too; 1 with other"
            " values, the first at 2025-01-01T00:00:00+00:00: that file counts"
        ),
    ),
    "a file of two": (
        {
            "AAAUSDT_1m_2024.csv": [HEADER, *rows(1, 1), rows(1, 2)[0] + "5"],
            "AAAUSDT_1m_2025.csv": [HEADER, *rows(9, 2)],
        },
        "AAAUSDT_1m_2024.csv: 1 of its times are in a file that ends later, too; 1 with other values",
    ),
    "a file of one candle, unfinished first": (
        {"AAAUSDT_1m.csv": [HEADER, UNFINISHED, *rows(1)]},
        "AAAUSDT_1m.csv: 1 of 2 rows are replaced; the first, line 2: differs from line 3",
    ),
    "one candle three times": (
        {"AAAUSDT_1m.csv": [HEADER, UNFINISHED, UNFINISHED + "5", *rows(2)]},
        "AAAUSDT_1m.csv: 2 of 4 rows are replaced; the first, line 2: differs from line 3",
    ),
}


@pytest.mark.parametrize(("files", "words"), REPLACED.values(), ids=REPLACED)
def test_a_row_that_is_replaced_does_not_count_against_its_file(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    files: Mapping[str, Sequence[str]],
    words: str,
) -> None:
    """3.8: nothing is missing for it; it is said, and no warning."""
    assert main.main(written(tmp_path, files)) == 0
    said = capsys.readouterr().out
    assert f"note: feeds.h: {words}" in said
    assert "warning: feeds.h" not in said


def test_what_is_lost_is_told_apart_from_what_is_replaced(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """3.8: each with its number and its own first line."""
    files = {
        "AAAUSDT_1m_2024.csv": [HEADER, UNFINISHED, *BAD, rows(1, 6)[0] + "5"],
        "AAAUSDT_1m_2025.csv": [HEADER, *rows(9, 6)],
    }
    assert main.main(written(tmp_path, files)) == 0
    said = capsys.readouterr().out
    assert "_2024.csv: 1 of 8 rows are left out; the first, line 6: high is below low" in said
    assert "_2024.csv: 1 of 8 rows are replaced; the first, line 2: differs from line 3" in said
    assert "_2024.csv: 1 of its times are in a file that ends later, too; 1 with other" in said


def test_a_feed_that_no_symbol_uses_is_not_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = '[feeds.old]\nkind = "replay"\npath = "data/*"\nspeed = 0\n'
    files = {"AAAUSDT_1m.csv": [HEADER, *rows(3)]}

    assert main.main(written(tmp_path, files, other + CONFIG)) == 0
    assert "warning: feeds" not in capsys.readouterr().out
