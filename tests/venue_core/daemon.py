"""The daemon as `serve` opens it, without its door: a run has no operator but the test."""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import anyio
import pytest

from tests.fakes.trading import ScriptedStrategy
from tests.venue_core.books import Books
from tests.venue_core.feed import VenueFeed
from tests.venue_core.places.place import Place
from tradebotd.config.model import Config
from tradebotd.daemon.app import App
from tradebotd.daemon.lifecycle import hold_account
from tradebotd.daemon.stop_request import StopRequest
from tradebotd.daemon.wiring import market as market_wiring
from tradebotd.daemon.wiring import root
from tradebotd.daemon.wiring.files import LoadedFiles, load
from tradebotd.daemon.wiring.trading import Trading
from tradebotd.domain.ids import BotName, FeedName
from tradebotd.domain.signal import SignalKind
from tradebotd.ports.clock import Clock
from tradebotd.ports.feed import PolledFeed
from tradebotd.storage.postgres.database import Database, open_database
from tradebotd.strategies.base import AnyStrategy

BOT = BotName("one")
MakeFeed = Callable[[FeedName, Clock], PolledFeed]
DRAIN_SECONDS = 10.0


@dataclass
class Daemon:
    """A daemon that has been built; `app.start` sets it going.

    `adapter`: of the venue, as the wiring made it; a suite may come between its calls.
    """

    config: Config
    app: App
    trading: Trading
    strategy: ScriptedStrategy
    books: Books
    database: Database

    @property
    def adapter(self) -> Any:
        (contained,) = self.trading.venues.values()
        return cast(Any, contained)._venue

    async def start(self) -> None:
        await self.app.start()

    def says(self, *words: SignalKind) -> None:
        """Have the bot say them when the next candles have closed."""
        self.strategy.words[:] = words


@asynccontextmanager
async def opened(
    place: Place, dsn: str, directory: Path, *, bot: str, resting_stops: bool = True
) -> AsyncIterator[Daemon]:
    """Build the daemon against *place*, with one bot.

    *bot*: further lines of its section. *directory*: for its files.
    """
    config, files = _loaded(place, dsn, directory, bot, resting_stops=resting_stops)
    strategy = ScriptedStrategy()
    strategies: Mapping[BotName, AnyStrategy] = {BOT: strategy}
    files = replace(files, strategies=strategies)
    async with wired(config, files, dsn, feed_of(place)) as (app, trading, database):
        yield Daemon(config, app, trading, strategy, Books(database), database)
        with anyio.CancelScope(shield=True):
            await app.stop(DRAIN_SECONDS)


@asynccontextmanager
async def wired(
    config: Config, files: LoadedFiles, dsn: str, feed: MakeFeed
) -> AsyncIterator[tuple[App, Trading, Database]]:
    """Build the daemon as `serve` does, with prices of *feed*; gone without a stop at the end."""
    made: list[Trading] = []
    async with AsyncExitStack() as stack:
        stack.enter_context(_without_outside(feed, made))
        database = await stack.enter_async_context(open_database(dsn, pool_min=2, pool_max=10))
        lease = await stack.enter_async_context(hold_account(config, files, database))
        app = await stack.enter_async_context(
            root.build(
                config, files, database, lease, StopRequest(), None, door=cast(Any, _no_door)
            )
        )
        yield app, made[0], database


def _loaded(
    place: Place, dsn: str, directory: Path, bot: str, *, resting_stops: bool
) -> tuple[Config, LoadedFiles]:
    for name, text in place.secrets.items():
        (directory / name).write_text(text)
        (directory / name).chmod(0o600)
    file = directory / "config.toml"
    file.write_text(
        f"""
[daemon]
state_dir = "state"
socket = "control.sock"
[database]
url = "{dsn}"
[feeds.venue]
kind = "binance"
[venues.{place.name}]
{place.section}
resting_stops = {str(resting_stops).lower()}
[[symbols]]
symbol = "{place.symbol}"
feeds = ["venue"]
venue = "{place.name}"
timeframes = ["1m"]
{place.symbol_lines}
[[bots]]
name = "{BOT}"
symbol = "{place.symbol}"
timeframe = "1m"
strategy = "ema_rsi"
sizing = {{ kind = "fixed_quantity", value = "{place.quantity}" }}
{place.bot_lines}
{bot}
[risk]
currency = "{place.currency}"
max_exposure = "1000%"
"""
    )
    return load(file)


@contextmanager
def _without_outside(make: MakeFeed, made: list[Trading]) -> Iterator[None]:
    """The daemon's feed tells the venue's prices, and nobody is let in at its door."""

    def feed(name: Any, _section: Any, _files: Any, clock: Any, _outside: Any) -> PolledFeed:
        return make(name, clock)

    def operator(_config: Any, _database: Any, _market: Any, trading: Trading, _app: App) -> None:
        made.append(trading)

    @asynccontextmanager
    async def unserved(_operator: Any, _door: Any) -> AsyncIterator[None]:
        yield

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(market_wiring, "_feed", feed)
        patched.setattr(root, "wire_operator", operator)
        patched.setattr(root, "serve_control", unserved)
        yield


def feed_of(place: Place) -> MakeFeed:
    def price() -> Decimal:
        return place.price

    return lambda name, clock: VenueFeed(name, clock, price)


async def _no_door() -> None:
    return None
