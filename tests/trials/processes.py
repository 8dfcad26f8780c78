"""The simulators as processes of their own, and the words that they are told."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp

from tests.simulators.shared.clock import SimulatorClock

MODULES: Final = {
    "spot": "tests.simulators.binance.spot",
    "usdm": "tests.simulators.binance.usdm",
    "alpaca": "tests.simulators.alpaca",
    "twelvedata": "tests.trials.told_prices",
}
TREE: Final = Path(__file__).resolve().parents[2]
END_SECONDS: Final = 10.0


@dataclass(frozen=True)
class Simulator:
    """*facts*: what it printed of its account and keys."""

    name: str
    process: subprocess.Popen[bytes]
    http: str
    ws: str
    control: str
    facts: dict[str, Any]


def now_ms() -> int:
    """Milliseconds since 1970 in UTC, as the simulators count them."""
    return SimulatorClock().now_ms()


class Told:
    """Control words, by the name of the simulator; raises RuntimeError for one that is refused."""

    def __init__(self, simulators: dict[str, Simulator], session: aiohttp.ClientSession) -> None:
        self._simulators, self._session = simulators, session

    async def __call__(self, name: str, word: str, **told: Any) -> Any:
        url = self._simulators[name].control
        async with self._session.post(url, json={"do": word, **told}) as answer:
            body = await answer.json()
        if "ok" not in body:
            raise RuntimeError(f"{name} refused {word} {told}: {body}")
        return body["ok"]


@contextmanager
def simulators(folder: Path) -> Iterator[dict[str, Simulator]]:
    """All of them on ports of the loopback until the block is left; what they say goes to *folder*."""
    started: dict[str, subprocess.Popen[bytes]] = {}
    try:
        for name, module in MODULES.items():
            with (folder / f"{name}.said").open("wb") as said:
                started[name] = subprocess.Popen(
                    [sys.executable, "-m", module],
                    cwd=TREE,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=said,
                )
        yield {name: _introduced(name, process) for name, process in started.items()}
    finally:
        for process in started.values():
            process.terminate()
        for process in started.values():
            try:
                process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(END_SECONDS)


def _introduced(name: str, process: subprocess.Popen[bytes]) -> Simulator:
    assert process.stdout is not None
    urls, facts = (json.loads(process.stdout.readline()) for _ in range(2))
    return Simulator(name, process, urls["http"], urls["ws"], urls["control"], facts)
