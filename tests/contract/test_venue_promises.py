"""What a venue must do that promises to replace an order: numbered, run for each adapter."""

from decimal import Decimal
from typing import Any

import pytest

from tests.contract.conftest import FIRST, SECOND, THIRD, Case
from tradebotd.domain.errors import OrderRejectedError
from tradebotd.domain.filters import SymbolStatus
from tradebotd.domain.ids import ClientOrderId
from tradebotd.domain.order import OrderStatus, OrderType
from tradebotd.domain.side import Side
from tradebotd.ports.venue import Replacement

SELL, STOP = Side.SELL, OrderType.STOP_MARKET
NEW, FILLED, CANCELED = OrderStatus.NEW, OrderStatus.FILLED, OrderStatus.CANCELED
REJECTED = OrderStatus.REJECTED


@pytest.fixture
def replacement() -> Replacement:
    return Replacement.PROMISED


async def promise(case: Case, level: str) -> None:
    """A stop of two at 95, FIRST, and one that is promised in its place, SECOND."""
    if case.books is not None:
        case.books.promises_wait = True
    await case.venue.submit(FIRST, case.order(SELL, "2", STOP, "95"))
    answer = await case.venue.replace("BTCUSDT", FIRST, SECOND, case.order(SELL, "2", STOP, level))
    assert (answer.new.client_order_id, answer.new.status, answer.old) == (SECOND, NEW, None)


@pytest.fixture
async def promised(case: Case) -> Case:
    """For all that is held, and at 97."""
    await case.bought("2")
    await promise(case, "97")
    return case


async def told(case: Case) -> dict[ClientOrderId, OrderStatus]:
    """What the stream said last of each order; asking tells the same."""
    heard = {report.client_order_id: report.status for report in case.heard}
    assert {each: await case.status(each) for each in heard} == heard
    return heard


async def test_a_promised_replacement_changes_nothing_before_it_is_kept(promised: Case) -> None:
    """M5.5 (VC-70): both are live, the old one rests; then it is gone, and the new one rests."""
    assert [await promised.status(each) for each in (FIRST, SECOND)] == [NEW, NEW]
    assert promised.heard == []
    assert sorted(await promised.rests()) == [FIRST, SECOND]

    await promised.move("99")

    assert await told(promised) == {FIRST: CANCELED, SECOND: NEW}
    assert await promised.rests() == [SECOND]
    await promised.move("96.5")
    assert await promised.status(SECOND) is FILLED
    assert await promised.balance("BTC") == 0


async def test_the_old_order_may_fill_after_the_promise(case: Case) -> None:
    """M5.5 (VC-71): the new one is rejected, though more is held, and it could rest."""
    await case.bought("4")
    await promise(case, "93")

    await case.move("94")

    assert await told(case) == {FIRST: FILLED, SECOND: REJECTED}
    assert await case.balance("BTC") == 2
    assert await case.rests() == []


async def test_a_promise_is_broken_where_the_new_order_would_trigger_at_once(
    promised: Case,
) -> None:
    """M5.5 (VC-72): the old one rests on."""
    await promised.move("96")

    assert await told(promised) == {SECOND: REJECTED}
    assert await promised.rests() == [FIRST]
    await promised.move("94")
    assert await promised.status(FIRST) is FILLED
    assert await promised.balance("BTC") == 0


async def test_what_is_being_replaced_is_neither_cancelled_nor_replaced_again(
    promised: Case,
) -> None:
    """M5.5 (VC-73): until the venue has decided; the promised one may be taken back."""
    with pytest.raises(OrderRejectedError):
        await promised.venue.cancel("BTCUSDT", FIRST)
    with pytest.raises(OrderRejectedError):
        await promised.venue.replace("BTCUSDT", FIRST, THIRD, promised.order(SELL, "2", STOP, "98"))
    assert await promised.status(THIRD) is None

    report = await promised.venue.cancel("BTCUSDT", SECOND)

    assert (report.client_order_id, report.status) == (SECOND, CANCELED)
    await promised.move("99")
    assert await promised.rests() == [FIRST]
    await promised.venue.cancel("BTCUSDT", FIRST)


@pytest.mark.parametrize(
    ("new", "changes"),
    [
        (SECOND, {"quantity": "3"}),
        (SECOND, {"price": "101"}),
        (SECOND, {"type_": OrderType.LIMIT, "price": "105"}),
        (FIRST, {}),
    ],
)
async def test_what_would_be_refused_at_once_is_not_promised(
    case: Case, new: ClientOrderId, changes: dict[str, Any]
) -> None:
    """M5.5 (VC-74): more than is held, beyond the market, of another type, a doubled id."""
    await case.bought("2")
    await case.venue.submit(FIRST, case.order(SELL, "2", STOP, "95"))
    wanted: dict[str, Any] = {"quantity": "2", "type_": STOP, "price": "97", **changes}

    with pytest.raises(OrderRejectedError):
        await case.venue.replace("BTCUSDT", FIRST, new, case.order(SELL, **wanted))

    await case.move("99")
    assert await case.rests() == [FIRST]
    assert await case.status(FIRST) is NEW


async def test_a_promise_of_a_symbol_that_does_not_trade_waits(promised: Case) -> None:
    """M5.9, M6.1 (VC-59): nothing is decided meanwhile; then it is kept."""
    promised.refilter(status=SymbolStatus.HALTED)
    await promised.move("99")
    assert promised.heard == []
    assert sorted(await promised.rests()) == [FIRST, SECOND]

    promised.refilter(status=SymbolStatus.TRADING)
    await promised.move("99")
    assert await told(promised) == {FIRST: CANCELED, SECOND: NEW}


async def test_a_promise_is_judged_by_the_filters_of_its_decision(promised: Case) -> None:
    """M6.1 (VC-59): the lot has changed; the old order rests on as it was taken."""
    promised.refilter(lot_size=Decimal("1.5"))
    await promised.move("99")
    assert await told(promised) == {SECOND: REJECTED}
    assert await promised.rests() == [FIRST]
    report = (await promised.venue.find_order("BTCUSDT", SECOND)).report
    assert report is not None
    assert str(report.reason).startswith("quantity_off_lot")
