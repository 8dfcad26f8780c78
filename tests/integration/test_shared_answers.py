"""M4.6, B13: what entries that are made at one moment know of the account, and whom they keep waiting."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from tests.fakes.resting import one, open_resting_harness
from tests.fakes.trading import TradingHarness, open_harness, spec
from tests.fakes.venue import SCRIPTED
from tradebotd.domain.errors import EntryPostponedError, OrderDeniedError
from tradebotd.domain.ids import BotName
from tradebotd.domain.order import OrderReport
from tradebotd.domain.position import CloseReason
from tradebotd.ports.venue import Replacement
from tradebotd.storage import equity
from tradebotd.storage.equity import Flows
from tradebotd.storage.postgres.database import Database
from tradebotd.trading.account import venue_accounts
from tradebotd.trading.account.venue_accounts import VenueAccounts, VenueAnswer
from tradebotd.trading.entries.entries import ATTEMPTS

WAIT = 30.0
LONG = 3600.0
NEVER = -1.0


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer can be used for as long as a test lasts, and each entry asks for its own."""
    monkeypatch.setattr(venue_accounts, "USABLE_SECONDS", LONG)
    monkeypatch.setattr(venue_accounts, "SHARED_SECONDS", NEVER)


async def several(
    database: Database, cash: int, count: int = 3, *, speed: float = 1.0
) -> TradingHarness:
    names = [f"b{number}" for number in range(count)]
    harness = await open_harness(database, *(spec(each) for each in names), speed=speed)
    harness.venue.balances = {"USDT": Decimal(cash)}
    return harness


@asynccontextmanager
async def answered_late(harness: TradingHarness, bot: str) -> AsyncIterator[Callable[[], None]]:
    """An entry of *bot* is done at the venue, which has not told us yet; call it, and it does."""
    there, tell = anyio.Event(), anyio.Event()
    submit = harness.venue.submit

    async def slowly(*arguments: Any, **named: Any) -> OrderReport:
        report = await submit(*arguments, **named)
        harness.venue.submit = submit  # type: ignore[method-assign]
        there.set()
        await tell.wait()
        return report

    harness.venue.submit = slowly  # type: ignore[method-assign]
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(harness.enter, bot)
        await there.wait()
        yield tell.set
        tell.set()


@asynccontextmanager
async def on_its_way(
    harness: TradingHarness, bot: str
) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """An entry of *bot* has not arrived at the venue; await it, and it is filled and booked."""
    sent, arrive, booked = anyio.Event(), anyio.Event(), anyio.Event()

    async def wait(_: object) -> None:
        harness.venue.before_submit = None
        sent.set()
        await arrive.wait()

    async def enter() -> None:
        await harness.enter(bot)
        booked.set()

    async def go() -> None:
        harness.venue.before_account_answers = None
        arrive.set()
        await booked.wait()

    harness.venue.before_submit = wait
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(enter)
        await sent.wait()
        yield go
        arrive.set()


async def close(harness: TradingHarness, bot: str) -> None:
    (held,) = [each for each in harness.protection.held.values() if each.bot == bot]
    await harness.protection.close_now(held, CloseReason.MANUAL)


async def test_no_venue_is_asked_while_other_entries_wait(database: Database) -> None:
    """B13: a question that is not answered holds up the entry that asks, and nobody else."""
    harness = await several(database, 10_000)
    asked, answer = anyio.Event(), anyio.Event()

    async def wait() -> None:
        if not asked.is_set():
            asked.set()
            await answer.wait()

    with anyio.fail_after(WAIT):
        await harness.enter("b0")
        harness.venue.before_account_answers = wait
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(harness.enter, "b1")
            await asked.wait()
            async with harness.entries._one_at_a_time:
                pass
            answer.set()

    assert len(harness.venue.submitted) == 2


