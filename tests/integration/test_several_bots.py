"""M5.4: three bots on one spot symbol of one account, each with its own books and its own money."""

from decimal import Decimal

from tests.fakes.trading import MINUTE, Desk, open_desk, spec
from tradebotd.domain.bot import EntryKind, EntryRule, SizingKind, SizingRule
from tradebotd.domain.exits import ExitPlan
from tradebotd.domain.ids import BotName
from tradebotd.domain.signal import SignalKind
from tradebotd.jobs.run_bots import RunBots
from tradebotd.storage.postgres.database import Database

BUY, SELL, NONE = SignalKind.BUY, SignalKind.SELL, SignalKind.NONE
NAMES = ("narrow", "wide", "rich")
HALF = SizingRule(kind=SizingKind.PERCENT_EQUITY, value=Decimal(50))


async def opened(database: Database) -> Desk:
    """Half of 1000, of 1000 and of 3000, with stops at 5 %, 20 % and 5 %."""
    desk = await open_desk(
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
    desk.venue.balances = {"USDT": Decimal(5000)}
    await desk.candles(100.0, 100.0)
    return desk


async def hears(desk: Desk, word: SignalKind, *names: str) -> None:
    """The next minute: *names* hear *word* side by side, the others nothing."""
    await desk.minute()
    for name in NAMES:
        desk.says(word if name in names else NONE, bot=name)
    job = RunBots(
        cycle=desk.cycle,
        entry_orders=desk.entry_orders,
        specs=desk.specs,
        database=desk.database,
        sequential=False,
    )
    assert (await job.run(desk.context())).failed == 0


async def held(desk: Desk) -> dict[str, Decimal]:
    rows = await desk.rows("SELECT bot, quantity FROM positions WHERE closed_at IS NULL")
    return {row["bot"]: row["quantity"] for row in rows}


async def agrees(desk: Desk) -> None:
    """The venue's one holding is the sum of ours, and every book is the sum of its fills."""
    reconciled = await desk.reconciler.run()
    assert (reconciled.differences, reconciled.failed) == ([], {})
    assert sum((await held(desk)).values()) == desk.venue.balances.get("BTC", Decimal(0))
    assert await desk.broken_books() == []


async def test_each_enters_with_its_own_capital_and_leaves_alone(database: Database) -> None:
    """M4.6, M5.4: entries, a stop of two, a signal of one; the sum is the venue's throughout."""
    desk = await opened(database)
    await desk.reconciler.run()

    await hears(desk, BUY, *NAMES)

    assert await held(desk) == {"narrow": 5, "wide": 5, "rich": 15}
    await agrees(desk)

    await desk.stream("94")
    assert await held(desk) == {"wide": 5}
    await agrees(desk)

    desk.tick("100")
    await hears(desk, BUY, "narrow")
    quantities = await held(desk)
    assert quantities == {"wide": 5, "narrow": Decimal("4.848")}
    await agrees(desk)

    await hears(desk, SELL, "wide")
    assert list(await held(desk)) == ["narrow"]
    await agrees(desk)
    closed = await desk.rows(
        "SELECT bot, close_reason FROM positions WHERE closed_at IS NOT NULL ORDER BY bot"
    )
    assert [(row["bot"], row["close_reason"]) for row in closed] == [
        ("narrow", "stop_loss"),
        ("rich", "stop_loss"),
        ("wide", "signal"),
    ]


async def test_their_worths_add_up_to_the_accounts(database: Database) -> None:
    """M4.8: 1000 + 1000 + 3000 are the 5000 of the account, whatever they do."""
    desk = await opened(database)
    await hears(desk, BUY, *NAMES)
    await desk.stream("94")
    desk.tick("97")

    worth = await desk.account.worth()

    assert sum(each.equity for each in worth.bots.values()) == worth.account.equity
    assert sum(each.cash for each in worth.bots.values()) == worth.account.cash
    assert worth.account.exposure == 5 * 97


async def test_none_spends_what_another_ones_order_holds(database: Database) -> None:
    """M4.6: 2,000 in the account; 1,500 wait in an order of `rich`, and 500 are left for two."""
    desk = await opened(database)
    desk.venue.balances["USDT"] = Decimal(2000)
    desk.specs[BotName("rich")] = spec(
        "rich",
        sizing=HALF,
        initial_capital=Decimal(3000),
        entry=EntryRule(kind=EntryKind.LIMIT, lifetime=60 * MINUTE),
    )
    await hears(desk, BUY, "rich")
    assert [request.quantity for _, request in desk.venue.submitted] == [15]

    await hears(desk, BUY, "narrow", "wide")

    quantities = (await held(desk)).values()
    assert max(quantities) == Decimal("4.99")
    assert sum(quantities) * 100 < 500
    assert desk.venue.balances["USDT"] >= 1500


async def test_what_another_one_buys_while_the_account_is_read_is_not_spent_again(
    database: Database,
) -> None:
    """M4.6: its 1,500 have left the cash that is told, and the orders that are pending."""
    desk = await opened(database)
    desk.venue.balances["USDT"] = Decimal(2000)
    desk.specs[BotName("rich")] = spec(
        "rich",
        sizing=HALF,
        initial_capital=Decimal(3000),
        entry=EntryRule(kind=EntryKind.LIMIT, lifetime=60 * MINUTE),
    )
    await hears(desk, BUY, "rich")
    ((waiting, request),) = desk.venue.submitted

    async def fills_now() -> None:
        desk.venue.before_account_answers = None
        await desk.recorder.record(desk.venue.fill(waiting, request.quantity))

    desk.venue.before_account_answers = fills_now
    await hears(desk, BUY, "wide")

    quantities = await held(desk)
    assert quantities["rich"] == 15
    assert quantities["wide"] * 100 <= 500
