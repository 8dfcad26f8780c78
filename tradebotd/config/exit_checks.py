"""Exits that contradict each other, can never be reached or have no effect."""

from collections import Counter
from collections.abc import Iterator
from decimal import Decimal

from tradebotd.config.problem_text import percent
from tradebotd.config.sections import USUAL_EXITS, BotSection, ExitsSection
from tradebotd.config.values import AtrMultiple, NoStop


def exit_problems(path: str, bot: BotSection) -> Iterator[str]:
    exits = bot.exits
    distances = (exits.stop_loss, exits.take_profit, exits.trailing_stop)
    if "atr_period" in exits.model_fields_set and not any(
        isinstance(distance, AtrMultiple) for distance in distances
    ):
        yield f'{path}.atr_period: no exit is told in "atr"; leave it out'
    if exits.stop_loss is None and not stop_fractions(exits):
        usual = percent(Decimal(str(USUAL_EXITS.stop_loss)))
        yield (
            f'{path}.stop_loss: this bot would have no stop at all; set one ("{usual}" is usual),'
            ' or say stop_loss = "none"'
        )
    yield from _ladder(path, exits)
    yield from _break_even(path, exits)
    if bot.allow_short:
        yield from _below_zero(path, exits)


def stop_fractions(exits: ExitsSection) -> dict[str, Decimal | None]:
    """Return the stops by name, as fractions of the entry price; None: known at the entry only."""
    return {
        name: stop if isinstance(stop, Decimal) else None
        for name, stop in (("stop_loss", exits.stop_loss), ("trailing_stop", exits.trailing_stop))
        if stop is not None and not isinstance(stop, NoStop)
    }


def _ladder(path: str, exits: ExitsSection) -> Iterator[str]:
    if not exits.ladder:
        return
    for at, count in Counter(step.at for step in exits.ladder).items():
        if count > 1:
            yield f"{path}.ladder: {percent(at)} stands there {count} times; once is allowed"
    shares = sum((step.share for step in exits.ladder), Decimal(0))
    if shares > 1:
        yield f"{path}.ladder: its shares are {percent(shares)} of the position; at most 100%"
    if exits.take_profit is None:
        return
    last = max(step.at for step in exits.ladder)
    if shares == 1:
        yield f"{path}.take_profit: the ladder sells everything before it; leave one of them out"
    elif isinstance(exits.take_profit, Decimal) and exits.take_profit <= last:
        yield (
            f"{path}.take_profit: {percent(exits.take_profit)} is before the ladder's last step;"
            f" above {percent(last)} is allowed"
        )


def _break_even(path: str, exits: ExitsSection) -> Iterator[str]:
    move = exits.break_even
    if move is None:
        return
    if move.at <= move.lock:
        yield (
            f"{path}.break_even.lock: {percent(move.lock)} is not below"
            f" `at` ({percent(move.at)}): the stop would be beyond the price"
        )
    if not exits.ladder and isinstance(exits.take_profit, Decimal) and move.at >= exits.take_profit:
        yield (
            f"{path}.break_even.at: {percent(move.at)} is never reached: everything is sold at"
            f" take_profit, {percent(exits.take_profit)}; below it is allowed"
        )


def _below_zero(path: str, exits: ExitsSection) -> Iterator[str]:
    """Refuse gains of 100% or more for a short, whose price cannot fall below zero."""
    gains: dict[str, object] = {"take_profit": exits.take_profit}
    gains |= {f"ladder[{number}].at": step.at for number, step in enumerate(exits.ladder)}
    if exits.break_even is not None:
        gains["break_even.at"] = exits.break_even.at
    for key, gain in gains.items():
        if isinstance(gain, Decimal) and gain >= 1:
            yield (
                f"{path}.{key}: {percent(gain)} below a short's entry is no price;"
                " below 100% is allowed with allow_short"
            )
