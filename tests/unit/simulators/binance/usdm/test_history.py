"""What the simulated venue remembers, pages and forgets; money without trades; forced closes."""

from decimal import Decimal
from typing import Any

import pytest

from tests.simulators.binance.errors import VenueError
from tests.simulators.binance.usdm import account_calls, order_calls
from tests.simulators.binance.usdm.account import FUNDING_INCOMES
from tests.simulators.binance.usdm.calls import Call
from tests.simulators.binance.usdm.cash import income_sum
from tests.simulators.binance.usdm.orders import DAY_MS
from tests.unit.simulators.binance.usdm.scene import BTC, START, Scene, scene


def ask(made: Scene, handle: Any, **params: object) -> Any:
    call = Call(made.venue, {name: str(v) for name, v in params.items()}, made.account)
    return handle(call)


def code_of(made: Scene, handle: Any, **params: object) -> int:
    with pytest.raises(VenueError) as refusal:
        ask(made, handle, **params)
    return refusal.value.code


def traded(number: int) -> Scene:
    made = scene()
    for turn in range(number):
        made.place("SELL" if turn % 2 else "BUY", "0.010")
        made.now.ms += DAY_MS
    return made


def test_trades_reach_three_months_back_seven_days_at_a_time() -> None:
    """F1: three months since August 2026, the span of seven days stays."""
    made = traded(100)
    newest = ask(made, order_calls.user_trades, symbol=BTC)
    week = ask(made, order_calls.user_trades, symbol=BTC, startTime=START + 20 * DAY_MS, endTime=START + 27 * DAY_MS)  # fmt: skip
    too_long = code_of(made, order_calls.user_trades, symbol=BTC, startTime=START + 20 * DAY_MS, endTime=START + 28 * DAY_MS)  # fmt: skip
    lost = ask(made, order_calls.user_trades, symbol=BTC, startTime=START, endTime=START + 7 * DAY_MS)  # fmt: skip

    assert (len(newest), len(week), too_long, lost) == (7, 8, -4165, [])


def test_trades_are_paged_by_id() -> None:
    """F1: fromId excludes the times, and reaches all that is kept."""
    made = traded(30)
    found: list[int] = []
    first = 1
    while page := ask(made, order_calls.user_trades, symbol=BTC, fromId=first, limit=7):
        found += [row["id"] for row in page]
        first = page[-1]["id"] + 1

    assert found == [trade.trade_id for trade in made.account.trades]
    assert code_of(made, order_calls.user_trades, symbol=BTC, fromId=1, startTime=START) == -1128


def test_ids_are_counted_for_each_symbol() -> None:
    made = scene()
    made.place("BUY", "0.010")
    made.place("BUY", "0.100", symbol="ETHUSDT")

    assert len({trade.trade_id for trade in made.account.trades}) == 1
    assert len({order.order_id for order in made.account.book.orders.values()}) == 1


def test_all_orders_need_no_symbol() -> None:
    """F2: symbol is optional, a span of seven days, at most 1,000 rows."""
    made = scene()
    made.place("BUY", "0.010")
    made.place("BUY", "0.100", symbol="ETHUSDT")

    assert {row["symbol"] for row in ask(made, order_calls.all_orders)} == {BTC, "ETHUSDT"}
    assert len(ask(made, order_calls.all_orders, symbol=BTC, limit=5000)) == 1
    assert code_of(made, order_calls.all_orders, startTime=START, endTime=START + 8 * DAY_MS) == -4165  # fmt: skip


