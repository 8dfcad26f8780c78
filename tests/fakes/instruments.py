"""Venues that tell the filters of their symbols, and what we make of it."""

from dataclasses import replace
from typing import Any

from tests.fakes.trading import SYMBOL, TradingHarness
from tradebotd.trading.instruments.refresh import Refreshed


def telling(harness: TradingHarness) -> TradingHarness:
    harness.venue.traits = replace(
        harness.venue.traits, tells_instruments=True, tells_commissions=True
    )
    return harness


def changes(harness: TradingHarness, **filters: Any) -> None:
    """At the venue; we have not been told."""
    harness.venue.filters[SYMBOL] = replace(harness.venue.filters[SYMBOL], **filters)


async def told(harness: TradingHarness, **filters: Any) -> Refreshed:
    changes(harness, **filters)
    return await harness.path.instruments.run()


async def alert(harness: TradingHarness, code: str) -> dict[str, Any]:
    return await harness.row("SELECT * FROM alerts WHERE code = $1 AND cleared_at IS NULL", code)
