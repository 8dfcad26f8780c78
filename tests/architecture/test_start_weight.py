"""What each command must not import: it would be paid at every start, and in memory for ever."""

import subprocess
import sys

import pytest

from tests.architecture.tree import ROOT

ARRAYS = {"numpy", "pandas", "polars", "talib", "exchange_calendars", "pyarrow"}
API = {
    "starlette",
    "uvicorn",
    "tradebotd.control.messages",
    "tradebotd.daemon.operator.operator",
}
LOOP = {"asyncio", "anyio", "uvloop", "asyncpg", "apscheduler", "structlog", "tzlocal"}
# Of pydantic and of apscheduler, which ask every installed package for plugins of theirs.
METADATA = {"importlib.metadata"}
# Which importlib.metadata imports, or what of ours did for one function of many.
HELPERS = {"csv", "difflib", "email", "json", "shutil", "socket", "tempfile", "zipfile"}
# Of venues and feeds that are outside; the example has none.
NETWORK = {"tradebotd.net", "tradebotd.venues.binance", "cryptography", "websockets", "aiohttp"}
CONFIG = {"pydantic", "tradebotd.config", "tradebotd.domain", "httpx"}
FORBIDDEN = {
    "tradebotctl": ARRAYS | API | LOOP | CONFIG | {"rich", "ssl", "email", "shutil"},
    "tradebotd check": ARRAYS
    | API
    | LOOP
    | METADATA
    | HELPERS
    | NETWORK
    | {"httpx", "ssl", "rich", "tradebotd.feeds.replay"},
    "tradebotd run": ARRAYS
    | METADATA
    | NETWORK
    | {"httpx", "fastapi", "opentelemetry", "rich", "pygments"},
}
EXAMPLE = "config.example.toml"
# The last up to its loop, which comes once all is imported.
PROGRAMS = {
    "tradebotctl": (
        "from tradebotd.cli.main import main;"
        "main(['--socket', '/nowhere/tradebotd.sock', 'status'])"
    ),
    "tradebotd check": f"from tradebotd.daemon.commands.main import main; main(['check', '--config', '{EXAMPLE}'])",
    "tradebotd run": (
        "from tradebotd.daemon.commands.main import main; import anyio;"
        "anyio.run = lambda *_, **__: None;"
        f"main(['run', '--config', '{EXAMPLE}'])"
    ),
}


@pytest.mark.parametrize("command", sorted(PROGRAMS))
def test_a_command_imports_no_more_than_it_uses(command: str) -> None:
    text = f"import sys; {PROGRAMS[command]}; print('imported:', *sys.modules)"
    ended = subprocess.run(
        [sys.executable, "-c", text],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=50,
        check=True,
    )

    imported = set(ended.stdout.splitlines()[-1].split()[1:])
    assert imported, ended.stderr
    assert not imported & FORBIDDEN[command]
