"""Strategies of one's own: where they come from, and what is refused before they may trade."""

from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import cast

import anyio
import pytest

from tradebotd.domain.errors import ConfigError, StrategyError
from tradebotd.strategies.base import AnyStrategy
from tradebotd.strategies.evaluation import evaluate
from tradebotd.strategies.registry import load_strategy
from tradebotd.strategies.sandbox import sandboxed
from tradebotd.strategies.validation import made_up_candles

HEAD = """
import os
import random
from dataclasses import dataclass, field
from tradebotd.domain.signal import Signal, SignalKind

calls = 0

@dataclass(frozen=True)
class Params:
    level: int = 3
    other: int = 4

class Mine:
    Params = Params
    lookback = 2

    def __init__(self, params):
        self.params = params

    def decide(self, candles):
"""
NOTHING = "        return Signal(kind=SignalKind.NONE, reason='no')\n"


def write(folder: Path, body: str, head: str = HEAD) -> None:
    (folder / "mine.py").write_text(head + body)


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("        return 1 / 0\n", r"ZeroDivisionError: division by zero (mine.py, line 22)"),
        ("        return 5\n", "returned a int instead of a Signal"),
        (
            "        with open('/etc/hostname') as f: f.read()\n" + NOTHING,
            "is not pure: it reached outside (open) while it decided",
        ),
        (
            "        os.listdir('.')\n" + NOTHING,
            "is not pure: it reached outside (os.listdir) while it decided",
        ),
        (
            "        import subprocess; subprocess.run(['true'])\n" + NOTHING,
            "is not pure: it reached outside",
        ),
        (
            "        try:\n            open('/etc/hostname').close()\n"
            "        except Exception:\n            pass\n" + NOTHING,
            "is not pure: it reached outside (open)",
        ),
        (
            "        candles.pop()\n" + NOTHING,
            "is not pure: it changed the candles that it was given",
        ),
        (
            "        return Signal(kind=SignalKind.NONE, reason=str(random.random()))\n",
            "is not pure: asked twice about the same candles it said two things",
        ),
        (
            (
                "        global calls; calls += 1\n"
                "        return Signal(kind=SignalKind.NONE, reason='', indicators={'n': calls})\n"
            ),
            "is not pure: asked twice",
        ),
    ],
)
def test_code_that_is_not_fit_to_trade_is_refused_when_it_is_read(
    tmp_path: Path, body: str, problem: str
) -> None:
    """M4.5: tried on made-up candles at `check`, with the place in the file."""
    write(tmp_path, body)
    with pytest.raises(ConfigError) as error:
        load_strategy("./mine.py:Mine", {}, tmp_path)
    (found,) = error.value.problems
    assert found.startswith("strategy: ./mine.py:Mine: ")
    assert problem in found


def test_an_error_of_the_call_itself_names_no_line_of_ours() -> None:
    """M4.5: a `decide` that is no Python function leaves no line of its author's file."""

    class Builtin:
        lookback = 2
        decide = staticmethod(int)

    with pytest.raises(StrategyError, match=r"TypeError: int\(\)") as error:
        evaluate(cast("AnyStrategy", Builtin()), [])
    assert "line" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "head", "problem"),
    [
        ("./mine.py:Mine", "def broken(:\n", "line 1: "),
        (
            "./mine.py:Mine",
            "raise RuntimeError('at import')\n",
            "RuntimeError: at import (mine.py)",
        ),
        ("./mine.py:Other", HEAD + NOTHING, "has no class Other"),
        ("./gone.py:Mine", HEAD, "is not there"),
        ("./mine.py:Mine", "class Mine:\n    pass\n", "has no Params (a dataclass)"),
        ("ema_rsl", HEAD, "there is no 'ema_rsl'; did you mean 'ema_rsi'?"),
        ("nothing.like.it:Mine", HEAD, "ModuleNotFoundError"),
        (
            "./mine.py:Mine",
            HEAD.replace("def decide(self, candles):", "def decide(self):") + NOTHING,
            "decide must take (candles)",
        ),
        (
            "./mine.py:Mine",
            HEAD.replace("lookback = 2", "lookback = 2\n    needs_levels = True") + NOTHING,
            "decide must take (candles, levels)",
        ),
        ("./mine.py:Mine", HEAD.replace("lookback = 2", "lookback = 0") + NOTHING, "from 1 to"),
        ("./mine.py:Mine", HEAD.replace("lookback = 2", "lookback = 2.5") + NOTHING, "is a float"),
        (
            "./mine.py:Mine",
            HEAD.replace("self.params = params", "raise ValueError('no')") + NOTHING,
            "cannot be made: ValueError: no",
        ),
    ],
)
def test_what_cannot_be_loaded_says_why_in_one_line(
    tmp_path: Path, name: str, head: str, problem: str
) -> None:
    """M4.5: never a traceback, whatever somebody else's file does."""
    write(tmp_path, "", head)
    with pytest.raises(ConfigError) as error:
        load_strategy(name, {}, tmp_path)
    (found,) = error.value.problems
    assert problem in found
    assert "\n" not in found


