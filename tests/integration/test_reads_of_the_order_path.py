"""What the order path asks the database does not take longer as the history grows."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

from tests.fakes.trading import ACCOUNT, BOT, NOON, SYMBOL, open_harness, spec
from tests.fakes.venue import SCRIPTED
from tradebotd.domain.decimals import ONE
from tradebotd.storage import (
    account_units,
    asset_sums,
    bots,
    cash,
    decisions,
    dust,
    entry_facts,
    entry_orders,
    entry_rows,
    equity,
    exit_groups,
    exit_reads,
    exit_rows,
    externals,
    fills,
    funding,
    open_positions,
    order_searches,
    order_venue_ids,
    orders,
    positions,
    report_rows,
    settings,
    transfers,
    unvalued_fees,
)
from tradebotd.storage.postgres.database import Connection, Database

FEW, MANY = 500, 5000
A_FEW_MORE = 8
# Of each: $1 and $2 are the first and the last number, $3 is noon; the higher the number, the longer ago.
POSITIONS = """
    INSERT INTO positions (bot, venue, symbol, side, position_type, quantity, entry_quantity, entry_price, exit_quantity,
                           exit_price, fees, realized_pnl, best_price, exits, opened_at, closed_at, close_reason,
                           entry_cost, exit_proceeds, dust)
    SELECT c.name, m.venue, m.symbol, 'long', CASE n % 2 WHEN 0 THEN 'spot' ELSE 'futures' END, 0, 1, 100, 0.999, 101, 0.2,
           n % 7 - 3, 101, '{}', at - interval '1 minute', at, CASE n % 3 WHEN 0 THEN 'stop_loss' ELSE 'signal' END,
           100, 101, 0.001
      FROM (SELECT n, $3::timestamptz - n * interval '5 minutes' AS at FROM generate_series($1::int, $2::int) AS n) AS closed,
           bot_configs AS c JOIN market_symbols AS m ON m.symbol = c.symbol
"""
GROUPS = """
    INSERT INTO exit_groups (position_id, role, kind, made_at)
    SELECT id, 'closed', 'market', closed_at FROM positions AS p
     WHERE NOT EXISTS (SELECT 1 FROM exit_groups WHERE position_id = p.id)
       AND ($1::int, $2::int, $3::timestamptz) IS NOT NULL
"""
ORDERS = """
    INSERT INTO orders (client_order_id, venue_order_id, position_id, exit_group_id, bot, venue, symbol, role, side, type,
                        time_in_force, position_type, reduce_only, quantity, filled_quantity, venue_filled_quantity, status,
                        params_hash, leader_token, send_by, created_at, updated_at)
    SELECT made || p.id, made || p.id, p.id, CASE made WHEN 'exit' THEN g.id END, p.bot, p.venue, p.symbol, made,
           CASE made WHEN 'exit' THEN 'sell' ELSE 'buy' END, 'market', 'gtc', p.position_type, made = 'exit', 1, 1, 1,
           'filled', 'h', 1, p.opened_at, p.opened_at, p.opened_at
      FROM positions AS p JOIN exit_groups AS g ON g.position_id = p.id, unnest(ARRAY['entry', 'exit']) AS made
     WHERE NOT EXISTS (SELECT 1 FROM orders WHERE position_id = p.id) AND ($1::int, $2::int, $3::timestamptz) IS NOT NULL
"""
SEARCHES = """
    INSERT INTO order_searches (order_id, began_at, last_asked_at, ended_at)
    SELECT id, created_at, created_at, created_at FROM orders WHERE ($1::int, $2::int, $3::timestamptz) IS NOT NULL
    ON CONFLICT DO NOTHING
"""
FILLS = """
    INSERT INTO fills (order_id, position_id, venue, symbol, trade_id, side, quantity, price, fee, fee_asset, executed_at,
                       fee_rate, fee_value, fee_elsewhere)
    SELECT id, position_id, venue, symbol, 'trade' || id, side, 1, 100, 0.1, 'BNB', created_at, 1, 0.1, 0.1 FROM orders AS o
     WHERE NOT EXISTS (SELECT 1 FROM fills WHERE order_id = o.id) AND ($1::int, $2::int, $3::timestamptz) IS NOT NULL
