"""A script's steps as it reports them, and the simulator's control endpoint. Standard library only."""

import json
import os
import traceback
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

MARK = "STEP "
PLACE: dict[str, Any] = json.loads(os.environ.get("CONFORMANCE", "{}"))
TRYING = 10.0  # seconds


@dataclass
class Steps:
    """Steps of one script: each is reported, and a failed one does not keep the next from running."""

    failed: int = 0
    names: list[str] = field(default_factory=list)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        self.names.append(name)
        try:
            yield
        except Exception as error:  # noqa: BLE001 - whatever the client raises is the finding
            self.failed += 1
            where = traceback.extract_tb(error.__traceback__)[1:]
            at = f" ({where[0].lineno})" if where else ""
            self._tell(name, ok=False, detail=f"{type(error).__name__}: {str(error)[:300]}{at}")
        else:
            self._tell(name, ok=True)

    def _tell(self, name: str, *, ok: bool, detail: str = "") -> None:
        print(MARK + json.dumps({"name": name, "ok": ok, "detail": detail}), flush=True)

    @property
    def code(self) -> int:
        return 1 if self.failed else 0


def http() -> str:
    return str(PLACE["urls"]["http"])


def ws() -> str:
    return str(PLACE["urls"]["ws"])


def told() -> dict[str, Any]:
    """What the simulator said of its accounts and keys."""
    known: dict[str, Any] = PLACE["told"]
    return known


def control(word: str, **words: Any) -> Any:
    """Tell the simulator: `move`, `deposit`, `fault` …; raises OSError for what it does not take."""
    data = json.dumps({"do": word} | words).encode()
    request = urllib.request.Request(  # noqa: S310 - loopback, from the simulator itself
        PLACE["urls"]["control"], data, {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=TRYING) as answer:  # noqa: S310
        return json.loads(answer.read())["ok"]


def same(left: Any, right: Any) -> None:
    """Compare as decimals where both are numbers; raises AssertionError naming both."""
    try:
        equal = Decimal(str(left)) == Decimal(str(right))
    except ArithmeticError:
        equal = left == right
    assert equal, f"{left!r} is not {right!r}"
