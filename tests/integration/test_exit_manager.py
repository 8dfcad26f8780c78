"""Exits on ticks and in the sweep: each alone, both at once, over many positions, after a restart."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from decimal import Decimal

import anyio
import pytest

from tests.fakes.trading import BOT, MINUTE, NOON, SYMBOL, TradingHarness, open_harness, spec
from tests.fakes.venue import Behaviour
from tradebotd.domain.bot import SizingKind, SizingRule
from tradebotd.domain.candle import Candle
from tradebotd.domain.exit_plan import ExitPlan
from tradebotd.domain.ids import ClientOrderId, FeedName
from tradebotd.domain.instrument import MarketSymbol, PositionType
from tradebotd.domain.side import PositionSide
from tradebotd.domain.timeframe import Timeframe
from tradebotd.market.calendars import AlwaysOpen
from tradebotd.storage import open_positions
from tradebotd.storage.postgres.database import Database, assert_no_connection_held
from tradebotd.trading.prices.fresh_prices import FRESH

TRAILING = ExitPlan(trailing_stop=Decimal("0.02"))


class Shop(AlwaysOpen):
    """A market that opens and closes by hand."""

    code = "SHOP"

    def __init__(self) -> None:
        self.open = True

    def is_open(self, instant: datetime) -> bool:  # noqa: ARG002
        return self.open


async def sweep(harness: TradingHarness) -> None:
    await harness.protection.sweep(harness.clock.now())


async def by_tick(harness: TradingHarness, price: str) -> None:
    await harness.stream(price)


async def by_sweep(harness: TradingHarness, price: str) -> None:
    """The price has come, and no tick was acted on: the safety net alone."""
    harness.tick(price)
    await sweep(harness)


Way = Callable[[TradingHarness, str], Awaitable[None]]
ways = pytest.mark.parametrize("way", [by_tick, by_sweep])


@ways
@pytest.mark.parametrize(
    ("side", "price", "reason"),
    [
        (PositionSide.LONG, "95", "stop_loss"),
        (PositionSide.LONG, "110", "take_profit"),
        (PositionSide.SHORT, "105", "stop_loss"),
        (PositionSide.SHORT, "90", "take_profit"),
    ],
)
async def test_a_level_that_is_met_closes_the_position(
    database: Database, way: Way, side: PositionSide, price: str, reason: str
) -> None:
    """M4.7: longs and shorts mirrored; the stream and the sweep do the same."""
    futures = spec(position_type=PositionType.FUTURES, allow_short=True)
    harness = await open_harness(database, futures)
    await harness.enter(side=side)

    await way(harness, "100.5")
    assert len(harness.venue.submitted) == 1
    await way(harness, price)

    position = await harness.position()
    assert (position["close_reason"], position["quantity"]) == (reason, 0)
    assert harness.venue.submitted[-1][1].reduce_only
    assert harness.venue.submitted[-1][1].trigger_price == Decimal(price)
    assert harness.protection.held == {}
    assert await harness.protection.missed_exits(harness.clock.now()) == []


async def test_a_trailing_stop_follows_the_best_price_and_is_stored_by_the_sweep(
    database: Database,
) -> None:
    """M4.7: it only ever tightens."""
    harness = await open_harness(database, spec(exits=TRAILING))
    await harness.enter()
    for price in ("104", "110", "108.5"):
        await harness.stream(price)
    await sweep(harness)
    stored = await harness.position()
    await harness.stream("107.8")

    assert (stored["best_price"], stored["trailing_stop"]) == (110, Decimal("107.80"))
    assert (await harness.position())["close_reason"] == "trailing_stop"


@ways
async def test_the_holding_time_ends_a_position_whatever_its_price(
    database: Database, way: Way
) -> None:
    """M4.7: at the next sweep, in market time."""
    harness = await open_harness(database, spec(exits=ExitPlan(max_holding=timedelta(hours=1))))
    await harness.enter()
    harness.clock.advance(timedelta(minutes=59))
    await way(harness, "100")
    await sweep(harness)
    assert len(harness.venue.submitted) == 1

    harness.clock.advance(MINUTE)
    await way(harness, "100")
    await sweep(harness)

    assert (await harness.position())["close_reason"] == "max_holding"


async def test_a_triggered_position_is_sold_once_however_many_ticks_come(
    database: Database,
) -> None:
    """M5.4: latched while its exit is under way; a sweep meanwhile is denied by the database."""
    harness = await open_harness(database)
    await harness.enter()
    seen: list[dict[str, str]] = []

    async def meanwhile(_: ClientOrderId) -> None:
        harness.venue.before_submit = None
        await harness.stream("93")
        seen.append((await harness.protection.sweep(harness.clock.now())).waiting)

    harness.venue.before_submit = meanwhile
    await harness.stream("94")

    assert [list(each.values()) for each in seen] == [["exit_group_active"]]
    assert len(harness.venue.submitted) == 2
    assert (await harness.position())["quantity"] == 0


async def test_an_unknown_exit_keeps_its_latch_until_it_is_resolved(database: Database) -> None:
    """M5.2, M5.4: then the next tick may sell what is still there."""
    harness = await open_harness(database)
    await harness.enter()
    harness.venue.script.append(Behaviour.DROP_BEFORE)
    await harness.stream("94")
    await harness.stream("93")
    assert len(await harness.orders()) == 2

    await harness.execute("UPDATE orders SET send_by = send_by - interval '1 minute'")
    await harness.reconciler.run()
    await harness.stream("92")

    assert len(await harness.orders()) == 3
    assert (await harness.position())["close_reason"] == "stop_loss"


async def test_a_closed_market_keeps_the_exit_until_it_opens_and_says_so(
    database: Database,
) -> None:
    """M4.7."""
    shop = Shop()
    harness = await open_harness(database, calendar=shop)
    await harness.enter()
    shop.open = False

    harness.tick("90")
    closed = await harness.protection.sweep(harness.clock.now())
    await harness.stream("90")
    beyond = await harness.protection.missed_exits(harness.clock.now())
    shop.open = True
    opened = await harness.protection.sweep(harness.clock.now())

    assert (list(closed.waiting.values()), closed.closed, beyond) == (["market closed"], 0, [])
    assert (opened.waiting, opened.closed) == ({}, 1)


async def test_a_position_without_a_price_is_a_failure_not_a_silence(database: Database) -> None:
    """M3.10, M2.6: one symbol's missing price does not keep another's exit."""
    harness = await open_harness(database, spec("one"), spec("two", "ETHUSDT"))
    await harness.enter("one")
    await harness.enter("two")
    harness.clock.advance(FRESH + MINUTE)
    harness.venue.reads_fail = True
    harness.tick("90", "ETHUSDT")

    result = await harness.protection.sweep(harness.clock.now())

    assert result.closed == 1
    assert any("no fresh price" in each for each in result.failed.values())
    assert "quotes scripted" in result.failed


async def hold_many(harness: TradingHarness, count: int) -> None:
    """Positions without orders or fills: what a sweep reads."""
    await harness.execute(
        """
        WITH b AS (
            INSERT INTO bot_configs (name, symbol, config, active, updated_at)
            SELECT 'b' || n, 's', '{}', true, now() FROM generate_series(1, $1::int) AS n RETURNING name
        ), s AS (INSERT INTO bot_states (bot) SELECT name FROM b)
        INSERT INTO positions (bot, venue, symbol, side, position_type, quantity, entry_quantity, entry_price,
                               entry_cost, cost, stop_loss, best_price, exits, opened_at)
        SELECT 'b' || n, 'scripted', 'S' || n % $2::int || 'USDT', 'long', 'spot', 1, 1, 100, 100, 100,
               CASE WHEN n % 10 = 0 THEN 99 ELSE 90 END, 100, '{}', $3
          FROM generate_series(1, $1::int) AS n
        """,
        count,
        len(harness.symbols),
        harness.clock.now(),
    )
    for symbol in harness.symbols.values():
        harness.venue.balances[symbol.instrument.base_asset] = Decimal(count)


async def test_a_hundred_positions_cost_one_quote_call_and_close_side_by_side(
    database: Database,
) -> None:
    """M1.3, M1.4, B3: 50 symbols, 10 to close: one batched call, no connection held meanwhile."""
    names = [f"S{n}USDT" for n in range(50)]
    harness = await open_harness(
        database, *(spec(f"owner{n}", name) for n, name in enumerate(names))
    )
    await hold_many(harness, 100)
    for name in names:
        harness.tick("98", name)
    harness.clock.advance(FRESH + MINUTE)
    under_way, most = 0, 0
    all_there = anyio.Event()

    async def meet(_: ClientOrderId) -> None:
        """Nobody is answered until all ten are here: one after the other would never end."""
        nonlocal under_way, most
        assert_no_connection_held("an exit is sent")
        under_way += 1
        most = max(most, under_way)
        if under_way == 10:
            all_there.set()
        with anyio.fail_after(30):
            await all_there.wait()

    harness.venue.before_submit = meet

    result = await harness.protection.sweep(harness.clock.now())

    assert (result.checked, result.closed, most) == (100, 10, 10)
    assert harness.venue.quote_calls == [set(names)]
    reasons = await harness.rows("SELECT close_reason, count(*) AS n FROM trades GROUP BY 1")
    assert reasons == [{"close_reason": "stop_loss", "n": 10}]


async def test_fresh_prices_in_memory_ask_nobody(database: Database) -> None:
    """M3.10, M1.4."""
    harness = await open_harness(database)
    await harness.enter()
    await sweep(harness)
    harness.clock.advance(FRESH + MINUTE)
    await sweep(harness)

    assert harness.venue.quote_calls == [{SYMBOL}]


async def test_a_sweep_reads_more_than_a_page(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """B2: by pages, each position once."""
    monkeypatch.setattr(open_positions, "PAGE_ROWS", 7)
    harness = await open_harness(database, spec("owner", "S0USDT"))
    await hold_many(harness, 24)
    harness.tick("100", "S0USDT")

    result = await harness.protection.sweep(harness.clock.now())

    assert (result.checked, result.closed, result.failed) == (24, 0, {})


async def test_a_sweep_sees_what_another_hand_wrote_into_the_table(database: Database) -> None:
    """M1.4, B2: a row is read whole where its version is not the known one, in any page of them."""
    harness = await open_harness(database, spec("owner", "S0USDT"))
    await hold_many(harness, 24)
    harness.tick("100", "S0USDT")
    await sweep(harness)
    await harness.execute(
        "UPDATE positions SET stop_loss = 101, version = version + 1 WHERE bot IN ('b7', 'b20')"
    )
    await harness.execute("DELETE FROM positions WHERE bot = 'b24'")

    result = await harness.protection.sweep(harness.clock.now())

    rows = await harness.rows("SELECT bot FROM positions WHERE close_reason = 'stop_loss'")
    assert (result.checked, result.closed, result.failed) == (23, 2, {})
    assert {row["bot"] for row in rows} == {"b7", "b20"}


async def test_exits_come_one_after_the_other_where_effects_must_repeat(
    database: Database,
) -> None:
    """2.4: speed 0, by position."""
    harness = await open_harness(database, spec("owner", "S0USDT"), sequential=True)
    await hold_many(harness, 40)
    harness.tick("98", "S0USDT")
    await sweep(harness)

    rows = await harness.rows("SELECT position_id FROM orders ORDER BY id")
    ids = [row["position_id"] for row in rows]
    assert len(ids) == 4
    assert ids == sorted(ids)


async def test_a_restart_changes_nothing_about_the_exits(database: Database) -> None:
    """M4.7: levels come from the table, the best price from the candles since the entry."""
    harness = await open_harness(database, spec(exits=TRAILING))
    await harness.enter()
    rows = [
        Candle(NOON - MINUTE, 100, 500, 100, 100, 1),  # before the entry: not ours
        Candle(NOON, 100, 110, 99, 108.5, 1),
    ]
    await harness.writer.write(SYMBOL, Timeframe.M1, rows, FeedName("hand"))

    after = await open_harness(database, spec(exits=TRAILING), restarted=True)
    after.venue = harness.venue
    watched = await after.protection.load(NOON + MINUTE)

    (held,) = after.protection.held.values()
    stored = await after.position()
    assert watched == 1
    assert (held.best_price, held.trailing_stop) == (Decimal(110), Decimal("107.80"))
    assert (stored["best_price"], stored["trailing_stop"]) == (110, Decimal("107.80"))
    assert after.token == harness.token + 1


async def test_a_position_opened_elsewhere_is_found_by_the_sweep(database: Database) -> None:
    """2.3: the sweep alone does the whole job, and the stream has it from then on."""
    harness = await open_harness(database, spec("owner", "S0USDT"))
    await hold_many(harness, 1)
    harness.tick("100", "S0USDT")
    assert harness.protection.held == {}

    await sweep(harness)

    assert len(harness.protection.held) == 1
    await harness.stream("89", "S0USDT")
    assert [row["close_reason"] for row in await harness.rows("SELECT * FROM trades")] == [
        "stop_loss"
    ]


async def test_a_quiet_tick_makes_nobody_wait(database: Database) -> None:
    """2.3: nothing to await while no level is met."""
    harness = await open_harness(
        database, spec(sizing=SizingRule(kind=SizingKind.FIXED_QUANTITY, value=Decimal(2)))
    )
    await harness.enter()
    point = harness.prices.last_prices(SYMBOL)
    assert point is not None
    assert isinstance(harness.symbols[SYMBOL], MarketSymbol)
    await harness.stream("101")

    assert (await harness.state(BOT))["in_position"]
    assert len(harness.venue.submitted) == 1
