"""Attempts of one run of a job: its limit, retries and result. Host time throughout."""

import traceback
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final, NamedTuple

import anyio
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_result,
    stop_after_attempt,
    stop_after_delay,
    wait_exponential,
    wait_random,
)

from tradebotd.domain.errors import RefusedError
from tradebotd.domain.job import RunStatus, Summary, describe_duration
from tradebotd.scheduling.job import Job, RunContext

LONGEST_ERROR: Final = 20_000  # characters of a traceback that are kept: its end


class Backoff(NamedTuple):
    """Exponential backoff with jitter, short by default: a replay must not stall."""

    initial_seconds: float = 0.2
    max_seconds: float = 5.0
    total_seconds: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    status: RunStatus
    summary: Summary
    error: str | None = None
    attempts: int = 1
    refused: bool = False  # wrong parameters: a retry would be refused, too

    @property
    def broke_off(self) -> bool:
        """True if the attempt raised or timed out: nothing is known of its items."""
        return self.status is not RunStatus.OK and not self.summary.failed

    @property
    def can_be_mended(self) -> bool:
        """True if another attempt would have something to do."""
        return not self.refused and (self.broke_off or bool(self.summary.failed_items))


async def run_with_retries(
    job: Job,
    context: RunContext,
    *,
    hard_limit: timedelta,
    retries: int,
    backoff: Backoff,
    before_retry: Callable[[int], Awaitable[RunContext | None]],
) -> Result:
    """Run until `ok`, with at most *retries* retries; of a partial run, only the failed items.

    What failed without being a failed item (such as a quarantined row) is final: it is not retried,
    and the run stays `partial` whatever happens to the items.
    *before_retry* gets the number of the attempt and returns its context; None gives up.
    """
    first = await attempt(job, context, hard_limit)
    if not first.can_be_mended or not retries:
        return first
    latest = first
    calls = 0
    stopped = False

    async def once_more() -> Result:
        nonlocal latest, calls, stopped
        calls += 1
        if calls == 1:
            return latest  # the first attempt has been made: tenacity only waits
        again = await before_retry(latest.attempts + 1)
        if again is None:
            stopped = True
            return latest
        only = frozenset(latest.summary.failed_items) or context.only
        tried = await attempt(job, replace(again, only=only), hard_limit)
        latest = _joined(latest, tried)
        return latest

    waiting = AsyncRetrying(
        stop=stop_after_attempt(1 + retries) | stop_after_delay(backoff.total_seconds),
        wait=wait_exponential(multiplier=backoff.initial_seconds, max=backoff.max_seconds)
        + wait_random(0, backoff.initial_seconds),
        retry=retry_if_result(lambda result: not stopped and result.can_be_mended),
        retry_error_callback=_give_up,
        sleep=anyio.sleep,
    )
    result: Result = await waiting(once_more)
    return result


async def attempt(job: Job, context: RunContext, hard_limit: timedelta) -> Result:
    """Run *job* once, cancelled at its hard limit. Raises only when cancelled from outside."""
    try:
        with anyio.move_on_after(hard_limit.total_seconds()) as limit:
            summary = await job.run(context)
        if limit.cancelled_caught:
            error = f"cancelled at its hard limit of {describe_duration(hard_limit)}"
            return Result(status=RunStatus.TIMEOUT, summary=Summary(), error=error)
        return _result(summary)
    except RefusedError as refusal:
        said = storable(f"{refusal}{f' ({refusal.hint})' if refusal.hint else ''}")
        return Result(status=RunStatus.FAILED, summary=Summary(), error=said, refused=True)
    except Exception:  # noqa: BLE001 - one of the three edges: a job may raise anything
        error = storable(traceback.format_exc())[-LONGEST_ERROR:]
        return Result(status=RunStatus.FAILED, summary=Summary(), error=error)


def storable(text: str) -> str:
    """Return *text* as PostgreSQL accepts it: without NUL or lone surrogates."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()


def _result(summary: Summary, attempts: int = 1) -> Result:
    status = summary.status()
    if status is RunStatus.OK:
        return Result(status=status, summary=summary, attempts=attempts)
    named = "; ".join(
        f"{item}: {reason}"
        for item, detail in summary.items.items()
        if (reason := _reason(detail, failed=item in summary.failed_items))
    )
    error = storable(f"{summary.failed} of {summary.attempted} failed: {named}")[:LONGEST_ERROR]
    return Result(status=status, summary=summary, error=error, attempts=attempts)


def _reason(detail: object, *, failed: bool) -> str | None:
    """Return the error of a summary's item; None if it succeeded."""
    if isinstance(detail, dict) and "error" in detail:
        return str(detail["error"])
    return str(detail) if failed else None


def _give_up(state: RetryCallState) -> Result:
    if state.outcome is None:
        raise AssertionError("tenacity gives up only after an attempt")
    result: Result = state.outcome.result()
    return result


def _joined(before: Result, again: Result) -> Result:
    """Join the results of two attempts; what failed first and not again counts as done."""
    attempts = before.attempts + 1
    if before.broke_off:
        return replace(again, attempts=attempts)
    if again.broke_off:
        return replace(before, error=again.error, attempts=attempts)
    old, new = before.summary, again.summary
    joined = Summary(
        attempted=old.attempted,
        inserted=old.inserted + new.inserted,
        updated=old.updated + new.updated,
        skipped=old.skipped + new.skipped,
        failed=old.failed - len(old.failed_items) + new.failed,
        acted=old.acted + new.acted,
        put_off=old.put_off + new.put_off,
        items=_joined_items(old, new),
        counts={
            name: old.counts.get(name, 0) + new.counts.get(name, 0)
            for name in {**old.counts, **new.counts}
        },
        failed_items=new.failed_items,
    )
    return _result(joined, attempts)


def _joined_items(old: Summary, new: Summary) -> dict[str, object]:
    kept = {name: value for name, value in old.items.items() if name not in old.failed_items}
    return {**kept, **new.items}
