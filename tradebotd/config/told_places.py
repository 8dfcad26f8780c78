"""Positions in the file: `bots[1].exits ('btc-cross', line 41)` for a path with an index."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tradebotd.config.file_lines import Location, lines_of

_NAMES: Final = {"bots": "name", "symbols": "symbol"}
_ELEMENT: Final = re.compile(r"\b(bots|symbols)\[(\d+)\](?![.\w\[])")
_PART: Final = re.compile(r"\[(\d+)\]|\.?([^.\[\]]+)")


@dataclass(frozen=True, slots=True)
class ToldPlaces:
    """Names and lines of one file; empty for a configuration that was not read from a file."""

    raw: Mapping[str, Any] = field(default_factory=dict)
    lines: Mapping[Location, int] = field(default_factory=dict)

    @classmethod
    def of(cls, raw: Mapping[str, Any], text: str) -> "ToldPlaces":
        return cls(raw, lines_of(text))

    def told(self, problem: str) -> str:
        """Return *problem* (`PATH: words`) with name and line beside each indexed path."""
        path, colon, words = problem.partition(": ")
        if not colon:
            return problem
        beside = self._beside(_location(path)) if "[" in path else ""
        return f"{path}{beside}: {_ELEMENT.sub(self._element, words)}"

    def _beside(self, location: Location) -> str:
        known = [part for part in (self._name(location), self._line(location)) if part]
        return f" ({', '.join(known)})" if known else ""

    def _name(self, location: Location) -> str:
        if len(location) < 2 or location[0] not in _NAMES:
            return ""
        try:
            name = self.raw[str(location[0])][location[1]][_NAMES[str(location[0])]]
        except (KeyError, IndexError, TypeError):
            return ""
        return repr(name) if isinstance(name, str) else ""

    def _line(self, location: Location) -> str:
        """Return the line of the key, else of the table that contains it."""
        while location:
            if location in self.lines:
                return f"line {self.lines[location]}"
            location = location[:-1]
        return ""

    def _element(self, found: re.Match[str]) -> str:
        line = self._line((found[1], int(found[2])))
        return f"{found[0]} ({line})" if line else found[0]


def _location(path: str) -> Location:
    return tuple(int(part[1]) if part[1] else part[2] for part in _PART.finditer(path))
