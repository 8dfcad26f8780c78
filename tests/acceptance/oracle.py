"""An independent reader of PostgreSQL and the data file: it shares no code with the daemon.

Everything is computed again from the CSV and from the paper venue's ledger, in the plainest way.
"""

import csv
import json
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import asyncpg

from tests.acceptance import cash

MINUTE = timedelta(minutes=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
STARTING_CASH = 100_000
TIMEFRAMES = {"5m": 5, "15m": 15, "1h": 60}
# A stop and a target that wait at the venue behind an open position, or an entry that waits.
RESTING = """
    SELECT o.id FROM orders AS o JOIN paper.orders AS v USING (client_order_id)
      LEFT JOIN positions AS p ON p.id = o.position_id
     WHERE v.status = 'new' AND o.status = 'new' AND (o.role = 'entry' OR p.closed_at IS NULL)
"""
REAL_TRADES = "SELECT * FROM trades ORDER BY opened_at, bot"

Ohlcv = tuple[float, float, float, float, float]


@dataclass(frozen=True, slots=True)
class Session:
    date: date
    open: datetime
    close: datetime


@dataclass(slots=True)
class Findings:
    """What was seen, in figures, and what was wrong."""

    figures: dict[str, Any] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)

    def expect(self, holds: bool, violation: str) -> None:  # noqa: FBT001
        if not holds:
            self.violations.append(violation)


def load_rows(path: Path) -> dict[datetime, Ohlcv]:
    """The valid rows of a clean recorded file, by open time."""
    rows: dict[datetime, Ohlcv] = {}
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            ts = datetime.fromisoformat(row["ts"])
            values = tuple(float(row[name]) for name in ("open", "high", "low", "close", "volume"))
            open_, high, low, close, volume = values
            if low > 0 and high >= max(open_, close) and low <= min(open_, close) and volume >= 0:
                rows.setdefault(ts, (open_, high, low, close, volume))
    return rows


def aggregate(rows: Iterable[Ohlcv]) -> Ohlcv:
    """Rows in time order."""
    taken = list(rows)
    return (
        taken[0][0],
        max(row[1] for row in taken),
        min(row[2] for row in taken),
        taken[-1][3],
        sum(row[4] for row in taken),
    )


def utc_days(first: datetime, last: datetime) -> list[Session]:
    day = first.replace(hour=0, minute=0, second=0)
    days = []
    while day <= last:
        days.append(Session(day.date(), day, day + timedelta(days=1)))
        day += timedelta(days=1)
    return days


async def check(
    dsn: str,
    data: Path,
    sessions: Callable[[datetime, datetime], Sequence[Session]] = utc_days,
    tick: Decimal = Decimal(1),
    sweep: timedelta = MINUTE,
) -> Findings:
    """Read everything, compute everything again, and say what does not agree."""
    findings = Findings()
    rows = load_rows(data)
    first, end = min(rows), max(rows) + MINUTE
    calendar = sessions(first, end)
    connection = await asyncpg.connect(dsn)
    try:
        await _check_candles(connection, findings, rows, calendar)
        await _check_levels(connection, findings, rows, calendar)
        await _check_books(connection, findings)
        await _check_exits(connection, findings, rows, calendar, tick, sweep)
        await _check_equity(connection, findings)
        await _check_runs(connection, findings)
        await _check_decisions(connection, findings, calendar)
    finally:
        await connection.close()
    return findings


async def _check_candles(
    connection: asyncpg.Connection,
    findings: Findings,
    rows: dict[datetime, Ohlcv],
    calendar: Sequence[Session],
) -> None:
    stored = await connection.fetch("SELECT * FROM ohlc ORDER BY timeframe, ts")
    by_timeframe: dict[str, dict[datetime, Ohlcv]] = defaultdict(dict)
    for row in stored:
        by_timeframe[row["timeframe"]][row["ts"]] = tuple(
            row[name] for name in ("open", "high", "low", "close", "volume")
        )
    findings.figures["candles"] = {name: len(rows) for name, rows in by_timeframe.items()}
    findings.expect(by_timeframe["1m"] == rows, "1m candles are not the valid rows, each once")
    first, end = min(rows), max(rows) + MINUTE
    traded = [ts for ts in sorted(rows) if any(each.open <= ts < each.close for each in calendar)]
    for name, minutes in TIMEFRAMES.items():
        grid = timedelta(minutes=minutes)
        periods: dict[datetime, list[Ohlcv]] = defaultdict(list)
        for ts in traded:
            periods[ts - (ts - EPOCH) % grid].append(rows[ts])
        expected = {
            ts: aggregate(taken)
            for ts, taken in periods.items()
            if ts >= first and ts + grid <= end
        }
        _compare(findings, name, by_timeframe[name], expected)
    expected_days = {
        datetime(s.date.year, s.date.month, s.date.day, tzinfo=UTC): aggregate(taken)
        for s, taken in _complete_sessions(rows, calendar)
    }
    _compare(findings, "1d", by_timeframe["1d"], expected_days)


