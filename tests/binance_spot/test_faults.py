"""Twelve things that go wrong with an order, and what the adapter says of each."""

from datetime import timedelta
from decimal import Decimal

import pytest

from tests.binance_spot.scene import BTC, NOW, named, order, scene
from tests.simulators.shared.faults import ALWAYS, Executed, Fault, Kind
from tradebotd.domain.errors import (
    OrderRejectedError,
    OutcomeUnknownError,
    VenueError,
    VenueUnavailableError,
)
from tradebotd.domain.order import OrderStatus
from tradebotd.domain.order_type import OrderType
from tradebotd.domain.side import Side
from tradebotd.net import http
from tradebotd.ports.venue import not_blocked
from tradebotd.venues.binance.spot import trades
from tradebotd.venues.binance.spot.order_names import OrderNames

BUY, SELL, STOP, LIMIT = Side.BUY, Side.SELL, OrderType.STOP_MARKET, OrderType.LIMIT
UNKNOWN_ERROR = "Unknown error, please check your request or try again later."
SPOILT = {
    "reset": Fault(kind=Kind.RESET),
    "no answer": Fault(kind=Kind.NO_ANSWER),
    "502": Fault(kind=Kind.ANSWER, status=502, body="<html>bad gateway</html>"),
    "503": Fault(kind=Kind.ANSWER, status=503, body={"code": -1000, "msg": UNKNOWN_ERROR}),
    "504": Fault(kind=Kind.ANSWER, status=504, body=""),
    "-1006": Fault(kind=Kind.ANSWER, status=400, body={"code": -1006, "msg": "Unexpected"}),
    "-1007": Fault(kind=Kind.ANSWER, status=400, body={"code": -1007, "msg": "Timeout"}),
    "-9999": Fault(kind=Kind.ANSWER, status=400, body={"code": -9999, "msg": "of tomorrow"}),
    "truncated": Fault(kind=Kind.TRUNCATED),
    "invalid json": Fault(kind=Kind.INVALID_JSON),
    "empty": Fault(kind=Kind.EMPTY),
    "another shape": Fault(kind=Kind.WRONG_BODY, body={"hello": [1]}),
}
SENDS = {
    "market": order(BUY, "0.1"),
    "limit": order(BUY, "0.1", LIMIT, "50000"),
    "stop": order(SELL, "0.1", STOP, "50000"),
}

