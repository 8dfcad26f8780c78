"""Calls of Binance spot: what stands in an order's way and what must not, and what a no says."""

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import anyio
import pytest
from pydantic import SecretStr

from tests.binance_spot.scene import BTC, VENUE, Scene, SimulatedHost, named, order, scene
from tests.binance_spot.test_facts import ORDERS, WEIGHT, spent
from tests.simulators.shared.clock import SimulatorClock
from tests.simulators.shared.faults import ALWAYS, Executed, Fault, Kind, answered
from tradebotd.domain.errors import (
    OrderRejectedError,
    OutcomeUnknownError,
    VenueUnavailableError,
)
from tradebotd.domain.order_type import OrderType
from tradebotd.domain.side import Side
from tradebotd.net.gate import Gates
from tradebotd.ports.venue import not_blocked
from tradebotd.venues.binance import rest
from tradebotd.venues.binance.spot.building import build_spot

STOP = order(Side.SELL, "0.1", OrderType.STOP_MARKET, "50000")
ENTRY = order(Side.BUY, "0.01")
TIME, PLACE = "/api/v3/time", "/api/v3/order"
NO_TIME = Fault(kind=Kind.ANSWER, path=TIME, status=503, body="busy", times=ALWAYS)
MUTE_TIME = Fault(kind=Kind.NO_ANSWER, path=TIME, times=ALWAYS)


async def sends(spot: Scene, name: str) -> None:
    await spot.venue.submit(named(name), STOP, send_blocked_by=not_blocked)


def use_up_what_questions_may_spend(spot: Scene) -> None:
    window = spot.parts.limits.gate.limits.window(WEIGHT)
    assert window is not None
    now = spot.parts._host.monotonic()
    window.spend(window.limit * 8 // 10 - window.own(now), now)


@pytest.mark.parametrize("time", ["unknown", "old", "doubted"])
async def test_a_stop_leaves_where_questions_have_spent_their_share(time: str) -> None:
    """S18, M6.1: what an order needs to know it asks as urgently as it is itself."""
    async with scene() as spot:
        if time != "unknown":
            await spot.venue.account()
        if time == "old":
            spot.clock.advance(timedelta(seconds=700))
        if time == "doubted":
            spot.parts._time.doubt()
        use_up_what_questions_may_spend(spot)
        await sends(spot, "tb1")
        assert spot.requests(PLACE, "POST") == 1


@pytest.mark.parametrize("time", ["unknown", "old", "doubted"])
async def test_a_stop_leaves_where_the_venue_does_not_tell_its_time(time: str) -> None:
    """S18: a timestamp that is off is refused without harm; a stop that never left is none."""
    async with scene() as spot:
        if time != "unknown":
            await spot.venue.account()
        if time == "old":
            spot.clock.advance(timedelta(seconds=700))
        if time == "doubted":
            spot.parts._time.doubt()
        spot.server.faults.set(NO_TIME)
        await sends(spot, "tb1")
        assert spot.requests(PLACE, "POST") == 1


async def test_orders_wait_side_by_side_for_one_answer_that_does_not_come(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """S18: for as long as an order may wait, all of them together."""
    monkeypatch.setattr(rest, "WAIT_TO_ACT", 0.5)
    async with scene() as spot:
        spot.server.faults.set(MUTE_TIME)
        with anyio.fail_after(8):  # one behind the other they would take a minute
            async with anyio.create_task_group() as tasks:
                for number in range(5):
                    tasks.start_soon(sends, spot, f"tb{number}")
        assert spot.requests(PLACE, "POST") == 5


async def test_a_question_goes_on_by_a_time_that_is_merely_old() -> None:
    """S18: it is good to some milliseconds; the venue is not asked for it again at once."""
    async with scene() as spot:
        await spot.venue.account()
        spot.clock.advance(timedelta(seconds=700))
        spot.server.faults.set(NO_TIME)
        asked = spot.requests(TIME)
        for _ in range(3):
            await spot.venue.account()
        assert spot.requests(TIME) == asked + 1


async def test_questions_share_the_failure_to_learn_the_time() -> None:
    """S18: each would fail by itself, one behind the other."""
    async with scene() as spot:
        late = Fault(kind=Kind.ANSWER, path=TIME, status=503, body="", times=ALWAYS, delay=0.3)
        spot.server.faults.set(late)
        failed = 0

        async def ask() -> None:
            nonlocal failed
            with pytest.raises(VenueUnavailableError):
                await spot.venue.account()
            failed += 1

        async with anyio.create_task_group() as tasks:
            for _ in range(5):
                tasks.start_soon(ask)
        assert (failed, spot.requests(TIME)) == (5, 1)


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (401, -2015, "Invalid API-key, IP, or permissions for action."),
        (401, -2014, "API-key format invalid."),
        (400, -1022, "Signature for this request is not valid."),
        (400, -1121, "Invalid symbol."),
        (400, -1102, "Mandatory parameter was not sent."),
        (400, -2011, "Order was not canceled due to cancel restrictions."),
        (400, -2011, "This action is disabled on this account."),
        (400, -2010, "Market is closed."),
    ],
)
async def test_a_cancel_that_was_not_done_is_no_order_that_is_gone(
    status: int, code: int, words: str
) -> None:
    """I1: by the port a refusal says that there is nothing to cancel; here the order rests."""
    async with scene() as spot:
        await sends(spot, "tb1")
        no = answered(status, {"code": code, "msg": words}, operation="cancel")
        spot.server.faults.set(no)
        with pytest.raises(VenueUnavailableError, match="not cancelled"):
            await spot.venue.cancel(BTC.symbol, named("tb1"))
        assert [each.client_order_id for each in await spot.venue.open_orders([BTC.symbol])] == [
            "tb1"
        ]


