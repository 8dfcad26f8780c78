"""How every venue that sets up symbols does so: numbered, run for each adapter."""

from decimal import Decimal
from typing import Any

import pytest

from tests.contract.conftest import FIRST, FUTURES, SECOND, Case
from tradebotd.domain.errors import OrderRejectedError
from tradebotd.domain.order import OrderStatus, OrderType
from tradebotd.domain.side import Side
from tradebotd.ports.venue import SymbolSetup

BUY, SELL = Side.BUY, Side.SELL
FIVE = SymbolSetup(leverage=5)
LENT: dict[str, Any] = {"position_type": FUTURES}


async def test_an_order_borrows_what_its_symbol_was_set_up_with(case: Case) -> None:
    """M6.2 (VC-77): 1,000 of cash carry 4,000 at leverage 5; no order says which."""
    with pytest.raises(OrderRejectedError, match="balance"):
        await case.venue.submit(FIRST, case.order(BUY, "40", **LENT))
    await case.venue.set_up("BTCUSDT", FIVE)

    report = await case.venue.submit(SECOND, case.order(BUY, "40", **LENT))

    assert report.status is OrderStatus.FILLED
    assert (await case.venue.account()).positions == {"BTCUSDT": Decimal(40)}


async def test_what_is_set_up_already_is_no_error(case: Case) -> None:
    """M6.2 (VC-78): also while a position is held and an order rests; a restart sets it again."""
    await case.venue.set_up("BTCUSDT", FIVE)
    await case.venue.set_up("BTCUSDT", FIVE)
    await case.venue.submit(FIRST, case.order(BUY, "1", **LENT))
    await case.venue.submit(SECOND, case.order(BUY, "1", OrderType.LIMIT, "90", **LENT))

    await case.venue.set_up("BTCUSDT", FIVE)

    assert await case.rests() == [SECOND]


@pytest.mark.parametrize("rests", [False, True])
async def test_a_set_up_is_not_changed_under_a_position_or_an_order(
    case: Case, *, rests: bool
) -> None:
    """M6.2 (VC-79): it is refused, and what was set up stays."""
    await case.venue.set_up("BTCUSDT", FIVE)
    entry = (
        case.order(BUY, "1", OrderType.LIMIT, "90", **LENT)
        if rests
        else case.order(BUY, "1", **LENT)
    )
    await case.venue.submit(FIRST, entry)

    with pytest.raises(OrderRejectedError, match="position"):
        await case.venue.set_up("BTCUSDT", SymbolSetup(leverage=2))

    # At leverage 2 the cash would not carry it.
    report = await case.venue.submit(SECOND, case.order(BUY, "30", **LENT))
    assert report.status is OrderStatus.FILLED


@pytest.mark.parametrize("filters", [{"max_leverage": 5}], ids=["filters"])
@pytest.mark.parametrize(
    ("setup", "words"),
    [(SymbolSetup(leverage=6), r"^leverage_above_maximum"), (SymbolSetup(one_way=False), None)],
)
async def test_a_set_up_that_the_symbol_does_not_allow_is_refused(
    case: Case, setup: SymbolSetup, words: str | None
) -> None:
    """M6.2 (VC-80): by the filter's name; and positions of both sides are not kept here."""
    with pytest.raises(OrderRejectedError, match=words):
        await case.venue.set_up("BTCUSDT", setup)
