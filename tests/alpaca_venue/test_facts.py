"""Facts of Alpaca that the adapter relies on, tried against its simulator."""

from datetime import timedelta
from decimal import Decimal

import pytest

from tests.alpaca_venue.scene import APPLE, BTC, PENNY, Stage, named, order, staged, symbol
from tests.simulators.alpaca.orders import Status
from tests.simulators.alpaca.terms import Terms
from tradebotd.domain.errors import OrderRejectedError
from tradebotd.domain.filters import SymbolStatus
from tradebotd.domain.ids import ClientOrderId
from tradebotd.domain.order import OrderReport, OrderRequest, OrderStatus
from tradebotd.domain.order_type import OrderType, TimeInForce
from tradebotd.domain.quote import PriceKind
from tradebotd.domain.side import Side
from tradebotd.ports.venue import not_blocked
from tradebotd.venues.alpaca import lookups
from tradebotd.venues.alpaca.names import OrderNames

BUY, SELL, STOP, LIMIT = Side.BUY, Side.SELL, OrderType.STOP_MARKET, OrderType.LIMIT
HOUR = timedelta(hours=1)


async def send(stage: Stage, name: str, request: OrderRequest) -> OrderReport:
    return await stage.venue.submit(named(name), request, send_blocked_by=not_blocked)


async def found(stage: Stage, name: str, ours: str = APPLE.symbol) -> OrderReport:
    report = (await stage.venue.find_order(ours, named(name))).report
    assert report is not None
    return report


def forget(stage: Stage) -> None:
    """As behind a restart: what the adapter has learned is gone."""
    names = OrderNames()
    stage.parts.names._names, stage.parts.names._ids = names._names, names._ids
    stage.parts.names._sizes = names._sizes


async def pair(stage: Stage) -> None:
    await send(stage, "tb1", order(BUY, "10"))
    both = [
        (named("tb2"), order(SELL, "10", STOP, "190")),
        (named("tb3"), order(SELL, "10", LIMIT, "210")),
    ]
    await stage.venue.submit_linked(both, send_blocked_by=not_blocked)


async def test_an_account_without_fields_of_day_trading_is_read() -> None:
    """A1: the venue has none of them any more."""
    async with staged() as stage:
        assert "daytrade_count" not in (await stage.parts.account_state()).object()
        account = await stage.venue.account()
        assert account.buying_power == {"USD": Decimal(200_000)}


async def test_a_stop_does_not_run_overnight() -> None:
    """A2: nor before and after the session; it rests, and the daemon guards."""
    async with staged() as stage:
        await send(stage, "tb1", order(BUY, "10"))
        await send(stage, "tb2", order(SELL, "10", STOP, "190"))
        stage.clock.advance(timedelta(hours=12))  # 22:00 in New York
        stage.price("150")
        assert (await found(stage, "tb2")).status is OrderStatus.NEW
        assert (await stage.venue.server_clock()).is_open is False


async def test_a_share_that_is_hard_to_borrow_is_not_shortable() -> None:
    """A4: by `borrow_status`; whether `easy_to_borrow` is there or not."""
    hard = symbol("hard", "HARD", "HARD")
    for told in (True, False):
        terms = Terms(tells_easy_to_borrow=told, storm=10_000)
        async with staged(symbols=(APPLE, hard), terms=terms) as stage:
            answers = await stage.venue.instruments([APPLE, hard])
            assert (answers["apple"].shortable, answers["hard"].shortable) == (True, False)


@pytest.mark.parametrize("status", [Status.PENDING_REVIEW, Status.SUSPENDED])
async def test_an_order_in_review_is_unknown(status: Status) -> None:
    """A5: it neither works nor is over."""
    async with staged() as stage:
        report = await send(stage, "tb1", order(BUY, "10", LIMIT, "150"))
        stage.exchange.mark(report.venue_order_id, status)
        told = await found(stage, "tb1")
        assert (told.status, told.reason) == (OrderStatus.UNKNOWN, status.value)


async def test_a_fill_may_be_later_than_the_order_was_made() -> None:
    """A6: `submitted_at` is not `created_at`, and fills come after it."""
    async with staged() as stage:
        await send(stage, "tb1", order(BUY, "10"))
        (fill,) = (await found(stage, "tb1")).fills
        assert fill.executed_at > stage.clock.now()


async def test_open_orders_are_listed_by_cursors_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """A7: 50 unless asked for more; pages end before the last order of the one before."""
    monkeypatch.setattr(lookups, "PAGE", 7)
    async with staged() as stage:
        for number in range(30):
            await send(stage, f"tb{number}", order(BUY, "1", LIMIT, f"1{number:02}"))
        told = await stage.venue.open_orders([APPLE.symbol])
        assert {each.client_order_id for each in told} == {f"tb{n}" for n in range(30)}
        assert len(told) == 30
        assert stage.requests("/v2/orders", "GET") == 5


