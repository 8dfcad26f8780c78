"""Candles: given ones or made up from a seed, minute by minute; wider ones are put together here."""

import hashlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Final, Protocol

from tests.simulators.twelvedata.instruments import DAY, Instrument

MINUTE: Final = timedelta(minutes=1)
# T2: 8h is among them.
INTRADAY: Final[Mapping[str, timedelta]] = {
    "1min": MINUTE,
    "5min": 5 * MINUTE,
    "15min": 15 * MINUTE,
    "30min": 30 * MINUTE,
    "45min": 45 * MINUTE,
    "1h": timedelta(hours=1),
    "2h": timedelta(hours=2),
    "4h": timedelta(hours=4),
    "8h": timedelta(hours=8),
}
DAILY: Final = ("1day", "1week", "1month")
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Bar:
    """*at*: when it begins, in UTC. *day*: the exchange's."""

    at: datetime
    day: date
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal


class Minutes(Protocol):
    """Where minutes come from."""

    def minute(self, instrument: Instrument, at: datetime, now: datetime) -> Bar | None:
        """The minute that begins at *at*, as far as it has come by *now*; None where nothing traded."""
        ...

    def price(self, instrument: Instrument, now: datetime) -> Decimal | None: ...


class MadeUp:
    """Minutes by a seed: the same instant has the same price, whoever asks for whatever range."""

    def __init__(self, seed: int = 1) -> None:
        self._seed = seed

    def minute(self, instrument: Instrument, at: datetime, now: datetime) -> Bar | None:
        if now <= at:
            return None
        end = min(at + MINUTE, now)
        begin, close = self._at(instrument, at), self._at(instrument, end)
        step = Decimal(1).scaleb(-2)
        wick = step * (self._noise(instrument, at, "wick") % 5)
        return Bar(
            at=at,
            day=at.astimezone(instrument.local).date(),
            open=begin,
            high=max(begin, close) + wick,
            low=min(begin, close) - wick,
            close=close,
            volume=Decimal(100 + self._noise(instrument, at, "volume") % 900),
        )

    def price(self, instrument: Instrument, now: datetime) -> Decimal:
        return self._at(instrument, now)

    def _at(self, instrument: Instrument, at: datetime) -> Decimal:
        seconds = (at - EPOCH).total_seconds()
        wave = math.sin(seconds / 3_000 + self._seed) + math.sin(seconds / 47_000)
        noise = self._noise(instrument, at, "price") % 100 / 100 - 0.5
        moved = instrument.price * (1 + Decimal(repr(wave * 0.01 + noise * 0.0005)))
        return moved.quantize(Decimal(1).scaleb(-instrument.places), rounding=ROUND_HALF_UP)

    def _noise(self, instrument: Instrument, at: datetime, what: str) -> int:
        words = f"{self._seed} {instrument.symbol} {at.isoformat()} {what}"
        return int.from_bytes(hashlib.blake2b(words.encode(), digest_size=4).digest(), "big")


class Given:
    """Minutes of a table: by symbol, in any order."""

    def __init__(self, table: Mapping[str, Sequence[Bar]]) -> None:
        self._minutes = {symbol: {bar.at: bar for bar in bars} for symbol, bars in table.items()}

    def minute(self, instrument: Instrument, at: datetime, now: datetime) -> Bar | None:
        return self._minutes.get(instrument.symbol, {}).get(at) if at < now else None

    def price(self, instrument: Instrument, now: datetime) -> Decimal | None:
        minutes = self._minutes.get(instrument.symbol, {})
        last = max((at for at in minutes if at < now), default=None)
        return None if last is None else minutes[last].close


def newest_first(
    instrument: Instrument, minutes: Minutes, interval: str, now: datetime, since: datetime
) -> Iterator[Bar]:
    """Bars of *interval*, the unfinished one first, back to the one that begins at *since* or later."""
    day = now.astimezone(instrument.local).date()
    first = since.astimezone(instrument.local).date()
    pending: list[Bar] = []
    while day >= first:
        for minute in _of_day(instrument, minutes, day, now):
            begin = _begin(instrument, interval, minute)
            if pending and pending[-1].at != begin.at:
                yield _joined(pending[-1], pending[:-1])
                pending = []
            pending = [*pending[:-1], minute, begin] if pending else [minute, begin]
        day -= DAY
    if pending:
        yield _joined(pending[-1], pending[:-1])


def _of_day(instrument: Instrument, minutes: Minutes, day: date, now: datetime) -> Iterator[Bar]:
    session = instrument.session(day)
    if session is None:
        return
    begin, end = session
    at = min(end, _floor(now) + MINUTE)
    while at > begin:
        at -= MINUTE
        bar = minutes.minute(instrument, at, now)
        if bar is not None:
            yield bar


def _begin(instrument: Instrument, interval: str, minute: Bar) -> Bar:
    """An empty bar at the begin of the interval that *minute* is in."""
    if interval in INTRADAY:
        session = instrument.session(minute.day)
        assert session is not None, "a minute is in a session"
        origin = EPOCH if instrument.opens is None else session[0]
        width = INTRADAY[interval]
        return _empty(origin + (minute.at - origin) // width * width, minute.day)
    day = minute.day
    if interval == "1week":
        day -= timedelta(days=day.weekday())
    if interval == "1month":
        day = day.replace(day=1)
    return _empty(datetime.combine(day, time(0), instrument.local).astimezone(UTC), day)


def _empty(at: datetime, day: date) -> Bar:
    return Bar(at, day, Decimal(0), Decimal(0), Decimal(0), Decimal(0), Decimal(0))


def _joined(begin: Bar, newest_to_oldest: Sequence[Bar]) -> Bar:
    return Bar(
        at=begin.at,
        day=begin.day,
        open=newest_to_oldest[-1].open,
        high=max(each.high for each in newest_to_oldest),
        low=min(each.low for each in newest_to_oldest),
        close=newest_to_oldest[0].close,
        volume=sum((each.volume for each in newest_to_oldest), Decimal(0)),
    )


def _floor(at: datetime) -> datetime:
    return at.replace(second=0, microsecond=0)


def adjusted(instrument: Instrument, bar: Bar, how: str, today: date) -> Bar:
    """*bar* in the prices of *today* (T4): by splits, by dividends, by both, or as it was traded."""
    factor = Decimal(1)
    if how in {"splits", "all"}:
        factor *= instrument.split_factor(bar.day, today)
    paid = Decimal(1)
    if how in {"dividends", "all"}:
        for dividend in instrument.dividends:
            if bar.day < dividend.day <= today:
                paid *= 1 - dividend.amount / instrument.price
    scaled: Callable[[Decimal], Decimal] = lambda price: price / factor * paid  # noqa: E731
    return Bar(
        bar.at,
        bar.day,
        scaled(bar.open),
        scaled(bar.high),
        scaled(bar.low),
        scaled(bar.close),
        bar.volume * factor,
    )