@pytest.mark.parametrize(
    ("ending", "days", "is_there"),
    [("cancel", 3, True), ("cancel", 4, False), ("part", 4, True), ("fill", 89, True), ("fill", 91, False)],
)  # fmt: skip
def test_orders_are_forgotten(ending: str, days: int, is_there: bool) -> None:  # noqa: FBT001
    """F2: cancelled or expired without a fill after 3 days, everything after 90."""
    made = scene()
    order = made.place("BUY", "0.010", "59000")
    if ending != "cancel":
        made.venue.engine.fill(made.account, order, Decimal("0.004" if ending == "part" else 1))
    if ending != "fill":
        made.venue.engine.cancel(made.account, order)
    made.now.ms += days * DAY_MS
    codes = []
    try:
        ask(made, order_calls.query, symbol=BTC, orderId=order.order_id)
    except VenueError as refusal:
        codes.append(refusal.code)

    assert codes == ([] if is_there else [-2013])


def test_the_single_open_order_denies_what_is_done() -> None:
    """F17: openOrder says of filled and cancelled ones that they do not exist."""
    made = scene()
    filled, cancelled, waiting = made.place("BUY", "0.010"), made.place("BUY", "0.010", "58000"), made.place("BUY", "0.010", "59000")  # fmt: skip
    made.venue.engine.cancel(made.account, cancelled)

    codes = [code_of(made, order_calls.query_open, symbol=BTC, orderId=o.order_id) for o in (filled, cancelled)]  # fmt: skip
    assert codes == [-2013, -2013]
    assert ask(made, order_calls.query_open, symbol=BTC, orderId=waiting.order_id)["status"] == "NEW"  # fmt: skip
    assert ask(made, order_calls.query, symbol=BTC, orderId=filled.order_id)["status"] == "FILLED"


def test_special_funding_is_funding_under_another_name() -> None:
    """F3: FUNDING_FEE and SPECIAL_FUNDING_FEE, to be added."""
    made = scene()
    made.place("BUY", "0.010")
    made.venue.cash.fund(BTC, Decimal("0.0001"))
    made.venue.cash.fund(BTC, Decimal("0.0002"), special=True)

    assert (made.incomes("FUNDING_FEE"), made.incomes("SPECIAL_FUNDING_FEE")) == ([Decimal("-0.06")], [Decimal("-0.12")])  # fmt: skip
    assert income_sum(made.account, FUNDING_INCOMES, "USDT") == Decimal("-0.18")


def test_an_income_id_is_unique_within_its_type_only() -> None:
    """F3: the key is type and tranId together; `page` does nothing any more; three months."""
    made = scene()
    made.place("BUY", "0.010")
    made.price("61000")
    made.place("SELL", "0.010")
    rows = ask(made, account_calls.income)

    assert len({(row["incomeType"], row["tranId"]) for row in rows}) == len(rows) == 4
    assert len({row["tranId"] for row in rows}) < 4
    assert ask(made, account_calls.income, page=2) == rows
    made.now.ms += 91 * DAY_MS
    assert ask(made, account_calls.income, startTime=START) == []


def test_funding_is_paid_at_its_times_when_it_shall_be() -> None:
    made = scene()
    made.place("BUY", "0.010")
    eight_hours = 8 * 60 * 60 * 1000
    first = made.venue.market[BTC].next_funding_ms
    made.now.ms = first
    made.venue.tick()
    made.venue.funds_by_itself = True
    made.now.ms += eight_hours
    made.venue.tick()

    assert first % eight_hours == 0
    assert made.incomes("FUNDING_FEE") == [Decimal("-0.06")]


def test_funding_names_its_symbol_where_no_position_is_listed() -> None:
    """F13: `S` of ACCOUNT_UPDATE, as a crossed position is not in `P`."""
    made = scene()
    made.place("BUY", "0.010")
    made.venue.cash.fund(BTC, Decimal("0.0001"))
    told = made.told("ACCOUNT_UPDATE")[-1]

    assert (told["m"], told["S"], told["P"]) == ("FUNDING_FEE", BTC, [])
    assert told["B"] == [{"a": "USDT", "wb": "9999.70000000", "cw": "9999.70000000", "bc": "-0.06"}]


