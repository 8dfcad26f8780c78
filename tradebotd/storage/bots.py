"""`bot_configs` and `bot_states`: made together, so that a first run cannot race."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final, Literal, LiteralString, NamedTuple

from tradebotd.domain.bot import BotSpec
from tradebotd.domain.bot_status import BotStatus, BotStatusKind
from tradebotd.domain.denial import DenialRule
from tradebotd.domain.errors import OrderDeniedError
from tradebotd.domain.ids import BotName, PositionId
from tradebotd.storage.postgres.database import Connection

PausedBy = Literal["limit", "user"]

UPSERT_CONFIG: Final[LiteralString] = """
    INSERT INTO bot_configs (name, symbol, config, active, orphaned, updated_at)
    VALUES ($1, $2, $3, $4, false, $5)
    ON CONFLICT (name) DO UPDATE
       SET symbol = excluded.symbol, config = excluded.config, active = excluded.active, orphaned = false,
           updated_at = excluded.updated_at
"""
INSERT_STATE: Final[LiteralString] = """
    INSERT INTO bot_states (bot) VALUES ($1) ON CONFLICT (bot) DO NOTHING
"""
MARK_GONE: Final[LiteralString] = """
    WITH gone AS (
        UPDATE bot_configs
           SET active = false, updated_at = $2,
               orphaned = EXISTS (SELECT 1 FROM positions WHERE bot = name AND closed_at IS NULL)
         WHERE name <> ALL ($1::text[])
        RETURNING name, orphaned
    )
    UPDATE bot_states SET status = CASE WHEN gone.orphaned THEN 'orphaned' ELSE 'stopped' END
      FROM gone
     WHERE bot = gone.name
"""
BACK_FROM_ORPHANAGE: Final[LiteralString] = """
    UPDATE bot_states SET status = 'pending' WHERE bot = ANY ($1::text[]) AND status IN ('orphaned', 'stopped')
"""
# A lease of an older token is void: its process is gone. One of our own token is left over from a cycle whose end could
# not be written; that no two cycles of this process run one bot is kept in memory. A newer token is a newer leader's.
# What rests at a venue (an entry, a stop) keeps no signal waiting.
TAKE_LEASE: Final[LiteralString] = """
    UPDATE bot_states AS s
       SET lease_token = $2
     WHERE bot = $1 AND (lease_token IS NULL OR lease_token <= $2)
    RETURNING status, paused_by, day, daily_pnl, daily_trades_count, daily_unconverted,
              (SELECT p.id FROM positions AS p WHERE p.bot = $1 AND p.closed_at IS NULL
                ORDER BY p.id LIMIT 1) AS position_id,
              (SELECT p.symbol FROM positions AS p WHERE p.bot = $1 AND p.closed_at IS NULL
                ORDER BY p.id LIMIT 1) AS position_symbol,
              EXISTS (SELECT 1 FROM orders AS o WHERE o.bot = $1 AND NOT o.settled
                         AND NOT (o.type <> 'market' AND o.status IN ('new', 'partially_filled'))) AS order_pending,
              EXISTS (SELECT 1 FROM orders AS o WHERE o.bot = $1 AND NOT o.settled AND o.role = 'entry'
                         AND o.type <> 'market' AND o.status IN ('new', 'partially_filled')) AS entry_resting
"""
# A pause or resume during the cycle takes precedence over what the cycle had read ($7).
RELEASE_LEASE: Final[LiteralString] = """
    UPDATE bot_states
       SET lease_token = NULL, last_run_at = $5, last_error_message = $6,
           status = CASE WHEN paused_by IS NOT DISTINCT FROM $7 THEN $3 ELSE status END,
           paused_by = CASE WHEN paused_by IS NOT DISTINCT FROM $7 THEN $4 ELSE paused_by END
     WHERE bot = $1 AND lease_token = $2
"""
RELEASE_WITH_DECISION: Final[LiteralString] = """
    WITH decision AS (
        INSERT INTO decision_runs (bot, candle_ts, intent, signal, reason, path, indicators, execution_meta, decided_at)
        VALUES ($1, $8, $9, $10, $11, $12, $13, $14, $5)
        ON CONFLICT (bot, candle_ts, intent) DO NOTHING
    )
    UPDATE bot_states
       SET lease_token = NULL, last_run_at = $5, last_error_message = $6,
           status = CASE WHEN paused_by IS NOT DISTINCT FROM $7 THEN $3 ELSE status END,
           paused_by = CASE WHEN paused_by IS NOT DISTINCT FROM $7 THEN $4 ELSE paused_by END
     WHERE bot = $1 AND lease_token = $2
