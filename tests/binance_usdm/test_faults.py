"""What goes wrong with an order of USDT-M, and what the adapter says of it."""

from datetime import timedelta
from decimal import Decimal

import pytest

from tests.binance_usdm.scene import BTC, closing, named, order, scene
from tests.simulators.binance.usdm import outages
from tests.simulators.shared.faults import Executed, Fault, Kind
from tradebotd.domain.errors import (
    OrderRejectedError,
    OutcomeUnknownError,
    VenueError,
    VenueUnavailableError,
)
from tradebotd.domain.fill import Forced
from tradebotd.domain.order import OrderStatus
from tradebotd.domain.order_type import OrderType, TimeInForce
from tradebotd.domain.side import Side
from tradebotd.net import http
from tradebotd.venues.binance.usdm.order_names import OrderNames

BUY, SELL, STOP, LIMIT = Side.BUY, Side.SELL, OrderType.STOP_MARKET, OrderType.LIMIT
SYMBOL = BTC.symbol
SPOILT = {
    "reset": Fault(kind=Kind.RESET),
    "no answer": Fault(kind=Kind.NO_ANSWER),
    "502": Fault(kind=Kind.ANSWER, status=502, body="<html>bad gateway</html>"),
    "503": outages.unknown_error(Executed.NOW),
    "504": Fault(kind=Kind.ANSWER, status=504, body=""),
    "-1006": Fault(kind=Kind.ANSWER, status=400, body={"code": -1006, "msg": "Unexpected"}),
    "-1007": outages.timed_out(Executed.NOW),
    "-9999": Fault(kind=Kind.ANSWER, status=400, body={"code": -9999, "msg": "of tomorrow"}),
    "truncated": Fault(kind=Kind.TRUNCATED),
    "invalid json": Fault(kind=Kind.INVALID_JSON),
    "empty": Fault(kind=Kind.EMPTY),
    "another shape": Fault(kind=Kind.WRONG_BODY, body={"hello": [1]}),
}
SENDS = {
    "market": order(BUY, "0.1"),
    "limit": order(BUY, "0.1", LIMIT, "59000"),
    "stop": order(SELL, "0.1", STOP, "59000"),
}

