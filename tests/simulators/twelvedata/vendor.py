"""The simulated vendor: keys, instruments, answers to what is asked. No HTTP here."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import islice
from typing import Any, Final
from zoneinfo import ZoneInfo

from tests.simulators.shared.clock import SimulatorClock
from tests.simulators.twelvedata.bars import (
    DAILY,
    INTRADAY,
    Bar,
    MadeUp,
    Minutes,
    adjusted,
    newest_first,
)
from tests.simulators.twelvedata.credits import PLANS, PRICING, Account
from tests.simulators.twelvedata.instruments import USUAL, ZONES, Instrument

Json = dict[str, Any]

KEY: Final = "td-simulated-key-0123456789abcdef"
MOST_SYMBOLS: Final = 120
MOST_BARS: Final = 5_000
FEW_BARS: Final = 30
WEIGHTS: Final = {"time_series": 1, "price": 1, "quote": 1, "income_statement": 100}
ADJUSTMENTS: Final = ("all", "splits", "dividends", "none")
DOCS: Final = "https://twelvedata.com/docs"


class VendorRefusalError(Exception):
    """The vendor's error body: `code`, `message`."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message

    def body(self) -> Json:
        return {"code": self.code, "message": self.message, "status": "error"}


@dataclass
class TwelveData:
    """*history*: how far back there are candles. *error_status_200*: errors come with HTTP 200, else
    with their own code: both are seen. *set_prices*: last prices that a test has said.
    """

    clock: SimulatorClock
    minutes: Minutes = field(default_factory=MadeUp)
    instruments: Sequence[Instrument] = USUAL
    history: timedelta = timedelta(days=30)
    error_status_200: bool = True
    accounts: dict[str, Account] = field(default_factory=lambda: {KEY: Account(PLANS["basic"])})
    set_prices: dict[str, Decimal] = field(default_factory=dict)

    def account(self, key: str) -> Account:
        if key not in self.accounts:
            raise VendorRefusalError(
                401,
                "**apikey** parameter is incorrect or not specified. You can get your free API key"
                f" instantly following this link: {PRICING}. If you believe that everything is"
                " correct, you can contact us at https://twelvedata.com/contact/customer",
            )
        return self.accounts[key]

    def answer(self, call: str, asked: Mapping[str, str], account: Account) -> tuple[Json, bool]:
        """The body, and whether it is one of a batch. Raises VendorRefusalError."""
        symbols, is_batch = self._symbols(asked)
        lack = account.spend(WEIGHTS[call] * len(symbols), self.clock.now())  # T5
        if lack is not None:
            raise VendorRefusalError(429, lack)
        if not is_batch:
            return self._one(call, symbols[0], asked, account), False
        told: Json = {}
        for symbol in symbols:
            try:
                told[symbol] = self._one(call, symbol, asked, account)
            except VendorRefusalError as error:
                told[symbol] = error.body()
        return told, True

    def find(self, symbol: str, account: Account) -> Instrument:
        """The instrument; raises what the vendor says of an unknown one, or of one beyond the plan."""
        name = symbol.partition(":")[0].upper()
        for each in self.instruments:
            if each.symbol == name:
                if each.gate is not None and account.plan.rank < PLANS[each.gate[1]].rank:
                    raise VendorRefusalError(each.gate[0], _gated(symbol, each.gate[1]))
                return each
        raise VendorRefusalError(
            404,
            "**symbol** or **figi** parameter is missing or invalid. Please provide a valid symbol"
            f" according to API documentation: {DOCS}#reference-data",
        )

    def last_price(self, instrument: Instrument) -> Decimal:
        said = self.set_prices.get(instrument.symbol)
        price = said or self.minutes.price(instrument, self.clock.now())
        if price is None:
            raise VendorRefusalError(404, f"Data not found for {instrument.symbol}")
        return price

    def _symbols(self, asked: Mapping[str, str]) -> tuple[list[str], bool]:
        words = asked.get("symbol", "").split(",")
        symbols = list(dict.fromkeys(word.strip() for word in words if word.strip()))
        if not symbols:
            raise VendorRefusalError(400, "**symbol** parameter is missing or invalid.")
        if len(symbols) > MOST_SYMBOLS:
            raise VendorRefusalError(
                414, "**symbol** parameter has too many values: 120 is the most."
            )
        return symbols, len(words) > 1

    def _one(self, call: str, symbol: str, asked: Mapping[str, str], account: Account) -> Json:
        instrument = self.find(symbol, account)
        if call == "price":
            return {"price": _shown(self.last_price(instrument), _places(asked, 5))}
        if call == "quote":
            return self._quote(instrument, asked)
        return self._series(instrument, asked)

    def _series(self, instrument: Instrument, asked: Mapping[str, str]) -> Json:
        interval = asked.get("interval", "")
        if interval not in INTRADAY and interval not in DAILY:
            known = ", ".join([*INTRADAY, *DAILY])
            raise VendorRefusalError(
                400, f"Invalid **interval** provided: {interval}. Supported: {known}"
            )
        zone = _zone(instrument, interval, asked.get("timezone", "Exchange"))
        bars = list(islice(self._bars(instrument, interval, asked, zone), _size(asked)))
        if not bars:
            raise VendorRefusalError(
                400,
                "No data is available on the specified dates. Try setting different start/end dates.",
            )
        places = _places(asked, instrument.places)
        rows = [_row(instrument, each, interval, zone, places) for each in bars]
        if asked.get("order", "desc").lower() == "asc":
            rows.reverse()
        return {"meta": instrument.meta(interval), "values": rows, "status": "ok"}

    def _bars(
        self, instrument: Instrument, interval: str, asked: Mapping[str, str], zone: ZoneInfo
    ) -> Iterator[Bar]:
        now = self.clock.now()
        how = asked.get("adjust", "splits")
        if how not in ADJUSTMENTS:
            raise VendorRefusalError(400, f"Invalid **adjust** provided: {how}.")
        begin = _instant(asked, "start_date", zone) or now - self.history
        end = _instant(asked, "end_date", zone) or now
        since = max(begin, now - self.history)
        today = now.astimezone(instrument.local).date()
        until = min(now, _beyond(end, interval))
        for bar in newest_first(instrument, self.minutes, interval, until, since):
            if bar.at < begin or bar.at > end:
                continue
            yield adjusted(instrument, bar, how, today)

    def _quote(self, instrument: Instrument, asked: Mapping[str, str]) -> Json:
        now, places = self.clock.now(), _places(asked, 5)
        days = islice(
            newest_first(instrument, self.minutes, "1day", now, now - timedelta(days=7)), 2
        )
        told_days = list(days)
        if not told_days:
            raise VendorRefusalError(404, f"Data not found for {instrument.symbol}")
        today, *before = told_days
        close = self.last_price(instrument)
        session = instrument.session(now.astimezone(instrument.local).date())
        told: Json = {
            "symbol": instrument.symbol,
            "name": instrument.symbol,
            "exchange": instrument.exchange,
            "mic_code": instrument.mic_code,
            "currency": instrument.currency,
            "datetime": today.day.isoformat(),
            "timestamp": int(today.at.timestamp()),
            "last_quote_at": int(now.replace(second=0, microsecond=0).timestamp()),
            "is_market_open": session is not None and session[0] <= now < session[1],
            "open": _shown(today.open, places),
            "high": _shown(max(today.high, close), places),
            "low": _shown(min(today.low, close), places),
            "close": _shown(close, places),
            "volume": f"{today.volume:f}",
            "previous_close": _shown(before[0].close if before else today.open, places),
            "fifty_two_week": {
                "low": _shown(today.low, places),
                "high": _shown(today.high, places),
            },
        }
        return told


