"""I3: a report that is booked at once leaves what the ledger leaves, fill by fill."""

from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any, Final

import pytest

from tests.database import PostgresServer
from tests.fakes.host import ShiftedHost
from tests.fakes.trading import ACCOUNT, NOON, TradingHarness, open_harness, spec
from tests.fakes.venue import SCRIPTED
from tradebotd.domain.decimals import ZERO
from tradebotd.domain.errors import OrderDeniedError
from tradebotd.domain.exit_plan import BreakEven, ExitPlan, LadderStep
from tradebotd.domain.fill import Fill, Forced
from tradebotd.domain.ids import (
    BotName,
    ClientOrderId,
    OrderId,
    PositionId,
    TradeId,
    VenueOrderId,
)
from tradebotd.domain.instrument import PositionType
from tradebotd.domain.order import (
    OrderIntent,
    OrderReport,
    OrderRequest,
    OrderRole,
    OrderStatus,
    OrderType,
    TimeInForce,
)
from tradebotd.domain.side import Side
from tradebotd.storage import exit_rows, externals, orders
from tradebotd.storage.exit_groups import GroupKind
from tradebotd.storage.orders import NewOrder
from tradebotd.storage.postgres.database import open_database

STEPS: Final = 90
COMPARED: Final = 6  # after so many steps each
LOT: Final = Decimal("0.001")
LOTS: Final = [LOT, LOT, Decimal(2)]  # a venue may make its lots coarser, and finer again
# Every table that a report may change, in an order of its own; ids that a sequence counts are left out.
TABLES: Final = {
    "positions": "SELECT * FROM positions ORDER BY id",
    "orders": "SELECT * FROM orders ORDER BY id",
    "fills": "SELECT to_jsonb(f) - 'id' AS row FROM fills AS f ORDER BY f.id",
    "events": "SELECT order_id, at, status, detail FROM order_events ORDER BY id",
    "external": "SELECT * FROM external_fills ORDER BY venue, symbol, trade_id",
    "states": "SELECT * FROM bot_states ORDER BY bot",
    "groups": "SELECT * FROM exit_groups ORDER BY id",
    "alerts": "SELECT to_jsonb(a) - 'id' AS row FROM alerts AS a ORDER BY code, subject, last_seen_at",
    "assets": "SELECT venue, asset, sum(earned) AS earned, sum(paid_elsewhere) AS elsewhere, sum(fees_taken) AS taken"
    " FROM asset_sums GROUP BY venue, asset ORDER BY venue, asset",
    "bots": "SELECT * FROM bot_sums ORDER BY bot, venue, asset",
    "dust": "SELECT * FROM dust ORDER BY venue, symbol",
    "futures dust": "SELECT * FROM futures_dust ORDER BY venue, symbol",
}
PLANS: Final = {
    "plain": ExitPlan(stop_loss=Decimal("0.05"), take_profit=Decimal("0.1")),
    "trails": ExitPlan(
        stop_loss=Decimal("0.05"),
        trailing_stop=Decimal("0.02"),
        break_even=BreakEven(at=Decimal("0.01"), lock=LOT),
    ),
    "ladder": ExitPlan(
        stop_loss=Decimal("0.05"),
        ladder=(
            LadderStep(at=Decimal("0.02"), share=Decimal("0.3")),
            LadderStep(at=Decimal("0.04"), share=Decimal("0.3")),
        ),
    ),
}
BOTS: Final = [
    spec("plain", "BTCUSDT", exits=PLANS["plain"]),
    spec("trails", "ETHEUR", exits=PLANS["trails"]),
    spec("ladder", "BTCUSDT", exits=PLANS["ladder"]),
    spec("short", "SOLUSDT", exits=PLANS["plain"], position_type=PositionType.FUTURES, leverage=3),
]


ADOPTED: Final = 1_000_000  # orders that the daemons number themselves
LATEST: Final = "SELECT * FROM orders WHERE id < $1 ORDER BY id DESC LIMIT 6"
HELD: Final = "SELECT * FROM positions WHERE bot = $1 AND closed_at IS NULL"
FUTURES: Final = """
    SELECT coalesce(sum(quantity) FILTER (WHERE closed_at IS NULL), 0) AS open,
           coalesce(sum(dust) FILTER (WHERE closed_at IS NOT NULL), 0) AS left
      FROM positions WHERE symbol = $1
"""
SYMBOLS: Final = sorted({bot.symbol for bot in BOTS})


