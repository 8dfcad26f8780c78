"""Statements of the order path that run while rows are locked: an entry, an exit, a report.

Those of rare events are left out: what is here costs each connection some milliseconds, once.
"""

from typing import Final, LiteralString

from tradebotd.storage import entry_rows, exit_groups, exit_rows, orders, positions, report_rows

OF_ENTRIES: Final[tuple[LiteralString, ...]] = (entry_rows.LOCK, entry_rows.INSERT)
OF_EXITS: Final[tuple[LiteralString, ...]] = (positions.SELECT_FOR_UPDATE, exit_rows.INSERT)
OF_REPORTS: Final[tuple[LiteralString, ...]] = (
    orders.SELECT_FOR_UPDATE,
    report_rows.SELECT_FOR_ENTRY,
    report_rows.SELECT_FOR_EXIT,
    report_rows.OPEN,
    report_rows.CHANGE,
    exit_groups.CLOSE,
)
ALL: Final = (*OF_EXITS, *OF_REPORTS, *OF_ENTRIES, orders.NEXT_IDS)
