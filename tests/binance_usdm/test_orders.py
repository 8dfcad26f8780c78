"""Orders of Binance USDT-M from the request to their end, against the simulator."""

from datetime import timedelta
from decimal import Decimal

import pytest

from tests.binance_usdm.scene import BTC, ETH, closing, named, order, scene, symbol
from tradebotd.domain.errors import OrderRejectedError, VenueUnavailableError
from tradebotd.domain.order import OrderStatus
from tradebotd.domain.order_type import OrderType
from tradebotd.domain.quote import PriceKind
from tradebotd.domain.side import Side
from tradebotd.ports.venue import SymbolSetup

BUY, SELL = Side.BUY, Side.SELL
LIMIT, STOP, TAKE = OrderType.LIMIT, OrderType.STOP_MARKET, OrderType.TAKE_PROFIT_MARKET
NEW, FILLED, CANCELED = OrderStatus.NEW, OrderStatus.FILLED, OrderStatus.CANCELED
SYMBOL = BTC.symbol


async def test_an_order_is_told_with_its_fills_which_no_placement_answers() -> None:
    """M6.1: from the list of trades, and the same whoever asks."""
    async with scene(streams=True) as usdm:
        report = await usdm.send("tb1", order(BUY, "0.1"))
        assert (report.status, report.filled_quantity) == (FILLED, Decimal("0.1"))
        (fill,) = report.fills
        assert (fill.price, fill.fee) == (Decimal(60000), Decimal("2.4"))
        assert fill.fee_asset == "USDT"
        found = await usdm.venue.find_order(SYMBOL, named("tb1"))
        assert found.report == report
        await usdm.until(lambda: any(each.fills for each in usdm.heard))
        assert [each.fills for each in usdm.heard if each.fills] == [(fill,)]


async def test_a_stop_rests_triggers_and_is_told_with_both_its_ids() -> None:
    async with scene(streams=True) as usdm:
        await usdm.send("tb1", order(BUY, "0.1"))
        rests = await usdm.send("tb2", closing(SELL, "0.1", STOP, "59000"))
        assert (rests.status, rests.other_ids) == (NEW, ())
        (told,) = await usdm.venue.open_orders([SYMBOL])
        assert (told.client_order_id, told.venue_order_id) == ("tb2", rests.venue_order_id)
        assert told.asked == closing(SELL, "0.1", STOP, "59000")

        usdm.price("58900")

        await usdm.until(lambda: any(each.other_ids and each.fills for each in usdm.heard))
        sold = [each for each in usdm.heard if each.client_order_id == "tb2" and each.fills]
        (found,) = sold
        assert found.venue_order_id == rests.venue_order_id
        assert len(found.other_ids) == 1
        assert (await usdm.venue.find_order(SYMBOL, named("tb2"))).report == found
        (trade,) = [
            each
            for each in await usdm.venue.fills_since(usdm.clock.now(), [SYMBOL])
            if each.client_order_id == "tb2"
        ]
        assert trade == found.fills[0]
        assert (await usdm.venue.account()).positions == {}


async def test_a_stop_is_known_again_by_an_adapter_that_never_sent_it() -> None:
    """R4: by asking both paths, and the list of fills by what the stop has become."""
    async with scene() as usdm:
        await usdm.send("tb1", order(BUY, "0.1"))
        rests = await usdm.send("tb2", closing(SELL, "0.1", STOP, "59000"))
        usdm.price("58900")
        usdm.parts.lookups._names.__init__()  # type: ignore[misc]
        fills = await usdm.venue.fills_since(usdm.clock.now(), [SYMBOL])
        assert [each.client_order_id for each in fills] == ["tb1", "tb2"]
        usdm.parts.lookups._names.__init__()  # type: ignore[misc]
        found = (await usdm.venue.find_order(SYMBOL, named("tb2"))).report
        assert found is not None
        assert (found.venue_order_id, found.status) == (rests.venue_order_id, FILLED)


