"""The daemon before a simulated Binance: lists, records, a watchlist and candles, as a user sees it."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import anyio
import asyncpg
import pytest
from anyio import to_thread

from tests.acceptance.daemon_process import DaemonProcess, control, running, wait_for_log
from tests.simulators.binance.spot.demo import HMAC_KEY, HMAC_SECRET, furnish
from tests.simulators.binance.spot.simulator import SpotSimulator
from tests.simulators.shared.server import Server, served

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

CONFIG = """
[daemon]
state_dir = "{state}"
socket = "{state}/s"
[database]
url = "{dsn}"
[feeds.bn]
kind = "binance"
base_url = "{http}"
ws_url = "{ws}"
[venues.spot]
kind = "binance_spot"
base_url = "{http}"
ws_url = "{ws}/ws-api/v3"
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
[universe]
source = "bn"
min_turnover = "0"
min_volatility = "0%"
pull_from = "bn"
"""


class Running(NamedTuple):
    server: Server
    simulator: SpotSimulator
    daemon: DaemonProcess
    socket: Path
    dsn: str

    async def ctl(self, *words: str) -> Any:
        """What `tradebotctl --json` says; it must succeed."""
        ended = await to_thread.run_sync(partial(control, self.socket, "--json", *words))
        assert ended.returncode == 0, (words, ended.stdout, ended.stderr)
        return json.loads(ended.stdout)

    async def jobs(self) -> dict[str, dict[str, Any]]:
        return {row["name"]: row for row in await self.ctl("jobs")}

    async def rows(self, query: str) -> list[tuple[Any, ...]]:
        connection = await asyncpg.connect(self.dsn)
        try:
            return [tuple(row) for row in await connection.fetch(query)]
        finally:
            await connection.close()


@asynccontextmanager
async def started(dsn: str) -> AsyncIterator[Running]:
    simulator = SpotSimulator()
    with TemporaryDirectory(prefix="tb-") as short:
        state = Path(short)
        async with served(simulator.build) as server:
            furnish(simulator.venue)
            for name, text in (("key", HMAC_KEY), ("secret", HMAC_SECRET)):
                (state / name).write_text(text)
                (state / name).chmod(0o600)
            config = state / "config.toml"
            config.write_text(CONFIG.format(state=state, dsn=dsn, http=server.http, ws=server.ws))
            with running(config) as daemon:
                await to_thread.run_sync(partial(wait_for_log, daemon, "daemon ready"))
                yield Running(server, simulator, daemon, state / "s", dsn)


async def test_each_job_does_what_it_exists_for(
    blockbuster: Any, empty_database: Callable[[], str]
) -> None:
    """M2.7, M2.9, M3.5, M3.7, M3.8: by hand, by their schedules, and at the start."""
    blockbuster.deactivate()  # the daemon and its commands are processes
    dsn = await to_thread.run_sync(empty_database)
    async with started(dsn) as here:
        with anyio.fail_after(60):  # the warm-up at the start
            while not await here.rows("SELECT 1 FROM symbol_cache"):  # noqa: ASYNC110
                await anyio.sleep(0.1)
        kept = await here.rows("SELECT venue, kind, symbols FROM symbol_cache")
        assert [(venue, kind) for venue, kind, _ in kept] == [("spot", "spot")]
        names = [row["symbol"] for row in json.loads(kept[0][2])]
        assert names[:3] == ["BTCUSDT", "ETHUSDT", "BNBUSDT"]

        for job in ("warmup_spot_symbols", "ingest_orderbook", "realtime_pull", "reconcile"):
            run = await here.ctl("jobs", "run", job)
            assert run["status"] == "ok", run
        run = await here.ctl("jobs", "run", "universe_screen", "-p", "seed=5")
        assert (run["status"], run["summary"]["sample_seed"]) == ("ok", 5)
        watchlist = await here.ctl("universe")
        assert [row["rank"] for row in watchlist] == [1, 2, 3]
        assert {row["sample_seed"] for row in watchlist} == {"5"}
        assert set(watchlist[0]["reasons"]) >= {"price", "turnover", "volatility", "source"}

        run = await here.ctl("jobs", "run", "realtime_pull")
        assert run["status"] == "ok", run
        run = await here.ctl("seed", "BTCUSDT", "--interval", "1m", "--days", "1")
        assert run["status"] == "ok", run
        assert (await here.ctl("jobs", "run", "fill_gaps"))["status"] == "ok"

        here.simulator.venue.print_trade("BTCUSDT", "60001")
        with anyio.fail_after(60):  # by its schedule, every ten seconds
            while not await here.rows(  # noqa: ASYNC110
                "SELECT 1 FROM market_trades WHERE price = 60001 AND symbol = 'BTCUSDT'"
            ):
                await anyio.sleep(0.2)
        assert await here.rows("SELECT count(*) > 1 FROM orderbook_levels") == [(True,)]

        jobs = await here.jobs()
        for job in (
            *("warmup_spot_symbols", "ingest_trades", "ingest_orderbook", "universe_screen"),
            *("realtime_pull", "reconcile", "fill_gaps", "seed_history"),
        ):
            assert jobs[job]["outcome"]["ok"], jobs[job]
            assert jobs[job]["last_status"] == "ok", jobs[job]
        assert jobs["warmup_futures_symbols"]["schedule"] == "by hand"
        assert not jobs["universe_screen"]["enabled"]

        ended = await to_thread.run_sync(here.daemon.terminate)
        assert ended.exit_code == 0, ended.log[-3000:]
