"""Words of `POST /_control` for a simulator in a process of its own: prices, accounts, rules."""

from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

from tests.simulators.binance.signing import READ_AND_TRADE, ApiKey, public_bytes
from tests.simulators.binance.spot import reports
from tests.simulators.binance.spot.candles import Candle
from tests.simulators.binance.spot.figures import shown
from tests.simulators.binance.spot.told_ledger import ledger_of
from tests.simulators.binance.spot.venue import Venue

Control = Callable[[dict[str, Any]], Awaitable[Any]]


def controls_of(venue: Venue) -> dict[str, Control]:
    """List the words; each takes the JSON object's other fields by name.

    account {name, funds, group}; key {name, account, secret | public_key (PEM), restrictions,
    addresses}; revoke {name}; commission {account, …}; deposit, withdraw {account, asset, amount};
    transfer {account, type, asset, amount} (a negative amount leaves); lock {account, asset, amount}
    (a negative one frees); move {symbol, price, depth};
    quote {symbol, bids, asks}; print {symbol, price, quantity}; reference {symbol, price};
    status {symbol, status}; filter {symbol, row}; rule {symbol, row}; slow {to_gateway_ms,
    to_engine_ms}; ban {address, until_ms}; exchange_cancel {symbol}; balances {account};
    orders {account}; ledger {account}; totals {}; stale_depth {symbol, times}.
    """
    return {
        word: _awaited(venue, act)
        for word, act in (
            ("account", _account),
            ("key", _key),
            ("revoke", lambda v, t: v.keys.revoke(t["name"])),
            ("commission", _commission),
            ("deposit", lambda v, t: v.deposit(t["account"], t["asset"], t["amount"]).id),
            ("withdraw", lambda v, t: v.withdraw(**t).id),
            ("transfer", _transfer),
            ("lock", lambda v, t: v.lock_outside(t["account"], t["asset"], t["amount"])),
            ("move", lambda v, t: v.move(**t)),
            ("past", _past),
            ("quote", lambda v, t: v.quote(t["symbol"], _levels(t["bids"]), _levels(t["asks"]))),
            ("print", lambda v, t: v.print_trade(**t)),
            ("reference", lambda v, t: v.set_reference(t["symbol"], t["price"])),
            ("status", lambda v, t: v.change(t["symbol"], status=t["status"])),
            ("filter", lambda v, t: v.set_filter(t["symbol"], **t["row"])),
            ("rule", lambda v, t: v.change(t["symbol"], execution_rule=t["row"])),
            ("slow", _slow),
            ("ban", lambda v, t: v.limits.ban(t["address"], t["until_ms"])),
            ("exchange_cancel", lambda v, t: v.cancel_by_exchange(t["symbol"])),
            ("stale_depth", lambda v, t: v.markets[t["symbol"]].keep_snapshot(t["times"])),
            ("balances", _balances),
            ("orders", _orders),
            ("ledger", lambda v, t: ledger_of(v, t["account"])),
            ("totals", lambda v, _: {a: shown(n) for a, n in v.ledger.totals().items()}),
        )
    }


def _awaited(venue: Venue, act: Callable[[Venue, dict[str, Any]], Any]) -> Control:
    async def control(told: dict[str, Any]) -> Any:
        return act(venue, told)

    return control


def _account(venue: Venue, told: dict[str, Any]) -> int:
    return venue.open_account(told["name"], told.get("funds"), told.get("group", -1)).uid


def _key(venue: Venue, told: dict[str, Any]) -> None:
    pem = told.get("public_key")
    venue.add_key(
        ApiKey(
            told["name"],
            told["account"],
            secret=told.get("secret", ""),
            public_key=public_bytes(pem) if pem else b"",
            restrictions=dict(READ_AND_TRADE) | told.get("restrictions", {}),
            addresses=frozenset(told.get("addresses", ())),
        )
    )


def _past(venue: Venue, told: dict[str, Any]) -> None:
    rows = [
        Candle(int(at), Decimal(first), Decimal(high), Decimal(low), Decimal(last))
        for at, first, high, low, last in told["rows"]
    ]
    venue.candles[told["symbol"]].seed(told["interval"], rows)


def _commission(venue: Venue, told: dict[str, Any]) -> None:
    account = told.pop("account")
    if "discount" in told:
        told["discount"] = Decimal(told["discount"])
    venue.set_commission(account, **told)


def _transfer(venue: Venue, told: dict[str, Any]) -> int:
    account, kind, asset, amount = (told[name] for name in ("account", "type", "asset", "amount"))
    if amount.startswith("-"):
        return venue.move_out(account, kind, asset, amount[1:]).id
    return venue.move_in(account, kind, asset, amount).id


def _slow(venue: Venue, told: dict[str, Any]) -> None:
    venue.slowness.to_gateway_ms = told.get("to_gateway_ms", 0)
    venue.slowness.to_engine_ms = told.get("to_engine_ms", 0)


def _balances(venue: Venue, told: dict[str, Any]) -> dict[str, dict[str, str]]:
    held = venue.accounts[told["account"]].balances
    return {
        asset: {"free": shown(each.free), "locked": shown(each.locked)}
        for asset, each in held.items()
    }


def _orders(venue: Venue, told: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        reports.queried(order)
        for market in venue.markets.values()
        for order in market.orders
        if order.account == told["account"]
    ]


def _levels(rows: list[list[str]]) -> list[tuple[str, str]]:
    return [(price, quantity) for price, quantity in rows]
