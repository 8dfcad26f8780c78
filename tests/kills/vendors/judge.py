"""The simulator's ledger against the daemon's books: to the last digit, and for what has to rest."""

from fractions import Fraction
from typing import Any, Final

import asyncpg

from tests.kills.vendors.scenarios import Place
from tests.trials.books import Ours, Row, compare

RESTING: Final = frozenset(
    {"NEW", "PARTIALLY_FILLED", "new", "accepted", "pending_new", "held", "partially_filled"}
)
# Somebody has been told that a position may be without its stop: that one, or that of the order.
ALARMS: Final = """
    SELECT code, subject FROM alerts
     WHERE cleared_at IS NULL AND code IN ('resting_stop_lost', 'position_unprotected', 'exit_refused',
                                           'order_unknown')
"""
STOPS: Final = """
    SELECT p.id, p.quantity, p.closed_at IS NULL AS is_open, o.client_order_id,
           o.quantity - o.filled_quantity AS stopped, o.role,
           o.type IN ('stop_market', 'stop_limit') AS is_stop
      FROM positions AS p LEFT JOIN orders AS o ON o.position_id = p.id
"""
UNKNOWN: Final = """
    SELECT o.client_order_id FROM orders AS o
     WHERE o.status IN ('unknown', 'pending_new') AND NOT EXISTS
           (SELECT FROM alerts AS a WHERE a.code = 'order_unknown' AND a.cleared_at IS NULL
                                      AND a.subject = o.client_order_id)
"""


async def violations(
    dsn: str, connection: asyncpg.Connection, place: Place, ledger: Row, opening: Row
) -> list[str]:
    """What differs, rests behind a closed position, or does not rest before an open one."""
    market = place.market
    ours = await Ours.read(dsn, symbols=(market,))
    found = compare(ours, {market.venue: ledger}, {market.venue: opening})
    resting = {each["client_id"] for each in ledger["orders"] if each["status"] in RESTING}
    rows = [dict(row) for row in await connection.fetch(STOPS)]
    alarms = {row["subject"] for row in await connection.fetch(ALARMS)}
    found += guards(rows, resting, Fraction(place.lot), alarms)
    found += _behind(rows, resting)
    for row in await connection.fetch(UNKNOWN):
        found.append(f"I7 {row['client_order_id']} is not settled, and nobody was told")
    return found


def guards(
    rows: list[dict[str, Any]], resting: set[str], lot: Fraction, alarms: set[str]
) -> list[str]:
    """M5.1: stops rest for all lots of an open position, or it was told of that one that they may
    not; and for no more than it holds, whatever was told. *alarms*: subjects.
    """
    held: dict[int, Fraction] = {}
    stopped: dict[int, Fraction] = {}
    told: set[int] = set()
    for row in rows:
        if not row["is_open"] or not row["quantity"]:
            continue
        held[row["id"]] = Fraction(row["quantity"])
        rests = row["is_stop"] and row["client_order_id"] in resting
        before = stopped.get(row["id"], Fraction(0))
        stopped[row["id"]] = before + (Fraction(row["stopped"]) if rests else 0)
        if alarms & {f"position {row['id']}", row["client_order_id"]}:
            told.add(row["id"])
    return [
        f"position {number} holds {float(quantity)}, stops rest for {float(stopped[number])}"
        for number, quantity in held.items()
        if stopped[number] > quantity or (quantity - stopped[number] >= lot and number not in told)
    ]


def _behind(rows: list[dict[str, Any]], resting: set[str]) -> list[str]:
    return [
        f"{row['client_order_id']} rests behind the closed position {row['id']}"
        for row in rows
        if not row["is_open"] and row["role"] == "exit" and row["client_order_id"] in resting
    ]
