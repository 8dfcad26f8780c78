"""Depth of the paper venue's market in view of its symbols: a part that could not be sold again."""

from collections.abc import Iterator

from tradebotd.config.model import Config


def venue_depth_problems(config: Config) -> Iterator[str]:
    """Yield venues where one price trades less than the least order of a symbol."""
    for symbol in config.symbols:
        venue = config.venues.get(symbol.venue)
        depth = None if venue is None else venue.depth_notional
        if depth is not None and depth < symbol.min_notional:
            yield (
                f"venues.{symbol.venue}.depth_notional: {depth:f} is below min_notional of"
                f" {symbol.symbol} ({symbol.min_notional:f}): what one price trades of an entry"
                " could not be sold again"
            )