"""
COUNT_DAY: Final[LiteralString] = """
    UPDATE bot_states
       SET daily_pnl = CASE WHEN day > $2 THEN daily_pnl WHEN day = $2 THEN daily_pnl + $3 ELSE $3 END,
           daily_trades_count = CASE WHEN day > $2 THEN daily_trades_count
                                     WHEN day = $2 THEN daily_trades_count + $4 ELSE $4 END,
           daily_unconverted = CASE WHEN day > $2 THEN daily_unconverted
               ELSE CASE WHEN day = $2 THEN daily_unconverted ELSE '{}' END
                 || CASE WHEN $6::text IS NULL THEN '{}'
                         ELSE jsonb_build_object($6::text, (CASE WHEN day = $2 THEN coalesce(daily_unconverted ->> $6, '0')
                                                           ELSE '0' END::numeric + $7::numeric)::text) END END,
           day = greatest(day, $2), in_position = coalesce($5, in_position)
     WHERE bot = $1
"""
RESET_DAY: Final[LiteralString] = """
    WITH before AS (SELECT bot, paused_by FROM bot_states
                     WHERE bot = $1 AND (day IS NULL OR day < $2) FOR UPDATE)
    UPDATE bot_states AS s
       SET day = $2, daily_pnl = 0, daily_trades_count = 0, daily_unconverted = '{}',
           status = CASE WHEN s.paused_by = 'limit' THEN 'pending' ELSE s.status END,
           paused_by = CASE WHEN s.paused_by = 'limit' THEN NULL ELSE s.paused_by END
      FROM before WHERE s.bot = before.bot
    RETURNING coalesce(before.paused_by = 'limit', false)
"""
# Only while the counters are those that were judged: a fill that comes meanwhile may reach the limit.
LIFT_LIMIT: Final[LiteralString] = """
    UPDATE bot_states SET paused_by = NULL, status = 'pending'
     WHERE bot = $1 AND paused_by = 'limit' AND day = $2 AND daily_pnl = $3 AND daily_trades_count = $4
    RETURNING bot
"""
PAUSE_BY_USER: Final[LiteralString] = """
    UPDATE bot_states SET paused_by = 'user', status = 'paused (by user)'
     WHERE bot = $1 AND paused_by IS DISTINCT FROM 'user'
    RETURNING bot
"""
RESUME: Final[LiteralString] = """
    UPDATE bot_states SET paused_by = NULL, status = 'pending'
     WHERE bot = $1 AND paused_by IS NOT NULL
    RETURNING bot
"""
SELECT_DAYS: Final[LiteralString] = """
    SELECT bot, paused_by, day, daily_pnl, daily_trades_count, daily_unconverted FROM bot_states ORDER BY bot
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeasedState:
    """State of a bot at the start of its cycle; counters belong to `day`.

    `daily_pnl` is in the account's currency, without `daily_unconverted` (by asset), for which no
    rate was known. `order_pending`: the outcome of an order is awaited. `entry_resting`: an entry
    rests at its venue.
    """

    status: BotStatus
    paused_by: PausedBy | None
    day: date | None
    daily_pnl: Decimal
    daily_trades_count: int
    position_id: PositionId | None
    position_symbol: str | None
    order_pending: bool
    entry_resting: bool
    daily_unconverted: Mapping[str, Decimal] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Counters:
    """Counters of a bot on its `day`."""

    day: date | None
    daily_pnl: Decimal
    daily_trades_count: int
    daily_unconverted: Mapping[str, Decimal] = field(default_factory=dict)


class CycleEnd(NamedTuple):
    """End of a cycle. `was_paused_by`: as the cycle read it; a later change takes precedence."""

    status: BotStatus
    paused_by: PausedBy | None
    was_paused_by: PausedBy | None
    at: datetime
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionRecord:
    """Row of `decision_runs`; unique on (bot, candle_ts, intent)."""

    bot: BotName
    candle_ts: datetime
    intent: Literal["entry", "exit", "none"]
    signal: str
    reason: str
    path: str
    indicators: Mapping[str, Any]
    execution_meta: Mapping[str, Any]
    decided_at: datetime


def values_of_decision(decision: DecisionRecord | None) -> tuple[Any, ...]:
    """Return the parameters $32 to $40 of a statement that makes an order: whether, and what."""
    if decision is None:
        return (False, *[None] * 8)
    return (
        True,
        decision.candle_ts,
        decision.intent,
        decision.signal,
        decision.reason,
        decision.path,
        decision.indicators,
        decision.execution_meta,
        decision.decided_at,
    )


def decided_already(decision: DecisionRecord) -> OrderDeniedError:
    return OrderDeniedError(DenialRule.DECIDED_ALREADY, f"{decision.bot} {decision.candle_ts}")


