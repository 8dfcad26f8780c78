"""Lookups of orders in doubt: several at once, and each answer is taken when it is there."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import anyio
import pytest

from tests.fakes.clock import FakeClock
from tests.fakes.trading import NOON, market_symbol
from tests.fakes.venue import SCRIPTED, ScriptedVenue
from tradebotd.clocks.host import SystemHost
from tradebotd.domain.ids import BotName, ClientOrderId, OrderId
from tradebotd.domain.order import Order, OrderRole, OrderStatus, OrderType
from tradebotd.domain.side import Side
from tradebotd.market.price_cache import PriceCache
from tradebotd.ports.venue import OrderLookup
from tradebotd.trading.reconciliation import venue_round
from tradebotd.trading.reconciliation.order_answers import ORDERS_SECONDS, Answer, OrderAnswers
from tradebotd.trading.reconciliation.venue_round import VenueRound

SYMBOL = "BTCUSDT"
NUMBER = 9


def order(number: int) -> Order:
    return Order(
        id=OrderId(number),
        client_order_id=ClientOrderId(f"o{number}"),
        venue_order_id=None,
        position_id=None,
        bot=BotName("one"),
        venue=SCRIPTED,
        symbol=SYMBOL,
        role=OrderRole.EXIT,
        side=Side.SELL,
        type=OrderType.STOP_MARKET,
        quantity=Decimal(1),
        filled_quantity=Decimal(0),
        status=OrderStatus.NEW,
        reason=None,
        created_at=NOON,
    )


def venue_with(find: Callable[..., object], monkeypatch: pytest.MonkeyPatch) -> ScriptedVenue:
    instruments = {SYMBOL: market_symbol(SYMBOL).instrument}
    prices = PriceCache(Decimal(100), {})
    venue = ScriptedVenue(FakeClock(NOON), prices, instruments, {"USDT": Decimal(1000)})
    monkeypatch.setattr(venue, "find_order", find)
    return venue


async def test_what_became_of_an_order_waits_for_no_other_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """M5.7: a stop that is gone is known at once, however many are asked for, and one hangs."""
    released, taken = anyio.Event(), list[str]()

    async def find(symbol: str, client_order_id: ClientOrderId) -> OrderLookup:
        del symbol
        if client_order_id == "o0":
            await released.wait()
        return OrderLookup(None, frozenset({"find"}), NOON)

    async def take(order: Order, answer: Answer) -> None:
        assert answer.search is not None
        taken.append(order.client_order_id)

    orders = [order(number) for number in range(NUMBER)]
    venues = VenueRound({SCRIPTED: venue_with(find, monkeypatch)})
    answers = OrderAnswers(SystemHost())
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(answers.ask_for, orders, venues, frozenset[ClientOrderId](), take)
        await anyio.wait_all_tasks_blocked()
        assert sorted(taken) == [f"o{number}" for number in range(1, NUMBER)]
        released.set()
    assert len(taken) == NUMBER


async def test_questions_side_by_side_spend_a_venues_time_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """M5.6: what is held there is asked for after them."""
    now = 0.0
    monkeypatch.setattr(venue_round, "current_time", lambda: now)
    released, asked = anyio.Event(), 0

    async def find(symbol: str, client_order_id: ClientOrderId) -> OrderLookup:
        del symbol, client_order_id
        nonlocal asked
        asked += 1
        await released.wait()
        return OrderLookup(None, frozenset({"find"}), NOON + timedelta(seconds=1))

    venues = VenueRound({SCRIPTED: venue_with(find, monkeypatch)})

    async def ask(number: int) -> None:
        await venues.ask(
            SCRIPTED, lambda venue: venue.find_order(SYMBOL, order(number).client_order_id)
        )

    async with anyio.create_task_group() as tasks:
        for number in range(NUMBER):
            tasks.start_soon(ask, number)
        await anyio.wait_all_tasks_blocked()
        assert asked == NUMBER
        now = venue_round.PATIENCE_SECONDS - 1
        released.set()

    await ask(NUMBER)
    assert asked == NUMBER + 1


async def test_the_wait_for_what_was_answered_to_be_stored_is_not_the_venues(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """M5.7: a slow database does not leave orders without a question."""
    now = 0.0
    monkeypatch.setattr(venue_round, "current_time", lambda: now)
    answers: list[Answer] = []

    async def find(symbol: str, client_order_id: ClientOrderId) -> OrderLookup:
        del symbol, client_order_id
        return OrderLookup(None, frozenset({"find"}), NOON)

    async def take(order: Order, answer: Answer) -> None:
        del order
        nonlocal now
        now += ORDERS_SECONDS
        answers.append(answer)

    orders = [order(number) for number in range(NUMBER)]
    venues = VenueRound({SCRIPTED: venue_with(find, monkeypatch)})
    await OrderAnswers(SystemHost()).ask_for(orders, venues, frozenset[ClientOrderId](), take)
    assert len(answers) == NUMBER
    assert all(answer.search is not None for answer in answers)


async def test_a_slow_venue_is_asked_for_so_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """M5.6"""
    now = 0.0
    monkeypatch.setattr(venue_round, "current_time", lambda: now)
    answers: list[Answer] = []

    async def find(symbol: str, client_order_id: ClientOrderId) -> OrderLookup:
        del symbol, client_order_id
        nonlocal now
        now += ORDERS_SECONDS
        return OrderLookup(None, frozenset({"find"}), NOON)

    async def take(order: Order, answer: Answer) -> None:
        del order
        answers.append(answer)

    orders = [order(number) for number in range(NUMBER)]
    venues = VenueRound({SCRIPTED: venue_with(find, monkeypatch)})
    await OrderAnswers(SystemHost()).ask_for(orders, venues, frozenset[ClientOrderId](), take)
    assert len(answers) == NUMBER
    assert answers[-1].reason == f"{SCRIPTED} answers too slowly"
