"""B15: one entry with 300,000 equity snapshots and 100,000 closed positions behind it.

The time of the database is the sum of its statements' round trips, from sending each until its
answer was read: one bot enters at a time and nothing else runs, so nearly all of it is the server,
the two commits and their fsync included. Taken with a tenth of that history beside it, in the same
run.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Final, LiteralString

from benchmarks.beside import OldCheckout
from benchmarks.cluster import Cluster
from benchmarks.entry_case import BOOKS, EntryCase, entry_case
from benchmarks.measure import Limit, Options, Row, run_on_loop
from benchmarks.trading_case import ACCOUNT
from tradebotd.domain.ids import BotName
from tradebotd.domain.signal import SignalKind
from tradebotd.storage.postgres.database import Database

BOTS: Final = 100
SNAPSHOTS: Final = 300_000
CLOSED: Final = 100_000
TENTH: Final = 10
AS_CONSTANT: Final = 1.25
FILL_SECONDS: Final = 600.0

# Nothing was earned, and no equity was higher than the stored one: all sums are as they were.
UNTRIGGERED: Final[LiteralString] = (
    "SET LOCAL session_replication_role = replica; SET LOCAL statement_timeout = 0"
)

# One of the account and one of each bot, minute after minute.
INSERT_SNAPSHOTS: Final[LiteralString] = """
    INSERT INTO equity_snapshots (ts, account, bot, equity, cash, exposure, unrealized_pnl, unit_value)
    SELECT now() - interval '60 days' + n / ($3 + 1) * interval '1 minute', $2,
           CASE n % ($3 + 1) WHEN 0 THEN NULL ELSE 'bot_ESYM' || to_char(n % ($3 + 1) - 1, 'FM0000') END,
           CASE n % ($3 + 1) WHEN 0 THEN 1000000 ELSE 10000 END, 1000, 0, 0,
           CASE n % ($3 + 1) WHEN 0 THEN 1 END
      FROM generate_series(0, $1::int - 1) AS n
"""  # noqa: E501
INSERT_CLOSED: Final[LiteralString] = """
    INSERT INTO positions (bot, venue, symbol, side, position_type, quantity, entry_quantity, entry_price, entry_cost,
                           cost, exit_quantity, exit_price, exit_proceeds, best_price, exits, opened_at, closed_at,
                           close_reason)
    SELECT 'bot_ESYM' || to_char(n % $3, 'FM0000'), $2, 'ESYM' || to_char(n % $3, 'FM0000'), 'long', 'spot', 0, 1, 100,
           100, 0, 1, 100, 100, 100, '{"stop_loss": "0.05", "take_profit": "0.1"}', opened_at,
           opened_at + interval '10 seconds', 'signal'
      FROM (SELECT n, now() - interval '50 days' + n * interval '20 seconds' AS opened_at
              FROM generate_series(0, $1::int - 1) AS n) AS made
"""  # noqa: E501
INSERT_GROUPS: Final[LiteralString] = """
    INSERT INTO exit_groups (position_id, role, kind, made_at) SELECT id, 'closed', 'market', closed_at FROM positions
"""  # noqa: E501
INSERT_ORDERS: Final[LiteralString] = """
    INSERT INTO orders (client_order_id, position_id, exit_group_id, bot, venue, symbol, role, side, type, time_in_force,
                        position_type, reduce_only, quantity, filled_quantity, venue_filled_quantity, average_price,
                        status, reason, params_hash, leader_token, send_by, created_at, updated_at)
    SELECT made.role || p.id, p.id, CASE made.role WHEN 'exit' THEN g.id END, p.bot, p.venue, p.symbol, made.role,
           made.side, 'market', 'ioc', 'spot', made.role = 'exit', 1, 1, 1, 100, 'filled', 'signal', 'x', 1, p.opened_at,
           p.opened_at, p.closed_at
      FROM positions AS p
      JOIN exit_groups AS g ON g.position_id = p.id
     CROSS JOIN (VALUES ('entry', 'buy'), ('exit', 'sell')) AS made (role, side)