def test_every_wrong_parameter_is_told_at_once_with_the_nearest_known_one(tmp_path: Path) -> None:
    """M4.5"""
    write(tmp_path, NOTHING)
    with pytest.raises(ConfigError) as error:
        load_strategy("./mine.py:Mine", {"levle": 1, "other": "x"}, tmp_path)
    assert error.value.problems == [
        "params.levle: unknown key; did you mean 'level'?",
        "params.other: must be a whole number",
    ]


TYPES = """
class Side(Enum):
    UP = "up"

@dataclass(frozen=True)
class Params:
    whole: int = 3
    real: float = 4.5
    money: Decimal = Decimal(1)
    maybe: int | None = None
    on: bool = True
    word: str = "a"
    side: Side = Side.UP
    pair: tuple[int, ...] = (1, 2)
    table: dict[str, float] = field(default_factory=dict)
    for_: timedelta = timedelta(1)

class Mine:
"""


def typed(folder: Path) -> None:
    head = HEAD[: HEAD.index("@dataclass")] + TYPES + HEAD[HEAD.index("    Params = Params") :]
    imports = "from datetime import timedelta\nfrom decimal import Decimal\nfrom enum import Enum\n"
    write(folder, NOTHING, imports + head)


@pytest.mark.parametrize(
    ("params", "problem"),
    [
        ({"whole": "3"}, "params.whole: must be a number, without quotes: 3"),
        ({"real": " 3.5"}, "params.real: must be a number, without quotes: 3.5"),
        ({"money": "3.5"}, "params.money: must be a number, without quotes: 3.5"),
        ({"maybe": "3"}, "params.maybe: must be a number, without quotes: 3"),
        ({"pair": [1, "2"]}, "params.pair: must be a number, without quotes: 2"),
        ({"table": {"a": "2"}}, "params.table: must be a number, without quotes: 2"),
        ({"whole": True}, "params.whole: must be a number"),
        ({"on": 1}, "params.on: must be true or false"),
        ({"on": "yes"}, "params.on: must be true or false"),
        ({"whole": Decimal("2.5")}, "params.whole: must be a whole number"),
        ({"whole": "many"}, "params.whole: must be a whole number"),
        ({"real": "abc"}, "params.real: must be a number"),
        ({"money": "abc"}, "params.money: must be a number"),
        ({"on": "abc"}, "params.on: must be true or false"),
        ({"word": 5}, "params.word: must be text in quotes"),
        ({"side": "down"}, "params.side: not allowed; one of 'up'"),
        ({"pair": 5}, "params.pair: must be a list: [ … ]"),
        ({"table": 5}, "params.table: must be a table: { … }"),
        ({"for_": "abc"}, "params.for_: must be a valid timedelta, "),
    ],
)
def test_a_parameter_of_another_type_is_told_in_the_words_of_the_file(
    params: dict[str, object], problem: str, tmp_path: Path
) -> None:
    """N36: text is no number, though it could be read as one."""
    typed(tmp_path)

    with pytest.raises(ConfigError) as error:
        load_strategy("./mine.py:Mine", params, tmp_path)

    (found,) = error.value.problems
    assert found.startswith(problem)
    assert "Input" not in found


