"""`tradebotctl status`: what matters at three in the morning first, money last.

Written without rich, whose import alone would take a third of the time this command may.
"""

import shutil
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

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
    fit,
    money,
    number,
    paint,
    with_asset,
    wrapped,
)

HEALTH_STYLE = {"ok": f"1;{GREEN}", "degraded": f"1;{YELLOW}", "critical": f"1;{RED}"}
SEVERITY_STYLE = {"critical": f"1;{RED}", "warning": YELLOW, "info": DIM}
LABEL = 10
Json = dict[str, Any]


class StatusText:
    """`positions` is None when they could not be read."""

    def __init__(self, status: Json, positions: Sequence[Json] | None, *, colour: bool) -> None:
        self._status = status
        self._positions = positions
        self._colour = colour
        self._now = datetime.fromisoformat(status["clock"]["now"])
        self._width = min(WIDTH, shutil.get_terminal_size((WIDTH, 0)).columns) if colour else WIDTH

    def __str__(self) -> str:
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
            f" · tradebotd {status['version']}"
        )
        lines = [f"{health} · {shown} · {facts}", self._clock()]
        if status["halt"] is not None:
            since, reason = ago(status["halt"]["since"], self._now), status["halt"]["reason"]
            halt = cut(f"ENTRIES HALTED {since}: {reason}", self._width)
            lines.append(self._paint(halt, f"1;{YELLOW}"))
        return lines

    def _clock(self) -> str:
        clock = self._status["clock"]
        now = f"{self._now:%Y-%m-%dT%H:%M:%SZ}"
        if clock["kind"] == "wall":
            return f"{'clock':<{LABEL}}{now}, real time"
        speed = f"{clock['speed']:g}x real time" if clock["speed"] else "as fast as it can"
        label = self._paint(f" {clock['source'].upper()} DATA, SIMULATED CLOCK ", LOUD)
        return f"{label} market time {now}, {speed}"

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
            subject = cut(problem["subject"], room)
            gap = " " * max(2, room + 2 - len(subject))
            painted = self._paint(severity, SEVERITY_STYLE[problem["severity"]])
            lines.append(f"  {painted}  {self._paint(subject, BOLD)}{gap}{since}")
            text = wrapped(problem["message"].split(), self._width - 12)
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
        rows = [
            (
                bot["name"],
                bot["symbol"],
                bot["status"],
                _position(bot["position"]),
                money(bot["daily_pnl"], signed=True),
                str(bot["daily_trades"]),
                ago(bot["last_run_at"], self._now),
            )
            for bot in bots
        ]
        today = f"today {self._status['currency']}"
        heads = ("bots", "symbol", "status", "position", today, "trades", "last run")
        return self._table(heads, rows, right={4, 5})

    def _held(self) -> list[str]:
        status = self._status
        unknown = status["unknown_orders"]
        lines = []
        if unknown:
            text = f"{unknown} order(s) with an unknown outcome"
            lines.append(f"{'orders':<{LABEL}}{self._paint(text, f'1;{RED}')}")
        if not status["positions"]:
            return [*lines, f"{'positions':<{LABEL}}none"]
        if self._positions is None:
            return [*lines, f"{'positions':<{LABEL}}{status['positions']} open"]
        rows = [
            (
                str(each["id"]),
                each["bot"],
                each["side"],
                number(each["quantity"]),
                number(each["entry_price"]),
                number(each["last_price"]),
                number(each["trailing_stop"] or each["stop_loss"]),
                with_asset(each["unrealized_pnl"], each.get("quote_asset")),
                each["protected_by"],
            )
            for each in self._positions
        ]
        heads = (
            "position",
            "bot",
            "side",
            "held",
            "entry",
            "last",
            "stop",
            "unrealized",
            "guard",
        )
        return lines + self._table(heads, rows, right={3, 4, 5, 6, 7})

    def _profit(self) -> list[str]:
        status = self._status
        doubt = "" if status["pnl_verified"] else self._paint("  UNVERIFIED", f"1;{YELLOW}")
        if doubt:
            why = (
                f"health is {status['health']}"
                if status["health"] != "ok"
                else f"still {status['verification']}"
                if status["verification"] != "verified"
                else "a position has no price"
            )
            doubt += f" ({why})"
        currency = status["currency"]
        known = [bot["unrealized_pnl"] for bot in status["bots"]]
        unrealized = NOTHING if None in known else money(_sum(known), signed=True)
        lines = [self._title("P&L") + doubt]
        equity = f"{money(status['equity'])} {currency}, {ago(status['equity_at'], self._now)}"
        rows = (
            ("realized", f"{money(status['realized_pnl_today'], signed=True)} {currency} today"),
            ("unrealized", f"{unrealized} {currency}"),
            ("equity", "no snapshot yet" if status["equity"] is None else equity),
        )
        return lines + [f"  {label:<{LABEL + 2}}{text}" for label, text in rows]

    def _table(
        self, heads: Sequence[str], rows: Sequence[Sequence[str]], right: set[int]
    ) -> list[str]:
        widths = fit([heads, *rows], self._width, right)
        lines = [self._title(_line(heads, widths, right))]
        return lines + [_line(row, widths, right) for row in rows]


def _line(cells: Sequence[str], widths: Sequence[int], right: set[int]) -> str:
    padded = [
        cut(cell, width).rjust(width) if index in right else cut(cell, width).ljust(width)
        for index, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return "  ".join(padded).rstrip()


def _position(held: Json | None) -> str:
    return NOTHING if held is None else f"{held['side']} {held['quantity']}"


def _sum(amounts: Sequence[str]) -> str:
    return format(sum((Decimal(amount) for amount in amounts), Decimal(0)), "f")