async def test_activities_are_listed_page_by_page() -> None:
    """R4: 100 a page at most; each fill once, oldest first."""
    async with staged(terms=Terms(requests_per_minute=100_000, storm=10_000)) as stage:
        stage.exchange.quote("AAPL", "200", "200", ask_size="0.5")
        since = stage.clock.now()
        await send(stage, "tb0", order(BUY, "1"))
        for _ in range(250):
            stage.clock.advance(timedelta(milliseconds=1))
            stage.exchange.quote("AAPL", "200", "200", ask_size="0.003")
        told = await stage.venue.fills_since(since, [APPLE.symbol])
        assert len(told) > 100
        assert [each.executed_at for each in told] == sorted(each.executed_at for each in told)
        assert len({each.trade_id for each in told}) == len(told)
        whole = await found(stage, "tb0")
        assert sum(each.quantity for each in told) == whole.filled_quantity


async def test_a_replaced_order_and_its_successor_are_two_orders_of_ours() -> None:
    """A8: 200 is a promise; the old one is `replaced` under its id, the new one has its own."""
    async with staged() as stage:
        await send(stage, "tb1", order(BUY, "10"))
        await send(stage, "tb2", order(SELL, "10", STOP, "190"))
        told = await stage.venue.replace(
            APPLE.symbol,
            named("tb2"),
            named("tb3"),
            order(SELL, "10", STOP, "195"),
            send_blocked_by=not_blocked,
        )
        assert (told.new.status, told.old) == (OrderStatus.NEW, None)
        for name, status in (("tb2", OrderStatus.CANCELED), ("tb3", OrderStatus.NEW)):
            forget(stage)
            assert (await found(stage, name)).status is status
            assert (await found(stage, name)).other_ids == ()


async def test_what_the_venue_has_replaced_by_itself_is_the_same_order() -> None:
    """A8: a corporate action gives it another id, and a client id that is none of ours."""
    async with staged() as stage:
        report = await send(stage, "tb1", order(BUY, "10", LIMIT, "150"))
        stage.exchange.replace(report.venue_order_id, {"limit_price": "75", "qty": "20"})
        told = await found(stage, "tb1")
        assert (told.client_order_id, told.status) == ("tb1", OrderStatus.NEW)
        assert told.other_ids == (report.venue_order_id,)
        assert told.venue_order_id != report.venue_order_id
        assert (await stage.venue.cancel(APPLE.symbol, named("tb1"))).status is (
            OrderStatus.CANCELED
        )


async def test_an_order_for_a_fraction_is_not_replaced() -> None:
    """A8: it is refused before it is asked for; the daemon cancels first."""
    async with staged() as stage:
        await send(stage, "tb1", order(BUY, "1.5", LIMIT, "150"))
        with pytest.raises(OrderRejectedError, match=r"^quantity_off_lot"):
            await stage.venue.replace(
                APPLE.symbol,
                named("tb1"),
                named("tb2"),
                order(BUY, "1.5", LIMIT, "151"),
                send_blocked_by=not_blocked,
            )
        assert stage.requests("/v2/orders", "PATCH") == 0


async def test_the_clock_is_read_with_its_offset_and_its_session() -> None:
    """A9."""
    async with staged() as stage:
        clock = await stage.venue.server_clock()
        assert clock.time == stage.clock.now()
        assert clock.is_open is True
        assert clock.next_close == stage.clock.now() + 6 * HOUR


async def test_fills_of_one_order_are_asked_for_by_its_id() -> None:
    """A9: since 2026-07-29; what else is listed is left out."""
    async with staged() as stage:
        await send(stage, "tb1", order(BUY, "10"))
        await send(stage, "tb2", order(BUY, "5"))
        for name, quantity in (("tb1", 10), ("tb2", 5)):
            assert [each.quantity for each in (await found(stage, name)).fills] == [quantity]


async def test_nothing_that_must_never_be_called_was_called() -> None:
    """A10: the simulator keeps a list."""
    async with staged(streams=True, feed="sip") as stage:
        await pair(stage)
        await stage.venue.quotes([APPLE])
        await stage.venue.instruments([APPLE, PENNY])
        await stage.venue.transfers_since(stage.clock.now() - HOUR)
        await stage.venue.cancel(APPLE.symbol, named("tb2"))
        assert stage.simulator.gate.violations == []


