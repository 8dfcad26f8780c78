"""Answers about balances, positions and settings, with the venue's field names."""

from decimal import Decimal

from tests.simulators.binance.usdm import margin
from tests.simulators.binance.usdm.account import Account, Income
from tests.simulators.binance.usdm.amounts import ZERO, plain, shown
from tests.simulators.binance.usdm.market import Market
from tests.simulators.binance.usdm.positions import Position

Row = dict[str, object]
ASSETS = ("USDT", "USDC", "BNB", "BTC")


def asset_sums(account: Account, market: Market, asset: str) -> dict[str, Decimal]:
    margin_assets = market.margin_assets()
    held = [p for p in account.held() if margin_assets[p.symbol] == asset]
    crossed = [p for p in held if not account.is_isolated(p.symbol)]
    symbols = {s for s, a in margin_assets.items() if a == asset}
    positions = sum((margin.position_margin(account, market, p) for p in held), ZERO)
    orders = sum((margin.order_margin(account, market, s) for s in symbols), ZERO)
    free = max(margin.available(account, market, asset), ZERO)
    wallet = account.wallet(asset)
    unrealized = sum((p.unrealized(market[p.symbol].mark) for p in held), ZERO)
    cross_unrealized = sum((p.unrealized(market[p.symbol].mark) for p in crossed), ZERO)
    return {
        "walletBalance": wallet,
        "unrealizedProfit": unrealized,
        "marginBalance": wallet + unrealized,
        "maintMargin": sum((margin.maintenance(market, p) for p in held), ZERO),
        "initialMargin": positions + orders,
        "positionInitialMargin": positions,
        "openOrderInitialMargin": orders,
        "crossWalletBalance": account.cross_wallet(asset, margin_assets),
        "crossUnPnl": cross_unrealized,
        "availableBalance": free,
        "maxWithdrawAmount": min(free, max(wallet, ZERO)),
    }


def named_assets(account: Account) -> list[str]:
    """The assets that answers list: the usual ones even when empty."""
    return [*ASSETS, *sorted(set(account.wallets) - set(ASSETS))]


def account_row(account: Account, market: Market) -> Row:
    """GET /fapi/v3/account: totals in USDT (all assets at their prices with multi-assets margin)."""
    sums = {asset: asset_sums(account, market, asset) for asset in named_assets(account)}
    counted = sums if account.multi_assets else {"USDT": sums["USDT"]}

    def total(name: str) -> str:
        return shown(
            sum((row[name] * market.asset_prices.get(a, ZERO) for a, row in counted.items()), ZERO)
        )

    free = sums["USDT"]["availableBalance"]
    return {
        "totalInitialMargin": total("initialMargin"),
        "totalMaintMargin": total("maintMargin"),
        "totalWalletBalance": total("walletBalance"),
        "totalUnrealizedProfit": total("unrealizedProfit"),
        "totalMarginBalance": total("marginBalance"),
        "totalPositionInitialMargin": total("positionInitialMargin"),
        "totalOpenOrderInitialMargin": total("openOrderInitialMargin"),
        "totalCrossWalletBalance": total("crossWalletBalance"),
        "totalCrossUnPnl": total("crossUnPnl"),
        "availableBalance": shown(free),
        "maxWithdrawAmount": shown(sums["USDT"]["maxWithdrawAmount"]),
        "assets": [
            {"asset": asset}
            | {name: shown(amount) for name, amount in row.items()}
            | {"updateTime": market.now_ms()}
            for asset, row in sums.items()
        ],
        "positions": [account_position_row(account, market, p) for p in shown_positions(account)],
    }


def balance_rows(account: Account, market: Market) -> list[Row]:
    rows: list[Row] = []
    for asset in named_assets(account):
        sums = asset_sums(account, market, asset)
        rows.append(
            {
                "accountAlias": "SimA",
                "asset": asset,
                "balance": shown(sums["walletBalance"]),
                "crossWalletBalance": shown(sums["crossWalletBalance"]),
                "crossUnPnl": shown(sums["crossUnPnl"]),
                "availableBalance": shown(sums["availableBalance"]),
                "maxWithdrawAmount": shown(sums["maxWithdrawAmount"]),
                "marginAvailable": True,
                "updateTime": market.now_ms(),
            }
        )
    return rows