def test_a_transfer_is_an_income_and_an_event() -> None:
    made = scene()
    made.venue.cash.transfer(made.account, "USDT", Decimal(-100))
    told = made.told("ACCOUNT_UPDATE")[-1]

    assert made.incomes("TRANSFER") == [Decimal(10_000), Decimal(-100)]
    assert (told["m"], told["B"][0]["bc"]) == ("WITHDRAW", "-100")  # type: ignore[index]


def test_a_liquidation_closes_by_a_client_id_that_tells_it() -> None:
    """Losses stop at the margin: the insurance fund pays the rest, INSURANCE_CLEAR either way."""
    made = scene()
    made.venue.settings.set_margin_type(made.account, BTC, "ISOLATED")
    made.place("BUY", "0.100")
    resting = made.place("BUY", "0.010", "50000")
    made.price("57000")
    told = [u for u in made.told("ORDER_TRADE_UPDATE") if str(u["c"]).startswith("autoclose-")]

    assert [(u["x"], u["X"]) for u in told] == [("NEW", "NEW"), ("CALCULATED", "FILLED")]
    assert (resting.status, resting.expiry_reason) == ("EXPIRED", 5)
    assert not made.position().amount
    assert len(made.incomes("INSURANCE_CLEAR")) == 1
    assert made.account.wallet("USDT") >= Decimal(10_000) - Decimal(300) - Decimal("2.40")
    forced = ask(made, order_calls.forced_orders, symbol=BTC, autoCloseType="LIQUIDATION")
    assert [row["clientOrderId"][:10] for row in forced] == ["autoclose-"]


def test_margin_is_called_before_it_is_gone() -> None:
    made = scene("350")
    made.place("BUY", "0.100")
    made.price("56800")

    assert [call["p"][0]["s"] for call in made.told("MARGIN_CALL")] == [BTC]  # type: ignore[index]
    assert made.position().amount


def test_deleveraging_takes_a_part() -> None:
    made = scene()
    made.place("SELL", "0.100")
    made.venue.forced.deleverage(made.account, made.position(), Decimal("0.04"), Decimal(55000))

    assert made.position().amount == Decimal("-0.06")
    assert made.told("ORDER_TRADE_UPDATE")[-1]["c"] == "adl_autoclose"
    assert ask(made, order_calls.forced_orders, autoCloseType="LIQUIDATION") == []


def test_a_settlement_closes_all_and_the_symbol() -> None:
    made = scene()
    made.place("BUY", "0.010")
    made.venue.forced.settle(BTC, Decimal(61000))

    assert made.position().amount == 0
    assert str(made.told("ORDER_TRADE_UPDATE")[-1]["c"]).startswith("settlement_autoclose-")
    with pytest.raises(VenueError) as refusal:
        made.place("BUY", "0.010")
    assert refusal.value.code == -4140


def test_a_countdown_cancels_orders_and_no_stops() -> None:
    made = scene()
    order, stop = made.place("BUY", "0.010", "59000"), made.algo("SELL", "0.010", "58000")
    ask(made, order_calls.countdown, symbol=BTC, countdownTime=120_000)
    made.now.ms += 119_999
    made.venue.tick()
    waiting = order.status
    made.now.ms += 1
    made.venue.tick()

    assert (waiting, order.status, stop.status) == ("NEW", "CANCELED", "NEW")


def test_shares_trade_by_agreement() -> None:
    """F14: contractType TRADIFI_PERPETUAL; -4411 until stock/contract is signed."""
    made = scene()
    with pytest.raises(VenueError) as refusal:
        made.place("BUY", "1", symbol="TSLAUSDT")
    ask(made, account_calls.sign_tradfi)
    made.place("BUY", "1", symbol="TSLAUSDT")

    assert refusal.value.code == -4411
    assert made.venue.instruments["TSLAUSDT"].row()["contractType"] == "TRADIFI_PERPETUAL"
    made.venue.instruments["TSLAUSDT"].status = "TRADING_HALT"
    with pytest.raises(VenueError) as halted:
        made.place("BUY", "1", symbol="TSLAUSDT")
    assert halted.value.code == -4140