@pytest.mark.parametrize(
    ("code", "words"), [(-2011, "Unknown order sent."), (-2013, "Order does not exist.")]
)
async def test_a_cancel_of_what_is_not_there_is_refused(code: int, words: str) -> None:
    """M4.8: unknown, or final already."""
    async with scene() as spot:
        spot.server.faults.set(answered(400, {"code": code, "msg": words}, operation="cancel"))
        with pytest.raises(OrderRejectedError):
            await spot.venue.cancel(BTC.symbol, named("tb1"))


async def test_an_answer_that_left_before_a_ban_does_not_end_it() -> None:
    """S17, -1003: of two calls in flight the older one is answered last."""
    async with scene() as spot:
        await spot.venue.quotes([BTC])
        spot.server.faults.set(Fault(kind=Kind.DELAY, path="/api/v3/exchangeInfo", delay=0.5))
        banned = {"code": -1003, "msg": "Way too much request weight used; IP banned."}
        spot.server.faults.set(
            answered(418, banned, path="/api/v3/ticker", headers={"Retry-After": "120"}, times=2)
        )
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(spot.venue.instruments, [BTC])
            await spot.until(lambda: spot.requests("/api/v3/exchangeInfo"))
            with pytest.raises(VenueUnavailableError):
                await spot.venue.quotes([BTC])
        before = spot.requests("/")
        with pytest.raises(VenueUnavailableError) as raised:
            await spot.venue.quotes([BTC])
        assert raised.value.is_ban
        assert spot.requests("/") == before


async def test_orders_that_were_blocked_are_not_counted_as_sent() -> None:
    """S20: a halt uses up no order that could be placed behind it."""
    async with scene() as spot:
        await spot.venue.account()
        for number in range(40):
            with pytest.raises(VenueUnavailableError, match="halted"):
                await spot.venue.submit(
                    named(f"tb{number}"), ENTRY, send_blocked_by=lambda: "halted"
                )
        now = spot.parts._host.monotonic()
        assert spent(spot.parts.limits, ORDERS, now) == 0
        assert spent(spot.parts.limits, "ORDERS_1D spot", now) == 0
        await spot.venue.submit(named("tb41"), ENTRY, send_blocked_by=not_blocked)


DONE = {"symbol": "BTCUSDT", "orderId": 1}


