"""What goes wrong with an order at Alpaca, and what the adapter says of each."""

from decimal import Decimal

import pytest

from tests.alpaca_venue.scene import APPLE, named, order, staged
from tests.simulators.alpaca.terms import Terms
from tests.simulators.shared.faults import Executed, Fault, Kind
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

BUY, SELL, STOP, LIMIT = Side.BUY, Side.SELL, OrderType.STOP_MARKET, OrderType.LIMIT
SPOILT = {
    "reset": Fault(kind=Kind.RESET),
    "no answer": Fault(kind=Kind.NO_ANSWER),
    "500": Fault(kind=Kind.ANSWER, status=500, body={"code": 50010000, "message": "internal"}),
    "502": Fault(kind=Kind.ANSWER, status=502, body="<html>bad gateway</html>"),
    "504": Fault(kind=Kind.ANSWER, status=504, body=""),
    "403": Fault(kind=Kind.ANSWER, status=403, body="<html>forbidden</html>"),
    "422": Fault(kind=Kind.ANSWER, status=422, body={"code": 42299999, "message": "of tomorrow"}),
    "truncated": Fault(kind=Kind.TRUNCATED),
    "invalid json": Fault(kind=Kind.INVALID_JSON),
    "empty": Fault(kind=Kind.EMPTY),
    "another shape": Fault(kind=Kind.WRONG_BODY, body={"hello": [1]}),
}

