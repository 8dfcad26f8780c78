"""Tables of the file about what venues tell everybody: symbols, records and the watchlist."""

from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Final, Literal

from pydantic import Field

from tradebotd.config.values import AmountNotNegative, Duration, Percent, PositiveMoney, Section

Asset = Annotated[str, Field(pattern=r"^[A-Z0-9]{1,20}$")]
BookLevels = Literal[5, 10, 20, 50, 100]


def _popular() -> list[str]:
    return ["BTC", "ETH", "BNB", "SOL", "XRP"]


def _exchanges() -> list[str]:
    return ["NYSE", "NASDAQ"]


class SymbolCacheSection(Section):
    """Cache of tradable symbols: those in `quote_asset`, the `popular` base assets first."""

    quote_asset: Asset = "USDT"
    popular: list[Asset] = Field(default_factory=_popular)
    keep_for: Duration = timedelta(minutes=15)


class PublicDataSection(Section):
    """Records of public trades and order books; no `symbols`: of every one that can be recorded."""

    symbols: list[str] = Field(default_factory=list)
    levels: BookLevels = 20


class UniverseSection(Section):
    """Screening: `sample` of the source's assets, by these limits, into a watchlist of `size`.

    `min_turnover` is of a day, in the quote asset; volatility is the day's range, of the price.
    """

    source: str | None = None
    exchanges: list[str] = Field(default_factory=_exchanges, min_length=1)
    sample: Annotated[int, Field(ge=1, le=10_000)] = 500
    size: Annotated[int, Field(ge=1, le=500)] = 50
    min_price: AmountNotNegative | None = None
    max_price: PositiveMoney | None = None
    min_turnover: AmountNotNegative = Decimal(1_000_000)
    min_volatility: Annotated[Percent, Field(ge=0)] = Decimal("0.01")
    max_volatility: Annotated[Percent, Field(gt=0)] = Decimal("0.2")
    pull_from: str | None = None


USUAL_CACHE: Final = SymbolCacheSection.model_construct()
USUAL_RECORDS: Final = PublicDataSection.model_construct()
USUAL_UNIVERSE: Final = UniverseSection.model_construct()
