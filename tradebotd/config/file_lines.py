"""Line of each table and key in the file, which `tomllib` does not tell.

Expects text that `tomllib` has parsed: invalid TOML never gets here.
"""

import re
import tomllib
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

Location = tuple[str | int, ...]

# Match strings and comments whole: text in them must not look like a table.
_TOKEN: Final = re.compile(
    r'"""(?:\\.|[^\\])*?"""(?!")'
    r"|'''.*?'''(?!')"
    r'|"(?:\\.|[^"\\\n])*"'
    r"|'[^'\n]*'"
    r"|\#[^\n]*"
    r"|[\[\]{}=\n]"
    r"""|[^"'\#\[\]{}=\n]+""",
    re.DOTALL,
)

_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")


class _Statement(NamedTuple):
    """`[table]`, `[[list of tables]]` or the key before an `=`, with its line."""

    head: str
    line: int


def lines_of(text: str) -> dict[Location, int]:
    """Return the line (from 1) of each table and key that has a line of its own, by location."""
    lines: dict[Location, int] = {}
    newest: dict[Location, int] = {}  # the last index of each list of tables
    table: Location = ()
    for statement in _statements(text):
        head = statement.head
        if head.startswith("[["):
            *above, last = _parts(head[2:-2])
            name = (*_located(tuple(above), newest), last)
            newest[name] = newest.get(name, -1) + 1
            table = (*name, newest[name])
        elif head.startswith("["):
            table = _located(_parts(head[1:-1]), newest)
        else:
            location = (*table, *_parts(head))
            lines.setdefault(location, statement.line)
            continue
        lines.setdefault(table, statement.line)
    return lines


def _located(parts: Location, newest: dict[Location, int]) -> Location:
    """*parts* with the index of the newest element after each list of tables."""
    location: Location = ()
    for part in parts:
        location = (*location, part)
        if location in newest:
            location = (*location, newest[location])
    return location


def _parts(dotted: str) -> Location:
    """Return the parts of a dotted key; quoted parts may contain anything."""
    if _BARE.fullmatch(dotted):  # nearly all, and the parser takes its time for each
        return (dotted,)
    table: Any = tomllib.loads(f"{dotted} = 0")
    parts: list[str] = []
    while isinstance(table, dict):
        ((part, table),) = table.items()
        parts.append(part)
    return tuple(parts)


def _statements(text: str) -> Iterator[_Statement]:
    line, begun, head, in_value, depth = 1, 1, "", False, 0
    for found in _TOKEN.finditer(text):
        piece = found[0]
        if piece == "\n" and depth == 0:
            if head.strip() and not in_value:
                yield _Statement(head.strip(), begun)
            head, in_value = "", False
        elif in_value:
            depth += (piece in "[{") - (piece in "]}") if len(piece) == 1 else 0
        elif piece == "=":
            yield _Statement(head.strip(), begun)
            in_value = True
        elif not piece.startswith("#"):
            begun = begun if head.strip() else line
            head += piece
        line += piece.count("\n")
    if head.strip() and not in_value:
        yield _Statement(head.strip(), begun)