def _complete_sessions(
    rows: dict[datetime, Ohlcv], calendar: Sequence[Session]
) -> list[tuple[Session, list[Ohlcv]]]:
    first, end = min(rows), max(rows) + MINUTE
    complete = []
    for session in calendar:
        taken = [rows[ts] for ts in sorted(rows) if session.open <= ts < session.close]
        if taken and first <= session.open and session.close <= end:
            complete.append((session, taken))
    return complete


def _compare(
    findings: Findings,
    name: str,
    stored: dict[datetime, Ohlcv],
    expected: dict[datetime, Ohlcv],
) -> None:
    missing, extra = expected.keys() - stored.keys(), stored.keys() - expected.keys()
    findings.expect(not missing, f"{name}: {len(missing)} missing, first {sorted(missing)[:2]}")
    findings.expect(not extra, f"{name}: {len(extra)} too many, first {sorted(extra)[:2]}")
    for ts in expected.keys() & stored.keys():
        prices_agree = expected[ts][:4] == stored[ts][:4]
        volumes_agree = abs(expected[ts][4] - stored[ts][4]) <= 1e-9 * max(1.0, expected[ts][4])
        findings.expect(
            prices_agree and volumes_agree, f"{name} {ts}: {stored[ts]} is not {expected[ts]}"
        )


async def _check_levels(
    connection: asyncpg.Connection,
    findings: Findings,
    rows: dict[datetime, Ohlcv],
    calendar: Sequence[Session],
) -> None:
    stored = await connection.fetch("SELECT * FROM levels_daily ORDER BY trade_date")
    findings.figures["levels"] = len(stored)
    complete = {
        session.date: aggregate(taken) for session, taken in _complete_sessions(rows, calendar)
    }
    following = {before.date: after.date for before, after in pairwise(calendar)}
    for row in stored:
        source = complete.get(row["y_date"])
        findings.expect(source is not None, f"levels from {row['y_date']}, which is not complete")
        if source is None:
            continue
        _, high, low, close, _ = source
        findings.expect(
            (row["y_high"], row["y_low"], row["y_close"]) == (high, low, close),
            f"levels of {row['trade_date']} are not those of {row['y_date']}",
        )
        if row["y_date"] in following:
            findings.expect(
                row["trade_date"] == following[row["y_date"]],
                f"{row['trade_date']} does not follow {row['y_date']}",
            )
        if row["pp"] is None:
            continue
        pp = (high + low + close) / 3
        formula = (pp, 2 * pp - low, pp + (high - low), 2 * pp - high, pp - (high - low))
        actual = tuple(row[name] for name in ("pp", "r1", "r2", "s1", "s2"))
        findings.expect(
            all(abs(a - b) <= 1e-9 * pp for a, b in zip(actual, formula, strict=True)),
            f"pivots of {row['trade_date']} are not the formula's",
        )
    expected = len(complete)
    findings.expect(
        expected - 1 <= len(stored) <= expected,
        f"{len(stored)} level rows for {expected} complete sessions",
    )


async def _check_books(connection: asyncpg.Connection, findings: Findings) -> None:
    """I1-I3, I8: orders, fills, positions and cash agree with the venue's own ledger."""
    orders = await connection.fetch("SELECT * FROM orders ORDER BY id")
    fills = await connection.fetch("SELECT * FROM fills ORDER BY id")
    positions = await connection.fetch("SELECT * FROM positions ORDER BY id")
    theirs = await connection.fetch("SELECT * FROM paper.orders ORDER BY id")
    executions = await connection.fetch("SELECT * FROM paper.fills ORDER BY id")
    findings.figures |= {"orders": len(orders), "fills": len(fills), "positions": len(positions)}

    sent = {o["client_order_id"]: o for o in orders}
    findings.expect(len(theirs) == len({o["client_order_id"] for o in theirs}), "a doubled order")
    for order in theirs:
        ours = sent.get(order["client_order_id"])
        findings.expect(ours is not None, f"{order['client_order_id']} was sent without a row")
        if ours is not None:
            findings.expect(
                ours["filled_quantity"] == order["filled_quantity"] <= ours["quantity"],
                f"order {ours['id']}: filled {ours['filled_quantity']}, at the venue {order['filled_quantity']}",
            )
    resting = {row["id"] for row in await connection.fetch(RESTING)}
    open_orders = [o["id"] for o in orders if not o["settled"] and o["id"] not in resting]
    findings.expect(not open_orders, f"unsettled orders {open_orders}")
    findings.figures["resting"] = len(resting)

    def essence(fill: asyncpg.Record) -> tuple[Any, ...]:
        return (fill["side"], fill["quantity"], fill["price"], fill["fee"], fill["executed_at"])

    ours_by_id = {f["trade_id"]: essence(f) for f in fills}
    theirs_by_id = {str(f["id"]): essence(f) for f in executions}
    findings.expect(ours_by_id == theirs_by_id, "our fills are not the venue's")

    await _check_positions(connection, findings, fills, positions)
    quote = await connection.fetchval("SELECT quote_asset FROM market_symbols")
    for violation in await cash.violations(connection, {quote: STARTING_CASH}):
        findings.expect(False, violation)  # noqa: FBT003
    findings.figures["cash"] = str(
        await connection.fetchval("SELECT total FROM paper.balances WHERE asset = $1", quote)
    )