QUICK = 3.0  # seconds: enough for any answer on a busy machine


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No fault is worth ten seconds of waiting."""
    defaults = http.HttpClient.__init__.__kwdefaults__
    assert defaults is not None
    monkeypatch.setitem(defaults, "timeouts", http.Timeouts(answer=QUICK))


def fault(name: str, operation: str, executed: Executed = Executed.NOW) -> Fault:
    spoilt = SPOILT[name]
    return Fault(
        kind=spoilt.kind,
        operation=operation,
        executed=executed,
        status=spoilt.status,
        body=spoilt.body,
    )


@pytest.mark.parametrize("executed", [Executed.NOW, Executed.NEVER])
@pytest.mark.parametrize("name", SPOILT)
@pytest.mark.parametrize("kind", SENDS)
async def test_an_order_whose_answer_is_no_answer_is_unknown_and_is_sent_once(
    kind: str, name: str, executed: Executed
) -> None:
    """I1: found as what it is, or nowhere; never sent again."""
    path = "/fapi/v1/algoOrder" if kind == "stop" else "/fapi/v1/order"
    async with scene() as usdm:
        await usdm.venue.account()
        usdm.server.faults.set(fault(name, "place", executed))
        with pytest.raises(OutcomeUnknownError):
            await usdm.send("tb1", SENDS[kind])
        assert usdm.requests(path, "POST") == 1
        found = await usdm.venue.find_order(SYMBOL, named("tb1"))
        assert (found.report is not None) == (executed is Executed.NOW)
        if found.report is None:
            assert len(found.endpoints) == 7


@pytest.mark.parametrize("failed", [outages.unavailable, outages.internal_error, outages.throttled])
@pytest.mark.parametrize("kind", SENDS)
async def test_a_503_that_says_so_has_executed_nothing(kind: str, failed: object) -> None:
    """I1: three of the texts under that status are a failure for certain; -1008 is one of them."""
    async with scene() as usdm:
        await usdm.venue.account()
        usdm.server.faults.set(failed(operation="place"))  # type: ignore[operator]
        with pytest.raises(VenueUnavailableError):
            await usdm.send("tb1", SENDS[kind])
        assert (await usdm.venue.find_order(SYMBOL, named("tb1"))).report is None


async def test_what_reduces_passes_the_protection_that_sheds_entries() -> None:
    """I1: -1008 spares reduce-only orders, which are sent as such."""
    async with scene() as usdm:
        await usdm.send("tb1", order(BUY, "0.1"))
        usdm.simulator.venue.throttled = True
        with pytest.raises(VenueUnavailableError, match="throttled"):
            await usdm.send("tb2", order(BUY, "0.1"))
        await usdm.send("tb3", closing(SELL, "0.1", STOP, "59000"))
        assert (await usdm.send("tb4", closing(SELL, "0.1"))).status is OrderStatus.FILLED


@pytest.mark.parametrize("name", SPOILT)
async def test_a_cancel_whose_answer_is_no_answer_is_unknown(name: str) -> None:
    """I1: the order may rest, or be gone."""
    async with scene() as usdm:
        await usdm.send("tb1", SENDS["stop"])
        usdm.server.faults.set(fault(name, "cancel"))
        with pytest.raises(OutcomeUnknownError):
            await usdm.venue.cancel(SYMBOL, named("tb1"))


@pytest.mark.parametrize("name", SPOILT)
async def test_a_question_whose_answer_is_no_answer_may_be_asked_again(name: str) -> None:
    """2.3: it is an error of the venue, whatever came; nothing is stored as good."""
    async with scene() as usdm:
        await usdm.venue.account()
        spoilt = SPOILT[name]
        for path in ("/fapi/v3/account", "/fapi/v1/accountConfig"):
            usdm.server.faults.set(
                Fault(kind=spoilt.kind, path=path, status=spoilt.status, body=spoilt.body)
            )
            with pytest.raises(VenueError):
                await usdm.venue.account()
            usdm.server.faults.clear()
        assert (await usdm.venue.account()).balances


async def test_a_late_arrival_at_the_engine_was_not_executed() -> None:
    """2.3: -5028, outside of the receive window of the matching engine: the clock is asked again."""
    async with scene() as usdm:
        await usdm.venue.account()
        usdm.simulator.gate.engine_delay_ms = 6_000
        before = usdm.requests("/fapi/v1/time")
        with pytest.raises(VenueUnavailableError, match="recvWindow"):
            await usdm.send("tb1", SENDS["market"])
        usdm.simulator.gate.engine_delay_ms = 0
        assert (await usdm.send("tb2", SENDS["market"])).fills
        assert usdm.requests("/fapi/v1/time") == before + 1


async def test_an_order_stands_whose_fills_cannot_be_asked_for() -> None:
    """I1: it is told as the placement has it; the stream, or who asks, tells the fills."""
    async with scene() as usdm:
        await usdm.venue.account()
        usdm.server.faults.set(
            Fault(kind=Kind.ANSWER, path="/fapi/v1/userTrades", status=502, body="")
        )
        report = await usdm.send("tb1", SENDS["market"])
        assert (report.status, report.filled_quantity) == (OrderStatus.FILLED, Decimal("0.1"))
        assert report.fills == ()
        found = (await usdm.venue.find_order(SYMBOL, named("tb1"))).report
        assert found is not None
        assert sum(fill.quantity for fill in found.fills) == Decimal("0.1")


@pytest.mark.parametrize(("kind", "places"), [("limit", 4), ("stop", 3), ("market", 6)])
async def test_an_order_that_the_queries_forget_is_found_in_a_list(kind: str, places: int) -> None:
    """-2013 is no proof: lists of both kinds, and trades, are looked at, too."""
    async with scene() as usdm:
        await usdm.send("tb1", SENDS[kind])
        usdm.parts.lookups._names = OrderNames()  # as after a restart
        usdm.server.faults.set(
            Fault(kind=Kind.FALSE_NOT_FOUND, operation="query.order"),
            Fault(kind=Kind.FALSE_NOT_FOUND, operation="query.stop"),
        )
        found = await usdm.venue.find_order(SYMBOL, named("tb1"))
        assert found.report is not None
        assert found.report.client_order_id == "tb1"
        assert len(found.endpoints) == places
        assert sum(fill.quantity for fill in found.report.fills) == found.report.filled_quantity


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (order(BUY, "0.0015"), "quantity_off_lot"),
        (order(BUY, "0.0001"), "quantity_off_lot"),
        (order(BUY, "121"), "quantity_above_maximum"),
        (order(BUY, "0.1", LIMIT, "59000.05"), "price_off_tick"),
        (order(BUY, "0.1", LIMIT, "63001"), "price_outside_percent"),
        (order(SELL, "0.1", LIMIT, "56999"), "price_outside_percent"),
        (order(BUY, "0.001", LIMIT, "49000"), "notional_below_minimum"),
        (order(BUY, "100"), "insufficient balance"),
        (order(SELL, "0.1", STOP, "60001"), "would trigger immediately"),
        (closing(SELL, "0.1"), "ReduceOnly"),
        (order(BUY, "0.1", symbol="NOPE"), "unknown symbol"),
        (
            order(BUY, "0.1", LIMIT, "61000", time_in_force=TimeInForce.DAY),
            "time_in_force_not_taken",
        ),
    ],
)
async def test_a_refusal_is_named_as_people_know_it(request_: object, words: str) -> None:
    """M6.1 (VC-49): by the filter's name, where a filter refused."""
    async with scene() as usdm:
        with pytest.raises(OrderRejectedError, match=words):
            await usdm.send("tb1", request_)  # type: ignore[arg-type]


