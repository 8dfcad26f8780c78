"""What the daemon said meanwhile: lines of its log, alerts, and how it fared as a process."""

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from statistics import quantiles
from typing import Any, Final

import asyncpg

PAGE: Final = 4096  # bytes, of /proc/PID/statm


@dataclass
class Fared:
    """Samples of one process: memory in MB, the seconds that it took to answer `/readyz`."""

    memory: list[float] = field(default_factory=list)
    answered: list[float] = field(default_factory=list)

    def sample_memory(self, pid: int) -> None:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        self.memory.append(pages * PAGE / 2**20)

    def as_json(self) -> dict[str, Any]:
        told: dict[str, Any] = {}
        if self.memory:
            quarter = max(1, len(self.memory) // 4)
            told["rss_mb"] = {
                "first_quarter": round(sum(self.memory[:quarter]) / quarter, 1),
                "last_quarter": round(sum(self.memory[-quarter:]) / quarter, 1),
                "most": round(max(self.memory), 1),
            }
        if len(self.answered) > 1:
            parts = quantiles(self.answered, n=100)
            told["readyz_ms"] = {
                "p50": round(parts[49] * 1000, 1),
                "p99": round(parts[98] * 1000, 1),
                "most": round(max(self.answered) * 1000, 1),
                "samples": len(self.answered),
            }
        return told


def lines_of(log: Path) -> list[dict[str, Any]]:
    """Return the log's events; a line that is no JSON is one of level error."""
    found = []
    for line in log.read_text().splitlines():
        try:
            found.append(json.loads(line))
        except ValueError:
            found.append({"level": "error", "event": "no JSON", "line": line})
    return found


def warnings(events: list[dict[str, Any]]) -> Counter[str]:
    return Counter(each["event"] for each in events if each.get("level") == "warning")


async def kept_alerts(dsn: str) -> list[dict[str, Any]]:
    """Return all alerts that were ever raised, oldest first."""
    connection = await asyncpg.connect(dsn)
    try:
        return [dict(row) for row in await connection.fetch("SELECT * FROM alerts ORDER BY id")]
    finally:
        await connection.close()


def counted(rows: list[dict[str, Any]]) -> dict[str, int]:
    """Return how often each code was told."""
    counted = Counter({row["code"]: 0 for row in rows})
    for row in rows:
        counted[row["code"]] += row["count"]
    return dict(counted)
