"""Liveness check of the runner, the database and the log."""

from dataclasses import dataclass
from typing import Final

import structlog

from tradebotd.domain.ids import JobName
from tradebotd.domain.job import Outcome, Summary
from tradebotd.scheduling.job import RunContext
from tradebotd.storage.postgres.database import Database

NAME: Final = JobName("ping")

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Ping:
    database: Database
    name: JobName = NAME

    async def run(self, context: RunContext) -> Summary:
        await self.database.ping()
        context.progress({"done": 1, "total": 1})
        log.info("ping", market_time=context.now)
        return Summary(attempted=1, acted=1, items={"database": "answered"})

    async def outcome(self) -> Outcome:
        await self.database.ping()
        return Outcome(ok=True, message="the database answers")
