"""Port for what a venue tells everybody; each call raises FeedError and nothing else on purpose."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from tradebotd.domain.instrument import PositionType
from tradebotd.domain.public_market import (
    DayFigures,
    ListedSymbol,
    OrderBookSnapshot,
    TradePage,
)


class SymbolListing(Protocol):
    @property
    def name(self) -> str:
        """Name of the venue or feed in the file."""
        ...

    @property
    def kind(self) -> PositionType: ...

    async def tradable(self) -> Sequence[ListedSymbol]:
        """Return every symbol that is traded just now, in any order. Raises FeedError."""
        ...


class ScreenedAssets(Protocol):
    """Assets of which a watchlist is made, by the venue's own names."""

    @property
    def name(self) -> str: ...

    async def candidates(self) -> Sequence[str]:
        """Return the names of what may be screened, in any order. Raises FeedError."""
        ...

    async def day_figures(self, names: Sequence[str]) -> Mapping[str, DayFigures]:
        """Return the last day of *names*; those without one are left out. Raises FeedError."""
        ...


class PublicMarket(SymbolListing, Protocol):
    """Market whose trades and order books can be asked for by the venue's own names."""

    async def trades(self, name: str, after: int | None) -> TradePage:
        """Return trades behind the id *after*, oldest first; None: the newest ones.

        Raises FeedError.
        """
        ...

    async def order_book(self, name: str, levels: int) -> OrderBookSnapshot:
        """Return the best *levels* of each side. Raises FeedError."""
        ...

    async def day_figures(self, names: Sequence[str]) -> Mapping[str, DayFigures]:
        """Return the last 24 hours of *names*; those without a trade are left out.

        Raises FeedError.
        """
        ...


class RecordedSymbol(NamedTuple):
    """Symbol whose public data is recorded: by our name, under *name* at its market."""

    symbol: str
    name: str
    market: PublicMarket
