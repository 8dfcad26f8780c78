"""Calls about the account: balances, positions, incomes and settings."""

from tests.simulators.binance.usdm.account_rows import (
    account_row,
    balance_rows,
    config_row,
    income_row,
    old_risk_row,
    risk_row,
    shown_positions,
    symbol_config_row,
)
from tests.simulators.binance.usdm.amounts import decimal_of, flag_of
from tests.simulators.binance.usdm.calls import Call, Endpoint, fixed
from tests.simulators.binance.usdm.instruments import listed
from tests.simulators.binance.usdm.order_requests import chosen, position_side
from tests.simulators.binance.usdm.refusals import RefusalError

INCOME_DAYS = 90  # F3: three months
SUCCESS = {"code": 200, "msg": "success"}


def account(call: Call) -> object:
    return account_row(call.account, call.venue.market)


def balances(call: Call) -> object:
    return balance_rows(call.account, call.venue.market)


def positions(call: Call) -> object:
    shown = shown_positions(call.account, call.symbol())
    return [risk_row(call.account, call.venue.market, position) for position in shown]


def old_positions(call: Call) -> object:
    sides = ("LONG", "SHORT") if call.account.dual_side else ("BOTH",)
    symbols = [call.symbol()] if call.symbol() else list(call.venue.instruments)
    return [
        old_risk_row(call.account, call.venue.market, call.account.position(symbol, side))
        for symbol in symbols
        if symbol
        for side in sides
    ]


def income(call: Call) -> object:
    """F3: three months back, no paging by `page` (it is ignored), tranId unique within a type."""
    symbol, kind = call.symbol(), call.params.get("incomeType")
    start, end = call.number("startTime"), call.number("endTime")
    now, day = call.venue.now_ms(), 24 * 60 * 60 * 1000
    if start is None:
        start = (now if end is None else end) - 7 * day
    start, end = max(start, now - INCOME_DAYS * day), now if end is None else end
    kept = [
        row
        for row in call.account.incomes
        if start <= row.time_ms <= end and symbol in {None, row.symbol} and kind in {None, "", row.type}
    ]  # fmt: skip
    return [income_row(row) for row in kept[: call.limit(100, 1000)]]


def leverage(call: Call) -> object:
    instrument = listed(call.venue.instruments, call.text("symbol"))
    wanted = call.number("leverage")
    if wanted is None:
        raise RefusalError(-1102, name="leverage")
    cap = call.venue.settings.set_leverage(call.account, instrument.symbol, wanted)
    return {"symbol": instrument.symbol, "leverage": wanted, "maxNotionalValue": str(cap)}


def margin_type(call: Call) -> object:
    instrument = listed(call.venue.instruments, call.text("symbol"))
    wanted = chosen(call.params, "marginType", ("ISOLATED", "CROSSED"), -1130)
    call.venue.settings.set_margin_type(call.account, instrument.symbol, wanted)
    return SUCCESS


def move_margin(call: Call) -> object:
    instrument = listed(call.venue.instruments, call.text("symbol"))
    amount, kind = decimal_of(call.text("amount"), "amount"), call.text("type")
    position = call.account.position(instrument.symbol, position_side(call.params, call.account))
    signed = amount if kind == "1" else -amount
    call.venue.settings.move_margin(call.account, position, signed)
    return {"amount": float(amount), "code": 200, "msg": "Successfully modify position margin.", "type": int(kind)}  # fmt: skip


def position_mode(call: Call) -> object:
    return {"dualSidePosition": call.account.dual_side}


def set_position_mode(call: Call) -> object:
    dual = flag_of(call.text("dualSidePosition"), "dualSidePosition")
    call.venue.settings.set_dual_side(call.account, dual=dual)
    return SUCCESS


def asset_mode(call: Call) -> object:
    return {"multiAssetsMargin": call.account.multi_assets}


def set_asset_mode(call: Call) -> object:
    multi = flag_of(call.text("multiAssetsMargin"), "multiAssetsMargin")
    call.venue.settings.set_multi_assets(call.account, multi=multi)
    return SUCCESS


def symbol_config(call: Call) -> object:
    symbols = [call.symbol()] if call.symbol() else list(call.venue.instruments)
    return [symbol_config_row(call.account, call.venue.market, symbol) for symbol in symbols if symbol]  # fmt: skip


def leverage_brackets(call: Call) -> object:
    symbols = [call.symbol()] if call.symbol() else list(call.venue.instruments)
    return [
        {
            "symbol": symbol,
            "notionalCoef": 1.0,
            "brackets": [step.row() for step in call.venue.instruments[symbol].steps],
        }
        for symbol in symbols
        if symbol
    ]


def commission_rate(call: Call) -> object:
    instrument = listed(call.venue.instruments, call.text("symbol"))
    return {
        "symbol": instrument.symbol,
        "makerCommissionRate": str(call.account.maker_rate),
        "takerCommissionRate": str(call.account.taker_rate),
        "rpiCommissionRate": "0.00005",
    }


def account_config(call: Call) -> object:
    return config_row(call.account)


def fee_burn(call: Call) -> object:
    return {"feeBurn": call.account.fee_burn}


def set_fee_burn(call: Call) -> object:
    call.account.fee_burn = flag_of(call.text("feeBurn"), "feeBurn")
    return SUCCESS


def sign_tradfi(call: Call) -> object:
    """F14: without this agreement, orders on shares are refused."""
    call.account.tradfi_signed = True
    return SUCCESS


ENDPOINTS = {
    ("GET", "/fapi/v3/account"): Endpoint(account, fixed(5)),
    ("GET", "/fapi/v2/account"): Endpoint(account, fixed(5)),
    ("GET", "/fapi/v3/balance"): Endpoint(balances, fixed(5)),
    ("GET", "/fapi/v2/balance"): Endpoint(balances, fixed(5)),
    ("GET", "/fapi/v3/positionRisk"): Endpoint(positions, fixed(5)),
    ("GET", "/fapi/v2/positionRisk"): Endpoint(old_positions, fixed(5)),
    ("GET", "/fapi/v1/income"): Endpoint(income, fixed(30)),
    ("POST", "/fapi/v1/leverage"): Endpoint(leverage, fixed(1)),
    ("POST", "/fapi/v1/marginType"): Endpoint(margin_type, fixed(1)),
    ("POST", "/fapi/v1/positionMargin"): Endpoint(move_margin, fixed(1)),
    ("GET", "/fapi/v1/positionSide/dual"): Endpoint(position_mode, fixed(30)),
    ("POST", "/fapi/v1/positionSide/dual"): Endpoint(set_position_mode, fixed(1)),
    ("GET", "/fapi/v1/multiAssetsMargin"): Endpoint(asset_mode, fixed(30)),
    ("POST", "/fapi/v1/multiAssetsMargin"): Endpoint(set_asset_mode, fixed(1)),
    ("GET", "/fapi/v1/symbolConfig"): Endpoint(symbol_config, fixed(5)),
    ("GET", "/fapi/v1/leverageBracket"): Endpoint(leverage_brackets, fixed(1)),
    ("GET", "/fapi/v1/commissionRate"): Endpoint(commission_rate, fixed(20)),
    ("GET", "/fapi/v1/accountConfig"): Endpoint(account_config, fixed(5)),
    ("GET", "/fapi/v1/feeBurn"): Endpoint(fee_burn, fixed(30)),
    ("POST", "/fapi/v1/feeBurn"): Endpoint(set_fee_burn, fixed(1)),
    ("POST", "/fapi/v1/stock/contract"): Endpoint(sign_tradfi, fixed(50)),
}