async def test_the_legs_of_a_pair_outlast_the_day() -> None:
    """A12: GTC; after a restart either id finds its own order, and one cancel ends both."""
    async with staged() as stage:
        await pair(stage)
        stage.clock.advance(timedelta(days=1))
        forget(stage)
        told = {each.client_order_id: each for each in await stage.venue.open_orders(["apple"])}
        assert {name: each.status for name, each in told.items()} == {
            "tb2": OrderStatus.NEW,
            "tb3": OrderStatus.NEW,
        }
        forget(stage)
        assert (await found(stage, "tb2")).venue_order_id == told[named("tb2")].venue_order_id
        forget(stage)
        await stage.venue.cancel(APPLE.symbol, named("tb2"))
        for name in ("tb2", "tb3"):
            forget(stage)
            assert (await found(stage, name)).status is OrderStatus.CANCELED


async def test_the_stop_of_a_pair_that_has_sold_is_found_with_its_fill() -> None:
    """A12, R4: the target went with it."""
    async with staged() as stage:
        await pair(stage)
        stage.price("189")
        for name, status in (("tb2", OrderStatus.FILLED), ("tb3", OrderStatus.CANCELED)):
            forget(stage)
            assert (await found(stage, name)).status is status
        forget(stage)
        fills = await stage.venue.fills_since(stage.clock.now() - HOUR, [APPLE.symbol])
        assert [each.client_order_id for each in fills] == ["tb1", "tb2"]


async def test_the_stop_of_a_pair_whose_target_was_filled_whole_is_the_order_that_was_sent() -> (
    None
):
    """A12: it is cancelled as it was, not made smaller first; first seen behind a restart."""
    async with staged() as stage:
        await pair(stage)
        stage.price("211")
        forget(stage)

        stop = await found(stage, "tb2")

        assert stop.status is OrderStatus.CANCELED
        assert stop.asked is not None
        assert stop.asked.quantity == 10


async def test_a_stop_that_its_target_made_smaller_is_the_order_that_was_sent() -> None:
    """A5, A12: restated to what is left; it ends without the part that the target has sold."""
    async with staged(streams=True) as stage:
        await pair(stage)
        stage.exchange.quote("AAPL", "210", "210.5", bid_size="4")
        for restarted in (False, True):
            if restarted:
                forget(stage)
            told = {each.client_order_id: each for each in await stage.venue.open_orders(["apple"])}
            assert [each.asked.quantity for each in told.values() if each.asked] == [10, 10]
            assert told[named("tb3")].filled_quantity == 4
        await stage.until(lambda: any(each.filled_quantity == 4 for each in stage.heard))
        stage.price("189")
        await stage.until(lambda: any(each.filled_quantity == 6 for each in stage.heard))
        ended = next(each for each in stage.heard if each.filled_quantity == 6)
        for told_stop in (ended, await found(stage, "tb2")):
            assert told_stop.asked is not None
            assert told_stop.client_order_id == "tb2"
            assert told_stop.asked.quantity == 10
            assert told_stop.status is OrderStatus.CANCELED
            assert told_stop.filled_quantity == 6
        target = await found(stage, "tb3")
        assert target.status is OrderStatus.CANCELED
        assert target.filled_quantity == 4


async def test_a_day_order_is_told_as_expired() -> None:
    """M5.4: a stop that ended is no stop any more."""
    async with staged() as stage:
        await send(stage, "tb1", order(BUY, "10"))
        day = order(SELL, "10", STOP, "190", time_in_force=TimeInForce.DAY)
        await send(stage, "tb2", day)
        stage.clock.advance(timedelta(hours=8))
        assert (await found(stage, "tb2")).status is OrderStatus.EXPIRED


async def test_a_cancel_that_is_pending_is_not_over() -> None:
    """VC-93: it may fill before the cancel arrives."""
    async with staged(terms=Terms(cancel_delay=HOUR, storm=10_000)) as stage:
        await send(stage, "tb1", order(BUY, "10", LIMIT, "150"))
        for _ in range(2):  # asked again, it is as it was
            assert (await stage.venue.cancel(APPLE.symbol, named("tb1"))).status is OrderStatus.NEW
        stage.price("149")
        assert (await found(stage, "tb1")).status is OrderStatus.FILLED


async def test_a_sale_of_what_is_not_held_opens_no_short_position() -> None:
    """M5.6: the account may sell short; each sale says that it closes."""
    async with staged() as stage:
        with pytest.raises(OrderRejectedError, match=r"^insufficient balance"):
            await send(stage, "tb1", order(SELL, "1"))
        await send(stage, "tb2", order(BUY, "1"))
        with pytest.raises(OrderRejectedError, match=r"^insufficient balance"):
            await send(stage, "tb3", order(SELL, "2"))
        assert (await stage.venue.account()).positions == {}


