"""Changes of a new file, and whether they need a restart. Pure."""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from tradebotd.config.model import Config
from tradebotd.config.written import AS_WRITTEN

# The rest is built once at the start: pool, clock, feeds, venues, symbols, paths.
APPLIED_LIVE: Final = ("bots", "risk", "jobs", "health", "daemon.log_level")
BUILT_ONCE: Final = frozenset({"risk.currency"})
NOT_LIVE_IN_A_BOT: Final = ("symbol", "position_type")


class Change(NamedTuple):
    """One key that differs; `old` and `new` are as the file writes them."""

    path: str
    old: Any
    new: Any
    needs_restart: bool


def changes(old: Config, new: Config) -> list[Change]:
    """Return every key that differs, by its path; bots and symbols are matched by name."""
    return [
        Change(path, before, after, needs_restart=_needs_restart(path))
        for path, before, after in _differences("", _plain(old), _plain(new))
    ]


def _plain(config: Config) -> dict[str, Any]:
    raw = config.model_dump(mode="json", context=AS_WRITTEN)
    raw["bots"] = {bot["name"]: bot for bot in raw["bots"]}
    raw["symbols"] = {symbol["symbol"]: symbol for symbol in raw["symbols"]}
    return raw


def _differences(path: str, old: Any, new: Any) -> Iterator[tuple[str, Any, Any]]:
    if not (isinstance(old, dict) and isinstance(new, dict)):
        if old != new:
            yield path, old, new
        return
    for key in [*old, *(key for key in new if key not in old)]:
        below = f"{path}.{key}" if path else key
        yield from _differences(below, old.get(key), new.get(key))


def _needs_restart(path: str) -> bool:
    if path in BUILT_ONCE or not path.startswith(APPLIED_LIVE):
        return True
    return path.startswith("bots.") and path.rsplit(".", 1)[-1] in NOT_LIVE_IN_A_BOT