def shown_positions(account: Account, symbol: str | None = None) -> list[Position]:
    """Positions of symbols with a position or an open order; the others are left out."""
    busy = {p.symbol for p in account.held()} | {o.symbol for o in account.book.open_orders()}
    sides = ("LONG", "SHORT") if account.dual_side else ("BOTH",)
    return [
        account.position(name, side)
        for name in sorted(busy)
        if symbol in {None, name}
        for side in sides
        if not account.dual_side or account.position(name, side).amount or not any(account.held(name))
    ]  # fmt: skip


def margins(account: Account, market: Market, position: Position) -> Row:
    symbol = market[position.symbol]
    initial = margin.position_margin(account, market, position)
    isolated = account.is_isolated(position.symbol)
    unrealized = position.unrealized(symbol.mark)
    return {
        "symbol": position.symbol,
        "positionSide": position.side,
        "positionAmt": symbol.instrument.shown_quantity(position.amount),
        "isolatedMargin": plain(position.isolated_wallet + unrealized) if isolated else "0",
        "notional": plain(position.notional(symbol.mark)),
        "isolatedWallet": plain(position.isolated_wallet) if isolated else "0",
        "initialMargin": plain(initial),
        "maintMargin": plain(margin.maintenance(market, position)),
        "updateTime": position.updated_ms,
    }


def account_position_row(account: Account, market: Market, position: Position) -> Row:
    unrealized = position.unrealized(market[position.symbol].mark)
    return margins(account, market, position) | {"unrealizedProfit": shown(unrealized)}


def risk_row(account: Account, market: Market, position: Position) -> Row:
    """GET /fapi/v3/positionRisk."""
    symbol = market[position.symbol]
    orders = margin.order_margin(account, market, position.symbol)
    return margins(account, market, position) | {
        "entryPrice": plain(position.entry_price),
        "breakEvenPrice": plain(position.break_even_price),
        "markPrice": shown(symbol.mark),
        "unRealizedProfit": shown(position.unrealized(symbol.mark)),
        "liquidationPrice": plain(margin.liquidation_price(account, market, position)),
        "marginAsset": symbol.instrument.margin_asset,
        "positionInitialMargin": plain(margin.position_margin(account, market, position)),
        "openOrderInitialMargin": plain(orders),
        "adl": 2,
        "bidNotional": "0",
        "askNotional": "0",
    }


def old_risk_row(account: Account, market: Market, position: Position) -> Row:
    """GET /fapi/v2/positionRisk, which lists every symbol and tells leverage and margin type."""
    row = risk_row(account, market, position)
    isolated = account.is_isolated(position.symbol)
    leverage = account.leverage(position.symbol)
    return row | {
        "leverage": str(leverage),
        "marginType": "isolated" if isolated else "cross",
        "isAutoAddMargin": "false",
        "maxNotionalValue": str(market[position.symbol].instrument.max_notional(leverage)),
    }


def symbol_config_row(account: Account, market: Market, symbol: str) -> Row:
    leverage = account.leverage(symbol)
    return {
        "symbol": symbol,
        "marginType": "ISOLATED" if account.is_isolated(symbol) else "CROSSED",
        "isAutoAddMargin": False,
        "leverage": leverage,
        "maxNotionalValue": str(market[symbol].instrument.max_notional(leverage)),
    }


def income_row(income: Income) -> Row:
    return {
        "symbol": income.symbol,
        "incomeType": income.type,
        "income": shown(income.amount),
        "asset": income.asset,
        "info": income.info,
        "time": income.time_ms,
        "tranId": income.tran_id,
        "tradeId": income.trade_id,
    }


def config_row(account: Account) -> Row:
    return {
        "feeTier": 0,
        "canTrade": True,
        "canDeposit": True,
        "canWithdraw": True,
        "dualSidePosition": account.dual_side,
        "updateTime": 0,
        "multiAssetsMargin": account.multi_assets,
        "tradeGroupId": -1,
    }
