"""Margins of the simulated venue: brackets, what is available, liquidation prices, asset modes."""

from decimal import Decimal
from typing import Any

import pytest

from tests.simulators.binance.errors import VenueError
from tests.simulators.binance.usdm import account_calls, margin
from tests.simulators.binance.usdm.calls import Call
from tests.unit.simulators.binance.usdm.scene import BTC, Scene, scene


def ask(made: Scene, handle: Any, **params: object) -> Any:
    call = Call(made.venue, {name: str(v) for name, v in params.items()}, made.account)
    return handle(call)


@pytest.mark.parametrize(("leverage", "cap"), [(125, 50_000), (101, 50_000), (100, 250_000), (20, 10_000_000), (1, 500_000_000)])  # fmt: skip
def test_a_leverage_allows_the_bracket_that_reaches_it(leverage: int, cap: int) -> None:
    assert scene().venue.instruments[BTC].max_notional(leverage) == cap


@pytest.mark.parametrize("notional", [50_000, 250_000, 1_000_000, 10_000_000])
def test_the_maintenance_margin_has_no_jump_between_brackets(notional: int) -> None:
    instrument = scene().venue.instruments[BTC]
    step = instrument.maintenance(Decimal(notional) + 1) - instrument.maintenance(Decimal(notional))

    assert Decimal(0) < step < Decimal("0.6")


def test_positions_and_orders_take_from_what_is_available() -> None:
    made = scene("1000")
    made.place("BUY", "0.100")
    made.place("BUY", "0.100", "59000")
    made.place("SELL", "0.050", "61000")
    usdt = ask(made, account_calls.balances)[0]

    # 6,000 / 20 for the position, 5,900 / 20 for the larger side of the orders, 2.40 of fees
    assert Decimal(usdt["availableBalance"]) == Decimal(1000) - Decimal("2.4") - 300 - 295
    assert Decimal(usdt["balance"]) == Decimal("997.6")


def test_isolated_margin_stays_with_its_position() -> None:
    made = scene()
    made.venue.settings.set_margin_type(made.account, BTC, "ISOLATED")
    made.place("BUY", "0.100")
    made.venue.settings.move_margin(made.account, made.position(), Decimal(50))
    row = ask(made, account_calls.positions, symbol=BTC)[0]
    with pytest.raises(VenueError) as refusal:
        made.venue.settings.move_margin(made.account, made.position(), Decimal(-51))
    made.place("SELL", "0.050")

    assert (row["isolatedWallet"], row["positionInitialMargin"]) == ("350", "300")
    assert refusal.value.code == -4051
    assert made.position().isolated_wallet == Decimal(175)


@pytest.mark.parametrize("side", ["BUY", "SELL"])
@pytest.mark.parametrize("isolated", [True, False])
@pytest.mark.parametrize(("amount", "deposit"), [("0.100", "2000"), ("5", "20000")])
def test_the_liquidation_price_is_where_it_happens(
    side: str, amount: str, deposit: str, *, isolated: bool
) -> None:
    made = scene(deposit)
    if isolated:
        made.venue.settings.set_margin_type(made.account, BTC, "ISOLATED")
    made.place(side, amount)
    price = margin.liquidation_price(made.account, made.venue.market, made.position())
    away = Decimal("0.01") if side == "BUY" else Decimal("-0.01")
    made.venue.market.set_mark(BTC, price + away)
    held = made.position().amount
    made.venue.market.set_mark(BTC, price - away)

    assert held
    assert not made.position().amount


def test_only_symbols_with_a_position_or_an_order_are_listed() -> None:
    made = scene()
    made.place("BUY", "0.100", "2000", symbol="ETHUSDT")
    made.place("BUY", "0.010")
    made.place("SELL", "0.010")

    assert [row["symbol"] for row in ask(made, account_calls.positions)] == ["ETHUSDT"]
    assert len(ask(made, account_calls.old_positions)) == 4


def test_with_multi_assets_margin_bitcoin_carries_a_position() -> None:
    made = scene("0")
    made.venue.cash.transfer(made.account, "BTC", Decimal(1))
    with pytest.raises(VenueError) as refusal:
        made.place("BUY", "0.010")
    ask(made, account_calls.set_asset_mode, multiAssetsMargin="true")
    made.place("BUY", "0.010")

    assert refusal.value.code == -2019
    assert ask(made, account_calls.asset_mode) == {"multiAssetsMargin": True}
    assert made.account.wallet("USDT") == Decimal("-0.24")
    with pytest.raises(VenueError) as isolated:
        made.venue.settings.set_margin_type(made.account, BTC, "ISOLATED")
    assert isolated.value.code == -4168
