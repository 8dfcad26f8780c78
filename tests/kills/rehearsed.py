"""The rehearsal venue in the kills: a process of its own, which outlives each daemon that is killed.

It is shown the daemon's prices over a connection of its own, and lives by the time of those. In the
end its ledger is laid into the tables of the paper venue, so that the same questions are asked of it.
"""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import partial
from random import Random
from typing import Any, Final

import anyio
import asyncpg
import orjson

from tests.acceptance import cash
from tests.fakes.clock import FakeClock
from tests.fakes.prices import FakePrices
from tests.fakes.venue import ScriptedVenue
from tests.kills import books
from tests.kills.outliving import Introduce, ask, outliving
from tests.kills.scenarios import SYMBOL, THIRD, Scenario, Traded
from tests.rehearsal.adapter import RehearsalVenue
from tests.rehearsal.exchange import Exchange
from tests.rehearsal.server import HOST, served
from tests.rehearsal.stage import TRAITS_HERE
from tests.rehearsal.wire import SocketWire, from_ms, to_ms
from tradebotd.clocks.host import host_now
from tradebotd.daemon.wiring import trading
from tradebotd.daemon.wiring import venues as venue_wiring
from tradebotd.domain.candle import Tick
from tradebotd.domain.errors import VenueUnavailableError
from tradebotd.domain.fill import Fill
from tradebotd.domain.ids import VenueName
from tradebotd.domain.instrument import Instrument, MarketSymbol
from tradebotd.domain.order import OrderReport
from tradebotd.domain.side import Side
from tradebotd.ports.venue import SendBlockedBy

VENUE: Final = VenueName("paper")  # its name in the configuration, which knows no other kind
CASH: Final = {"USDT": Decimal(10_000), THIRD: Decimal(10)}
PAID_IN: Final = Decimal(500)
BANNED_FOR: Final = timedelta(seconds=0.3)
FEES: Final = "SELECT sum(fee_value) FROM fills WHERE fee_asset <> 'USDT'"
THIRD_PAID: Final = "SELECT sum(fee) FROM fills WHERE fee_asset = $1"
HEARD_WITHIN: Final = 10.0  # seconds, for what a price has done to be told


def instruments() -> dict[str, Instrument]:
    lot: dict[str, Any] = {
        "tick_size": Decimal("0.01"),
        "lot_size": Decimal("0.001"),
        "min_notional": Decimal(5),
    }
    return {
        f"{base}USDT": Instrument(
            symbol=f"{base}USDT", venue=VENUE, base_asset=base, quote_asset="USDT", **lot
        )
        for base in ("BTC", THIRD)
    }


def symbols() -> list[MarketSymbol]:
    return [
        MarketSymbol(
            instrument=each,
            feeds=(),
            timeframes=(),
            names={VENUE: f"{each.base_asset}/{each.quote_asset}"},
        )
        for each in instruments().values()
    ]


# The venue's process


@dataclass
class Day:
    """What happens at the venue by itself, each once, when market time has come there."""

    books: ScriptedVenue
    begins: datetime
    minutes: tuple[int, ...] = (4, 6, 9, 13)
    done: int = 0

    async def passes(self) -> None:
        acts: tuple[Callable[[], Awaitable[None]], ...] = (
            self._ban,
            self._pay_in,
            self._noon,
            self._liquidate,
        )
        while self.done < len(acts) and self.books.clock.now() >= self.begins + timedelta(
            minutes=self.minutes[self.done]
        ):
            await acts[self.done]()
            self.done += 1

    async def _ban(self) -> None:
        self.books.away = VenueUnavailableError("429 slow down", host_now() + BANNED_FOR)

    async def _pay_in(self) -> None:
        self.books.transfer(PAID_IN)

    async def _noon(self) -> None:
        known = self.books.filters[SYMBOL]
        self.books.filters[SYMBOL] = replace(known, lot_size=known.lot_size / 10)

    async def _liquidate(self) -> None:
        held = self.books.positions.get(SYMBOL, Decimal(0))
        if held:
            side = Side.SELL if held > 0 else Side.BUY
            await self.books.trade_by_hand(SYMBOL, side, abs(held), "autoclose-1")