@pytest.mark.parametrize("forgets", [False, True])
@pytest.mark.parametrize(("kind", "price"), [(STOP, "59000"), (TAKE, "61000"), (LIMIT, "61000")])
async def test_whatever_rests_is_cancelled_on_its_path(
    kind: OrderType, price: str, *, forgets: bool
) -> None:
    """An adapter that has forgotten which of both it is finds out."""
    async with scene() as usdm:
        await usdm.send("tb1", order(BUY, "0.1"))
        await usdm.send("tb2", closing(SELL, "0.1", kind, price))
        if forgets:
            usdm.parts.lookups._names.__init__()  # type: ignore[misc]
        report = await usdm.venue.cancel(SYMBOL, named("tb2"))
        assert (report.client_order_id, report.status) == ("tb2", CANCELED)
        assert await usdm.venue.open_orders([SYMBOL]) == []
        with pytest.raises(OrderRejectedError, match="nothing to cancel"):
            await usdm.venue.cancel(SYMBOL, named("tb2"))


async def test_a_stop_limit_that_was_run_through_is_cancelled_as_what_it_became() -> None:
    async with scene() as usdm:
        await usdm.send("tb1", order(BUY, "0.1"))
        stop = closing(SELL, "0.1", OrderType.STOP_LIMIT, "59000", limit_price=Decimal(58950))
        await usdm.send("tb2", stop)
        usdm.price("58000")
        (rests,) = await usdm.venue.open_orders([SYMBOL])
        assert (rests.client_order_id, rests.status) == ("tb2", NEW)
        report = await usdm.venue.cancel(SYMBOL, named("tb2"))
        assert (report.client_order_id, report.status) == ("tb2", CANCELED)
        assert await usdm.venue.open_orders([SYMBOL]) == []


async def test_stops_are_compared_with_the_price_that_was_asked_for() -> None:
    """M4.7: the mark price, or the last one."""
    async with scene() as usdm:
        await usdm.send("tb1", order(BUY, "0.1"))
        by_mark = closing(SELL, "0.1", STOP, "59000", working_price=PriceKind.MARK)
        await usdm.send("tb2", by_mark)
        usdm.market.set_mark("BTCUSDT", Decimal(60000))
        usdm.price("58000")
        (rests,) = await usdm.venue.open_orders([SYMBOL])
        assert rests.asked == by_mark
        with pytest.raises(OrderRejectedError, match=r"^working_price_not_taken"):
            await usdm.send("tb3", closing(SELL, "0.1", STOP, "59000", working_price=PriceKind.BID))


async def test_a_symbol_is_set_up_once_and_again() -> None:
    """M6.2: isolated, one-way, with its leverage; what is set already is no error."""
    async with scene() as usdm:
        for leverage in (5, 5, 3):
            await usdm.venue.set_up(SYMBOL, SymbolSetup(leverage=leverage))
        assert usdm.account.isolated == {"BTCUSDT"}
        assert usdm.account.leverages == {"BTCUSDT": 3}
        await usdm.send("tb1", order(BUY, "0.1"))
        account = await usdm.venue.account()
        assert account.margin_used == {"USDT": Decimal(2000)}
        assert account.entry_prices == {SYMBOL: Decimal(60000)}
        assert account.balances == {"USDT": Decimal("9997.6")}
        with pytest.raises(OrderRejectedError, match="position"):
            await usdm.venue.set_up(SYMBOL, SymbolSetup(leverage=2))
        with pytest.raises(OrderRejectedError, match=r"^leverage_above_maximum"):
            await usdm.venue.set_up(ETH.symbol, SymbolSetup(leverage=126))


async def test_quotes_are_told_of_few_and_of_many() -> None:
    """M4.7: last, mark, bid and ask."""
    async with scene() as usdm:
        usdm.market.set_mark("BTCUSDT", Decimal(60010))
        few = await usdm.venue.quotes([BTC])
        assert few[SYMBOL].mark == 60010
        assert {few[SYMBOL].last, few[SYMBOL].bid, few[SYMBOL].ask} == {Decimal(60000)}
        assert set(few[SYMBOL].times) == set(PriceKind)
        more = [symbol(name, f"{name}USDT") for name in ("DOGE", "TSLA")]
        assert (await usdm.venue.quotes([BTC, ETH, *more]))[SYMBOL] == few[SYMBOL]


