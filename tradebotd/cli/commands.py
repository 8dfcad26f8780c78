"""Commands of `tradebotctl`: each asks the daemon, prints the answer, returns the exit code."""

import argparse
import json
import sys
import time
from collections.abc import Callable
from typing import Any

from tradebotd.cli.client import Answer, Client
from tradebotd.cli.errors import EXIT_DONE, EXIT_NO, EXIT_UNREACHABLE, CommandError, UsageError
from tradebotd.cli.formatting import has_colour, plain, with_asset
from tradebotd.cli.progress import LiveLine

WATCH_SECONDS = 2.0
ALL_ROWS = 10_000
FEW_ROWS = 50
CSV_HEADS = (
    "id",
    "bot",
    "venue",
    "symbol",
    "side",
    "quantity",
    "entry_price",
    "exit_price",
    "opened_at",
    "closed_at",
    "close_reason",
    "realized_pnl",
    "fees",
    "dust",
    "dust_cost",
    "swept_income",
    "quote_asset",
)
GOOD_ENDS = frozenset({"ok", "skipped", "running"})

Options = argparse.Namespace
Command = Callable[[Client, Options], int]


def print_json(data: Any) -> None:
    print(json.dumps(data, ensure_ascii=False, indent=2))


def status(client: Client, options: Options) -> int:
    if options.watch and options.json:
        usage = "usage: tradebotctl status [--watch | --json]\n"
        raise UsageError(usage, "--watch draws a screen, --json prints one document: say one")
    while True:
        data = client.get("status").data
        text = _status_text(client, data, options)
        if not options.watch:
            print(text)
            return EXIT_NO if options.check and data["health"] == "critical" else EXIT_DONE
        _draw(text)
        time.sleep(WATCH_SECONDS)


def _draw(text: str) -> None:
    """Redraw the screen on a terminal, cut at the bottom: what matters most is at the top."""
    if not sys.stdout.isatty():
        print(text, flush=True)
        return
    import shutil  # noqa: PLC0415

    lines, height = text.splitlines(), shutil.get_terminal_size().lines
    if len(lines) > height:
        below = len(lines) - (height - 1)
        lines = [*lines[: height - 1], f"… {below} more lines: tradebotctl status"]
    sys.stdout.write("\x1b[H\x1b[2J" + "\n".join(lines))
    sys.stdout.flush()


def _status_text(client: Client, data: Any, options: Options) -> str:
    if options.json:
        return json.dumps(data, ensure_ascii=False, indent=2)
    from tradebotd.cli.columns import terminal_width  # noqa: PLC0415
    from tradebotd.cli.status import StatusText  # noqa: PLC0415

    positions: list[Any] | None = []
    if data["positions"]:
        try:
            positions = client.get("positions").data
        except CommandError:  # the status itself says why
            positions = None
    return str(StatusText(data, positions, colour=has_colour(), width=terminal_width()))


def _list(columns: str, empty: str, *path: str) -> Command:
    """Return a command that shows the list at *path*."""

    def command(client: Client, options: Options) -> int:
        return _table(client.get(*path), options, columns, empty)

    return command


def _table(answer: Answer, options: Options, columns: str, empty: str) -> int:
    if options.json:
        print_json(answer.data)
        return EXIT_DONE
    from tradebotd.cli import tables  # noqa: PLC0415 - only tables need rich

    rows = answer.data if isinstance(answer.data, list) else [answer.data]
    tables.show(getattr(tables, columns), rows, answer, empty=empty)
    return EXIT_DONE


def jobs_run(client: Client, options: Options) -> int:
    body = {"params": dict(options.params), "detach": options.detach}
    if options.detach:
        answer = client.post("jobs", options.name, "run", body=body)
        return _ended(answer, options)
    return _followed(client, options, options.name, "jobs", options.name, "run", body=body)


def seed(client: Client, options: Options) -> int:
    params = {"symbol": options.symbol, "interval": options.interval, "days": str(options.days)}
    title = f"seed {options.symbol}"
    body = {"params": params}
    return _followed(client, options, title, "jobs", "seed_history", "run", body=body)


def bots_run(client: Client, options: Options) -> int:
    return _followed(client, options, options.name, "bots", options.name, "run")


