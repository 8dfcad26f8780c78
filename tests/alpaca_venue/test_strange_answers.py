"""Answers of Alpaca that are about something else, say a thing twice, or do not come."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from tests.alpaca_venue.scene import APPLE, BTC, Stage, named, order, staged
from tests.alpaca_venue.test_facts import BUY, HOUR, LIMIT, SELL, STOP, forget, found, pair, send
from tests.simulators.shared.faults import ALWAYS, Executed, Fault, Kind
from tests.unit.alpaca.samples import ORDER, value
from tradebotd.domain.errors import OrderRejectedError, OutcomeUnknownError, VenueError
from tradebotd.domain.order import OrderStatus
from tradebotd.domain.order_type import TimeInForce
from tradebotd.net.answers import Value
from tradebotd.ports.venue import not_blocked
from tradebotd.venues.alpaca.order_stream import StreamEndedError


def answers_are(stage: Stage, part: str, changed: Callable[[Value], Any]) -> None:
    """What the venue answers on *part* comes changed."""
    answer = stage.parts.rest.answer

    async def strange(call: Any, *args: Any, **how: Any) -> Any:
        told = await answer(call, *args, **how)
        if isinstance(told, Value) and f"{call.method} {call.path}" == part:
            return value(changed(told))
        return told

    stage.parts.rest.answer = strange  # type: ignore[method-assign]


def plain_rows(told: Value) -> list[Any]:
    return [each.object() for each in told.items()]


async def test_a_fill_that_is_listed_twice_counts_once() -> None:
    """R4: by its order and the total behind it."""
    async with staged() as stage:
        await send(stage, "tb1", order(BUY, "10"))
        answers_are(
            stage,
            "GET /v2/account/activities",
            lambda told: [row for row in plain_rows(told) for _ in range(2)],
        )
        told = await found(stage, "tb1")
        assert (told.filled_quantity, len(told.fills)) == (Decimal(10), 1)
        assert len(await stage.venue.fills_since(stage.clock.now() - HOUR, [APPLE.symbol])) == 1


async def test_fills_of_more_than_an_order_says_are_not_believed() -> None:
    """R4: neither of the two is known to be true."""
    async with staged() as stage:
        await send(stage, "tb1", order(BUY, "10"))
        answers_are(
            stage,
            "GET /v2/account/activities",
            lambda told: [
                row
                for each in plain_rows(told)
                for row in (each, {**each, "cum_qty": "20", "id": each["id"] + "x"})
            ],
        )
        with pytest.raises(VenueError):
            await stage.venue.find_order(APPLE.symbol, named("tb1"))


@pytest.mark.parametrize(
    "changes", [{"client_order_id": "tb9"}, {"symbol": "PENY"}, {"side": "sell"}]
)
async def test_an_answer_about_another_order_is_none_to_ours(changes: dict[str, str]) -> None:
    """I1: what became of ours is unknown."""
    async with staged() as stage:
        stage.server.faults.set(
            Fault(
                kind=Kind.ANSWER,
                operation="place",
                executed=Executed.NEVER,
                status=200,
                body={
                    **ORDER,
                    "client_order_id": "tb1",
                    "side": "buy",
                    "status": "new",
                    "filled_qty": "0",
                    **changes,
                },
            )
        )
        with pytest.raises(OutcomeUnknownError):
            await send(stage, "tb1", order(BUY, "10", LIMIT, "150"))


@pytest.mark.parametrize("lasts", [TimeInForce.IOC, TimeInForce.FOK])
async def test_a_fraction_that_must_not_rest_is_refused(lasts: TimeInForce) -> None:
    """VC-45: it would leave as an order of the day."""
    async with staged() as stage:
        with pytest.raises(OrderRejectedError, match="time_in_force"):
            await send(stage, "tb1", order(BUY, "1.5", LIMIT, "150", time_in_force=lasts))
        assert stage.requests("/v2/orders", "POST") == 0


async def test_the_stop_of_a_pair_is_moved_and_keeps_its_own_id() -> None:
    """A8, A12: the size of a leg is not sent again; behind a restart it is what it was called."""
    async with staged() as stage:
        await pair(stage)
        (entry, stop, target) = ("tb1", "tb2", "tb3")
        held = stage.exchange.desk.book.get((await found(stage, stop)).venue_order_id)
        held.routed = True
        moved = order(SELL, "10", STOP, "195")
        told = await stage.venue.replace(
            APPLE.symbol, named(stop), named("tb4"), moved, send_blocked_by=not_blocked
        )
        for restarted in (False, True):
            if restarted:
                forget(stage)
            names = {
                each.client_order_id: each.venue_order_id
                for each in await stage.venue.open_orders([APPLE.symbol])
            }
            assert names.keys() == {target, "tb4"}
            assert names[named("tb4")] == told.new.venue_order_id
        assert (await found(stage, "tb4")).venue_order_id == told.new.venue_order_id
        assert (await found(stage, entry)).status is OrderStatus.FILLED


async def test_the_words_of_a_refusal_hold_no_secret() -> None:
    """M6.1: whoever put it there."""
    async with staged() as stage:
        secret = stage.simulator.terms.secret
        stage.server.faults.set(
            Fault(
                kind=Kind.ANSWER,
                executed=Executed.NEVER,
                operation="place",
                status=422,
                body={"code": 42210000, "message": f"{'x' * 295} {secret} is wrong"},
            )
        )
        with pytest.raises(OrderRejectedError) as raised:
            await send(stage, "tb1", order(BUY, "1"))
        assert secret[:4] not in str(raised.value)


async def test_a_stream_that_listens_to_nothing_is_no_stream() -> None:
    """A11: it answers, and tells nothing."""
    async with staged() as stage:
        with pytest.raises(StreamEndedError):
            await stage.parts.stream._take(value({"stream": "listening", "data": {"streams": []}}))


async def test_instruments_and_last_prices_outlast_what_is_only_beside_them() -> None:
    """M6.1: the data host is another one; bids and asks are another question."""
    async with staged(feed="sip", symbols=(APPLE, BTC)) as stage:
        down = {"kind": Kind.ANSWER, "executed": Executed.NEVER, "status": 503, "body": "gone"}
        stage.server.faults.set(Fault(path="/v2/stocks/quotes", times=ALWAYS, **down))  # type: ignore[arg-type]
        assert (await stage.venue.quotes([APPLE]))["apple"].last == 200
        stage.server.faults.set(Fault(path="/v2/stocks", times=ALWAYS, **down))  # type: ignore[arg-type]
        assert set(await stage.venue.instruments([APPLE])) == {"apple"}
