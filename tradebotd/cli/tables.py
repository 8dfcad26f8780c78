"""Lists as tables of at most 100 columns, by rich: imported only when there is one to show."""

from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tradebotd.cli.formatting import (
    NOTHING,
    WIDTH,
    ago,
    duration,
    fit,
    has_colour,
    money,
    number,
    percent,
    with_asset,
)

Json = dict[str, Any]
Cell = Callable[[Json, datetime | None], str]

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


class Column:
    """`right`: figures, which are not cut while words can be."""

    def __init__(self, head: str, cell: str | Cell, *, right: bool = False) -> None:
        self.head = head
        self.cell: Cell = cell if callable(cell) else _plainly(cell)
        self.right = right


def _plainly(key: str) -> Cell:
    def cell(row: Json, _now: datetime | None) -> str:
        value = row[key]
        return NOTHING if value is None else str(value)

    return cell


def at(key: str) -> Cell:
    return lambda row, now: ago(row[key], now)


def cash(key: str) -> Cell:
    return lambda row, _now: money(row[key], signed=True)


def quoted(key: str) -> Cell:
    """With its asset, where that is known: a table may hold several."""
    return lambda row, _now: with_asset(row[key], row.get("quote_asset"))


def _dust(row: Json) -> str:
    """Part of the loss, where there is any."""
    cost = row.get("dust_cost")
    return money(cost) if cost and Decimal(cost) else NOTHING


def _today(row: Json, _: datetime | None) -> str:
    return f"{money(row['daily_pnl'], signed=True)} {row['currency']}"


class _Console(Console):
    def on_broken_pipe(self) -> None:
        raise BrokenPipeError  # `main` ends it quietly


def console() -> Console:
    """As wide as the terminal, at most 100; without colours where nobody sees them."""
    probe = Console()
    width = min(WIDTH, probe.width) if probe.is_terminal else WIDTH
    return _Console(width=width, highlight=False, no_color=not has_colour(), emoji=False)


def show(
    columns: Sequence[Column], rows: Sequence[Json], now: datetime | None, *, empty: str
) -> None:
    if not rows:
        console().print(empty)
        return
    out = console()
    cells = [[_flat(column.cell(row, now)) for column in columns] for row in rows]
    heads = [column.head for column in columns]
    right = {index for index, column in enumerate(columns) if column.right}
    widths = fit([heads, *cells], out.width, right)
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    for column, width in zip(columns, widths, strict=True):
        table.add_column(
            column.head,
            justify="right" if column.right else "left",
            no_wrap=True,
            overflow="ellipsis",
            width=width,
        )
    for line in cells:
        table.add_row(*(_styled(cell) for cell in line))
    out.print(table)


def _flat(text: str) -> str:
    return " ".join(text.split())


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


def last_line(error: str | None) -> str:
    """Of a traceback: what was raised. Empty when there was none."""
    return (error or "").strip().rpartition("\n")[2]


def _took(row: Json, _now: datetime | None) -> str:
    if row["finished_at"] is None:
        return NOTHING
    start, end = (datetime.fromisoformat(row[key]) for key in ("started_at", "finished_at"))
    return duration((end - start).total_seconds())


def _summary(row: Json, _now: datetime | None) -> str:
    return last_line(row["error"]) or counts(row["summary"])


def counts(summary: Json) -> str:
    """`attempted 3, inserted 2`: what is not zero."""
    told = [f"{key.replace('_', ' ')} {value}" for key, value in summary.items() if _tells(value)]
    if not told and "reason" in summary:
        return str(summary["reason"])
    return ", ".join(told) or "nothing to do"


