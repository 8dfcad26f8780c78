"""Money adds up at the paper venue: cash, realized P&L, what is open, fees, funding, dust."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.fakes.trading import BOT, MINUTE, SYMBOL, TradingHarness, open_harness, spec
from tests.fakes.venue import SCRIPTED, ScriptedVenue
from tradebotd.domain.bot import SizingKind, SizingRule
from tradebotd.domain.candle import Tick
from tradebotd.domain.exit_plan import ExitPlan, LadderStep
from tradebotd.domain.ids import ClientOrderId, VenueName
from tradebotd.domain.instrument import PositionType
from tradebotd.domain.position import CloseReason
from tradebotd.domain.side import PositionSide
from tradebotd.storage.postgres.database import Database
from tradebotd.venues.paper.fill_model import PaperTerms

CASH = Decimal(100_000)
FUTURES: dict[str, Any] = {
    "position_type": PositionType.FUTURES,
    "leverage": 10,
    "allow_short": True,
    "exits": ExitPlan(stop_loss=Decimal("0.05")),
}
LADDER = ExitPlan(
    stop_loss=Decimal("0.05"),
    ladder=(
        LadderStep(at=Decimal("0.02"), share=Decimal("0.3")),
        LadderStep(at=Decimal("0.04"), share=Decimal("0.3")),
    ),
)


async def open_paper_harness(
    database: Database, *, terms: dict[str, Any], **bot: Any
) -> TradingHarness:
    sizing = SizingRule(kind=SizingKind.FIXED_QUANTITY, value=Decimal("1.237"))
    paper = PaperTerms(starting_cash={"USDT": CASH}, taker=Decimal("0.00041"), **terms)
    harness = await open_harness(database, spec(**({"sizing": sizing} | bot)), paper=paper)
    await harness.reconciler.run()
    return harness


async def adds_up(harness: TradingHarness) -> None:
    """I8, by the books' own figures and not by the daemon's check, which must say the same."""
    sums = await harness.row(
        """
        SELECT (SELECT coalesce(sum(realized_pnl), 0) FROM positions) AS earned,
               (SELECT coalesce(sum(cost), 0) FROM positions
                 WHERE closed_at IS NULL AND position_type = 'spot') AS cost,
               (SELECT total FROM paper.balances WHERE asset = 'USDT') AS cash
        """
    )
    assert sums["cash"] - CASH == sums["earned"] - sums["cost"]
    harness.clock.advance(MINUTE)
    await harness.reconciler.run()
    harness.clock.advance(MINUTE)
    result = await harness.reconciler.run()
    assert (result.differences, result.external, result.cash) == ([], [], [])
    assert await harness.open_alerts() == []


async def price(harness: TradingHarness, value: str) -> None:
    """As it comes from the feed: the venue first, then our own stops."""
    harness.clock.advance(timedelta(seconds=20))
    harness.tick(value)
    meeting = harness.paper.on_tick(Tick(harness.clock.now(), SYMBOL, Decimal(value)))
    if meeting is not None:
        await meeting
    await harness.stream(value)


@pytest.mark.parametrize("fee_in_base", [False, True])
async def test_spot_adds_up_while_it_is_open_and_when_it_is_closed(
    database: Database, *, fee_in_base: bool
) -> None:
    """I8: three trades with fees of either asset, dust left over and swept up on the way."""
    harness = await open_paper_harness(database, terms={"fee_in_base": fee_in_base})

    for number, value in enumerate(["103.17", "98.43", "101.01"]):
        await price(harness, "100")
        await harness.enter(minute=number)
        await adds_up(harness)
        await price(harness, value)
        (held,) = harness.protection.held.values()
        await harness.protection.close_now(held, CloseReason.SIGNAL)
        await adds_up(harness)


@pytest.mark.parametrize("fee_in_base", [False, True])
async def test_a_ladder_adds_up_at_each_step(database: Database, *, fee_in_base: bool) -> None:
    """I8: what is open costs its share of the entry; nothing is lost by rounding it."""
    harness = await open_paper_harness(database, terms={"fee_in_base": fee_in_base}, exits=LADDER)
    await harness.enter()

    for value in ("102.5", "104.7", "94"):
        await price(harness, value)
        await adds_up(harness)

    assert (await harness.position())["closed_at"] is not None


@pytest.mark.parametrize("side", [PositionSide.LONG, PositionSide.SHORT])
async def test_futures_add_up_with_funding(database: Database, side: PositionSide) -> None:
    """I8: P&L and funding go into the cash, the price of what is held does not."""
    harness = await open_paper_harness(
        database, terms={"funding_rate": Decimal("0.0003")}, **FUTURES
    )
    await harness.enter(side=side)
    await adds_up(harness)

    harness.clock.advance(timedelta(hours=5))
    await price(harness, "100.07")
    await harness.reconciler.run()
    assert (await harness.position())["funding"] != 0
    await adds_up(harness)
    (held,) = harness.protection.held.values()
    await harness.protection.close_now(held, CloseReason.SIGNAL)
    await adds_up(harness)

    assert (await harness.state())["daily_pnl"] == (await harness.position())["realized_pnl"]


@pytest.mark.parametrize(
    ("side", "beyond"), [(PositionSide.LONG, "85"), (PositionSide.SHORT, "115")]
)
async def test_a_liquidation_adds_up(database: Database, side: PositionSide, beyond: str) -> None:
    """I8: what the venue took of the cash is the loss of the position that it closed."""
    terms = {"resting_stops": False}
    plan = {**FUTURES, "exits": ExitPlan(stop_loss=None)}
    harness = await open_paper_harness(database, terms=terms, **plan)
    await harness.enter(side=side)

    await price(harness, beyond)
    await harness.reconciler.run()

    closed = await harness.position()
    assert closed["close_reason"] == "external"
    assert closed["realized_pnl"] < -11
    cash = (await harness.row("SELECT total FROM paper.balances WHERE asset = 'USDT'"))["total"]
    assert cash - CASH == closed["realized_pnl"]
    assert await harness.open_alerts() == ["forced_close"]


async def test_what_is_written_off_adds_up(database: Database) -> None:
    """I8, M4.6: the fee of one lot leaves less than a lot: its cost is a loss once it is closed."""
    one_lot = SizingRule(kind=SizingKind.FIXED_QUANTITY, value=Decimal("0.002"))
    harness = await open_paper_harness(database, terms={"fee_in_base": True}, sizing=one_lot)
    await harness.enter()
    instrument = harness.symbols[SYMBOL].instrument
    coarse = replace(instrument, lot_size=Decimal("0.01"))
    harness.symbols[SYMBOL] = replace(harness.symbols[SYMBOL], instrument=coarse)

    harness.clock.advance(timedelta(seconds=5))
    harness.tick("100")
    await harness.protection.sweep(harness.clock.now())

    closed = await harness.position()
    assert (closed["close_reason"], closed["quantity"]) == ("dust", 0)
    assert closed["realized_pnl"] < Decimal("-0.19")
    await adds_up(harness)


@pytest.mark.parametrize("change", ["-0.01", "0.000000001"])
async def test_cash_that_is_not_accounted_for_is_said_once_it_lasts(
    database: Database, change: str
) -> None:
    """I8: told by the second look that sees the same, with both figures; gone when it adds up."""
    harness = await open_paper_harness(database, terms={})
    await harness.enter()
    (held,) = harness.protection.held.values()
    await harness.protection.close_now(held, CloseReason.SIGNAL)
    await harness.execute(
        "UPDATE paper.balances SET total = total + $1 WHERE asset = 'USDT'", Decimal(change)
    )

    first = await harness.reconciler.run()
    second = await harness.reconciler.run()

    assert first.cash == []
    (found,) = second.cash
    assert found.theirs - found.ours == Decimal(change)
    assert await harness.open_alerts() == ["cash_differs"]
    await harness.execute(
        "UPDATE paper.balances SET total = total - $1 WHERE asset = 'USDT'", Decimal(change)
    )
    assert (await harness.reconciler.run()).cash == []
    assert await harness.open_alerts() == []


@pytest.mark.parametrize("inferred", [False, True])
async def test_a_deposit_adds_up_when_the_venue_tells_it(
    database: Database, *, inferred: bool
) -> None:
    """I8: what came in is no P&L; one that is only inferred from the cash explains nothing."""
    harness = await open_paper_harness(database, terms={})
    await harness.enter()
    await harness.execute("UPDATE paper.balances SET total = total + 500 WHERE asset = 'USDT'")
    await harness.execute(
        "INSERT INTO transfers (venue, transfer_id, account, asset, amount, worth, inferred, at, seen_at)"
        " VALUES ('scripted', '1', 'default', 'USDT', 500, 500, $1, $2, $2)",
        inferred,
        harness.clock.now(),
    )

    await harness.reconciler.run()
    result = await harness.reconciler.run()

    assert [each.theirs - each.ours for each in result.cash] == ([500] if inferred else [])


async def test_what_was_there_before_us_outlives_a_restart(database: Database) -> None:
    """I8: a second life finds the same difference: the first look was stored."""
    harness = await open_paper_harness(database, terms={})
    await harness.enter()
    await harness.execute("UPDATE positions SET realized_pnl = realized_pnl + 1")

    paper = PaperTerms(starting_cash={"USDT": CASH})
    again = await open_harness(database, spec(), restarted=True, paper=paper)
    await again.reconciler.run()
    result = await again.reconciler.run()

    assert [each.theirs - each.ours for each in result.cash] == [-1]
    assert (BOT, SYMBOL) == ("one", "BTCUSDT")


@pytest.mark.parametrize("bot", [{}, FUTURES], ids=["spot", "futures"])
async def test_what_left_the_configuration_adds_up(database: Database, bot: dict[str, Any]) -> None:
    """I8, M4.2: its position and its resting stop stay; the account can be read, and is right."""
    harness = await open_paper_harness(database, terms={"resting_stops": True}, **bot)
    await harness.enter()
    harness.clock.advance(timedelta(seconds=5))
    await harness.protection.sweep(harness.clock.now())
    assert (await harness.orders())[-1]["status"] == "new"

    paper = PaperTerms(starting_cash={"USDT": CASH}, taker=Decimal("0.00041"), resting_stops=True)
    other = spec("another", "ETHUSDT")
    again = await open_harness(database, other, restarted=True, paper=paper)
    await again.reconciler.run()
    result = await again.reconciler.run()

    assert (result.differences, result.external, result.cash) == ([], [], [])
    assert await again.open_alerts() == []


OTHER, THERE = VenueName("other"), "ETHUSDT"


async def with_another_venue(database: Database) -> tuple[TradingHarness, ScriptedVenue]:
    """`two` holds one coin at a second venue, which has lost 0.4 of it."""
    paper = PaperTerms(starting_cash={"USDT": CASH}, taker=Decimal("0.00041"))
    harness = await open_harness(database, spec(), spec("two", THERE), paper=paper)
    known = harness.symbols[THERE]
    harness.symbols[THERE] = replace(known, instrument=replace(known.instrument, venue=OTHER))
    there = {THERE: harness.symbols[THERE].instrument}
    other = ScriptedVenue(harness.clock, harness.prices, there, {"USDT": CASH}, name=OTHER)
    harness.venues[OTHER] = other
    await harness.reconciler.run()
    await harness.enter("two")
    other.balances["ETH"] -= Decimal("0.4")
    return harness, other


async def test_what_differs_at_one_venue_hides_no_cash_of_another(database: Database) -> None:
    """I8: each account by itself; and what was said of one that is not compared is not over."""
    harness, _ = await with_another_venue(database)
    await harness.execute("UPDATE paper.balances SET total = total - 1 WHERE asset = 'USDT'")

    await harness.reconciler.run()
    result = await harness.reconciler.run()

    assert [each.subject for each in result.differences] == ["ETH"]
    assert [(each.venue, each.theirs - each.ours) for each in result.cash] == [
        (SCRIPTED, Decimal(-1))
    ]
    assert await harness.open_alerts() == ["cash_differs", "position_differs"]
    await harness.enter()
    await harness.execute("UPDATE paper.balances SET total = total - 0.5 WHERE asset = 'BTC'")
    result = await harness.reconciler.run()
    assert result.cash == []
    assert await harness.open_alerts() == ["cash_differs", "position_differs", "position_differs"]


async def test_an_order_under_way_at_one_venue_hides_no_difference_of_another(
    database: Database,
) -> None:
    """M5.6, I8: what is being written down there says nothing of the holdings and the cash here."""
    harness, other = await with_another_venue(database)
    await harness.enter()
    await harness.execute("UPDATE paper.balances SET total = total - 0.4 WHERE asset = 'BTC'")
    other.balances["ETH"] += 1
    seen = []

    async def look(_: ClientOrderId) -> None:
        seen.append(await harness.reconciler.run())

    other.before_submit = look
    (held,) = (each for each in harness.protection.held.values() if each.venue == OTHER)
    await harness.protection.close_now(held, CloseReason.MANUAL)

    (result,) = seen
    assert [each.venue for each in result.differences] == [SCRIPTED]
    assert result.uncompared == {OTHER}
    assert await harness.open_alerts() == ["position_differs"]
