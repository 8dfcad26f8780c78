"""Orders of USDT-M that are not lost, misnamed or taken for ended by what the venue says badly."""

from datetime import timedelta
from decimal import Decimal

import anyio
import pytest
import structlog.testing

from tests.binance_usdm.scene import BTC, ETH, closing, named, order, scene
from tests.simulators.shared.faults import ALWAYS, Executed, Fault, Kind
from tradebotd.domain.errors import OutcomeUnknownError, VenueUnavailableError
from tradebotd.domain.order import OrderStatus
from tradebotd.domain.order_type import OrderType
from tradebotd.domain.side import Side
from tradebotd.venues.binance.usdm import trades

BUY, SELL, LIMIT, STOP = Side.BUY, Side.SELL, OrderType.LIMIT, OrderType.STOP_MARKET
SYMBOL = BTC.symbol
SURE = ("Service Unavailable", "Internal error; unable to process your request")


async def test_orders_of_two_symbols_that_share_a_number_are_both_open() -> None:
    """F4: numbers of orders are counted in each market."""
    async with scene() as usdm:
        await usdm.send("tb1", order(BUY, "0.1", LIMIT, "59000"))
        usdm.price("3000", "ETHUSDT")
        await usdm.send("tb2", order(BUY, "0.1", LIMIT, "2990", symbol=ETH.symbol))
        told = await usdm.venue.open_orders([SYMBOL, ETH.symbol])
        assert len({each.venue_order_id for each in told}) == 1
        assert sorted(each.client_order_id for each in told) == ["tb1", "tb2"]


@pytest.mark.parametrize("status", [502, 503, 504])
@pytest.mark.parametrize("text", SURE)
async def test_words_of_a_server_in_between_prove_nothing(status: int, text: str) -> None:
    """I1: they say what the venue says, and the order was executed all the same."""
    async with scene() as usdm:
        await usdm.venue.account()
        usdm.server.faults.set(
            Fault(
                kind=Kind.ANSWER,
                operation="place",
                executed=Executed.NOW,
                status=status,
                body=text,
            )
        )
        with pytest.raises(OutcomeUnknownError):
            await usdm.send("tb1", order(BUY, "0.1"))


@pytest.mark.parametrize("status", [502, 504])
async def test_the_venues_own_words_prove_nothing_under_another_status(status: int) -> None:
    """I1: they are documented for 503 alone."""
    async with scene() as usdm:
        await usdm.venue.account()
        body = {"code": -1001, "msg": SURE[1]}
        usdm.server.faults.set(Fault(kind=Kind.ANSWER, operation="place", status=status, body=body))
        with pytest.raises(OutcomeUnknownError):
            await usdm.send("tb1", order(BUY, "0.1"))


@pytest.mark.parametrize("days", [4, 9])
async def test_a_stop_that_has_filled_is_not_expired_by_a_false_no(days: int) -> None:
    """F2: -2013 is no proof; a trade of what the stop became is one."""
    async with scene() as usdm:
        await usdm.send("tb1", order(BUY, "0.1"))
        await usdm.send("tb2", closing(SELL, "0.1", STOP, "59000"))
        usdm.price("58900")
        usdm.clock.advance(timedelta(days=days))
        usdm.server.faults.set(
            Fault(kind=Kind.FALSE_NOT_FOUND, operation="query.order", times=ALWAYS)
        )
        with pytest.raises(VenueUnavailableError):
            await usdm.venue.find_order(SYMBOL, named("tb2"))


async def test_a_stop_that_lives_is_not_expired_by_a_false_no() -> None:
    """F2: what a stop became may rest for longer than three days, without a trade."""
    async with scene() as usdm:
        await usdm.send("tb1", order(BUY, "0.1"))
        waits = closing(SELL, "0.1", OrderType.STOP_LIMIT, "59000", limit_price=Decimal(58950))
        await usdm.send("tb2", waits)
        usdm.market.set_price("BTCUSDT", Decimal(58900))
        (algo,) = usdm.account.book.algos.values()
        assert algo.status == "TRIGGERED"
        usdm.clock.advance(timedelta(days=4))
        usdm.server.faults.set(
            Fault(kind=Kind.FALSE_NOT_FOUND, operation="query.order", times=ALWAYS)
        )
        with pytest.raises(VenueUnavailableError):
            await usdm.venue.find_order(SYMBOL, named("tb2"))


