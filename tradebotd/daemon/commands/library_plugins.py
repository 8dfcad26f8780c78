"""pydantic and apscheduler without their search of all installed packages for plugins.

Both ask importlib.metadata, which reads the entry points of every package again for each question.
No plugin is used here, and the search is a thirtieth of the start.
"""

from collections.abc import Iterable
from types import ModuleType
from typing import NoReturn

from tradebotd.daemon.commands.import_without import import_without

_METADATA = "importlib.metadata"


def import_pydantic() -> None:
    """Before any module of ours does."""
    _import("pydantic.plugin._loader")


def import_apscheduler() -> None:
    """Before any module of ours does; its own `version` is then the one it falls back to."""
    _import("apscheduler.schedulers.base")


def _import(name: str) -> None:
    """Import *name* as if no package had any metadata, if nothing has asked for some before."""
    import_without(name, _METADATA, _NoMetadata(_METADATA))


class _NoMetadata(ModuleType):
    """The part of importlib.metadata that the two libraries import."""

    PackageNotFoundError = LookupError

    def entry_points(self, *, group: str) -> Iterable[object]:  # noqa: ARG002 - none in any group
        return ()

    def version(self, name: str) -> NoReturn:
        raise self.PackageNotFoundError(name)
