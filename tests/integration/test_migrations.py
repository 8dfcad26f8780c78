from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import anyio
import pytest

from tests.database import PostgresServer
from tradebotd.domain.errors import MigrationError
from tradebotd.domain.ids import PositionId, VenueName
from tradebotd.domain.order import OrderType
from tradebotd.domain.quote import PriceKind
from tradebotd.storage import exit_groups, paper_orders
from tradebotd.storage.postgres.database import Database, open_database
from tradebotd.storage.postgres.migrations import (
    Migration,
    load_migrations,
    migrate,
    migration_status,
)

FILES = load_migrations()
SECOND = Migration(version=2, name="more", checksum="c", sql="CREATE TABLE more (); SELECT 1")
TABLES = """
    SELECT array_agg(table_name::text ORDER BY table_name)
      FROM information_schema.tables WHERE table_schema = 'public'
"""
PUBLIC = {
    *("market_symbols", "ohlc", "ohlc_quarantine", "ohlc_corrections", "universe", "levels_daily"),
    *("market_trades", "orderbook_snapshots", "orderbook_levels", "symbol_cache", "bot_configs"),
    *("bot_states", "decision_runs", "orders", "order_events", "fills", "positions", "trades"),
    *("equity_snapshots", "job_runs", "dead_letters", "alerts", "api_usage", "leadership"),
    *("settings", "schema_migrations"),
}


@pytest.fixture
async def empty(postgres_server: PostgresServer) -> AsyncIterator[Database]:
    async with (
        postgres_server.fresh_database("template1") as dsn,
        open_database(dsn, pool_min=1, pool_max=5) as database,
    ):
        yield database


async def test_all_are_applied_once_and_the_tables_of_the_interface_are_there(
    empty: Database,
) -> None:
    assert await migrate(empty, FILES) == [migration.version for migration in FILES]
    assert await migrate(empty, FILES) == []
    async with empty.connection() as connection:
        assert set(await connection.fetchval(TABLES)) >= PUBLIC


async def test_paper_futures_of_before_keep_the_leverage_that_their_orders_told(
    empty: Database,
) -> None:
    """M4.8: held at 5, an entry that rests at 3, one that was refused at 9: their set-up from now on."""
    before = [each for each in FILES if not each.name.endswith("leverage_of_a_symbol")]
    since = next(each for each in FILES if each.name.endswith("leverage_of_a_symbol"))
    await migrate(empty, [each for each in before if each.version < since.version])
    async with empty.transaction(durable=True) as connection:
        await connection.execute("INSERT INTO paper.positions VALUES ('p', 'HELD', 1, 100, 5)")
        for number, (symbol, leverage, status) in enumerate(
            [
                ("HELD", 2, "filled"),
                ("RESTS", 7, "filled"),
                ("RESTS", 3, "new"),
                ("NONE", 9, "rejected"),
            ]
        ):
            await connection.execute(
                "INSERT INTO paper.orders (venue, client_order_id, symbol, side, type, time_in_force, position_type,"
                " leverage, reduce_only, quantity, status, accepted_at, updated_at)"
                " VALUES ('p', $1, $2, 'buy', 'limit', 'gtc', 'futures', $3, false, 1, $4, now(), now())",
                str(number),
                symbol,
                leverage,
                status,
            )

    await migrate(empty, FILES)

    async with empty.connection() as connection:
        rows = await connection.fetch("SELECT symbol, leverage FROM paper.symbol_setups")
    assert {row["symbol"]: row["leverage"] for row in rows} == {"HELD": 5, "RESTS": 3}


async def test_an_edited_file_is_refused(empty: Database) -> None:
    await migrate(empty, FILES)
    edited = (replace(FILES[0], checksum="other"), *FILES[1:])

    with pytest.raises(MigrationError, match="0001_foundation was edited after it was applied"):
        await migrate(empty, edited)
    with pytest.raises(MigrationError, match="edited"):
        await migration_status(empty, edited)


