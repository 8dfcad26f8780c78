"""Instruments that the simulated vendor knows: exchange, sessions, splits, the plan they need."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Final
from zoneinfo import ZoneInfo

DAY: Final = timedelta(days=1)
WEEKEND: Final = 5  # of `date.weekday`
# Read once: a zone's file is not read while the loop runs.
ZONES: Final = {
    name: ZoneInfo(name)
    for name in (
        "UTC",
        "America/New_York",
        "Asia/Singapore",
        "Asia/Tokyo",
        "Europe/Berlin",
        "Europe/Zurich",
    )
}


@dataclass(frozen=True)
class Split:
    """*ratio*: new shares for an old one; *day*: the first one with the new price, at the exchange."""

    day: date
    ratio: Decimal


@dataclass(frozen=True)
class Dividend:
    day: date
    amount: Decimal


@dataclass(frozen=True, kw_only=True)
class Instrument:
    """*gate*: status and plan with which one is refused that the key's plan does not reach (T7)."""

    symbol: str
    kind: str
    exchange: str = ""
    mic_code: str = ""
    zone: str = "UTC"
    opens: time | None = None  # None: day and night, on all days
    closes: time = time(0)
    currency: str = "USD"
    price: Decimal = Decimal(100)  # about which made-up candles move
    places: int = 5
    splits: Sequence[Split] = ()
    dividends: Sequence[Dividend] = ()
    gate: tuple[int, str] | None = None

    @property
    def is_pair(self) -> bool:
        return "/" in self.symbol

    @property
    def has_volume(self) -> bool:
        return self.kind != "Physical Currency"

    @property
    def local(self) -> ZoneInfo:
        return ZONES[self.zone]

    def meta(self, interval: str) -> dict[str, str]:
        told = {"symbol": self.symbol, "interval": interval}
        if self.is_pair:
            base, quote = self.symbol.split("/")
            told |= {"currency_base": base, "currency_quote": quote}
            return (
                told | ({"exchange": self.exchange} if self.exchange else {}) | {"type": self.kind}
            )
        told |= {"currency": self.currency, "exchange_timezone": self.zone}
        return told | {"exchange": self.exchange, "mic_code": self.mic_code, "type": self.kind}

    def session(self, day: date) -> tuple[datetime, datetime] | None:
        """Begin and end (UTC) of the session of the exchange's *day*; None where there is none."""
        if self.opens is None:
            begin = datetime.combine(day, time(0), self.local)
            end = datetime.combine(day + DAY, time(0), self.local)
            return begin.astimezone(UTC), end.astimezone(UTC)
        if day.weekday() >= WEEKEND:
            return None
        begin = datetime.combine(day, self.opens, self.local)
        return begin.astimezone(UTC), datetime.combine(day, self.closes, self.local).astimezone(UTC)

    def split_factor(self, day: date, today: date) -> Decimal:
        """The number that a price of *day* is divided by once the splits up to *today* are adjusted."""
        factor = Decimal(1)
        for split in self.splits:
            if day < split.day <= today:
                factor *= split.ratio
        return factor


AAPL: Final = Instrument(
    symbol="AAPL",
    kind="Common Stock",
    exchange="NASDAQ",
    mic_code="XNGS",
    zone="America/New_York",
    opens=time(9, 30),
    closes=time(16),
    price=Decimal(190),
)
MSFT: Final = Instrument(
    symbol="MSFT",
    kind="Common Stock",
    exchange="NASDAQ",
    mic_code="XNGS",
    zone="America/New_York",
    opens=time(9, 30),
    closes=time(16),
    price=Decimal(410),
)
SIE: Final = Instrument(
    symbol="SIE",
    kind="Common Stock",
    exchange="XETR",
    mic_code="XETR",
    zone="Europe/Berlin",
    opens=time(9),
    closes=time(17, 30),
    currency="EUR",
    price=Decimal(180),
    gate=(403, "grow"),
)
TOYOTA: Final = Instrument(
    symbol="7203",
    kind="Common Stock",
    exchange="JPX",
    mic_code="XJPX",
    zone="Asia/Tokyo",
    opens=time(9),
    closes=time(15),
    currency="JPY",
    price=Decimal(2800),
    gate=(404, "pro"),
)
EURUSD: Final = Instrument(
    symbol="EUR/USD", kind="Physical Currency", price=Decimal("1.08"), currency="USD"
)
BTCUSD: Final = Instrument(
    symbol="BTC/USD", kind="Digital Currency", exchange="Coinbase Pro", price=Decimal(64_000)
)
USUAL: Final = (AAPL, MSFT, SIE, TOYOTA, EURUSD, BTCUSD)