async def test_a_position_mode_is_not_changed_under_orders_or_positions() -> None:
    """M6.2: -4067, -4068, and -4168 in multi-assets mode: the venue's words are told."""
    async with scene() as usdm:
        await usdm.send("tb1", order(BUY, "0.1", LIMIT, "59000"))
        usdm.account.dual_side = True
        with pytest.raises(OrderRejectedError, match="open orders"):
            await usdm.venue.set_up(SYMBOL, SymbolSetup())
        usdm.account.dual_side = False
        await usdm.venue.cancel(SYMBOL, named("tb1"))
        usdm.account.multi_assets = True
        with pytest.raises(OrderRejectedError, match="Multi-Assets"):
            await usdm.venue.set_up(SYMBOL, SymbolSetup())
        with pytest.raises(OrderRejectedError, match="hedge mode"):
            await usdm.venue.set_up(SYMBOL, SymbolSetup(one_way=False))


@pytest.mark.parametrize("burns", [False, True])
async def test_commissions_are_those_of_the_account_and_in_bnb_where_it_pays_so(
    *, burns: bool
) -> None:
    """M6.1 (VC-57)."""
    async with scene() as usdm:
        usdm.account.fee_burn = burns
        (told,) = (await usdm.venue.commissions([BTC])).values()
        assert (told.maker, told.taker) == (Decimal("0.0002"), Decimal("0.0004"))
        assert (told.asset, told.in_base) == ("BNB" if burns else None, False)


async def test_a_cancel_costs_its_weight_and_a_placement_none() -> None:
    """F8: other than at spot, where either is free once it has succeeded."""
    async with scene() as usdm:
        await usdm.venue.account()

        def spent() -> int:
            window = usdm.parts.limits.gate.limits.window("REQUEST_WEIGHT_1M")
            assert window is not None
            return window.own(usdm.clock.now_ms() / 1000)

        before = spent()
        await usdm.send("tb1", order(SELL, "0.1", STOP, "59000"))
        await usdm.send("tb2", order(BUY, "0.1", LIMIT, "59000"))
        assert spent() == before
        await usdm.venue.cancel(SYMBOL, named("tb1"))
        await usdm.venue.cancel(SYMBOL, named("tb2"))
        assert spent() == before + 2


async def test_fills_are_read_by_windows_and_pages_to_their_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """VC-90: seven days a window, here two rows a page; in both symbols, each with its order."""
    monkeypatch.setattr("tradebotd.venues.binance.usdm.trades.PAGE", 2)
    async with scene() as usdm:
        begun = usdm.clock.now()
        for number in range(5):
            usdm.clock.advance(timedelta(days=8))
            await usdm.send(f"tb{number}", order(BUY, "0.1"))
            await usdm.send(f"te{number}", order(BUY, "1", symbol=ETH.symbol))
        fills = await usdm.venue.fills_since(begun, [SYMBOL, ETH.symbol])
        assert len(fills) == 10
        assert {each.client_order_id for each in fills if each.symbol == SYMBOL} == {
            f"tb{number}" for number in range(5)
        }
        assert [each.executed_at for each in fills] == sorted(each.executed_at for each in fills)


async def test_an_order_of_many_trades_has_all_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """VC-1: by pages; what trades lag behind the order raises, and is no smaller order."""
    monkeypatch.setattr("tradebotd.venues.binance.usdm.trades.PAGE", 2)
    async with scene() as usdm:
        asks = [(Decimal(60000 + n), Decimal("0.02")) for n in range(5)]
        usdm.market.set_book("BTCUSDT", [(Decimal(59990), Decimal(9))], asks)
        report = await usdm.send("tb1", order(BUY, "0.1"))
        assert (len(report.fills), report.filled_quantity) == (5, Decimal("0.1"))
        kept = usdm.account.trades.pop()
        with pytest.raises(VenueUnavailableError, match="lag behind"):
            await usdm.venue.find_order(SYMBOL, named("tb1"))
        usdm.account.trades.append(kept)
        usdm.clock.advance(timedelta(days=30))
        assert (await usdm.venue.find_order(SYMBOL, named("tb1"))).report == report


async def test_a_stop_is_found_under_its_symbol_only() -> None:
    """VC-29: the question for an algo order knows no symbol."""
    async with scene() as usdm:
        await usdm.send("tb1", order(SELL, "0.1", STOP, "59000"))
        assert (await usdm.venue.find_order(ETH.symbol, named("tb1"))).report is None
        assert (await usdm.venue.find_order(SYMBOL, named("tb1"))).report is not None