def dead_letters_retry(client: Client, options: Options) -> int:
    if not options.all:
        title = f"dead letter {options.id}"
        return _followed(client, options, title, "dead-letters", options.id, "retry")

    def retry(letter: int) -> dict[str, Any]:
        answer = _follow(client, f"dead letter {letter}", "dead-letters", letter, "retry")
        run: dict[str, Any] = answer.data
        if not options.json:
            _tell_run(run)
        return run

    runs, code = _each_letter(client, options, retry)
    went_well = all(run["status"] in GOOD_ENDS for run in runs)
    return code if went_well or code == EXIT_UNREACHABLE else EXIT_NO


def dead_letters_discard(client: Client, options: Options) -> int:
    if not options.all:
        answer = client.post("dead-letters", options.id, "discard")
        return _told(answer, options, f"dead letter {options.id} discarded")

    def discard(letter: int) -> dict[str, Any]:
        done: dict[str, Any] = client.post("dead-letters", letter, "discard").data
        if not options.json:
            print(f"discarded: {letter}")
        return done

    return _each_letter(client, options, discard)[1]


def _each_letter(
    client: Client, options: Options, act: Callable[[int], dict[str, Any]]
) -> tuple[list[dict[str, Any]], int]:
    from tradebotd.cli.each_letter import act_on_each  # noqa: PLC0415

    letters = [each["id"] for each in client.get("dead-letters").data if each["state"] == "open"]
    tell = _say_nothing if options.json else print
    answers, refusals, code = act_on_each(letters, act, tell)
    if options.json:
        print_json([*answers, *refusals])
    elif not letters:
        print("no open dead letters")
    return answers, code


def _say_nothing(_: str) -> None:
    """Say nothing: the JSON document says it."""


def _followed(
    client: Client,
    options: Options,
    title: str,
    *path: str | int,
    body: dict[str, Any] | None = None,
) -> int:
    return _ended(_follow(client, title, *path, body=body), options)


def _follow(
    client: Client, title: str, *path: str | int, body: dict[str, Any] | None = None
) -> Answer:
    line = LiveLine(title)
    try:
        return client.follow(*path, progress=line, body=body)
    finally:
        line.finish()


def _ended(answer: Answer, options: Options) -> int:
    run = answer.data
    if options.json:
        print_json(run)
    else:
        _tell_run(run)
    return EXIT_DONE if run["status"] in GOOD_ENDS else EXIT_NO


def _tell_run(run: dict[str, Any]) -> None:
    if run["finished_at"] is None:
        print(f"{run['job']} started; see `tradebotctl jobs history {run['job']}`")
        return
    from tradebotd.cli.tables import counts, last_line  # noqa: PLC0415

    again = f", attempt {run['attempt']}" if run["attempt"] > 1 else ""
    print(f"{run['job']} run {run['run_id']}: {run['status']}{again}: {counts(run['summary'])}")
    for name, word in run["summary"]["items"].items():
        told = word.get("error", word) if isinstance(word, dict) else word
        print(f"  {name}: {plain(told)}")
    if run["error"]:
        print(f"  {last_line(run['error'])}")


def jobs_history(client: Client, options: Options) -> int:
    answer = client.get("jobs", options.name, "history", limit=options.limit)
    return _table(answer, options, "HISTORY", f"{options.name} has not run yet")


def _switch(verb: str) -> Command:
    def command(client: Client, options: Options) -> int:
        answer = client.post("jobs", options.name, verb)
        return _told(answer, options, f"{options.name} {verb}d")

    return command


def _told(answer: Answer, options: Options, text: str) -> int:
    if options.json:
        print_json(answer.data)
    else:
        print(text)
    return EXIT_DONE


def _switch_bot(verb: str) -> Command:
    def command(client: Client, options: Options) -> int:
        answer = client.post("bots", options.name, verb)
        return _told(answer, options, f"{options.name}: {answer.data['doing']}")

    return command


def positions_close(client: Client, options: Options) -> int:
    answer = client.post("positions", options.id, "close")
    trade = answer.data
    pnl = with_asset(trade["realized_pnl"], trade.get("quote_asset"))
    text = f"position {options.id} of {trade['bot']} closed at {trade['exit_price']}, {pnl}"
    return _told(answer, options, text)


