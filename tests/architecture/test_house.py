"""The house stands as it was drawn: floors, sizes, no cycles, SQL on one floor only."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.tree import PACKAGE, ROOT, imported, modules, name_of, parsed

MODULE_LINES = 400
TEST_MODULE_LINES = 650
FUNCTION_LINES = 70
TOP_LEVEL = {
    "tradebotd", "migrations", "tests", "systemd", "benchmarks", "docs", "findings",
    "pyproject.toml", "config.example.toml", "README.md", "LICENSE", ".ci",
    "requirements.txt", "requirements-calendars.txt", "requirements-parquet.txt",
    "requirements-test.txt",
}  # fmt: skip
SQL = re.compile(
    r"^\s*(SELECT\s.+\sFROM\s|INSERT\s+INTO\s|UPDATE\s+\w+\s+SET\s|DELETE\s+FROM\s|WITH\s+\w+\s+AS\s*\("
    r"|CREATE\s+(TABLE|INDEX|SCHEMA)\s|ALTER\s+TABLE\s|COPY\s+\w+\s)",
    re.DOTALL,
)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_import_goes_down() -> None:
    """The floors of docs/architecture.md, the pure core, asyncpg in storage only, adapters for the daemon only."""
    linter = Path(sys.executable).with_name("lint-imports")
    ran = subprocess.run(
        [linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_no_module_imports_itself_by_way_of_others() -> None:
    """Zero cycles, counting type-only and function-local imports."""
    paths = {name_of(path): path for path in modules("tradebotd")}
    graph = {name: set(imported(parsed(path), set(paths))) - {name} for name, path in paths.items()}
    while free := [name for name, below in graph.items() if not below]:
        for name in free:
            del graph[name]
        for below in graph.values():
            below.difference_update(free)

    assert not graph, f"in cycles, or above one: {sorted(graph)}"


@pytest.mark.parametrize("path", modules("tradebotd", "benchmarks"), ids=name_of)
def test_a_module_is_short_enough_to_read(path: Path) -> None:
    lines = len(path.read_text().splitlines())

    assert lines <= MODULE_LINES


@pytest.mark.parametrize("path", modules("tests"), ids=name_of)
def test_a_module_of_tests_may_list_more_cases_yet_ends(path: Path) -> None:
    lines = len(path.read_text().splitlines())

    assert lines <= TEST_MODULE_LINES


@pytest.mark.parametrize("path", modules("tradebotd", "benchmarks"), ids=name_of)
def test_a_function_is_short_enough_to_read(path: Path) -> None:
    long = [
        f"{node.name}: {node.end_lineno - node.lineno + 1} lines"
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno >= FUNCTION_LINES
    ]

    assert not long


def statements(tree: ast.Module) -> Iterator[str]:
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
            continue
        if id(node) not in docstrings and SQL.match(node.value):
            yield node.value


def test_sql_lives_in_storage_only() -> None:
    found = {
        name_of(path): statement
        for path in modules("tradebotd")
        if PACKAGE / "storage" not in path.parents
        for statement in statements(parsed(path))
    }

    assert not found


def test_the_sql_check_sees_sql() -> None:
    seen = list(statements(parsed(PACKAGE / "storage" / "settings.py")))

    assert seen


def test_broad_excepts_stand_at_the_edges_only() -> None:
    """P5: what comes from others may be anything; what is ours is named."""
    edges = {
        "tradebotd.scheduling.attempts",  # the job runner: a job may raise anything
        "tradebotd.scheduling.outcomes",  # the same, of its outcome
        "tradebotd.trading.exits.resting_stops",  # one position's stop, of laying it to rest
        "tradebotd.control.routing",  # the control request: an operator gets an answer
        "tradebotd.control.streaming",  # the same, when the answer has begun
        "tradebotd.trading.bots.cycle",  # one bot's cycle: our mistake in it stops no other
        "tradebotd.trading.exits.market_exits",  # one position's exit: what breaks it breaks no other's
        "tradebotd.trading.entries.resting_entries",  # one entry's cancel: the same
        "tradebotd.trading.exits.sweep",  # the same, of judging it
        "tradebotd.trading.execution.placement",  # an adapter that fails in any way may have sent the order
        "tradebotd.trading.execution.recorder",  # an order stream: the next report may well be recorded
        "tradebotd.trading.prices.fresh_prices",  # an adapter's quotes: another venue's are there
        "tradebotd.trading.account.venue_accounts",  # the same, of what we own there
        "tradebotd.trading.account.transfer_recorder",  # and of what came in or left
        "tradebotd.trading.instruments.refresh",  # and of filters: the next look may well succeed
        "tradebotd.trading.exits.refused_stops",  # the same, behind a stop that was refused
        "tradebotd.trading.operator.flatten",  # one step, or one position, of emptying an account
        "tradebotd.market.calendars",  # a library of tables, and pandas below it
        "tradebotd.venues.contained",  # an adapter's answer, whoever asked
        "tradebotd.market.price_stream",  # what an adapter does between calls
        "tradebotd.strategies.evaluation",  # a strategy is somebody else's code
        "tradebotd.strategies.registry",  # and so is the module that it comes from
    }
    found = {
        name_of(path)
        for path in modules("tradebotd")
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or (isinstance(node.type, ast.Name) and node.type.id == "Exception"))
    }

    assert found == edges


def test_the_top_level_is_as_agreed() -> None:
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    tops = {line.partition("/")[0] for line in listed.stdout.splitlines()}

    assert {top for top in tops if not top.startswith(".")} <= TOP_LEVEL
    assert tops >= TOP_LEVEL


def test_every_package_is_in_the_wheel() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    listed = set(project["tool"]["setuptools"]["packages"])
    there = {name_of(path) for path in modules("tradebotd") if path.name == "__init__.py"}

    assert listed == there | {"tradebotd.migrations"}


def test_no_dumping_ground() -> None:
    names = {path.stem for path in modules("tradebotd", "tests", "benchmarks")}

    assert not names & {
        "utils",
        "util",
        "helpers",
        "helper",
        "const",
        "constants",
        "common",
        "misc",
    }
