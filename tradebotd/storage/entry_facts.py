"""Facts that an entry is judged by: read in one statement, and so all of one moment."""

from datetime import datetime
from decimal import Decimal
from typing import Final, LiteralString, NamedTuple

from tradebotd.domain.ids import BotName, VenueName
from tradebotd.risk.account_units import Units
from tradebotd.storage import account_units, equity, transfers
from tradebotd.storage.equity import AccountHistory, CashKey, Flows
from tradebotd.storage.postgres.database import Connection
from tradebotd.storage.transfers import LastSeen

# $1 account, $2 when its day began, $3 a minute ago, $4 the bot, $5 since when its last stop counts.
_HEAD: Final = """
    SELECT extremes.*, units.*,
           (SELECT count(*) FROM orders WHERE bot = $4 AND role = 'entry' AND created_at > $3) AS entries,
           (SELECT max(closed_at) FROM positions
             WHERE bot = $4 AND closed_at > $5 AND close_reason IN ('stop_loss', 'trailing_stop')) AS stopped_at,
           ARRAY(SELECT ($4, venue, asset, realized) FROM bot_sums WHERE bot = $4
                 UNION ALL SELECT ($4, NULL, NULL, NULL) FROM bot_configs WHERE name = $4) AS bots,
           ARRAY(SELECT purse FROM ("""
SELECT: Final[LiteralString] = (
    _HEAD
    + transfers.SELECT_PURSES
    + ") AS purse) AS purses, "
    + equity.FLOWS
    + " FROM ("
    + equity.SELECT_EXTREMES
    + ") AS extremes, ("
    + account_units.SELECT
    + ") AS units"
)


class EntryHistory(NamedTuple):
    """Recent entries of a bot. `entries`: in the last minute; `stopped_at`: last close by a stop."""

    entries: int
    stopped_at: datetime | None


class AccountRecord(NamedTuple):
    """Record of an account. `unweighed`: worth of the transfers that no snapshot has counted, by venue.

    `seen`: each purse as the last snapshot has seen it.
    """

    history: AccountHistory
    units: Units
    unweighed: dict[VenueName, Decimal]
    seen: dict[CashKey, LastSeen]


class EntryFacts(NamedTuple):
    """Facts for an entry of one bot; `flows` has that bot alone, and the holdings of all."""

    record: AccountRecord
    flows: Flows
    own: EntryHistory


async def select(
    connection: Connection,
    account: str,
    bot: BotName,
    *,
    day_began: datetime,
    minute_ago: datetime,
    stops_since: datetime,
) -> EntryFacts:
    row = await connection.fetchrow(SELECT, account, day_began, minute_ago, bot, stops_since)
    units, unweighed = account_units.units_of(row)
    return EntryFacts(
        record=AccountRecord(
            history=equity.history_of(row),
            units=units,
            unweighed=unweighed,
            seen=transfers.last_seen_of(row["purses"]),
        ),
        flows=equity.flows_of(row),
        own=EntryHistory(entries=row["entries"], stopped_at=row["stopped_at"]),
    )


async def select_record(
    connection: Connection, account: str, day_began: datetime, minute_ago: datetime
) -> AccountRecord:
    """Return the account's record alone, for a snapshot that is being judged."""
    units, unweighed = await account_units.select(connection, account)
    return AccountRecord(
        history=await equity.select_history(connection, account, day_began, minute_ago),
        units=units,
        unweighed=unweighed,
        seen=await transfers.select_last_seen(connection, account),
    )