"""
FUNDING = """
    INSERT INTO funding_payments (venue, payment_id, symbol, position_id, amount, asset, paid_at)
    SELECT venue, 'paid' || id, symbol, id, 0.1, 'USDT', opened_at FROM positions
     WHERE ($1::int, $2::int, $3::timestamptz) IS NOT NULL
    ON CONFLICT DO NOTHING
"""
HANDS = """
    WITH placed AS (INSERT INTO external_orders (venue, symbol, venue_order_id, client_order_id, side, type, quantity, status,
                                                 seen_at, gone_at)
                    SELECT venue, symbol, 'hand' || n, 'hand' || n, 'buy', 'limit', 1, 'filled', $3::timestamptz,
                           $3::timestamptz
                      FROM generate_series($1::int, $2::int) AS n, market_symbols WHERE symbol = 'BTCUSDT')
    INSERT INTO external_fills (venue, symbol, trade_id, client_order_id, side, quantity, price, fee, fee_asset, executed_at)
    SELECT venue, symbol, 'hand' || n, 'hand' || n, 'buy', 1, 100, 0, 'USDT', $3::timestamptz - n * interval '1 hour'
      FROM generate_series($1::int, $2::int) AS n, market_symbols WHERE symbol = 'BTCUSDT'
"""
DECISIONS = """
    INSERT INTO decision_runs (bot, candle_ts, intent, signal, reason, path, indicators, decided_at)
    SELECT name, $3::timestamptz - n * interval '1 second', 'none', 'none', '', 'primary', '{}', $3::timestamptz
      FROM generate_series($1::int, $2::int) AS n, bot_configs
"""
# The older, the higher: it went down ever since, and somebody has resumed from that.
SNAPSHOTS = """
    INSERT INTO equity_snapshots (ts, account, bot, equity, cash, exposure, unrealized_pnl, unit_value)
    SELECT $3::timestamptz - n * interval '1 minute', 'default', bot, 1000 + n, 0, 0, 0, 1000 + n
      FROM generate_series($1::int, $2::int) AS n, unnest(ARRAY[NULL, 'one']) AS bot
"""
TRANSFERS = """
    INSERT INTO transfers (venue, transfer_id, account, asset, amount, worth, inferred, at, seen_at)
    SELECT m.venue, 'transfer' || n, 'default', m.quote_asset, 1, 1, n % 2 = 0, at, at
      FROM (SELECT n, $3::timestamptz - n * interval '1 hour' AS at
              FROM generate_series($1::int, $2::int) AS n) AS made, market_symbols AS m
     WHERE m.symbol = 'BTCUSDT'
"""
PURSES = """
    INSERT INTO purses SELECT 'default', venue, quote_asset, 1000, 0, 0, $3::timestamptz, $3::timestamptz
      FROM market_symbols WHERE symbol = 'BTCUSDT' AND ($1::int, $2::int) IS NOT NULL
    ON CONFLICT DO NOTHING
