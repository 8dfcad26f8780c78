"""The daemon before a simulated Binance: lists, records, a watchlist and candles, as a user sees it."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import anyio
import asyncpg
import pytest
from aiohttp import web
from anyio import to_thread

from tests.acceptance.daemon_process import DaemonProcess, control_in_turn, running, wait_for_log
from tests.fakes.binance import seed
from tests.simulators.binance.spot.demo import HMAC_KEY, HMAC_SECRET, PRICES, furnish
from tests.simulators.binance.spot.simulator import SpotSimulator
from tests.simulators.binance.usdm.app import application
from tests.simulators.binance.usdm.simulator import KEY, Simulator
from tests.simulators.shared.answers import Scene
from tests.simulators.shared.server import AppBuilder, Server, served
from tradebotd.clocks.host import host_now
from tradebotd.feeds.binance.facts import MarketName

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

PATIENCE = 90.0
CONFIG = """
[daemon]
state_dir = "{state}"
socket = "{state}/s"
[database]
url = "{dsn}"
[feeds.bn]
kind = "binance"
market = "{market}"
base_url = "{http}"
ws_url = "{ws}"
[venues.spot]
kind = "{kind}"
base_url = "{http}"
ws_url = "{ws}{path}"
api_key = {{ file = "key" }}
api_secret = {{ file = "secret" }}
[[symbols]]
symbol = "BTCUSDT"
feeds = ["bn"]
venue = "spot"
timeframes = ["1m", "5m"]
[jobs.ingest_trades]
enabled = true
[jobs.ingest_orderbook]
enabled = true
every = "1h"
"""
SCREENED = """
[universe]
source = "bn"
min_turnover = "0"
min_volatility = "0%"
pull_from = "bn"
"""


class Running(NamedTuple):
    server: Server
    trade: Callable[[str], None]
    daemon: DaemonProcess
    socket: Path
    dsn: str

    async def ctl(self, *words: str) -> Any:
        """What `tradebotctl --json` says; it must succeed."""
        ended = await to_thread.run_sync(partial(control_in_turn, self.socket, "--json", *words))
        assert ended.returncode == 0, (words, ended.stdout, ended.stderr)
        return json.loads(ended.stdout)

    async def jobs(self) -> dict[str, dict[str, Any]]:
        return {row["name"]: row for row in await self.ctl("jobs")}

    async def settled_jobs(self) -> dict[str, dict[str, Any]]:
        """The jobs at a moment at which none runs: a full minute starts several of them."""
        with anyio.fail_after(PATIENCE):
            jobs = await self.jobs()
            while any(row["last_status"] == "running" for row in jobs.values()):
                await anyio.sleep(0.1)
                jobs = await self.jobs()
        return jobs

    async def rows(self, query: str) -> list[tuple[Any, ...]]:
        connection = await asyncpg.connect(self.dsn)
        try:
            return [tuple(row) for row in await connection.fetch(query)]
        finally:
            await connection.close()


class Played(NamedTuple):
    """A simulator of a market: its application, what furnishes it, its keys, a trade of BTC."""

    build: AppBuilder
    furnish: Callable[[], None]
    keys: tuple[str, str]
    trade: Callable[[str], None]


def spot() -> Played:
    made = SpotSimulator()

    def with_history() -> None:
        for pair in PRICES:
            seed(made, pair, host_now(), 2)
        furnish(made.venue)

    return Played(
        made.build,
        with_history,
        (HMAC_KEY, HMAC_SECRET),
        lambda price: made.venue.print_trade("BTCUSDT", price),
    )


def usdm() -> Played:
    made: list[Simulator] = []

    def build(scene: Scene) -> web.Application:
        made.append(Simulator(scene))
        return application(made[0])

    def trade(price: str) -> None:
        made[0].venue.market.set_price("BTCUSDT", Decimal(price))

    return Played(build, lambda: None, (KEY.name, KEY.secret), trade)


@asynccontextmanager
async def started(dsn: str, market: MarketName) -> AsyncIterator[Running]:
    played = spot() if market == "spot" else usdm()
    text = CONFIG + (SCREENED if market == "spot" else "")
    path = "/ws-api/v3" if market == "spot" else ""
    with TemporaryDirectory(prefix="tb-") as short:
        state = Path(short)
        async with served(played.build) as server:
            played.furnish()
            for name, secret in zip(("key", "secret"), played.keys, strict=True):
                (state / name).write_text(secret)
                (state / name).chmod(0o600)
            config = state / "config.toml"
            config.write_text(
                text.format(
                    state=state,
                    dsn=dsn,
                    http=server.http,
                    ws=server.ws,
                    market=market,
                    kind=f"binance_{market}",
                    path=path,
                )
            )
            with running(config) as daemon:
                await to_thread.run_sync(partial(wait_for_log, daemon, "daemon ready"))
                yield Running(server, played.trade, daemon, state / "s", dsn)


@pytest.mark.parametrize("market", ["spot", "usdm"])
async def test_each_job_does_what_it_exists_for(
    blockbuster: Any, empty_database: Callable[[], str], market: MarketName
) -> None:
    """M2.7, M2.9, M3.5, M3.7, M3.8: by hand, by their schedules, and at the start."""
    blockbuster.deactivate()  # the daemon and its commands are processes
    dsn = await to_thread.run_sync(empty_database)
    kind, other = ("spot", "futures") if market == "spot" else ("futures", "spot")
    async with started(dsn, market) as here:
        with anyio.fail_after(PATIENCE):  # the warm-up at the start
            while not await here.rows("SELECT 1 FROM symbol_cache"):  # noqa: ASYNC110
                await anyio.sleep(0.1)
        ((venue, kept, symbols),) = await here.rows("SELECT venue, kind, symbols FROM symbol_cache")
        assert (venue, kept) == ("spot", kind)
        assert [row["symbol"] for row in json.loads(symbols)][:2] == ["BTCUSDT", "ETHUSDT"]

        run = await here.ctl("seed", "BTCUSDT", "--interval", "1m", "--days", "1")
        assert run["status"] == "ok", run
        for job in (f"warmup_{kind}_symbols", "realtime_pull", "reconcile", "fill_gaps"):
            run = await here.ctl("jobs", "run", job)
            assert run["status"] == "ok", run
        if market == "spot":
            await screened(here)
        here.trade("60001")
        with anyio.fail_after(PATIENCE):  # by its schedule, every ten seconds
            while not await here.rows(  # noqa: ASYNC110
                "SELECT 1 FROM market_trades WHERE price = 60001 AND symbol = 'BTCUSDT'"
            ):
                await anyio.sleep(0.2)
        run = await here.ctl("jobs", "run", "ingest_orderbook")
        assert run["status"] == "ok", run
        assert await here.rows("SELECT count(*) > 1 FROM orderbook_levels") == [(True,)]

        jobs = await here.settled_jobs()
        for job in (
            *(f"warmup_{kind}_symbols", "ingest_trades", "ingest_orderbook"),
            *("realtime_pull", "reconcile", "fill_gaps", "seed_history"),
            *(("universe_screen",) if market == "spot" else ()),
        ):
            assert jobs[job]["outcome"]["ok"], (job, jobs[job]["outcome"])
            assert jobs[job]["last_status"] == "ok", jobs[job]
        assert jobs[f"warmup_{other}_symbols"]["schedule"] == "by hand"
        assert not jobs["universe_screen"]["enabled"]

        ended = await to_thread.run_sync(here.daemon.terminate)
        assert ended.exit_code == 0, ended.log[-3000:]


async def screened(here: Running) -> None:
    """Screen by hand, look at the list, and pull it along."""
    run = await here.ctl("jobs", "run", "universe_screen", "-p", "seed=5")
    assert (run["status"], run["summary"]["sample_seed"]) == ("ok", 5)
    watchlist = await here.ctl("universe")
    assert [row["rank"] for row in watchlist] == [1, 2, 3]
    assert {row["sample_seed"] for row in watchlist} == {"5"}
    assert set(watchlist[0]["reasons"]) >= {"price", "turnover", "volatility", "source"}
    run = await here.ctl("jobs", "run", "realtime_pull")
    assert run["status"] == "ok", run
