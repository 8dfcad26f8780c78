"""Logs, one event per line: aligned and coloured on a terminal, else JSON; secrets are redacted."""

import logging
import re
import sys
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Any, Final, Literal, Protocol, TextIO, cast

import orjson
import structlog

from tradebotd.clocks.host import host_now
from tradebotd.daemon.console import ConsoleLines
from tradebotd.domain.decimals import plain

LEVELS: Final = {"debug": 10, "info": 20, "warning": 30, "error": 40}
REDACTED: Final = "***"
SECRET_NAME: Final = re.compile(
    r"secret|password|passphrase|api_?key|token$|signature", re.IGNORECASE
)


class Target(Protocol):
    """Output of the log: a terminal, a pipe, or a terminal with a status line below."""

    def write(self, text: str, /) -> int: ...

    def flush(self) -> None: ...

    def isatty(self) -> bool: ...


_RENDERED: Final = (str, int, float, Mapping, list, tuple, type(None))

Event = MutableMapping[str, Any]
Format = Literal["auto", "console", "json", "journald"]


def configure(
    *, level: str, log_format: Format, secrets: Sequence[str] = (), stream: Target | None = None
) -> None:
    """Send logs to *stream*, else stderr. *secrets*: values to redact wherever they occur."""
    target = cast("TextIO", stream or sys.stderr)  # what is used of it is what Target says
    on_terminal = target.isatty()
    console = log_format == "console" or (log_format == "auto" and on_terminal)
    renderer: Any = (
        ConsoleLines(colours=on_terminal, on_terminal=on_terminal) if console else _as_json
    )
    processors: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        _stamp,
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,  # makes tracebacks text, before redaction
        _plain_values,
        _redactor(secrets),
    ]
    structlog.configure(
        processors=[*processors, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=structlog.WriteLoggerFactory(file=target),
        cache_logger_on_first_use=False,
    )
    # What libraries say through the standard library goes the same way, from warnings on.
    handler = logging.StreamHandler(target)
    handler.setFormatter(_Redacting(secrets))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)


def set_level(level: str) -> None:
    """Change the log level while running, after a reload."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]))


class _Redacting(logging.Formatter):
    def __init__(self, secrets: Sequence[str]) -> None:
        super().__init__("%(levelname)s %(name)s: %(message)s")
        self._secrets = [secret for secret in secrets if secret]

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        for secret in self._secrets:
            text = text.replace(secret, REDACTED)
        return text


def _stamp(_logger: Any, _method: str, event: Event) -> Event:
    stamped: Event = {"at": f"{host_now():%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z"}
    stamped.update(event)
    return stamped


def _plain_values(_logger: Any, _method: str, event: Event) -> Event:
    for key, value in event.items():
        if isinstance(value, Decimal):
            event[key] = plain(value)
        elif isinstance(value, Enum):
            event[key] = value.value
        elif isinstance(value, datetime):
            event[key] = value.isoformat().replace("+00:00", "Z")
        elif not isinstance(value, _RENDERED):
            event[key] = str(value)
    return event


def _redactor(secrets: Sequence[str]) -> Callable[[Any, str, Event], Event]:
    hidden = [secret for secret in secrets if secret]

    def redact(_logger: Any, _method: str, event: Event) -> Event:
        return {key: clean(key, value) for key, value in event.items()}

    def clean(key: str, value: Any) -> Any:
        if isinstance(value, str):
            if SECRET_NAME.search(key):
                return REDACTED
            for secret in hidden:
                value = value.replace(secret, REDACTED)
            return value
        if isinstance(value, Mapping):
            return {name: clean(str(name), inner) for name, inner in value.items()}
        if isinstance(value, list | tuple):
            return [clean("", inner) for inner in value]
        return value if isinstance(value, _RENDERED) else clean(key, str(value))

    return redact


def _as_json(_logger: Any, _method: str, event: Event) -> str:
    return orjson.dumps(event, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
