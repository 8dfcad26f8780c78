"""The daemon's books, read by SQL, against the simulators' ledgers: orders, fills, money, I1-I3 and I8.

Nothing here imports the daemon. Amounts are fractions: what differs in the last digit differs.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any, Final

import asyncpg

from tests.trials.settings import SYMBOLS, Traded

Row = dict[str, Any]
Purse = tuple[str, str]  # a venue, and an asset there

ZERO: Final = Fraction(0)
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
STATEMENTS: Final = {
    "orders": "SELECT o.*, s.inferred_absent_at FROM orders o LEFT JOIN order_searches s ON s.order_id = o.id",
    "fills": "SELECT f.*, o.client_order_id FROM fills f JOIN orders o ON o.id = f.order_id",
    "external": "SELECT * FROM external_fills",
    "positions": "SELECT * FROM positions",
    "funding": "SELECT * FROM funding_payments",
    "transfers": "SELECT * FROM transfers",
}
# What the daemon calls it: what the three vendors do.
STATUSES: Final = {
    "new": {"NEW", "TRIGGERING", "TRIGGERED", "new", "accepted", "pending_new", "held"},
    "partially_filled": {"PARTIALLY_FILLED", "partially_filled"},
    "filled": {"FILLED", "filled", "FINISHED"},
    # A leg that ended with its pair: the venue says expired of one that was let go of.
    "canceled": {"CANCELED", "canceled", "replaced", "EXPIRED"},
    "expired": {"EXPIRED", "EXPIRED_IN_MATCH", "expired", "done_for_day"},
    "rejected": {"REJECTED", "rejected"},
}
FUNDING: Final = frozenset({"FUNDING_FEE", "SPECIAL_FUNDING_FEE"})
LEAVES: Final = frozenset({"withdrawal"})
# Of futures what is open after a part was closed is a share, which is kept to twelve digits.
SHARE: Final = Fraction(1, 10**12)


@dataclass
class Ours:
    """The daemon's tables, one read; *symbols*: what is traded, and where."""

    tables: dict[str, list[Row]] = field(default_factory=dict)
    symbols: Sequence[Traded] = SYMBOLS

    @classmethod
    async def read(cls, dsn: str, symbols: Sequence[Traded] = SYMBOLS) -> "Ours":
        connection = await asyncpg.connect(dsn)
        try:
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                tables = {
                    name: [dict(row) for row in await connection.fetch(statement)]
                    for name, statement in STATEMENTS.items()
                }
        finally:
            await connection.close()
        return cls(tables, symbols)

    def __getitem__(self, name: str) -> list[Row]:
        return self.tables[name]

    def by_symbol(self) -> dict[str, Traded]:
        return {each.symbol: each for each in self.symbols}

    def of(self, venue: str, market: str) -> str:
        """Return our name of *market*."""
        named = (each for each in self.symbols if (each.venue, each.market) == (venue, market))
        return next(named).symbol


def compare(ours: Ours, ledgers: dict[str, Row], opening: dict[str, Row]) -> list[str]:
    """Return what differs; *opening*: the ledgers before the daemon began."""
    return [
        *_orders(ours, ledgers),
        *_fills(ours, ledgers),
        *_funding(ours, ledgers),
        *_cash(ours, ledgers, opening),
        *_holdings(ours, ledgers, opening),
        *_sums(ours),
        *_profit(ours, ledgers, opening),
    ]


def figures(ours: Ours) -> dict[str, Any]:
    """Return how much there was to compare."""
    closed = [row for row in ours["positions"] if row["closed_at"] is not None]
    return {
        "orders": dict(Counter(row["venue"] for row in ours["orders"])),
        "statuses": dict(Counter(row["status"] for row in ours["orders"])),
        "fills": dict(Counter(row["venue"] for row in ours["fills"])),
        "positions": dict(Counter(row["venue"] for row in ours["positions"])),
        "closed_by": dict(Counter(row["close_reason"] for row in closed)),
        "open": len(ours["positions"]) - len(closed),
        "funding": len(ours["funding"]),
        "transfers": len(ours["transfers"]),
        "fee_assets": dict(Counter(row["fee_asset"] for row in ours["fills"])),
        "not_sent": sum(1 for row in ours["orders"] if row["status"] == "rejected"),
        "inferred_absent": sum(1 for row in ours["orders"] if row["inferred_absent_at"]),
    }


