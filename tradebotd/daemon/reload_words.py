"""Text of a reload's changes, and their meaning for open positions. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from tradebotd.config.reload import Change
from tradebotd.config.written import NOT_SET, written
from tradebotd.domain.ids import BotName
from tradebotd.domain.position import Position
from tradebotd.domain.quote import TriggerPrice

TRIGGER: Final = "trigger_price"
SET_BY_HAND: Final = ("stop_loss", "take_profit", "trailing_stop", "max_holding", TRIGGER)
NONE: Final = "none"


def describe_changes(
    changes: Sequence[Change],
    held: Iterable[Position],
    triggers: Mapping[BotName, TriggerPrice],
) -> list[str]:
    """Describe the changes in the file's words; a position keeps the exits it was opened with.

    *triggers*: what ends the positions of each bot from now on, said or by default.
    """
    by_bot: dict[str, list[Position]] = {}
    for position in sorted(held, key=lambda held: held.id):
        by_bot.setdefault(position.bot, []).append(position)
    lines = [_line(change, by_bot) for change in changes]
    moved: dict[str, dict[str, Any]] = {}
    for change in changes:
        match change.path.split("."):
            case ["bots", *name, "trigger_price"] if name:
                new = triggers.get(BotName(".".join(name)), change.new)
                moved.setdefault(".".join(name), {})[TRIGGER] = new
            case ["bots", *name, "exits", exit_] if name:
                moved.setdefault(".".join(name), {})[exit_] = change.new
            case ["bots", *name, "exits", _, _] if name:
                moved.setdefault(".".join(name), {})
    for bot, exits in moved.items():
        for position in by_bot.get(bot, ()):
            kept = {
                name: new
                for name, new in exits.items()
                if name != TRIGGER or new != position.exits.trigger_price
            }
            if kept or not exits:
                lines.append(_keeps(position, kept))
    return lines


def _line(change: Change, held: Mapping[str, Sequence[Position]]) -> str:
    bot = change.path.removeprefix("bots.")
    if bot != change.path and _is_bot(change.new or change.old):
        if change.new is None:
            return f"{change.path}: removed{_holding(held.get(bot, ()))}"
        return f"{change.path}: added, {change.new['strategy']} on {change.new['symbol']}"
    if change.old is None and isinstance(change.new, Mapping):
        return f"{change.path}: added {written(change.new)}"
    if change.new is None and isinstance(change.old, Mapping):
        return f"{change.path}: removed {written(change.old)}"
    line = f"{change.path}: {written(change.old)} -> {written(change.new)}"
    if bot.endswith(".active") and change.new is False:
        line += _holding(held.get(bot.removesuffix(".active"), ()))
    return line


def _is_bot(value: object) -> bool:
    """Return whether *value* is a whole bot (its name may contain a dot), not a table of one."""
    return isinstance(value, Mapping) and {"strategy", "symbol"} <= value.keys()


def _holding(held: Sequence[Position]) -> str:
    if not held:
        return ""
    if len(held) == 1:
        return f"; it holds position {held[0].id}, whose exits go on"
    ids = ", ".join(str(position.id) for position in held)
    return f"; it holds positions {ids}, whose exits go on"


def _keeps(position: Position, exits: Mapping[str, Any]) -> str:
    """Say that a position keeps its exits, with the command to change them where there is one."""
    line = f"position {position.id} of {position.bot} keeps the exits that it has"
    options, others = [], []
    for exit_ in sorted(exits, key=lambda name: (name not in SET_BY_HAND, name)):
        text = written(exits[exit_])
        if exit_ not in SET_BY_HAND or text.endswith("atr"):
            others.append(exit_)
        else:
            options.append(f"--{exit_.replace('_', '-')} {NONE if text == NOT_SET else text}")
    if options:
        line += f"; to move them: tradebotctl positions set {position.id} {' '.join(options)}"
    if others or not options:
        line += f"; its {', '.join(others) or 'ladder and break-even'} cannot be moved"
    return line
