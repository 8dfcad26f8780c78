"""Commands that change exits, adopt a holding, resume a symbol or flatten everything."""

import argparse
import sys
from collections.abc import Callable
from typing import Any

from tradebotd.cli.client import Answer, Client
from tradebotd.cli.errors import EXIT_DONE, EXIT_NO, UsageError
from tradebotd.cli.formatting import NOTHING, with_asset
from tradebotd.cli.progress import LiveLine

Options = argparse.Namespace
Told = Callable[[Answer, Options, str], int]

SET_USAGE = (
    "usage: tradebotctl positions set ID [--stop-loss P] [--take-profit P] [--trailing-stop P]"
    " [--max-holding D] [--trigger-price last|mark|bid_ask]\n"
)


def set_exits(client: Client, options: Options, told: Told) -> int:
    wish = {
        "stop_loss": options.stop_loss,
        "take_profit": options.take_profit,
        "trailing_stop": options.trailing_stop,
        "max_holding": options.max_holding,
        "trigger_price": options.trigger_price,
    }
    if not any(wish.values()):
        raise UsageError(SET_USAGE, "name at least one exit")
    answer = client.post("positions", options.id, "exits", body=wish)
    levels = ", ".join(
        f"{name.replace('_', '-')} {_told_level(answer.data, name, wish[name])}"
        for name in wish
        if wish[name] or _level(answer.data, name)
    )
    stops = (answer.data.get("stop_loss"), answer.data.get("trailing_stop"))
    naked = "" if any(stops) else "; it has no stop"
    return told(answer, options, f"position {options.id} of {answer.data['bot']}: {levels}{naked}")


def _level(position: dict[str, Any], name: str) -> str | None:
    """Return the current level: a price, or the configured duration of `max_holding`.

    Of `trigger_price` the kind of price, unless it is the last one.
    """
    if name == "trigger_price":
        kind = position.get("trigger_kind")
        return None if kind == "last" else kind
    if name != "max_holding":
        level: str | None = position[name]
        return level
    return next((exit_["rule"] for exit_ in position["exits"] if exit_["kind"] == name), None)


def _told_level(position: dict[str, Any], name: str, wished: str | None) -> str:
    return _level(position, name) or wished or "none"


def adopt(client: Client, options: Options, told: Told) -> int:
    wish = {"venue": options.venue, "symbol": options.symbol, "bot": options.bot}
    answer = client.post("positions", "adopt", body=wish)
    held = answer.data
    what = f"{held['quantity']} {held['symbol']} {held['side']}"
    text = f"{what} is {held['bot']}'s: position {held['id']}"
    return told(answer, options, text)


def resume_symbol(client: Client, options: Options, told: Told) -> int:
    answer = client.post("symbols", options.symbol, "resume")
    return told(answer, options, f"exits of {options.symbol} act again")


def flatten(client: Client, options: Options, told: Told) -> int:
    if not options.yes and not _agreed(client):
        return EXIT_NO
    line = LiveLine("flatten")
    try:
        answer = client.follow("flatten", progress=line)
    finally:
        line.finish()
    told(answer, options, _verdict(answer.data))
    if answer.data["left"] and not options.json:
        from tradebotd.cli import tables  # noqa: PLC0415 - only tables need rich

        tables.show(tables.LEFT, answer.data["left"], answer, empty="")
    return EXIT_NO if answer.data["left"] else EXIT_DONE


def _agreed(client: Client) -> bool:
    """Ask the operator to confirm. Raises UsageError off a terminal."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError("usage: tradebotctl flatten --yes\n", "not on a terminal: say --yes")
    count = len(client.get("positions").data)
    sys.stderr.write(f"halt, and close {count} position{'' if count == 1 else 's'} now? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def _verdict(done: dict[str, Any]) -> str:
    trades = {str(trade["id"]): trade for trade in done["trades"]}
    lines = [
        f"closed {name}{_brought(trades.get(name.partition(' ')[0]))}" for name in done["closed"]
    ]
    if done["cancelled"]:
        lines.append(f"cancelled {', '.join(done['cancelled'])}")
    left = f"{len(done['left'])} left" if done["left"] else "nothing is left"
    return "\n".join([*lines, f"{left}; entries stay halted until `tradebotctl resume`"])


def _brought(trade: dict[str, Any] | None) -> str:
    if trade is None:
        return ""
    pnl = with_asset(trade["realized_pnl"], trade["quote_asset"])
    return f" at {trade['exit_price'] or NOTHING}, P&L {pnl}"
