"""Prices, instruments and commissions of Binance USDT-M."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Final, NamedTuple

import structlog

from tradebotd.domain.decimals import ZERO
from tradebotd.domain.errors import VenueError, VenueUnavailableError
from tradebotd.domain.filters import PercentPrice, SymbolStatus
from tradebotd.domain.instrument import Instrument, MarginBracket, MarketSymbol, NotionalCap
from tradebotd.domain.quote import PriceKind, Quote
from tradebotd.ports.venue import Commission
from tradebotd.venues.binance.calls import Interface, side_by_side
from tradebotd.venues.binance.errors import Refusal
from tradebotd.venues.binance.filters import delisted, instrument_of
from tradebotd.venues.binance.limits import Limits
from tradebotd.venues.binance.markets import Markets
from tradebotd.venues.binance.payload import Node
from tradebotd.venues.binance.usdm import paths
from tradebotd.venues.binance.usdm.requests import ORDER_TYPES

log = structlog.get_logger(__name__)

BAD_SYMBOL: Final = -1121
FEW: Final = 3  # symbols that are asked for one by one: 4 of weight each, all there are 17
MOST_ALGOS: Final = 200
UNBOUNDED: Final = Decimal(10) ** 9  # a multiple that no price reaches
PERPETUAL: Final = "PERPETUAL"
GONE: Final = frozenset({"CLOSE", "DELIVERED"})


class Step(NamedTuple):
    """Leverage bracket: up to *cap* of notional, *leverage* at most."""

    leverage: int
    cap: Decimal
    margin: MarginBracket


class MarketData:
    """Questions about symbols, which need no key but for commissions."""

    def __init__(self, interface: Interface, markets: Markets, limits: Limits) -> None:
        self._ask, self._answer = interface.ask, interface.answer
        self._error_of = interface.error_of
        self._markets, self._limits = markets, limits
        self._commissions: dict[str, Node] = {}  # of a question that was not answered whole

    async def quotes(self, symbols: Sequence[MarketSymbol]) -> dict[str, Quote]:
        """Return last price, mark, bid and ask: of few symbols one by one, else of all at once.

        F12: the answers for all have coin-margined markets, too; those that we know are taken.
        """
        if not symbols:
            return {}
        names = {self._markets.market(each.symbol): each.symbol for each in symbols}
        if len(names) > FEW:
            told = await side_by_side(
                [partial(self._ask, call) for call in (paths.PRICES, paths.BOOKS, paths.MARKS)]
            )
            rows = [list(each.items()) for each in told]
        else:
            ones = [paths.PRICE, paths.BOOK, paths.MARK]
            found = await side_by_side(
                [
                    partial(self._answer, call, {"symbol": market})
                    for call in ones
                    for market in names
                ]
            )
            listed = [self._listed(each) for each in found]
            count = len(names)
            rows = [
                [each for each in listed[at : at + count] if each is not None]
                for at in range(0, len(listed), count)
            ]
        prices, books, marks = ({row.text("symbol"): row for row in part} for part in rows)
        return {
            ours: quote_of(prices[market], books.get(market), marks.get(market))
            for market, ours in names.items()
            if market in prices and prices[market].price_if_any("price") is not None
        }

    def _listed(self, told: Node | Refusal) -> Node | None:
        """Return the answer; None for a symbol that is not listed any more."""
        if isinstance(told, Node):
            return told
        if told.code != BAD_SYMBOL:
            raise self._error_of(told)
        return None

    async def instruments(self, symbols: Sequence[MarketSymbol]) -> dict[str, Instrument]:
        if not symbols:
            return {}
        told = await self._ask(paths.EXCHANGE_INFO)
        self._limits.learn(told.field("rateLimits"))
        found = {each.text("symbol"): each for each in told.rows("symbols")}
        steps = await self._brackets()
        instruments = []
        for each in symbols:
            market = self._markets.market(each.symbol)
            known = usdm_instrument(each, found.get(market))
            instruments.append(with_brackets(known, steps.get(market, ())))
        return {each.symbol: self._markets.learn(each) for each in instruments}

    async def _brackets(self) -> dict[str, Sequence[Step]]:
        """Return the leverage brackets by the venue's name.

        They belong to the account, and what else is told of symbols does not wait for them: without
        an answer the configured ones stay in force, and the venue has the last word.
        """
        try:
            return steps_of(await self._ask(paths.BRACKETS))
        except VenueError as error:
            log.warning("leverage brackets not told", error=str(error))
            return {}

    async def commissions(self, symbols: Sequence[MarketSymbol]) -> dict[str, Commission]:
        if not symbols:
            return {}
        burns = (await self._ask(paths.BURNS_BNB)).flag("feeBurn")
        markets = {each.symbol: self._markets.market(each.symbol) for each in symbols}
        missing = [each for each in markets.values() if each not in self._commissions]
        await side_by_side([partial(self._learn_commission, each) for each in missing])
        told = {
            each: commission_of(self._commissions[market], in_bnb=burns)
            for each, market in markets.items()
        }
        self._commissions.clear()
        return told

    async def _learn_commission(self, market: str) -> None:
        """Keep the answer until all are told: where limits end a question, the next one goes on."""
        if paths.COMMISSION.weight > self._limits.spare():
            raise VenueUnavailableError(f"{paths.COMMISSION.path}: too much was asked for at once")
        self._commissions[market] = await self._ask(paths.COMMISSION, {"symbol": market})


def quote_of(price: Node, book: Node | None, mark: Node | None) -> Quote:
    last = price.price_if_any("price")
    if last is None:
        raise price.malformed("has no price")
    return Quote(
        last=last,
        mark=None if mark is None else mark.price_if_any("markPrice"),
        bid=None if book is None else book.price_if_any("bidPrice"),
        ask=None if book is None else book.price_if_any("askPrice"),
        times=_times_of(price, book, mark),
    )


def _times_of(price: Node, book: Node | None, mark: Node | None) -> dict[PriceKind, datetime]:
    """Read of when the prices are; a venue that has none of one yet tells 0."""
    rows = (PriceKind.LAST, price), (PriceKind.BID, book), (PriceKind.ASK, book)
    told = {kind: row for kind, row in (*rows, (PriceKind.MARK, mark)) if row is not None}
    return {
        kind: row.instant("time")
        for kind, row in told.items()
        if row.has("time") and row.field("time").as_integer() > 0
    }


def usdm_instrument(symbol: MarketSymbol, told: Node | None) -> Instrument:
    """Return the instrument as the venue has it now; None: it is not listed."""
    if told is None or told.text("status") in GONE:
        return delisted(symbol)
    known = instrument_of(symbol, told, ORDER_TYPES)
    if not is_traded(told):
        log.warning("contract not traded", symbol=symbol.symbol, type=told.text("contractType"))
        known = replace(known, status=SymbolStatus.HALTED)
    return replace(
        known,
        max_stops=most_stops(),
        percent_price=None if known.percent_price is None else one_sided(known.percent_price),
    )


def steps_of(told: Node) -> dict[str, Sequence[Step]]:
    """Read the brackets of each symbol, from the least notional on.

    A multiplier of the account (`notionalCoef`) is left out: the smaller bound is the safe one.
    """
    found: dict[str, Sequence[Step]] = {}
    for each in told.items():
        rows = each.rows("brackets")
        steps = [
            Step(
                leverage=row.integer("initialLeverage"),
                cap=row.number("notionalCap"),
                margin=MarginBracket(
                    floor=row.number("notionalFloor"),
                    rate=row.number("maintMarginRatio"),
                    amount=row.number("cum"),
                ),
            )
            for row in rows
        ]
        steps.sort(key=lambda step: step.margin.floor)
        rates = [step.margin.rate for step in steps]
        if not steps:
            continue
        if steps[0].margin.floor or rates != sorted(rates):
            raise each.malformed("has no brackets from nothing on, or margins that fall")
        found[each.text("symbol")] = steps
    return found


def with_brackets(known: Instrument, steps: Sequence[Step]) -> Instrument:
    """Return the instrument with what the brackets say of leverage, notional and margin."""
    if not steps:
        return known
    return replace(
        known,
        max_leverage=max(step.leverage for step in steps),
        maintenance_margin=steps[0].margin.rate,
        further_brackets=tuple(step.margin for step in steps[1:]),
        notional_caps=tuple(
            NotionalCap(leverage=step.leverage, notional=step.cap) for step in steps
        ),
    )


def is_traded(told: Node) -> bool:
    """F14: return whether a contract is a perpetual one of a coin.

    Those of shares and commodities (TRADIFI_PERPETUAL) have sessions, and an agreement to be
    signed; those that are delivered end on a day. They are treated as halted: nothing is entered.
    """
    return told.text("contractType") == PERPETUAL


def most_stops() -> int:
    """F4: return how many conditional orders may rest: 200 over all symbols, by no filter.

    It is counted by symbol here: in many symbols together the venue refuses first (-4045).
    """
    return MOST_ALGOS


def one_sided(told: PercentPrice) -> PercentPrice:
    """Return the bounds of a limit price round the mark: a buy from above, a sale from below."""
    return PercentPrice(
        buy_below=ZERO,
        buy_above=told.buy_above,
        sell_below=told.sell_below,
        sell_above=UNBOUNDED,
    )


def commission_of(told: Node, *, in_bnb: bool) -> Commission:
    """Read the rates. *in_bnb*: fees are paid in BNB while there is some, a tenth less of them.

    The whole rate is told: one that is too dear is never too little.
    """
    return Commission(
        maker=told.decimal("makerCommissionRate"),
        taker=told.decimal("takerCommissionRate"),
        asset="BNB" if in_bnb else None,
    )
