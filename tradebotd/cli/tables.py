"""Tables drawn with rich, which is imported only when there is one to show.

Piped tables are complete; on a terminal they fit its width (`columns` decides what is dropped).
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tradebotd.cli.client import Answer
from tradebotd.cli.columns import (
    GAP,
    Cell,
    Column,
    Figures,
    Money,
    Times,
    fitted,
    terminal_width,
)
from tradebotd.cli.formatting import (
    NOTHING,
    duration,
    has_colour,
    money,
    percent,
    plain,
    rounded,
    stop_name,
    tightest_stop,
    where,
)

Json = dict[str, Any]

ADDED = ("HINT:", "DETAIL:", "CONTEXT:", "QUERY:", "LINE ")
STYLES = {
    "ok": "green",
    "partial": "yellow",
    "failed": "bold red",
    "timeout": "bold red",
    "lost": "bold red",
    "missed": "yellow",
    "skipped": "dim",
    "unknown": "bold red",
    "rejected": "yellow",
}


def _dust(row: Json) -> str:
    """Return the cost of dust, which is part of the loss; `-` if there is none."""
    cost = row.get("dust_cost")
    return money(cost) if cost and Decimal(cost) else NOTHING


class _Console(Console):
    def on_broken_pipe(self) -> None:
        raise BrokenPipeError  # `main` ends it quietly


def show(
    columns: Sequence[Column], rows: Sequence[Json], answer: Answer | None, *, empty: str
) -> None:
    """*rows* are of *answer*, whose clock their times are told by; None: they have none."""
    if not rows:
        print(empty)
        return
    width, simulated = terminal_width(), answer is not None and answer.simulated
    fit = fitted(columns, rows, answer and answer.now, width, simulated=simulated)
    room = sum(fit.widths) + GAP * (len(fit.widths) - 1)
    out = _Console(width=room, highlight=False, no_color=not has_colour(), emoji=False)
    table = Table(box=None, padding=(0, GAP, 0, 0), pad_edge=False, header_style="bold")
    for column, head, cells in zip(fit.columns, fit.heads, fit.widths, strict=True):
        table.add_column(
            head,
            justify="right" if column.right else "left",
            no_wrap=True,
            overflow="ellipsis",
            width=cells,
        )
    for line in fit.cells:
        table.add_row(*(_styled(cell) for cell in line))
    out.print(table)
    if width is None:
        return
    notes = ["times are market time"] if simulated and _tells_time(fit.columns) else []
    if fit.left_out:
        notes.append(f"no room for {', '.join(fit.left_out)}: pipe it, or --json")
    for note in notes:
        out.print(f"[dim]{escape(note)}[/]", no_wrap=False, width=width)


def _tells_time(columns: Sequence[Column]) -> bool:
    return any(isinstance(column, Times) for column in columns)


def _styled(text: str) -> str:
    style = STYLES.get(text)
    return f"[{style}]{escape(text)}[/]" if style else escape(text)


def _outcome(row: Json, _now: datetime | None) -> str:
    outcome = row["outcome"]
    if outcome is None:
        return NOTHING
    return f"{'ok' if outcome['ok'] else 'NOT OK'}: {outcome['message']}"


def _job_status(row: Json, _now: datetime | None) -> str:
    return (row["last_status"] or NOTHING) if row["enabled"] else "disabled"


def letter_state(letter: Json) -> str:
    run = letter["superseded_by"]
    return str(letter["state"]) if run is None else f"{letter['state']} by run {run}"


def last_line(error: str | None) -> str:
    """Return what a traceback raised, without PostgreSQL's details below; empty for no error."""
    lines = [line for line in (error or "").strip().splitlines() if line.strip()]
    for line in reversed(lines):
        if not line.startswith((" ", *ADDED)):
            return line
    return lines[-1].strip() if lines else ""


def _took(row: Json, _now: datetime | None) -> str:
    """Return how long the run took in host time, the unit of the job's limits."""
    seconds = row.get("duration_s")
    return NOTHING if seconds is None or row["finished_at"] is None else duration(seconds)