async def test_an_order_is_told_while_its_trades_are_not() -> None:
    """A stop is sent behind the report of its entry: nothing may hold that back."""
    async with scene() as usdm:
        await usdm.venue.account()
        usdm.server.faults.set(Fault(kind=Kind.NO_ANSWER, path="/fapi/v1/userTrades"))
        with anyio.fail_after(6):  # an answer would be waited for for ten
            report = await usdm.send("tb1", order(BUY, "0.1"))
        assert (report.status, report.filled_quantity) == (OrderStatus.FILLED, Decimal("0.1"))


@pytest.mark.parametrize("operation", ["cancel.order", "cancel.stop"])
@pytest.mark.parametrize("code", [-2015, -1022, -1102])
async def test_a_cancel_that_is_refused_for_another_reason_leaves_the_order(
    code: int, operation: str
) -> None:
    """S14: a key that may not cancel says nothing of the order."""
    async with scene() as usdm:
        await usdm.send("tb1", order(BUY, "0.1", LIMIT, "59000"))
        if operation == "cancel.stop":
            usdm.parts.lookups._names.__init__()  # type: ignore[misc]
        usdm.server.faults.set(
            Fault(
                kind=Kind.ANSWER,
                operation="cancel",
                executed=Executed.NEVER,
                status=401,
                body={"code": code, "msg": "Invalid API-key, IP, or permissions for action."},
            )
        )
        with pytest.raises(VenueUnavailableError, match="not cancelled"):
            await usdm.venue.cancel(SYMBOL, named("tb1"))


@pytest.mark.parametrize(
    "changed", [{"code": "400", "msg": "failed"}, {"clientAlgoId": "another"}, {"code": None}]
)
async def test_a_cancel_of_a_stop_counts_where_its_answer_is_of_that_stop(
    changed: dict[str, object],
) -> None:
    """F8: a yes has the code 200 and both ids; anything else leaves it unknown."""
    async with scene() as usdm:
        await usdm.send("tb1", order(SELL, "0.1", STOP, "59000"))
        (algo,) = usdm.account.book.open_algos()
        body = {"algoId": algo.algo_id, "clientAlgoId": "tb1", "code": "200", "msg": "success"}
        usdm.server.faults.set(
            Fault(kind=Kind.WRONG_BODY, operation="cancel", body={**body, **changed})
        )
        with pytest.raises(OutcomeUnknownError):
            await usdm.venue.cancel(SYMBOL, named("tb1"))


async def test_a_stop_that_became_an_order_is_known_by_its_own_id_after_a_restart() -> None:
    """R4: the list of open orders has what it became, with another id."""
    async with scene() as usdm:
        await usdm.send("tb1", order(BUY, "0.1"))
        waits = closing(SELL, "0.1", OrderType.STOP_LIMIT, "59000", limit_price=Decimal(58950))
        placed = await usdm.send("tb2", waits)
        usdm.price("58900")
        usdm.parts.lookups._names.__init__()  # type: ignore[misc]
        (told,) = await usdm.venue.open_orders([SYMBOL])
        assert (told.client_order_id, told.venue_order_id) == ("tb2", placed.venue_order_id)
        assert len(told.other_ids) == 1


async def test_fills_of_more_orders_than_a_page_has_are_told_with_their_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """M5.9: without its name a fill is nobody's, and no forced one is told as that."""
    monkeypatch.setattr(trades, "PAGE", 2)
    names = [f"tb{number}" for number in range(5)]
    async with scene() as usdm:
        for name in names:
            await usdm.send(name, order(BUY, "0.01"))
        usdm.parts.lookups._names.__init__()  # type: ignore[misc]
        fills = await usdm.venue.fills_since(usdm.clock.now(), [SYMBOL])
        assert [each.client_order_id for each in fills] == names
        usdm.parts.lookups._names.__init__()  # type: ignore[misc]
        monkeypatch.setattr(trades, "MOST_ASKED", 2, raising=False)
        with pytest.raises(VenueUnavailableError, match="no name"):
            await usdm.venue.fills_since(usdm.clock.now(), [SYMBOL])


async def test_what_is_too_old_to_be_told_is_an_error_in_the_log() -> None:
    """F3: three months of incomes are told; what was before is left out, and not silently."""
    async with scene() as usdm:
        with structlog.testing.capture_logs() as logs:
            await usdm.venue.funding_since(usdm.clock.now() - timedelta(days=100))
        assert {each["event"] for each in logs if each["log_level"] == "error"} == {
            "incomes out of reach"
        }
