"""Formatting of numbers, times and states in tables."""

import os
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, TextIO

NOTHING = "-"
WIDTH = 100
NARROW = 8  # a word column is not made narrower than this while another is wider

RED, GREEN, YELLOW, BOLD, DIM, LOUD = "31", "32", "33", "1", "2", "1;7;33"


def where(row: dict[str, Any]) -> str:
    """Format where a bot trades, and with which money: `spot (demo)`, `binance (LIVE)`."""
    venue, place = row.get("venue"), row.get("place")
    if venue is None:
        return NOTHING
    if place == "live":
        return f"{venue} (LIVE)"
    return venue if place in {None, venue} else f"{venue} ({place})"


def ago(instant: str | datetime | None, now: datetime | None) -> str:
    """Format a time as `3 min ago` or `in 20 s`; as ISO text if the current time is unknown."""
    if instant is None:
        return NOTHING
    at = datetime.fromisoformat(instant) if isinstance(instant, str) else instant
    if now is None:
        return str(instant)
    seconds = (now - at).total_seconds()
    if abs(seconds) < 1:
        return "now"
    return f"{duration(seconds)} ago" if seconds > 0 else f"in {duration(-seconds)}"


def duration(seconds: float) -> str:
    """Format a duration in one unit, rounded down: `0.25 s`, `45 s`, `3 min`, `5 h`, `2 d`."""
    if seconds < 1:
        return f"{seconds:.2g} s"
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size or (seconds >= size and unit == "min"):
            return f"{int(seconds // size)} {unit}"
    return f"{int(seconds)} s"


def ago_short(instant: str | datetime | None, now: datetime | None) -> str:
    """Format a time for narrow columns: `3m` for the past, `in 20s` for the future."""
    told = ago(instant, now)
    if now is None or not told.endswith(" ago"):
        return told.replace(" min", "m").replace(" s", "s").replace(" h", "h").replace(" d", "d")
    number, unit, _ = told.split()
    return number + unit.replace("min", "m")


def plain(value: object) -> str:
    """Format a JSON value as text: no braces, no quotes, yes and no."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        parts = []
        for key, item in value.items():
            if item is None or item in ("", [], {}):
                continue
            told = plain(item)
            parts.append(
                f"{key.replace('_', ' ')} {f'({told})' if isinstance(item, dict) else told}"
            )
        return ", ".join(parts) or NOTHING
    if isinstance(value, list):
        return ", ".join(plain(item) for item in value) or NOTHING
    return NOTHING if value is None else str(value)


def even_figures(values: Sequence[str | None]) -> list[str]:
    """Format figures with the decimals of the one that has the most; values are not rounded."""
    known = [Decimal(value) for value in values if value is not None]
    places = max((_places(value) for value in known), default=0)
    return [NOTHING if value is None else f"{Decimal(value):.{places}f}" for value in values]


def even_money(values: Sequence[str | None], *, signed: bool = True) -> list[str]:
    """Format amounts with 2 to 8 decimals, so that the smallest shows two of its digits."""
    known = [abs(Decimal(value)) for value in values if value is not None]
    smallest = min((value for value in known if value), default=Decimal(1))
    places = min(8, max(2, 1 - smallest.adjusted()))
    return [
        NOTHING if amount is None else _rounded(amount, places, signed=signed) for amount in values
    ]


def _rounded(text: str, places: int, *, signed: bool) -> str:
    value = Decimal(text)
    sign = "+" if signed and value > 0 else ""
    return f"{sign}{value:,.{places}f}"


def _places(value: Decimal) -> int:
    exponent = value.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def rounded(text: str | None) -> str | None:
    """Round a candle's value to eight decimals: further digits are binary floating-point noise."""
    if text is None:
        return None
    value = Decimal(text)
    return f"{round(value, 8):f}" if _places(value) > 8 else text


def money(text: str | None, *, signed: bool = False) -> str:
    """Format an amount, thousands grouped: two decimals from 1 up, at most eight below."""
    if text is None:
        return NOTHING
    value = Decimal(text)
    sign = "+" if signed and value > 0 else ""
    if value == 0:
        return "0"
    if abs(value) >= 1:
        return f"{sign}{value:,.2f}"
    return sign + f"{value:.8f}".rstrip("0").rstrip(".")


def with_asset(text: str | None, asset: str | None) -> str:
    """Format a signed amount with its asset, if the asset is known."""
    told = money(text, signed=True)
    return told if asset is None or text is None else f"{told} {asset}"


def number(text: str | None) -> str:
    """Format a price or a quantity as it is."""
    return NOTHING if text is None else text


def percent(share: float | None) -> str:
    if share is None:
        return NOTHING
    return "100 %" if share == 1 else f"{min(share, 0.999):.1%}".replace("%", " %")


def has_colour(stream: TextIO | None = None) -> bool:
    """Return whether to use colour: on a terminal, unless $NO_COLOR or TERM=dumb forbids it."""
    stream = stream or sys.stdout
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def paint(text: str, style: str, *, colour: bool) -> str:
    return f"\x1b[{style}m{text}\x1b[0m" if colour and style else text


def cut(text: str, width: int) -> str:
    """Collapse whitespace and cut to at most *width* characters."""
    flat = " ".join(text.split())
    return flat if len(flat) <= width else flat[: max(0, width - 1)] + "…"


def wrapped(words: Iterable[str], width: int, *, cuts: bool = True) -> list[str]:
    """Wrap to lines of at most *width*; a longer word is cut, or overflows if *cuts* is false."""
    lines: list[str] = []
    for word in words:
        short = cut(word, width) if cuts else word
        if lines and len(lines[-1]) + 1 + len(short) <= width:
            lines[-1] += " " + short
        else:
            lines.append(short)
    return lines


def fit(rows: Sequence[Sequence[str]], width: int, keep: set[int], gap: int = 2) -> list[int]:
    """Return column widths whose sum fits *width*. Text shrinks first: a truncated figure misleads.

    *keep*: the columns of figures, which shrink only when text columns alone cannot make room.
    """
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    words = [index for index in range(len(widths)) if index not in keep]
    room = width - gap * (len(widths) - 1)
    for columns, floor in ((words, NARROW), (words, 4), (range(len(widths)), 1)):
        while sum(widths) > room:
            widest = max(columns, key=lambda index: widths[index], default=None)
            if widest is None or widths[widest] <= floor:
                break
            widths[widest] -= 1
    return widths


def tightest_stop(row: dict[str, Any]) -> str | None:
    """Return the stop that is reached first: the highest of a long, the lowest of a short."""
    stops = [row[key] for key in ("stop_loss", "trailing_stop") if row[key] is not None]
    tightest = max if row["side"] == "long" else min
    return tightest(stops, key=Decimal) if stops else None


def stop_name(row: dict[str, Any]) -> str:
    kind: str = row["stop_kind"] or NOTHING
    return kind.replace("_", "-")
