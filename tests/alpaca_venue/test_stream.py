"""The order stream of Alpaca: what it tells, when it is silent, and how it comes back."""

from datetime import timedelta
from decimal import Decimal
from random import Random
from typing import Any

import anyio
import pytest

from tests.alpaca_venue.scene import APPLE, Stage, named, order, staged
from tests.binance_spot.test_mutations import mutated
from tests.simulators.alpaca.orders import Status, order_json
from tests.simulators.alpaca.terms import Terms
from tests.simulators.shared.faults import ALWAYS, Executed, Fault, Kind
from tests.unit.alpaca.samples import EVENT, LEG, ORDER, source, value
from tradebotd.domain.errors import OutcomeUnknownError, VenueError
from tradebotd.domain.order import OrderReport, OrderStatus
from tradebotd.domain.order_type import OrderType
from tradebotd.domain.side import Side
from tradebotd.net.errors import MisshapenError
from tradebotd.ports.venue import StreamState, not_blocked
from tradebotd.venues.alpaca import order_stream

BUY, SELL, STOP, LIMIT = Side.BUY, Side.SELL, OrderType.STOP_MARKET, OrderType.LIMIT
NEW, FILLED, CANCELED = OrderStatus.NEW, OrderStatus.FILLED, OrderStatus.CANCELED
D = Decimal


async def send(stage: Stage, name: str, *asked: Any) -> OrderReport:
    return await stage.venue.submit(named(name), order(*asked), send_blocked_by=not_blocked)


def told(stage: Stage, name: str) -> list[OrderStatus]:
    return [each.status for each in stage.heard if each.client_order_id == name]


@pytest.mark.parametrize("paper", [True, False])
async def test_the_stream_tells_the_life_of_an_order(*, paper: bool) -> None:
    """A5: by binary frames on paper, by text live; parts, with a fill each."""
    async with staged(streams=True, terms=Terms(paper=paper, storm=10_000)) as stage:
        stage.exchange.quote("AAPL", "200", "200", ask_size="4")
        await send(stage, "tb1", BUY, "10")
        stage.price("200")
        await stage.until(lambda: FILLED in told(stage, "tb1"))
        fills = [fill for each in stage.heard for fill in each.fills]
        assert [fill.quantity for fill in fills] == [4, 6]
        assert [each.filled_quantity for each in stage.heard if each.fills] == [4, 10]
        found = (await stage.venue.find_order(APPLE.symbol, named("tb1"))).report
        assert found is not None
        assert list(found.fills) == fills
        assert stage.states == [StreamState(connected=True)]


async def test_events_may_come_before_the_answer() -> None:
    """I1: the answer to the order is lost, and the stream has told of it all the same."""
    async with staged(streams=True) as stage:
        fault = Fault(kind=Kind.ANSWER, status=504, body="", operation="place", delay=0.3)
        stage.server.faults.set(fault)
        with pytest.raises(OutcomeUnknownError):
            await send(stage, "tb1", BUY, "10")
        await stage.until(lambda: FILLED in told(stage, "tb1"))


async def test_the_legs_of_a_pair_are_told_under_our_ids() -> None:
    """A12: also where its answer was lost, and after a restart."""
    async with staged(streams=True) as stage:
        await send(stage, "tb1", BUY, "10")
        lost = Fault(kind=Kind.ANSWER, status=504, body="", operation="place")
        stage.server.faults.set(lost)
        both = [
            (named("tb2"), order(SELL, "10", STOP, "190")),
            (named("tb3"), order(SELL, "10", LIMIT, "210")),
        ]
        with pytest.raises(OutcomeUnknownError):
            await stage.venue.submit_linked(both, send_blocked_by=not_blocked)
        stage.price("189")
        await stage.until(lambda: FILLED in told(stage, "tb2"))
        await stage.until(lambda: CANCELED in told(stage, "tb3"))


async def test_a_replacement_that_is_refused_is_told() -> None:
    """A8: the old one goes on, and the new one is rejected."""
    terms = Terms(replace_delay=timedelta(seconds=5), storm=10_000)
    async with staged(streams=True, terms=terms) as stage:
        await send(stage, "tb1", BUY, "10")
        await send(stage, "tb2", SELL, "10", STOP, "190")
        await stage.venue.replace(
            APPLE.symbol,
            named("tb2"),
            named("tb3"),
            order(SELL, "10", STOP, "195"),
            send_blocked_by=not_blocked,
        )
        stage.price("189")
        stage.clock.advance(timedelta(seconds=6))
        stage.exchange.catch_up()
        await stage.until(lambda: OrderStatus.REJECTED in told(stage, "tb3"))
        assert FILLED in told(stage, "tb2")


