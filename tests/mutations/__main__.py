"""`python -m tests.mutations`: takes away one guard at a time, and expects the suite to go red."""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.mutations.catalogue import MUTATIONS, Mutation

ROOT = Path(__file__).parents[2]
SUITE = ["tests/unit", "tests/contract", "tests/integration"]
COPIED = (
    "tradebotd",
    "migrations",
    "tests",
    "pyproject.toml",
    "README.md",
    "config.example.toml",
    "docs",
)
GREEN = 0  # pytest: every test passed
UNTOUCHED = Mutation("nothing", ())


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutations", description=__doc__)
    parser.add_argument("--only", type=int, metavar="NUMBER", help="this one, counted from 1")
    parser.add_argument("--whole", action="store_true", help="do not stop at the first red test")
    options = parser.parse_args()
    code, told = _run(UNTOUCHED, whole=False)
    if code != GREEN:
        print("the suite is red as it stands:", *told, sep="\n     ")
        return 1
    survivors = 0
    for number, mutation in enumerate(MUTATIONS, 1):
        if options.only not in {None, number}:
            continue
        began = time.monotonic()
        code, told = _run(mutation, whole=options.whole)
        red = code != GREEN and any(line.startswith("FAILED") for line in told)
        survivors += not red
        verdict = "red" if red else f"NOT RED (pytest ended with {code})"
        print(f"{number}. without {mutation.name}: {verdict}, {time.monotonic() - began:.0f} s")
        print("".join(f"     {line}\n" for line in told), end="", flush=True)
    print(f"{survivors} survived")
    return 1 if survivors else 0


def _run(mutation: Mutation, *, whole: bool) -> tuple[int, list[str]]:
    """Pytest's exit code on a mutated copy, and what failed."""
    home = Path(tempfile.mkdtemp(prefix="tb-mutation-"))
    try:
        for name in COPIED:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, home / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, home / name)
        for edit in mutation.edits:
            edit.apply(home)
        # The installed package points elsewhere: here the copy's migrations are the package's.
        (home / "tradebotd" / "migrations").symlink_to(home / "migrations")
        stop = [] if whole else ["-x"]
        ended = subprocess.run(
            [
                sys.executable,
                "-m",
                "pytest",
                "-q",
                "-n",
                "2",
                "-m",
                "not long and not slow",
                *stop,
                *SUITE,
            ],
            cwd=home,
            env={**os.environ, "PYTHONPATH": str(home)},
            capture_output=True,
            text=True,
            check=False,
        )
        failed = [
            line for line in ended.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))
        ]
        return ended.returncode, failed[:20] or ended.stdout.splitlines()[-3:]
    finally:
        shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    raise SystemExit(main())
