"""The whole daemon at one venue, with a bot a symbol that decides nothing: a test enters and moves."""

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, cast

import anyio
import anyio.lowlevel

from tests.fakes.trading import LIMITS, ScriptedStrategy
from tests.protection.places import Place
from tests.venue_core.daemon import wired
from tests.venue_core.feed import VenueFeed
from tradebotd.daemon.app import App
from tradebotd.daemon.wiring.files import load
from tradebotd.daemon.wiring.trading import Trading
from tradebotd.domain.ids import BotName, FeedName, PositionId
from tradebotd.domain.instrument import MarketSymbol
from tradebotd.domain.order import OrderIntent, OrderRequest, OrderRole, OrderType, TimeInForce
from tradebotd.domain.position import Position
from tradebotd.domain.side import Side
from tradebotd.ports.clock import Clock
from tradebotd.ports.feed import PolledFeed, StreamNews
from tradebotd.risk.limits import AccountState, approve_entry
from tradebotd.storage.postgres.database import Database
from tradebotd.trading.execution.placement import Placement

RICH: Final = AccountState(
    equity=Decimal(1_000_000),
    exposure=Decimal(0),
    open_positions=0,
    orders_last_minute=0,
    day_start_equity=Decimal(1_000_000),
    peak_equity=Decimal(1_000_000),
)
TOLD_EVERY: Final = 0.05  # seconds between two prices of a symbol
DRAIN_SECONDS: Final = 10.0


class PriceFeed(VenueFeed):
    """Implements `StreamedFeed`: it tells the venue's own prices by itself."""

    def __init__(
        self, name: FeedName, clock: Clock, price: Callable[[str], Decimal], symbol: str
    ) -> None:
        super().__init__(name, clock, lambda: price(symbol))
        self._price_of = price

    async def stream(self, symbols: Sequence[MarketSymbol], news: StreamNews) -> None:
        while True:
            for each in symbols:
                news.price(each.symbol, self._price_of(each.symbol), timedelta(0))
            await anyio.sleep(TOLD_EVERY)

    async def quotes(self, symbols: Sequence[MarketSymbol]) -> dict[str, Decimal]:
        return {each.symbol: self._price_of(each.symbol) for each in symbols}

    def tells(self, symbol: MarketSymbol) -> bool:
        del symbol
        return True


@dataclass(frozen=True)
class Setting:
    """What a daemon is made for. *directory*: for its files; *dsn*: of a database of its own."""

    place: Place
    dsn: str
    directory: Path


class Daemon:
    """One life of it: made by `living`, gone when the block is left."""

    def __init__(self, setting: Setting, app: App, trading: Trading) -> None:
        self._place, self._app, self._trading = setting.place, app, trading
        self.exits = trading.protection
        self._calls: set[anyio.CancelScope] = set()

    @contextmanager
    def calling(self) -> Iterator[anyio.CancelScope]:
        """A call into the process, which its end cuts off."""
        with anyio.CancelScope() as scope:
            self._calls.add(scope)
            try:
                yield scope
            finally:
                self._calls.discard(scope)

    async def die(self) -> None:
        """Cut off what is called; the process is gone when its block is left."""
        if self._app.scheduler.running:
            self._app.scheduler.shutdown()
        while self._calls:
            for scope in self._calls:
                scope.cancel()
            await anyio.lowlevel.checkpoint()

    async def stop(self) -> None:
        """As a signal has it stop: what waits to be stored is stored."""
        with anyio.CancelScope(shield=True):
            await self._app.stop(DRAIN_SECONDS)
            await self._app.protection.store_seconds()

    async def enter(
        self,
        symbol: str,
        quantity: Decimal,
        *,
        price: Decimal | None = None,
    ) -> None:
        """Buy at the market, or at *price*. Raises as `Placement.send`."""
        bot = self._trading.specs[bot_of(symbol)]
        intent = OrderIntent(
            request=OrderRequest(
                venue=self._trading.symbols[symbol].instrument.venue,
                symbol=symbol,
                side=Side.BUY,
                type=OrderType.MARKET if price is None else OrderType.LIMIT,
                limit_price=price,
                time_in_force=TimeInForce.IOC if price is None else TimeInForce.GTC,
                quantity=quantity,
                position_type=self._place.position_type,
            ),
            bot=bot.name,
            role=OrderRole.ENTRY,
            reason="drawn",
        )
        approved = approve_entry(intent, Decimal(1), RICH, LIMITS)
        placement = cast(Placement, cast(Any, self._trading.entries)._placement)
        prepared = await placement.prepare(approved, exits=bot.exits)
        await placement.send(prepared)

    def position(self, symbol: str) -> Position | None:
        held = (each for each in self.exits.held.values() if each.symbol == symbol)
        return next(held, None)

    def is_in_doubt(self, symbol: str) -> bool:
        """Whether it says that nobody knows whether a stop rests; its own exits guard meanwhile."""
        position = self.position(symbol)
        missing = cast(Any, self.exits)._resting.missing
        return position is not None and "nobody knows" in missing.lost.get(position.id, "")

    async def move_stop(self, symbol: str, stop_loss: str) -> None:
        """Move its stop, as an operator writes it."""
        position = self.position(symbol)
        if position is not None:
            await self._trading.commands.set_exits(
                position.id,
                stop_loss=stop_loss,
                take_profit=None,
                trailing_stop=None,
                max_holding=None,
            )


