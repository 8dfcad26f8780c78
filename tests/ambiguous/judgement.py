"""What may have come of a case: settled, or unknown with an alert; never twice; books that are true."""

from decimal import Decimal
from typing import Any, Final

from tests.ambiguous.cases import Case, Kind
from tests.venue_core.machine import Run
from tests.venue_core.places.place import Entered

NONE: Final = Decimal(0)
LOST: Final = frozenset({"unknown", "pending_new"})
UNKNOWN: Final = "order_unknown"


def is_stop(order: Entered) -> bool:
    """Whether it is a stop that protects; targets are limits, or say so."""
    return "stop" in order.type.lower()


def doubled(case: Case, run: Run) -> list[str]:
    """What the venue has twice, at this moment."""
    orders, held = run.place.orders(), run.place.held()
    found = []
    names = [each.client_order_id for each in orders]
    found += [
        f"{name} was taken twice" for name in sorted({n for n in names if names.count(n) > 1})
    ]
    bought = sum(
        (each.quantity if each.is_open else each.executed for each in orders if each.side == "buy"),
        NONE,
    )
    if bought > run.place.quantity:
        found.append(f"{bought} were bought, or are about to be, in place of {run.place.quantity}")
    if held < 0:
        found.append(f"more was sold than bought: {held}")
    stops = [each for each in orders if each.is_open and is_stop(each)]
    if len(stops) > 1:
        found.append(f"{len(stops)} stops rest at once")
    return found


async def unsettled(names: set[str], run: Run) -> list[dict[str, Any]]:
    rows = await run.books.orders()
    return [row for row in rows if row["client_order_id"] in names and row["status"] in LOST]


async def untold(names: set[str], run: Run) -> list[str]:
    """Orders of the case that are neither settled nor unknown with an alert."""
    alerts = await run.books.alerts()
    found = []
    for row in await unsettled(names, run):
        name, status = row["client_order_id"], row["status"]
        if status != "unknown":
            found.append(f"{name} is {status} after a minute")
        elif (UNKNOWN, name) not in alerts:
            found.append(f"{name} is unknown after a minute, and no alert says so")
    return found


async def bare(case: Case, run: Run) -> list[str]:
    """A position that nothing protects, though it should be by now."""
    if case.kind in {Kind.MARKET_EXIT, Kind.LIMIT_ENTRY} or run.place.held() <= 0:
        return []
    if any(each.is_open and is_stop(each) for each in run.place.orders()):
        return []
    rows = await run.books.rows("SELECT id FROM positions WHERE closed_at IS NULL")
    codes = {code for code, _ in await run.books.alerts()}
    if rows and codes & {"resting_stop_lost", "position_unprotected", UNKNOWN}:
        return []
    return ["no stop rests for what is held, and no alert says so"]
