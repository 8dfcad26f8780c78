"""Import of a library as if a module that it looks for were not there, or another one."""

import sys
from importlib import import_module
from types import ModuleType


def import_without(name: str, hidden: str, stand_in: ModuleType | None = None) -> None:
    """Import *name* while *hidden* is *stand_in*, or not installed: None.

    Does nothing if *hidden* is imported already. Who imports it afterwards gets the real one.
    """
    if hidden in sys.modules:
        return
    sys.modules[hidden] = stand_in  # type: ignore[assignment]  # None: as if not installed
    try:
        import_module(name)
    finally:
        del sys.modules[hidden]