class KeptExchange(Exchange):
    """With a side for those who keep it: prices come in, the ledger goes out."""

    def __init__(self, begins: datetime) -> None:
        self.clock = FakeClock(begins)
        self.books = ScriptedVenue(
            self.clock,
            FakePrices(),
            instruments(),
            dict(CASH),
            name=VENUE,
            traits=TRAITS_HERE,
            fee_taken_in=THIRD,
        )
        self._day = Day(self.books, begins)
        super().__init__(self.books, symbols(), self.clock)
        self.by_duration = None

    async def answer(self, line: bytes, *args: Any) -> bytes | None:
        away = self.books.away
        if away is not None and away.until is not None and away.until <= host_now():
            self.books.away = None
        return await super().answer(line, *args)

    async def do_tick(self, asked: dict[str, Any], _: SendBlockedBy) -> dict[str, Any]:
        """A price, unless it was shown before: a replay that was killed shows the last ones again."""
        at = from_ms(asked["at"])
        if at > self.clock.now() or self.books.prices.last_prices(asked["symbol"]) is None:
            self.clock.set(max(at, self.clock.now()))
            assert isinstance(self.books.prices, FakePrices)
            tick = Tick(at, asked["symbol"], Decimal(asked["price"]), asked["gap"])
            self.books.prices.record(tick)
            await self.books.match(tick.symbol)
            await self._day.passes()
        return {"told": self.told}

    async def do_ledger(self, _: dict[str, Any], __: SendBlockedBy) -> dict[str, Any]:
        books = self.books
        held = {symbol: str(many) for symbol, many in books.positions.items() if many}
        return {
            "orders": [_order_row(each) for each in books.orders.values()],
            "fills": [_fill_row(each, books.orders) for each in books.fills],
            "balances": {asset: str(total) for asset, total in books.balances.items()},
            "positions": held,
            "paid_in": str(sum((each.amount for each in books.transfers), Decimal(0))),
        }


def _order_row(report: OrderReport) -> dict[str, Any]:
    asked = report.asked
    assert asked is not None
    return {
        "id": int(report.venue_order_id),
        "name": report.client_order_id,
        "asked": [asked.symbol, asked.side, asked.type, asked.time_in_force, asked.position_type],
        "reduces": asked.reduce_only,
        "quantity": str(asked.quantity),
        "filled": str(report.filled_quantity),
        "status": report.status,
        "at": to_ms(report.at) if report.at else 0,
    }


def _fill_row(fill: Fill, orders: Any) -> dict[str, Any]:
    return {
        "id": int(fill.trade_id),
        "order": int(orders[fill.client_order_id].venue_order_id),
        "what": [fill.symbol, fill.side],
        "sums": [str(fill.quantity), str(fill.price), str(fill.fee)],
        "coin": fill.fee_asset,
        "at": to_ms(fill.executed_at),
    }


async def _keep(begins: datetime, introduce: Introduce) -> None:
    async with served(KeptExchange(begins)) as port:
        introduce({"port": port})
        await anyio.sleep_forever()


# The daemon's process


@dataclass
class Market:
    """Shows each price to the venue, as the wiring shows it to a paper venue, and waits for its news."""

    wire: SocketWire

    def on_tick(self, tick: Tick) -> Awaitable[None]:
        return self._show(tick)

    async def _show(self, tick: Tick) -> None:
        line = {
            "do": "tick",
            "symbol": tick.symbol,
            "price": str(tick.price),
            "gap": tick.after_gap,
            "at": to_ms(tick.at),
        }
        told = orjson.loads(await self.wire.exchange(lambda: orjson.dumps(line)))["data"]["told"]
        with anyio.move_on_after(HEARD_WITHIN):
            await self.wire.until_heard(told)


async def run_beside(port: int, life: Callable[[], Awaitable[object]]) -> None:
    """*life* with this venue instead of a paper one; the daemon itself runs its adapter."""
    wire = SocketWire(HOST, port)
    adapter, market = RehearsalVenue(VENUE, wire, symbols(), TRAITS_HERE), Market(wire)
    wiring: Any = trading
    building: Any = venue_wiring
    router = wiring.TickRouter
    building.wire_venues = lambda *_, **__: {VENUE: adapter}
    wiring.TickRouter = lambda exits, papers, *rest: router(exits, [*papers, market], *rest)
    await life()


