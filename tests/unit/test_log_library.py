"""structlog comes without rich, and rich comes when it is wanted."""

import subprocess
import sys

import pytest

FIRST = """
import sys
from tradebotd.daemon.commands.log_library import import_structlog
import_structlog()
assert "structlog" in sys.modules
assert not {"rich", "pygments"} & sys.modules.keys()
import rich.console
from tradebotd.cli import tables
"""
AFTERWARDS = """
import rich.console
from tradebotd.daemon.commands.log_library import import_structlog
import_structlog()
import structlog, sys
assert structlog.dev.rich is rich
assert sys.modules["rich"] is rich
"""


@pytest.mark.parametrize("program", [FIRST, AFTERWARDS])
def test_rich_is_left_as_it_is(program: str) -> None:
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