def halves(cancel: int | None, new: int | None, *, tried: bool = True) -> dict[str, Any]:
    """The answer to a replacement: the code of each half, None for one that was done."""
    return {
        "code": -2022 if cancel is not None else -2021,
        "msg": "Order cancel-replace failed.",
        "data": {
            "cancelResult": "SUCCESS" if cancel is None else "FAILURE",
            "newOrderResult": ("SUCCESS" if new is None else "FAILURE")
            if tried
            else "NOT_ATTEMPTED",
            "cancelResponse": DONE if cancel is None else {"code": cancel, "msg": "words"},
            "newOrderResponse": (DONE if new is None else {"code": new, "msg": "words"})
            if tried
            else None,
        },
    }


@pytest.mark.parametrize(
    ("told", "raises", "words"),
    [
        (halves(-1007, None, tried=False), OutcomeUnknownError, ""),
        (halves(-1006, None, tried=False), OutcomeUnknownError, ""),
        (halves(-9999, None, tried=False), OutcomeUnknownError, ""),
        (halves(None, None, tried=False), OutcomeUnknownError, ""),
        (halves(None, -1007), OutcomeUnknownError, ""),
        (halves(-1007, -2010), OutcomeUnknownError, ""),
        (halves(-2011, None), OutcomeUnknownError, ""),
        (halves(-2011, None, tried=False), OrderRejectedError, "nothing to cancel"),
        (halves(None, -2010), OrderRejectedError, "the order before it is cancelled"),
    ],
)
async def test_a_half_that_may_be_done_leaves_a_replacement_unknown(
    told: dict[str, Any], raises: type[Exception], words: str
) -> None:
    """S17, -2022: nobody says "the old order rests as before" of one that may be gone."""
    async with scene() as spot:
        await sends(spot, "tb1")
        spot.server.faults.set(answered(400, told, operation="replace"))
        with pytest.raises(raises, match=words or None):
            await spot.venue.replace(
                BTC.symbol, named("tb1"), named("tb2"), STOP, send_blocked_by=not_blocked
            )


async def test_a_refused_key_is_no_rejected_order_to_a_question() -> None:
    """M4.8: what is asked about orders fails as a question does."""
    async with scene() as spot:
        refused = {"code": -2015, "msg": "Invalid API-key, IP, or permissions for action."}
        spot.server.faults.set(answered(401, refused, path="/api/v3", times=ALWAYS))
        for ask in (
            spot.venue.find_order(BTC.symbol, named("tb1")),
            spot.venue.open_orders([BTC.symbol]),
            spot.venue.fills_since(spot.clock.now(), [BTC.symbol]),
        ):
            with pytest.raises(VenueUnavailableError, match="-2015"):
                await ask


def test_mirrors_of_the_venue_share_one_gate_and_its_rehearsal_has_another() -> None:
    """S2: weight and bans are the asking address's, whatever the venue is called by."""
    host = SimulatedHost(SimulatorClock(running=False))
    gates = Gates(host)

    def gate(url: str, *, live: bool = True) -> object:
        return build_spot(
            VENUE,
            SimpleNamespace(base_url=url, ws_url="wss://ws-api.binance.com/ws-api/v3"),
            SimpleNamespace(api_key=SecretStr("keyOfTests"), api_secret=SecretStr("secretOfTests")),
            [BTC],
            host=host,
            gates=gates,
            live=live,
            allow_unrestricted_key=False,
            max_clock_offset=timedelta(seconds=1),
        )._parts.limits.gate

    usual = gate("https://api.binance.com")
    assert gate("https://api1.binance.com/") is usual
    assert gate("https://api.binance.com/") is usual
    assert gate("https://testnet.binance.vision", live=False) is not usual


async def test_a_body_that_repeats_the_key_shows_none_of_it() -> None:
    """M8.3: also where the text is cut; a signature is hidden by its name."""
    async with scene(ed25519=False) as spot:
        echo = "demoHmacSecret " * 400 + "signature=0123456789abcdef"
        for body in (echo, f"GET /api/v3/account?timestamp=1&signature={'ab' * 32}"):
            spot.server.faults.set(
                Fault(
                    kind=Kind.ANSWER,
                    executed=Executed.NEVER,
                    path="/api/v3/account",
                    status=400,
                    body=body,
                )
            )
            with pytest.raises(VenueUnavailableError) as raised:
                await spot.venue.account()
            assert "demo" not in str(raised.value)
            assert "ab" * 8 not in str(raised.value)
