"""One script of one client against a simulator, both in processes of their own."""

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from tests.conformance.clients import Script

ROOT = Path(__file__).parents[2]
STARTING = 30.0  # seconds until a simulator has said where it is
RUNNING = 180.0  # seconds for a script
ENDING = 10.0
MARK = "STEP "  # begins each line of a script's report


@dataclass(frozen=True)
class Step:
    name: str
    ok: bool
    detail: str = ""


@dataclass(frozen=True)
class Outcome:
    """What a script said, step by step; *broken* tells why it did not come to its end."""

    script: Script
    steps: tuple[Step, ...] = ()
    broken: str = ""

    @property
    def passed(self) -> bool:
        return not self.broken and bool(self.steps) and all(step.ok for step in self.steps)

    @property
    def failed(self) -> list[Step]:
        return [step for step in self.steps if not step.ok]


@dataclass
class Place:
    """Where a simulator listens, and what it said about its accounts."""

    urls: dict[str, str]
    told: dict[str, Any] = field(default_factory=dict)


def run(script: Script, python: Path) -> Outcome:
    """Run *script* with *python*; never raises for what the client or the simulator does."""
    try:
        with _simulator(script.simulator) as place:
            return _run(script, python, place)
    except (OSError, ValueError) as error:
        return Outcome(script, broken=f"no simulator: {error}")


def _run(script: Script, python: Path, place: Place) -> Outcome:
    told = json.dumps({"urls": place.urls, "told": place.told})
    words = [str(python), "-W", "ignore", "-m", f"tests.conformance.scripts.{script.module}"]
    environment = _environment() | {"CONFORMANCE": told}
    try:
        ran = subprocess.run(
            words, cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
            timeout=RUNNING, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except subprocess.TimeoutExpired as late:
        return Outcome(script, _steps(_text(late.stdout)), f"no end within {RUNNING:.0f} s")
    steps = _steps(ran.stdout)
    if ran.returncode not in {0, 1} or not steps:
        last = (ran.stderr.strip().splitlines() or ["no output"])[-1]
        return Outcome(script, steps, f"exit {ran.returncode}: {last}")
    return Outcome(script, steps)


def _steps(output: str) -> tuple[Step, ...]:
    lines = [line for line in output.splitlines() if line.startswith(MARK)]
    return tuple(Step(**json.loads(line.removeprefix(MARK))) for line in lines)


def _text(output: str | bytes | None) -> str:
    return output.decode() if isinstance(output, bytes) else output or ""


def _environment() -> dict[str, str]:
    """Keep the environment but for proxies: a client on loopback must not ask one."""
    kept = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    return kept | {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}


@contextmanager
def _simulator(module: str) -> Iterator[Place]:
    """Start *module* on a free port; raises ValueError where it does not say where it is."""
    process = subprocess.Popen(
        [sys.executable, "-m", module], cwd=ROOT, env=_environment(), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        lines = _lines(process.stdout, 2)
        yield Place(lines[0], lines[1] if len(lines) > 1 else {})
    finally:
        process.terminate()
        try:
            process.wait(ENDING)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(ENDING)
        if process.stdout is not None:
            process.stdout.close()


def _lines(output: IO[str], most: int) -> list[dict[str, Any]]:
    """Read up to *most* lines of JSON: the first within its time, the others if they follow at once."""
    lines: list[dict[str, Any]] = []
    end = time.monotonic() + STARTING
    raw = b""
    while len(lines) < most:
        patience = end - time.monotonic() if not lines else 0.5
        if not select.select([output], [], [], max(0.0, patience))[0]:
            break
        part = os.read(output.fileno(), 65_536)
        if not part:
            break
        raw += part
        lines = [json.loads(line) for line in raw.split(b"\n")[:-1]]
    if not lines:
        raise ValueError("it did not start")
    return lines
