"""The judgement: the venue's ledger and PostgreSQL, and nothing that the process believes.

I6 has nothing to say here: no candle is stored in the simulation.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

import asyncpg

from tests.simulation.cash import unbalanced
from tests.simulation.excess import is_excess, trade
from tests.simulation.exits import Case, judged
from tests.simulation.explained import unexplained
from tests.simulation.facts import Facts, holding
from tests.simulation.ledger import LIVE, VenueOrder
from tests.simulation.loop import VirtualLoop
from tests.simulation.made_up import made_up
from tests.simulation.noon import unlearnt
from tests.simulation.obedience import disobeyed
from tests.simulation.plan import Plan
from tests.simulation.protected import unprotected
from tests.simulation.venue import STOPS, SimulatedVenue
from tradebotd.domain.fill import Fill
from tradebotd.domain.ids import ClientOrderId, TradeId, VenueName
from tradebotd.domain.instrument import PositionType

ZERO = Decimal(0)
NEAR = Fraction(1, 10**12)
ORDERS = "SELECT * FROM orders ORDER BY id"
FILLS = """
    SELECT f.*, o.client_order_id FROM fills AS f JOIN orders AS o ON o.id = f.order_id ORDER BY f.id
"""
POSITIONS = "SELECT * FROM positions ORDER BY id"
ALERTS = "SELECT code, subject FROM alerts WHERE cleared_at IS NULL"
GROUPS = """
    SELECT g.id, g.position_id, g.role, g.kind, p.closed_at,
           (SELECT array_agg(o.client_order_id) FROM orders AS o
             WHERE o.exit_group_id = g.id AND NOT o.settled) AS unsettled
      FROM exit_groups AS g JOIN positions AS p ON p.id = g.position_id
     WHERE g.role <> 'closed' ORDER BY g.id
"""
LEADERS = """
    SELECT o.leader_token AS ours, l.token AS current
      FROM orders AS o, leadership AS l WHERE o.client_order_id = $1
"""
UNKNOWN = "SELECT 1 FROM orders WHERE status = 'unknown' LIMIT 1"
DENIALS = """
    SELECT coalesce(execution_meta->>'rule', execution_meta->>'denied') AS rule, count(*) AS times
      FROM decision_runs WHERE reason LIKE 'denied%' GROUP BY 1 ORDER BY 1
"""
FIRST_SEEN_LATE = """
    SELECT p.venue, p.asset
      FROM purses AS p
     WHERE EXISTS (SELECT 1 FROM fills AS f JOIN market_symbols AS m ON m.symbol = f.symbol
                     JOIN order_events AS e ON e.order_id = f.order_id
                    WHERE f.venue = p.venue AND p.asset IN (m.quote_asset, f.fee_asset)
                      AND f.executed_at <= p.first_at AND e.at > p.first_at AND e.status IN ('filled', 'partially_filled'))
"""
PAYMENTS = "SELECT * FROM funding_payments"
WRONG_SUMS = """
    SELECT bot, asset, kept.realized AS running, booked.realized AS full
      FROM bot_sums AS kept
      FULL JOIN (SELECT p.bot, p.venue, m.quote_asset AS asset, sum(p.realized_pnl) AS realized, count(p.closed_at) AS closed
                   FROM positions AS p JOIN market_symbols AS m USING (symbol)
                  GROUP BY p.bot, p.venue, m.quote_asset) AS booked USING (bot, venue, asset)
     WHERE (kept.realized, kept.closed) IS DISTINCT FROM (booked.realized, booked.closed)
