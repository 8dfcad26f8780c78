"""An asset may be traded and be the money of another symbol: it is compared all the same."""

from decimal import Decimal

import pytest

from tests.fakes.trading import MINUTE, Desk, open_desk, spec
from tests.fakes.venue import Behaviour
from tradebotd.domain.bot import SizingKind, SizingRule
from tradebotd.domain.errors import OrderDeniedError, OutcomeUnknownError
from tradebotd.domain.ids import ClientOrderId
from tradebotd.domain.position import CloseReason
from tradebotd.domain.side import Side
from tradebotd.storage.postgres.database import Database

DIFFERS, EXTERNAL = "position_differs", "external_position"
TEN = SizingRule(kind=SizingKind.FIXED_QUANTITY, value=Decimal(10))
ONE = SizingRule(kind=SizingKind.FIXED_QUANTITY, value=Decimal(1))


@pytest.fixture
async def desk(database: Database) -> Desk:
    """One bot buys EUR for USDT, the other pays with EUR for BTC; 1,000 EUR were there before."""
    desk = await open_desk(
        database,
        spec("euros", "EURUSDT", sizing=TEN),
        spec("coins", "BTCEUR", sizing=ONE),
    )
    desk.venue.balances["EUR"] = Decimal(1_000)
    desk.tick("1.1", "EURUSDT")
    await look(desk)
    return desk


async def look(desk: Desk) -> list[str]:
    desk.clock.advance(MINUTE)
    return [str(each) for each in (await desk.reconciler.run()).differences]


async def close(desk: Desk, symbol: str) -> None:
    (held,) = (each for each in desk.protection.held.values() if each.symbol == symbol)
    await desk.protection.close_by_hand(held, CloseReason.SIGNAL)


async def test_what_trades_pay_and_earn_is_expected(desk: Desk) -> None:
    """M5.4, I8: what was there, what is held, and what went through it as money, with its fees."""
    await desk.enter("euros")
    assert await look(desk) == []
    await desk.enter("coins")
    assert await look(desk) == []

    desk.tick("120", "BTCEUR")
    await close(desk, "BTCEUR")
    assert await look(desk) == []
    await close(desk, "EURUSDT")
    assert await look(desk) == []

    assert desk.venue.balances["EUR"] == 1_000 + 20 - Decimal("0.088")
    assert await desk.open_alerts() == []


@pytest.mark.parametrize("paid", [False, True])
async def test_what_is_gone_of_it_is_a_difference(desk: Desk, *, paid: bool) -> None:
    """I2: ten euros of ours are gone, whether or not they are somebody's money besides."""
    await desk.enter("euros")
    if paid:
        await desk.enter("coins")
    await look(desk)
    desk.venue.balances["EUR"] -= 10

    (told,) = await look(desk)
    assert told.startswith("we hold 10 EUR, scripted says 0")
    assert await desk.open_alerts() == [DIFFERS]


async def test_somebody_elses_payment_explains_what_is_gone(desk: Desk) -> None:
    """M5.6: a purchase by hand in a symbol that is paid with it."""
    await desk.enter("euros")
    await look(desk)
    await desk.venue.trade_by_hand("BTCEUR", Side.BUY, "0.5")

    assert await look(desk) == []

    told = await desk.rows(
        "SELECT subject FROM alerts WHERE code = $1 AND cleared_at IS NULL ORDER BY 1", EXTERNAL
    )
    assert [row["subject"] for row in told] == ["scripted BTC", "scripted EUR"]


async def test_what_the_venue_rounds_is_no_difference(desk: Desk) -> None:
    """M5.6: a payment in its eighth decimal."""
    await desk.enter("coins")
    desk.venue.balances["EUR"] -= Decimal("0.000000004")

    assert await look(desk) == []


async def test_money_that_another_sale_brought_does_not_hide_what_was_sold(desk: Desk) -> None:
    """2.3: an exit in euros is unknown, and a coin was sold for as many: nothing is proven."""
    await desk.enter("euros")
    await desk.enter("coins")
    desk.venue.fee = Decimal(0)
    desk.tick("10", "BTCEUR")
    await look(desk)
    for symbol in ("EURUSDT", "BTCEUR"):
        desk.venue.script.append(Behaviour.DROP_AFTER)
        with pytest.raises(OutcomeUnknownError):
            await close(desk, symbol)
        desk.venue.hidden.add(ClientOrderId((await desk.orders())[-1]["client_order_id"]))
    desk.venue.fills_are_late = True
    await desk.execute("UPDATE orders SET send_by = send_by - interval '1 minute'")
    sent = len(desk.venue.submitted)

    with pytest.raises(OrderDeniedError):
        await close(desk, "EURUSDT")

    assert len(desk.venue.submitted) == sent
