"""The scripted venue's misbehaviour, which other tests rely on."""

from decimal import Decimal

import pytest

from tests.contract.conftest import FIRST, SECOND, Case
from tests.fakes.venue import Behaviour, ScriptedVenue
from tradebotd.domain.errors import OrderRejectedError, OutcomeUnknownError
from tradebotd.domain.order import OrderStatus, OrderType
from tradebotd.domain.side import Side

STOP = OrderType.STOP_MARKET


@pytest.fixture
def venue_name() -> str:
    return "scripted"


@pytest.fixture
async def venue(case: Case) -> ScriptedVenue:
    """A holding of two, and a stop for all of it."""
    assert isinstance(case.venue, ScriptedVenue)
    await case.bought("2")
    await case.venue.submit(FIRST, case.order(Side.SELL, "2", STOP, "95"))
    return case.venue


async def test_a_cancel_is_lost_on_either_way(case: Case, venue: ScriptedVenue) -> None:
    venue.cancel_script.extend([Behaviour.DROP_BEFORE, Behaviour.DROP_AFTER])
    for left in ([FIRST], []):
        with pytest.raises(OutcomeUnknownError):
            await venue.cancel("BTCUSDT", FIRST)
        assert await case.rests() == left


async def test_a_replacement_is_lost_or_done_by_half(case: Case, venue: ScriptedVenue) -> None:
    request = case.order(Side.SELL, "2", STOP, "96")
    venue.script.append(Behaviour.DROP_BEFORE)
    with pytest.raises(OutcomeUnknownError):
        await venue.replace("BTCUSDT", FIRST, SECOND, request)
    assert await case.rests() == [FIRST]

    venue.script.append(Behaviour.REJECT_NEW)
    with pytest.raises(OrderRejectedError):
        await venue.replace("BTCUSDT", FIRST, SECOND, request)
    assert await case.rests() == []
    assert await case.status(FIRST) is OrderStatus.CANCELED
    assert await case.status(SECOND) is OrderStatus.REJECTED


async def test_an_order_is_hidden_for_so_many_asks(case: Case, venue: ScriptedVenue) -> None:
    venue.hidden_until[FIRST] = 2
    assert [await case.status(FIRST) for _ in range(3)] == [None, None, OrderStatus.NEW]


async def test_what_rests_is_filled_in_parts(case: Case, venue: ScriptedVenue) -> None:
    await venue.fill_and_tell(FIRST, Decimal("0.5"))
    await case.move("94")
    assert [(report.status, report.filled_quantity) for report in case.heard] == [
        (OrderStatus.PARTIALLY_FILLED, Decimal("0.5")),
        (OrderStatus.FILLED, Decimal(2)),
    ]


async def test_somebody_else_trades_at_the_same_account(case: Case, venue: ScriptedVenue) -> None:
    await venue.trade_by_hand("BTCUSDT", Side.BUY, "1")
    assert await case.balance("BTC") == 3
    assert [report.client_order_id for report in case.heard] == ["by-hand-1"]