QUICK = 3.0  # seconds: enough for any answer on a busy machine


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No fault is worth ten seconds of waiting."""
    defaults = http.HttpClient.__init__.__kwdefaults__
    assert defaults is not None
    monkeypatch.setitem(defaults, "timeouts", http.Timeouts(answer=QUICK))


def spoilt(name: str, operation: str, executed: Executed = Executed.NOW) -> Fault:
    fault = SPOILT[name]
    return Fault(
        kind=fault.kind,
        operation=operation,
        executed=executed,
        status=fault.status,
        body=fault.body,
    )


@pytest.mark.parametrize("executed", [Executed.NOW, Executed.NEVER])
@pytest.mark.parametrize("fault", SPOILT)
async def test_an_order_whose_answer_is_no_answer_is_unknown_and_is_sent_once(
    fault: str, executed: Executed
) -> None:
    """I1: found as what it is, or in none of four places; never sent again (A13: others do)."""
    async with staged() as stage:
        stage.server.faults.set(spoilt(fault, "place", executed))
        with pytest.raises(OutcomeUnknownError):
            await stage.venue.submit(named("tb1"), order(BUY, "1"), send_blocked_by=not_blocked)
        assert stage.requests("/v2/orders", "POST") == 1
        found = await stage.venue.find_order(APPLE.symbol, named("tb1"))
        assert (found.report is not None) == (executed is Executed.NOW)
        if found.report is None:
            assert len(found.endpoints) == 4


@pytest.mark.parametrize("executed", [Executed.NOW, Executed.NEVER])
@pytest.mark.parametrize("fault", ["reset", "504", "another shape"])
async def test_a_pair_whose_answer_is_lost_is_found_by_either_id(
    fault: str, executed: Executed
) -> None:
    """A12, I1: also by who has never heard of it, as behind a restart."""
    async with staged() as stage:
        await stage.venue.submit(named("tb1"), order(BUY, "10"), send_blocked_by=not_blocked)
        stage.server.faults.set(spoilt(fault, "place", executed))
        pair = [
            (named("tb2"), order(SELL, "10", STOP, "190")),
            (named("tb3"), order(SELL, "10", LIMIT, "210")),
        ]
        with pytest.raises(OutcomeUnknownError):
            await stage.venue.submit_linked(pair, send_blocked_by=not_blocked)
        for name, request in pair:
            report = (await stage.venue.find_order(APPLE.symbol, name)).report
            assert (report is not None) == (executed is Executed.NOW)
            if report is not None:
                assert report.asked == request
                assert report.status is OrderStatus.NEW


@pytest.mark.parametrize("fault", SPOILT)
async def test_a_question_whose_answer_is_no_answer_may_be_asked_again(fault: str) -> None:
    """2.3: it is an error of the venue, whatever came."""
    async with staged() as stage:
        stage.server.faults.set(spoilt(fault, ""))
        with pytest.raises(VenueError):
            await stage.venue.account()
        assert (await stage.venue.account()).balances == {"USD": Decimal(100_000)}


@pytest.mark.parametrize("fault", ["reset", "no answer", "502", "504", "truncated"])
async def test_a_cancel_or_a_replacement_without_an_answer_is_unknown(fault: str) -> None:
    """I1: of the order that is cancelled, and of the one that was to come."""
    async with staged() as stage:
        await stage.venue.submit(
            named("tb1"), order(BUY, "10", LIMIT, "150"), send_blocked_by=not_blocked
        )
        stage.server.faults.set(spoilt(fault, "replace", Executed.NEVER))
        with pytest.raises(OutcomeUnknownError) as raised:
            await stage.venue.replace(
                APPLE.symbol,
                named("tb1"),
                named("tb2"),
                order(BUY, "10", LIMIT, "151"),
                send_blocked_by=not_blocked,
            )
        assert raised.value.client_order_id == "tb2"
        if fault == "truncated":
            return  # a 204 has no body that could be cut
        stage.server.faults.set(spoilt(fault, "cancel"))
        with pytest.raises(OutcomeUnknownError) as raised:
            await stage.venue.cancel(APPLE.symbol, named("tb1"))
        assert raised.value.client_order_id == "tb1"
        found = (await stage.venue.find_order(APPLE.symbol, named("tb1"))).report
        assert found is not None
        assert found.status is OrderStatus.CANCELED


async def test_a_cancel_that_was_taken_and_cannot_be_looked_up_is_unknown() -> None:
    """I1: 204 says that it will be tried."""
    async with staged() as stage:
        await stage.venue.submit(
            named("tb1"), order(BUY, "10", LIMIT, "150"), send_blocked_by=not_blocked
        )
        stage.server.faults.set(spoilt("502", "find.by_id"))
        with pytest.raises(OutcomeUnknownError):
            await stage.venue.cancel(APPLE.symbol, named("tb1"))


async def test_nothing_that_refuses_connections_has_seen_an_order() -> None:
    """2.3: it may be sent again."""
    async with staged() as stage:
        stage.server.faults.set(Fault(kind=Kind.REFUSED))
        await stage.server.settle()
        with pytest.raises(VenueUnavailableError):
            await stage.venue.submit(named("tb1"), order(BUY, "1"), send_blocked_by=not_blocked)
        stage.server.faults.clear()
        await stage.server.settle()
        assert (await stage.venue.find_order(APPLE.symbol, named("tb1"))).report is None


async def test_requests_of_a_minute_are_not_exceeded_and_exits_have_a_reserve() -> None:
    """A13: the gate waits or says so; no question is ever answered 429."""
    async with staged(terms=Terms(requests_per_minute=20, storm=10_000)) as stage:
        for _ in range(16):  # 20 % of 20 are kept
            await stage.venue.server_clock()
        with pytest.raises(VenueUnavailableError):
            await stage.venue.server_clock()
        assert stage.requests("/v2/clock") == 16
        with pytest.raises(OrderRejectedError):  # it was sent: there is nothing to sell
            await stage.venue.submit(
                named("tb1"), order(SELL, "1", STOP, "190"), send_blocked_by=not_blocked
            )


async def test_a_key_that_is_refused_says_so() -> None:
    """M6.1: 401 for a key that is not known, 403 for a secret of another one."""
    for wrong in ({"key_id": "PKOTHER"}, {"secret": "another"}):
        async with staged(**wrong) as stage:  # type: ignore[arg-type]
            with pytest.raises(OrderRejectedError, match=r"^auth: "):
                await stage.venue.vet_key()