# The judgement


async def lay_in(connection: asyncpg.Connection, ledger: dict[str, Any]) -> None:
    """As the paper venue would have it."""
    await connection.executemany(
        "INSERT INTO paper.orders (id, venue, client_order_id, symbol, side, type, time_in_force, position_type,"
        " leverage, reduce_only, quantity, filled_quantity, status, accepted_at, updated_at)"
        " OVERRIDING SYSTEM VALUE VALUES ($1, 'paper', $2, $3, $4, $5, $6, $7, 1, $8, $9, $10, $11, $12, $12)",
        [
            (
                each["id"],
                each["name"],
                *each["asked"],
                each["reduces"],
                Decimal(each["quantity"]),
                Decimal(each["filled"]),
                each["status"],
                from_ms(each["at"]),
            )
            for each in ledger["orders"]
        ],
    )
    await connection.executemany(
        "INSERT INTO paper.fills (id, order_id, venue, symbol, side, quantity, price, fee, fee_asset, executed_at)"
        " OVERRIDING SYSTEM VALUE VALUES ($1, $2, 'paper', $3, $4, $5, $6, $7, $8, $9)",
        [
            (
                each["id"],
                each["order"],
                *each["what"],
                *map(Decimal, each["sums"]),
                each["coin"],
                from_ms(each["at"]),
            )
            for each in ledger["fills"]
        ],
    )
    await connection.executemany(
        "INSERT INTO paper.balances (venue, asset, total) VALUES ('paper', $1, $2)",
        [(asset, Decimal(total)) for asset, total in ledger["balances"].items()],
    )
    await connection.executemany(
        "INSERT INTO paper.positions (venue, symbol, quantity, entry_price, leverage)"
        " VALUES ('paper', $1, $2, 1, 1)",
        [(symbol, Decimal(many)) for symbol, many in ledger["positions"].items()],
    )


async def unbalanced(connection: asyncpg.Connection, ledger: dict[str, Any]) -> list[str]:
    """Cash is what was there, came in, was realized without the fees that the third asset paid."""
    earned, spent = await cash._from_positions(connection, "USDT")
    fees = Fraction(await connection.fetchval(FEES) or 0)
    change = Fraction(ledger["balances"]["USDT"]) - Fraction(CASH["USDT"])
    expected = earned + fees - spent + Fraction(ledger["paid_in"])
    found = []
    if abs(change - expected) >= cash.ROUNDED:
        found.append(f"cash changed by {float(change)} USDT, our books say {float(expected)}")
    paid = Fraction(CASH[THIRD]) - Fraction(ledger["balances"][THIRD])
    booked = Fraction(await connection.fetchval(THIRD_PAID, THIRD) or 0)
    if paid != booked:
        found.append(f"{float(paid)} {THIRD} were paid in fees, our fills say {float(booked)}")
    return found


@dataclass(frozen=True)
class Rehearsed:
    """The venue of one kill, as the campaign has it."""

    port: int
    traded: Traded | None = None

    async def run(self, life: Callable[[], Awaitable[object]]) -> None:
        await run_beside(self.port, life)

    def while_dead(self, chance: Random) -> None:
        """Nothing: it lives by the daemon's prices."""

    async def judge(self, dsn: str) -> tuple[list[str], dict[str, Any]]:
        ledger = ask(self.port, {"do": "ledger"})
        connection = await asyncpg.connect(dsn)
        try:
            await lay_in(connection, ledger)
            found = await books.differences(connection)
            found += [f"I8 {each}" for each in await unbalanced(connection, ledger)]
            return found, await books.figures(connection)
        finally:
            await connection.close()


@contextmanager
def rehearsed(scenario: Scenario) -> Iterator[Rehearsed]:
    with outliving(partial(_keep, scenario.start)) as told:
        yield Rehearsed(told["port"])