def _summary(row: Json, _now: datetime | None) -> str:
    return last_line(row["error"]) or counts(row["summary"])


def counts(summary: Json) -> str:
    """Format the summary's non-zero counts: `attempted 3, inserted 2`."""
    told = [f"{key.replace('_', ' ')} {value}" for key, value in summary.items() if _tells(value)]
    if not told and "reason" in summary:
        return str(summary["reason"])
    return ", ".join(told) or "nothing to do"


def _tells(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value != 0


JOBS = (
    Column("job", "name"),
    Column("status", _job_status),
    Times("last run", "last_started_at", drop=3),
    Times("next run", "next_run_at", drop=4),
    Column("24 h", lambda row, _: percent(row["success_rate_24h"]), right=True, drop=1),
    Column("missed", "missed_24h", right=True, drop=2),
    Column("outcome", _outcome),
)
HISTORY = (
    Column("run", "run_id", right=True, drop=3),
    Times("started", "started_at"),
    Column("status", "status"),
    Column("try", "attempt", right=True, drop=2),
    Column("runs", "runs", right=True, drop=1),
    Column("took", _took, right=True, host=True, drop=4),
    Column("summary", _summary),
)
DEAD_LETTERS = (
    Column("id", "id", right=True),
    Column("job", "job"),
    Column("state", lambda row, _: letter_state(row)),
    Column("count", "count", right=True, drop=2),
    Times("last failed", "last_failed_at", drop=3),
    Column("arguments", lambda row, _: plain(row["args"]), drop=1),
    Column("error", lambda row, _: last_line(row["error"])),
)
BOTS = (
    Column("bot", "name"),
    Column("symbol", "symbol"),
    Column("venue", lambda row, _: where(row)),
    Column("frame", "timeframe", drop=1),
    Column("strategy", "strategy", drop=2),
    Column("status", "doing"),
    Money("today", "daily_pnl", asset="currency", drop=4),
    Column("entries", "daily_trades_count", right=True, drop=2),
    Times("last run", "last_run_at", drop=3),
)


def per_cent(text: str | None) -> str:
    return NOTHING if text is None else f"{text} %"


POSITIONS = (
    Column("id", "id", right=True),
    Column("bot", "bot"),
    Column("symbol", "symbol"),
    Column("side", "side"),
    Figures("quantity", "quantity", drop=5),
    Figures("entry", "entry_price", drop=4),
    Figures("last", "last_price", drop=6),
    Figures("stop", tightest_stop),
    Column("which", lambda row, _: stop_name(row)),
    Column("away", lambda row, _: per_cent(row["stop_distance_percent"]), right=True, drop=8),
    Money("at risk", "at_risk", signed=False, drop=7),
    Figures("target", "take_profit", drop=3),
    Money("P&L", "unrealized_pnl"),
    Times("opened", "opened_at", drop=2),
    Column("guard", "protected_by"),
)


def _left(row: Json, _now: datetime | None) -> str:
    if row["left_s"] is not None:
        return duration(row["left_s"])
    return "earned" if row["earned"] else per_cent(row["distance_percent"])


EXITS = (
    Column("exit", lambda row, _: row["kind"].replace("_", "-")),
    Figures("price", "price"),
    Column("away", _left, right=True),
    Column("next", lambda row, _: "yes" if row["in_force"] else "no"),
    Column("rule", "rule"),
)


def _order_price(row: Json) -> str | None:
    """Return the average fill price, else the stop or limit price."""
    price: str | None = row["average_price"] or row["stop_price"] or row["limit_price"]
    return price


ORDERS = (
    Column("id", "id", right=True),
    Column("bot", "bot"),
    Column("symbol", "symbol"),
    Column("side", "side"),
    Column("type", "type"),
    Figures("quantity", "quantity", drop=3),
    Figures("filled", "filled_quantity", drop=1),
    Figures("price", _order_price, drop=4),
    Column("status", "status"),
    Column("reason", "reason"),
    Times("created", "created_at", drop=2),
)
FILLS = (
    Column("trade id", "trade_id", drop=1),
    Column("order", "order_id", right=True),
    Column("bot", "bot"),
    Column("symbol", "symbol"),
    Column("side", "side"),
    Figures("quantity", "quantity", drop=4),
    Figures("price", "price"),
    Money("fee", "fee", asset="fee_asset", signed=False, drop=3),
    Times("executed", "executed_at", drop=2),
)
TRADES = (
    Column("id", "id", right=True),
    Column("bot", "bot"),
    Column("symbol", "symbol"),
    Column("side", "side"),
    Figures("quantity", "quantity", drop=3),
    Figures("entry", "entry_price", drop=4),
    Figures("exit", "exit_price", drop=5),
    Column("why", "close_reason"),
    Money("P&L", "realized_pnl"),
    Column("dust cost", lambda row, _: _dust(row), right=True, drop=1),
    Times("closed", "closed_at", drop=2),
)
SYMBOLS = (
    Column("symbol", "symbol"),
    Column("venue", "venue"),
    Column("feeds", lambda row, _: ",".join(row["feeds"])),
    Column("frames", lambda row, _: ",".join(row["timeframes"])),
    Column("calendar", "calendar"),
    Column("tick", "tick_size", right=True, drop=2),
    Column("lot", "lot_size", right=True, drop=1),
    Column("active", lambda row, _: "yes" if row["active"] else "no"),
    Column("last", "last_price", right=True, drop=4),
    Column("age", lambda row, _: _age(row["last_price_age_s"]), right=True, drop=3),
)


def _credits_left(span: str) -> Cell:
    """Cell of what is left of so many, or a dash where there is no limit."""

    def cell(row: Json, _: datetime | None) -> str:
        if row[f"per_{span}"] is None:
            return "-"
        return f"{row[f'left_{span}']} of {row[f'per_{span}']}"

    return cell


BUDGET = (
    Column("feed", "feed"),
    Column("left this minute", _credits_left("minute"), right=True),
    Column("anew at", "minute_resets_at", drop=1, host=True),
    Column("left today", _credits_left("day"), right=True),
    Column("anew at", "day_resets_at", drop=2, host=True),
)


def _float(key: str, drop: int = 0) -> Figures:
    return Figures(key, lambda row: rounded(row[key]), drop=drop)


CANDLES = (
    Column("time", "ts"),
    _float("open", drop=3),
    *(_float(key) for key in ("high", "low", "close")),
    _float("volume", drop=2),
    Column("feed", "feed", drop=1),
)
LEVELS = (
    Column("symbol", "symbol"),
    Column("trade_date", "trade_date"),
    *(_float(key) for key in ("r2", "r1", "pp", "s1", "s2")),
    *(_float(key, drop) for drop, key in enumerate(("y_high", "y_low", "y_close"), start=1)),
)


def _reason(key: str, drop: int = 0) -> Figures:
    return Figures(key, lambda row: plain(row["reasons"].get(key)), drop=drop)


UNIVERSE = (
    Column("rank", "rank", right=True),
    Column("symbol", "symbol"),
    _reason("price"),
    _reason("turnover"),
    _reason("volatility"),
    Column("of", lambda row, _: plain(row["reasons"].get("source")), drop=2),
    Times("screened", "screened_at", drop=1),
    Column("seed", "sample_seed", drop=3),
)
DECISIONS = (
    Times("candle", "candle_ts"),
    Column("intent", "intent"),
    Column("signal", "signal"),
    Column("reason", "reason"),
    Column("order", "order_id", right=True),
)
LEFT = (Column("left", "kind"), Column("what", "subject"), Column("why", "why"))
EVENTS = (
    Column("at", "at"),
    Column("status", "status"),
    Column("detail", lambda row, _: plain(row["detail"])),
)


def _age(seconds: float | None) -> str:
    return NOTHING if seconds is None else duration(max(0.0, seconds))