async def test_a_refusal_of_a_replacement_alone_tells_of_the_new_order() -> None:
    """A8: the event is of the old order; what was promised is asked for."""
    terms = Terms(replace_delay=timedelta(seconds=5), storm=10_000)
    async with staged(terms=terms) as stage:
        await send(stage, "tb1", BUY, "10")
        await send(stage, "tb2", SELL, "10", STOP, "190")
        await stage.venue.replace(
            APPLE.symbol,
            named("tb2"),
            named("tb3"),
            order(SELL, "10", STOP, "195"),
            send_blocked_by=not_blocked,
        )
        stage.price("189")
        stage.clock.advance(timedelta(seconds=6))
        stage.exchange.catch_up()
        (refused,) = [
            each
            for each in stage.exchange.desk.updates.told
            if each["event"] == "order_replace_rejected"
        ]
        await stage.parts.stream.hear(value(refused))
        assert told(stage, "tb3") == [OrderStatus.REJECTED]


async def test_the_leg_of_a_pair_that_was_never_heard_of_is_asked_for() -> None:
    """A12: its own event does not say whose it is."""
    async with staged() as stage:
        await send(stage, "tb1", BUY, "10")
        stage.exchange.submit(
            {
                "symbol": "AAPL",
                "qty": "10",
                "side": "sell",
                "type": "limit",
                "time_in_force": "gtc",
                "order_class": "oco",
                "client_order_id": "oco.tb3.tb2",
                "take_profit": {"limit_price": "210"},
                "stop_loss": {"stop_price": "190"},
            }
        )
        leg = next(each for each in stage.exchange.desk.book.open() if each.role == "stop_loss")
        event = {**EVENT, "event": "new", "event_id": "x", "order": order_json(leg, nested=False)}
        await stage.parts.stream.hear(value(event))
        assert [each.client_order_id for each in stage.heard] == ["tb2"]


async def test_what_was_missed_is_told_as_a_gap_from_what_was_heard_last() -> None:
    """M5.6 (VC-82): and a connection that is refused meanwhile is tried again."""
    async with staged(streams=True) as stage:
        await send(stage, "tb1", BUY, "10", LIMIT, "150")
        await stage.until(lambda: told(stage, "tb1"))
        heard_at = stage.clock.now()
        stage.clock.advance(timedelta(seconds=30))
        gone = Fault(kind=Kind.ANSWER, path="/stream", status=503, body="", times=3)
        stage.server.faults.set(gone, Fault(kind=Kind.DISCONNECT, path="/stream"))
        await stage.until(lambda: len(stage.states) == 3)
        assert stage.states[1:] == [
            StreamState(connected=False, gap_since=heard_at),
            StreamState(connected=True, gap_since=heard_at),
        ]


async def test_a_handshake_that_is_answered_429_is_waited_out() -> None:
    """A11: one connection an account, and no storm of attempts."""
    async with staged() as stage:
        refused = Fault(
            kind=Kind.ANSWER, executed=Executed.NEVER, path="/stream", status=429, body="", times=2
        )
        stage.server.faults.set(refused)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(stage.venue.run)
            await stage.until(lambda: stage.states)
            tasks.cancel_scope.cancel()
        assert [each for each in stage.host.slept if each >= order_stream.STORM_SECONDS] == [60, 60]


