"""Events of the user stream, as the venue's private connection sends them."""

from decimal import Decimal

from tests.simulators.binance.usdm.account import Account, Event
from tests.simulators.binance.usdm.amounts import ZERO, plain, shown
from tests.simulators.binance.usdm.market import Market
from tests.simulators.binance.usdm.orders import AlgoOrder, Order, Trade
from tests.simulators.binance.usdm.positions import Position


def order_trade_update(order: Order, market: Market, execution: str, trade: Trade | None = None) -> Event:  # fmt: skip
    """ORDER_TRADE_UPDATE; F13: `er` says why an order expired, "0" when it did not."""
    instrument = market[order.symbol].instrument
    now = trade.time_ms if trade else market.now_ms()  # as the lists of trades tell it
    told: Event = {
        "s": order.symbol,
        "c": order.client_id,
        "S": order.side,
        "o": order.type,
        "f": order.time_in_force,
        "q": instrument.shown_quantity(order.quantity),
        "p": plain(order.price),
        "ap": plain(order.average_price),
        "sp": plain(order.stop_price),
        "x": execution,
        "X": order.status,
        "i": order.order_id,
        "l": instrument.shown_quantity(trade.quantity if trade else ZERO),
        "z": instrument.shown_quantity(order.executed),
        "L": plain(trade.price if trade else ZERO),
        "n": shown(trade.commission) if trade else "0",
        "N": trade.commission_asset if trade else instrument.margin_asset,
        "T": now,
        "t": trade.trade_id if trade else 0,
        "b": "0",
        "a": "0",
        "m": trade.is_maker if trade else False,
        "R": order.reduce_only,
        "wt": order.working_type,
        "ot": order.original_type or order.type,
        "ps": order.position_side,
        "cp": order.close_position,
        "rp": shown(trade.realized) if trade else "0",
        "pP": order.price_protect,
        "si": 0,
        "ss": 0,
        "V": order.self_trade_prevention,
        "pm": "NONE",
        "gtd": order.good_till_ms,
        "er": str(order.expiry_reason),
    }
    if execution == "AMENDMENT" and order.modify_id is not None:
        told["M"] = str(order.modify_id)
    return {"e": "ORDER_TRADE_UPDATE", "T": now, "E": now, "o": told}


def trade_lite(order: Order, market: Market, trade: Trade) -> Event:
    instrument = market[order.symbol].instrument
    now = trade.time_ms
    return {
        "e": "TRADE_LITE",
        "E": now,
        "T": now,
        "s": order.symbol,
        "q": instrument.shown_quantity(order.quantity),
        "p": plain(order.price),
        "m": trade.is_maker,
        "c": order.client_id,
        "S": order.side,
        "L": plain(trade.price),
        "l": instrument.shown_quantity(trade.quantity),
        "t": trade.trade_id,
        "i": order.order_id,
    }


def account_update(
    account: Account, market: Market, reason: str, *, assets: set[str], changes: dict[str, Decimal] | None = None, positions: tuple[Position, ...] = (), symbol: str | None = None
) -> Event:  # fmt: skip
    """ACCOUNT_UPDATE; F13: with FUNDING_FEE, `S` names the symbol, as crossed ones list no position.

    *changes* holds, by asset, what is neither P&L nor commission (`bc`): transfers and funding.
    """
    now = market.now_ms()
    margin_assets = market.margin_assets()
    told: Event = {
        "m": reason,
        "B": [
            {
                "a": asset,
                "wb": shown(account.wallet(asset)),
                "cw": shown(account.cross_wallet(asset, margin_assets)),
                "bc": plain((changes or {}).get(asset, ZERO)),
            }
            for asset in sorted(assets)
        ],
        "P": [position_row(account, market, position) for position in positions],
    }
    if symbol is not None:
        told["S"] = symbol
    return {"e": "ACCOUNT_UPDATE", "T": now, "E": now, "a": told}


def position_row(account: Account, market: Market, position: Position) -> Event:
    instrument = market[position.symbol].instrument
    isolated = account.is_isolated(position.symbol)
    return {
        "s": position.symbol,
        "pa": instrument.shown_quantity(position.amount) if position.amount else "0",
        "ep": plain(position.entry_price),
        "bep": plain(position.break_even_price),
        "cr": plain(position.realized),
        "up": plain(position.unrealized(market[position.symbol].mark)),
        "mt": "isolated" if isolated else "cross",
        "iw": plain(position.isolated_wallet),
        "ps": position.side,
        "ma": instrument.margin_asset,
    }


def algo_update(algo: AlgoOrder, market: Market) -> Event:
    """ALGO_UPDATE; F5, F6: `rm` is the reason of a failure, `ia` tells a trailing one's two NEW apart."""
    instrument = market[algo.symbol].instrument
    now = market.now_ms()
    actual = algo.actual
    told: Event = {
        "caid": algo.client_id,
        "aid": algo.algo_id,
        "at": "CONDITIONAL",
        "o": algo.type,
        "s": algo.symbol,
        "S": algo.side,
        "ps": algo.position_side,
        "f": algo.time_in_force,
        "q": instrument.shown_quantity(algo.quantity),
        "X": algo.status,
        "ai": str(actual.order_id) if actual else "",
        "ap": plain(actual.average_price) if actual else "0.00000",
        "aq": plain(actual.executed) if actual else "0.00000",
        "act": actual.type if actual else "0",
        "tp": plain(algo.trigger_price),
        "p": plain(algo.price),
        "V": algo.self_trade_prevention,
        "wt": algo.working_type,
        "pm": "NONE",
        "cp": algo.close_position,
        "pP": algo.price_protect,
        "R": algo.reduce_only,
        "tt": algo.triggered_ms,
        "gtd": algo.good_till_ms,
    }
    if algo.reason:
        told["rm"] = algo.reason
    if algo.type == "TRAILING_STOP_MARKET":
        told |= {"AP": plain(algo.activate_price), "cr": plain(algo.callback_rate), "ia": algo.activated}  # fmt: skip
    return {"e": "ALGO_UPDATE", "T": now, "E": now, "o": told}


def account_config_update(market: Market, *, leverage: tuple[str, int] | None = None, multi_assets: bool | None = None) -> Event:  # fmt: skip
    now = market.now_ms()
    event: Event = {"e": "ACCOUNT_CONFIG_UPDATE", "T": now, "E": now}
    if leverage is not None:
        event["ac"] = {"s": leverage[0], "l": leverage[1]}
    if multi_assets is not None:
        event["ai"] = {"j": multi_assets}
    return event


def margin_call(account: Account, market: Market, positions: list[tuple[Position, Decimal]]) -> Event:  # fmt: skip
    """MARGIN_CALL of *positions*, each with the maintenance margin that it needs."""
    told = []
    for position, needed in positions:
        mark = market[position.symbol].mark
        isolated = account.is_isolated(position.symbol)
        told.append(
            {
                "s": position.symbol,
                "ps": position.side,
                "pa": plain(position.amount),
                "mt": "ISOLATED" if isolated else "CROSSED",
                "iw": plain(position.isolated_wallet),
                "mp": plain(mark),
                "up": plain(position.unrealized(mark)),
                "mm": plain(needed),
            }
        )
    event: Event = {"e": "MARGIN_CALL", "E": market.now_ms(), "p": told}
    crossed = [p for p, _ in positions if not account.is_isolated(p.symbol)]
    if crossed:
        asset = market[crossed[0].symbol].instrument.margin_asset
        event["cw"] = plain(account.cross_wallet(asset, market.margin_assets()))
    return event
