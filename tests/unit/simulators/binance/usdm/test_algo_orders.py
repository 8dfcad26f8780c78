"""Conditional orders of the simulated venue: waiting, triggering, failing, forgetting."""

from decimal import Decimal

import pytest

from tests.simulators.binance.errors import VenueError
from tests.simulators.binance.usdm import algo_calls
from tests.simulators.binance.usdm.algo import MAX_OPEN
from tests.simulators.binance.usdm.calls import Call
from tests.simulators.binance.usdm.instruments import usual_instruments
from tests.simulators.binance.usdm.order_requests import read_algo
from tests.simulators.binance.usdm.orders import DAY_MS
from tests.unit.simulators.binance.usdm.scene import BTC, Scene, scene

STOP = {"algoType": "CONDITIONAL", "symbol": BTC, "side": "SELL", "type": "STOP_MARKET", "quantity": "0.010", "triggerPrice": "59000"}  # fmt: skip
FIELDS = {
    "caid", "aid", "at", "o", "s", "S", "ps", "f", "q", "X", "ai", "ap", "aq", "act", "tp", "p", "V", "wt", "pm", "cp",
    "pP", "R", "tt", "gtd",
}  # fmt: skip
TRAILING = {"type": "TRAILING_STOP_MARKET", "callback_rate": Decimal(1), "trigger_price": Decimal(0)}  # fmt: skip


def refused(made: Scene, **changes: str) -> int:
    params = {name: value for name, value in (STOP | changes).items() if value}
    with pytest.raises(VenueError) as refusal:
        read_algo(made.venue, made.account, params)
    return refusal.value.code


def held(amount: str = "0.010") -> Scene:
    made = scene()
    made.place("BUY", amount)
    made.events.clear()
    return made


def test_a_stop_becomes_an_order_of_its_own() -> None:
    """F6, F8: an id of its own with the conditional one's client id, and the states on the way."""
    made = held()
    stop = made.algo("SELL", "0.010", "59000")
    made.price("59000")

    updates = made.told("ALGO_UPDATE")
    assert [u["X"] for u in updates] == ["NEW", "TRIGGERING", "TRIGGERED", "FINISHED"]
    assert stop.actual is not None
    assert updates[-1]["ai"] == str(stop.actual.order_id)
    assert (stop.actual.client_id, stop.actual.status) == (stop.client_id, "FILLED")
    assert (updates[-1]["aq"], updates[-1]["ap"], updates[-1]["act"]) == ("0.01", "59000", "MARKET")
    assert made.position().amount == 0
    assert set(updates[0]) == FIELDS  # fmt: skip


def test_a_stop_by_mark_price_ignores_the_last_one() -> None:
    made = held()
    stop = made.algo("SELL", "0.010", "59000", working_type="MARK_PRICE")
    made.venue.market.set_mark(BTC, Decimal(60000))
    made.price("58000")
    waiting = stop.status
    made.venue.market.set_mark(BTC, Decimal(58900))

    assert (waiting, stop.status) == ("NEW", "FINISHED")


def test_a_price_protected_stop_expires_when_the_prices_are_torn() -> None:
    made = held()
    made.venue.market.set_mark(BTC, Decimal(60000))
    stop = made.algo("SELL", "0.010", "56000", price_protect=True)
    made.price("55000")

    assert (stop.status, bool(stop.reason), made.position().amount) == ("EXPIRED", True, Decimal("0.010"))  # fmt: skip


def test_a_stop_without_a_position_is_rejected_at_its_trigger() -> None:
    """F5: the reason is `rm` in ALGO_UPDATE, no CONDITIONAL_ORDER_TRIGGER_REJECT is sent."""
    made = scene()
    stop = made.algo("SELL", "0.010", "59000")
    made.price("58000")

    assert stop.status == "REJECTED"
    assert made.told("ALGO_UPDATE")[-1]["rm"] == "Reduce Only reject"
    assert not made.told("CONDITIONAL_ORDER_TRIGGER_REJECT")
    assert not made.account.book.orders


def test_two_hundred_wait_over_all_symbols_and_no_filter_says_so() -> None:
    """F4: -4045 for the next one, whatever its symbol; MAX_NUM_ALGO_ORDERS is not in exchangeInfo."""
    made = scene()
    for _ in range(MAX_OPEN // 2):
        made.algo("SELL", "0.010", "50000")
        made.algo("SELL", "0.010", "2000", symbol="ETHUSDT")
    with pytest.raises(VenueError) as refusal:
        made.algo("SELL", "1", "0.10", symbol="DOGEUSDT")
    filters = [row["filterType"] for row in usual_instruments()[BTC].filters()]

    assert (MAX_OPEN, refusal.value.code) == (200, -4045)
    assert "MAX_NUM_ALGO_ORDERS" not in filters


@pytest.mark.parametrize(("rate", "code"), [("0.1", None), ("20", None), ("20.1", -2007), ("0.09", -2007)])  # fmt: skip
def test_a_callback_rate_reaches_twenty_percent(rate: str, code: int | None) -> None:
    """F7: up to 20 since October 2026."""
    made, codes = held(), []
    try:
        made.algo("SELL", "0.010", "0", **(TRAILING | {"callback_rate": Decimal(rate)}))
    except VenueError as refusal:
        codes.append(refusal.code)

    assert codes == ([] if code is None else [code])


def test_a_trailing_order_is_new_twice() -> None:
    """F6, F7: `ia` false, then true when activatePrice is reached: no duplicate."""
    made = held()
    stop = made.algo("SELL", "0.010", "0", **(TRAILING | {"activate_price": Decimal(61000)}))
    made.price("61000")
    made.price("62000")
    made.price("61390")
    told = [(u["X"], u["ia"]) for u in made.told("ALGO_UPDATE")]
    assert told == [("NEW", False), ("NEW", True)]
    made.price("61380")

    assert stop.status == "FINISHED"


def test_activate_price_is_the_parameters_name() -> None:
    """F7: activatePrice, no longer activationPrice; it must lie ahead (-2021)."""
    made = scene()
    asked = STOP | {"type": "TRAILING_STOP_MARKET", "callbackRate": "1", "activatePrice": "61000"}
    algo = read_algo(made.venue, made.account, asked)
    old = read_algo(made.venue, made.account, STOP | {"type": "TRAILING_STOP_MARKET", "callbackRate": "1", "activationPrice": "61000"})  # fmt: skip
    behind = read_algo(made.venue, made.account, asked | {"activatePrice": "59000"})
    with pytest.raises(VenueError) as refusal:
        made.venue.algos.place(made.account, behind)

    assert (algo.activate_price, old.activate_price) == (Decimal(61000), Decimal(0))
    assert refusal.value.code == -2021


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"closePosition": "true"}, -4137),
        ({"closePosition": "true", "quantity": "", "reduceOnly": "true"}, -1106),
        ({"closePosition": "true", "type": "STOP", "price": "58000"}, -4136),
        ({"type": "LIMIT"}, -1116),
        ({"triggerPrice": ""}, -1102),
        ({"type": "STOP"}, -1102),
        ({"algoType": "VP"}, -1130),
        ({"clientAlgoId": "x" * 37}, -4015),
        ({"workingType": "INDEX"}, -1130),
    ],
)
def test_what_a_conditional_order_breaks_has_its_code(changes: dict[str, str], code: int) -> None:
    """F8: closePosition excludes quantity and reduceOnly; ids by the 36-character rule."""
    assert refused(scene(), **changes) == code


