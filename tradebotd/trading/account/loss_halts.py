"""Losses of the account that stop its entries until a day is over or an operator resumes."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo
from typing import Any

import structlog

from tradebotd.domain.alert_code import AlertCode
from tradebotd.domain.bot import AccountLimits
from tradebotd.domain.denial import DenialRule
from tradebotd.ports.clock import Clock
from tradebotd.risk.limits import AccountState, reached_account_limit
from tradebotd.storage import alerts, settings
from tradebotd.storage.postgres.database import Connection, Database
from tradebotd.trading.account.trading_day import day_ends

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountHalt:
    """Halt of the account's entries; `until` None: until an operator resumes."""

    rule: DenialRule
    detail: str
    since: datetime
    until: datetime | None

    def holds(self, now: datetime) -> bool:
        return self.until is None or self.until > now

    @classmethod
    def read(cls, stored: dict[str, Any]) -> "AccountHalt":
        until = stored["until"]
        return cls(
            rule=DenialRule.named(stored["rule"]),
            detail=stored["detail"],
            since=datetime.fromisoformat(stored["since"]),
            until=None if until is None else datetime.fromisoformat(until),
        )

    def as_json(self) -> dict[str, str | None]:
        return {
            "rule": self.rule,
            "detail": self.detail,
            "since": self.since.isoformat(),
            "until": None if self.until is None else self.until.isoformat(),
        }


class AccountHalts:
    """Halt of the account, at most one: a drawdown outlasts a bad day.

    Stored, so that a restart does not lift it.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._halt: AccountHalt | None = None
        self.count = 0  # how many there have been since the start
        self.on_halt: Callable[[], None] | None = None

    async def load(self) -> None:
        async with self._database.connection() as connection:
            stored = await settings.get(connection, settings.ACCOUNT_HALT)
        self._halt = None if stored is None else AccountHalt.read(stored)

    @property
    def current(self) -> AccountHalt | None:
        halt = self._halt
        return halt if halt is not None and halt.holds(self._clock.now()) else None

    def closed_because(self) -> str | None:
        halt = self.current
        return None if halt is None else f"account {halt.rule}"

    async def judge(
        self, account: str, state: AccountState, limits: AccountLimits, zone: tzinfo
    ) -> AccountHalt | None:
        """Return the halt in force, a new one included. Raises DatabaseUnavailableError."""
        now, current = self._clock.now(), self.current
        if self._halt is not None and current is None:
            await self._clear(now)
        wanted = _wanted(state, limits, zone, now)
        if wanted is None or (
            current is not None and current.rule in (wanted.rule, DenialRule.MAX_DRAWDOWN)
        ):
            return current
        message = f"no entries: {wanted.rule}, {wanted.detail}"
        before, self._halt = (
            self._halt,
            wanted,
        )  # from here no entry leaves; once stored, none is written
        self.count += 1
        try:
            async with self._database.transaction(durable=True) as connection:
                await settings.put(connection, settings.ACCOUNT_HALT, wanted.as_json())
                await alerts.raise_alert(
                    connection, AlertCode.ACCOUNT_LIMIT_REACHED, "critical", account, message, now
                )
        except BaseException:
            self._halt = before
            raise
        log.critical("entries stopped", rule=wanted.rule, detail=wanted.detail, until=wanted.until)
        if self.on_halt is not None:
            self.on_halt()
        return wanted

    async def resume(self, connection: Connection) -> bool:
        """Resume in the caller's transaction; call `forget` once it has committed.

        Returns False when there is nothing to resume. The highest equity begins anew: the same loss
        does not count twice.
        """
        halt = self.current
        if halt is None or halt.rule != DenialRule.MAX_DRAWDOWN:
            return False
        now = self._clock.now()
        await settings.put(connection, settings.ACCOUNT_HALT, None)
        await settings.put(connection, settings.ACCOUNT_PEAK_SINCE, now.isoformat())
        await alerts.clear_others(connection, AlertCode.ACCOUNT_LIMIT_REACHED, [], now)
        return True

    def forget(self) -> None:
        self._halt = None

    async def _clear(self, now: datetime) -> None:
        async with self._database.transaction(durable=True) as connection:
            await settings.put(connection, settings.ACCOUNT_HALT, None)
            await alerts.clear_others(connection, AlertCode.ACCOUNT_LIMIT_REACHED, [], now)
        log.info("entries resumed", because="the account's day is over")
        self._halt = None


def _wanted(
    state: AccountState, limits: AccountLimits, zone: tzinfo, now: datetime
) -> AccountHalt | None:
    """Return the halt that the limits require, the longer-lasting of the two; None if none."""
    without_day = replace(state, day_start_equity=state.equity)
    reached = reached_account_limit(without_day, limits) or reached_account_limit(state, limits)
    if reached is None:
        return None
    rule, detail = reached
    until = day_ends(now, zone) if rule == DenialRule.MAX_DAILY_LOSS else None
    return AccountHalt(rule=rule, detail=detail, since=now, until=until)
