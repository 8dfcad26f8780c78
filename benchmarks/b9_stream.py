"""B9: trades of 200 symbols with an open position each, at a steady rate, beside decoding alone.

The floor receives and decodes the same stream and does nothing with it. Both are measured by the
CPU that a message costs: at a rate that both keep, that is how much faster each could be told.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from typing import Final, NamedTuple

import anyio
import orjson

from benchmarks.cluster import Cluster
from benchmarks.measure import Limit, Options, Row, percentile, run_on_loop
from benchmarks.net_server import SYMBOLS
from benchmarks.net_stack import plain_server
from benchmarks.trading_case import FEED, SweepCase, stream_prices, sweep_case
from tradebotd.clocks.host import SystemHost
from tradebotd.clocks.wall import WallClock
from tradebotd.daemon.wiring.tick_router import TickRouter
from tradebotd.domain.candle import Tick
from tradebotd.feeds.binance.streams import Heard, MarketStreams, stream_opener
from tradebotd.feeds.binance.venue_time import VenueTime
from tradebotd.net.websocket import Connection, connect

RATE: Final = 4_000  # trades a second
SECONDS: Final = 3.0
LEFT_OUT: Final = 2.0  # seconds until all are subscribed to
LOOK_EVERY: Final = 0.05


@dataclass(slots=True)
class Figures:
    """Microseconds of CPU a trade; trades a second; messages that waited, at most."""

    ours: list[float] = field(default_factory=list)
    floors: list[float] = field(default_factory=list)
    told: list[float] = field(default_factory=list)
    waited: list[float] = field(default_factory=list)


class Taken(NamedTuple):
    """Microseconds of CPU a trade, and trades a second."""

    cpu: float
    rate: float


@dataclass(slots=True)
class Count:
    trades: int = 0


def measure(cluster: Cluster, options: Options) -> list[Row]:
    figures = Figures()

    async def rounds(port: int) -> None:
        async with cluster.opened() as opened:
            case = await sweep_case(
                opened, symbols=SYMBOLS, positions_each=1, answer_seconds=0, to_close=0
            )
            stream_prices(case)
            for _ in range(options.rounds):
                figures.floors.append((await _decoded(port)).cpu)
                await _guarded(port, case, figures)

    with plain_server() as port:
        run_on_loop(lambda: rounds(port))
    return [
        Row(
            budget="B9",
            work=f"{RATE:,} trades a second of {SYMBOLS} symbols with positions",
            unit="trades/s of CPU",
            rounds=tuple(1e6 / each for each in figures.ours),
            floors=tuple(1e6 / each for each in figures.floors),
            floor="received and decoded",
            limit=Limit(sense="at least", value=0.5, of="ratio"),
        ),
        Row(
            budget="B9",
            work="the trades that were acted on meanwhile",
            unit="trades/s",
            rounds=tuple(figures.told),
            limit=Limit(sense="at least", value=RATE * 0.95),
        ),
        Row(
            budget="B9",
            work="messages that waited, p99 of looks: the queue does not grow",
            unit="messages",
            rounds=tuple(figures.waited),
            limit=Limit(sense="at most", value=RATE * 0.1),
        ),
    ]


def _url(port: int) -> str:
    return f"ws://127.0.0.1:{port}/trades/{RATE}"


async def _decoded(port: int) -> Taken:
    """Receive and decode for a while, and no more."""
    count = Count()

    async def decode(connection: Connection) -> None:
        while True:
            for message in await connection.receive_all():
                orjson.loads(message)
                count.trades += 1

    async with connect("bench", f"{_url(port)}/stream") as connection:
        await connection.send("{}")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(decode, connection)
            taken = await _taken(count)
            tasks.cancel_scope.cancel()
    return taken


async def _guarded(port: int, case: SweepCase, figures: Figures) -> None:
    """Take what a trade costs on its way through reader, guard against bad ticks, and triggers."""
    count, clock, waited = Count(), WallClock(), list[float]()
    router = TickRouter(case.protection, [], {}, case.prices)
    streams = _streams(port)

    def trade(symbol: str, price: object, _age: timedelta) -> None:
        acting = router.on_tick(Tick(clock.now(), symbol, price, after_gap=True))  # type: ignore[arg-type]
        if acting is not None:
            raise AssertionError(f"{symbol} was acted on at {price}")
        count.trades += 1

    heard = Heard(
        trade,
        lambda _minute: None,
        lambda _names: None,
        is_open=lambda _name: True,
        silent=lambda _streams: None,
        kinds=lambda _name: frozenset(),
        other=lambda _name, _kind, _price: None,
    )
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(streams.run, [each.symbol for each in case.symbols], heard)
        tasks.start_soon(_look, streams, waited)
        taken = await _taken(count)
        tasks.cancel_scope.cancel()
    figures.ours.append(taken.cpu)
    figures.told.append(taken.rate)
    figures.waited.append(percentile(waited, 99))


def _streams(port: int) -> MarketStreams:
    host = SystemHost()

    async def known() -> None:
        return

    return MarketStreams(
        FEED,
        "spot",
        stream_opener(FEED, _url(port)),
        time=VenueTime(host),
        learn_time=known,
        host=host,
        random=Random(1),  # noqa: S311 - of pauses
    )


async def _look(streams: MarketStreams, waited: list[float]) -> None:
    """Look how many messages wait, for ever."""
    while True:
        await anyio.sleep(LOOK_EVERY)
        plans: Sequence[object] = streams._plans  # noqa: SLF001 - nobody else needs to know
        for plan in plans:
            connection: Connection | None = plan.connection  # type: ignore[attr-defined]
            if connection is not None:
                waited.append(connection.waiting)


async def _taken(count: Count) -> Taken:
    """Measure for a while, from when all is under way."""
    await anyio.sleep(LEFT_OUT)
    before, cpu, began = count.trades, time.process_time(), time.perf_counter()
    await anyio.sleep(SECONDS)
    trades, seconds = count.trades - before, time.perf_counter() - began
    if not trades:
        raise AssertionError("no trade was told")
    return Taken((time.process_time() - cpu) / trades * 1e6, trades / seconds)
