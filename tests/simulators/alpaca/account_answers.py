"""Account and positions as they are told."""

from decimal import Decimal
from typing import Any, Final

from tests.simulators.alpaca import power
from tests.simulators.alpaca.assets import NAMES, Asset
from tests.simulators.alpaca.calendar import NEW_YORK
from tests.simulators.alpaca.desk import Desk
from tests.simulators.alpaca.refusals import not_found
from tests.simulators.alpaca.wording import average
from tests.simulators.shared.money import text

ZERO: Final = Decimal(0)
NUMBER: Final = "PA3SIMULATED"


def account_json(desk: Desk) -> dict[str, Any]:
    """A1: no field of the pattern-day-trader rule, which are gone since 2026-07-06."""
    long, short = power.values(desk)
    equity = power.equity(desk)
    margin = power.initial_margin(desk)
    terms = desk.terms
    can_buy = text(power.buying_power(desk))
    return {
        "id": str(NAMES),
        "admin_configurations": {},
        "user_configurations": None,
        "account_number": NUMBER,
        "status": "ACTIVE",
        "crypto_status": "ACTIVE",
        "crypto_tier": 1,
        "options_approved_level": 0,
        "options_trading_level": 0,
        "currency": "USD",
        "buying_power": can_buy,
        "regt_buying_power": can_buy,
        "effective_buying_power": can_buy,
        "non_marginable_buying_power": text(power.cash_power(desk)),
        "options_buying_power": text(power.cash_power(desk)),
        "cash": text(desk.ledger.cash),
        "accrued_fees": "0",
        "portfolio_value": text(equity),
        "equity": text(equity),
        "last_equity": text(terms.cash),
        "long_market_value": text(long),
        "short_market_value": text(short),
        "position_market_value": text(long + short),
        "initial_margin": text(margin),
        "maintenance_margin": text(margin * Decimal("0.6")),
        "last_maintenance_margin": "0",
        "sma": "0",
        "multiplier": str(terms.multiplier),
        "trading_blocked": terms.trading_blocked,
        "transfers_blocked": False,
        "account_blocked": terms.account_blocked,
        "trade_suspended_by_user": terms.trade_suspended_by_user,
        "shorting_enabled": terms.shorting_enabled,
        "balance_asof": f"{desk.now.astimezone(NEW_YORK):%Y-%m-%d}",
        "created_at": "2024-01-02T14:30:00.000000Z",
        "intraday_adjustments": "0",
        "pending_reg_taf_fees": "0",
        "pending_transfer_in": "0",
    }


def configurations_json(desk: Desk) -> dict[str, Any]:
    """A1: without dtbp_check and pdt_check."""
    return {
        "disable_overnight_trading": False,
        "fractional_trading": True,
        "max_margin_multiplier": str(desk.terms.multiplier),
        "max_options_trading_level": 0,
        "no_shorting": not desk.terms.shorting_enabled,
        "ptp_no_exception_entry": False,
        "suspend_trade": desk.terms.trade_suspended_by_user,
        "trade_confirm_email": "none",
    }


def positions_json(desk: Desk) -> list[dict[str, Any]]:
    known = (desk.assets.get(symbol) for symbol in sorted(desk.ledger.holdings))
    return [position_json(desk, asset) for asset in known if asset is not None]


def position_of(desk: Desk, name: str) -> dict[str, Any]:
    """Raises RequestRefusedError (404) when there is none."""
    asset = desk.assets.get(name)
    if asset is None or asset.position_symbol not in desk.ledger.holdings:
        raise not_found("position does not exist")
    return position_json(desk, asset)


def position_json(desk: Desk, asset: Asset) -> dict[str, Any]:
    """One position: *qty* is below zero when it is short."""
    holding = desk.ledger.holdings[asset.position_symbol]
    price = power.price_of(desk, asset.position_symbol)
    worth = holding.quantity * price
    gain = worth - holding.cost
    share = gain / abs(holding.cost) if holding.cost else ZERO
    held = power.held(desk, asset.symbol)
    sign = 1 if holding.quantity > 0 else -1
    return {
        "asset_id": asset.id,
        "symbol": asset.position_symbol,
        "exchange": asset.exchange,
        "asset_class": asset.kind,
        "asset_marginable": asset.marginable,
        "qty": text(holding.quantity),
        "qty_available": text(holding.quantity - sign * held),
        "avg_entry_price": average(holding.average),
        "side": "long" if holding.quantity > 0 else "short",
        "market_value": text(worth),
        "cost_basis": average(holding.cost),
        "unrealized_pl": average(gain),
        "unrealized_plpc": average(share),
        "unrealized_intraday_pl": average(gain),
        "unrealized_intraday_plpc": average(share),
        "current_price": text(price),
        "lastday_price": text(price),
        "change_today": "0",
    }