@dataclass
class Daemon:
    """One of two daemons that are told the same; `at_once` counts what it booked in one go."""

    harness: TradingHarness
    at_once: int = 0

    async def tables(self) -> dict[str, list[dict[str, Any]]]:
        return {name: await self.harness.rows(sql) for name, sql in TABLES.items()}


@dataclass
class Story:
    """What venues tell, drawn from a seed."""

    draw: Random
    number: int = 0
    told: dict[ClientOrderId, list[Fill]] = field(default_factory=dict)
    dust_closed: int = 0

    def __post_init__(self) -> None:
        self.force = Random(self.draw.random())

    def amount(self, most: Decimal) -> Decimal:
        """From a thousandth to a little more than *most*."""
        share = self.draw.choice(["0.25", "0.5", *["1"] * 9, "1.2"])
        return max((most * Decimal(share)).quantize(LOT), LOT)

    def new_order(
        self, bot: Any, position: dict[str, Any] | None, now: Any, at: Any
    ) -> tuple[OrderIntent, NewOrder]:
        self.number += 1
        entry = position is None
        short = bot.name == "short"
        side = Side.SELL if entry == short else Side.BUY
        quantity = self.amount(Decimal(3) if position is None else position["quantity"])
        if position is not None:
            quantity = max(min(quantity, position["quantity"]), LOT)
        request = OrderRequest(
            venue=SCRIPTED,
            symbol=bot.symbol,
            side=side,
            type=OrderType.MARKET,
            time_in_force=TimeInForce.IOC,
            quantity=quantity,
            position_type=bot.position_type,
            reduce_only=short and not entry,
            trigger_price=None if entry else self.draw.choice([None, Decimal(99), Decimal(101)]),
        )
        intent = OrderIntent(
            request=request,
            bot=bot.name,
            leverage=bot.leverage,
            role=OrderRole.ENTRY if entry else OrderRole.EXIT,
            reason="because" if entry else self.draw.choice(["stop_loss", "manual", "odd word"]),
            position_id=None if position is None else PositionId(position["id"]),
            position_version=None if position is None else position["version"],
            ladder_step=1 if position is not None and bot.name == "ladder" else None,
        )
        order = NewOrder(
            id=OrderId(self.number),
            client_order_id=ClientOrderId(f"order-{self.number}"),
            intent=intent,
            exits=bot.exits if entry else None,
            params_hash="hash",
            send_by=at,
            created_at=now,
        )
        return intent, order

    def fills(self, row: dict[str, Any], now: Any) -> list[Fill]:
        left = row["quantity"] - row["filled_quantity"] - row["excess_quantity"]
        target = self.amount(left) if left > 0 else LOT * (self.draw.random() < 0.2)
        made: list[Fill] = []
        while target > 0:
            part = target if self.draw.random() < 0.6 else max(target // 2 // LOT * LOT, LOT)
            made.append(self.fill(row, part, now))
            target -= part
        known = self.told.setdefault(ClientOrderId(row["client_order_id"]), [])
        if known and self.draw.random() < 0.15:
            made.insert(0, self.draw.choice(known))
        known.extend(made)
        return made

    def fill(self, row: dict[str, Any], quantity: Decimal, now: Any) -> Fill:
        self.number += 1
        base, quote = row["symbol"][:3], row["symbol"][3:]
        asset = self.draw.choice([*[quote] * 6, *[base] * 4, "BNB"])
        ago = timedelta(seconds=self.draw.choice([*[0, 1, 30] * 5, 3600, 86400, -3600]))
        return Fill(
            venue=SCRIPTED,
            symbol=row["symbol"],
            trade_id=TradeId(f"t{self.number}"),
            client_order_id=ClientOrderId(row["client_order_id"]),
            side=Side(row["side"]),
            quantity=ZERO if self.draw.random() < 0.02 else quantity,
            price=Decimal(self.draw.randrange(9_000, 11_000)) / 100,
            fee=Decimal(self.draw.randrange(-2, 6)) / 10_000,
            fee_asset=asset,
            executed_at=now - ago,
            venue_order_id=VenueOrderId(f"v{row['id']}"),
        )

    def forced_fill(self, symbol: str, open_: Decimal, left: Decimal, now: Any) -> Fill:
        """A close by force of what is open, of what was left as dust, of both, or of more."""
        self.number += 1
        sums = [open_, left, open_ + left, open_ + left, open_ + left + LOT, left / 2, LOT]
        quantity = max(self.force.choice(sums).quantize(LOT), LOT)
        return Fill(
            venue=SCRIPTED,
            symbol=symbol,
            trade_id=TradeId(f"t{self.number}"),
            client_order_id=ClientOrderId(f"autoclose-{self.number}"),
            side=self.force.choice([*[Side.BUY] * 9, Side.SELL]),
            quantity=quantity,
            price=Decimal(self.force.randrange(9_000, 11_000)) / 100,
            fee=Decimal(self.force.randrange(-2, 6)) / 10_000,
            fee_asset=self.force.choice([symbol[3:], symbol[:3], "BNB"]),
            executed_at=now - timedelta(seconds=self.force.choice([0, 1, 30])),
            forced=self.force.choice(list(Forced)),
        )


class StandingHost(ShiftedHost):
    """The same instant for both daemons, which write down until when an order may be sent."""

    def now(self) -> datetime:
        return NOON


async def open_side(server: PostgresServer, stack: AsyncExitStack, *, at_once: bool) -> Daemon:
    dsn = await stack.enter_async_context(server.fresh_database())
    database = await stack.enter_async_context(open_database(dsn, pool_min=1, pool_max=3))
    side = Daemon(await open_harness(database, *BOTS, host=StandingHost()))
    await side.harness.execute(f"SELECT setval('orders_id_seq', {ADOPTED})")
    side.harness.tick("1.1", "EURUSDT")
    booking = side.harness.recorder._booking
    book = booking.book

    async def counted(*arguments: Any) -> bool | None:
        settled = await book(*arguments) if at_once else None
        side.at_once += settled is not None
        return settled

    booking.book = counted  # type: ignore[method-assign,assignment]
    return side


def trades_in_lots(side: Daemon, symbol: str, lot: Decimal) -> None:
    market = side.harness.symbols[symbol]
    side.harness.symbols[symbol] = replace(
        market, instrument=replace(market.instrument, lot_size=lot)
    )


async def order_of(side: Daemon, order: NewOrder) -> str | None:
    harness = side.harness
    try:
        async with harness.database.transaction(durable=True) as connection:
            if order.intent.role is OrderRole.ENTRY:
                await orders.insert_order(connection, ACCOUNT, harness.token, order)
            else:
                await exit_rows.insert(
                    connection, ACCOUNT, harness.token, order, GroupKind.MARKET, None
                )
    except OrderDeniedError as error:
        return error.rule.value
    return None


async def leave_dust(sides: list[Daemon]) -> None:
    """What is held of futures is written off: none of it can be sold any more."""
    bot, denied = BOTS[-1], set[str | None]()
    for each in sides:
        harness = each.harness
        held = await harness.rows(HELD, bot.name)
        instrument = harness.symbols[bot.symbol].instrument
        try:
            for row in held:
                await harness.recorder.write_off(row["id"], instrument, lambda _: True)
            denied.add(None)
        except OrderDeniedError as error:
            denied.add(error.rule.value)
    assert len(denied) == 1


async def close_by_force(story: Story, sides: list[Daemon]) -> None:
    """The venue closes futures on its own: the position first, and then what was left as dust."""
    bot, harness = BOTS[-1], sides[0].harness
    sums = await harness.row(FUTURES, bot.symbol)
    fill = story.forced_fill(bot.symbol, sums["open"], sums["left"], harness.clock.now())
    for each in sides:
        async with each.harness.database.transaction(durable=True) as connection:
            await externals.insert_fills(connection, [fill])
        await each.harness.path.reconciliation.external.book_forced()
    after = await harness.row(FUTURES, bot.symbol)
    story.dust_closed += after["left"] < sums["left"]


async def step(story: Story, sides: list[Daemon]) -> None:
    harness = sides[0].harness
    now = harness.clock.now()
    what = story.force.random()
    if what < 0.3:
        await (leave_dust(sides) if what < 0.12 else close_by_force(story, sides))
    rows = await harness.rows(LATEST, ADOPTED)
    if not rows or story.draw.random() < 0.4:
        bot = harness.specs[BotName(story.draw.choice(sorted(harness.specs)))]
        held = await harness.rows(HELD, bot.name)
        position = held[0] if held and story.draw.random() < 0.7 else None
        _, order = story.new_order(bot, position, now, now)
        assert len({await order_of(each, order) for each in sides}) == 1
        return
    fresh = [row for row in rows if not row["settled"]]
    row = story.draw.choice(fresh if fresh and story.draw.random() < 0.8 else rows)
    fills = story.fills(row, now) if story.draw.random() < 0.85 else []
    known = {fill.trade_id: fill.quantity for fill in story.told.get(row["client_order_id"], [])}
    filled = min(sum(known.values(), ZERO), row["quantity"])
    whole = filled == row["quantity"]
    status = story.draw.choice(
        [
            OrderStatus.FILLED if whole else OrderStatus.PARTIALLY_FILLED,
            OrderStatus.FILLED if whole else OrderStatus.PARTIALLY_FILLED,
            OrderStatus.FILLED if whole else OrderStatus.CANCELED,
            OrderStatus.EXPIRED,
            OrderStatus.NEW,
        ]
    )
    report = OrderReport(
        client_order_id=ClientOrderId(row["client_order_id"]),
        venue_order_id=VenueOrderId(f"v{row['id']}"),
        status=status,
        filled_quantity=filled,
        fills=tuple(fills),
    )
    how = story.draw.random()
    changes = []
    for each in sides:
        recorder = each.harness.recorder
        name = report.client_order_id
        if how < 0.75:
            changes.append(await recorder.record(report))
        elif how < 0.85:
            changes.append(await recorder.record_fills(name, fills))
        elif how < 0.92:
            changes.append(await recorder.record_unknown(name, "no answer"))
        else:
            changes.append(await recorder.record_rejected(name, "refused"))
    assert changes[0] == changes[1]


@pytest.mark.parametrize("seed", range(6))
async def test_what_is_booked_at_once_is_what_the_ledger_books(
    postgres_server: PostgresServer, seed: int
) -> None:
    """I3, I8: orders, positions, days, sums, alerts, events and what is told are the same."""
    async with AsyncExitStack() as stack:
        one = await open_side(postgres_server, stack, at_once=True)
        other = await open_side(postgres_server, stack, at_once=False)
        story = Story(Random(seed))
        for number in range(STEPS):
            await step(story, [one, other])
            symbol, lot = story.draw.choice(SYMBOLS), story.draw.choice(LOTS)
            for each in (one, other):
                trades_in_lots(each, symbol, lot)
                each.harness.clock.advance(timedelta(seconds=20))
            if number % COMPARED == COMPARED - 1:
                assert await one.tables() == await other.tables()
        assert story.dust_closed >= (seed > 0), "the venue closed no dust"
        assert one.at_once > STEPS / 20
        assert other.at_once == 0
        assert one.harness.clock.now() > NOON


@pytest.mark.parametrize("status", [OrderStatus.EXPIRED, OrderStatus.FILLED])
async def test_a_status_that_an_order_reaches_in_two_steps_only_is_the_ledgers(
    postgres_server: PostgresServer, status: OrderStatus
) -> None:
    """I3: one that was refused lives: its fill revives it, and then it may expire."""
    async with AsyncExitStack() as stack:
        one = await open_side(postgres_server, stack, at_once=True)
        other = await open_side(postgres_server, stack, at_once=False)
        story, now = Story(Random(0)), one.harness.clock.now()
        _, order = story.new_order(BOTS[0], None, now, now)
        half = order.intent.request.quantity / 2
        for each in (one, other):
            await order_of(each, order)
            await each.harness.recorder.record_rejected(order.client_order_id, "refused")
        (row,) = await one.harness.orders()
        part = replace(story.fill(row, half, now), quantity=half, fee=ZERO, executed_at=now)
        whole = status is OrderStatus.FILLED
        report = OrderReport(
            client_order_id=order.client_order_id,
            venue_order_id=VenueOrderId("v1"),
            status=status,
            filled_quantity=half * 2 if whole else half,
            fills=(part,),
        )
        for each in (one, other):
            await each.harness.recorder.record(report)

        assert await one.tables() == await other.tables()
        (row,) = await one.harness.orders()
        assert (row["status"], row["revived"], row["settled"]) == (status, True, not whole)
