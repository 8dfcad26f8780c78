"""Text of `tradebotctl status`: what matters in an emergency first, money last.

Does without rich, whose import alone would take a third of this command's time budget.
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from tradebotd.cli.columns import Column, Figures, Money, Times, fitted
from tradebotd.cli.formatting import (
    BOLD,
    DIM,
    GREEN,
    LOUD,
    NOTHING,
    RED,
    WIDTH,
    YELLOW,
    ago,
    cut,
    duration,
    even_money,
    paint,
    stop_name,
    tightest_stop,
    where,
    with_asset,
    wrapped,
)

HEALTH_STYLE = {"ok": f"1;{GREEN}", "degraded": f"1;{YELLOW}", "critical": f"1;{RED}"}
SEVERITY_STYLE = {"critical": f"1;{RED}", "warning": YELLOW, "info": DIM}
LABEL = 10
MOST_WAITS = 3
Json = dict[str, Any]


def _position(row: Json) -> str:
    held = row["position"]
    return NOTHING if held is None else f"{held['side']} {held['quantity']}"


def _away(row: Json, _now: datetime | None) -> str:
    distance = row["stop_distance_percent"]
    if row["stop_kind"] is None:
        return "no stop"
    return f"{stop_name(row)}{'' if distance is None else f' {distance} %'}"


POSITIONS = (
    Column("position", "id"),
    Column("bot", "bot"),
    Column("side", "side"),
    Figures("held", "quantity", drop=3),
    Figures("entry", "entry_price", drop=1),
    Figures("last", "last_price", drop=2),
    Figures("stop", tightest_stop, drop=4),
    Column("which, away", _away),
    Money("unrealized", "unrealized_pnl"),
    Column("guard", "protected_by"),
)


class StatusText:
    """Text of the status. `positions`: None if unreadable; `width`: None off a terminal."""

    def __init__(
        self,
        status: Json,
        positions: Sequence[Json] | None,
        *,
        colour: bool,
        width: int | None = None,
    ) -> None:
        self._status = status
        self._positions = positions
        self._colour = colour
        self._now = datetime.fromisoformat(status["clock"]["now"])
        self._room = width
        self._width = WIDTH if width is None else min(WIDTH, width)  # of sentences
        self._simulated = status["clock"]["kind"] != "wall"

    def __str__(self) -> str:
        if self._status["state"] == "starting" and not self._status["jobs"]["total"]:
            return "\n\n".join("\n".join(block) for block in (self._head(), self._problems()))
        blocks = [
            self._head(),
            self._problems(),
            self._jobs(),
            self._bots(),
            self._held(),
            self._profit(),
        ]
        return "\n\n".join("\n".join(block) for block in blocks if block)

    def _paint(self, text: str, style: str) -> str:
        return paint(text, style, colour=self._colour)

    def _head(self) -> list[str]:
        status = self._status
        health = self._paint(f"● {status['health'].upper()}", HEALTH_STYLE[status["health"]])
        state = status["state"]
        shown = self._paint(state, "" if state == "running" else f"1;{YELLOW}")
        facts = (
            f"{status['verification']} · pid {status['pid']} · up {duration(status['uptime_s'])}"
            f"{' (host time)' if self._simulated else ''} · tradebotd {status['version']}"
        )
        room = len(f"● {status['health'].upper()} · {state} · ")
        lines = [f"{health} · {shown} · {self._cut(facts, room)}", self._clock()]
        lines += self._money()
        if status["halt"] is not None:
            since, reason = ago(status["halt"]["since"], self._now), status["halt"]["reason"]
            halt = self._cut(f"ENTRIES HALTED {since}: {reason}")
            lines.append(self._paint(halt, f"1;{YELLOW}"))
        return lines

    def _cut(self, text: str, less: int = 0) -> str:
        return text if self._room is None else cut(text, self._width - less)

    def _clock(self) -> str:
        clock = self._status["clock"]
        now = f"{self._now:%Y-%m-%dT%H:%M:%SZ}"
        if clock["kind"] == "wall":
            return f"{'clock':<{LABEL}}{now}, real time"
        speed = f"{clock['speed']:g}x real time" if clock["speed"] else "as fast as it can"
        label = f" {clock['source'].upper()} DATA, SIMULATED CLOCK "
        return self._paint(label, LOUD) + self._cut(f" market time {now}, {speed}", len(label))

    def _money(self) -> list[str]:
        """Say with which money each venue trades, real money first and loud."""
        venues = self._status.get("venues", [])
        real = [venue["name"] for venue in venues if venue["place"] == "live"]
        play = [
            where({**venue, "venue": venue["name"]})
            for venue in venues
            if venue["name"] not in real
        ]
        loud = f"REAL MONEY at {', '.join(real)}" if real else ""
        parts = [self._paint(loud, LOUD)] if real else []
        if play:
            parts.append(self._cut(f"play money at {', '.join(play)}", LABEL + len(loud)))
        return [f"{'money':<{LABEL}}{'; '.join(parts)}"] if parts else []

    def _title(self, text: str) -> str:
        return self._paint(text, BOLD)

    def _problems(self) -> list[str]:
        problems = self._status["problems"]
        if not problems:
            return [f"{'problems':<{LABEL}}none"]
        lines = [self._title(f"problems ({len(problems)})")]
        for problem in problems:
            severity = f"{problem['severity'].upper():<8}"
            since = ago(problem["since"], self._now)
            room = self._width - 14 - len(since)
            subject = self._cut(problem["subject"], self._width - room)
            gap = " " * max(2, room + 2 - len(subject))
            painted = self._paint(severity, SEVERITY_STYLE[problem["severity"]])
            lines.append(f"  {painted}  {self._paint(subject, BOLD)}{gap}{since}")
            words = problem["message"].split()
            text = wrapped(words, self._width - 12, cuts=self._room is not None)
            lines += [" " * 12 + line for line in text]
            lines.append(" " * 12 + self._paint(f"see {problem['runbook']}", DIM))
        return lines

    def _jobs(self) -> list[str]:
        jobs, database = self._status["jobs"], self._status["database"]
        parts = [f"{jobs['ok']} of {jobs['total']} ok"]
        for word in ("failing", "late", "disabled"):
            if jobs[word]:
                style = YELLOW if word == "disabled" else f"1;{RED}"
                parts.append(self._paint(f"{jobs[word]} {word}", style))
        reach = f"{database['pool_in_use']} of {database['pool_size']} connections in use"
        shown = f"ok, {reach}" if database["ok"] else self._paint("AWAY", f"1;{RED}")
        lines = [f"{'jobs':<{LABEL}}{', '.join(parts)}", f"{'database':<{LABEL}}{shown}"]
        if not database["ok"]:
            lines.append(" " * LABEL + "what follows is what it last said, if anything")
        return lines

    def _bots(self) -> list[str]:
        bots = self._status["bots"]
        if not bots:
            return [f"{'bots':<{LABEL}}none"]
        columns = (
            Column("bots", "name"),
            Column("symbol", "symbol"),
            Column("venue", lambda row, _: where(row)),
            Column("status", "doing"),
            Column("position", lambda row, _: _position(row), drop=4),
            Money(f"today {self._status['currency']}", "daily_pnl", asset="-", drop=3),
            Column("entries", "daily_trades", right=True, drop=1),
            Times("last run", "last_run_at", drop=2),
        )
        return self._table(columns, bots)

    def _held(self) -> list[str]:
        status = self._status
        unknown = status["unknown_orders"]
        lines = []
        if unknown:
            text = f"{unknown} with an unknown outcome"
            lines.append(f"{'orders':<{LABEL}}{self._paint(text, f'1;{RED}')}")
        if not status["positions"]:
            return [*lines, f"{'positions':<{LABEL}}none"]
        if self._positions is None:
            return [*lines, f"{'positions':<{LABEL}}{status['positions']} open"]
        return lines + self._table(POSITIONS, self._positions)

    def _profit(self) -> list[str]:
        status = self._status
        doubt = self._doubt()
        currency = status["currency"]
        known = [bot["unrealized_pnl"] for bot in status["bots"]]
        sums = (
            status["realized_pnl_today"],
            None if None in known else _sum(known),
        )
        realized, unrealized = even_money(sums)
        equity = f"{with_asset(status['equity'], currency).lstrip('+')}"
        rows = (
            ("realized", f"{realized} {currency} today"),
            ("unrealized", f"{unrealized} {currency}"),
            (
                "equity",
                "no snapshot yet"
                if status["equity"] is None
                else f"{equity}, {ago(status['equity_at'], self._now)}",
            ),
        )
        lines = [self._title("P&L") + doubt]
        return lines + [f"  {label:<{LABEL + 2}}{text}" for label, text in rows]

    def _doubt(self) -> str:
        """Return the P&L's caveat: loud if something is wrong, dim while jobs are not due yet."""
        status = self._status
        if status["pnl_verified"]:
            return ""
        if status["health"] != "ok":
            why = f"health is {status['health']}"
        elif status["verification"] == "failed":
            why = "a job has not run well"
        elif status["verification"] == "verifying":
            return "  " + self._paint(self._cut(f"not verified yet ({self._waits()})", 5), DIM)
        else:
            why = "a position has no price"
        return self._paint("  UNVERIFIED", f"1;{YELLOW}") + f" ({why})"

    def _waits(self) -> str:
        waits = self._status["verification_waits"]
        told = [self._wait(wait) for wait in waits[:MOST_WAITS]]
        more = len(waits) - len(told)
        if more > 0:
            told.append(f"{more} more")
        return f"waits for: {', '.join(told)}" if told else "waits for its jobs"

    def _wait(self, wait: Json) -> str:
        """Format a pending job: `daily_close at 20:59Z`, with the date if it is not today."""
        if wait["next_run_at"] is None:
            return str(wait["job"])
        at = datetime.fromisoformat(wait["next_run_at"])
        day = "" if at.date() == self._now.date() else f"{at:%Y-%m-%d} "
        return f"{wait['job']} at {day}{at:%H:%M}Z"

    def _table(self, columns: Sequence[Column], rows: Sequence[Json]) -> list[str]:
        shown = fitted(columns, rows, self._now, self._room)
        right = {index for index, column in enumerate(shown.columns) if column.right}
        lines = [self._title(_line(shown.heads, shown.widths, right))]
        lines += [_line(row, shown.widths, right) for row in shown.cells]
        if shown.left_out:
            lines.append(self._paint(f"  no room for {', '.join(shown.left_out)}", DIM))
        return lines


def _line(cells: Sequence[str], widths: Sequence[int], right: set[int]) -> str:
    padded = [
        cut(cell, width).rjust(width) if index in right else cut(cell, width).ljust(width)
        for index, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return "  ".join(padded).rstrip()


def _sum(amounts: Sequence[str]) -> str:
    return format(sum((Decimal(amount) for amount in amounts), Decimal(0)), "f")