async def test_entries_of_one_moment_ask_once_and_fit_together(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """B13, M4.6: of twelve that want to enter as many do as the cash pays for."""
    monkeypatch.setattr(venue_accounts, "SHARED_SECONDS", LONG)
    harness = await several(database, 750, 12)
    entered: list[str] = []

    async def enter(bot: str) -> None:
        try:
            await harness.enter(bot)
        except OrderDeniedError as error:
            assert "insufficient balance" in str(error)  # noqa: PT017
        else:
            entered.append(bot)

    with anyio.fail_after(WAIT):
        async with anyio.create_task_group() as tasks:
            for bot in harness.specs:
                tasks.start_soon(enter, bot)

    assert len(entered) == 7
    assert harness.venue.asked_for.count("account") == 1
    assert harness.venue.balances["USDT"] >= 0


async def test_a_calm_answer_goes_before_one_that_may_count_an_entry_twice(
    database: Database,
) -> None:
    """M4.6: the venue has taken the money of an entry that our books have only as pending."""
    harness = await several(database, 250)
    with anyio.fail_after(WAIT):
        async with answered_late(harness, "b0"):
            await harness.enter("b1")

            assert harness.venue.asked_for.count("account") == 2
            assert len(harness.venue.submitted) == 2


@pytest.mark.parametrize("speed", [0.0, 1.0])
async def test_what_is_bought_while_a_venue_answers_is_not_spent_again(
    database: Database, speed: float
) -> None:
    """M4.6: its answer is of before, our books are of after."""
    harness = await several(database, 250, speed=speed)
    with anyio.fail_after(WAIT):
        async with on_its_way(harness, "b0") as arrive:
            harness.venue.before_account_answers = arrive
            answer = await answer_of(harness)

    assert answer.account.balances["USDT"] == 250
    async with database.connection() as connection:
        flows = await equity.select_bot_flows(connection)
    assert answer.balance((SCRIPTED, "USDT"), venue_accounts.booked_cash(flows)) < 150


@pytest.mark.parametrize("speed", [0.0, 1.0])
async def test_what_is_bought_while_a_venue_answers_is_taken_off_its_buying_power(
    database: Database, speed: float
) -> None:
    """M4.8: so is what is bought later, once; whose bot asks makes no difference."""
    harness = await several(database, 10_000, speed=speed)
    harness.venue.buying_power = {"USDT": Decimal(500)}
    with anyio.fail_after(WAIT):
        async with on_its_way(harness, "b0") as arrive:
            harness.venue.before_account_answers = arrive
            answer = await answer_of(harness)
    assert await power_by(harness, answer) == 400

    answer = await answer_of(harness)
    await harness.enter("b1")

    assert await power_by(harness, answer) == 400


async def test_what_is_bought_and_sold_while_a_venue_answers_says_nothing(
    database: Database,
) -> None:
    """M4.6: of each it may have counted the one and not the other."""
    harness = await several(database, 1000)
    await harness.enter("b2")
    with anyio.fail_after(WAIT):
        async with on_its_way(harness, "b0") as arrive:

            async def trade() -> None:
                await arrive()
                await close(harness, "b2")

            harness.venue.before_account_answers = trade
            asked = harness.venue.asked_for.count("account")
            await harness.enter("b1")

    assert harness.venue.asked_for.count("account") == asked + 2


async def flows_of(harness: TradingHarness) -> Flows:
    async with harness.database.connection() as connection:
        return await equity.select_bot_flows(connection)


async def test_a_round_trip_while_a_venue_answers_is_not_counted_twice(database: Database) -> None:
    """M4.6: bought and sold within one call, its result may be in the answer already."""
    harness = await several(database, 1000)
    accounts = VenueAccounts(harness.venues, lambda *_: None)
    await harness.enter("b0")
    before = await flows_of(harness)
    await harness.enter("b1")
    harness.tick("150")
    (b1,) = [each for each in harness.protection.held.values() if each.bot == "b1"]
    await harness.protection.close_now(b1, CloseReason.MANUAL)
    account, after = await harness.venue.account(), await flows_of(harness)

    answer = accounts.remember(SCRIPTED, account, before, after, heard=False)

    assert answer.mixed
    assert not answer.cautious
    balance = answer.balance((SCRIPTED, "USDT"), venue_accounts.booked_cash(after))
    assert balance == account.balances["USDT"]


async def test_a_round_trip_with_a_lower_number_than_an_earlier_one_is_seen(
    database: Database,
) -> None:
    """M4.6: numbers are drawn in one order, and commits come in another."""
    harness = await several(database, 1000)
    accounts = VenueAccounts(harness.venues, lambda *_: None)
    await harness.execute("ALTER SEQUENCE positions_id_seq RESTART WITH 1000")
    await harness.enter("b0")
    await close(harness, "b0")
    await harness.enter("b2")
    await harness.execute("ALTER SEQUENCE positions_id_seq RESTART WITH 10")
    before = await flows_of(harness)
    await close(harness, "b2")
    await harness.enter("b1")
    await close(harness, "b1")
    account, after = await harness.venue.account(), await flows_of(harness)

    assert accounts.remember(SCRIPTED, account, before, after, heard=False).mixed


async def test_the_end_of_what_was_held_before_is_no_round_trip(database: Database) -> None:
    """M4.6: nothing was bought meanwhile."""
    harness = await several(database, 1000)
    accounts = VenueAccounts(harness.venues, lambda *_: None)
    await harness.enter("b0")
    before = await flows_of(harness)
    await close(harness, "b0")
    account, after = await harness.venue.account(), await flows_of(harness)

    assert not accounts.remember(SCRIPTED, account, before, after, heard=False).mixed


async def test_an_entry_that_is_denied_for_caution_alone_asks_again(database: Database) -> None:
    """M4.6: its answer has an entry twice; by the next one that is booked."""
    harness = await several(database, 360)
    await harness.enter("b2")
    with anyio.fail_after(WAIT):
        async with answered_late(harness, "b0") as tell:
            await close(harness, "b2")  # no answer of before holds
            asked = harness.venue.asked_for.count("account")
            harness.venue.balances["USDT"] -= 100

            async def second() -> None:
                if harness.venue.asked_for.count("account") == asked + 2:
                    tell()
                    while await harness.rows("SELECT 1 FROM orders WHERE NOT settled"):
                        await anyio.lowlevel.checkpoint()

            harness.venue.before_account_answers = second
            await harness.enter("b1")

            assert harness.venue.asked_for.count("account") == asked + 3
            assert harness.venue.balances["USDT"] >= 0


async def test_an_answer_that_every_exit_overtakes_ends_in_no_entry(database: Database) -> None:
    """M4.6: as often as it is asked something is sold; the entry is not made, and that has a bound."""
    harness = await several(database, 10_000, ATTEMPTS + 2)
    first, *others = harness.specs
    for bot in others:
        await harness.enter(bot)
    asked = harness.venue.asked_for.count("account")
    facts = harness.account.facts

    async def overtaken(*arguments: Any) -> Any:
        await close(harness, others.pop())
        return await facts(*arguments)

    harness.account.facts = overtaken  # type: ignore[method-assign,assignment]
    with pytest.raises(EntryPostponedError, match="account_moving"):
        await harness.enter(first)

    assert harness.venue.asked_for.count("account") == asked + ATTEMPTS


async def test_a_stop_that_is_placed_leaves_the_account_of_one_moment(database: Database) -> None:
    """M4.6, M4.8: it may fill as one that rests; stops that move all the time starve no entry."""
    harness = await open_resting_harness(
        database,
        Replacement.REPLACE,
        *(one(Replacement.REPLACE, name=name) for name in ("b0", "b1")),
        speed=1.0,
    )
    harness.tick("100")
    await harness.enter("b0")
    there, go = anyio.Event(), anyio.Event()

    async def wait(_: object) -> None:
        harness.venue.before_submit = None
        there.set()
        await go.wait()

    harness.venue.before_submit = wait
    with anyio.fail_after(WAIT):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(harness.protection.sweep, harness.clock.now())
            await there.wait()
            answer = await answer_of(harness)
            assert (answer.calm, answer.cautious, answer.exact) == (True, True, False)
            valuation = await harness.account.value(pause_seconds=0.001)
            assert (valuation.of_one_moment, valuation.certain) == (True, True)
            assert not (await harness.account.value()).certain, "it may have filled"
            await harness.enter("b1")
            go.set()


async def answer_of(harness: TradingHarness) -> VenueAnswer:
    return (await harness.account.ask(SCRIPTED))[SCRIPTED]


async def power_by(harness: TradingHarness, answer: VenueAnswer) -> Decimal:
    """As an entry of b2 would see it."""
    now = harness.clock.now()
    facts = await harness.account.facts(BotName("b2"), now, now)
    valuation = harness.account.value_by(facts.flows, {SCRIPTED: answer})
    assert valuation is not None
    return valuation.powers[SCRIPTED, "USDT"]


@pytest.mark.parametrize("what", ["sold and bought again", "funding", "a part is sold"])
async def test_what_a_venue_may_have_counted_already_overtakes_its_answer(
    database: Database, what: str
) -> None:
    """M4.6: a sale or a payment that is booked later must not be added to what it has said."""
    harness = await several(database, 10_000)
    await harness.enter("b0")
    answer = await answer_of(harness)
    async with database.connection() as connection:
        assert answer.holds(SCRIPTED, await equity.select_bot_flows(connection))

    if what == "sold and bought again":
        await close(harness, "b0")
        await harness.enter("b0", minute=1)
    elif what == "funding":
        await harness.execute("UPDATE positions SET funding = 1")
    else:
        await harness.execute(
            "UPDATE positions SET exit_quantity = 0.1, exit_price = 100, exit_proceeds = 10,"
            " quantity = quantity - 0.1"
        )

    async with database.connection() as connection:
        assert not answer.holds(SCRIPTED, await equity.select_bot_flows(connection))
