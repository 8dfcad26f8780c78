"""Rows in any order, over any number of files: the same candles, and nothing lost silently."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradebotd.domain.candle import Candle
from tradebotd.domain.timeframe import Timeframe
from tradebotd.feeds.csv_candles import load_recording
from tradebotd.feeds.merging import merge
from tradebotd.feeds.recording import FileFlawError, Recording
from tradebotd.feeds.row_order import refuse_another_timeframe

START = datetime(2025, 1, 1, tzinfo=UTC)
HEADER = "ts,open,high,low,close,volume"
MINUTE = timedelta(minutes=1)


def row(minute: int, volume: float = 1.0) -> str:
    price = 100 + minute % 50
    return (
        f"{(START + minute * MINUTE).isoformat()},{price},{price + 1},{price - 1},{price},{volume}"
    )


def candle(minute: int, volume: float = 1.0) -> Candle:
    price = 100.0 + minute % 50
    return Candle(START + minute * MINUTE, price, price + 1, price - 1, price, volume)


def load(directory: Path, rows: list[str]) -> Recording:
    path = directory / "AAA_1m.csv"
    path.write_text("\n".join([HEADER, *rows]))
    return load_recording(path, Timeframe.M1)


def minutes(recording: Recording) -> list[int]:
    return [(each.ts - START) // MINUTE for each in recording.candles]


@pytest.mark.parametrize(
    ("order", "note"),
    [
        pytest.param(list(range(60)), [], id="as it should be"),
        pytest.param(list(range(60))[::-1], ["the newest row stood first: sorted"], id="reversed"),
        pytest.param(
            [*range(30, 60), *range(30)], ["rows stood in no order: sorted"], id="two downloads"
        ),
        pytest.param([59, *range(59)], ["rows stood in no order: sorted"], id="the last one first"),
        pytest.param(
            [*range(20), *range(21, 60), 20], ["rows stood in no order: sorted"], id="one is late"
        ),
        pytest.param(
            [*range(40, 60), *range(20, 40), *range(20)],
            ["rows stood in no order: sorted"],
            id="three downloads",
        ),
    ],
)
def test_rows_of_another_order_are_sorted(
    tmp_path: Path, order: list[int], note: list[str]
) -> None:
    """M3.4, 3.8: each time is there once, so that order says nothing that is not known."""
    recording = load(tmp_path, [row(minute) for minute in order])

    assert recording.candles == [candle(minute) for minute in range(60)]
    assert (recording.rejected, recording.flaw, recording.notes) == ([], None, note)


@given(st.permutations(range(40)))
def test_any_order_holds_the_same_candles(order: list[int]) -> None:
    """M3.4: sorted, and none lost."""
    with TemporaryDirectory() as directory:
        recording = load(Path(directory), [row(minute) for minute in order])

    assert recording.candles == [candle(minute) for minute in range(40)]
    assert recording.rejected == []


def test_of_two_rows_of_one_time_the_later_one_counts(tmp_path: Path) -> None:
    """The first was written before its candle had closed; it is quarantined as it came."""
    rows = [row(0), row(1), row(2, volume=0.02), row(2, volume=50), row(3)]
    recording = load(tmp_path, rows)

    assert recording.candles == [candle(0), candle(1), candle(2, 50), candle(3)]
    ((at, rejected),) = recording.rejected
    assert at == START + 2 * MINUTE
    assert (rejected.line, rejected.raw) == (4, rows[2])
    assert rejected.reason == "differs from line 5, a later row of the same time"
    assert (recording.replaced, recording.rows) == (1, 5)


def test_of_three_rows_of_one_time_the_last_one_counts(tmp_path: Path) -> None:
    rows = [row(0), row(1, 1), row(1, 2), row(1, 1), row(2)]
    recording = load(tmp_path, rows)

    assert recording.candles == [candle(0), candle(1, 1), candle(2)]
    assert [rejected.line for _, rejected in recording.rejected] == [3, 4]


def test_a_correction_at_the_end_replaces_what_stood_in_its_place(tmp_path: Path) -> None:
    """Two downloads after each other that overlap: the second one's rows are the finished ones."""
    recording = load(
        tmp_path, [*map(row, range(30)), row(28), row(29, 7), *map(row, range(30, 40))]
    )

    assert minutes(recording) == list(range(40))
    assert recording.candles[29] == candle(29, 7)
    assert recording.duplicates == [START + 28 * MINUTE]
    assert [rejected.line for _, rejected in recording.rejected] == [31]
    assert recording.notes == []


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param([*map(row, range(29, 60)), *map(row, range(29)), row(29, 7)], id="blocks"),
        pytest.param([row(29, 7), *[row(n) for n in range(29, -1, -1)]], id="newest first"),
    ],
)
def test_where_no_order_says_which_of_two_is_later_the_file_is_refused(
    tmp_path: Path, rows: list[str]
) -> None:
    """A wrong candle is worse than none."""
    recording = load(tmp_path, rows)

    assert recording.candles == []
    assert recording.flaw is not None
    assert "in no order that says which of them is right" in recording.flaw.reason