async def sync_bots(
    connection: Connection, specs: Sequence[BotSpec], configs: Mapping[str, Any], now: datetime
) -> None:
    """Update the tables to the configuration; removed bots keep their exits (orphaned)."""
    names = sorted(spec.name for spec in specs)
    for spec in sorted(specs, key=lambda declared: declared.name):
        config = configs.get(spec.name, {})
        await connection.execute(UPSERT_CONFIG, spec.name, spec.symbol, config, spec.active, now)
        await connection.execute(INSERT_STATE, spec.name)
    await connection.execute(MARK_GONE, names, now)
    await connection.execute(BACK_FROM_ORPHANAGE, names)


async def take_lease(connection: Connection, bot: BotName, token: int) -> LeasedState | None:
    """Take the lease by compare and set, without waiting; None if another cycle holds it."""
    row = await connection.fetchrow(TAKE_LEASE, bot, token)
    if row is None:
        return None
    position_id = row["position_id"]
    return LeasedState(
        status=_status(row["status"]),
        paused_by=row["paused_by"],
        day=row["day"],
        daily_pnl=row["daily_pnl"],
        daily_trades_count=row["daily_trades_count"],
        position_id=None if position_id is None else PositionId(position_id),
        position_symbol=row["position_symbol"],
        order_pending=row["order_pending"],
        entry_resting=row["entry_resting"],
        daily_unconverted=amounts(row["daily_unconverted"]),
    )


def counters_of(row: Any) -> Counters:
    """Build the counters from a row with the columns of SELECT_DAYS."""
    waiting = amounts(row["daily_unconverted"])
    return Counters(row["day"], row["daily_pnl"], row["daily_trades_count"], waiting)


def amounts(stored: Mapping[str, str]) -> dict[str, Decimal]:
    """Parse the column `daily_unconverted`: amounts by asset."""
    return {asset: Decimal(amount) for asset, amount in stored.items()}


async def release_lease(
    connection: Connection,
    bot: BotName,
    token: int,
    end: CycleEnd,
    decision: DecisionRecord | None = None,
) -> None:
    """Store the new state, and the decision with it, in one statement."""
    state = (bot, token, str(end.status), end.paused_by, end.at, end.error, end.was_paused_by)
    if decision is None:
        await connection.execute(RELEASE_LEASE, *state)
        return
    await connection.execute(
        RELEASE_WITH_DECISION,
        *state,
        decision.candle_ts,
        decision.intent,
        decision.signal,
        decision.reason,
        decision.path,
        decision.indicators,
        decision.execution_meta,
    )


def _status(text: str) -> BotStatus:
    """Parse a status; an unknown one must not stop a bot: its next cycle writes a new one."""
    try:
        return BotStatus.parse(text)
    except ValueError:
        return BotStatus(BotStatusKind.PENDING)


async def count_day(
    connection: Connection,
    bot: BotName,
    day: date,
    *,
    pnl: Decimal,
    trades: int,
    in_position: bool | None,
    unconverted: tuple[str, Decimal] | None = None,
) -> None:
    """Add to the counters of the bot's *day*.

    *pnl* is in the account's currency; *unconverted*: an amount of an asset without a known rate. A
    later day starts from zero; a late fill of an earlier day does not change this day's counters.
    *in_position* None: unchanged.
    """
    asset, amount = unconverted or (None, None)
    await connection.execute(COUNT_DAY, bot, day, pnl, trades, in_position, asset, amount)


async def reset_day(connection: Connection, bot: BotName, day: date) -> bool | None:
    """Clear the counters and a pause by a limit, never one by the user.

    Returns None if done already, else whether a limit had paused the bot.
    """
    went_on: bool | None = await connection.fetchval(RESET_DAY, bot, day)
    return went_on


async def pause_by_user(connection: Connection, bot: BotName) -> bool:
    """Pause the bot; return False if the user had paused it already."""
    return await connection.fetchval(PAUSE_BY_USER, bot) is not None


async def resume(connection: Connection, bot: BotName) -> bool:
    """Resume the bot; return False if it was not paused."""
    return await connection.fetchval(RESUME, bot) is not None


async def lift_limit(connection: Connection, bot: BotName, judged: Counters) -> bool:
    """End a pause by a limit that the counters *judged*, of the bot's present day, do not reach."""
    found = await connection.fetchval(
        LIFT_LIMIT, bot, judged.day, judged.daily_pnl, judged.daily_trades_count
    )
    return found is not None


async def select_days(connection: Connection) -> list[tuple[BotName, PausedBy | None, Counters]]:
    return [
        (
            BotName(row["bot"]),
            row["paused_by"],
            counters_of(row),
        )
        for row in await connection.fetch(SELECT_DAYS)
    ]
