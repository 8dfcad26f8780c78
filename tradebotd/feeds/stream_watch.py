"""Watch over the streams of a feed: which of them are silent, and whether polls contradict them.

A stream may be connected, answer pings, and tell nothing: so each is judged by its own usual rate
while its market is open, and by what is polled meanwhile.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import Final

import structlog

from tradebotd.domain.ids import FeedName
from tradebotd.net.silence import EVERY_SECONDS, SilenceDetector
from tradebotd.ports.clock import HostClock

LIVE_SECONDS: Final = 10.0  # a symbol that was not heard of for so long is polled
DOUBTS: Final = 2  # polls in a row that contradict a silent stream

PRICES_ARE_POLLED: Final = "prices are asked for meanwhile"

OnSilent = Callable[[Mapping[str, str]], None]
_log = structlog.get_logger(__name__)


def _nobody(_: Mapping[str, str]) -> None:
    """Tell nobody."""


def _polled(_: str) -> str:
    return PRICES_ARE_POLLED


class StreamWatch:
    """Streams of *feed* by name, from `expect` on; silent ones are told whenever they change.

    *meanwhile*: words on what stands in for a stream while it is silent.
    """

    def __init__(
        self, feed: FeedName, host: HostClock, meanwhile: Callable[[str], str] = _polled
    ) -> None:
        self._feed, self._host, self._meanwhile = feed, host, meanwhile
        self._detector = SilenceDetector()
        self._within: dict[str, float] = {}
        self._resting: set[str] = set()  # nothing is expected of them: their market is closed
        self._overdue: set[str] = set()  # since they were expected last
        self._silent: dict[str, str] = {}
        self._on_silent: OnSilent = _nobody

    def begin(self, on_silent: OnSilent) -> None:
        """Forget all streams: others are about to be followed."""
        self._detector = SilenceDetector()
        self._within.clear()
        self._resting.clear()
        self._overdue.clear()
        self._on_silent = on_silent
        self._silent.clear()
        self._tell()

    @property
    def silent(self) -> Mapping[str, str]:
        """Streams that are silent, with words on each."""
        return MappingProxyType(self._silent)

    def expect(self, streams: Mapping[str, float]) -> None:
        """Expect messages from now on, the first of each within so many seconds.

        One that was silent stays so until it is heard of: to be connected is no message.
        """
        now = self._host.monotonic()
        for stream, within in streams.items():
            self._within[stream] = within
            self._overdue.discard(stream)
            if stream not in self._resting:
                self._detector.expect(stream, now, first_within=within)

    def drop(self, streams: Iterable[str]) -> None:
        """Expect nothing of *streams* any more."""
        gone = set(streams)
        for stream in gone:
            self._within.pop(stream, None)
            self._detector.forget(stream)
        self._resting -= gone
        self._overdue -= gone
        if gone & self._silent.keys():
            self._silent = {each: self._silent[each] for each in self._silent.keys() - gone}
            self._tell()

    def heard(self, stream: str) -> None:
        """Note a message of *stream*."""
        self._detector.heard(stream, self._host.monotonic())
        self._overdue.discard(stream)
        if self._silent.pop(stream, None) is not None:
            _log.info("price stream heard again", feed=self._feed, stream=stream)
            self._tell()

    def quiet_for(self, streams: Iterable[str]) -> float:
        """Return for how many seconds all of *streams* are silent, and overdue since they were
        expected; 0 where one is not, or nothing is expected of any.
        """
        due = [each for each in streams if each not in self._resting]
        if not due or not self._overdue.issuperset(due):
            return 0.0
        now = self._host.monotonic()
        return min(self._detector.silent_for(each, now) for each in due)

    async def run(self, is_due: Callable[[str], bool]) -> None:
        """Look each second, until cancelled. *is_due*: its market is open."""
        while True:
            self.look(is_due)
            await self._host.sleep(EVERY_SECONDS)

    def look(self, is_due: Callable[[str], bool]) -> None:
        now, changed = self._host.monotonic(), False
        for stream, within in self._within.items():
            due = is_due(stream)
            if due and stream in self._resting:
                self._resting.discard(stream)
                self._detector.expect(stream, now, first_within=within)
            elif not due and stream not in self._resting:
                self._resting.add(stream)
                self._overdue.discard(stream)
                self._detector.forget(stream)
                changed = self._silent.pop(stream, None) is not None or changed
        for stream in self._detector.silent(now):
            seconds = round(self._detector.silent_for(stream, now), 1)
            self._overdue.add(stream)
            if stream not in self._silent:
                words = f"nothing was told for {seconds:g} s: {self._meanwhile(stream)}"
                self._silent[stream] = words
                changed = True
            _log.warning("price stream silent", feed=self._feed, stream=stream, seconds=seconds)
        if changed:
            self._tell()

    def _tell(self) -> None:
        self._on_silent(dict(self._silent))


@dataclass(slots=True)
class _Symbol:
    """`heard_at`: of its last trade that was of now. `polled`: while it is not heard of."""

    heard_at: float = float("-inf")
    polled: Decimal | None = None
    polled_at: float = float("-inf")
    doubts: int = 0


class TradedSymbols:
    """Symbols by the provider's names: whether their trades are told just now."""

    def __init__(self, host: HostClock) -> None:
        self._host = host
        self._symbols: dict[str, _Symbol] = {}

    def begin(self, names: Iterable[str]) -> None:
        self._symbols = {name: _Symbol() for name in names}

    def __contains__(self, name: str) -> bool:
        return name in self._symbols

    def traded(self, name: str) -> None:
        """Note a trade that was of now."""
        symbol = self._symbols[name]
        symbol.heard_at, symbol.doubts, symbol.polled = self._host.monotonic(), 0, None

    def distrust(self, name: str) -> None:
        """Have *name* asked for: what was told of it last does not count any more."""
        if (symbol := self._symbols.get(name)) is not None:
            symbol.heard_at = float("-inf")

    def is_fresh(self, name: str) -> bool:
        symbol = self._symbols.get(name)
        return symbol is not None and self._host.monotonic() - symbol.heard_at <= LIVE_SECONDS

    def contradicts(self, name: str, price: Decimal) -> bool:
        """Compare a price that was asked for; return True where its stream must be mute.

        A price that moved while the stream was silent is a doubt; two in a row are certainty.
        """
        symbol = self._symbols.get(name)
        if symbol is None or self.is_fresh(name):
            return False
        moved = symbol.polled is not None and symbol.polled != price
        if moved and symbol.heard_at < symbol.polled_at:
            symbol.doubts += 1
        symbol.polled, symbol.polled_at = price, self._host.monotonic()
        if symbol.doubts < DOUBTS:
            return False
        symbol.doubts = 0
        return True