def _gated(symbol: str, plan: str) -> str:
    return (
        f"This symbol is available starting with {plan.capitalize()} plan. Consider upgrading your"
        f" plan for {symbol} at {PRICING}"
    )


def _zone(instrument: Instrument, interval: str, asked: str) -> ZoneInfo:
    """The zone that datetimes are told in; T1: for days, weeks and months always the exchange's."""
    if interval in DAILY or asked == "Exchange":
        return instrument.local
    if asked not in ZONES:
        raise VendorRefusalError(400, f"Invalid **timezone** provided: {asked}.")
    return ZONES[asked]


def _size(asked: Mapping[str, str]) -> int:
    """T3: 30 without dates, the most with them."""
    dated = "start_date" in asked or "end_date" in asked
    told = asked.get("outputsize")
    try:
        size = int(told) if told is not None else MOST_BARS if dated else FEW_BARS
    except ValueError:
        size = 0
    if not 1 <= size <= MOST_BARS:
        raise VendorRefusalError(
            400, f"Invalid **outputsize** provided: {told}. Allowed: 1 to 5000"
        )
    return size


def _instant(asked: Mapping[str, str], which: str, zone: ZoneInfo) -> datetime | None:
    told = asked.get(which)
    if told is None:
        return None
    try:
        naive = datetime.fromisoformat(told)
    except ValueError:
        raise VendorRefusalError(400, f"Invalid **{which}** provided: {told}.") from None
    return naive.replace(tzinfo=zone).astimezone(UTC)


def _beyond(end: datetime, interval: str) -> datetime:
    """The end of the bar that begins at *end*: whole bars are told, also the last one."""
    width = INTRADAY.get(interval)
    return end + (width if width is not None else timedelta(days=32))


def _row(instrument: Instrument, bar: Bar, interval: str, zone: ZoneInfo, places: int) -> Json:
    if interval in DAILY:
        shown = bar.day.isoformat()
    else:
        shown = bar.at.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S")
    row = {
        "datetime": shown,
        "open": _shown(bar.open, places),
        "high": _shown(bar.high, places),
        "low": _shown(bar.low, places),
        "close": _shown(bar.close, places),
    }
    return row | ({"volume": f"{bar.volume:f}"} if instrument.has_volume else {})


def _places(asked: Mapping[str, str], usual: int) -> int:
    told = asked.get("dp", "-1")
    if not told.lstrip("-").isdigit() or not -1 <= int(told) <= 11:
        raise VendorRefusalError(400, f"Invalid **dp** provided: {told}.")
    return usual if int(told) < 0 else int(told)


def _shown(price: Decimal, places: int) -> str:
    return f"{price:.{places}f}"