def test_a_row_that_is_misplaced_and_far_from_all_others_is_left_out(tmp_path: Path) -> None:
    """M3.4: it is wrongly dated; sorted in, it would stretch the recording."""
    rows = [row(minute) for minute in range(60)]
    rows.insert(20, row(20_000))
    recording = load(tmp_path, rows)

    assert minutes(recording) == list(range(60))
    ((_, rejected),) = recording.rejected
    assert (rejected.line, rejected.reason, rejected.raw) == (22, "out of order", row(20_000))


@given(st.sets(st.integers(0, 3000), min_size=100), st.sampled_from([1, 5, 60]))
def test_candles_that_are_missing_are_no_other_timeframe(
    minutes_there: set[int], stretch: int
) -> None:
    """M3.8: be it most of them, at any timeframe."""
    timeframe = {1: Timeframe.M1, 5: Timeframe.M5, 60: Timeframe.H1}[stretch]
    found = [candle(minute * stretch) for minute in sorted(minutes_there)]

    refuse_another_timeframe(found, timeframe)


@pytest.mark.parametrize("stretch", [2, 3, 5, 60, 1440])
@pytest.mark.parametrize("odd", [0, 1, 3])
def test_rows_of_a_longer_time_are_refused(stretch: int, odd: int) -> None:
    """M3.4: be it that some are missing, or a few stand between them."""
    minutes_there = {n * stretch for n in range(200) if n % 7} | {
        n * stretch + 1 for n in range(odd)
    }
    found = [candle(minute) for minute in sorted(minutes_there)]

    with pytest.raises(FileFlawError, match="apart, and by its name they are of 1m"):
        refuse_another_timeframe(found, Timeframe.M1)


# Several files

END = 300


def recorded(first: int, last: int, volume: float = 1.0) -> Recording:
    found = [candle(minute, volume) for minute in range(first, last)]
    return Recording(candles=found, rows=len(found))


@given(st.lists(st.tuples(st.integers(0, END), st.integers(1, END)), min_size=1, max_size=8))
def test_files_that_agree_are_one_recording(pieces: list[tuple[int, int]]) -> None:
    """Disjoint, in a row, overlapping, one inside another, in any order: every candle once."""
    files = [(str(number), recorded(a, a + b)) for number, (a, b) in enumerate(pieces)]
    merged, counted = merge(files, Timeframe.M1)

    expected = sorted({minute for a, b in pieces for minute in range(a, a + b)})
    assert merged.candles == [candle(minute) for minute in expected]
    assert merged.rejected == []
    assert len(merged.candles) + len(merged.duplicates) == sum(b for _, b in pieces)
    assert merged.duplicates == sorted(merged.duplicates)
    assert [source for source, _ in counted] == [source for source, _ in files]
    assert all(each.flaw is None for _, each in counted)


@given(st.integers(1, 50), st.integers(1, 50), st.sampled_from(["ab", "ba"]))
def test_the_last_row_of_a_file_is_finished_by_the_next(
    first: int, further: int, names: str
) -> None:
    """Which of two files ends later says which is newer, whatever they are called."""
    older = recorded(0, first)
    older.candles[-1] = candle(first - 1, 0.02)
    newer = recorded(first - 1, first + further)
    files = [(names[0], older), (names[1], newer)]
    merged, counted = merge(sorted(files, key=lambda each: each[0]), Timeframe.M1)

    assert merged.candles == [candle(minute) for minute in range(first + further)]
    ((at, rejected),) = merged.rejected
    assert at == rejected.ts == START + (first - 1) * MINUTE
    assert rejected.source == names[0]
    assert merged.replaced == 1
    assert {each.flaw for _, each in counted} == {None}


def test_a_file_that_contradicts_another_is_refused_as_a_whole() -> None:
    """Two exchanges, or two instruments, are no recording of one."""
    files = [("a", recorded(0, 100, volume=2)), ("b", recorded(50, 150))]
    merged, counted = merge(files, Timeframe.M1)

    assert merged.candles == [candle(minute) for minute in range(50, 150)]
    flaws = {source: each.flaw for source, each in counted}
    assert flaws["b"] is None
    assert flaws["a"] is not None
    assert flaws["a"].reason == (
        "contradicts b, which ends later: 50 of 50 common times differ, the first at"
        " 2025-01-01T00:50:00+00:00"
    )


def test_months_of_an_archive_are_not_copied_into_a_table() -> None:
    """What follows each other is joined; its rows come by in the order of time."""
    files = [("02", recorded(100, 200)), ("01", recorded(0, 100)), ("03", recorded(200, 300))]
    merged, counted = merge(files, Timeframe.M1)

    assert minutes(merged) == list(range(300))
    assert merged.rows == 300
    assert counted == files


def test_of_two_files_that_end_together_neither_is_the_finished_one() -> None:
    """Case 21: a last minute that differs is refused, whichever file is named first."""
    one, other = recorded(0, 9), recorded(0, 9)
    other.candles[-1] = candle(8, volume=7.0)

    merged, files = merge([("a.csv", one), ("b.csv", other)], Timeframe.M1)

    flaws = [each.flaw for _, each in files]
    assert flaws.count(None) == 1
    assert "which ends at the same time" in str(next(flaw for flaw in flaws if flaw))
    assert len(merged.candles) == len(one.candles)