async def test_more_stops_than_may_wait_are_refused_by_name() -> None:
    """F4: -4045, whatever the symbol."""
    async with scene() as usdm:
        fault_ = Fault(
            kind=Kind.ANSWER,
            operation="place.stop",
            executed=Executed.NEVER,
            status=400,
            body={"code": -4045, "msg": "Reach max stop order limit."},
        )
        usdm.server.faults.set(fault_)
        with pytest.raises(OrderRejectedError, match=r"^too_many_stop_orders"):
            await usdm.send("tb2", SENDS["stop"])


@pytest.mark.parametrize("how", list(Forced))
async def test_what_the_venue_closes_by_force_is_told_as_that(how: Forced) -> None:
    """M5.9: liquidation, auto-deleveraging, settlement: by the stream and in the list of fills."""
    async with scene(streams=True) as usdm:
        await usdm.send("tb1", order(BUY, "0.1"))
        venue, (position,) = usdm.simulator.venue, list(usdm.account.held())
        if how is Forced.LIQUIDATION:
            venue.forced.liquidate(usdm.account, position, Decimal(55000))
        elif how is Forced.ADL:
            for part in ("0.04", "0.06"):
                venue.forced.deleverage(usdm.account, position, Decimal(part), Decimal(61000))
        else:
            venue.forced.settle("BTCUSDT", Decimal(60000))
        await usdm.until(
            lambda: (
                sum(f.quantity for r in usdm.heard for f in r.fills if f.forced) == Decimal("0.1")
            )
        )
        told = [each for each in usdm.heard if each.forced is how and each.fills]
        assert len({each.client_order_id for each in told}) == len(told)
        usdm.parts.lookups._names.__init__()  # type: ignore[misc]
        fills = await usdm.venue.fills_since(usdm.clock.now() - timedelta(hours=1), [SYMBOL])
        assert {each.forced for each in fills} == {None, how}
