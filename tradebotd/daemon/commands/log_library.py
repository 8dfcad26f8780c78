"""structlog without rich, which it imports wherever it can for a console of its own.

Ours is `tradebotd/daemon/console.py`. rich and pygments are a twentieth of the start and of the
memory; the summary of a replay, at its end, imports rich as ever.
"""

import sys

from tradebotd.daemon.commands.import_without import import_without


def import_structlog() -> None:
    """Import it before any module of ours does, unless either is imported already."""
    if "structlog" not in sys.modules:
        import_without("structlog", "rich")
