"""Answers of Alpaca that are not of orders: account, positions, clock, transfers. Pure, strict."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Final

from tradebotd.config.zone_database import zone
from tradebotd.domain.decimals import ZERO
from tradebotd.domain.ids import VenueName
from tradebotd.domain.transfer import Transfer
from tradebotd.net.answers import Value
from tradebotd.ports.venue import VenueAccount, VenueClock
from tradebotd.venues.alpaca.payload import amount_if_any, instant_of, not_negative, text_if_any
from tradebotd.venues.alpaca.symbols import Symbols

NEW_YORK: Final = "America/New_York"
# What comes in or leaves otherwise than by trading: cash, and cash or shares of other accounts.
CASH_MOVES: Final = ("CSD", "CSW", "JNLC", "ACATC")
SHARE_MOVES: Final = ("JNLS", "ACATS")
UNDONE: Final = frozenset({"canceled", "correct"})  # states of an activity that counts no more


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountState:
    """State of the account: *blocked*: why it takes no order, in the venue's words."""

    number: str
    status: str
    blocked: tuple[str, ...]
    can_short: bool


def account_of(account: Value, positions: Value, symbols: Symbols) -> VenueAccount:
    """A1: read cash, buying power and positions; nothing of the rule for pattern day traders.

    What is held long is a balance of its asset, with what resting orders hold of it. A short
    position is a negative one of its symbol. How much cash orders hold is not told: it is missing
    in the buying power. Crypto is bought without margin.
    """
    currency = account["currency"].text()
    cash = account["cash"].decimal()
    power = account["buying_power"].decimal()
    if symbols.have_crypto:
        unmargined = account.get("non_marginable_buying_power")
        power = power if unmargined is None else min(power, unmargined.decimal())
    balances: dict[str, Decimal] = {currency: cash}
    locked: dict[str, Decimal] = {}
    shorts: dict[str, Decimal] = {}
    prices: dict[str, Decimal] = {}
    for each in positions.items():
        market = each["symbol"].text()
        quantity = signed_quantity(each)
        if quantity < 0:
            symbol = symbols.symbol(market)
            shorts[symbol] = quantity
            prices[symbol] = not_negative(each["avg_entry_price"])
            continue
        asset = symbols.base_asset(market)
        if asset in balances:
            raise each.wrong(f"is a second position of {asset}")
        balances[asset] = quantity
        free = each.get("qty_available")
        locked[asset] = ZERO if free is None else quantity - free.decimal()
    return VenueAccount(
        balances={asset: amount for asset, amount in balances.items() if amount},
        locked={asset: amount for asset, amount in locked.items() if amount},
        positions=shorts,
        entry_prices=prices,
        buying_power={currency: power},
    )


def signed_quantity(told: Value) -> Decimal:
    """Read a position's quantity: below zero when it is short, whichever way that is told."""
    quantity = told["qty"].decimal()
    return -abs(quantity) if told["side"].one_of(("long", "short")) == "short" else quantity


def state_of(account: Value) -> AccountState:
    flags = ("account_blocked", "trading_blocked", "trade_suspended_by_user")
    return AccountState(
        number=text_if_any(account, "account_number") or "",
        status=account["status"].text(),
        blocked=tuple(name for name in flags if account[name].flag()),
        can_short=account["shorting_enabled"].flag(),
    )


def clock_of(told: Value, *, sessions: bool) -> VenueClock:
    """A9: read time and session; *sessions*: the symbols have some (crypto trades always)."""
    time, is_open = instant_of(told["timestamp"]), told["is_open"].flag()
    opens, closes = instant_of(told["next_open"]), instant_of(told["next_close"])
    if not sessions:
        return VenueClock(time=time)
    return VenueClock(time=time, is_open=is_open, next_open=opens, next_close=closes)


def transfers_of(
    rows: list[Value], venue: VenueName, symbols: Symbols, since: datetime
) -> Iterator[Transfer]:
    """Yield what came in or left from *since* on, of rows that were asked for by kind."""
    for each in rows:
        kind = each["activity_type"].one_of((*CASH_MOVES, *SHARE_MOVES))
        if (text_if_any(each, "status") or "").lower() in UNDONE:
            continue
        at = moved_at(each)
        if at < since:
            continue
        if kind in CASH_MOVES:
            asset, amount = text_if_any(each, "currency") or "USD", each["net_amount"].decimal()
        else:
            asset, amount = symbols.base_asset(each["symbol"].text()), each["qty"].decimal()
        if amount:
            yield Transfer(
                venue=venue, transfer_id=each["id"].text(), asset=asset, amount=amount, at=at
            )


def moved_at(told: Value) -> datetime:
    """Read when a row was made; one that tells a date alone, the beginning of that day there."""
    made = told.get("created_at")
    if made is not None:
        return instant_of(made)
    day = told["date"]
    try:
        begins = datetime.combine(
            date.fromisoformat(day.text()[:10]), datetime.min.time(), zone(NEW_YORK)
        )
    except ValueError as error:
        raise day.wrong("is no date") from error
    if not 1970 <= begins.year < 2100:
        raise day.wrong("is no date of our time")
    return begins.astimezone(UTC)


def trades_of(told: Value) -> dict[str, Decimal]:
    """Read last prices by the venue's name; 0 is none."""
    return {
        market: price
        for market, each in told["trades"].members()
        if (price := not_negative(each["p"]))
    }


def books_of(told: Value) -> dict[str, tuple[Decimal | None, Decimal | None]]:
    """Read bid and ask by the venue's name; a side of 0 has no quote."""
    return {
        market: (amount_if_any(each, "bp") or None, amount_if_any(each, "ap") or None)
        for market, each in told["quotes"].members()
    }


def times_of(rows: Value) -> dict[str, datetime]:
    """Read of when latest trades or quotes are, by the venue's name: maybe minutes or days ago."""
    return {
        market: instant_of(at)
        for market, each in rows.members()
        if (at := each.get("t")) is not None
    }
