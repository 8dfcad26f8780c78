"""What every venue must do: numbered, run for each adapter."""

from datetime import timedelta
from decimal import Decimal

import pytest

from tests.contract.conftest import CASH, FIRST, NOW, SECOND, Case
from tradebotd.domain.errors import OrderRejectedError, VenueUnavailableError
from tradebotd.domain.order import OrderStatus
from tradebotd.domain.quote import Quote
from tradebotd.domain.side import Side
from tradebotd.storage.postgres.database import Database
from tradebotd.venues.paper.venue import PaperVenue


async def test_a_submitted_order_is_found_with_its_fills(case: Case) -> None:
    """M6.1 (VC-1): what `submit` answered is what `find_order` tells."""
    report = await case.venue.submit(FIRST, case.order(Side.BUY, "2"))

    assert report.status is OrderStatus.FILLED
    assert sum(fill.quantity for fill in report.fills) == report.filled_quantity == 2
    assert (await case.venue.find_order("BTCUSDT", FIRST)).report == report


async def test_a_fill_names_its_order_as_the_report_does_wherever_it_is_told(case: Case) -> None:
    """R4, R5 (VC-40): by the venue's id always, by ours or by none."""
    report = await case.venue.submit(FIRST, case.order(Side.BUY, "2"))
    found = (await case.venue.find_order("BTCUSDT", FIRST)).report
    assert found is not None

    told = [*report.fills, *found.fills, *await case.venue.fills_since(NOW)]

    assert len(told) == 3
    assert {fill.venue_order_id for fill in told} == {report.venue_order_id}
    assert {fill.client_order_id for fill in told} <= {FIRST, None}


async def test_an_id_the_venue_never_saw_is_none(case: Case) -> None:
    """VC-2."""
    assert (await case.venue.find_order("BTCUSDT", SECOND)).report is None


async def test_fills_move_the_balances_by_price_quantity_and_fee(case: Case) -> None:
    """M6.1 (VC-3)."""
    report = await case.venue.submit(FIRST, case.order(Side.BUY, "2"))

    (fill,) = report.fills
    account = await case.venue.account()
    assert account.balances == {"BTC": Decimal(2), "USDT": CASH - 2 * fill.price - fill.fee}
    assert account.positions == {}


async def test_what_is_sold_to_nothing_is_left_out_of_the_account(case: Case) -> None:
    """VC-4: zeros are left out."""
    await case.venue.submit(FIRST, case.order(Side.BUY, "2"))
    await case.venue.submit(SECOND, case.order(Side.SELL, "2"))

    assert set((await case.venue.account()).balances) == {"USDT"}


async def test_a_doubled_client_order_id_is_refused_and_trades_nothing(case: Case) -> None:
    """VC-5, I1."""
    await case.venue.submit(FIRST, case.order(Side.BUY, "1"))
    before = await case.venue.account()

    with pytest.raises(OrderRejectedError, match="duplicate"):
        await case.venue.submit(FIRST, case.order(Side.BUY, "1"))

    assert await case.venue.account() == before
    assert len(await case.venue.fills_since(NOW)) == 1


@pytest.mark.parametrize(("side", "quantity"), [(Side.BUY, "11"), (Side.SELL, "1")])
async def test_what_the_balance_does_not_cover_is_rejected_and_remembered(
    case: Case, side: Side, quantity: str
) -> None:
    """VC-6: also a short sale on spot."""
    with pytest.raises(OrderRejectedError, match="insufficient balance"):
        await case.venue.submit(FIRST, case.order(side, quantity))

    report = (await case.venue.find_order("BTCUSDT", FIRST)).report
    assert report is not None
    assert (report.status, report.fills) == (OrderStatus.REJECTED, ())
    assert (await case.venue.account()).balances == {"USDT": CASH}


async def test_fills_since_includes_its_instant_and_comes_oldest_first(case: Case) -> None:
    """VC-7."""
    await case.venue.submit(FIRST, case.order(Side.BUY, "1"))
    case.clock.advance(timedelta(seconds=1))
    await case.venue.submit(SECOND, case.order(Side.BUY, "1"))

    fills = await case.venue.fills_since(NOW)
    assert [fill.client_order_id for fill in fills] == [FIRST, SECOND]
    assert [fill.executed_at for fill in fills] == [NOW, NOW + timedelta(seconds=1)]
    late = await case.venue.fills_since(NOW + timedelta(seconds=1))
    assert [fill.client_order_id for fill in late] == [SECOND]
    assert len({fill.trade_id for fill in fills}) == 2


async def test_a_final_order_cannot_be_cancelled(case: Case) -> None:
    """VC-8."""
    await case.venue.submit(FIRST, case.order(Side.BUY, "1"))
    for order in (FIRST, SECOND):
        with pytest.raises(OrderRejectedError):
            await case.venue.cancel("BTCUSDT", order)


async def test_an_unknown_symbol_is_rejected(case: Case) -> None:
    """VC-9."""
    with pytest.raises(OrderRejectedError, match="unknown symbol"):
        await case.venue.submit(FIRST, case.order(Side.BUY, "1", symbol="NOPE"))


async def test_quotes_are_the_last_prices(case: Case) -> None:
    """VC-10."""
    case.prices.move("BTCUSDT", "101.5")
    assert await case.venue.quotes([case.symbol]) == {"BTCUSDT": Quote(last=Decimal("101.5"))}


async def test_nothing_is_sent_or_asked_while_a_connection_is_held(
    case: Case, database: Database
) -> None:
    """M1.3 (VC-11)."""
    async with database.transaction():
        with pytest.raises(RuntimeError, match="holds a database connection"):
            await case.venue.submit(FIRST, case.order(Side.BUY, "1"))
        for asking in (
            case.venue.account(),
            case.venue.open_orders(),
            case.venue.find_order("BTCUSDT", FIRST),
            case.venue.fills_since(NOW),
            case.venue.funding_since(NOW),
            case.venue.transfers_since(NOW),
            case.venue.cancel("BTCUSDT", FIRST),
            case.venue.replace("BTCUSDT", FIRST, SECOND, case.order(Side.BUY, "1")),
            case.venue.submit_linked([(FIRST, case.order(Side.BUY, "1"))]),
        ):
            with pytest.raises(RuntimeError, match="holds a database connection"):
                await asking


async def test_without_a_price_an_order_never_reached_the_venue(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    """VC-12."""
    monkeypatch.setattr(case.prices, "_last", {})
    with pytest.raises(VenueUnavailableError):
        await case.venue.submit(FIRST, case.order(Side.BUY, "1"))
    assert (await case.venue.find_order("BTCUSDT", FIRST)).report is None


async def test_transfers_are_told_since_an_instant_oldest_first(case: Case) -> None:
    """M4.8 (VC-45): what can come in or leave is told, each under an id of its own."""
    assert case.venue.traits.tells_transfers
    assert list(await case.venue.transfers_since(NOW)) == []
    if isinstance(case.venue, PaperVenue):
        return  # nobody can bring or take its money
    case.venue.transfer(500)
    case.clock.advance(timedelta(seconds=1))
    case.venue.transfer(-200)

    told = await case.venue.transfers_since(NOW)
    assert [each.amount for each in told] == [500, -200]
    assert {each.asset for each in told} == {"USDT"}
    late = await case.venue.transfers_since(NOW + timedelta(seconds=1))
    assert [each.amount for each in late] == [-200]
    assert len({each.transfer_id for each in told}) == 2
    assert await case.balance("USDT") == CASH + 300
