"""All warnings of `check`, in the order of the file's tables."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Final

from tradebotd.config.cash_warnings import cash_warnings
from tradebotd.config.exit_warnings import exit_warnings
from tradebotd.config.job_warnings import job_warnings
from tradebotd.config.model import Config
from tradebotd.config.problem_text import percent
from tradebotd.config.size_warnings import size_warnings
from tradebotd.config.venue_order_types import stop_price_warnings, venue_type_warnings
from tradebotd.config.warning import ConfigWarning, WarningKind

_NO_PRICES: Final[Mapping[str, Decimal]] = MappingProxyType({})
_LEAST_COST_BPS: Final = Decimal("0.01")
_LEAST_FREE_DISK: Final = 50 * 10**6  # PostgreSQL's write-ahead log alone grows by 16 MB at a time

_BEYOND_ALL: Final = {
    "max_daily_loss": "all is lost before this limit stops anything",
    "max_drawdown": "all is lost before this limit stops anything",
    "price_collar": "no price is too far below the last close",
    "bad_tick": "no fall is ever doubted, only rises",
}


def config_warnings(
    config: Config, prices: Mapping[str, Decimal] = _NO_PRICES
) -> list[ConfigWarning]:
    """Return every warning; those that need a price are left out for symbols without one.

    *prices*: the last recorded price by symbol. *config* must have passed its checks.
    """
    return [
        *_costs(config),
        *cash_warnings(config),
        *exit_warnings(config, prices),
        *venue_type_warnings(config),
        *stop_price_warnings(config),
        *size_warnings(config, prices),
        *_limits(config),
        *job_warnings(config),
        *_clocks(config),
    ]


def _costs(config: Config) -> Iterator[ConfigWarning]:
    for name, venue in config.venues.items():
        for key in ("slippage_bps", "spread_bps"):
            value = getattr(venue, key)
            if 0 < value < _LEAST_COST_BPS:
                yield ConfigWarning(
                    WarningKind.COSTS_TINY,
                    f"venues.{name}.{key}",
                    f"{value} basis points are {percent(value / 10_000)}; a basis point is 0.01%",
                )


def _clocks(config: Config) -> Iterator[ConfigWarning]:
    """Warn of venues outside (on loopback, others are refused) beside a simulated market time."""
    if not config.simulated:
        return
    for name, venue in config.venues.items():
        if venue.kind != "paper":
            yield ConfigWarning(
                WarningKind.CLOCKS_DIFFER,
                f"venues.{name}",
                "it tells times by its own clock, and the feeds are simulated: days, ages and"
                " max_holding contradict; take a feed that asks the same simulator",
            )


def _limits(config: Config) -> Iterator[ConfigWarning]:
    """Warn of limits that nothing can reach: no price or equity falls by more than 100%."""
    for key, words in _BEYOND_ALL.items():
        value = getattr(config.risk, key)
        if value >= 1:
            yield ConfigWarning(WarningKind.LIMIT_OFF, f"risk.{key}", f"{percent(value)}: {words}")
    for number, bot in enumerate(config.bots):
        loss = bot.limits.max_daily_loss
        if loss is not None and loss >= 1:
            yield ConfigWarning(
                WarningKind.LIMIT_OFF,
                f"bots[{number}].limits.max_daily_loss",
                f"{percent(loss)}: {_BEYOND_ALL['max_daily_loss']}",
            )
    if config.health.min_free_disk < _LEAST_FREE_DISK:
        yield ConfigWarning(
            WarningKind.LIMIT_OFF,
            "health.min_free_disk",
            f"{config.health.min_free_disk // 10**6} MB leave PostgreSQL no room to write exits:"
            " entries stop too late; at least 50 MB",
        )
