"""Alerts and log lines for feeds that could read only a part of their files."""

from datetime import datetime

import structlog

from tradebotd.daemon.recorded_file_words import losses, notes_of, warnings_of
from tradebotd.daemon.wiring.files import LoadedFiles
from tradebotd.domain.alert_code import AlertCode
from tradebotd.storage import alerts
from tradebotd.storage.postgres.database import Database

log = structlog.get_logger(__name__)


async def alert_recordings(database: Database, files: LoadedFiles, now: datetime) -> None:
    """Raise an alert for each partly loaded file, and clear those of an earlier start."""
    still: list[str] = []
    async with database.transaction() as connection:
        for feed, recordings in files.recordings.items():
            for file, words in losses(recordings):
                subject = f"{feed} {file.source}"
                still.append(subject)
                await alerts.raise_alert(
                    connection, AlertCode.RECORDING_INCOMPLETE, "warning", subject, words, now
                )
        await alerts.clear_others(connection, AlertCode.RECORDING_INCOMPLETE, still, now)
    for feed, recordings in files.recordings.items():
        for warning in warnings_of(feed, recordings):
            log.warning("recording incomplete", feed=feed, reason=warning)
        for note in notes_of(feed, recordings):
            log.info("recording arranged", feed=feed, reason=note)
