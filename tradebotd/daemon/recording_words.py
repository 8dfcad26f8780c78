"""What `check` and the log say of recorded files: what is wrong, what is missing, what was done."""

from collections.abc import Iterator, Sequence
from typing import Final

from tradebotd.domain.ids import FeedName
from tradebotd.feeds.replay import FileReport, Recordings

# Of a file that loses so many rows it is the layout that is wrong, not some rows.
LARGEST_LOSS: Final = 0.5
_NAMED: Final = 5  # files whose names nobody understands, told one by one


def problems_of(feed: FeedName, recordings: Recordings) -> Iterator[str]:
    """Files of which nothing, or half, can be used."""
    for file in recordings.reports:
        if file.flaw is not None:
            yield f"feeds.{feed}: {file.source}: {file.flaw}"
        elif file.left_out >= LARGEST_LOSS * file.rows:
            yield f"feeds.{feed}: {_left_out(file)}"


def warnings_of(feed: FeedName, recordings: Recordings) -> list[str]:
    """What is missing of files that are loaded, and names that were passed over."""
    told = [f"feeds.{feed}: {words}" for _, words in losses(recordings)]
    unread = recordings.unread
    told += [
        f"feeds.{feed}: {source} is not read: it is not named SYMBOL_TIMEFRAME.csv, .csv.gz or"
        " .parquet"
        for source in unread[:_NAMED]
    ]
    if len(unread) > _NAMED:
        told.append(f"feeds.{feed}: {len(unread) - _NAMED} more files are named so")
    return told


def notes_of(feed: FeedName, recordings: Recordings) -> list[str]:
    """What was done to rows of which nothing is missing."""
    told: list[str] = []
    for file in recordings.reports:
        told += [f"feeds.{feed}: {file.source}: {note}" for note in file.notes]
        if file.replaced:
            told.append(f"feeds.{feed}: {file.source}: {_replaced(file)}")
    return told


def losses(recordings: Recordings) -> Sequence[tuple[FileReport, str]]:
    """Each file that is loaded in part, and how much of it is missing."""
    return [(file, _left_out(file)) for file in recordings.reports if file.lost]


def _left_out(file: FileReport) -> str:
    return (
        f"{file.source}: {file.left_out} of {file.rows} rows are left out; the first, {file.first}"
    )


def _replaced(file: FileReport) -> str:
    if file.replaced == file.left_out:
        return f"{file.replaced} of {file.rows} rows are replaced; the first, {file.first}"
    return f"{file.replaced} of the rows left out are replaced by later ones"