@pytest.mark.parametrize("kind", [Kind.MUTE, Kind.HALF_OPEN, Kind.STALL])
async def test_a_stream_that_says_nothing_is_opened_again(
    kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A11, wish 4: a socket that is alive and mute is noticed, by what it does not answer."""
    monkeypatch.setattr(order_stream, "LOOK_EVERY", 0.02)
    monkeypatch.setattr(order_stream, "ASKED_EVERY", 0.0)
    monkeypatch.setattr(order_stream, "ANSWER_SECONDS", 0.3)
    async with staged(streams=True) as stage:
        stage.server.faults.set(Fault(kind=kind, path="/stream"))
        await stage.until(lambda: len(stage.states) >= 3)
        assert [each.connected for each in stage.states[:3]] == [True, False, True]


async def test_a_stream_that_does_not_speak_of_an_order_is_opened_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A11: it answers, and its events are lost."""
    monkeypatch.setattr(order_stream, "LOOK_EVERY", 0.02)
    monkeypatch.setattr(order_stream, "ASKED_EVERY", 1e9)
    async with staged(streams=True) as stage:
        stage.server.faults.set(Fault(kind=Kind.GAP, times=ALWAYS, path="/stream"))
        await stage.server.met()
        await send(stage, "tb1", BUY, "10")
        stage.clock.advance(timedelta(seconds=order_stream.SPEAKS_WITHIN + 1))
        await stage.until(lambda: len(stage.states) >= 3)
        assert stage.heard == []
        assert stage.states[2].gap_since is not None


async def test_a_fill_behind_a_lost_event_is_asked_for() -> None:
    """R4: the second part says that the first one was lost; both are told."""
    async with staged(streams=True) as stage:
        stage.exchange.quote("AAPL", "200", "200", ask_size="0")
        await send(stage, "tb1", BUY, "10")
        await stage.until(lambda: told(stage, "tb1"))
        stage.server.faults.set(
            Fault(kind=Kind.GAP, times=1, path="/stream", channel="partial_fill")
        )
        await stage.server.met()
        stage.exchange.quote("AAPL", "200", "200", ask_size="4")
        stage.price("200")
        await stage.until(lambda: FILLED in told(stage, "tb1"))
        (last,) = [each for each in stage.heard if each.fills]
        assert [fill.quantity for fill in last.fills] == [4, 6]


async def test_an_event_of_tomorrow_says_what_its_order_says() -> None:
    """A5: on the careful side: a word that nobody knows is unknown, and no fill is made up."""
    async with staged(streams=True) as stage:
        report = await send(stage, "tb1", BUY, "10", LIMIT, "150")
        stage.exchange.mark(report.venue_order_id, Status.SUSPENDED, "event_of_tomorrow")
        await stage.until(lambda: OrderStatus.UNKNOWN in told(stage, "tb1"))
        stage.exchange.mark(report.venue_order_id, Status.NEW, "restated")
        await stage.until(lambda: told(stage, "tb1")[-1] is NEW)
        assert not any(each.fills for each in stage.heard)


async def test_an_event_that_is_told_twice_is_heard_once() -> None:
    """A5: by its id; one that cannot be read ends the connection, and is no end of the adapter."""
    async with staged() as stage:
        event = {**EVENT, "order": {**ORDER, "client_order_id": "tb9"}}
        for _ in range(2):
            await stage.parts.stream.hear(value(event))
        assert [each.client_order_id for each in stage.heard] == ["tb9"]


async def test_an_event_of_a_leg_that_nobody_knows_is_heard_under_its_own_name() -> None:
    """A12: a pair of somebody else's."""
    async with staged() as stage:
        event = {**EVENT, "event": "new", "event_id": "x", "order": LEG}
        await stage.parts.stream.hear(value(event))
        assert [each.client_order_id for each in stage.heard] == [LEG["client_order_id"]]


@pytest.mark.parametrize("body", ["", "[]", '{"stream": 1}', '{"stream": "trade_updates"}'])
async def test_a_message_that_cannot_be_read_opens_the_stream_again(
    body: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """2.3: what was in it is a gap, and is asked for."""
    async with staged(streams=True) as stage:
        monkeypatch.setattr("tests.simulators.alpaca.order_stream.json.dumps", lambda _: body)
        stage.exchange.submit(
            {
                "symbol": "AAPL",
                "qty": "1",
                "side": "buy",
                "type": "market",
                "time_in_force": "day",
            }
        )
        await stage.until(lambda: len(stage.states) >= 2)
        monkeypatch.undo()
        await stage.until(lambda: len(stage.states) >= 3)
        assert stage.states[1].connected is False
        assert stage.states[2].gap_since is not None


async def test_a_key_that_the_stream_refuses_is_said() -> None:
    async with staged(secret="another") as stage:  # noqa: S106
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(stage.venue.run)
            await stage.until(lambda: len(stage.host.slept) > 2)
            tasks.cancel_scope.cancel()
        assert stage.states == []


async def test_a_mutated_event_is_heard_or_ends_the_connection() -> None:
    """2.3: 2,000 of them; no other exception leaves the stream, whatever it is given."""
    chance, refused = Random("mutated events"), 0
    async with staged(terms=Terms(requests_per_minute=1_000_000, storm=10_000)) as stage:
        for _ in range(2_000):
            try:
                await stage.parts.stream.hear(source(mutated(EVENT, chance)).json())
            except (MisshapenError, VenueError):
                refused += 1
        assert refused > 100
        assert stage.heard