"""
FEW = 3  # violations of a kind that are spelled out


class Books:
    """What PostgreSQL has committed, read on a connection that nothing befalls."""

    def __init__(self, loop: VirtualLoop, connection: asyncpg.Connection) -> None:
        self._loop = loop
        self._connection = connection
        self._turn = asyncio.Lock()

    async def rows(self, sql: str, *values: object) -> list[Any]:
        async with self._turn:
            self._loop.asked_outside += 1
            try:
                found: list[Any] = await self._connection.fetch(sql, *values)
                return found
            finally:
                self._loop.asked_outside -= 1

    async def unknown(self) -> bool:
        return bool(await self.rows(UNKNOWN))

    async def denials(self) -> dict[str, int]:
        """How often each rule kept a bot from entering, and how often it entered."""
        return {f"denied {row['rule']}": row["times"] for row in await self.rows(DENIALS)}

    async def told(self) -> list[str]:
        """For who looks at a trace: every order and alert."""
        rows = await self.rows(ORDERS) + await self.rows("SELECT * FROM alerts ORDER BY id")
        words = (
            "client_order_id",
            "role",
            "type",
            "position_id",
            "exit_group_id",
            "status",
            "filled_quantity",
            "venue_filled_quantity",
            "settled",
            "reason",
            "code",
            "subject",
            "message",
            "cleared_at",
        )
        return [" ".join(str(row[word]) for word in words if word in row) for row in rows]

    async def token_problem(self, client_order_id: str, sender: int | None) -> str | None:
        rows = await self.rows(LEADERS, client_order_id)
        if not rows:
            return f"I5 {client_order_id} was sent without a committed row"
        ours, current = rows[0]["ours"], rows[0]["current"]
        if ours != current or sender != current:
            return f"I5 {client_order_id} of {ours} was sent by {sender}: {current} has the account"
        return None


async def judge(
    books: Books, facts: Facts, *, patient: bool = False, flat: bool = False
) -> list[str]:
    """*patient*: an hour has passed, and nothing is unknown any more. *flat*: every price has been
    beyond every stop since, so nothing may be held.
    """
    orders = {row["client_order_id"]: row for row in await books.rows(ORDERS)}
    fills = await books.rows(FILLS)
    positions = await books.rows(POSITIONS)
    alerts = {(row["code"], row["subject"]) for row in await books.rows(ALERTS)}
    groups = await books.rows(GROUPS)
    found: list[str] = []
    venues, plan = facts.venues, facts.plan
    theirs = {
        name: order for venue in venues.values() for name, order in venue.ledger.orders.items()
    }
    found += _orders(orders, venues)
    facts.owners = {(row["venue"], row["trade_id"]): row["position_id"] for row in fills}
    facts.made_up = made_up(fills, orders, facts)
    found += _fills(fills, facts)
    found += _sums(orders, fills, positions, plan)
    found += _holdings(positions, facts)
    found += _money(positions, fills, orders, facts)
    found += _settled(orders, theirs, alerts)
    found += _groups(groups, alerts)
    guarded = [row for row in positions if _is_guarded(row, orders, facts)]
    found += _stops(guarded, orders, theirs, facts, alerts)
    found += unbalanced(positions, fills, await books.rows(PAYMENTS), facts)
    found += [
        f"I8 {row['bot']} has realized {row['full']} {row['asset']}, its sum says {row['running']}"
        for row in await books.rows(WRONG_SUMS)
    ]
    found += disobeyed(positions, orders, facts)
    found += judged(positions, orders, facts)
    found += unprotected(positions, orders, facts)
    found += unlearnt(facts)
    late = {(row["venue"], row["asset"]) for row in await books.rows(FIRST_SEEN_LATE)}
    found += unexplained(alerts, positions, orders, facts, first_seen_late=late, patient=patient)
    if flat:
        found += [
            f"I4 position {row['id']} is still open beyond its stop"
            for row in guarded
            if row["closed_at"] is None
        ]
    return _shortened(found)


def _is_guarded(row: Any, orders: dict[str, Any], facts: Facts) -> bool:
    """Somebody wanted a stop for it; what was adopted takes its bot's plan, too."""
    return row["closed_at"] is not None or Case(row, orders, facts).has_stop


def _shortened(found: list[str]) -> list[str]:
    kinds: Counter[str] = Counter()
    short = []
    for each in found:
        kinds[each[:14]] += 1
        if kinds[each[:14]] <= FEW:
            short.append(each)
    return short


Venues = Mapping[VenueName, SimulatedVenue]


def _orders(orders: dict[str, Any], venues: Venues) -> list[str]:
    """I1."""
    found = []
    arrivals = Counter(name for venue in venues.values() for name, _ in venue.ledger.arrivals)
    found += [f"I1 {name} arrived {times} times" for name, times in arrivals.items() if times > 1]
    for order in [order for venue in venues.values() for order in venue.ledger.ours()]:
        row = orders.get(order.client_order_id)
        if row is None:
            found.append(f"I1 {order.client_order_id} has no row")
        elif order.executed > row["quantity"]:
            found.append(f"I1 {order.client_order_id} executed {order.executed}")
    return found