def _tells(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value != 0


JOBS = (
    Column("job", "name"),
    Column("status", _job_status),
    Column("last run", at("last_started_at")),
    Column("next run", at("next_run_at")),
    Column("24 h", lambda row, _: percent(row["success_rate_24h"]), right=True),
    Column("missed", "missed_24h", right=True),
    Column("outcome", _outcome),
)
HISTORY = (
    Column("run", "run_id", right=True),
    Column("started", at("started_at")),
    Column("status", "status"),
    Column("try", "attempt", right=True),
    Column("runs", "runs", right=True),
    Column("took", _took, right=True),
    Column("summary", _summary),
)
DEAD_LETTERS = (
    Column("id", "id", right=True),
    Column("job", "job"),
    Column("state", "state"),
    Column("count", "count", right=True),
    Column("last failed", at("last_failed_at")),
    Column("arguments", lambda row, _: _arguments(row["args"])),
    Column("error", lambda row, _: last_line(row["error"])),
)
BOTS = (
    Column("bot", "name"),
    Column("symbol", "symbol"),
    Column("frame", "timeframe"),
    Column("strategy", "strategy"),
    Column("status", "status"),
    Column("held", lambda row, _: "yes" if row["in_position"] else "no"),
    Column("today", _today, right=True),
    Column("trades", "daily_trades_count", right=True),
    Column("last run", at("last_run_at")),
)
POSITIONS = (
    Column("id", "id", right=True),
    Column("bot", "bot"),
    Column("symbol", "symbol"),
    Column("side", "side"),
    Column("quantity", "quantity", right=True),
    Column("entry", "entry_price", right=True),
    Column("last", lambda row, _: number(row["last_price"]), right=True),
    Column("stop", lambda row, _: number(row["trailing_stop"] or row["stop_loss"]), right=True),
    Column("target", lambda row, _: number(row["take_profit"]), right=True),
    Column("P&L", quoted("unrealized_pnl"), right=True),
    Column("opened", at("opened_at")),
    Column("guard", "protected_by"),
)


def _order_price(row: Any, _: Any) -> str:
    """What it was filled at, else what it waits for."""
    return number(row["average_price"] or row["stop_price"] or row["limit_price"])


ORDERS = (
    Column("id", "id", right=True),
    Column("bot", "bot"),
    Column("symbol", "symbol"),
    Column("side", "side"),
    Column("type", "type"),
    Column("quantity", "quantity", right=True),
    Column("filled", "filled_quantity", right=True),
    Column("price", _order_price, right=True),
    Column("status", "status"),
    Column("reason", "reason"),
    Column("created", at("created_at")),
)
FILLS = (
    Column("trade id", "trade_id"),
    Column("order", "order_id", right=True),
    Column("bot", "bot"),
    Column("symbol", "symbol"),
    Column("side", "side"),
    Column("quantity", "quantity", right=True),
    Column("price", "price", right=True),
    Column("fee", lambda row, _: f"{money(row['fee'])} {row['fee_asset']}", right=True),
    Column("executed", at("executed_at")),
)
TRADES = (
    Column("id", "id", right=True),
    Column("bot", "bot"),
    Column("symbol", "symbol"),
    Column("side", "side"),
    Column("quantity", "quantity", right=True),
    Column("entry", "entry_price", right=True),
    Column("exit", "exit_price", right=True),
    Column("why", "close_reason"),
    Column("P&L", quoted("realized_pnl"), right=True),
    Column("dust cost", lambda row, _: _dust(row), right=True),
    Column("closed", at("closed_at")),
)
SYMBOLS = (
    Column("symbol", "symbol"),
    Column("venue", "venue"),
    Column("feeds", lambda row, _: ",".join(row["feeds"])),
    Column("frames", lambda row, _: ",".join(row["timeframes"])),
    Column("calendar", "calendar"),
    Column("tick", "tick_size", right=True),
    Column("lot", "lot_size", right=True),
    Column("active", lambda row, _: "yes" if row["active"] else "no"),
    Column("last", lambda row, _: number(row["last_price"]), right=True),
    Column("age", lambda row, _: _age(row["last_price_age_s"]), right=True),
)
CANDLES = (
    Column("time", "ts"),
    *(Column(key, key, right=True) for key in ("open", "high", "low", "close", "volume")),
    Column("feed", "feed"),
)
LEVELS = tuple(
    Column(key, key, right=key not in {"symbol", "trade_date"})
    for key in ("symbol", "trade_date", "r2", "r1", "pp", "s1", "s2", "y_high", "y_low", "y_close")
)
DECISIONS = (
    Column("candle", at("candle_ts")),
    Column("intent", "intent"),
    Column("signal", "signal"),
    Column("reason", "reason"),
    Column("order", "order_id", right=True),
)
LEFT = (Column("left", "kind"), Column("what", "subject"), Column("why", "why"))
EVENTS = (
    Column("at", "at"),
    Column("status", "status"),
    Column("detail", lambda row, _: _arguments(row["detail"])),
)


def _age(seconds: float | None) -> str:
    return NOTHING if seconds is None else duration(max(0.0, seconds))


def _arguments(values: Json) -> str:
    return " ".join(f"{key}={value}" for key, value in values.items() if value) or NOTHING
