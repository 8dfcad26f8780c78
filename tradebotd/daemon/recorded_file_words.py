"""Words of `check` and the log about recorded files: what is missing, what was done."""

from collections.abc import Container, Sequence
from typing import TYPE_CHECKING, Final

from tradebotd.domain.ids import FeedName

if TYPE_CHECKING:  # the readers of files cost a start that reads none
    from tradebotd.feeds.file_report import FileReport
    from tradebotd.feeds.replay import Recordings

_NAMED: Final = 5  # files that are passed over, told one by one


def warnings_of(feed: FeedName, recordings: "Recordings") -> list[str]:
    """Return warnings of what files that are loaded lack, and of files that were passed over."""
    warnings = [f"feeds.{feed}: {words}" for _, words in losses(recordings)]
    unread = recordings.unread
    warnings += [f"feeds.{feed}: {source} is not read: {why}" for source, why in unread[:_NAMED]]
    if len(unread) > _NAMED:
        warnings.append(f"feeds.{feed}: {len(unread) - _NAMED} more files are not read")
    return warnings


def read_of(feed: FeedName, recordings: "Recordings", always_open: Container[str]) -> list[str]:
    """Each recording of a symbol: how many candles, from when to when, and how many are missing.

    *always_open*: symbols whose market never closes; of others they are not counted.
    """
    told: list[str] = []
    for symbol, shelf in recordings.shelves.items():
        for timeframe, series in shelf.items():
            first, last, count = series.times[0], series.times[-1], len(series.times)
            words = f"{count:,} candles, {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} UTC"
            missing = (last - first) // timeframe.duration + 1 - count
            if missing and symbol in always_open:
                words += f", {missing:,} missing between them"
            told.append(f"feeds.{feed}: {symbol} {timeframe}: {words}")
    return told


def notes_of(feed: FeedName, recordings: "Recordings") -> list[str]:
    """Return what was done to rows without any loss."""
    notes: list[str] = []
    for file in recordings.reports:
        notes += [f"feeds.{feed}: {file.source}: {note}" for note in file.notes]
        if file.doubled:
            notes.append(f"feeds.{feed}: {file.doubles()}")
    return notes


def losses(recordings: "Recordings") -> Sequence[tuple["FileReport", str]]:
    """Return each partly loaded file, and how much of it is missing."""
    return [(file, file.loss()) for file in recordings.reports if file.lost]
