"""What is adopted by hand: only what is nobody's, once, and what can be sold again."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import anyio
import pytest

from tests.fakes.trading import BOT, SYMBOL, Desk, open_desk, spec
from tests.fakes.venue import SCRIPTED, Behaviour
from tests.integration.test_external_hands import trade
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
async def desk(database: Database) -> Desk:
    """Two bots on one symbol."""
    desk = await open_desk(database, spec("one"), spec("two"))
    desk.venue.balances["BTC"] = Decimal(0)
    await desk.reconciler.run()
    return desk


async def adopt(desk: Desk, bot: str = "one") -> str | None:
    """Why not."""
    try:
        await desk.adoption.adopt(SCRIPTED, SYMBOL, BotName(bot))
    except RefusedError as error:
        return error.code
    return None


async def held(desk: Desk) -> Sequence[tuple[Any, ...]]:
    rows = await desk.rows(
        "SELECT bot, quantity, entry_price FROM positions WHERE closed_at IS NULL"
    )
    return [tuple(row.values()) for row in rows]


@pytest.mark.parametrize(
    ("quantity", "code"),
    [("0.099", "too_small"), ("0.105", "too_small"), ("0.106", None)],
)
async def test_what_no_exit_could_sell_is_not_adopted(
    desk: Desk, quantity: str, code: str | None
) -> None:
    """M4.6, M5.6: worth less than the venue takes, now at 100 or at its own stop at 95."""
    desk.set_filters(min_notional=Decimal(10))
    trade(desk, quantity)
    await desk.reconciler.run()

    assert await adopt(desk) == code

    assert len(await held(desk)) == (0 if code else 1)


async def test_however_little_is_gone_of_a_position_it_may_be_taken_out(desk: Desk) -> None:
    """M5.6: nothing has to be sold for it."""
    desk.set_filters(min_notional=Decimal(10))
    await desk.enter("one")
    trade(desk, "-0.01")
    await desk.reconciler.run()

    assert await adopt(desk) is None

    assert await held(desk) == [("one", Decimal("0.99"), Decimal(100))]


async def test_what_our_own_order_bought_unheard_is_not_adopted(database: Database) -> None:
    """M5.1, M5.6: it rested and has filled since the last look; its fill would count twice."""
    desk = await open_desk(database, replace(spec(), entry=RESTS), spec("two"))
    await desk.reconciler.run()
    await desk.candles(100.0, 100.0)
    desk.says(SignalKind.BUY)
    await desk.run()
    ((order, _),) = desk.venue.submitted
    desk.venue.fill(order, Decimal(1))

    assert await adopt(desk, "two") == "nothing_to_adopt"
    await desk.reconciler.run()

    assert await held(desk) == [(BOT, Decimal(1), Decimal(99))]
    assert await desk.open_alerts() == []


async def test_what_a_hand_traded_just_now_is_adopted_at_its_price(desk: Desk) -> None:
    """M5.6: nobody has looked since; what the venue tells is not made up."""
    trade(desk, "1", "90")

    assert await adopt(desk) is None

    assert await held(desk) == [("one", Decimal(1), Decimal(90))]


async def test_coins_are_not_taken_at_the_price_of_a_future(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """M5.6: an account may have both of a symbol, and tells the entry price of the position alone."""
    desk.venue.balances["BTC"] += 2
    desk.tick("123")
    real = desk.venue.account

    async def account() -> VenueAccount:
        return replace(await real(), entry_prices={SYMBOL: Decimal(50)})

    monkeypatch.setattr(desk.venue, "account", account)

    assert await adopt(desk) is None

    assert await held(desk) == [("one", Decimal(2), Decimal(123))]


async def test_what_two_bots_are_given_at_once_goes_to_one_of_them(desk: Desk) -> None:
    """M5.6: the other one's answer says that there is nothing left."""
    desk.venue.balances["BTC"] += 2
    answers: dict[str, str | None] = {}

    async def ask(bot: str) -> None:
        answers[bot] = await adopt(desk, bot)

    async with anyio.create_task_group() as both:
        both.start_soon(ask, "one")
        both.start_soon(ask, "two")

    assert sorted(map(str, answers.values())) == ["None", "nothing_to_adopt"]
    assert sum(quantity for _, quantity, _ in await held(desk)) == 2
    assert (await desk.reconciler.run()).differences == []


async def test_what_may_be_of_an_order_inferred_absent_is_not_adopted(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """M5.2, M5.6: a trade without a name may be its own, and would count twice once it is found."""
    desk = await open_desk(database, spec("one"), spec("two"))
    await desk.reconciler.run()
    told_as(desk, monkeypatch, None)
    desk.venue.script.append(Behaviour.DROP_BEFORE)
    with pytest.raises(OutcomeUnknownError):
        await desk.enter("one")
    await desk.execute("UPDATE orders SET send_by = send_by - interval '1 minute'")
    await desk.reconciler.run()
    assert [row["status"] for row in await desk.orders()] == ["rejected"]
    await desk.venue.trade_by_hand(SYMBOL, Side.BUY, "1")

    assert await adopt(desk, "two") == "order_unknown"

    assert await held(desk) == []


async def test_what_cannot_be_marked_as_adopted_is_not_adopted(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """M5.6: whoever asked is told no, so it may be asked for again."""
    trade(desk, "1")
    await desk.reconciler.run()

    async def away(*_: object) -> None:
        raise DatabaseUnavailableError("the connection broke")

    with monkeypatch.context() as broken:
        broken.setattr(externals, "adopt", away)
        with pytest.raises(DatabaseUnavailableError):
            await adopt(desk)

    assert await held(desk) == []
    assert await adopt(desk) is None


async def test_what_changes_at_another_venue_keeps_no_adoption_waiting(database: Database) -> None:
    """M5.6: where others trade all the time, a look at this one is no less of one moment."""
    desk = await open_desk(database, spec("one"), spec("three", "ETHUSDT"))
    desk.venue.balances["BTC"] = Decimal(0)
    await desk.reconciler.run()
    await desk.enter("three")
    await desk.execute("UPDATE positions SET venue = 'former'")
    desk.venue.balances["ETH"] = Decimal(0)
    trade(desk, "1")
    await desk.reconciler.run()

    async def meanwhile() -> None:
        await desk.execute("UPDATE positions SET version = version + 1 WHERE venue = 'former'")

    desk.venue.before_account_answers = meanwhile

    assert await adopt(desk) is None
