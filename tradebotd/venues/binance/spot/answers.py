"""Answers of Binance spot that are not of orders: balances, prices, commissions. Pure, strict."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal

from tradebotd.domain.decimals import ONE, ZERO
from tradebotd.domain.quote import Quote
from tradebotd.ports.venue import Commission, VenueAccount
from tradebotd.venues.binance.payload import Node


def account_of(told: Node) -> VenueAccount:
    """Read the balances: free and locked are told apart, the total is their sum."""
    balances: dict[str, Decimal] = {}
    locked: dict[str, Decimal] = {}
    for each in told.rows("balances"):
        asset, held = each.text("asset"), each.not_negative("locked")
        if asset in balances:
            raise each.malformed(f"is a second balance of {asset}")
        balances[asset] = each.not_negative("free") + held
        locked[asset] = held
    return VenueAccount(
        balances={asset: amount for asset, amount in balances.items() if amount},
        locked={asset: amount for asset, amount in locked.items() if amount},
    )


def server_time(told: Node) -> datetime:
    return told.instant("serverTime")


def prices_of(told: Node) -> dict[str, Decimal]:
    """Read the last price by the venue's name of the symbol; one that never traded is left out."""
    return {
        each.text("symbol"): price
        for each in told.items()
        if (price := each.price_if_any("price")) is not None
    }


def books_of(told: Node) -> dict[str, tuple[Decimal | None, Decimal | None]]:
    """Read bid and ask by the venue's name of the symbol; an empty side is None."""
    return {
        each.text("symbol"): (each.price_if_any("bidPrice"), each.price_if_any("askPrice"))
        for each in told.items()
    }


def quotes_of(
    names: Iterable[tuple[str, str]],
    prices: Mapping[str, Decimal],
    books: Mapping[str, tuple[Decimal | None, Decimal | None]],
    averages: Mapping[str, Decimal],
) -> dict[str, Quote]:
    """Return quotes by our symbol; *names*: pairs of ours and the venue's."""
    quotes: dict[str, Quote] = {}
    for ours, theirs in names:
        if theirs in prices:
            bid, ask = books.get(theirs, (None, None))
            quotes[ours] = Quote(
                last=prices[theirs], bid=bid, ask=ask, average=averages.get(theirs)
            )
    return quotes


def reference_price(told: Node) -> Decimal | None:
    """S10: read the price that the filters judge by; None where the symbol has none now."""
    return told.price_if_any("referencePrice")


def average_price(told: Node) -> Decimal | None:
    return told.price_if_any("price")


def commission_of(told: Node) -> Commission:
    """Read the commission of one symbol: standard, special and tax, with the buyer's part.

    Paid in the discount's asset, the standard part is less. By how much the documents contradict
    themselves (a rate that it is reduced by; a factor): the dearer of the two is taken. Where no
    such asset pays, a buy is charged in what it buys.
    """
    discount = told.field("discount")
    discounted = discount.flag("enabledForAccount") and discount.flag("enabledForSymbol")
    factor = ONE
    if discounted:
        rate = discount.not_negative("discount")
        factor = min(ONE, max(rate, ONE - rate))

    def total(who: str) -> Decimal:
        rates = ZERO
        for name in ("standardCommission", "specialCommission", "taxCommission"):
            if not told.has(name) and name != "standardCommission":
                continue
            part = told.field(name)
            sides = max(part.decimal("buyer"), part.decimal("seller"))
            rate = part.decimal(who) + sides
            rates += rate * factor if name == "standardCommission" else rate
        return rates

    return Commission(
        maker=total("maker"),
        taker=total("taker"),
        asset=discount.text("discountAsset") if discounted else None,
        in_base=not discounted,
    )
