"""Log lines for terminals: short time, level, event, fields; each line fits the width."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from structlog.typing import EventDict

LEVELS: Final = {
    "debug": ("debug", "2"),
    "info": ("info", "32"),
    "warning": ("warn", "33"),
    "error": ("ERROR", "1;31"),
    "critical": ("CRIT", "1;31"),
}
INDENT: Final = " " * 14
TOLD: Final = frozenset({"at", "level", "event"})


class ConsoleLines:
    """Renderer of log lines without truncation: fields wrap, tracebacks stay as they are."""

    def __init__(self, *, colours: bool, on_terminal: bool) -> None:
        self._colours = colours
        self._on_terminal = on_terminal

    def __call__(self, _logger: Any, _method: str, event: EventDict) -> str:
        level = str(event.get("level"))
        word, style = LEVELS.get(level, (level, ""))
        time, said = str(event.get("at", ""))[11:19], str(event["event"])
        head = f"{time} {self._paint(f'{word:<5}', style)} {self._paint(said, '1')}"
        rest = {key: value for key, value in event.items() if key not in TOLD}
        blocks = [value for value in rest.values() if isinstance(value, str) and "\n" in value]
        fields = [f"{key}={_value(value)}" for key, value in rest.items() if value not in blocks]
        used = len(f"{time} {word:<5} {said}")
        return "\n".join([*self._lines(head, used, fields), *(block.rstrip() for block in blocks)])

    def _lines(self, head: str, used: int, fields: Sequence[str]) -> Iterator[str]:
        width = shutil.get_terminal_size().columns if self._on_terminal else None
        line = head
        for field in fields:
            if width is not None and used + 1 + len(field) > width and line.strip():
                yield line
                line, used = INDENT, len(INDENT)
            line += f" {field}"
            used += 1 + len(field)
        yield line

    def _paint(self, text: str, style: str) -> str:
        return f"\x1b[{style}m{text}\x1b[0m" if self._colours and style else text


def _value(value: Any) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case str():
            return f'"{value}"' if " " in value or not value else value
        case Mapping():
            return "{" + ", ".join(f"{key}={_value(item)}" for key, item in value.items()) + "}"
        case list() | tuple():
            return "[" + ", ".join(str(item) for item in value) + "]"
        case _:
            return "none" if value is None else str(value)