QUICK = 3.0  # seconds: enough for any answer on a busy machine


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No fault is worth ten seconds of waiting."""
    defaults = http.HttpClient.__init__.__kwdefaults__
    assert defaults is not None
    monkeypatch.setitem(defaults, "timeouts", http.Timeouts(answer=QUICK))


@pytest.mark.parametrize("executed", [Executed.NOW, Executed.NEVER])
@pytest.mark.parametrize("fault", SPOILT)
@pytest.mark.parametrize("kind", SENDS)
async def test_an_order_whose_answer_is_no_answer_is_unknown_and_is_sent_once(
    kind: str, fault: str, executed: Executed
) -> None:
    """I1: found as what it is, or nowhere; never sent again."""
    async with scene() as spot:
        await spot.venue.account()
        spoilt = SPOILT[fault]
        spot.server.faults.set(
            Fault(
                kind=spoilt.kind,
                operation="place",
                executed=executed,
                status=spoilt.status,
                body=spoilt.body,
            )
        )
        with pytest.raises(OutcomeUnknownError):
            await spot.venue.submit(named("tb1"), SENDS[kind], send_blocked_by=not_blocked)
        assert spot.requests("/api/v3/order", "POST") == 1
        found = await spot.venue.find_order(BTC.symbol, named("tb1"))
        assert (found.report is not None) == (executed is Executed.NOW)
        if found.report is None:
            assert len(found.endpoints) == 6


@pytest.mark.parametrize("fault", SPOILT)
async def test_a_question_whose_answer_is_no_answer_may_be_asked_again(fault: str) -> None:
    """2.3: it is an error of the venue, whatever came; nothing is stored as good."""
    async with scene() as spot:
        await spot.venue.account()
        spoilt = SPOILT[fault]
        spot.server.faults.set(
            Fault(kind=spoilt.kind, path="/api/v3", status=spoilt.status, body=spoilt.body)
        )
        with pytest.raises(VenueError):
            await spot.venue.account()
        assert (await spot.venue.account()).balances


@pytest.mark.parametrize("fault", SPOILT)
async def test_a_cancel_whose_answer_is_no_answer_is_unknown(fault: str) -> None:
    """I1: the order may rest, or be gone."""
    async with scene() as spot:
        await spot.venue.submit(named("tb1"), SENDS["stop"], send_blocked_by=not_blocked)
        spoilt = SPOILT[fault]
        spot.server.faults.set(
            Fault(kind=spoilt.kind, operation="cancel", status=spoilt.status, body=spoilt.body)
        )
        with pytest.raises(OutcomeUnknownError):
            await spot.venue.cancel(BTC.symbol, named("tb1"))


@pytest.mark.parametrize("fault", ["reset", "503", "-1007", "invalid json"])
async def test_a_replacement_or_a_pair_without_an_answer_is_unknown(fault: str) -> None:
    """I1: both, or one, or none may be there."""
    async with scene() as spot:
        await spot.venue.submit(named("tb1"), SENDS["stop"], send_blocked_by=not_blocked)
        spoilt, next_stop = SPOILT[fault], order(SELL, "0.1", STOP, "51000")
        for operation in ("replace", "place"):
            spot.server.faults.set(
                Fault(kind=spoilt.kind, operation=operation, status=spoilt.status, body=spoilt.body)
            )
        with pytest.raises(OutcomeUnknownError):
            await spot.venue.replace(
                BTC.symbol, named("tb1"), named("tb2"), next_stop, send_blocked_by=not_blocked
            )
        pair = [
            (named("tb3"), order(SELL, "0.1", STOP, "50000")),
            (named("tb4"), order(SELL, "0.1", OrderType.TAKE_PROFIT_MARKET, "70000")),
        ]
        with pytest.raises(OutcomeUnknownError):
            await spot.venue.submit_linked(pair, send_blocked_by=not_blocked)


HALVES = [
    # of the cancel, of the new order, its code; whether the new order's outcome is known
    ("SUCCESS", "FAILURE", -2010, True),
    ("SUCCESS", "FAILURE", -1007, False),
    ("SUCCESS", "FAILURE", -9999, False),
    ("FAILURE", "SUCCESS", None, False),
    ("FAILURE", "NOT_ATTEMPTED", None, True),
]


@pytest.mark.parametrize(("cancelled", "placed", "code", "known"), HALVES)
async def test_a_replacement_done_by_half_is_judged_by_the_new_orders_half(
    cancelled: str, placed: str, code: int | None, *, known: bool
) -> None:
    """S17: -2021 and -2022 say which; a code that leaves it open leaves the order unknown."""
    new = None if code is None else {"code": code, "msg": "words"}
    body = {
        "code": -2021 if cancelled == "SUCCESS" else -2022,
        "msg": "Order cancel-replace failed.",
        "data": {
            "cancelResult": cancelled,
            "newOrderResult": placed,
            "cancelResponse": {"code": -2011, "msg": "Unknown order sent."},
            "newOrderResponse": new,
        },
    }
    async with scene() as spot:
        half = Fault(
            kind=Kind.ANSWER, operation="replace", status=409, body=body, executed=Executed.NEVER
        )
        spot.server.faults.set(half)
        with pytest.raises(OrderRejectedError if known else OutcomeUnknownError):
            await spot.venue.replace(
                BTC.symbol, named("tb1"), named("tb2"), SENDS["stop"], send_blocked_by=not_blocked
            )


async def test_a_venue_that_refuses_connections_was_sent_nothing() -> None:
    """I1: provably; the order is no unknown one."""
    async with scene() as spot:
        await spot.venue.account()
        spot.server.faults.set(Fault(kind=Kind.REFUSED))
        await spot.server.met()
        with pytest.raises(VenueUnavailableError, match="no connection"):
            await spot.venue.submit(named("tb1"), SENDS["market"], send_blocked_by=not_blocked)


async def test_an_order_that_the_query_forgets_is_found_elsewhere() -> None:
    """-2013 is no proof: open orders, lists and trades are looked at, too."""
    async with scene() as spot:
        await spot.venue.submit(named("tb1"), SENDS["stop"], send_blocked_by=not_blocked)
        await spot.venue.submit(named("tb2"), SENDS["market"], send_blocked_by=not_blocked)
        spot.parts.lookups._names = OrderNames()  # as after a restart
        found = None
        for name, places in (("tb1", 2), ("tb2", 4)):
            spot.server.faults.set(
                Fault(kind=Kind.FALSE_NOT_FOUND, method="GET", path="/api/v3/order", times=ALWAYS)
            )
            found = await spot.venue.find_order(BTC.symbol, named(name))
            assert found.report is not None
            assert found.report.client_order_id == name
            assert len(found.endpoints) == places
            spot.server.faults.clear()
        assert found is not None
        assert found.report is not None
        assert sum(fill.quantity for fill in found.report.fills) == Decimal("0.1")


async def test_a_cancelled_order_is_found_by_the_id_of_its_cancel() -> None:
    """The venue may know it by that one alone; a cancel's id is made of the order's."""
    async with scene() as spot:
        spot.held.cancel_renames = True
        await spot.venue.submit(named("tb1"), SENDS["stop"], send_blocked_by=not_blocked)
        await spot.venue.cancel(BTC.symbol, named("tb1"))
        spot.parts.lookups._names = OrderNames()
        found = (await spot.venue.find_order(BTC.symbol, named("tb1"))).report
        assert found is not None
        assert (found.client_order_id, found.status) == ("tb1", OrderStatus.CANCELED)


async def test_fills_are_read_by_windows_and_pages_to_their_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """VC-90: 24 hours a window, 1,000 rows a page; here three."""
    monkeypatch.setattr(trades, "PAGE", 3)
    async with scene() as spot:
        for number in range(8):
            await spot.venue.submit(
                named(f"tb{number}"), order(BUY, "0.01"), send_blocked_by=not_blocked
            )
            spot.clock.advance(timedelta(hours=9))
        spot.clock.advance(timedelta(days=5))
        told = await spot.venue.fills_since(NOW, [BTC.symbol])
        assert [each.client_order_id for each in told] == [f"tb{n}" for n in range(8)]
        late = await spot.venue.fills_since(NOW + timedelta(hours=30), [BTC.symbol])
        assert [each.client_order_id for each in late] == [f"tb{n}" for n in range(4, 8)]
        assert await spot.venue.fills_since(spot.clock.now(), [BTC.symbol]) == []
        long_before = await spot.venue.fills_since(NOW - timedelta(days=3), [BTC.symbol])
        assert long_before == told


async def test_an_order_whose_trades_lag_is_asked_about_again() -> None:
    """A report has all its fills, or there is none yet."""
    async with scene() as spot:
        await spot.venue.submit(named("tb1"), SENDS["market"], send_blocked_by=not_blocked)
        spot.server.faults.set(Fault(kind=Kind.WRONG_BODY, path="/api/v3/myTrades", body=[]))
        with pytest.raises(VenueUnavailableError, match="lag behind"):
            await spot.venue.find_order(BTC.symbol, named("tb1"))


async def test_no_secret_is_in_what_an_error_says() -> None:
    """M8.3: whatever the venue echoes."""
    async with scene(ed25519=False) as spot:
        echo = '{"you sent": "demoHmacSecret and demoHmacKey"}'
        spot.server.faults.set(Fault(kind=Kind.WRONG_BODY, path="/api/v3/acc", body=echo))
        with pytest.raises(VenueError) as raised:
            await spot.venue.account()
        assert "demoHmac" not in str(raised.value)
        assert "/api/v3/account (status 200)" in str(raised.value)


async def test_a_refused_key_is_told_by_each_call() -> None:
    """-2015: neither a ban nor an outage."""
    async with scene() as spot:
        refused = {"code": -2015, "msg": "Invalid API-key, IP, or permissions for action."}
        spot.server.faults.set(
            Fault(kind=Kind.ANSWER, path="/api/v3/", status=401, body=refused, times=ALWAYS)
        )
        with pytest.raises((OrderRejectedError, VenueUnavailableError), match=r"auth|Invalid"):
            await spot.venue.account()


@pytest.mark.parametrize("renamed", ["in its query", "everywhere"])
async def test_a_cancel_of_a_list_finds_the_order_that_was_asked_for_or_none(renamed: str) -> None:
    """S17: both legs go by the id of the cancel, and the one that is told first is the other."""
    async with scene() as spot:
        spot.held.cancel_renames = True
        spot.held.cancel_renames_lists = renamed == "everywhere"
        pair = [
            (named("tbA"), order(SELL, "0.1", OrderType.TAKE_PROFIT_MARKET, "70000")),
            (named("tbB"), order(SELL, "0.1", STOP, "50000")),
        ]
        placed = await spot.venue.submit_linked(pair, send_blocked_by=not_blocked)
        numbers = {each.client_order_id: each.venue_order_id for each in placed}
        for name in ("tbA", "tbB"):
            await_cancel = spot.venue.cancel(BTC.symbol, named(name))
            if name == "tbA":
                await await_cancel
            else:
                with pytest.raises(OrderRejectedError):
                    await await_cancel
        for name in ("tbA", "tbB"):  # by the number that is known
            found = (await spot.venue.find_order(BTC.symbol, named(name))).report
            assert found is not None
            assert (found.venue_order_id, found.status) == (
                numbers[named(name)],
                OrderStatus.CANCELED,
            )
        spot.parts.lookups._names = OrderNames()
        if renamed == "everywhere":
            with pytest.raises(VenueUnavailableError, match="id of their cancel"):
                await spot.venue.find_order(BTC.symbol, named("tbA"))
            return
        found = (await spot.venue.find_order(BTC.symbol, named("tbA"))).report
        assert found is not None
        assert found.venue_order_id == numbers[named("tbA")]


async def test_an_order_that_is_listed_while_its_query_denies_it_is_no_rejection() -> None:
    """-2013 is no proof: what a list alone names is asked about again."""
    async with scene() as spot:
        await spot.venue.submit(named("tb1"), SENDS["stop"], send_blocked_by=not_blocked)
        spot.parts.lookups._names = OrderNames()
        row = {"symbol": "BTCUSDT", "orderId": 1, "clientOrderId": "tb1"}
        spot.server.faults.set(
            Fault(kind=Kind.FALSE_NOT_FOUND, method="GET", path="/api/v3/order", times=3),
            Fault(kind=Kind.WRONG_BODY, path="/api/v3/openOrders", body=[]),
            Fault(kind=Kind.WRONG_BODY, path="/api/v3/openOrderList", body=[{"orders": [row]}]),
        )
        with pytest.raises(VenueUnavailableError, match="its query denies it"):
            await spot.venue.find_order(BTC.symbol, named("tb1"))
