"""Orders that somebody else has replaced, and cancels that are refused."""

from decimal import Decimal

import pytest

from tests.alpaca_venue.scene import APPLE, Stage, named, order, staged
from tests.alpaca_venue.test_facts import (
    BUY,
    HOUR,
    LIMIT,
    SELL,
    STOP,
    forget,
    found,
    pair,
    send,
)
from tests.simulators.alpaca.terms import Terms
from tests.simulators.shared.faults import Executed, Fault, Kind
from tradebotd.domain.errors import (
    OrderRejectedError,
    OutcomeUnknownError,
    VenueUnavailableError,
)
from tradebotd.domain.ids import BotName
from tradebotd.domain.order import OrderIntent, OrderReport, OrderRole, OrderStatus
from tradebotd.ports.venue import not_blocked
from tradebotd.trading.execution.times_in_force import as_taken


async def partly_filled(stage: Stage) -> OrderReport:
    report = await send(stage, "tb1", order(BUY, "10", LIMIT, "150"))
    stage.exchange.quote("AAPL", "149", "150", ask_size="4")
    stage.exchange.quote("AAPL", "199", "200")
    return report


async def replaced_by_hand(stage: Stage) -> OrderReport:
    """4 of 10 are bought; then the rest is put at another price in the vendor's app."""
    report = await partly_filled(stage)
    stage.exchange.replace(report.venue_order_id, {"limit_price": "140"})
    return report


def is_whole(told: OrderReport, first: OrderReport) -> None:
    assert told.client_order_id == "tb1"
    assert told.status is OrderStatus.PARTIALLY_FILLED
    assert told.filled_quantity == sum(each.quantity for each in told.fills) == 4
    assert told.other_ids == (first.venue_order_id,)
    assert told.asked is not None
    assert told.asked.quantity == 10


async def test_an_order_that_was_replaced_by_hand_is_found_whole_each_time() -> None:
    """A8, R4: with what it had bought before, whatever was seen in between."""
    async with staged() as stage:
        first = await replaced_by_hand(stage)
        for _ in range(2):
            is_whole(await found(stage, "tb1"), first)
        (open_order,) = await stage.venue.open_orders([APPLE.symbol])
        is_whole(open_order, first)
        await stage.venue.fills_since(stage.clock.now() - HOUR, [APPLE.symbol])
        is_whole(await found(stage, "tb1"), first)
        forget(stage)
        is_whole(await found(stage, "tb1"), first)


async def test_open_orders_and_fills_know_a_replaced_order_behind_a_restart() -> None:
    """A8: by what it has replaced, though its client id is none of ours."""
    async with staged() as stage:
        first = await replaced_by_hand(stage)
        forget(stage)
        (open_order,) = await stage.venue.open_orders([APPLE.symbol])
        is_whole(open_order, first)
        stage.price("139")
        forget(stage)
        fills = await stage.venue.fills_since(stage.clock.now() - HOUR, [APPLE.symbol])
        assert {each.client_order_id for each in fills} == {"tb1"}
        told = await found(stage, "tb1")
        assert (told.status, told.filled_quantity) == (OrderStatus.FILLED, Decimal(10))


async def test_the_stream_tells_an_order_that_was_replaced_by_hand_as_one() -> None:
    """A5, A8: `replaced` is no end of it, and its successor has its name."""
    async with staged(streams=True) as stage:
        await replaced_by_hand(stage)
        await stage.until(lambda: any(each.other_ids for each in stage.heard))
        stage.price("139")
        await stage.until(lambda: any(each.filled_quantity == 10 for each in stage.heard))
        assert {each.client_order_id for each in stage.heard} == {"tb1"}
        assert {each.status for each in stage.heard[:-1]}.isdisjoint({OrderStatus.CANCELED})
        assert stage.heard[-1].status is OrderStatus.FILLED


@pytest.mark.parametrize("restarted", [False, True])
async def test_a_cancel_ends_what_is_in_the_place_of_a_replaced_order(*, restarted: bool) -> None:
    """A8: nobody has looked it up before."""
    async with staged() as stage:
        first = await replaced_by_hand(stage)
        if restarted:
            forget(stage)
        told = await stage.venue.cancel(APPLE.symbol, named("tb1"))
        assert (told.status, told.filled_quantity) == (OrderStatus.CANCELED, Decimal(4))
        assert told.other_ids == (first.venue_order_id,)
        assert not stage.exchange.desk.book.open()


@pytest.mark.parametrize("status", [401, 403])
async def test_a_cancel_that_is_refused_for_the_key_leaves_the_order(status: int) -> None:
    """VC-93: that there is nothing to cancel would let go of what rests."""
    async with staged() as stage:
        await send(stage, "tb1", order(BUY, "10", LIMIT, "150"))
        stage.server.faults.set(
            Fault(
                kind=Kind.ANSWER,
                operation="cancel",
                executed=Executed.NEVER,
                status=status,
                body={"message": "forbidden."},
            )
        )
        with pytest.raises(VenueUnavailableError, match="not cancelled"):
            await stage.venue.cancel(APPLE.symbol, named("tb1"))