@pytest.mark.parametrize("quantity", ["0.018338548", "0.018338546", "0.001000001"])
async def test_the_fee_of_crypto_leaves_no_more_than_the_venue_has(quantity: str) -> None:
    """M6.1: rounded up to the venue's digits; a unit less and each exit would ask for too much."""
    async with staged(symbols=(BTC,)) as stage:
        await send(stage, "tb1", order(BUY, quantity, symbol=BTC.symbol))
        (fill,) = (await found(stage, "tb1", BTC.symbol)).fills
        held = fill.quantity - fill.fee
        assert held == (await stage.venue.account()).balances["BTC"]
        await send(stage, "tb2", order(SELL, str(held), symbol=BTC.symbol))
        (sold,) = (await found(stage, "tb2", BTC.symbol)).fills
        assert sold.fee == stage.exchange.desk.executions[-1].fee


async def test_crypto_is_traded_held_and_told_by_its_two_names() -> None:
    """M6.1: BTC/USD in orders, BTCUSD in positions; the fee is what is missing."""
    async with staged(symbols=(BTC,)) as stage:
        await send(stage, "tb1", order(BUY, "0.5", symbol=BTC.symbol))
        (fill,) = (await found(stage, "tb1", BTC.symbol)).fills
        account = await stage.venue.account()
        assert account.balances["BTC"] == fill.quantity - fill.fee == Decimal("0.49875")
        stop = order(
            SELL,
            "0.4",
            OrderType.STOP_LIMIT,
            "50000",
            symbol=BTC.symbol,
            limit_price=Decimal(49000),
        )
        await send(stage, "tb2", stop)
        (rests,) = await stage.venue.open_orders([BTC.symbol])
        assert rests.asked == stop
        assert (await stage.venue.server_clock()).is_open is None
        instrument = (await stage.venue.instruments([BTC]))[BTC.symbol]
        assert instrument.min_notional == 10
        assert (await stage.venue.quotes([BTC]))[BTC.symbol].last == 60000


async def test_assets_that_are_gone_or_unknown_are_delisted() -> None:
    """M6.1 (VC-53): with the filters that they are known with."""
    gone, none = symbol("gone", "GONE", "GONE"), symbol("none", "NONE", "NONE")
    async with staged(symbols=(gone, none)) as stage:
        told = await stage.venue.instruments([gone, none])
        assert {each.status for each in told.values()} == {SymbolStatus.DELISTED}


async def test_prices_of_many_exchanges_have_sides_where_there_are_some() -> None:
    """M4.7: 0 is no quote; a share without a trade has no price."""
    async with staged(feed="sip") as stage:
        stage.price("200", bid="0")
        told = await stage.venue.quotes([APPLE, PENNY])
        assert list(told) == ["apple"]
        assert told["apple"].bid is None
        assert told["apple"].last == told["apple"].ask == 200
        assert set(told["apple"].times) == {PriceKind.LAST, PriceKind.BID, PriceKind.ASK}
        stage.price("0.1234", "PENY")
        instrument = (await stage.venue.instruments([PENNY]))["penny"]
        assert instrument.tick_size == Decimal("0.0001")


@pytest.mark.parametrize(("ahead", "refused"), [(0.9, False), (1.5, True), (-1.5, True)])
async def test_a_clock_that_is_off_by_more_than_a_second_is_refused(
    ahead: float, *, refused: bool
) -> None:
    """M6.1."""
    async with staged(ahead=timedelta(seconds=ahead)) as stage:
        assert bool((await stage.venue.vet_key()).refusals) is refused


async def test_a_blocked_account_and_a_key_of_the_other_kind_are_refused() -> None:
    """M6.1: before anything is traded."""
    terms = Terms(trading_blocked=True, storm=10_000)
    async with staged(terms=terms) as stage:
        (refusal,) = (await stage.venue.vet_key()).refusals
        assert "trading_blocked" in refusal
    async with staged(live=True) as stage:
        (refusal,) = (await stage.venue.vet_key()).refusals
        assert "paper account" in refusal
        assert stage.requests("/v2/account") == 0


async def test_an_external_order_is_told_under_its_own_name() -> None:
    """M4.8: whoever placed it."""
    async with staged() as stage:
        told = stage.exchange.submit(
            {
                "symbol": "AAPL",
                "qty": "3",
                "side": "buy",
                "type": "trailing_stop",
                "trail_price": "5",
                "time_in_force": "day",
                "client_order_id": "by hand.1",
            }
        )
        (rests,) = await stage.venue.open_orders([APPLE.symbol])
        assert rests.client_order_id == ClientOrderId("by hand.1")
        assert rests.venue_order_id == told["id"]