def bot_of(symbol: str) -> BotName:
    return BotName(f"bot-{symbol.lower()}")


@asynccontextmanager
async def living(setting: Setting) -> AsyncIterator[Daemon]:
    """Start it, as on a database that may know positions; it is gone when the block is left."""
    place = setting.place
    for name, text in place.secrets.items():
        (setting.directory / name).write_text(text)
        (setting.directory / name).chmod(0o600)
    file = setting.directory / "config.toml"
    file.write_text(_config(setting))
    config, files = load(file)
    files = replace(files, strategies={bot_of(each): ScriptedStrategy() for each in place.symbols})

    def feed(name: FeedName, clock: Clock) -> PolledFeed:
        return PriceFeed(name, clock, place.price, place.symbols[0])

    async with wired(config, files, setting.dsn, feed) as (app, trading, _):
        await app.start()
        yield Daemon(setting, app, trading)


def _config(setting: Setting) -> str:
    place = setting.place
    return f"""
[daemon]
state_dir = "state"
socket = "control.sock"
[database]
url = "{setting.dsn}"
[feeds.venue]
kind = "binance"
[venues.there]
kind = "{place.kind}"
api_key = {{ file = "key" }}
api_secret = {{ file = "secret" }}
{place.section}
[jobs.warmup_spot_symbols]
enabled = false
[jobs.warmup_futures_symbols]
enabled = false
[risk]
currency = "{place.currency}"
max_exposure = "1000%"
{"".join(_symbol(place, each) for each in place.symbols)}
"""


def _symbol(place: Place, symbol: str) -> str:
    return f"""
[[symbols]]
symbol = "{symbol}"
base_asset = "{symbol.removesuffix("USDT")}"
feeds = ["venue"]
venue = "there"
timeframes = ["1m"]
{place.symbol_lines}
[[bots]]
name = "{bot_of(symbol)}"
symbol = "{symbol}"
timeframe = "1m"
strategy = "ema_rsi"
sizing = {{ kind = "fixed_quantity", value = "{place.quantity}" }}
exits = {{ stop_loss = "2%", take_profit = "5%" }}
{place.bot_lines}
"""


async def seconds_of(database: Database) -> dict[PositionId, tuple[str, float]]:
    """Read what the daemon has counted, by position: its symbol, and the seconds."""
    async with database.connection() as connection:
        rows: list[Any] = await connection.fetch(
            "SELECT id, symbol, unprotected_seconds FROM positions ORDER BY id"
        )
    return {row["id"]: (row["symbol"], row["unprotected_seconds"]) for row in rows}