def test_a_parameter_of_its_own_type_is_taken(tmp_path: Path) -> None:
    """M4.5: TOML's numbers with a point are decimals, its lists tuples, its words enums."""
    typed(tmp_path)

    strategy = load_strategy(
        "./mine.py:Mine",
        {
            "whole": Decimal("3.0"),
            "real": Decimal("2.5"),
            "money": Decimal("0.1"),
            "maybe": 3,
            "on": False,
            "word": "3",
            "side": "up",
            "pair": [3, 4],
            "table": {"a": 1},
            "for_": "1 day",
        },
        tmp_path,
    )

    assert strategy.params.whole == 3  # type: ignore[union-attr]
    assert strategy.params.pair == (3, 4)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("field", "problem"),
    [
        ("level: Strange = 1", "its Params cannot be read: NameError"),
        ("level: object() = 1", "its Params cannot be read: "),
        ("level: int = 1\n    def __post_init__(self): 1 / 0", "cannot be made: ZeroDivisionError"),
    ],
)
def test_parameters_that_cannot_be_made_are_a_problem_not_a_crash(
    field: str, problem: str, tmp_path: Path
) -> None:
    """M4.5: never a traceback, whatever somebody else's file does."""
    head = "from __future__ import annotations\n" + HEAD.replace("level: int = 3", field)
    head = head.replace("\n    other: int = 4", "")
    write(tmp_path, NOTHING, head)

    with pytest.raises(ConfigError) as error:
        load_strategy("./mine.py:Mine", {}, tmp_path)

    (found,) = error.value.problems
    assert found.startswith("strategy: ./mine.py:Mine: ")
    assert problem in found


async def test_an_endless_strategy_is_interrupted_and_the_loop_goes_on() -> None:
    """M4.5: in the one loop of the daemon, even if it swallows exceptions."""
    ticks = 0

    async def others() -> None:
        nonlocal ticks
        while True:
            await anyio.lowlevel.checkpoint()
            ticks += 1

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(others)
        await anyio.lowlevel.checkpoint()
        with pytest.raises(StrategyError, match=r"took longer than 0.05 s to decide"):
            _endless(0.05)
        before = ticks
        await anyio.lowlevel.checkpoint()
        await anyio.lowlevel.checkpoint()
        assert ticks > before
        tasks.cancel_scope.cancel()


def _endless(seconds: float) -> None:
    with sandboxed(seconds):
        while True:
            with suppress(Exception):  # as careless code does
                sum(n * n for n in range(1000))


async def test_outside_of_a_strategy_nothing_is_refused(tmp_path: Path) -> None:
    """M4.5: the daemon opens files as before, once a strategy has been asked."""
    with sandboxed():
        pass
    path = anyio.Path(tmp_path / "file")
    await path.write_text("written")
    assert await path.read_text() == "written"


def test_a_strategy_from_an_entry_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """M4.5: an installed package offers it under the group `tradebotd.strategies`."""
    write(tmp_path, NOTHING)
    (tmp_path / "mine.py").rename(tmp_path / "somebodys_strategies.py")
    info = tmp_path / "somebody-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: somebody\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[tradebotd.strategies]\nmine = somebodys_strategies:Mine\nbroken = no_such_module:X\n"
    )
    monkeypatch.syspath_prepend(tmp_path)

    strategy = load_strategy("mine", {"level": 7})

    assert evaluate(strategy, made_up_candles(2)).reason == "no"
    with pytest.raises(ConfigError, match="ModuleNotFoundError"):
        load_strategy("broken", {})
    with pytest.raises(ConfigError, match="known are broken, ema_rsi, mine, pivot_levels"):
        load_strategy("zzz", {})
