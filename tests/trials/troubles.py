"""Happenings of a trial, by the seed: money that moves without orders, faults, cuts, bans.

What each may have a daemon say: `tests/trials/causes.py`.
"""

import json
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import anyio

from tests.trials.processes import Told, now_ms

UNANSWERED: Final = {"code": -1007, "msg": "Timeout waiting for response from backend server."}
QUIET_END: Final = 0.2  # the share of the run at whose end nothing goes wrong
LONGEST_QUIET: Final = 90.0  # seconds

KINDS: Final = ("money", "failure", "unanswered", "cut", "mute", "cancelled outside", "ban")

Act = Callable[["Troubles"], Awaitable[Any]]


@dataclass(frozen=True)
class Trouble:
    """*act*: what is done to the simulators."""

    kind: str
    name: str
    act: Act


@dataclass
class Troubles:
    """Those of one run: each of the catalogue's *kinds* once in a round, at moments of the seed.

    *happened*: kinds and names in their order, kept in *file* as well.
    """

    told: Told
    seed: int
    file: Path
    kinds: frozenset[str]
    happened: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random = random.Random(f"troubles {self.seed}")

    async def run(self, seconds: float, rounds: int) -> None:
        """Spread *rounds* of the catalogue over *seconds*, but for a quiet end."""
        began = anyio.current_time()
        span = seconds - min(LONGEST_QUIET, QUIET_END * seconds)
        moments = []
        for number in range(rounds):
            for each in catalogue():
                if each.kind not in self.kinds:
                    continue
                share = (number + self.random.random()) / rounds
                moments.append((began + 2 + share * max(0.0, span - 2), each))
        for at, each in sorted(moments, key=lambda one: one[0]):
            await anyio.sleep_until(at)
            began_ms = now_ms()
            await each.act(self)
            self.happened.append((each.kind, each.name))
            with self.file.open("a") as file:
                told = {"began_ms": began_ms, "at_ms": now_ms()}
                file.write(json.dumps({**told, "kind": each.kind, "name": each.name}) + "\n")

    async def fault(self, simulator: str, **fault: Any) -> None:
        await self.told(simulator, "fault", fault=fault)

    def amount(self, most: float) -> str:
        return f"{self.random.uniform(0.3, 1) * most:.2f}"


def catalogue() -> list[Trouble]:
    return [*_money(), *_failures(), *_streams(), *_bans()]


def _money() -> list[Trouble]:
    async def funding(run: Troubles) -> None:
        for symbol in ("BTCUSDT", "ETHUSDT"):
            rate = f"{run.random.uniform(-0.0004, 0.0004):.8f}"
            special = run.random.random() < 0.3
            await run.told("usdm", "funding", symbol=symbol, rate=rate, special=special)

    async def spot(run: Troubles) -> None:
        await run.told("spot", "deposit", account="demo", asset="USDT", amount=run.amount(900))

    async def leaves(run: Troubles) -> None:
        await run.told("spot", "withdraw", account="demo", asset="USDT", amount=run.amount(200))

    async def usdm(run: Troubles) -> None:
        await run.told("usdm", "transfer", amount=run.amount(300))

    async def alpaca(run: Troubles) -> None:
        await run.told("alpaca", "transfer", amount=run.amount(500))

    acts = (funding, funding, spot, leaves, usdm, alpaca)
    return [Trouble("money", act.__name__, act) for act in acts]


def _failures() -> list[Trouble]:
    found = []
    for simulator in ("spot", "usdm", "alpaca", "twelvedata"):

        async def reads(run: Troubles, simulator: str = simulator) -> None:
            gone = {"kind": "answer", "status": 502, "body": "<html>Bad Gateway</html>"}
            await run.fault(simulator, **gone, executed="never", method="GET", times=3)

        async def slow(run: Troubles, simulator: str = simulator) -> None:
            await run.fault(simulator, kind="delay", delay=0.9, times=3)

        found.append(Trouble("failure", f"502 {simulator}", reads))
        found.append(Trouble("failure", f"delay {simulator}", slow))
    for simulator in ("spot", "usdm"):
        for executed in ("now", "never"):

            async def lost(
                run: Troubles, simulator: str = simulator, executed: str = executed
            ) -> None:
                said = {"kind": "answer", "status": 503, "body": UNANSWERED}
                await run.fault(simulator, **said, executed=executed, operation="place.market")

            found.append(Trouble("unanswered", f"503 {simulator} executed {executed}", lost))

    async def reset(run: Troubles) -> None:
        await run.fault("alpaca", kind="reset", executed="now", operation="place")

    return [*found, Trouble("unanswered", "reset alpaca executed now", reset)]


def _streams() -> list[Trouble]:
    found = []
    for simulator in ("spot", "usdm", "alpaca"):

        async def cut(run: Troubles, simulator: str = simulator) -> None:
            await run.fault(simulator, kind="disconnect", code=run.random.choice([0, 1001, 1006]))

        found.append(Trouble("cut", f"streams of {simulator}", cut))

    async def mute(run: Troubles) -> None:
        for simulator, path in (("spot", "/stream"), ("usdm", "/market")):
            await run.fault(simulator, kind="mute", path=path, lasts=15.0, also_new=True)

    async def keys(run: Troubles) -> None:
        await run.told("usdm", "expire_listen_keys")

    async def cancels(run: Troubles) -> None:
        await run.told("spot", "exchange_cancel", symbol="BTCUSDT")

    return [
        *found,
        Trouble("mute", "prices of both markets of Binance", mute),
        Trouble("cut", "listen key of usdm", keys),
        Trouble("cancelled outside", "what rests in BTCUSDT at spot", cancels),
    ]


def _bans() -> list[Trouble]:
    async def spot(run: Troubles) -> None:
        until = now_ms() + 12_000
        await run.told("spot", "ban", address="127.0.0.1", until_ms=until)

    async def alpaca(run: Troubles) -> None:
        said = {"code": 42910000, "message": "rate limit exceeded"}
        await run.fault("alpaca", kind="answer", status=429, body=said, executed="never")

    return [Trouble("ban", "418 spot", spot), Trouble("ban", "429 alpaca", alpaca)]
