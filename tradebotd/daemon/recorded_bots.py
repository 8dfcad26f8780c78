"""Bots beside what is recorded of their symbols: candles that never come, or too few of them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from tradebotd.config.model import Config
from tradebotd.domain.ids import BotName, FeedName
from tradebotd.domain.instrument import MarketSymbol
from tradebotd.domain.timeframe import Timeframe
from tradebotd.strategies.base import AnyStrategy

if TYPE_CHECKING:  # the readers of files cost a start that reads none
    from tradebotd.feeds.replay import Recordings


def timeframe_problems(
    config: Config, symbols: Sequence[MarketSymbol], recordings: Mapping[FeedName, "Recordings"]
) -> Iterator[str]:
    """Bots that would wait for ever: finer candles are made of nothing."""
    finest = _finest(symbols, recordings)
    for number, bot in enumerate(config.bots):
        recorded = finest.get(bot.symbol)
        if bot.active and recorded and Timeframe(bot.timeframe).seconds < recorded.seconds:
            yield (
                f"bots[{number}].timeframe: {bot.timeframe}, and the finest recording of"
                f" {bot.symbol} is of {recorded}: it would never see a candle"
            )


def idle_bots(
    config: Config,
    symbols: Sequence[MarketSymbol],
    recordings: Mapping[FeedName, "Recordings"],
    strategies: Mapping[BotName, AnyStrategy],
) -> Iterator[str]:
    """Bots whose strategy looks at more candles than all of the recording."""
    finest = _finest(symbols, recordings)
    feeds = {symbol.symbol: symbol.feeds for symbol in symbols}
    for number, bot in enumerate(config.bots):
        if not bot.active or bot.symbol not in finest:
            continue
        spans = [recordings[name].span_of(bot.symbol) for name in feeds[bot.symbol]
                 if name in recordings]  # fmt: skip
        if len(spans) < len(feeds[bot.symbol]):
            continue  # invented prices do not end
        known = [span for span in spans if span is not None]
        begin, end = min(first for first, _ in known), max(last for _, last in known)
        most = int((end - begin).total_seconds()) // Timeframe(bot.timeframe).seconds + 1
        wanted = strategies[BotName(bot.name)].lookback
        if most < wanted:
            yield (
                f"bots[{number}].strategy: {bot.strategy} looks at {wanted} candles of"
                f" {bot.timeframe}, and the recording of {bot.symbol} has room for {most}:"
                " it never acts"
            )


def _finest(
    symbols: Sequence[MarketSymbol], recordings: Mapping[FeedName, "Recordings"]
) -> dict[str, Timeframe]:
    """The finest timeframe by symbol, of the feed that is asked first, if it could be read."""
    finest: dict[str, Timeframe] = {}
    for symbol in symbols:
        first = symbol.feeds[0]
        if first in recordings and symbol.symbol in recordings[first].shelves:
            finest[symbol.symbol] = next(iter(recordings[first].shelves[symbol.symbol]))
    return finest
