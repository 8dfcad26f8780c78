"""No installed package is asked for plugins of pydantic or apscheduler, and its metadata stays."""

import subprocess
import sys

import pytest

FIRST = """
import sys
from tradebotd.daemon.commands.library_plugins import import_apscheduler, import_pydantic
import_pydantic()
import_apscheduler()
assert "importlib.metadata" not in sys.modules
from pydantic import BaseModel
class Table(BaseModel):
    key: int
assert Table.model_validate({"key": 1}).key == 1
assert "importlib.metadata" not in sys.modules
from tradebotd.scheduling.scheduler import ClockScheduler
from importlib.metadata import entry_points, version
assert version("apscheduler") == "3.11.3"
assert entry_points(group="apscheduler.triggers")
"""
AFTERWARDS = """
import importlib.metadata
from tradebotd.daemon.commands.library_plugins import import_apscheduler
import_apscheduler()
import sys
assert sys.modules["importlib.metadata"] is importlib.metadata
import apscheduler.schedulers.base
assert apscheduler.version == "3.11.3"
assert apscheduler.schedulers.base.entry_points is importlib.metadata.entry_points
"""
MISSING = """
import sys
sys.modules["apscheduler"] = None
from tradebotd.daemon.commands.library_plugins import import_apscheduler
try:
    import_apscheduler()
except ImportError:
    assert "importlib.metadata" not in sys.modules
else:
    raise AssertionError("nothing was raised")
"""


@pytest.mark.parametrize("program", [FIRST, AFTERWARDS, MISSING])
def test_the_metadata_of_packages_is_left_as_it_is(program: str) -> None:
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
