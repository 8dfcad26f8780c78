"""`python -m tests.mutations`: breaks a copy of the tree in one way at a time, and expects red."""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from tests.mutations.catalogue import MUTATIONS
from tests.mutations.mutation import Mutation

ROOT: Final = Path(__file__).parents[2]
SUITE: Final = ("tests/unit", "tests/contract", "tests/integration")
COPIED: Final = (
    "tradebotd",
    "migrations",
    "tests",
    "pyproject.toml",
    "README.md",
    "config.example.toml",
    "docs",
)
MOST_SECONDS: Final = 300.0
AT_A_TIME: Final = 10  # seeds
GREEN: Final = 0  # pytest: every test passed
RED: Final = 1  # pytest: some failed


@dataclass(frozen=True, slots=True)
class Outcome:
    """*code*: the command's, None: it was ended after MOST_SECONDS. *told*: what it said of it."""

    code: int | None
    told: tuple[str, ...]
    seconds: float


def main() -> int:
    options = _options()
    wanted = [
        (number, each)
        for number, each in enumerate(MUTATIONS, 1)
        if not options.only or number in options.only
    ]
    if options.list:
        for number, each in wanted:
            print(f"{number}. {each.name}" + (" (equivalent)" if each.equivalent else ""))
        return 0
    survivors = []
    for number, mutation in wanted:
        if mutation.equivalent and not options.whole:
            print(f"{number}. {mutation.name}: equivalent, {mutation.equivalent}")
            continue
        red, outcomes = _judged(mutation, whole=options.whole, sound=options.sound)
        if not red and mutation.must_be_red:
            survivors.append(number)
        word = "red" if red else f"equivalent: {mutation.equivalent}"
        word = word if red or mutation.equivalent else "SURVIVES"
        seconds = sum(each.seconds for each in outcomes)
        print(f"{number}. {mutation.name}: {word}, {seconds:.0f} s")
        for outcome in outcomes:
            print("".join(f"     {line}\n" for line in outcome.told), end="", flush=True)
    print(f"{len(wanted)} applied, survivors: {survivors or 'none'}")
    return 1 if survivors else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.mutations", description=__doc__)
    parser.add_argument("--only", type=int, nargs="+", metavar="NUMBER", help="these alone")
    parser.add_argument("--list", action="store_true", help="say what there is, and run nothing")
    parser.add_argument(
        "--whole", action="store_true", help="the whole suite instead of the tests that are named"
    )
    parser.add_argument(
        "--sound", action="store_true", help="first the same tests on the code as it is: green?"
    )
    return parser.parse_args()


def _judged(mutation: Mutation, *, whole: bool, sound: bool) -> tuple[bool, list[Outcome]]:
    """Whether each of its tests, and one of its seeds, goes red."""
    tests = SUITE if whole or not (mutation.tests or mutation.seeds) else mutation.tests
    outcomes: list[Outcome] = []
    with _copy() as home:
        if sound:
            before = _pytest(home, tests)
            if before.code != GREEN:
                return False, [before]
        for edit in mutation.edits:
            edit.apply(home.path)
        if tests is SUITE:
            outcomes.append(_pytest(home, tests, "-n", "2", "-x"))
        else:
            outcomes += [_pytest(home, (each,)) for each in tests]
        if mutation.seeds and not whole:
            outcomes.append(_seeds(home, mutation))
    return all(each.code == RED for each in outcomes), outcomes


class _copy:  # noqa: N801 - it reads like what it makes
    """The tree, to be broken; gone afterwards."""

    path: Path

    def __enter__(self) -> Self:
        self.path = home = Path(tempfile.mkdtemp(prefix="tb-mutation-"))
        for name in COPIED:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, home / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, home / name)
        # The installed package points elsewhere: here the copy's migrations are the package's.
        migrations = home / "tradebotd" / "migrations"
        if not migrations.exists():
            migrations.symlink_to(home / "migrations")
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self.path, ignore_errors=True)


def _pytest(home: _copy, tests: tuple[str, ...], *how: str) -> Outcome:
    said = _run(
        home, "pytest", "-q", "-p", "no:randomly", "-m", "not long and not slow", *how, *tests
    )
    failed = tuple(line for line in said.told if line.startswith(("FAILED", "ERROR")))
    return Outcome(said.code, failed[:5] or said.told[-3:], said.seconds)


def _seeds(home: _copy, mutation: Mutation) -> Outcome:
    """Some at a time, until one says what the mutation says."""
    seconds, told = 0.0, tuple[str, ...]()
    for first in range(0, len(mutation.seeds), AT_A_TIME):
        some = mutation.seeds[first : first + AT_A_TIME]
        said = _run(
            home,
            "tests.simulation",
            *("--first", str(some[0]), "--seeds", str(len(some)), "--jobs", "2"),
            *("--results", str(home.path / "seeds.jsonl"), "--draw", *mutation.draw),
        )
        seconds, told = seconds + said.seconds, said.told
        found = tuple(
            line
            for line in told
            if line.startswith("seed ") and line.partition(": ")[2].startswith(mutation.says)
        )
        if found:
            return Outcome(RED, found[:1], seconds)
        if seconds > MOST_SECONDS:
            break
    return Outcome(GREEN, told[-3:], seconds)


def _run(home: _copy, module: str, *words: str) -> Outcome:
    began = time.monotonic()
    try:
        ended = subprocess.run(
            [sys.executable, "-m", module, *words],
            cwd=home.path,
            env={**os.environ, "PYTHONPATH": str(home.path)},
            capture_output=True,
            text=True,
            check=False,
            timeout=MOST_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return Outcome(None, (f"ended after {MOST_SECONDS:.0f} s",), MOST_SECONDS)
    told = tuple((ended.stdout + ended.stderr).splitlines())
    return Outcome(ended.returncode, told, time.monotonic() - began)


if __name__ == "__main__":
    raise SystemExit(main())
