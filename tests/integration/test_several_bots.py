"""M5.4: three bots on one spot symbol of one account, each with its own books and its own money."""

from decimal import Decimal

from tests.fakes.trading import MINUTE, TradingHarness, open_harness, spec
from tradebotd.domain.bot import EntryKind, EntryRule, SizingKind, SizingRule
from tradebotd.domain.exit_plan import ExitPlan
from tradebotd.domain.ids import BotName
from tradebotd.domain.signal import SignalKind
from tradebotd.jobs.run_bots import RunBots
from tradebotd.storage.postgres.database import Database

BUY, SELL, NONE = SignalKind.BUY, SignalKind.SELL, SignalKind.NONE
NAMES = ("narrow", "wide", "rich")
HALF = SizingRule(kind=SizingKind.PERCENT_EQUITY, value=Decimal(50))


async def opened(database: Database) -> TradingHarness:
    """Half of 1000, of 1000 and of 3000, with stops at 5 %, 20 % and 5 %."""
    harness = await open_harness(
        database,
        spec("narrow", sizing=HALF, exits=ExitPlan(stop_loss=Decimal("0.05"))),
        spec("wide", sizing=HALF, exits=ExitPlan(stop_loss=Decimal("0.2"))),
        spec(
            "rich",
            sizing=HALF,
            initial_capital=Decimal(3000),
            exits=ExitPlan(stop_loss=Decimal("0.05")),
        ),
    )
    harness.venue.balances = {"USDT": Decimal(5000)}
    await harness.candles(100.0, 100.0)
    return harness


async def hears(harness: TradingHarness, word: SignalKind, *names: str) -> None:
    """The next minute: *names* hear *word* side by side, the others nothing."""
    await harness.minute()
    for name in NAMES:
        harness.says(word if name in names else NONE, bot=name)
    job = RunBots(
        cycle=harness.cycle,
        entry_orders=harness.entry_orders,
        specs=harness.specs,
        database=harness.database,
        sequential=False,
    )
    assert (await job.run(harness.context())).failed == 0


async def held(harness: TradingHarness) -> dict[str, Decimal]:
    rows = await harness.rows("SELECT bot, quantity FROM positions WHERE closed_at IS NULL")
    return {row["bot"]: row["quantity"] for row in rows}


async def agrees(harness: TradingHarness) -> None:
    """The venue's one holding is the sum of ours, and every book is the sum of its fills."""
    reconciled = await harness.reconciler.run()
    assert (reconciled.differences, reconciled.failed) == ([], {})
    assert sum((await held(harness)).values()) == harness.venue.balances.get("BTC", Decimal(0))
    assert await harness.broken_books() == []


async def test_each_enters_with_its_own_capital_and_leaves_alone(database: Database) -> None:
    """M4.6, M5.4: entries, a stop of two, a signal of one; the sum is the venue's throughout."""
    harness = await opened(database)
    await harness.reconciler.run()

    await hears(harness, BUY, *NAMES)

    assert await held(harness) == {"narrow": 5, "wide": 5, "rich": 15}
    await agrees(harness)

    await harness.stream("94")
    assert await held(harness) == {"wide": 5}
    await agrees(harness)

    harness.tick("100")
    await hears(harness, BUY, "narrow")
    quantities = await held(harness)
    assert quantities == {"wide": 5, "narrow": Decimal("4.848")}
    await agrees(harness)

    await hears(harness, SELL, "wide")
    assert list(await held(harness)) == ["narrow"]
    await agrees(harness)
    closed = await harness.rows(
        "SELECT bot, close_reason FROM positions WHERE closed_at IS NOT NULL ORDER BY bot"
    )
    assert [(row["bot"], row["close_reason"]) for row in closed] == [
        ("narrow", "stop_loss"),
        ("rich", "stop_loss"),
        ("wide", "signal"),
    ]


async def test_their_worths_add_up_to_the_accounts(database: Database) -> None:
    """M4.8: 1000 + 1000 + 3000 are the 5000 of the account, whatever they do."""
    harness = await opened(database)
    await hears(harness, BUY, *NAMES)
    await harness.stream("94")
    harness.tick("97")

    worth = await harness.account.value()

    assert sum(each.equity for each in worth.bots.values()) == worth.account.equity
    assert sum(each.cash for each in worth.bots.values()) == worth.account.cash
    assert worth.account.exposure == 5 * 97


async def test_none_spends_what_another_ones_order_holds(database: Database) -> None:
    """M4.6: 2,000 in the account; 1,500 wait in an order of `rich`, and 500 are left for two."""
    harness = await opened(database)
    harness.venue.balances["USDT"] = Decimal(2000)
    harness.specs[BotName("rich")] = spec(
        "rich",
        sizing=HALF,
        initial_capital=Decimal(3000),
        entry=EntryRule(kind=EntryKind.LIMIT, lifetime=60 * MINUTE),
    )
    await hears(harness, BUY, "rich")
    assert [request.quantity for _, request in harness.venue.submitted] == [15]

    await hears(harness, BUY, "narrow", "wide")

    quantities = (await held(harness)).values()
    assert max(quantities) == Decimal("4.960")  # the fees of what waits are held, too
    assert sum(quantities) * 100 < 500
    assert harness.venue.balances["USDT"] >= 1500


async def test_what_another_one_buys_while_the_account_is_read_is_not_spent_again(
    database: Database,
) -> None:
    """M4.6: its 1,500 have left the cash that is told, and the orders that are pending."""
    harness = await opened(database)
    harness.venue.balances["USDT"] = Decimal(2000)
    harness.specs[BotName("rich")] = spec(
        "rich",
        sizing=HALF,
        initial_capital=Decimal(3000),
        entry=EntryRule(kind=EntryKind.LIMIT, lifetime=60 * MINUTE),
    )
    await hears(harness, BUY, "rich")
    ((waiting, request),) = harness.venue.submitted

    async def fills_now() -> None:
        harness.venue.before_account_answers = None
        await harness.recorder.record(harness.venue.fill(waiting, request.quantity))

    harness.venue.before_account_answers = fills_now
    await hears(harness, BUY, "wide")

    quantities = await held(harness)
    assert quantities["rich"] == 15
    assert quantities["wide"] * 100 <= 500