"""  # noqa: E501
INSERT_FILLS: Final[LiteralString] = """
    INSERT INTO fills (order_id, position_id, venue, symbol, trade_id, side, quantity, price, fee, fee_asset, executed_at,
                       fee_rate, fee_value)
    SELECT id, position_id, venue, symbol, 'old' || id, side, 1, 100, 0, 'USDT', updated_at, 1, 0 FROM orders
"""  # noqa: E501


@dataclass(slots=True)
class Figures:
    """Milliseconds of the database; statements."""

    long: list[float] = field(default_factory=list)
    short: list[float] = field(default_factory=list)
    statements: list[float] = field(default_factory=list)


def measure(cluster: Cluster, options: Options) -> list[Row]:
    figures = Figures()

    async def rounds() -> None:
        async with cluster.opened() as one, cluster.opened() as other:
            short = await _case(one, SNAPSHOTS // TENTH, CLOSED // TENTH)
            long = await _case(other, SNAPSHOTS, CLOSED)
            bots = iter(long.specs)
            for bot in (next(bots), *islice(bots, options.rounds)):
                figures.short.append(await _entry(short, bot))
                figures.long.append(await _entry(long, bot))
                figures.statements.append(len(long.traffic.statements))

    run_on_loop(rounds)
    for each in (figures.short, figures.long, figures.statements):
        del each[0]  # its connections were cold
    old: Mapping[str, float] = {}
    if options.beside is not None:
        checkout = OldCheckout(options.beside)
        old = checkout.measured(cluster, "history", SNAPSHOTS, CLOSED, options.rounds + 1)
    return _rows(figures, list(old.values())[1:])


async def _case(opened: Database, snapshots: int, closed: int) -> EntryCase:
    case = await entry_case(opened, bots=BOTS, seconds=0)
    async with opened.transaction() as connection:
        await connection.execute(UNTRIGGERED)
        for statement, arguments in (
            (INSERT_SNAPSHOTS, (snapshots, ACCOUNT, BOTS)),
            (INSERT_CLOSED, (closed, BOOKS, BOTS)),
            (INSERT_GROUPS, ()),
            (INSERT_ORDERS, ()),
            (INSERT_FILLS, ()),
        ):
            await connection.execute(statement, *arguments, timeout=FILL_SECONDS)
    async with opened.connection() as connection:
        await connection.execute("VACUUM ANALYZE", timeout=FILL_SECONDS)
    return case


async def _entry(case: EntryCase, bot: BotName) -> float:
    """Milliseconds."""
    sent = len(case.venue.sent)
    await case.stream.once()
    case.traffic.forget()
    await case.run(SignalKind.BUY, bot)
    if len(case.venue.sent) != sent + 1:
        raise AssertionError(f"{bot} did not enter")
    return sum(case.traffic.seconds) * 1000


def _rows(figures: Figures, old: list[float]) -> list[Row]:
    long = tuple(figures.long)
    rows = [
        Row(
            budget="B15",
            work=f"one entry behind {SNAPSHOTS:,} snapshots and {CLOSED:,} positions: round trips",
            unit="ms",
            rounds=long,
            limit=Limit(sense="at most", value=10),
        ),
        Row(
            budget="B15",
            work="the same beside a tenth of that history",
            unit="ms",
            rounds=long,
            floors=tuple(figures.short),
            floor="a tenth",
            limit=Limit(sense="at most", value=AS_CONSTANT, of="ratio"),
        ),
        Row(
            budget="B15",
            work="statements of that entry",
            unit="statements",
            rounds=tuple(figures.statements),
        ),
    ]
    if old:
        rows.append(
            Row(
                budget="B15",
                work="the same beside e543b7c",
                unit="ms",
                rounds=long,
                floors=tuple(old),
                floor="e543b7c",
            )
        )
    return rows
