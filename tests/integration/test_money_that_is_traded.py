"""An asset may be traded and be the money of another symbol: it is compared all the same."""

from decimal import Decimal

import pytest

from tests.fakes.trading import MINUTE, TradingHarness, open_harness, spec
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
async def harness(database: Database) -> TradingHarness:
    """One bot buys EUR for USDT, the other pays with EUR for BTC; 1,000 EUR were there before."""
    harness = await open_harness(
        database,
        spec("euros", "EURUSDT", sizing=TEN),
        spec("coins", "BTCEUR", sizing=ONE),
    )
    harness.venue.balances["EUR"] = Decimal(1_000)
    harness.tick("1.1", "EURUSDT")
    await look(harness)
    return harness


async def look(harness: TradingHarness) -> list[str]:
    harness.clock.advance(MINUTE)
    return [str(each) for each in (await harness.reconciler.run()).differences]


async def close(harness: TradingHarness, symbol: str) -> None:
    (held,) = (each for each in harness.protection.held.values() if each.symbol == symbol)
    await harness.protection.close_now(held, CloseReason.SIGNAL)


async def test_what_trades_pay_and_earn_is_expected(harness: TradingHarness) -> None:
    """M5.4, I8: what was there, what is held, and what went through it as money, with its fees."""
    await harness.enter("euros")
    assert await look(harness) == []
    await harness.enter("coins")
    assert await look(harness) == []

    harness.tick("120", "BTCEUR")
    await close(harness, "BTCEUR")
    assert await look(harness) == []
    await close(harness, "EURUSDT")
    assert await look(harness) == []

    assert harness.venue.balances["EUR"] == 1_000 + 20 - Decimal("0.088")
    assert await harness.open_alerts() == []


@pytest.mark.parametrize("paid", [False, True])
async def test_what_is_gone_of_it_is_a_difference(harness: TradingHarness, *, paid: bool) -> None:
    """I2: ten euros of ours are gone, whether or not they are somebody's money besides."""
    await harness.enter("euros")
    if paid:
        await harness.enter("coins")
    await look(harness)
    harness.venue.balances["EUR"] -= 10

    (told,) = await look(harness)
    assert told.startswith("we hold 10 EUR, scripted says 0")
    assert await harness.open_alerts() == [DIFFERS]


async def test_somebody_elses_payment_explains_what_is_gone(harness: TradingHarness) -> None:
    """M5.6: a purchase by hand in a symbol that is paid with it."""
    await harness.enter("euros")
    await look(harness)
    await harness.venue.trade_by_hand("BTCEUR", Side.BUY, "0.5")

    assert await look(harness) == []

    told = await harness.rows(
        "SELECT subject FROM alerts WHERE code = $1 AND cleared_at IS NULL ORDER BY 1", EXTERNAL
    )
    assert [row["subject"] for row in told] == ["scripted BTC", "scripted EUR"]


async def test_what_the_venue_rounds_is_no_difference(harness: TradingHarness) -> None:
    """M5.6: a payment in its eighth decimal."""
    await harness.enter("coins")
    harness.venue.balances["EUR"] -= Decimal("0.000000004")

    assert await look(harness) == []


async def test_money_that_another_sale_brought_does_not_hide_what_was_sold(
    harness: TradingHarness,
) -> None:
    """2.3: an exit in euros is unknown, and a coin was sold for as many: nothing is proven."""
    await harness.enter("euros")
    await harness.enter("coins")
    harness.venue.fee = Decimal(0)
    harness.tick("10", "BTCEUR")
    await look(harness)
    for symbol in ("EURUSDT", "BTCEUR"):
        harness.venue.script.append(Behaviour.DROP_AFTER)
        with pytest.raises(OutcomeUnknownError):
            await close(harness, symbol)
        harness.venue.hidden.add(ClientOrderId((await harness.orders())[-1]["client_order_id"]))
    harness.venue.fills_are_late = True
    await harness.execute("UPDATE orders SET send_by = send_by - interval '1 minute'")
    sent = len(harness.venue.submitted)

    with pytest.raises(OrderDeniedError):
        await close(harness, "EURUSDT")

    assert len(harness.venue.submitted) == sent
