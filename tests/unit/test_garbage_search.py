"""Garbage is not searched for while a program of ours begins, and is before its loop does."""

import gc
import subprocess
import sys
from pathlib import Path

from tests.architecture.tree import ROOT
from tests.unit.config_text import ONE_BOT, written
from tradebotd.daemon.commands.garbage import search_from_now_on
from tradebotd.daemon.commands.main import main

# As the installed script calls it; serve() is the daemon's loop.
RUN = """
import gc, sys
from tradebotd.daemon.commands import main, run

async def serve(*_):
    print(gc.isenabled(), gc.get_freeze_count() > 1000)

run.serve = serve
sys.argv = ["tradebotd", "run", "--config", {config!r}]
sys.exit(main.main())
"""
SCHEMA = """
import atexit, gc, sys
from tradebotd.daemon.commands.main import main

def told():
    print(gc.isenabled(), gc.get_freeze_count() > 1000)

atexit.register(told)
sys.argv = ["tradebotd", "schema"]
sys.exit(main())
"""

COMPLETION = """
import atexit, gc, sys
from tradebotd.cli.main import main

def told():
    print(gc.isenabled(), gc.get_freeze_count() > 1000)

atexit.register(told)
sys.argv = ["tradebotctl", "completion", "bash"]
sys.exit(main())
"""


def last_line(program: str) -> str:
    ended = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return ended.stdout.splitlines()[-1]


def test_the_loop_begins_with_the_search_for_garbage(tmp_path: Path) -> None:
    """A daemon of weeks must not grow because its start was quick."""
    config = written(tmp_path, ONE_BOT)

    assert last_line(RUN.format(config=str(config))) == "True True"


def test_a_command_without_a_loop_does_not_search_at_its_end() -> None:
    assert last_line(SCHEMA) == "False True"


def test_tradebotctl_may_watch_for_days_and_does_not_search_at_its_end() -> None:
    assert last_line(COMPLETION) == "True True"


def test_a_caller_with_arguments_keeps_the_interpreter_as_it_was() -> None:
    before = gc.get_freeze_count()

    assert main(["schema"]) == 0
    search_from_now_on()

    assert gc.isenabled()
    assert gc.get_freeze_count() == before