async def _check_positions(
    connection: asyncpg.Connection,
    findings: Findings,
    fills: Sequence[asyncpg.Record],
    positions: Sequence[asyncpg.Record],
) -> None:
    """Each is the sum of its fills, and together they are what the venue holds. Spot longs."""
    held: dict[int, Decimal] = defaultdict(Decimal)
    pnl: dict[int, Decimal] = defaultdict(Decimal)
    base = await connection.fetchval("SELECT base_asset FROM market_symbols")
    for fill in fills:
        sign = 1 if fill["side"] == "buy" else -1
        held[fill["position_id"]] += sign * fill["quantity"]
        pnl[fill["position_id"]] -= sign * fill["quantity"] * fill["price"]
        paid_in = held if fill["fee_asset"] == base else pnl
        paid_in[fill["position_id"]] -= fill["fee"]
    for position in positions:
        ours = position["quantity"] + position["dust"] - position["swept"]
        findings.expect(
            held[position["id"]] == ours,
            f"position {position['id']}: {ours}, its fills {held[position['id']]}",
        )
        if position["closed_at"] is not None:
            findings.expect(
                pnl[position["id"]] == position["realized_pnl"],
                f"position {position['id']}: P&L {position['realized_pnl']}, its fills {pnl[position['id']]}",
            )
    theirs = await connection.fetchval("SELECT total FROM paper.balances WHERE asset = $1", base)
    total = sum(held.values(), Decimal(0))
    findings.expect((theirs or 0) == total, f"positions {total}, at the venue {theirs}")


def fill_of_exit(
    trade: asyncpg.Record, points: Sequence[tuple[datetime, Decimal]], level: Decimal, tick: Decimal
) -> Decimal:
    """At *level* where the path went through it inside a candle, over a gap at the first price.

    A candle's open comes after a gap. Half a basis point of spread and one of slippage on top;
    longs only.
    """
    place = bisect_right([at for at, _ in points], trade["closed_at"]) - 1
    at, price = points[place]
    inside = at.second != 0 and points[place - 1][0] >= at.replace(second=0)
    if inside and min(price, points[place - 1][1]) <= level <= max(price, points[place - 1][1]):
        price = level
    return (price * Decimal("0.99985") / tick).to_integral_value(ROUND_FLOOR) * tick


def path_points(rows: dict[datetime, Ohlcv]) -> list[tuple[datetime, Decimal]]:
    """Open, nearer extreme (the low on a tie), other extreme, close at 0, 20, 40 and 59 s."""
    points = []
    for ts in sorted(rows):
        open_, high, low, close, _ = rows[ts]
        extremes = (low, high) if open_ - low <= high - open_ else (high, low)
        for seconds, price in zip((0, 20, 40, 59), (open_, *extremes, close), strict=True):
            points.append((ts + timedelta(seconds=seconds), Decimal(repr(price))))
    return points


