"""Summary of a replay at speed 0, read from the database and printed when its data has ended."""

import sys
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, NamedTuple

from tradebotd.storage import leadership
from tradebotd.storage.postgres.database import Database
from tradebotd.storage.replay_results import (
    BotTrades,
    EquityCurve,
    equity_curves,
    trades_by_bot,
)

NO_BOTS: Final = "no bot is configured"


class ReplaySummary(NamedTuple):
    """`curves` by bot, None for the account, whose money is *currency*.

    `others`: accounts that have used this database, too; what they traded is among the trades.
    """

    currency: str
    others: Sequence[str]
    bots: Sequence[BotTrades]
    curves: Mapping[str | None, EquityCurve]


async def read_summary(
    database: Database, account: str, currency: str, bots: Sequence[str]
) -> ReplaySummary:
    """*bots*: names of the configured ones. Raises DatabaseUnavailableError."""
    async with database.connection() as connection:
        trades = await trades_by_bot(connection, bots)
        curves = await equity_curves(connection, account)
        accounts = await leadership.known_accounts(connection)
    others = [each for each in accounts if each != account]
    return ReplaySummary(currency=currency, others=others, bots=trades, curves=curves)


def show_summary(summary: ReplaySummary) -> None:
    """Print a table like tradebotctl's, then a line about the account."""
    from tradebotd.cli.client import Answer  # noqa: PLC0415 - only where it is shown
    from tradebotd.cli.columns import Column, Money  # noqa: PLC0415 - only where it is shown
    from tradebotd.cli.tables import show  # noqa: PLC0415 - rich, for this alone

    columns = (
        Column("bot", "bot"),
        Column("symbol", "symbol"),
        Column("trades", "trades", right=True),
        Column("won", "won", right=True),
        Money("P&L", "realized_pnl"),
        Money("fees", "fees", signed=False),
        Column("drawdown", "drawdown", right=True),
        Column("still open", "open", right=True),
    )
    show(
        columns,
        [_row(bot_trades, summary.curves) for bot_trades in summary.bots],
        Answer(data=None, now=None),
        empty=NO_BOTS,
    )
    sys.stdout.write("\n".join([*_strangers(summary), account_line(summary)]) + "\n")
    sys.stdout.flush()


def _strangers(summary: ReplaySummary) -> list[str]:
    if not summary.others:
        return []
    words = (
        "trades are those of this database, which other accounts have used, too"
        f" ({', '.join(summary.others)}); equity is this account's"
    )
    return [words]


def account_line(summary: ReplaySummary) -> str:
    """Format the account's line.

    `account: equity 10,000.00 -> 9,958.12 USDT (-0.42 %), drawdown 1.20 %, 2025-01-01 …`
    """
    from tradebotd.cli.formatting import money  # noqa: PLC0415 - only where it is shown

    curve = summary.curves.get(None)
    if curve is None:
        return "account: its equity was never taken"
    change = f" ({(curve.last / curve.first - 1) * 100:+.2f} %)" if curve.first > 0 else ""
    return (
        f"account: equity {money(str(curve.first))} -> {money(str(curve.last))} {summary.currency}"
        f"{change}, drawdown {_percent(curve.drawdown)},"
        f" {curve.since:%Y-%m-%d %H:%M} to {curve.until:%Y-%m-%d %H:%M} UTC"
    )


def _row(bot: BotTrades, curves: Mapping[str | None, EquityCurve]) -> dict[str, Any]:
    curve = curves.get(bot.bot)
    return {
        "bot": bot.bot if bot.configured else f"{bot.bot} (not configured)",
        "symbol": bot.symbol,
        "quote_asset": bot.quote_asset,
        "trades": bot.trades,
        "won": bot.won,
        "realized_pnl": str(bot.realized_pnl),
        "fees": str(bot.fees),
        "drawdown": None if curve is None else _percent(curve.drawdown),
        "open": bot.open,
    }


def _percent(share: Decimal) -> str:
    return f"{share * 100:.2f} %"
