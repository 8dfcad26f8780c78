"""Snapshots and events of order books, as both markets tell them. Strict: raises MisshapenError."""

from tradebotd.feeds.binance.order_book import DepthEvent, Level, Snapshot
from tradebotd.net.answers import Source, Value


def snapshot_of(told: Value, source: Source) -> Snapshot:
    return Snapshot(
        last_id=told["lastUpdateId"].integer(),
        bids=_levels(told["bids"], source),
        asks=_levels(told["asks"], source),
    )


def depth_event_of(told: Value, source: Source) -> DepthEvent:
    """Read a `depthUpdate`; only USDT-M has `pu`."""
    previous = told.get("pu")
    return DepthEvent(
        first_id=told["U"].integer(),
        last_id=told["u"].integer(),
        bids=_levels(told["b"], source),
        asks=_levels(told["a"], source),
        previous_id=None if previous is None else previous.integer(),
    )


def _levels(told: Value, source: Source) -> list[Level]:
    return [_level(each, source) for each in told.items()]


def _level(told: Value, source: Source) -> Level:
    cells = told.items()
    if len(cells) < 2:
        raise source.misshapen("with a level that is none")
    price, quantity = cells[0].decimal(), cells[1].decimal()
    if price <= 0 or quantity < 0:
        raise source.misshapen("with a level that is none")
    return price, quantity
