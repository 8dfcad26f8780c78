"""B8: from a trade on the stream that meets a stop until its exit order has arrived at the venue.

`tradebotd run` as a process, and Binance spot as a simulator in another one, which notes when the
trade left and when the order arrived. The order's row is committed before. The floor is one commit
and one request of the same HTTP client, sent by this process in turn with the trades.
"""

import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Final

import anyio
import asyncpg
from anyio import to_thread

from benchmarks.cluster import Cluster
from benchmarks.daemon_process import running
from benchmarks.measure import Limit, Options, Row, percentile, run_on_loop
from benchmarks.venue_process import Told, base_of, name_of, venue_process, write_keys
from tradebotd.clocks.host import host_now
from tradebotd.domain.ids import FeedName, VenueName
from tradebotd.net.allow_list import AllowList
from tradebotd.net.http import HttpClient

EACH_ROUND: Final = 60
PATH: Final = "/api/v3/order"
BELOW_THE_STOP: Final = "98"
PAUSE: Final = 0.12  # seconds between two trades: the venue takes 100 orders in ten
PATIENCE: Final = 10.0
P50_RATIO: Final = 1.5
P99_MORE: Final = 5.0  # milliseconds
VENUE, FEED = VenueName("spot"), FeedName("of-spot")

CONFIG: Final = """
[daemon]
state_dir = "{home}/var"
socket = "{home}/daemon.sock"
log_format = "json"

[database]
url = "{dsn}"

[feeds.of-spot]
kind = "binance"
base_url = "{spot.http}"
ws_url = "{spot.ws}"

[venues.spot]
kind = "binance_spot"
api_key = {{ file = "{home}/spot.key" }}
api_secret = {{ file = "{home}/spot.secret" }}
base_url = "{spot.http}"
ws_url = "{spot.ws}/ws-api/v3"
resting_stops = false

[risk]
currency = "USDT"
"""

SYMBOL_AND_BOT: Final = """
[[symbols]]
symbol = "{symbol}"
feeds = ["of-spot"]
venue = "spot"
base_asset = "{base}"
quote_asset = "USDT"

[[bots]]
name = "bot-{symbol}"
symbol = "{symbol}"
strategy = "ema_rsi"
initial_capital = "1000"
exits = {{ stop_loss = "1%" }}
"""

INSERT_OPEN: Final = """
    INSERT INTO positions (bot, venue, symbol, side, position_type, quantity, entry_quantity, entry_price,
                           entry_cost, cost, stop_loss, best_price, exits, opened_at)
    SELECT 'bot-' || symbol, $2, symbol, 'long', 'spot', 1, 1, 100, 100, 100, 99, 100,
           '{"stop_loss": "0.01"}', $3
      FROM unnest($1::text[]) AS symbol
"""  # noqa: E501
BARE_TABLE: Final = "CREATE TABLE bare (id bigserial PRIMARY KEY, body text)"
FORGET_BASELINES: Final = "DELETE FROM settings WHERE key LIKE 'spot_baselines%'"
COMMIT: Final = "INSERT INTO bare (body) VALUES ($1)"


@dataclass(slots=True)
class Figures:
    """Milliseconds, one list a round."""

    ours: list[list[float]] = field(default_factory=list)
    floors: list[list[float]] = field(default_factory=list)


def measure(cluster: Cluster, options: Options) -> list[Row]:
    symbols = [name_of(number) for number in range(options.rounds * EACH_ROUND)]
    figures = Figures()
    with venue_process("spot") as spot, _configured(cluster, spot, symbols) as (config, dsn):
        run_on_loop(lambda: _open_positions(dsn, symbols, config))
        with running(config):
            run_on_loop(lambda: _rounds(dsn, spot, symbols, figures))
    return _rows(figures)


