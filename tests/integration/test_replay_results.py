"""What a replay came to: every trade and every open position of the books is on some line."""

import io
from contextlib import redirect_stdout
from decimal import Decimal

from tests.fakes.trading import ACCOUNT, open_harness, spec
from tradebotd.clocks.host import host_now
from tradebotd.daemon.replay_summary import ReplaySummary, read_summary, show_summary
from tradebotd.storage import bots, leadership, process_identity
from tradebotd.storage.postgres.database import Database

OTHER = "ETHUSDT"
OURSELVES = process_identity.Holder(
    machine_id="m", boot_id="b", pid=2, pid_started=1, pid_namespace="n", host="here"
)


async def summary_of(database: Database, *configured: str) -> ReplaySummary:
    return await read_summary(database, ACCOUNT, "USDT", configured)


def lines(summary: ReplaySummary) -> dict[tuple[str, str], tuple[bool, int, int]]:
    """Configured, trades and open positions, by bot and symbol."""
    return {
        (each.bot, each.symbol): (each.configured, each.trades, each.open) for each in summary.bots
    }


def shown(summary: ReplaySummary) -> str:
    with redirect_stdout(io.StringIO()) as out:
        show_summary(summary)
    return out.getvalue()


async def test_what_a_bot_that_is_gone_holds_is_told(database: Database) -> None:
    """N48: without a closed trade, too; a bot that is gone and never traded is no result."""
    harness = await open_harness(database, spec("held"), spec("idle", OTHER), spec("stays", OTHER))
    await harness.enter("held")
    async with database.transaction(durable=True) as connection:
        await bots.sync_bots(connection, [spec("stays", OTHER)], {}, harness.clock.now())

    summary = await summary_of(database, "stays")

    assert lines(summary) == {
        ("held", "BTCUSDT"): (False, 0, 1),
        ("stays", OTHER): (True, 0, 0),
    }
    assert "held (not configured)" in shown(summary)


async def test_what_a_bot_holds_of_a_symbol_that_it_had_before_is_told(database: Database) -> None:
    """N48: the position, and the bot's line of its present symbol."""
    harness = await open_harness(database, spec("one"))
    await harness.enter("one")
    async with database.transaction(durable=True) as connection:
        await bots.sync_bots(connection, [spec("one", OTHER)], {}, harness.clock.now())

    assert lines(await summary_of(database, "one")) == {
        ("one", "BTCUSDT"): (True, 0, 1),
        ("one", OTHER): (True, 0, 0),
    }


async def test_a_database_that_other_accounts_have_used_is_named(database: Database) -> None:
    """N48: a trade says of no account whose it is, equity does."""
    await open_harness(database, spec("one"))
    assert "other accounts" not in shown(await summary_of(database, "one"))
    async with database.transaction(durable=True) as connection:
        await leadership.take(connection, "former", OURSELVES, host_now())

    summary = await summary_of(database, "one")

    assert summary.others == ["former"]
    assert "which other accounts have used, too (former)" in shown(summary)


async def test_sums_are_of_the_closed_trades(database: Database) -> None:
    """N48: one closed at a gain, one still open, each counted once and at its bot."""
    harness = await open_harness(database, spec("one"), spec("two"))
    await harness.enter("one")
    await harness.stream("111")
    await harness.enter("two")

    summary = await summary_of(database, "one", "two")
    closed = summary.bots[0]
    row = await harness.row("SELECT sum(realized_pnl) AS pnl, sum(fees) AS fees FROM trades")

    assert lines(summary) == {("one", "BTCUSDT"): (True, 1, 0), ("two", "BTCUSDT"): (True, 0, 1)}
    assert (closed.won, closed.realized_pnl, closed.fees) == (1, row["pnl"], row["fees"])
    assert closed.realized_pnl > Decimal(0)