async def test_a_cancel_of_an_order_that_waits_to_be_replaced_is_not_over() -> None:
    """A8: 422 says that it cannot be cancelled now, not that it has ended."""
    async with staged(terms=Terms(replace_delay=HOUR, storm=10_000)) as stage:
        report = await send(stage, "tb1", order(BUY, "10", LIMIT, "150"))
        stage.exchange.replace(report.venue_order_id, {"limit_price": "140"})
        with pytest.raises(VenueUnavailableError, match="not cancelled"):
            await stage.venue.cancel(APPLE.symbol, named("tb1"))


async def test_there_is_nothing_to_cancel_of_what_is_over() -> None:
    async with staged() as stage:
        await send(stage, "tb1", order(BUY, "10"))
        for name in ("tb1", "tb2"):
            with pytest.raises(OrderRejectedError, match=r"^nothing to cancel"):
                await stage.venue.cancel(APPLE.symbol, named(name))


async def test_a_cancel_whose_answer_cannot_be_read_is_unknown() -> None:
    """2.3: it is an error of the venue, too."""
    async with staged() as stage:
        await send(stage, "tb1", order(BUY, "10", LIMIT, "150"))
        stage.server.faults.set(
            Fault(kind=Kind.ANSWER, operation="cancel", status=200, body="<html>hello</html>")
        )
        with pytest.raises(OutcomeUnknownError):
            await stage.venue.cancel(APPLE.symbol, named("tb1"))


@pytest.mark.parametrize("known", [False, True])
async def test_cancels_and_replacements_do_not_wait_behind_questions(*, known: bool) -> None:
    """A13: what they must ask goes before, too."""
    async with staged(terms=Terms(requests_per_minute=50, storm=10_000)) as stage:
        await send(stage, "tb1", order(BUY, "2"))
        await send(stage, "tb2", order(SELL, "1", LIMIT, "250"))
        await send(stage, "tb3", order(SELL, "1", STOP, "150"))
        for _ in range(50):
            try:
                await stage.venue.server_clock()
            except VenueUnavailableError:
                break
        if not known:
            forget(stage)
        told = await stage.venue.cancel(APPLE.symbol, named("tb2"))
        assert told.status is OrderStatus.CANCELED
        await stage.venue.replace(
            APPLE.symbol,
            named("tb3"),
            named("tb4"),
            order(SELL, "1", STOP, "151"),
            send_blocked_by=not_blocked,
        )


async def test_a_stop_that_somebody_has_moved_is_ours_with_what_it_sells() -> None:
    """A8: told at the price that we sent, or what it sold would be nobody's."""
    async with staged() as stage:
        await send(stage, "tb1", order(BUY, "10"))
        first = await send(stage, "tb2", order(SELL, "10", STOP, "190"))
        stage.exchange.replace(first.venue_order_id, {"stop_price": "180"})
        told = await found(stage, "tb2")
        assert told.asked is not None
        assert (told.status, told.asked.stop_price) == (OrderStatus.NEW, Decimal(190))
        assert told.moved == "from limit None, stop 190 to limit None, stop 180"

        stage.price("179")

        told = await found(stage, "tb2")
        assert told.asked is not None
        assert (told.status, told.filled_quantity) == (OrderStatus.FILLED, Decimal(10))
        assert told.asked.stop_price == 190


async def test_the_fill_of_a_leg_whose_pair_nobody_tells_has_no_name() -> None:
    """A12, R3: it is ours in doubt, and not somebody else's order."""
    async with staged() as stage:
        await pair(stage)
        stage.price("189")
        forget(stage)
        stage.server.faults.set(
            Fault(kind=Kind.WRONG_BODY, body=[], path="/v2/orders", operation="orders", times=9)
        )
        fills = await stage.venue.fills_since(stage.clock.now() - HOUR, [APPLE.symbol])
        assert [each.client_order_id for each in fills] == ["tb1", None]


@pytest.mark.parametrize(("quantity", "lasts"), [("1.5", "day"), ("2", "gtc")])
async def test_the_row_of_a_fraction_says_that_it_ends_with_the_day(
    quantity: str, lasts: str
) -> None:
    """A2: fractions have no other time; what is stored is what is sent."""
    async with staged() as stage:
        intent = OrderIntent(
            request=order(BUY, quantity, LIMIT, "150"),
            bot=BotName("one"),
            role=OrderRole.ENTRY,
            reason="drawn",
        )
        sent = as_taken(intent, {stage.venue.name: stage.venue}).request
        assert sent.time_in_force == lasts
        report = await stage.venue.submit(named("tb1"), sent, send_blocked_by=not_blocked)
        assert report.asked is not None
        assert report.asked.time_in_force == lasts
