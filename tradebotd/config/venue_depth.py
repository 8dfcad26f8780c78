"""Depth of the paper venue's market in view of its symbols: a part that could not be sold again."""

from collections.abc import Iterator
from typing import Final

from tradebotd.config.model import Config

LEAST: Final = 2  # of min_notional: a part that is bought may be sold at half its price


def venue_depth_problems(config: Config) -> Iterator[str]:
    """Yield venues where one price trades less than the least order of a symbol."""
    for symbol in config.symbols:
        venue = config.venues.get(symbol.venue)
        depth = None if venue is None else venue.depth_notional
        if depth is not None and depth < LEAST * symbol.min_notional:
            yield (
                f"venues.{symbol.venue}.depth_notional: {depth:f} is below {LEAST} times the"
                f" min_notional of {symbol.symbol} ({symbol.min_notional:f}): what one price trades"
                " of an entry could not be sold again once its price has fallen"
            )