def _fills(rows: list[Any], facts: Facts) -> list[str]:
    """I3: the same fills on both sides, each once. What was not sent by us may have been adopted."""
    venues = facts.venues
    every = {
        (name, fill.trade_id): fill for name, venue in venues.items() for fill in venue.ledger.fills
    }
    missing = {
        (name, fill.trade_id): fill
        for name, venue in venues.items()
        for order in venue.ledger.ours()
        for fill in order.fills
    }
    found, parts = [], defaultdict[tuple[VenueName, TradeId], list[Any]](list)
    for row in rows:
        parts[row["venue"], trade(row)].append(row)
    for key, those in parts.items():
        fill = every.get(key)
        if key in facts.made_up and len(those) == 1:
            continue
        if fill is None or len({row["trade_id"] for row in those}) < len(those):
            found.append(f"I3 fill {key[1]} is not the venue's, or it is there twice")
            continue
        ours = missing.pop(key, None)
        sums = [sum((row[name] for row in those), ZERO) for name in ("quantity", "fee")]
        same = all(row["side"] == fill.side and row["price"] == fill.price for row in those)
        named = all(
            ours is None or row["client_order_id"] == ours.client_order_id
            for row in those
            if not is_excess(row)
        )
        if not same or sums != [fill.quantity, fill.fee] or not named:
            found.append(f"I3 fill {key[1]} differs: {[dict(row) for row in those]} / {fill}")
    found += [
        f"I3 fill of {fill.client_order_id} is missing: {fill.quantity}"
        for fill in missing.values()
    ]
    return found


def _sums(orders: dict[str, Any], fills: list[Any], positions: list[Any], plan: Plan) -> list[str]:
    """I3: orders and positions are the sums of their fills."""
    bases = {each.name: each.instrument.base_asset for each in plan.markets}
    by_order: Counter[int] = Counter()
    by_position: dict[int, Decimal] = {}
    for fill in fills:
        by_order[fill["order_id"]] += fill["quantity"]
        sign = 1 if fill["side"] == "buy" else -1
        change = sign * fill["quantity"]
        if fill["fee_asset"] == bases[fill["symbol"]]:
            change -= fill["fee"]
        by_position[fill["position_id"]] = by_position.get(fill["position_id"], Decimal(0)) + change
    found = [
        f"I3 order {row['id']} says {row['filled_quantity']}"
        for row in orders.values()
        if by_order.get(row["id"], 0) != row["filled_quantity"]
    ]
    found += [
        f"I3 position {row['id']} is {row['quantity']} + {row['dust']}"
        for row in positions
        if by_position.get(row["id"], 0) != holding(row)
    ]
    return found


def _holdings(positions: list[Any], facts: Facts) -> list[str]:
    """I2."""
    held: dict[tuple[str, str], Fraction] = {}
    for row in positions:
        key = (row["symbol"], row["position_type"])
        held[key] = held.get(key, Fraction(0)) + Fraction(holding(row))
    found = []
    for market in facts.plan.markets:
        for kind in PositionType:
            if not market.traded:
                continue
            ours = held.get((market.name, kind), Fraction(0))
            theirs = facts.venues[market.instrument.venue].ledger.held(market.name, kind)
            if ours != theirs:
                found.append(
                    f"I2 {market.name} {kind}: we hold {float(ours)}, the venue {float(theirs)}"
                )
    return found


def _money(
    positions: list[Any],
    fills: list[Any],
    orders: dict[str, Any],
    facts: Facts,
) -> list[str]:
    """P&L by fractions, from the venue's fills; whose they are is all that is taken from ours."""
    venues, plan = facts.venues, facts.plan
    theirs = {
        (name, fill.trade_id): fill for name, venue in venues.items() for fill in venue.ledger.fills
    } | facts.made_up
    bases = {each.name: each.instrument.base_asset for each in plan.markets}
    found = []
    for row in positions:
        entered, exited = _Leg(), _Leg()
        for each in fills:
            fill = theirs.get((each["venue"], trade(each)))
            if each["position_id"] == row["id"] and fill is not None:
                entry = orders[each["client_order_id"]]["role"] == "entry"
                share = Fraction(each["quantity"]) / Fraction(fill.quantity)
                worth = Fraction(each["fee_value"] or 0)
                (entered if entry else exited).add(fill, bases, share, worth, received=entry)
        gained = Fraction(0)
        sign = 1 if row["side"] == "long" else -1
        if row["closed_at"] is not None and row["position_type"] == "spot":
            # Its dust, be it all of it, has been paid for, and is not held as a position.
            gained = sign * (exited.money - entered.money)
        elif exited.quantity:
            paid = entered.money / entered.quantity * exited.quantity
            gained = sign * (exited.money - paid)
        expected = gained - entered.fees - exited.fees + Fraction(row["funding"])
        if abs(expected - Fraction(row["realized_pnl"])) > NEAR:
            found.append(
                f"P&L of position {row['id']}: {row['realized_pnl']}, not {float(expected)}"
            )
    return found