def _rows(figures: Figures) -> list[Row]:
    rows = []
    for percent in (50, 99):
        ours = tuple(percentile(each, percent) for each in figures.ours)
        floors = tuple(percentile(each, percent) for each in figures.floors)
        limit = Limit(sense="at most", value=P50_RATIO, of="ratio") if percent == 50 else None
        rows.append(
            Row(
                budget="B8",
                work=f"trade on the stream until the exit has arrived: p{percent}",
                unit="ms",
                rounds=ours,
                floors=floors,
                floor="one commit + one request",
                limit=limit,
            )
        )
        if percent == 99:
            rows.append(
                Row(
                    budget="B8",
                    work="the same: p99, less that of the floor",
                    unit="ms",
                    rounds=tuple(a - b for a, b in zip(ours, floors, strict=True)),
                    limit=Limit(sense="at most", value=P99_MORE),
                )
            )
    return rows


@contextmanager
def _configured(cluster: Cluster, spot: Told, symbols: list[str]) -> Iterator[tuple[Path, str]]:
    home = Path(tempfile.mkdtemp(prefix="tb-b8-"))  # short, as the path of a socket must be
    try:
        with cluster.fresh_dsn() as dsn:
            write_keys(home, "spot", spot)
            parts = [CONFIG.format(home=home, dsn=dsn, spot=spot)]
            parts += [
                SYMBOL_AND_BOT.format(symbol=symbol, base=base_of(number))
                for number, symbol in enumerate(symbols)
            ]
            config = home / "config.toml"
            config.write_text("".join(parts))
            yield config, dsn
    finally:
        shutil.rmtree(home, ignore_errors=True)


async def _open_positions(dsn: str, symbols: list[str], config: Path) -> None:
    """Leave an open position of each symbol, as a daemon before has."""
    with running(config):  # makes symbols and bots known
        pass
    connection = await asyncpg.connect(dsn)
    try:
        opened_at = host_now() - timedelta(hours=1)
        await connection.execute(INSERT_OPEN, symbols, VENUE, opened_at)
        await connection.execute(FORGET_BASELINES)  # what is there was ours all along
        await connection.execute(BARE_TABLE)
    finally:
        await connection.close()


async def _rounds(dsn: str, spot: Told, symbols: list[str], figures: Figures) -> None:
    async with _client(spot) as client:
        connection = await asyncpg.connect(dsn)
        try:
            await anyio.sleep(PATIENCE)  # what a start does is over, and the streams are connected
            await _floor(connection, client, spot)  # the connections are there, the plan is known
            for start in range(0, len(symbols), EACH_ROUND):
                floors, ours = [], []
                for symbol in symbols[start : start + EACH_ROUND]:
                    floors.append(await _floor(connection, client, spot))
                    await anyio.sleep(PAUSE / 2)
                    ours.append(await _exit(spot, symbol))
                    await anyio.sleep(PAUSE / 2)
                figures.floors.append(floors)
                figures.ours.append(ours)
        finally:
            await connection.close()


async def _floor(connection: asyncpg.Connection, client: HttpClient, spot: Told) -> float:
    began = time.perf_counter()
    await connection.execute(COMMIT, "x" * 200)
    await client.request("POST", PATH)
    return await _arrived(spot, began)


async def _exit(spot: Told, symbol: str) -> float:
    def tick() -> float:
        left: float = spot.do("tick", symbol=symbol, price=BELOW_THE_STOP)
        return left

    return await _arrived(spot, await to_thread.run_sync(tick))


async def _arrived(spot: Told, began: float) -> float:
    """Return the milliseconds from *began* until the one order arrived. Raises TimeoutError."""
    deadline = time.perf_counter() + PATIENCE
    while time.perf_counter() < deadline:
        arrived: list[float] = await to_thread.run_sync(lambda: spot.do("arrivals"))
        if arrived:
            if len(arrived) > 1:
                raise AssertionError(f"{len(arrived)} orders arrived instead of one")
            return (arrived[0] - began) * 1000
        await anyio.sleep(0.02)
    raise TimeoutError("no order arrived")


@asynccontextmanager
async def _client(spot: Told) -> AsyncIterator[HttpClient]:
    async with HttpClient("bench", spot.http, AllowList([("POST", PATH)])) as client:
        yield client
