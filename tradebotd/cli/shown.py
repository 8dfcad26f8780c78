"""Details of one bot, one order or one dead letter."""

import argparse
from typing import Any

from tradebotd.cli import tables
from tradebotd.cli.client import Answer, Client
from tradebotd.cli.errors import EXIT_REFUSED, CommandError
from tradebotd.cli.formatting import ago, money, plain, stop_name, with_asset

LABEL = 22
HOST_TIMES = frozenset(
    {
        "send_by",
        "began_at",
        "last_asked_at",
        "inferred_absent_at",
        "cancel_acknowledged_at",
        "ended_at",
    }
)

Options = argparse.Namespace


def bot(client: Client, options: Options) -> Answer:
    return client.get("bots", options.name)


def order(client: Client, options: Options) -> Answer:
    return client.get("orders", options.id)


def dead_letter(client: Client, options: Options) -> Answer:
    """Fetch one dead letter. Raises CommandError, with the known ids, if there is none."""
    answer = client.get("dead-letters")
    for letter in answer.data:
        if letter["id"] == options.id:
            return answer._replace(data=letter)
    known = ", ".join(str(letter["id"]) for letter in answer.data)
    hint = f"known: {known}" if known else "there is none at present"
    message = f"there is no dead letter {options.id}"
    raise CommandError(EXIT_REFUSED, "unknown_dead_letter", message, hint)


def tell_bot(answer: Answer) -> None:
    bot = answer.data
    print(f"{bot['name']}: {bot['doing']}")
    print(
        f"  {bot['symbol']} {bot['timeframe']} {bot['strategy']}, {bot['status']}, last run",
        end=" ",
    )
    print(ago(bot["last_run_at"], answer.now))
    today = money(bot["daily_pnl"], signed=True)
    count = bot["daily_trades_count"]
    print(f"  today {today} {bot['currency']}, {count} {'entry' if count == 1 else 'entries'}")
    for asset, amount in bot["daily_unconverted"].items():
        print(f"  and {money(amount, signed=True)} {asset}, which no rate is known of")
    if bot["last_error_message"]:
        print(f"  last error: {tables.last_line(bot['last_error_message'])}")
    print()
    held = [bot["position"]] if bot["position"] else []
    tables.show(tables.POSITIONS, held, answer, empty="no open position")
    for position in held:
        print()
        print(_at_stake(position))
        if position["resting_quantity"] is not None:
            print(resting_words(position))
        tables.show(tables.EXITS, position["exits"], answer, empty="no exit: nothing ends it")
    for columns, rows, empty in (
        (tables.TRADES, bot["trades"], "no trades yet"),
        (tables.DECISIONS, bot["decisions"], "no decisions yet"),
    ):
        print()
        tables.show(columns, rows, answer, empty=empty)


def _at_stake(position: dict[str, Any]) -> str:
    """Describe the profit or loss if the stop fills at its price."""
    if position["pnl_at_stop"] is None:
        return "it has no stop: all of it is at risk"
    asset = position["quote_asset"]
    stop = stop_name(position)
    away = position["stop_distance_percent"]
    distance = "" if away is None else f", {away} % from the {position['trigger_kind']} price"
    gain = with_asset(position["pnl_at_stop"], asset)
    return f"at its {stop}{distance}: {gain} before fees"


def resting_words(position: dict[str, Any]) -> str:
    """Describe for how much a stop rests: whole lots, where the venue's stops take no others."""
    rests, held = plain(position["resting_quantity"]), plain(position["quantity"])
    if rests == held:
        return f"a stop rests at the venue for all of it, {held}"
    return f"a stop rests at the venue for {rests} of {held}; the daemon alone guards the rest"


def tell_order(answer: Answer) -> None:
    order, simulated = answer.data, answer.simulated
    for key, value in order.items():
        if not isinstance(value, list | dict) and value is not None:
            print(f"{key:<{LABEL}} {_value(key, value, simulated=simulated)}")
    if order["venue_order_ids"]:
        print(f"{'venue_order_ids':<{LABEL}} {plain(order['venue_order_ids'])}")
    if order["search"] is not None:
        print()
        print("nobody knew of it; the venue was asked:")
        for key, value in order["search"].items():
            if value is not None:
                print(f"  {key:<{LABEL}} {_value(key, value, simulated=simulated)}")
    for columns, key in ((tables.EVENTS, "events"), (tables.FILLS, "fills")):
        print()
        tables.show(columns, order[key], answer, empty=f"no {key}")


def _value(key: str, value: Any, *, simulated: bool) -> str:
    """Format a value, marked as host time if a simulated clock is shown beside it."""
    return f"{plain(value)} (host time)" if simulated and key in HOST_TIMES else plain(value)


def tell_dead_letter(answer: Answer) -> None:
    letter = answer.data
    print(f"dead letter {letter['id']}: {letter['job']}, {tables.letter_state(letter)}")
    failed = "once" if letter["count"] == 1 else f"{letter['count']} times"
    print(f"  failed {failed}, last {ago(letter['last_failed_at'], answer.now)}", end="")
    print(f", first {ago(letter['first_failed_at'], answer.now)}")
    print(f"  arguments: {plain(letter['args'])}")
    print()
    print(letter["error"].rstrip())