async def _check_exits(
    connection: asyncpg.Connection,
    findings: Findings,
    rows: dict[datetime, Ohlcv],
    calendar: Sequence[Session],
    tick: Decimal,
    sweep: timedelta,
) -> None:
    """Walk each trade along the path again: when must it have ended at the latest, and why?"""
    points = [p for p in path_points(rows) if any(s.open <= p[0] < s.close for s in calendar)]
    times = [at for at, _ in points]
    trades = await connection.fetch("SELECT * FROM positions ORDER BY id")
    reasons: dict[str, int] = defaultdict(int)
    for trade in trades:
        if trade["closed_at"] is not None:
            reasons[trade["close_reason"]] += 1
        later = points[bisect_right(times, trade["opened_at"]) :]
        crossed = _first_crossing(trade, later, tick)
        if trade["close_reason"] in {"stop_loss", "take_profit", "trailing_stop"}:
            findings.expect(
                crossed is not None and crossed[0] <= trade["closed_at"] <= crossed[0] + sweep,
                f"trade {trade['id']} closed as {trade['close_reason']} at {trade['closed_at']}; the path says {crossed}",
            )
            if crossed is not None:
                findings.expect(
                    crossed[1] == trade["close_reason"],
                    f"trade {trade['id']} closed as {trade['close_reason']}, the path says {crossed}",
                )
                filled = fill_of_exit(trade, points, crossed[2], tick)
                findings.expect(
                    trade["exit_price"] == filled,
                    f"trade {trade['id']} ended at {trade['exit_price']}, the path says {filled}",
                )
        elif crossed is not None:
            ended = trade["closed_at"] or max(rows) + MINUTE
            findings.expect(
                ended <= crossed[0] + sweep,
                f"position {trade['id']} stood beyond its {crossed[1]} from {crossed[0]} to {ended}",
            )
    findings.figures["trades"] = sum(reasons.values())
    findings.figures["close_reasons"] = dict(reasons)


def _first_crossing(
    trade: asyncpg.Record, points: Sequence[tuple[datetime, Decimal]], tick: Decimal
) -> tuple[datetime, str, Decimal] | None:
    """When, why, and the level. Longs only: the recorded cases hold no shorts."""
    best: Decimal = trade["entry_price"]
    trail = _fraction(trade["exits"], "trailing_stop")
    for at, price in points:
        if trade["closed_at"] is not None and at > trade["closed_at"]:
            return None
        best = max(best, price)
        crossed = []
        if trade["stop_loss"] is not None and price <= trade["stop_loss"]:
            crossed.append((trade["stop_loss"], "stop_loss"))
        if trail is not None:
            level = (best * (1 - trail) / tick).to_integral_value(ROUND_CEILING) * tick
            if price <= level:
                crossed.append((level, "trailing_stop"))
        if crossed:
            level, reason = max(crossed)
            return at, reason, level
        if trade["take_profit"] is not None and price >= trade["take_profit"]:
            return at, "take_profit", trade["take_profit"]
    return None


def _fraction(exits: str, name: str) -> Decimal | None:
    value = json.loads(exits).get(name)
    return None if value is None else Decimal(str(value))


async def _check_equity(connection: asyncpg.Connection, findings: Findings) -> None:
    rows = await connection.fetch("SELECT * FROM equity_snapshots ORDER BY ts")
    findings.figures["equity_snapshots"] = len(rows)
    findings.expect(bool(rows), "no equity snapshot was taken")
    for row in rows:
        findings.expect(
            row["equity"] == row["cash"] + row["exposure"],
            f"{row['ts']} {row['bot']}: {row['equity']} is not {row['cash']} + {row['exposure']}",
        )
    last = [row["equity"] for row in rows if row["bot"] is None][-1:]
    findings.figures["last_equity"] = str(last[0]) if last else None


async def _check_runs(connection: asyncpg.Connection, findings: Findings) -> None:
    rows = await connection.fetch(
        "SELECT job, status, sum(runs)::integer AS runs FROM job_runs WHERE scheduled_at IS NOT NULL"
        " GROUP BY job, status ORDER BY job, status"
    )
    runs: dict[str, dict[str, int]] = defaultdict(dict)
    for row in rows:
        runs[row["job"]][row["status"]] = row["runs"]
    findings.figures["runs"] = dict(runs)
    unfinished = await connection.fetchval(
        "SELECT count(*) FROM job_runs WHERE status = 'running' OR finished_at IS NULL"
    )
    findings.expect(unfinished == 0, f"{unfinished} open job_runs rows")
    doubled = await connection.fetchval(
        "SELECT count(*) FROM (SELECT 1 FROM job_runs WHERE scheduled_at IS NOT NULL"
        " GROUP BY job, scheduled_at HAVING count(*) > 1) AS twice"
    )
    findings.expect(doubled == 0, f"{doubled} occurrences have two rows")


async def _check_decisions(
    connection: asyncpg.Connection,
    findings: Findings,
    calendar: Sequence[Session],
) -> None:
    rows = await connection.fetch(
        "SELECT decided_at, signal FROM decision_runs WHERE signal <> 'none'"
    )
    findings.figures["signals"] = len(rows)
    outside = [
        row["decided_at"]
        for row in rows
        if not any(s.open <= row["decided_at"] < s.close for s in calendar)
    ]
    findings.expect(not outside, f"{len(outside)} signals outside sessions, first {outside[:2]}")
