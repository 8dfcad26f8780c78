"""What an entry asks about the account is kept as it changes; here it is what the history says."""

from datetime import timedelta
from decimal import Decimal
from itertools import takewhile
from random import Random

import pytest

from tests.database import PostgresServer
from tests.fakes.trading import ACCOUNT, NOON
from tests.fakes.venue import SCRIPTED
from tradebotd.domain.decimals import ZERO
from tradebotd.domain.transfer import Transfer
from tradebotd.risk.account_units import Units
from tradebotd.storage import account_units, equity, settings, transfers
from tradebotd.storage.postgres.database import Connection, Database, open_database
from tradebotd.storage.postgres.migrations import load_migrations, migrate

FILES = load_migrations()
FULL_SUMS = """
    SELECT account, venue, asset, sum(amount) AS moved, coalesce(sum(amount) FILTER (WHERE NOT inferred), 0) AS told,
           sum(worth) AS worth
      FROM transfers GROUP BY account, venue, asset ORDER BY account, venue, asset
"""
RUNNING_SUMS = """
    SELECT account, venue, asset, moved, told, worth FROM transfer_sums ORDER BY account, venue, asset
"""
FULL_PEAK = """
    SELECT max(unit_value)
      FROM equity_snapshots
     WHERE account = $1 AND bot IS NULL
       AND ts >= coalesce(greatest((SELECT (value #>> '{}')::timestamptz FROM settings WHERE key = 'account_peak_since'),
                                   (SELECT since FROM account_units WHERE account = $1)),
                          '-infinity')
"""
MINUTES = 150
# Resumed ten minutes ago, and higher before.
HISTORY = """
    WITH resumed AS (INSERT INTO settings (key, value)
                     VALUES ('account_peak_since', to_jsonb($1::timestamptz - interval '10 minutes'))),
         brought AS (INSERT INTO transfers (venue, transfer_id, account, asset, amount, worth, inferred, at, seen_at)
                     SELECT $3, n::text, $2, 'USDT', n, n, n % 2 = 0, $1::timestamptz, $1::timestamptz
                       FROM generate_series(1, 9) AS n)
    INSERT INTO equity_snapshots (ts, account, bot, equity, cash, exposure, unrealized_pnl)
    SELECT $1::timestamptz - n * interval '1 minute', $2, bot, 1000 + n, 0, 0, 0
      FROM generate_series(1, 90) AS n, unnest(ARRAY[NULL, 'one']) AS bot
"""


class Account:
    """Snapshots, transfers and resumes from a drawdown, a minute after another."""

    def __init__(self, connection: Connection, draw: Random) -> None:
        self._connection = connection
        self._draw = draw
        self._now = NOON

    async def lives_a_minute(self) -> None:
        self._now += timedelta(minutes=1)
        steps = [self._snapshot, self._snapshot, self._snapshot, self._told, self._inferred]
        await self._draw.choice([*steps, self._resumed, self._empty])()

    async def _snapshot(self) -> None:
        """One of what is some minutes old may be written late."""
        worth = Decimal(self._draw.randrange(900_000, 1_100_000)) / 1000
        rows = [
            equity.Snapshot(bot=None, equity=worth, cash=worth, exposure=ZERO, unrealized_pnl=ZERO)
        ]
        at = self._now - self._draw.choice((0, 0, 3)) * timedelta(minutes=1)
        await equity.insert_snapshots(self._connection, at, ACCOUNT, rows, worth)

    async def _told(self) -> None:
        """It takes back what was inferred of it."""
        await transfers.insert_reported(
            self._connection, ACCOUNT, self._transfer("told"), Decimal(2), self._now
        )

    async def _inferred(self) -> None:
        await transfers.insert_inferred(
            self._connection,
            ACCOUNT,
            self._transfer("inferred"),
            Decimal("1.7"),
            against=Decimal(1000),
            since_before=None,
        )

    async def _empty(self) -> None:
        """Nothing was left; or it turns out that this was not so."""
        since = self._draw.choice((None, self._now, self._now - timedelta(minutes=5)))
        await account_units.put(self._connection, ACCOUNT, Units(since=since))

    async def _resumed(self) -> None:
        if self._draw.random() < 0.3:
            since = self._draw.choice((None, self._now.isoformat()))
            await settings.put(self._connection, settings.ACCOUNT_PEAK_SINCE, since)

    def _transfer(self, kind: str) -> Transfer:
        return Transfer(
            venue=SCRIPTED,
            transfer_id=f"{kind} {self._now.isoformat()}",
            asset=self._draw.choice(("USDT", "EUR")),
            amount=Decimal(self._draw.choice((-7, 3, 10))),
            at=self._now,
        )


async def assert_it_is_what_the_history_says(connection: Connection) -> None:
    found = await equity.select_history(connection, ACCOUNT, NOON, NOON)
    assert found.peak == await connection.fetchval(FULL_PEAK, ACCOUNT)
    assert await connection.fetch(RUNNING_SUMS) == await connection.fetch(FULL_SUMS)


@pytest.mark.parametrize("seed", range(4))
async def test_the_peak_and_the_transfers_are_those_of_the_history(
    database: Database, seed: int
) -> None:
    """M5.8: whatever comes in, is inferred, is taken back, is resumed from, or is written late."""
    async with database.transaction() as connection:
        account = Account(connection, Random(seed))
        for _ in range(MINUTES):
            await account.lives_a_minute()

            await assert_it_is_what_the_history_says(connection)


async def test_they_go_on_from_a_history_of_before(postgres_server: PostgresServer) -> None:
    """M5.8: a database that an earlier version has filled says the same after the migration."""
    older = takewhile(lambda each: each.name != "what_entries_ask_about_the_account", FILES)
    async with (
        postgres_server.fresh_database("template1") as dsn,
        open_database(dsn, pool_min=1, pool_max=3) as database,
    ):
        await migrate(database, tuple(older))
        async with database.transaction() as connection:
            await connection.execute(HISTORY, NOON, ACCOUNT, SCRIPTED)

        await migrate(database, FILES)

        async with database.transaction() as connection:
            await assert_it_is_what_the_history_says(connection)
            account = Account(connection, Random(1))
            for _ in range(MINUTES):
                await account.lives_a_minute()
            await assert_it_is_what_the_history_says(connection)