def orders(client: Client, options: Options) -> int:
    answer = client.get(
        "orders",
        open="true" if options.open else None,
        unknown="true" if options.unknown else None,
        limit=options.limit,
    )
    empty = "no orders yet"
    if options.unknown:
        empty = "no unknown orders"
    elif options.open:
        empty = "no open orders"
    return _table(answer, options, "ORDERS", empty)


def fills(client: Client, options: Options) -> int:
    return _table(client.get("fills", limit=options.limit), options, "FILLS", "no fills yet")


def trades(client: Client, options: Options) -> int:
    if options.csv and options.json:
        raise UsageError("usage: tradebotctl trades [--csv | --json]\n", "--csv or --json")
    limit = options.limit or (ALL_ROWS if options.csv else FEW_ROWS)
    answer = client.get("trades", since=options.since, limit=limit)
    if not options.csv:
        return _table(answer, options, "TRADES", "no trades yet")
    import csv  # noqa: PLC0415

    writer = csv.DictWriter(sys.stdout, CSV_HEADS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(answer.data)
    return EXIT_DONE


def candles(client: Client, options: Options) -> int:
    answer = client.get("candles", options.symbol, options.timeframe, limit=options.limit)
    return _table(answer, options, "CANDLES", "no candles yet")


def levels(client: Client, options: Options) -> int:
    return _table(client.get("levels", options.symbol), options, "LEVELS", "no levels yet")


def halt(client: Client, options: Options) -> int:
    answer = client.post("halt", body={"reason": options.reason})
    reason = answer.data["halt"]["reason"]
    return _told(answer, options, f"entries halted ({reason}); exits go on")


def resume(client: Client, options: Options) -> int:
    return _told(client.post("resume"), options, "entries resumed")


def reload(client: Client, options: Options) -> int:
    answer = client.post("reload")
    changes = answer.data["changes"]
    return _told(answer, options, "\n".join(changes) if changes else "nothing changes")


def _act(name: str) -> Command:
    def command(client: Client, options: Options) -> int:
        from tradebotd.cli import position_commands  # noqa: PLC0415

        act: Callable[..., int] = getattr(position_commands, name)
        return act(client, options, _told)

    return command


def _one(name: str) -> Command:
    """Return a command that shows every detail of one bot, order or dead letter."""

    def command(client: Client, options: Options) -> int:
        from tradebotd.cli import shown  # noqa: PLC0415

        answer: Answer = getattr(shown, name)(client, options)
        if options.json:
            print_json(answer.data)
        else:
            getattr(shown, f"tell_{name}")(answer)
        return EXIT_DONE

    return command


COMMANDS: dict[str, Command] = {
    "status": status,
    "jobs": _list("JOBS", "no jobs", "jobs"),
    "jobs run": jobs_run,
    "jobs history": jobs_history,
    "jobs enable": _switch("enable"),
    "jobs disable": _switch("disable"),
    "dead-letters": _list("DEAD_LETTERS", "no dead letters", "dead-letters"),
    "dead-letters show": _one("dead_letter"),
    "dead-letters retry": dead_letters_retry,
    "dead-letters discard": dead_letters_discard,
    "bots": _list("BOTS", "no bots", "bots"),
    "bots show": _one("bot"),
    "bots run": bots_run,
    "bots pause": _switch_bot("pause"),
    "bots resume": _switch_bot("resume"),
    "positions": _list("POSITIONS", "no open positions", "positions"),
    "positions close": positions_close,
    "positions set": _act("set_exits"),
    "positions adopt": _act("adopt"),
    "symbols resume": _act("resume_symbol"),
    "flatten": _act("flatten"),
    "orders": orders,
    "orders show": _one("order"),
    "fills": fills,
    "trades": trades,
    "symbols": _list("SYMBOLS", "no symbols", "symbols"),
    "budget": _list("BUDGET", "no feed has credits", "budget"),
    "candles": candles,
    "levels": levels,
    "universe": _list("UNIVERSE", "no watchlist yet", "universe"),
    "seed": seed,
    "halt": halt,
    "resume": resume,
    "reload": reload,
}