"""
HISTORY = (
    *(
        POSITIONS,
        GROUPS,
        ORDERS,
        SEARCHES,
        FILLS,
        FUNDING,
        HANDS,
        DECISIONS,
        SNAPSHOTS,
        TRANSFERS,
        PURSES,
    ),
)
SUMS = "asset_sums, bot_sums, dust, futures_dust, transfer_sums, account_peaks"
RESUMED = NOON - timedelta(minutes=100)
AN_HOUR_AGO = NOON - timedelta(hours=1)
PLACE = (SCRIPTED, SYMBOL)
ROW: Final[tuple[object, ...]] = (
    *(
        ACCOUNT,
        1,
        1_000_000,
        "new",
        None,
        None,
        BOT,
        *PLACE,
        "entry",
        "buy",
        "market",
        "ioc",
        "spot",
    ),
    *(1, False, ONE, None, None, None, {}, "told", "h", NOON, NOON, None, None, None, Decimal(0)),
    *("last", False, True, NOON, "entry", "buy", "told", "primary", {}, {}, NOON),
)
EXIT_ROW: Final[tuple[object, ...]] = (
    *(ACCOUNT, 1, 1_000_001, "exit", 1, None, BOT, *PLACE),
    *("exit", "sell", "market", "ioc", "spot", 1, False, ONE, None, None, None, None),
    *("told", "h", NOON, NOON, None, None, None, Decimal(0), "last"),
    *("market", True, NOON, "exit", "sell", "told", "primary", {}, {}, NOON),
)
ASKED: Final[dict[str, tuple[str, tuple[object, ...]]]] = {
    # An entry.
    "the state of a bot": (bots.TAKE_LEASE, (BOT, 2)),
    "the latest decision": (decisions.SELECT_LATEST, (BOT,)),
    "what keeps a bot from entering": (entry_rows.LOCK, (BOT,)),
    "the row of an entry": (entry_rows.INSERT, ROW),
    "what an entry is judged by": (
        entry_facts.SELECT,
        (ACCOUNT, NOON - timedelta(hours=12), AN_HOUR_AGO, BOT, AN_HOUR_AGO),
    ),
    "what bots have realized": (equity.SELECT_BOT_FLOWS, ()),
    "the day's first and the highest equity": (
        equity.SELECT_EXTREMES,
        (ACCOUNT, NOON - timedelta(hours=12), NOON - timedelta(minutes=1)),
    ),
    "what purses have been brought": (transfers.SELECT_PURSES, (ACCOUNT,)),
    "whether an entry is unsettled": (orders.SELECT_ENTRY_UNSETTLED, (BOT, SYMBOL)),
    # The account's worth.
    "a snapshot": (
        equity.INSERT_SNAPSHOTS,
        (NOON, ACCOUNT, [None], [ONE], [ONE], [ONE], [ONE], ONE),
    ),
    "purses as they are now": (
        transfers.PUT_PURSES,
        (ACCOUNT, [SCRIPTED], ["USDT"], [ONE], [ONE], NOON, [ONE], [], []),
    ),
    "transfers that were inferred of late": (
        transfers.LOCK_INFERRED,
        (ACCOUNT, SCRIPTED, "USDT", ONE, NOON - timedelta(hours=3), NOON),
    ),
    "units, and transfers that no snapshot has counted": (account_units.SELECT, (ACCOUNT,)),
    "the last transfer that was told": (transfers.SELECT_SINCE, (ACCOUNT, SCRIPTED, NOON)),
    # Exits and fills.
    "open positions": (open_positions.SELECT_OPEN_PAGE, (0, 1000)),
    "their versions": (open_positions.SELECT_VERSIONS, (0, 1000)),
    "those that are new": (open_positions.SELECT_THOSE, ([1, 2],)),
    "open futures": (positions.SELECT_OPEN_FUTURES, (*PLACE, "long")),
    "what an exit is made from": (exit_reads.SELECT, (1,)),
    "exits of a position": (exit_groups.SELECT, ([1, 2],)),
    "groups of closed positions that are not": (exit_groups.SELECT_LEFTOVER, (10,)),
    "the end of a group": (exit_groups.CLOSE, (1,)),
    "dust that an exit may sell": (dust.SELECT_AVAILABLE, (*PLACE, 1)),
    "an order": (orders.SELECT_FOR_UPDATE, ("entry1",)),
    "the row of an exit": (exit_rows.INSERT, EXIT_ROW),
    "what an entry's fills meet": (report_rows.SELECT_FOR_ENTRY, (*PLACE, ["trade1"], BOT)),
    "what an exit's fills meet": (report_rows.SELECT_FOR_EXIT, (*PLACE, ["trade1"], 1, NOON)),
    "whether a position's orders are settled": (orders.SELECT_POSITION_UNSETTLED, (1,)),
    "a fill": (fills.SELECT_FILL, (*PLACE, "trade1")),
    "the latest fill of a position": (fills.SELECT_LATEST, (1, NOON)),
    "fees that nobody could value": (unvalued_fees.SELECT_UNVALUED, ("", "", 0, 100)),
    "whose a venue's id is": (order_venue_ids.SELECT_OWNER, (["entry1"], *PLACE)),
    "whose fills are": (
        externals.SELECT_KNOWN,
        (SCRIPTED, [SYMBOL], ["trade1"], [None], ["entry1"]),
    ),
    # Reconciliation.
    "resting entries": (entry_orders.SELECT_RESTING, (None,)),
    "orders that are not settled": (orders.SELECT_UNSETTLED, ()),
    "orders in doubt": (order_searches.SELECT_IN_DOUBT, ()),
    "symbols with orders in doubt": (order_searches.SELECT_SYMBOLS_OPEN, (SCRIPTED,)),
    "doubts": (order_searches.SELECT_DOUBTS, (SCRIPTED,)),
    "what is held": (positions.SELECT_SUMS, ()),
    "what came and went of each asset": (asset_sums.SELECT_FLOWS, (SCRIPTED,)),
    "orders of other hands that are gone": (externals.MARK_GONE, (SCRIPTED, [], NOON)),
    "excess of exits": (externals.SELECT_EXCESS, (SCRIPTED,)),
    "forced closes": (externals.SELECT_FORCED, (100,)),
    "dust of futures": (positions.SELECT_FUTURES_DUST, (*PLACE, "long", 100)),
    "who has left dust that is paid for": (funding.LOCK_LEFT, (*PLACE, AN_HOUR_AGO)),
    "what may be adopted": (externals.SELECT_UNADOPTED, (SCRIPTED, 100)),
    "the last funding": (funding.SELECT_LAST, (SCRIPTED,)),
    "funding of nobody": (funding.SELECT_UNCLAIMED, (SCRIPTED, AN_HOUR_AGO, 100)),
}


async def lives(connection: Connection, first: int, last: int) -> None:
    await connection.execute("SET statement_timeout = '60s'")  # years in one statement
    for statement in HISTORY:
        await connection.execute(statement, first, last, NOON)
    await connection.execute(
        f"VACUUM FULL {SUMS}"
    )  # a long history in one moment leaves holes there
    await connection.execute("VACUUM ANALYZE")
    await connection.execute("RESET statement_timeout")


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for each in plan.get("Plans", ()):
        yield from nodes(each)


async def read_by(connection: Connection, sql: str, values: tuple[object, ...]) -> tuple[int, int]:
    """(rows, blocks) that the statement reads from tables and indexes, whether it keeps them or not."""
    await connection.execute("BEGIN")
    (explained,) = await connection.fetchval(
        "EXPLAIN (ANALYZE, BUFFERS, TIMING off, FORMAT json) " + sql, *values
    )
    await connection.execute("ROLLBACK")
    rows = 0.0
    for node in nodes(explained["Plan"]):
        if node["Node Type"].endswith("Scan") and "Relation Name" in node:
            removed = node.get("Rows Removed by Filter", 0)
            rows += (node["Actual Rows"] + removed) * node["Actual Loops"]
    plan = explained["Plan"]
    return round(rows), plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]


async def test_a_longer_history_is_read_no_more(database: Database) -> None:
    """M5.8: ten times the trades, and each statement of the order path reads as many rows."""
    await open_harness(database, spec(BOT), spec("two"))
    async with database.connection() as connection:
        await settings.put(connection, settings.ACCOUNT_PEAK_SINCE, RESUMED.isoformat())
        await lives(connection, 1, FEW)
        before = {name: await read_by(connection, *asked) for name, asked in ASKED.items()}
        await lives(connection, FEW + 1, MANY)
        later = {name: await read_by(connection, *asked) for name, asked in ASKED.items()}

    grown = {
        name: f"{before[name]} (rows, blocks) before, {(rows, blocks)} now"
        for name, (rows, blocks) in later.items()
        if rows > before[name][0] + A_FEW_MORE or blocks > 2 * before[name][1] + A_FEW_MORE
    }
    assert grown == {}


async def test_cash_is_compared_without_the_history_of_a_venue_of_our_own(
    database: Database,
) -> None:
    """M5.8: where no other hand trades, as on paper."""
    await open_harness(database, spec(BOT), spec("two"))
    asked = cash.SELECT_EXPECTED, (SCRIPTED, ["USDT"])
    async with database.connection() as connection:
        for first, last in ((1, FEW), (FEW + 1, MANY)):
            await lives(connection, first, last)
            await connection.execute("DELETE FROM external_fills")
            await connection.execute("VACUUM external_fills")
            rows, _ = await read_by(connection, *asked)
            assert rows < FEW