def _orders(ours: Ours, ledgers: dict[str, Row]) -> Iterator[str]:
    """I1: each of ours once, none that is not ours, and all of one state and quantity."""
    known = {row["client_order_id"]: row for row in ours["orders"]}
    seen: set[str] = set()
    for venue, ledger in ledgers.items():
        # What a conditional order became bears its name again: the conditional one stands for both.
        told = [each for each in ledger["orders"] if not each.get("of_algo")]
        names = Counter(each["client_id"] for each in told)
        seen |= names.keys()
        yield from (f"I1 {venue} has {name} {n} times" for name, n in names.items() if n > 1)
        for each in told:
            row = known.get(each["client_id"])
            if row is None:
                yield f"I1 {venue} has {each['client_id']}, which no row of ours knows: {each}"
            else:
                yield from _order(row, each, venue)
    for name, row in known.items():
        if name not in seen and row["venue"] in ledgers:
            never_there = row["status"] == "rejected" or row["inferred_absent_at"] is not None
            if not never_there or row["filled_quantity"]:
                yield f"I1 {row['venue']} has no {name}, ours is {row['status']} ({row['reason']})"


def _order(row: Row, told: Row, venue: str) -> Iterator[str]:
    name = f"{venue} {row['client_order_id']} ({row['symbol']}, {row['type']})"
    if told["status"] not in STATUSES.get(row["status"], set()):
        yield f"I7 {name} is {row['status']}, there {told['status']}"
    filled = Fraction(row["filled_quantity"]) + Fraction(row["excess_quantity"])
    if filled != Fraction(told["filled"]):
        yield f"I3 {name} filled {row['filled_quantity']}, there {told['filled']}"
    if told["quantity"] is not None and Fraction(told["quantity"]) != Fraction(row["quantity"]):
        yield f"I1 {name} is of {row['quantity']}, there {told['quantity']}"


def _fills(ours: Ours, ledgers: dict[str, Row]) -> Iterator[str]:
    """I3: each fill on both sides, once, with one price, quantity, fee, and moment."""
    booked = Counter(_booked(row) for row in [*ours["fills"], *ours["external"]])
    told = Counter(
        _told(ours, venue, each) for venue, ledger in ledgers.items() for each in ledger["fills"]
    )
    booked = Counter({each: n for each, n in booked.items() if each[0] in ledgers})
    yield from (f"I3 {n}x only in our books: {_shown(each)}" for each, n in (booked - told).items())
    yield from (f"I3 {n}x only there: {_shown(each)}" for each, n in (told - booked).items())
    yield from (f"a fill of no order of ours: {row}" for row in ours["external"])


def _booked(row: Row) -> tuple[Any, ...]:
    amounts = (Fraction(row[key]) for key in ("price", "quantity", "fee"))
    at = (row["executed_at"] - EPOCH) // timedelta(milliseconds=1)
    return (
        *(row[key] for key in ("venue", "symbol", "trade_id", "side", "fee_asset")),
        *amounts,
        at,
    )


def _told(ours: Ours, venue: str, each: Row) -> tuple[Any, ...]:
    amounts = (Fraction(each[key]) for key in ("price", "quantity", "fee"))
    symbol = ours.of(venue, each["symbol"])
    trade = each.get("trade_id") or f"{each['order_id']}:{_plain(each['total'])}"
    return (
        venue,
        symbol,
        trade,
        each["side"].lower(),
        each["fee_asset"],
        *amounts,
        each["time_ms"],
    )


def _plain(number: str) -> str:
    return number.rstrip("0").rstrip(".") if "." in number else number


def _shown(each: tuple[Any, ...]) -> str:
    return " ".join(str(float(part)) if isinstance(part, Fraction) else str(part) for part in each)


