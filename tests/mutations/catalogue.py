"""What holds the money together, and how each of it is taken away."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Edit:
    """*old* stands exactly once in the file at *path*."""

    path: str
    old: str
    new: str

    def apply(self, root: Path) -> None:
        """Raises ValueError when the code is no longer what this was written for."""
        file = root / self.path
        text = file.read_text()
        if text.count(self.old) != 1:
            raise ValueError(
                f"{self.path}: {text.count(self.old)} times {self.old!r}, once expected"
            )
        file.write_text(text.replace(self.old, self.new))


@dataclass(frozen=True, slots=True)
class Mutation:
    name: str
    edits: tuple[Edit, ...]


MUTATIONS = (
    Mutation(
        "the commit before sending: the row is written after the venue has answered",
        (
            Edit(
                "tradebotd/trading/placement.py",
                "            await orders.insert_order(connection, self._lease.account, self._lease.token, order)\n"
                "        return Prepared(order=order)\n",
                "        return Prepared(order=order)\n",
            ),
            Edit(
                "tradebotd/trading/placement.py",
                "                await orders.insert_order(connection, self._lease.account, self._lease.token, order)\n"
                "                prepared.append(",
                "                prepared.append(",
            ),
            Edit(
                "tradebotd/trading/placement.py",
                "        await self._recorder.record(report)\n        return report\n",
                "        async with self._database.transaction(Lane.ORDERS, durable=True) as connection:\n"
                "            await orders.insert_order(\n"
                "                connection, self._lease.account, self._lease.token, prepared.order\n"
                "            )\n"
                "        await self._recorder.record(report)\n        return report\n",
            ),
        ),
    ),
    Mutation(
        "the de-duplication of fills",
        (
            Edit(
                "tradebotd/trading/fill_ledger.py",
                "        if known is not None:\n",
                "        if False:\n",
            ),
            Edit(
                "migrations/0001_foundation.sql",
                "    executed_at timestamptz NOT NULL,\n    CONSTRAINT fill_once UNIQUE (venue, symbol, trade_id)\n",
                "    executed_at timestamptz NOT NULL,\n"
                "    CONSTRAINT fill_once UNIQUE (id, venue, symbol, trade_id)\n",
            ),
        ),
    ),
    Mutation(
        "the lock on the lease: a takeover may commit between the check and the order",
        (Edit("tradebotd/storage/leadership.py", "           FOR SHARE\n", ""),),
    ),
    Mutation(
        "`settled`: an order is done when its status says so",
        (
            Edit(
                "migrations/0001_foundation.sql",
                "                              AND coalesce(venue_filled_quantity, 0) = filled_quantity\n",
                "",
            ),
        ),
    ),
    Mutation(
        "the indexes of the exit groups",
        (
            Edit(
                "migrations/0001_foundation.sql",
                "CREATE UNIQUE INDEX exit_group_active ON",
                "CREATE INDEX exit_group_active ON",
            ),
            Edit(
                "migrations/0001_foundation.sql",
                "CREATE UNIQUE INDEX exit_group_retiring ON",
                "CREATE INDEX exit_group_retiring ON",
            ),
        ),
    ),
)
