"""The daemon before a simulated Alpaca, fed by a simulated Twelve Data, as a user sees it."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from aiohttp import web
from anyio import to_thread

from tests.acceptance.daemon_process import control, running, wait_for_log
from tests.simulators.alpaca.market import Bar
from tests.simulators.alpaca.simulator import Simulator
from tests.simulators.shared.answers import Scene
from tests.simulators.shared.server import served
from tests.simulators.twelvedata.credits import PLANS, Account
from tests.simulators.twelvedata.rest import build
from tests.simulators.twelvedata.vendor import KEY, TwelveData
from tradebotd.clocks.host import host_now

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

CONFIG = """
[daemon]
state_dir = "{state}"
socket = "{state}/s"
[database]
url = "{dsn}"
[feeds.td]
kind = "twelvedata"
base_url = "{td}"
api_key = {{ file = "td" }}
credits_per_minute = 377
[venues.shares]
kind = "alpaca"
base_url = "{http}"
ws_url = "{ws}/stream"
api_key = {{ file = "key" }}
api_secret = {{ file = "secret" }}
[risk]
currency = "USD"
[[symbols]]
symbol = "AAPL"
feeds = ["td"]
venue = "shares"
calendar = "XNYS"
base_asset = "AAPL"
quote_asset = "USD"
timeframes = ["1m", "5m"]
[universe]
min_turnover = "1"
"""
SHARES = ("AAPL", "MSFT", "BRK.A", "TSLA")


@asynccontextmanager
async def started(dsn: str) -> AsyncIterator[Callable[..., Any]]:
    """Yields what asks the daemon by `tradebotctl --json`."""
    alpaca = Simulator()

    def twelvedata(scene: Scene) -> web.Application:
        accounts = {KEY: Account(PLANS["ultra"])}
        return build(scene, TwelveData(scene.clock, accounts=accounts))

    with TemporaryDirectory(prefix="tb-") as short:
        state = Path(short)
        async with served(alpaca.build) as venue, served(twelvedata) as feed:
            yesterday = host_now() - timedelta(days=2)
            for number, share in enumerate(SHARES, start=1):
                price, size = Decimal(20), Decimal(1000 * number)
                bar = Bar(yesterday, price, price + 1, price, price, size)
                alpaca.exchange.bar(share, bar, "iex")
            secrets = {"td": KEY, "key": alpaca.terms.key, "secret": alpaca.terms.secret}
            for name, text in secrets.items():
                (state / name).write_text(text)
                (state / name).chmod(0o600)
            config = state / "config.toml"
            config.write_text(
                CONFIG.format(state=state, dsn=dsn, td=feed.http, http=venue.http, ws=venue.ws)
            )

            async def ctl(*words: str, code: int = 0) -> Any:
                ended = await to_thread.run_sync(partial(control, state / "s", "--json", *words))
                assert ended.returncode == code, (words, ended.stdout, ended.stderr)
                return json.loads(ended.stdout)

            with running(config) as daemon:
                await to_thread.run_sync(partial(wait_for_log, daemon, "daemon ready"))
                yield ctl
                ended = await to_thread.run_sync(daemon.terminate)
                assert ended.exit_code == 0, ended.log[-3000:]


async def test_shares_are_screened_pulled_and_reconciled(
    blockbuster: Any, empty_database: Callable[[], str]
) -> None:
    """M2.7, M2.9, M3.8, M3.9: open or closed, whenever this is run."""
    blockbuster.deactivate()  # the daemon and its commands are processes
    async with started(await to_thread.run_sync(empty_database)) as ctl:
        run = await ctl("jobs", "run", "universe_screen", code=1)
        assert run["status"] == "partial", "three of the venue's seven shares have no figures"
        for job in ("realtime_pull", "reconcile", "fill_gaps"):
            run = await ctl("jobs", "run", job)
            assert run["status"] == "ok", run
        watchlist = await ctl("universe")
        assert [row["symbol"] for row in watchlist] == ["TSLA", "BRK.A", "MSFT", "AAPL"]
        run = await ctl("seed", "AAPL", "--interval", "1m", "--days", "7")
        assert (run["status"], run["summary"]["inserted"] > 300) == ("ok", True), run
        jobs = {row["name"]: row for row in await ctl("jobs")}
        for job in ("universe_screen", "realtime_pull", "reconcile", "fill_gaps", "seed_history"):
            assert jobs[job]["outcome"]["ok"], (job, jobs[job]["outcome"])
        assert jobs["universe_screen"]["schedule"] == "08:30 mon-fri America/New_York"
        for kind in ("spot", "futures"):
            assert jobs[f"warmup_{kind}_symbols"]["schedule"] == "by hand"