def _funding(ours: Ours, ledgers: dict[str, Row]) -> Iterator[str]:
    booked = Counter(
        (row["venue"], row["symbol"], Fraction(row["amount"]), row["asset"])
        for row in ours["funding"]
    )
    told = Counter(
        (venue, ours.of(venue, each["symbol"]), Fraction(each["amount"]), each["asset"])
        for venue, ledger in ledgers.items()
        for each in ledger["payments"]
        if each["kind"] in FUNDING
    )
    yield from (f"funding only in our books: {_shown(each)}" for each in booked - told)
    yield from (f"funding only there: {_shown(each)}" for each in told - booked)
    yield from (
        f"funding {row['payment_id']} of {row['symbol']} is in no position"
        for row in ours["funding"]
        if row["position_id"] is None
    )


def _paid_in(ledgers: dict[str, Row], opening: dict[str, Row]) -> dict[Purse, Fraction]:
    """Return what came in or left since the opening, without an order."""
    moved: dict[Purse, Fraction] = defaultdict(Fraction)
    for venue, ledger in ledgers.items():
        for each in ledger["payments"]:
            if each["kind"] not in FUNDING and each not in opening[venue]["payments"]:
                sign = -1 if each["kind"] in LEAVES else 1
                moved[venue, each["asset"]] += sign * Fraction(each["amount"])
    return moved


def _cash(ours: Ours, ledgers: dict[str, Row], opening: dict[str, Row]) -> Iterator[str]:
    """Each asset of each venue: what was there, our fills, funding and transfers make what is there."""
    moved, transferred, told = _moved(ours), _transferred(ours), _paid_in(ledgers, opening)
    for venue, asset in sorted({*transferred, *told}):
        here, there = transferred[venue, asset], told[venue, asset]
        if here != there:
            yield f"transfers of {asset} at {venue}: ours {float(here)}, there {float(there)}"
    for venue, ledger in ledgers.items():
        for asset, total in sorted(ledger["balances"].items()):
            began = Fraction(opening[venue]["balances"].get(asset, 0))
            made = began + moved[venue, asset] + transferred[venue, asset]
            if abs(made - Fraction(total)) > _rounding(ours, venue):
                more = float(made - Fraction(total))
                yield f"cash: {venue} holds {total} {asset}, ours {float(made)} ({more} too much)"


def _moved(ours: Ours) -> dict[Purse, Fraction]:
    """Return what our fills and funding have moved in each purse."""
    symbols = ours.by_symbol()
    moved: dict[Purse, Fraction] = defaultdict(Fraction)
    for row in ours["fills"]:
        traded = symbols[row["symbol"]]
        quantity = Fraction(row["quantity"]) * (1 if row["side"] == "buy" else -1)
        if traded.venue != "usdm":
            moved[traded.venue, traded.base] += quantity
        moved[traded.venue, traded.quote] -= quantity * Fraction(row["price"])
        moved[traded.venue, row["fee_asset"]] -= Fraction(row["fee"])
    for row in ours["positions"]:  # a contract's money comes back when it is closed
        if row["position_type"] == "futures" and row["quantity"]:
            sign = 1 if row["side"] == "long" else -1
            moved[row["venue"], symbols[row["symbol"]].quote] += sign * Fraction(row["cost"])
    for row in ours["funding"]:
        moved[row["venue"], row["asset"]] += Fraction(row["amount"])
    return moved


def _transferred(ours: Ours) -> dict[Purse, Fraction]:
    moved: dict[Purse, Fraction] = defaultdict(Fraction)
    for row in ours["transfers"]:
        moved[row["venue"], row["asset"]] += Fraction(row["amount"])
    return moved


def _rounding(ours: Ours, venue: str) -> Fraction:
    """The digits of `cost`, which is a share where a part of futures was closed."""
    parted = [
        row
        for row in ours["positions"]
        if row["venue"] == venue and row["position_type"] == "futures" and row["quantity"]
        if row["exit_quantity"]
    ]
    return len(parted) * SHARE