@dataclass
class _Leg:
    quantity: Fraction = Fraction(0)
    money: Fraction = Fraction(0)
    fees: Fraction = Fraction(0)

    def add(
        self,
        fill: Fill,
        bases: Mapping[str, str],
        share: Fraction,
        worth: Fraction,
        *,
        received: bool,
    ) -> None:
        """*received*: a fee taken in the base asset makes less of it. *share*: of what sold more
        than was held. *worth*: of a fee in a third asset, which is judged elsewhere.
        """
        base = bases[fill.symbol]
        fee, price, quantity = Fraction(fill.fee), Fraction(fill.price), Fraction(fill.quantity)
        if fill.fee_asset == base and received:
            quantity -= fee
        self.quantity += quantity * share
        self.money += quantity * price * share
        if fill.fee_asset == base:
            self.fees += fee * price * share
        else:
            in_quote = fill.symbol == f"{base}{fill.fee_asset}"
            self.fees += fee * share if in_quote else worth


def _settled(
    orders: dict[str, Any], theirs: Mapping[ClientOrderId, VenueOrder], alerts: set[tuple[str, str]]
) -> list[str]:
    """I7: final, or resting at the venue as the row says, or somebody has been told."""
    told = " ".join(subject for _, subject in alerts)
    found = []
    for row in orders.values():
        order = theirs.get(row["client_order_id"])
        rests = order is not None and order.status in LIVE
        if rests and row["settled"]:
            found.append(
                f"I7 {row['client_order_id']} rests at the venue, and is {row['status']} here"
            )
        if row["settled"] or row["client_order_id"] in told:
            continue
        if not (rests and row["status"] in LIVE):
            found.append(
                f"I7 {row['client_order_id']} ({row['role']}) is {row['status']},"
                f" {row['filled_quantity']} of {row['venue_filled_quantity']}"
            )
    return found


def _groups(groups: list[Any], alerts: set[tuple[str, str]]) -> list[str]:
    """No group outlives its position, unless somebody has been told of an order in
    doubt; each position has one of a kind at most.
    """
    told = " ".join(subject for _, subject in alerts)
    found = []
    roles = Counter((row["position_id"], row["role"]) for row in groups)
    found += [f"exit groups of {key}: {count}" for key, count in roles.items() if count > 1]
    for row in groups:
        words = f"{row['id']} ({row['role']}, {row['kind']}, unsettled {row['unsettled']})"
        doubted = row["unsettled"] and all(each in told for each in row["unsettled"])
        if row["closed_at"] is not None and not doubted:
            found.append(f"exit group {words} outlives its position {row['position_id']}")
    return found


def _stops(
    positions: list[Any],
    orders: dict[str, Any],
    theirs: Mapping[ClientOrderId, VenueOrder],
    facts: Facts,
    alerts: set[tuple[str, str]],
) -> list[str]:
    """I4: where stops can rest one does, for all that is held; and none behind what is closed."""
    told = " ".join(subject for _, subject in alerts) + " "
    doubted = {row["position_id"] for name, row in orders.items() if name in told}
    found = []
    for row in positions:
        live = [
            order
            for name, order in theirs.items()
            if order.status in LIVE
            and name in orders
            and orders[name]["role"] == "exit"
            and orders[name]["position_id"] == row["id"]
        ]
        if row["closed_at"] is not None:
            found += [
                f"I4 {order.client_order_id} rests behind a closed position" for order in live
            ]
            continue
        stops = [order.left for order in live if order.request.type in STOPS]
        case = Case(row, orders, facts)
        naked = Fraction(row["quantity"] - sum(stops, Decimal(0)))
        levels = [each for each in (row["stop_loss"], row["trailing_stop"]) if each is not None]
        enough = case.is_dust(naked, Fraction(min(levels, default=row["entry_price"])))
        excused = row["id"] in doubted or f"position {row['id']} " in told
        if facts.plan.venue(row["venue"]).traits.resting_stops and not enough and not excused:
            found.append(f"I4 position {row['id']} of {row['quantity']} has stops of {stops}")
        if len(stops) > 1:
            found.append(f"I4 position {row['id']} has {len(stops)} stops")
    return found