@pytest.mark.parametrize("tif", ["GTC", "IOC", "FOK", "GTX"])
def test_times_in_force_of_conditional_orders(tif: str) -> None:
    """F8: GTC, IOC, FOK, GTX and GTD."""
    made = scene()
    assert read_algo(made.venue, made.account, STOP | {"timeInForce": tif}).time_in_force == tif


def test_a_stop_that_would_trigger_at_once_is_refused() -> None:
    made = held()
    with pytest.raises(VenueError) as refusal:
        made.algo("SELL", "0.010", "60000")

    assert refusal.value.code == -2021


def test_a_client_id_is_unique_among_open_ones_only() -> None:
    """F8: again no idempotency key: after the end the same id makes a second order."""
    made = held()
    stop = made.algo("SELL", "0.010", "59000", client_id="mine")
    code = refused(made, clientAlgoId="mine")
    made.venue.algos.cancel(made.account, stop)

    assert code == -4116
    assert read_algo(made.venue, made.account, STOP | {"clientAlgoId": "mine"}).client_id == "mine"


def test_close_position_lives_as_long_as_the_position() -> None:
    """GTE: -4509 without a position, -4130 for a second one, EXPIRED when the position is closed."""
    made = scene()
    closing = {"quantity": "0", "close_position": True, "reduce_only": False, "time_in_force": "GTE_GTC"}  # fmt: skip
    codes = []

    def attempt() -> None:
        try:
            made.algo("SELL", "0", "59000", **{k: v for k, v in closing.items() if k != "quantity"})
        except VenueError as refusal:
            codes.append(refusal.code)

    attempt()
    made.place("BUY", "0.010")
    attempt()
    attempt()
    made.place("SELL", "0.010")

    assert codes == [-4509, -4130]
    assert [a.status for a in made.account.book.algos.values()] == ["EXPIRED"]


def ask(made: Scene, how: str, **params: str) -> object:
    call = Call(made.venue, params, made.account)
    return getattr(algo_calls, how)(call)


def test_query_and_cancel_by_either_id_without_a_symbol() -> None:
    """F8: algoId or clientAlgoId."""
    made = held()
    stop = made.algo("SELL", "0.010", "59000", client_id="mine")
    by_id, by_name = ask(made, "query", algoId=str(stop.algo_id)), ask(made, "query", clientAlgoId="mine")  # fmt: skip
    assert by_id == by_name
    cancelled = ask(made, "cancel", clientAlgoId="mine")

    assert isinstance(cancelled, dict)
    assert (cancelled["code"], cancelled["msg"]) == ("200", "success")
    with pytest.raises(VenueError) as refusal:
        ask(made, "cancel", clientAlgoId="mine")
    assert refusal.value.code == -2011


def test_all_of_one_symbol_are_cancelled() -> None:
    """F8: algoOpenOrders is per symbol."""
    made = scene()
    here, there = made.algo("SELL", "0.010", "59000"), made.algo("SELL", "0.010", "2000", symbol="ETHUSDT")  # fmt: skip
    ask(made, "cancel_all", symbol=BTC)

    assert (here.status, there.status) == ("CANCELED", "NEW")


@pytest.mark.parametrize(
    ("ending", "days", "is_there"),
    [("cancel", 3, True), ("cancel", 4, False), ("fill", 4, True), ("fill", 91, False), ("wait", 89, True)],
)  # fmt: skip
def test_conditional_orders_are_forgotten(ending: str, days: int, is_there: bool) -> None:  # noqa: FBT001
    """F8: cancelled and expired ones after 3 days, everything after 90."""
    made = held()
    stop = made.algo("SELL", "0.010", "59000")
    if ending == "cancel":
        made.venue.algos.cancel(made.account, stop)
    elif ending == "fill":
        made.price("58000")
    made.now.ms += days * DAY_MS
    codes = []
    try:
        ask(made, "query", algoId=str(stop.algo_id))
    except VenueError as refusal:
        codes.append(refusal.code)

    assert codes == ([] if is_there else [-2013])
