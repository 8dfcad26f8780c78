"""One event a line, and no secret in any."""

import io
import json
import logging
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
import structlog

from tradebotd.daemon import logs
from tradebotd.domain.job import RunStatus

COLOUR = re.compile("\x1b\\[[0-9;]*m")
CANARY = "canary-4711-secret"


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    root = logging.getLogger()
    level, handlers = root.level, root.handlers[:]
    yield
    root.setLevel(level)
    root.handlers[:] = handlers
    structlog.reset_defaults()


def logged(level: str = "info", **fields: Any) -> str:
    stream = io.StringIO()
    logs.configure(level=level, log_format="json", secrets=[CANARY], stream=stream)
    structlog.get_logger("test").info("order sent", **fields)
    return stream.getvalue()


def test_an_event_is_one_line_of_json_with_its_fields() -> None:
    line = logged(
        quantity=Decimal("1E-7"),
        at_market=datetime(2026, 1, 1, tzinfo=UTC),
        status=RunStatus.OK,
        client_order_id="tb1",
    )
    event = json.loads(line)

    assert line.count("\n") == 1
    assert event.pop("at").endswith("Z")
    assert event == {
        "event": "order sent",
        "level": "info",
        "quantity": "0.0000001",
        "at_market": "2026-01-01T00:00:00Z",
        "status": "ok",
        "client_order_id": "tb1",
    }


@pytest.mark.parametrize(
    "fields",
    [
        {"url": f"https://host/{CANARY}/x"},
        {"error": f"refused: {CANARY}"},
        {"params": {"deep": [CANARY, {"deeper": CANARY}]}},
        {"seen": (CANARY,)},
        {"error": ValueError(CANARY)},
        {"errors": [ValueError(CANARY)]},
        {"api_key": "unknown to us"},
        {"headers": {"X-Signature": "unknown to us"}},
    ],
)
def test_a_secret_is_blotted_out_wherever_it_stands(fields: dict[str, Any]) -> None:
    line = logged(**fields)

    assert CANARY not in line
    assert "unknown to us" not in line


def test_a_secret_in_a_traceback_is_blotted_out() -> None:
    stream = io.StringIO()
    logs.configure(level="info", log_format="json", secrets=[CANARY], stream=stream)
    try:
        int(CANARY)
    except ValueError:
        structlog.get_logger("test").exception("job failed")

    assert "ValueError" in stream.getvalue()
    assert CANARY not in stream.getvalue()


def test_a_secret_on_the_console_is_blotted_out() -> None:
    stream = io.StringIO()
    logs.configure(level="info", log_format="console", secrets=[CANARY], stream=stream)
    try:
        int(CANARY)
    except ValueError:
        structlog.get_logger("test").exception("job failed", seen=CANARY)

    assert "job failed" in stream.getvalue()
    assert CANARY not in stream.getvalue()


def test_less_than_the_level_is_not_said() -> None:
    assert logged(level="warning") == ""


def test_a_secret_in_a_librarys_own_log_is_blotted_out() -> None:
    stream = io.StringIO()
    logs.configure(level="info", log_format="json", secrets=[CANARY], stream=stream)

    logging.getLogger("a.library").warning("could not reach %s", CANARY)

    assert stream.getvalue() == "WARNING a.library: could not reach ***\n"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def on_console(monkeypatch: pytest.MonkeyPatch, columns: int, **fields: Any) -> list[str]:
    monkeypatch.setenv("COLUMNS", str(columns))
    stream = Terminal()
    logs.configure(level="info", log_format="auto", stream=stream)
    structlog.get_logger("test").warning("job skipped", **fields)
    return COLOUR.sub("", stream.getvalue()).splitlines()


def test_a_line_for_eyes_fits_the_terminal_and_begins_with_the_event(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """N46: time without date and milliseconds, event first; what has no room goes on below."""
    fields = {"job": "stop_loss_check", "reason": "still running", "slots": 1, "late": False}
    (line,) = on_console(monkeypatch, 100, **fields)
    assert re.fullmatch(
        r"\d\d:\d\d:\d\d warn  job skipped"
        r' job=stop_loss_check reason="still running" slots=1 late=no',
        line,
    )
    narrow = on_console(monkeypatch, 50, **fields)
    assert len(narrow) > 1
    assert max(map(len, narrow)) <= 50
    assert " ".join(each.strip() for each in narrow)[8:] == line[8:], "nothing is lost"


def test_a_traceback_stands_below_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """N46: as it is, behind the line that names what failed."""
    trace = "Traceback (most recent call last):\n  File\nValueError: x"
    lines = on_console(monkeypatch, 80, job="ping", error=trace)
    assert lines[0].endswith("warn  job skipped job=ping")
    assert lines[1:] == trace.splitlines()
