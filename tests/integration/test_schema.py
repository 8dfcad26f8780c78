"""What the database refuses, whatever the code above it does."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any, Final

import asyncpg
import pytest

from tradebotd.domain.order import LEGAL_TRANSITIONS, OrderStatus
from tradebotd.storage import equity
from tradebotd.storage.postgres.database import Connection, Database

AT: Final = datetime(2026, 3, 1, tzinfo=UTC)
PAIRS: Final = [(old, new) for old in OrderStatus for new in OrderStatus]
NUMBERS: Final = count(1)


@pytest.fixture
async def connection(database: Database) -> AsyncIterator[Connection]:
    """In a transaction, with a bot; each refused statement goes in a savepoint of its own."""
    async with database.transaction() as opened:
        await opened.execute(
            "INSERT INTO bot_configs (name, symbol, config, active, updated_at)"
            " VALUES ('bot', 'BTC', '{}', true, now())"
        )
        yield opened


@asynccontextmanager
async def savepoint(connection: Connection) -> AsyncIterator[None]:
    """What is refused inside is undone, and the transaction goes on."""
    await connection.execute("SAVEPOINT refused")
    try:
        yield
    except BaseException:
        await connection.execute("ROLLBACK TO SAVEPOINT refused")
        raise
    await connection.execute("RELEASE SAVEPOINT refused")


async def insert(connection: Connection, table: str, **values: Any) -> Any:
    marks = ", ".join(f"${number}" for number in range(1, len(values) + 1))
    statement = f"INSERT INTO {table} ({', '.join(values)}) VALUES ({marks}) RETURNING *"
    async with savepoint(connection):
        return await connection.fetchrow(statement, *values.values())


async def a_position(connection: Connection, **changes: Any) -> int:
    values = {
        "bot": "bot", "venue": "paper", "symbol": "BTC", "side": "long", "position_type": "spot",
        "quantity": 1, "entry_quantity": 1, "entry_price": 100, "best_price": 100, "exits": {},
        "opened_at": AT,
    }  # fmt: skip
    row = await insert(connection, "positions", **{**values, **changes})
    return int(row["id"])


async def an_order(connection: Connection, **changes: Any) -> int:
    values = {
        "client_order_id": f"tb{next(NUMBERS)}", "bot": "bot", "venue": "paper", "symbol": "BTC",
        "role": "entry", "side": "buy", "type": "market", "time_in_force": "ioc",
        "position_type": "spot", "reduce_only": False, "quantity": 1, "params_hash": "h",
        "leader_token": 1, "send_by": AT, "created_at": AT, "updated_at": AT,
    }  # fmt: skip
    row = await insert(connection, "orders", **{**values, **changes})
    return int(row["id"])


async def update_order(connection: Connection, order_id: int, assignments: str) -> None:
    async with savepoint(connection):
        await connection.execute(f"UPDATE orders SET {assignments} WHERE id = $1", order_id)


async def test_the_trigger_and_the_domain_allow_the_same_transitions(
    connection: Connection,
) -> None:
    """M5.3: only legal transitions, enforced in the database; all 64 pairs."""
    allowed, refusals = set(), set()
    for old, new in PAIRS:
        bot_symbol = f"S{next(NUMBERS)}"
        order_id = await an_order(connection, symbol=bot_symbol, status=old)
        try:
            await update_order(connection, order_id, f"status = '{new}'")
        except asyncpg.CheckViolationError as error:
            refusals.add(error.constraint_name)
        else:
            allowed.add((old, new))

    legal = {(old, new) for old, new in PAIRS if old == new or new in LEGAL_TRANSITIONS[old]}
    assert allowed == legal
    assert refusals == {"order_legal_transition"}


@pytest.mark.parametrize(
    ("assignments", "constraint"),
    [
        ("quantity = 2", "order_immutable"),
        ("client_order_id = 'other'", "order_immutable"),
        ("side = 'sell'", "order_immutable"),
        ("filled_quantity = 0.1", "order_fills_grow"),
    ],
)
async def test_an_order_stays_what_was_sent(
    connection: Connection, assignments: str, constraint: str
) -> None:
    """M5.3: a late report never moves an order backwards."""
    order_id = await an_order(connection, filled_quantity=Decimal("0.5"))

    with pytest.raises(asyncpg.CheckViolationError) as refused:
        await update_order(connection, order_id, assignments)

    assert refused.value.constraint_name == constraint


async def test_an_entry_makes_room_only_once_its_fills_are_applied(connection: Connection) -> None:
    """M5.4: no new order while an earlier one is not settled."""
    first = await an_order(connection)
    await update_order(connection, first, "status = 'filled', venue_filled_quantity = 1")
    with pytest.raises(asyncpg.UniqueViolationError, match="order_one_unsettled_entry"):
        await an_order(connection)

    await update_order(connection, first, "filled_quantity = 1")

    await an_order(connection)


async def test_one_open_position_for_a_bot_and_symbol(connection: Connection) -> None:
    """M5.4: one open position per bot and symbol."""
    closed = {"quantity": 0, "exit_quantity": 1, "closed_at": AT, "close_reason": "signal"}
    await a_position(connection, **closed)
    await a_position(connection)

    with pytest.raises(asyncpg.UniqueViolationError, match="position_one_open"):
        await a_position(connection)


@pytest.mark.parametrize("role", ["active", "retiring"])
async def test_one_exit_group_of_a_kind_for_a_position(connection: Connection, role: str) -> None:
    """M5.4: one active and at most one retiring exit group."""
    position_id = await a_position(connection)
    for _ in range(2):
        await insert(connection, "exit_groups", position_id=position_id, role="closed")
    await insert(connection, "exit_groups", position_id=position_id, role=role)

    with pytest.raises(asyncpg.UniqueViolationError, match=f"exit_group_{role}"):
        await insert(connection, "exit_groups", position_id=position_id, role=role)


async def test_a_fill_is_applied_once(connection: Connection) -> None:
    """M5.4, I3: fills are applied once, on (venue, symbol, trade_id)."""
    fill = {
        "order_id": await an_order(connection), "position_id": await a_position(connection),
        "venue": "paper", "symbol": "BTC", "trade_id": "1", "side": "buy", "quantity": 1,
        "price": 100, "fee": 0, "fee_asset": "USDT", "executed_at": AT,
    }  # fmt: skip
    await insert(connection, "fills", **fill)

    with pytest.raises(asyncpg.UniqueViolationError, match="fill_once"):
        await insert(connection, "fills", **fill)


@pytest.mark.parametrize(
    "changes",
    [
        {"quantity": 2},
        {"closed_at": AT},
        {"side": "short"},
        {"entry_price": 0},
    ],
    ids=["more than was bought", "closed for no reason", "a short on spot", "price of nothing"],
)
async def test_a_position_that_cannot_be_is_refused(
    connection: Connection, changes: dict[str, Any]
) -> None:
    """M5.4: a position's quantity is the sum of its fills."""
    with pytest.raises(asyncpg.CheckViolationError):
        await a_position(connection, **changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"low": 0.0, "open": 0.0},
        {"low": 101.0},
        {"high": 99.0},
        {"high": float("inf")},
        {"high": float("nan")},
        {"close": float("nan")},
        {"volume": -1.0},
    ],
    ids=str,
)
async def test_a_candle_that_cannot_be_is_refused(
    connection: Connection, changes: dict[str, float]
) -> None:
    """M3.4: a bad candle is never stored as good, whoever writes it."""
    good = {"open": 100.0, "high": 110.0, "low": 90.0, "close": 105.0, "volume": 0.0}
    key = {"symbol_id": 1, "timeframe": "1h", "ts": AT, "feed": "history"}

    with pytest.raises(asyncpg.CheckViolationError):
        await insert(connection, "ohlc", **key, **{**good, **changes})
    await insert(connection, "ohlc", **key, **good)


async def test_what_each_entry_asks_for_does_not_read_all_snapshots(database: Database) -> None:
    """Snapshots are kept for ever, most of them of bots: two years of the highest equity."""
    async with database.connection() as connection:
        await connection.execute(
            "INSERT INTO equity_snapshots"
            " (ts, account, bot, equity, cash, exposure, unrealized_pnl, unit_value)"
            " SELECT $1::timestamptz - n * interval '1 hour', 'default', bot, n % 97, 0, 0, 0, n % 97"
            "   FROM generate_series(1, 17520) AS n, unnest(ARRAY[NULL, 'a', 'b']) AS bot",
            AT,
        )
        await connection.execute("ANALYZE equity_snapshots")
        found = await equity.select_history(connection, "default", AT - timedelta(days=1), AT)
        plan = await connection.fetch(f"EXPLAIN {equity.SELECT_EXTREMES}", "default", AT, AT)

    assert (found.day_start, found.peak) == (Decimal(24), Decimal(96))
    lines = "\n".join(row[0] for row in plan)
    assert "Seq Scan on equity_snapshots" not in lines
    assert "using equity_of_account_by_time on" in lines
