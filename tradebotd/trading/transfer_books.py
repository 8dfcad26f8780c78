"""What came into the account and left it: told by its venues, or inferred from cash that jumped.

The day's first equity and the highest one are moved by it, so that it is neither gain nor loss.
"""

import traceback
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

import anyio
import structlog

from tradebotd.domain.decimals import ZERO
from tradebotd.domain.errors import FeedError, VenueError
from tradebotd.domain.ids import VenueName
from tradebotd.domain.transfer import Transfer
from tradebotd.ports.venue import Venue
from tradebotd.storage import alerts, transfers
from tradebotd.storage.database import Connection, Database
from tradebotd.storage.equity import Purse
from tradebotd.storage.transfers import Seen
from tradebotd.trading.currencies import Currencies

log = structlog.get_logger(__name__)

JUMPED: Final = "cash_jumped"
ASK_SECONDS: Final = 10.0
OVERLAP: Final = timedelta(days=1)  # a transfer may be told late
TOLD_FOR: Final = timedelta(days=1)
NOTICED: Final = Decimal("0.001")  # of the equity: less is fees and interest, and counts as such


class TransferBooks:
    """Of one account, in its currency."""

    def __init__(
        self,
        *,
        database: Database,
        venues: Mapping[VenueName, Venue],
        currencies: Currencies,
        account: str,
    ) -> None:
        self._database = database
        self._venues = venues
        self._currencies = currencies
        self._account = account

    async def pull(self, now: datetime) -> dict[VenueName, str]:
        """Ask whoever can tell; returns who did not, and why. Raises DatabaseUnavailableError."""
        failed: dict[VenueName, str] = {}
        told: dict[VenueName, Sequence[Transfer]] = {}
        since = await self._since()
        async with anyio.create_task_group() as asking:
            for name in since:
                asking.start_soon(self._ask, name, since[name], told, failed)
        for name in sorted(told):
            for each in told[name]:
                await self._book(each, now)
        return failed

    async def _since(self) -> dict[VenueName, datetime]:
        """Whom to ask, and from when on; nothing of the others is in any equity yet."""
        since = {}
        async with self._database.connection() as connection:
            for name, venue in sorted(self._venues.items()):
                if venue.traits.tells_transfers:
                    seen = await transfers.select_since(connection, self._account, name)
                    if seen is not None:
                        first, last = seen
                        since[name] = max(first, last - OVERLAP)
        return since

    async def _ask(
        self,
        name: VenueName,
        since: datetime,
        told: dict[VenueName, Sequence[Transfer]],
        failed: dict[VenueName, str],
    ) -> None:
        try:
            with anyio.fail_after(ASK_SECONDS):
                told[name] = await self._venues[name].transfers_since(since)
        except (VenueError, TimeoutError) as error:
            failed[name] = f"{type(error).__name__}: {error}"
        except Exception as error:  # noqa: BLE001 - an adapter may fail in any way
            trace = traceback.format_exc()  # not by exc_info: renderers read source files
            log.error("a venue's transfers failed", venue=name, traceback=trace)  # noqa: TRY400
            failed[name] = f"{type(error).__name__}: {error}"

    async def _book(self, transfer: Transfer, now: datetime) -> None:
        if not transfer.amount.is_finite():
            log.error("a transfer is no number", venue=transfer.venue, id=transfer.transfer_id)
            return
        try:
            rate = self._rate(transfer.asset)
        except FeedError as error:
            log.warning("a transfer waits for a price", asset=transfer.asset, error=str(error))
            return
        async with self._database.transaction(durable=True) as connection:
            if not await transfers.insert_told(connection, self._account, transfer, rate, now):
                return
            subject = f"{transfer.venue} {transfer.asset}"
            await alerts.clear(connection, [JUMPED], subject, now)
        log.info(
            "transfer booked",
            venue=transfer.venue,
            asset=transfer.asset,
            amount=transfer.amount,
            at=transfer.at,
        )

    def _rate(self, asset: str) -> Decimal:
        """What is not counted as cash is worth nothing here. Raises FeedError."""
        return self._currencies.rate(asset) if asset in self._currencies.cash else ZERO

    async def moved(
        self,
        connection: Connection,
        cash: Mapping[Purse, Decimal],
        booked: Mapping[Purse, Decimal],
        equity: Decimal,
    ) -> dict[Purse, Decimal]:
        """By how much each purse has jumped since the last snapshot, for no reason that is known.

        *booked*: what our books say has moved in it, of the same moment as *cash*. A purse that is
        counted for the first time has come in, and one that is counted no more has left.
        """
        seen = await transfers.select_purses(connection, self._account)
        if not seen:
            return {}
        jumps = {}
        for purse in sorted({*seen, *cash}):
            known, now = seen.get(purse), cash.get(purse)
            amount = _unexplained(known, now, booked.get(purse, ZERO))
            if not amount or not self._currencies.converts(purse[1]):
                continue  # of what nothing converts any more nobody can say what it was worth
            if self._is_noticed(purse, amount, equity):
                jumps[purse] = amount
        return jumps

    def worth_of(self, jumps: Mapping[Purse, Decimal]) -> Decimal:
        return sum((self._currencies.rate(asset) * jumps[_, asset] for _, asset in jumps), ZERO)

    async def settle(
        self,
        connection: Connection,
        cash: Mapping[Purse, Decimal],
        booked: Mapping[Purse, Decimal],
        equity: Decimal,
        now: datetime,
    ) -> None:
        """What has jumped becomes a transfer that is inferred, and is said. In the caller's

        transaction, before its snapshot.
        """
        for purse, amount in (await self.moved(connection, cash, booked, equity)).items():
            # What was booked later than the venue had counted it comes back with the other sign.
            undone, _ = await transfers.take_back(
                connection, self._account, purse, -amount, now - transfers.LATER, now
            )
            if self._is_noticed(purse, undone, equity):
                await self._infer(connection, purse, -undone, now)
            else:
                await alerts.clear(connection, [JUMPED], " ".join(purse), now)
        await transfers.put_purses(connection, self._account, cash, booked, now)
        await alerts.clear_older(connection, JUMPED, now - TOLD_FOR, now)

    async def _infer(
        self, connection: Connection, purse: Purse, amount: Decimal, now: datetime
    ) -> None:
        venue, asset = purse
        inferred = Transfer(
            venue=venue,
            transfer_id=f"inferred {asset} {now.isoformat()}",
            asset=asset,
            amount=amount,
            at=now,
        )
        worth = self._currencies.rate(asset) * amount
        await transfers.insert_inferred(connection, self._account, inferred, worth)
        went = "came in" if amount > 0 else "left"
        message = (
            f"{abs(amount):f} {asset} {went}, and no fill, funding or transfer says why:"
            " no gain and no loss is made of it"
        )
        await alerts.raise_alert(connection, JUMPED, "warning", " ".join(purse), message, now)
        log.warning("cash jumped", venue=venue, asset=asset, amount=amount)

    def _is_noticed(self, purse: Purse, amount: Decimal, equity: Decimal) -> bool:
        return abs(self._currencies.rate(purse[1]) * amount) > NOTICED * abs(equity)


def _unexplained(seen: Seen | None, cash: Decimal | None, booked: Decimal) -> Decimal:
    if seen is None:
        return ZERO if cash is None else cash
    if cash is None:
        return -seen.cash
    return cash - seen.cash - (booked - seen.booked) - seen.told
