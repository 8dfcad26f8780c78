"""Virtual environments of clients: one each, made once and kept while the pins are the same."""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.conformance.clients import Client

MAKING = 600.0  # seconds for a venv with its wheels
FOLDER = "TRADEBOTD_CONFORMANCE"  # where environments are kept; the temporary folder without it


class NoEnvironmentError(Exception):
    """The client's wheels could not be installed here."""


def kept_in() -> Path:
    told = os.environ.get(FOLDER)
    return Path(told) if told else Path(tempfile.gettempdir()) / "tradebotd-conformance"


def python_of(client: Client) -> Path:
    """Find or make *client*'s environment: its Python. Raises NoEnvironmentError.

    What is installed is wheels only: nothing is built, and no setup.py runs.
    """
    pins = "\n".join((sys.version, *client.pins))
    place = kept_in() / f"{client.name}-{hashlib.sha256(pins.encode()).hexdigest()[:12]}"
    python, done = place / "bin" / "python", place / "made"
    if done.exists():
        return python
    shutil.rmtree(place, ignore_errors=True)
    place.parent.mkdir(parents=True, exist_ok=True)
    _run(client, sys.executable, "-m", "venv", str(place))
    _run(client, str(python), "-m", "pip", "install", "-q", "--only-binary", ":all:", *client.pins)
    done.touch()
    return python


def _run(client: Client, *words: str) -> None:
    try:
        ran = subprocess.run(
            words,
            capture_output=True,
            text=True,
            check=False,
            timeout=MAKING,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired as late:
        raise NoEnvironmentError(f"{client.name}: {late}") from None
    if ran.returncode:
        last = (ran.stderr.strip().splitlines() or ["no output"])[-1]
        raise NoEnvironmentError(f"{client.name}: {last}")
