"""The symbols of a seed: what they cost, in what, with which filters, at which venue, and when."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from tests.simulation.switches import Draw
from tradebotd.domain.ids import FeedName, VenueName
from tradebotd.domain.instrument import ALWAYS_OPEN, Instrument, MarketSymbol
from tradebotd.domain.timeframe import Timeframe
from tradebotd.market.calendars import ExchangeCalendar, Session

CURRENCY: Final = "USDT"
THIRD: Final = "BNB"
# What one of it is worth in the account's currency at the start, and the symbol that says so.
WORTH: Final = {CURRENCY: Decimal(1), "EUR": Decimal("1.10"), "JPY": Decimal("0.0064")}
CONVERSIONS: Final = {"EUR": ("EUR", CURRENCY), "JPY": (CURRENCY, "JPY")}
STARTS: Final = ("0.0532", "1.25", "100", "2500", "61000")
LONG_AGO: Final = timedelta(days=3)


@dataclass(frozen=True, slots=True)
class Market:
    """*start*: the price about which it moves. *traded*: a bot may; else it only converts."""

    symbol: MarketSymbol
    start: Decimal
    traded: bool = True

    @property
    def name(self) -> str:
        return self.symbol.symbol

    @property
    def instrument(self) -> Instrument:
        return self.symbol.instrument

    @property
    def worth(self) -> Decimal:
        """Of one of its quote asset in the account's currency, as it starts."""
        return WORTH[self.instrument.quote_asset]

    def on_tick(self, price: Decimal) -> Decimal:
        tick = self.instrument.tick_size
        return max(tick, (price / tick).to_integral_value() * tick)


def draw_markets(
    seed: int, on: frozenset[Draw], venues: Sequence[VenueName], calendar: str | None
) -> tuple[Market, ...]:
    """*calendar*: of a symbol that keeps hours, if any does."""
    chance = random.Random(f"markets {seed}")
    markets, quotes = [], set()
    for base in ("AAA", "BBB", "CCC")[: chance.randint(1, 3)]:
        quote, venue = CURRENCY, chance.choice(list(venues))
        filters = random.Random(f"filters {seed} {base}")
        if Draw.CURRENCIES in on and chance.random() < 0.4:
            quote = chance.choice(["EUR", "JPY"])
            quotes.add(quote)
        start = Decimal(filters.choice(STARTS) if Draw.FILTERS in on else "100")
        start = _rounded(start / WORTH[quote])
        instrument = Instrument(
            symbol=f"{base}{quote}",
            venue=venue,
            base_asset=base,
            quote_asset=quote,
            tick_size=Decimal("0.01"),
            lot_size=Decimal("0.001"),
            min_notional=Decimal(5),
        )
        if Draw.FILTERS in on or quote != CURRENCY:
            instrument = _filtered(filters, instrument, start)
        if Draw.LEVERAGE in on:
            instrument = replace(
                instrument,
                max_leverage=filters.choice([1, 5, 20, 50]),
                maintenance_margin=Decimal(filters.choice(["0.004", "0.005", "0.01", "0.025"])),
            )
        hours = calendar if calendar is not None and chance.random() < 0.5 else None
        markets.append(_market(instrument, start, hours=hours))
    return tuple(markets + [_conversion(quote, venues[0]) for quote in sorted(quotes)])


def conversion_of(asset: str, worth: Decimal, venue: VenueName) -> Market:
    """A symbol that nobody trades, and that says what *asset* is worth."""
    instrument = Instrument(
        symbol=f"{asset}{CURRENCY}",
        venue=venue,
        base_asset=asset,
        quote_asset=CURRENCY,
        tick_size=Decimal("0.01"),
        lot_size=Decimal("0.001"),
        min_notional=Decimal(5),
    )
    return _market(instrument, worth, traded=False)


def _conversion(quote: str, venue: VenueName) -> Market:
    base, priced_in = CONVERSIONS[quote]
    start = WORTH[quote] if priced_in == CURRENCY else 1 / WORTH[quote]
    instrument = Instrument(
        symbol=f"{base}{priced_in}",
        venue=venue,
        base_asset=base,
        quote_asset=priced_in,
        tick_size=Decimal("0.0001"),
        lot_size=Decimal("0.01"),
        min_notional=Decimal(1),
    )
    return _market(instrument, start.quantize(Decimal("0.0001")), traded=False)


def _market(
    instrument: Instrument, start: Decimal, *, traded: bool = True, hours: str | None = None
) -> Market:
    symbol = MarketSymbol(
        instrument=instrument,
        feeds=(FeedName("hand"),),
        timeframes=(Timeframe.M1,),
        calendar=hours or ALWAYS_OPEN,
    )
    return Market(symbol, start, traded)


def _filtered(chance: random.Random, instrument: Instrument, start: Decimal) -> Instrument:
    """A tick of 0.001 % to 0.3 % of the price, and a lot worth a hundredth to 5 of a dollar."""
    worth = WORTH[instrument.quote_asset]
    dollars = start * worth
    lot = _power_of_ten(Decimal(chance.choice(["0.01", "0.3", "5"])) / dollars)
    least = Decimal(chance.choice([1, 5, 10, 20])) / worth
    return replace(
        instrument,
        tick_size=_power_of_ten(start * Decimal(chance.choice(["0.00001", "0.0002", "0.003"]))),
        lot_size=lot,
        min_quantity=lot * chance.choice([1, 1, 3]),
        max_quantity=_whole(1500 / dollars, lot) if chance.random() < 0.3 else None,
        min_notional=_rounded(least),
    )


def _power_of_ten(value: Decimal) -> Decimal:
    return Decimal(1).scaleb(value.adjusted())


def _rounded(value: Decimal) -> Decimal:
    """To three digits."""
    return +value.quantize(Decimal(1).scaleb(value.adjusted() - 2))


def _whole(quantity: Decimal, lot: Decimal) -> Decimal:
    return max(lot, quantity // lot * lot)


def draw_hours(seed: int, on: frozenset[Draw], began: datetime, seconds: float) -> ExchangeCalendar:
    """Sessions of half a minute to a minute and a half; the last one is open at the end."""
    chance = random.Random(f"hours {seed}")
    sessions, at = [], began - timedelta(seconds=chance.uniform(0, 40))
    ends = began + timedelta(seconds=seconds)
    sessions.append(_session(began - LONG_AGO, began - LONG_AGO + timedelta(hours=8)))
    while at < ends:
        closes = at + timedelta(seconds=chance.uniform(30, 90))
        sessions.append(_session(at, min(closes, ends)))
        at = closes + timedelta(seconds=chance.uniform(10, 40))
    sessions.append(_session(max(at, ends), began + LONG_AGO))
    return ExchangeCalendar("XSIM", sessions)


def _session(opens: datetime, closes: datetime) -> Session:
    return Session(opens.astimezone(UTC).date(), opens, closes)
