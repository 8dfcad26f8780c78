"""`alerts`: one open row for each (code, subject), counted while it lasts, kept afterwards."""

from collections.abc import Iterable
from datetime import datetime
from typing import Final, Literal, LiteralString

from tradebotd.domain.alert_code import AlertCode
from tradebotd.storage.postgres.database import Connection

Severity = Literal["info", "warning", "critical"]

RAISE: Final[LiteralString] = """
    INSERT INTO alerts (code, severity, subject, message, runbook, raised_at, last_seen_at)
    VALUES ($1, $2, $3, $4, 'docs/runbooks/' || $1 || '.md', $5, $5)
    ON CONFLICT (code, subject) WHERE cleared_at IS NULL
    DO UPDATE SET last_seen_at = excluded.last_seen_at, count = alerts.count + 1, message = excluded.message,
                  severity = excluded.severity
    RETURNING count
"""
CLEAR_OTHERS: Final[LiteralString] = """
    UPDATE alerts SET cleared_at = $3
     WHERE code = $1 AND cleared_at IS NULL AND subject <> ALL ($2::text[])
       AND split_part(subject, ' ', 1) <> ALL ($4::text[])
"""
CLEAR: Final[LiteralString] = """
    UPDATE alerts SET cleared_at = $3
     WHERE code = ANY ($1::text[]) AND subject = $2 AND cleared_at IS NULL
"""
# Alerts about single events, open for a limited time.
CLEAR_OLDER: Final[LiteralString] = """
    UPDATE alerts SET cleared_at = $3 WHERE code = $1 AND cleared_at IS NULL AND last_seen_at <= $2
"""


async def raise_alert(
    connection: Connection,
    code: AlertCode,
    severity: Severity,
    subject: str,
    message: str,
    at: datetime,
) -> bool:
    """Raise an alert; return whether it is new. *code* is also the name of its runbook."""
    count: int = await connection.fetchval(RAISE, code, severity, subject, message, at)
    return count == 1


async def clear_others(
    connection: Connection,
    code: AlertCode,
    still: list[str],
    at: datetime,
    silent: Iterable[str] = (),
) -> None:
    """Clear the alerts of *code* whose subjects are not in *still*.

    *silent*: venues that did not answer; alerts whose subject begins with one stay open.
    """
    await connection.execute(CLEAR_OTHERS, code, still, at, list(silent))


async def clear(connection: Connection, codes: list[AlertCode], subject: str, at: datetime) -> None:
    """Clear the alerts of these codes about *subject*."""
    await connection.execute(CLEAR, codes, subject, at)


async def clear_older(
    connection: Connection, code: AlertCode, seen_until: datetime, at: datetime
) -> None:
    """Clear alerts last seen at or before *seen_until*."""
    await connection.execute(CLEAR_OLDER, code, seen_until, at)
