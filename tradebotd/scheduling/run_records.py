"""Records of a finished run: its row, and its counts for the log."""

from datetime import datetime
from typing import Any

from tradebotd.domain.job import RunStatus
from tradebotd.scheduling.attempts import Result
from tradebotd.scheduling.run_ledger import OpenRun
from tradebotd.storage.job_runs import RunRecord


def counts_of(result: Result) -> dict[str, Any]:
    summary = result.summary
    figures = {
        "attempted": summary.attempted,
        "inserted": summary.inserted,
        "updated": summary.updated,
        "skipped": summary.skipped,
        "failed": summary.failed,
        **summary.counts,
    }
    return {name: value for name, value in figures.items() if value}


def record_of(run: OpenRun, result: Result, now: datetime, seconds: float) -> RunRecord:
    return RunRecord(
        id=run.id,
        job=run.job,
        scheduled_at=run.scheduled_at,
        slot_at=run.slot_at,
        started_at=run.started_at,
        finished_at=now,
        status=result.status,
        attempt=run.attempt,
        duration_s=seconds,
        summary=result.summary.as_json(),
        error=result.error,
        eventful=result.status is not RunStatus.OK
        or result.summary.acted > 0
        or run.scheduled_at is None,
    )