def _holdings(ours: Ours, ledgers: dict[str, Row], opening: dict[str, Row]) -> Iterator[str]:
    """I2: what our positions hold is what came to be there."""
    symbols = ours.by_symbol()
    held: dict[Purse, Fraction] = defaultdict(Fraction)
    for row in ours["positions"]:
        traded = symbols[row["symbol"]]
        sign = 1 if row["side"] == "long" else -1
        here = Fraction(row["quantity"]) + Fraction(row["dust"]) - Fraction(row["swept"])
        where = traded.market if traded.venue == "usdm" else traded.base
        held[traded.venue, where] += sign * here
    fees: dict[Purse, Fraction] = defaultdict(Fraction)
    for row in ours["fills"]:
        traded = symbols[row["symbol"]]
        if row["fee_asset"] not in {traded.base, traded.quote}:
            fees[traded.venue, row["fee_asset"]] += Fraction(row["fee"])
    for traded in ours.symbols:
        ledger, began = ledgers.get(traded.venue), opening.get(traded.venue)
        if ledger is None or began is None:
            continue
        if traded.venue == "usdm":
            purse, there = (traded.venue, traded.market), ledger["positions"].get(traded.market, 0)
            before: Any = 0
        else:
            purse = (traded.venue, traded.base)
            there = ledger["balances"].get(traded.base, 0)
            before = began["balances"].get(traded.base, 0)
        changed = Fraction(there) - Fraction(before) + fees[purse]
        if traded.venue != "usdm" and _is_money(ours, traded):
            continue  # compared as cash
        if held[purse] != changed:
            yield f"I2 {purse[0]} holds {float(changed)} {purse[1]}, ours {float(held[purse])}"


def _is_money(ours: Ours, traded: Traded) -> bool:
    return any(each.quote == traded.base and each.venue == traded.venue for each in ours.symbols)


def _sums(ours: Ours) -> Iterator[str]:
    """I3: an order is the sum of its fills."""
    sums: dict[int, Fraction] = defaultdict(Fraction)
    for row in ours["fills"]:
        sums[row["order_id"]] += Fraction(row["quantity"])
    for row in ours["orders"]:
        if sums[row["id"]] != Fraction(row["filled_quantity"]):
            yield f"I3 {row['client_order_id']} is not the sum of its fills"
        if row["status"] in {"unknown", "pending_new"}:
            yield f"I7 {row['client_order_id']} of {row['venue']} is {row['status']}"


def _profit(ours: Ours, ledgers: dict[str, Row], opening: dict[str, Row]) -> Iterator[str]:
    """I8: cash change is realised P&L less the cost of what is open, funding and transfers with it.

    The P&L counts fees of other assets at their worth: they are given back here, and are taken from
    their own purse.
    """
    symbols = ours.by_symbol()
    booked: dict[Purse, Fraction] = defaultdict(Fraction)
    for row in ours["positions"]:
        traded = symbols[row["symbol"]]
        booked[traded.venue, traded.quote] += Fraction(row["realized_pnl"])
        if row["position_type"] == "spot":
            booked[traded.venue, traded.quote] -= Fraction(row["cost"])
    for row in ours["fills"]:
        traded = symbols[row["symbol"]]
        elsewhere = Fraction(row["fee_elsewhere"]) * Fraction(row["fee_rate"] or 0)
        booked[traded.venue, traded.quote] += elsewhere
    paid_in = _paid_in(ledgers, opening)
    quotes = {(each.venue, each.quote) for each in ours.symbols if each.venue in ledgers}
    for purse in sorted(quotes):
        venue, asset = purse
        there = Fraction(ledgers[venue]["balances"].get(asset, 0))
        change = there - Fraction(opening[venue]["balances"].get(asset, 0)) - paid_in[purse]
        if abs(change - booked[purse]) > _rounding(ours, venue):
            yield (
                f"I8 cash of {asset} at {venue} changed by {float(change)}, the books say"
                f" {float(booked[purse])} ({float(booked[purse] - change)} too much)"
            )


def in_lines(found: Iterable[str]) -> str:
    return "\n".join(f"  {each}" for each in found)
