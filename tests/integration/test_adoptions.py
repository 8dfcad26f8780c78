"""What is adopted by hand: only what is nobody's, once, and what can be sold again."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import anyio
import pytest

from tests.fakes.trading import BOT, SYMBOL, TradingHarness, open_harness, spec
from tests.fakes.venue import SCRIPTED, Behaviour
from tests.integration.test_external_activity import trade
from tests.integration.test_unnamed_trades import told_as
from tradebotd.domain.bot import EntryKind, EntryRule
from tradebotd.domain.errors import DatabaseUnavailableError, OutcomeUnknownError, RefusedError
from tradebotd.domain.ids import BotName
from tradebotd.domain.side import Side
from tradebotd.domain.signal import SignalKind
from tradebotd.ports.venue import VenueAccount
from tradebotd.storage import externals
from tradebotd.storage.postgres.database import Database

RESTS = EntryRule(kind=EntryKind.LIMIT, offset=Decimal("0.01"), lifetime=timedelta(minutes=5))


@pytest.fixture
async def harness(database: Database) -> TradingHarness:
    """Two bots on one symbol."""
    harness = await open_harness(database, spec("one"), spec("two"))
    harness.venue.balances["BTC"] = Decimal(0)
    await harness.reconciler.run()
    return harness


async def adopt(harness: TradingHarness, bot: str = "one") -> str | None:
    """Why not."""
    try:
        await harness.adoption.adopt(SCRIPTED, SYMBOL, BotName(bot))
    except RefusedError as error:
        return error.code
    return None


async def held(harness: TradingHarness) -> Sequence[tuple[Any, ...]]:
    rows = await harness.rows(
        "SELECT bot, quantity, entry_price FROM positions WHERE closed_at IS NULL"
    )
    return [tuple(row.values()) for row in rows]


@pytest.mark.parametrize(
    ("quantity", "code"),
    [("0.099", "too_small"), ("0.105", "too_small"), ("0.106", None)],
)
async def test_what_no_exit_could_sell_is_not_adopted(
    harness: TradingHarness, quantity: str, code: str | None
) -> None:
    """M4.6, M5.6: worth less than the venue takes, now at 100 or at its own stop at 95."""
    harness.set_filters(min_notional=Decimal(10))
    trade(harness, quantity)
    await harness.reconciler.run()

    assert await adopt(harness) == code

    assert len(await held(harness)) == (0 if code else 1)


async def test_however_little_is_gone_of_a_position_it_may_be_taken_out(
    harness: TradingHarness,
) -> None:
    """M5.6: nothing has to be sold for it."""
    harness.set_filters(min_notional=Decimal(10))
    await harness.enter("one")
    trade(harness, "-0.01")
    await harness.reconciler.run()

    assert await adopt(harness) is None

    assert await held(harness) == [("one", Decimal("0.99"), Decimal(100))]


async def test_what_our_own_order_bought_unheard_is_not_adopted(database: Database) -> None:
    """M5.1, M5.6: it rested and has filled since the last look; its fill would count twice."""
    harness = await open_harness(database, replace(spec(), entry=RESTS), spec("two"))
    await harness.reconciler.run()
    await harness.candles(100.0, 100.0)
    harness.says(SignalKind.BUY)
    await harness.run()
    ((order, _),) = harness.venue.submitted
    harness.venue.fill(order, Decimal(1))

    assert await adopt(harness, "two") == "nothing_to_adopt"
    await harness.reconciler.run()

    assert await held(harness) == [(BOT, Decimal(1), Decimal(99))]
    assert await harness.open_alerts() == []


async def test_what_a_hand_traded_just_now_is_adopted_at_its_price(harness: TradingHarness) -> None:
    """M5.6: nobody has looked since; what the venue tells is not made up."""
    trade(harness, "1", "90")

    assert await adopt(harness) is None

    assert await held(harness) == [("one", Decimal(1), Decimal(90))]


async def test_coins_are_not_taken_at_the_price_of_a_future(
    harness: TradingHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """M5.6: an account may have both of a symbol, and tells the entry price of the position alone."""
    harness.venue.balances["BTC"] += 2
    harness.tick("123")
    real = harness.venue.account

    async def account() -> VenueAccount:
        return replace(await real(), entry_prices={SYMBOL: Decimal(50)})

    monkeypatch.setattr(harness.venue, "account", account)

    assert await adopt(harness) is None

    assert await held(harness) == [("one", Decimal(2), Decimal(123))]


async def test_what_two_bots_are_given_at_once_goes_to_one_of_them(harness: TradingHarness) -> None:
    """M5.6: the other one's answer says that there is nothing left."""
    harness.venue.balances["BTC"] += 2
    answers: dict[str, str | None] = {}

    async def ask(bot: str) -> None:
        answers[bot] = await adopt(harness, bot)

    async with anyio.create_task_group() as both:
        both.start_soon(ask, "one")
        both.start_soon(ask, "two")

    assert sorted(map(str, answers.values())) == ["None", "nothing_to_adopt"]
    assert sum(quantity for _, quantity, _ in await held(harness)) == 2
    assert (await harness.reconciler.run()).differences == []


async def test_what_may_be_of_an_order_inferred_absent_is_not_adopted(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """M5.2, M5.6: a trade without a name may be its own, and would count twice once it is found."""
    harness = await open_harness(database, spec("one"), spec("two"))
    await harness.reconciler.run()
    told_as(harness, monkeypatch, None)
    harness.venue.script.append(Behaviour.DROP_BEFORE)
    with pytest.raises(OutcomeUnknownError):
        await harness.enter("one")
    await harness.execute("UPDATE orders SET send_by = send_by - interval '1 minute'")
    await harness.reconciler.run()
    assert [row["status"] for row in await harness.orders()] == ["rejected"]
    await harness.venue.trade_by_hand(SYMBOL, Side.BUY, "1")

    assert await adopt(harness, "two") == "order_unknown"

    assert await held(harness) == []


async def test_what_cannot_be_marked_as_adopted_is_not_adopted(
    harness: TradingHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """M5.6: whoever asked is told no, so it may be asked for again."""
    trade(harness, "1")
    await harness.reconciler.run()

    async def away(*_: object) -> None:
        raise DatabaseUnavailableError("the connection broke")

    with monkeypatch.context() as broken:
        broken.setattr(externals, "adopt", away)
        with pytest.raises(DatabaseUnavailableError):
            await adopt(harness)

    assert await held(harness) == []
    assert await adopt(harness) is None


async def test_what_changes_at_another_venue_keeps_no_adoption_waiting(database: Database) -> None:
    """M5.6: where others trade all the time, a look at this one is no less of one moment."""
    harness = await open_harness(database, spec("one"), spec("three", "ETHUSDT"))
    harness.venue.balances["BTC"] = Decimal(0)
    await harness.reconciler.run()
    await harness.enter("three")
    await harness.execute("UPDATE positions SET venue = 'former'")
    harness.venue.balances["ETH"] = Decimal(0)
    trade(harness, "1")
    await harness.reconciler.run()

    async def meanwhile() -> None:
        await harness.execute("UPDATE positions SET version = version + 1 WHERE venue = 'former'")

    harness.venue.before_account_answers = meanwhile

    assert await adopt(harness) is None
