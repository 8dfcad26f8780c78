"""structlog without rich, which it imports wherever it can for a console of its own.

Ours is `tradebotd/daemon/console.py`. rich and pygments are a twentieth of the start and of the
memory; the summary of a replay, at its end, imports rich as ever.
"""

import sys

_NOT_NEEDED = "rich"


def import_structlog() -> None:
    """Import it before any module of ours does, unless either is imported already."""
    if "structlog" in sys.modules or _NOT_NEEDED in sys.modules:
        return
    sys.modules[_NOT_NEEDED] = None  # type: ignore[assignment]  # as if it were not installed
    try:
        import structlog  # noqa: F401, PLC0415
    finally:
        del sys.modules[_NOT_NEEDED]
