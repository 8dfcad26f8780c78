"""NET: what `tradebotd.net` costs beside the client libraries that it might stand on.

Each client runs alone in a process of its own against the plain server of `net_server`, and the
floor is bare sockets, in the same round. Libraries that are not installed are left out.
"""

import json
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Final, NamedTuple

from benchmarks.cluster import Cluster
from benchmarks.measure import Options, Row

FLOOR: Final = "raw"
OURS: Final = "ours"
CLIENTS: Final[dict[str, dict[str, tuple[str, ...]]]] = {
    "http": {
        OURS: ("h11",),
        "httpx": ("httpx",),
        "httpx-aiohttp": ("httpx", "httpx_aiohttp"),
        "aiohttp": ("aiohttp",),
    },
    "stream": {
        OURS: ("websockets",),
        "websockets": ("websockets",),
        "aiohttp": ("aiohttp",),
        "picows": ("picows",),
    },
}
LONGEST: Final = 120  # seconds, of one client


class Figure(NamedTuple):
    """A figure of a client's process. `beside`: it is held against the floor's own."""

    key: str
    work: str
    unit: str
    beside: bool = True


FIGURES: Final = {
    "http": (
        Figure("alone_p50_ms", "POST on a kept connection, one at a time: p50", "ms"),
        Figure("alone_cpu_ms", "CPU for each of them", "ms"),
        Figure("busy_p50_ms", "the same, 20 in flight: p50", "ms"),
        Figure("busy_p99_ms", "the same, 20 in flight: p99", "ms"),
        Figure("rss_mb", "memory that the client adds", "MB", beside=False),
        Figure("import_ms", "import and first answer", "ms", beside=False),
    ),
    "stream": (
        Figure("delay_p50_ms", "a message of 2,000 a second is there: p50", "ms"),
        Figure("delay_p99_ms", "the same: p99", "ms"),
        Figure("cpu_ms", "CPU for each message", "ms"),
        Figure("rss_mb", "memory that the client adds", "MB", beside=False),
    ),
}


def measure(cluster: Cluster, options: Options) -> list[Row]:  # noqa: ARG001 - needs no database
    rows = []
    with plain_server() as port:
        for kind, clients in CLIENTS.items():
            there = [name for name, modules in clients.items() if all(map(find_spec, modules))]
            taken = defaultdict[str, list[dict[str, float]]](list)
            for _ in range(options.rounds):
                for name in (FLOOR, *there):
                    taken[name].append(_run(kind, name, port))
            rows += [_row(kind, figure, name, taken) for figure in FIGURES[kind] for name in there]
    return rows


def _row(kind: str, figure: Figure, name: str, taken: dict[str, list[dict[str, float]]]) -> Row:
    floors = tuple(each[figure.key] for each in taken[FLOOR]) if figure.beside else ()
    return Row(
        budget="NET",
        work=f"{kind}, {name}: {figure.work}",
        unit=figure.unit,
        rounds=tuple(each[figure.key] for each in taken[name]),
        floors=floors,
        floor="bare sockets" if floors else "",
    )


def _run(kind: str, name: str, port: int) -> dict[str, float]:
    ended = subprocess.run(  # noqa: S603 - our own module
        [sys.executable, "-m", "benchmarks.net_clients", kind, name, str(port)],
        capture_output=True,
        text=True,
        check=True,
        timeout=LONGEST,
    )
    figures: dict[str, float] = json.loads(ended.stdout)
    return figures


@contextmanager
def plain_server() -> Iterator[int]:
    """The port of a plain server in a process of its own."""
    server = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.net_server"], stdout=subprocess.PIPE, text=True
    )
    try:
        yield int(server.stdout.readline() if server.stdout is not None else "")
    finally:
        server.kill()
        server.wait()
        if server.stdout is not None:
            server.stdout.close()
