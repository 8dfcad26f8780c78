"""What an operator was told holds: no entry leaves us after a halt, and flat stays flat."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from tests.simulation.exits import Case
from tests.simulation.facts import Facts
from tests.simulation.operator import Deed

FOREVER: Final = float("inf")
HALTS: Final = frozenset({"halt", "flatten"})


def disobeyed(positions: list[Any], orders: Mapping[str, Any], facts: Facts) -> list[str]:
    """*orders*: our rows by client order id; which of them were entries is all that is asked."""
    entries = {
        name: at
        for name, row in orders.items()
        if row["role"] == "entry" and (at := facts.departed(name)) is not None
    }
    deeds = facts.operator.deeds
    found = []
    for halt, until in _in_force(deeds, HALTS, "resume_all"):
        found += [
            f"M5.8 entry {name} left at {at:.3f}, {halt.name} was answered at {halt.ended:.3f}"
            for name, at in entries.items()
            if halt.ended is not None and halt.ended < at < until
        ]
    for pause, until in _in_force(deeds, frozenset({"pause"}), "resume"):
        found += [
            f"M5.8 entry {name} left at {at:.3f}, its bot was paused at {pause.ended:.3f}"
            for name, at in entries.items()
            if orders[name]["bot"] == pause.bot
            and pause.ended is not None
            and pause.ended < at < until
        ]
    return found + list(_not_flat(entries, positions, orders, facts))


def _in_force(deeds: list[Deed], begins: frozenset[str], ends: str) -> Iterator[tuple[Deed, float]]:
    """(what was answered with a yes, until when it surely held)."""
    for deed in deeds:
        if deed.name not in begins or not deed.done or deed.ended is None:
            continue
        others = [
            each
            for each in deeds
            if each.name == ends
            and each.bot == deed.bot
            and (each.ended is None or each.ended >= deed.began)
            # what was refused has changed nothing; what failed may have
            and not (each.ended is not None and not each.done and _is_refusal(each.answer))
        ]
        until = min((each.began for each in others), default=FOREVER)
        if until > deed.ended:
            yield deed, until


def _is_refusal(answer: object) -> bool:
    """A code; a failure bears the name of its class."""
    return isinstance(answer, str) and answer.islower()


def _not_flat(
    entries: Mapping[str, float], positions: list[Any], orders: Mapping[str, Any], facts: Facts
) -> Iterator[str]:
    """After "nothing is left" nothing is held, and nothing comes."""
    for deed, until in _in_force(facts.operator.deeds, frozenset({"flatten"}), "resume_all"):
        if deed.ended is None or deed.answer is None or deed.answer.remaining:
            continue
        for venue in facts.venues.values():
            for order in venue.ledger.ours():
                late = [
                    fill
                    for fill in order.fills
                    if deed.ended < facts.seconds(fill.executed_at) < until
                ]
                if late and order.client_order_id in entries:
                    yield (
                        f"M5.8 entry {order.client_order_id} filled at"
                        f" {facts.seconds(late[0].executed_at):.3f}: flat was said at {deed.ended:.3f}"
                    )
        for row in positions:
            case = Case(row, orders, facts)
            if case.is_ours and not case.is_taken and case.holds(deed.ended):
                yield (f"M5.8 position {row['id']} held when flat was said, at {deed.ended:.3f}")
