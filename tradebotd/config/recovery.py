"""Recovery of a file with mistakes, so that its other problems can be reported in the same run."""

import re
from collections.abc import Callable, Iterable
from copy import deepcopy
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from tradebotd.config.model import Config

_ROUNDS: Final = 8
# Stand-ins for required values; problems that they cause are not reported again.
_STAND_INS: Final[dict[str, Callable[[str], Any]]] = {
    "name": lambda place: f"unnamed-{place}",
    "symbol": lambda place: f"unnamed-{place}",
    "feeds": lambda _place: ["unnamed"],
    "venue": lambda _place: "unnamed",
    "strategy": lambda _place: "ema_rsi",
    "value": lambda _place: "1",
}

_MISSED: Final = re.compile(r": there is no (symbol|feed|venue) '(.*?)'; ")
_NAME_OF_A_SYMBOL: Final = re.compile(r"symbols\[\d+\]\.symbol")

Location = tuple[str | int, ...]


def path_of(location: Iterable[str | int]) -> str:
    """Format a location as a path: `bots[1].exits.stop_loss`."""
    path = ""
    for part in location:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else str(part)
    return path or "the file"


def recover(
    raw: dict[str, Any], errors: list[ErrorDetails], meant: Callable[[Location], str | None]
) -> tuple[Config | None, list[str]]:
    """Return *raw* as a Config without its mistakes and the changed paths; None if impossible.

    *meant* returns the key that an unknown key was meant to be: its value is taken over, so that
    the key is not reported as missing, too.
    """
    draft, touched = deepcopy(raw), []
    for _ in range(_ROUNDS):
        for error in errors:
            location = _of_a_key(error["loc"])
            if len(location) < 2 and error["type"] == "missing":
                return None, []
            touched.append(path_of(location))
            if error["type"] == "extra_forbidden" and (key := meant(location)) is not None:
                touched.append(path_of((*location[:-1], key)))
                _rename(draft, location, key)
            elif not _mend(draft, location, missing=error["type"] == "missing"):
                above = _of_a_key(location[:-1])
                if len(above) < 2 or not _mend(draft, above, missing=False):
                    return None, []
                touched.append(path_of(above))
        try:
            return Config.model_validate(draft), touched
        except ValidationError as error:
            errors = error.errors(include_url=False)
    return None, []


def not_told(problems: Iterable[str], touched: list[str]) -> list[str]:
    """Return *problems* that neither concern nor refer to a repaired place."""
    return [
        problem
        for problem in dict.fromkeys(problems)
        if not any(problem.startswith((f"{at}:", f"{at}.", f"{at}[", f"{at} ")) for at in touched)
        and not _points_to_what_was_mended(problem, touched)
    ]


def _points_to_what_was_mended(problem: str, touched: list[str]) -> bool:
    """Return whether *problem* misses a name that a repaired place may have had.

    That is a symbol whose own name was repaired, or a feed or venue that was not a table.
    """
    missed = _MISSED.search(problem)
    if missed is None:
        return False
    if missed[1] == "symbol":
        return any(_NAME_OF_A_SYMBOL.fullmatch(at) for at in touched)
    return f"{missed[1]}s.{missed[2]}" in touched


def _of_a_key(location: Location) -> Location:
    """Return the key whose list holds the mistake: removing one element renumbers the others."""
    while location and isinstance(location[-1], int):
        location = location[:-1]
    return location


def _rename(draft: dict[str, Any], location: Location, key: str) -> None:
    """Move a misspelt key's value to *key*; an existing value stays."""
    table: Any = draft
    for part in location[:-1]:
        try:
            table = table[part]
        except (KeyError, IndexError, TypeError):
            return  # removed together with a mistake above it
    if isinstance(table, dict) and location[-1] in table:
        table.setdefault(key, table.pop(location[-1]))


def _mend(draft: dict[str, Any], location: Location, *, missing: bool) -> bool:
    table: Any = draft
    for part in location[:-1]:
        try:
            table = table[part]
        except (KeyError, IndexError, TypeError):
            return True  # removed together with a mistake above it
    key = location[-1] if location else ""
    if not isinstance(table, dict):
        return False
    if not missing:
        table.pop(key, None)
        return True
    if key == "kind":
        feed = "replay" if "path" in table else "synthetic"
        table[key] = {"feeds": feed, "venues": "paper"}.get(str(location[0]), "fixed_notional")
        return True
    if key not in _STAND_INS:
        return False
    table[key] = _STAND_INS[str(key)](path_of(location[:-1]).replace("[", "-").rstrip("]"))
    if key == "strategy":
        table.pop("params", None)
    return True