async def test_a_ledger_newer_than_the_files_is_refused(empty: Database) -> None:
    await migrate(empty, (FILES[0], SECOND))

    with pytest.raises(MigrationError, match=r"0002_more.*newer"):
        await migrate(empty, FILES[:1])


async def test_a_migration_that_fails_leaves_nothing(empty: Database) -> None:
    broken = replace(SECOND, sql="CREATE TABLE half (); SELECT 1/0")

    with pytest.raises(Exception, match="division by zero"):
        await migrate(empty, (FILES[0], broken))

    states = await migration_status(empty, (FILES[0], SECOND))
    assert [state.applied_at for state in states] == [None, None]


async def test_two_at_once_apply_each_file_once(empty: Database) -> None:
    applied: list[list[int]] = []

    async def go() -> None:
        applied.append(await migrate(empty, (FILES[0], SECOND)))

    async with anyio.create_task_group() as both:
        both.start_soon(go)
        both.start_soon(go)

    assert sorted(applied) == [[], [1, 2]]


async def test_the_status_lists_what_is_pending_and_changes_nothing(empty: Database) -> None:
    assert [state.applied_at for state in await migration_status(empty, FILES)] == [None] * len(
        FILES
    )
    await migrate(empty, FILES)

    states = await migration_status(empty, (*FILES, replace(SECOND, version=len(FILES) + 1)))

    assert [state.applied_at is None for state in states] == [False] * len(FILES) + [True]


@pytest.mark.parametrize(
    ("names", "complaint"),
    [
        (["0001_a.sql", "0003_c.sql"], "numbered 1, 2, 3"),
        (["0001_a.sql", "0001_b.sql"], "numbered 1, 2, 3"),
        (["1_a.sql"], "no name for a migration"),
    ],
)
def test_files_must_be_numbered_without_holes(
    tmp_path: Path, names: list[str], complaint: str
) -> None:
    for name in names:
        (tmp_path / name).write_text("SELECT 1")

    with pytest.raises(MigrationError, match=complaint):
        load_migrations(tmp_path)


async def test_stops_of_before_are_compared_with_the_last_price_and_have_not_triggered(
    empty: Database,
) -> None:
    """M4.7: those that rest at a start of the new version are read as what they are."""
    await migrate(empty, [each for each in FILES if each.version < 23])
    names = "client_order_id, venue, symbol, side, type, time_in_force, position_type, reduce_only,"
    names += " quantity, stop_price, limit_price, status, updated_at"
    values = (
        "'o1', 'p', 'BTCUSDT', 'sell', 'stop_limit', 'gtc', 'spot', false, 2, 95, 94, 'new', now()"
    )
    async with empty.transaction(durable=True) as connection:
        await connection.execute(
            "SET LOCAL session_replication_role = replica"
        )  # nothing else is there
        await connection.execute(
            f"INSERT INTO paper.orders ({names}, leverage, accepted_at) VALUES ({values}, 1, now())"
        )
        await connection.execute(
            "INSERT INTO exit_groups (position_id, role, kind, made_at)"
            " VALUES (1, 'active', 'resting', now())"
        )
        await connection.execute(
            f"INSERT INTO orders ({names}, position_id, exit_group_id, bot, role, params_hash, leader_token,"
            f" send_by, created_at) VALUES ({values}, 1, 1, 'one', 'exit', '', 1, now(), now())"
        )

    await migrate(empty, FILES)

    async with empty.connection() as connection:
        (resting,) = await paper_orders.select_resting(connection, VenueName("p"))
        groups = (await exit_groups.select(connection, [PositionId(1)]))[PositionId(1)]
    assert groups.active is not None
    (order,) = groups.active.orders
    assert (order.stop_price, order.working_price) == (Decimal(95), PriceKind.LAST)
    assert (resting.request.type, resting.request.stop_price) == (OrderType.STOP_LIMIT, Decimal(95))
    assert resting.request.working_price is PriceKind.LAST
    assert not resting.triggered
