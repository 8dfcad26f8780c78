"""Transfers of the account: reported by its venues, or inferred from cash that jumped.

The day's first equity and the highest one are moved by the transfer's share of the equity
(`risk/account_units.py`), so that it is neither gain nor loss, and makes none greater or smaller.
"""

import traceback
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Final

import anyio
import structlog

from tradebotd.domain.alert_code import AlertCode
from tradebotd.domain.decimals import ZERO, plain
from tradebotd.domain.errors import FeedError, VenueError, describe_error
from tradebotd.domain.ids import VenueName
from tradebotd.domain.transfer import Transfer
from tradebotd.ports.venue import Venue
from tradebotd.risk.account_units import Units, Weighed, undo, weigh
from tradebotd.storage import account_units, alerts, baselines, transfers
from tradebotd.storage.entry_facts import AccountRecord
from tradebotd.storage.equity import CashKey
from tradebotd.storage.postgres.database import Connection, Database
from tradebotd.storage.transfers import LastSeen, Part
from tradebotd.trading.account.cash_jumps import Jump, common, no_jump, split, unexplained
from tradebotd.trading.account.conversion import CurrencyConverter

log = structlog.get_logger(__name__)

ASK_SECONDS: Final = 10.0
OVERLAP: Final = timedelta(days=1)  # a transfer may be reported late
NOTICED: Final = Decimal("0.001")  # of the equity: less counts as fees and interest


UntoldCash = tuple[VenueName, str, Decimal]  # a venue, an asset, by how much it has changed
PartsOf = Callable[[CashKey, Decimal], Awaitable[Sequence[Part]]]


class TransferRecorder:
    """Recorder of one account's transfers, in its currency."""

    def __init__(
        self,
        *,
        database: Database,
        venues: Mapping[VenueName, Venue],
        currencies: CurrencyConverter,
        account: str,
    ) -> None:
        self._database = database
        self._venues = venues
        self._currencies = currencies
        self._account = account

    async def pull(self, now: datetime) -> dict[VenueName, str]:
        """Ask the venues that report transfers; return those that did not answer, and why.

        Raises DatabaseUnavailableError.
        """
        failed: dict[VenueName, str] = {}
        by_venue: dict[VenueName, Sequence[Transfer]] = {}
        since = await self._since(now)
        async with anyio.create_task_group() as asking:
            for name in since:
                asking.start_soon(self._ask, name, since[name], by_venue, failed)
        for name in sorted(by_venue):
            for transfer in by_venue[name]:
                await self._book(transfer, now)
        return failed

    async def _since(self, now: datetime) -> dict[VenueName, datetime]:
        """Return the venues to ask, and the time to ask from.

        Venues that report no transfers are left out, and those whose cash is in no equity yet.
        """
        since = {}
        async with self._database.connection() as connection:
            for name, venue in sorted(self._venues.items()):
                if venue.traits.tells_transfers:
                    seen = await transfers.select_since(connection, self._account, name, now)
                    if seen is not None:
                        first, last = seen
                        since[name] = max(first, last - OVERLAP)
        return since

    async def _ask(
        self,
        name: VenueName,
        since: datetime,
        by_venue: dict[VenueName, Sequence[Transfer]],
        failed: dict[VenueName, str],
    ) -> None:
        try:
            with anyio.fail_after(ASK_SECONDS):
                by_venue[name] = await self._venues[name].transfers_since(since)
        except (VenueError, TimeoutError) as error:
            failed[name] = describe_error(error)
        except Exception as error:  # noqa: BLE001 - an adapter may fail in any way
            trace = traceback.format_exc()  # not by exc_info: renderers read source files
            log.error("venue transfers failed", venue=name, traceback=trace)  # noqa: TRY400
            failed[name] = describe_error(error)

    async def _book(self, transfer: Transfer, now: datetime) -> None:
        if not transfer.amount.is_finite():
            log.error("invalid transfer ignored", venue=transfer.venue, id=transfer.transfer_id)
            return
        try:
            rate = self._rate(transfer.asset)
        except FeedError as error:
            log.warning("transfer booking deferred", asset=transfer.asset, error=str(error))
            return
        async with self._database.transaction(durable=True) as connection:
            if not await transfers.insert_reported(connection, self._account, transfer, rate, now):
                return
            await baselines.count_in(connection, transfer)
            subject = f"{transfer.venue} {transfer.asset}"
            await alerts.clear(connection, [AlertCode.CASH_JUMPED], subject, now)
        log.info(
            "transfer booked",
            venue=transfer.venue,
            asset=transfer.asset,
            amount=transfer.amount,
            at=transfer.at,
        )

    def _rate(self, asset: str) -> Decimal:
        """Return the rate of *asset*; zero if it does not count as cash. Raises FeedError."""
        return self._currencies.rate(asset) if asset in self._currencies.cash else ZERO

    async def units(
        self,
        record: AccountRecord,
        cash: Mapping[CashKey, Decimal],
        booked: Mapping[CashKey, Decimal],
        equity: Decimal,
        now: datetime,
        *,
        silent: Collection[VenueName] = (),
    ) -> Units | None:
        """Return the units as a snapshot now would make them; None if all would begin anew.

        *booked*: what our books say has moved in each purse, at the same moment as *cash*.
        *silent*: as for `settle`. Raises DatabaseUnavailableError.
        """

        async def parts_of(cash_key: CashKey, amount: Decimal) -> Sequence[Part]:
            async with self._database.connection() as connection:
                return await self._parts(connection, cash_key, amount, now, lock=False)

        now = _not_before(record.seen, now)
        jumps = await self._jumps(parts_of, record.seen, cash, booked, equity, silent)
        stored, peak = record.units, record.history.peak
        reported = _without(record.unweighed, silent)
        undone, weighed = _weighed(stored, reported, jumps, equity, peak, now)
        return None if weighed.against is None or undone.since != stored.since else weighed.units

    async def _jumps(
        self,
        parts_of: PartsOf,
        seen: Mapping[CashKey, LastSeen],
        cash: Mapping[CashKey, Decimal],
        booked: Mapping[CashKey, Decimal],
        equity: Decimal,
        silent: Collection[VenueName],
    ) -> list[Jump]:
        """Return how much each purse has jumped since the last snapshot without a known reason.

        A purse that is counted for the first time has come in, and one that is no longer counted
        has left. *seen*: the purses at the last snapshot. Nothing new is known of the *silent*.
        """
        jumps: list[Jump] = []
        for cash_key in sorted({*seen, *cash}) if seen else ():
            last_seen = seen.get(cash_key)
            if last_seen is not None and cash_key[0] in silent:
                continue
            moved = booked.get(cash_key, ZERO)
            amount = unexplained(last_seen, cash.get(cash_key), moved)
            if not amount or not self._currencies.converts(cash_key[1]):
                # The worth of what no longer converts is unknown.
                jumps.append(no_jump(cash_key, last_seen))
                continue
            late = moved if last_seen is None else moved - last_seen.booked
            noticed = self._is_noticed(cash_key, amount, equity)
            parts: Sequence[Part] = ()
            if noticed or amount * late < 0:
                parts = await parts_of(cash_key, -amount)
            # An amount booked after the venue had counted it comes back with the other sign.
            first, returned = split(parts, late)
            returned = returned if noticed else []
            remaining = -amount - sum((part.amount for part in (*first, *returned)), ZERO)
            late -= sum((part.amount for part in first), ZERO)
            absorbed = ZERO if last_seen is None else last_seen.absorbed
            again = common(remaining, late, absorbed)
            remaining -= again
            rest = -remaining if self._is_noticed(cash_key, remaining, equity) else ZERO
            new = rest - sum((part.amount for part in returned), ZERO)
            jumps.append(
                Jump(
                    cash_key=cash_key,
                    booked=first,
                    returned=returned,
                    amount=rest,
                    worth=self._currencies.rate(cash_key[1]) * new,
                    absorbed=absorbed - again - remaining - rest,
                )
            )
        return jumps

    async def _parts(
        self,
        connection: Connection,
        cash_key: CashKey,
        amount: Decimal,
        now: datetime,
        *,
        lock: bool,
    ) -> Sequence[Part]:
        """Return inferred transfers of *amount*'s sign, which it may be a part of."""
        parts, _ = await transfers.inferred_parts(
            connection, self._account, cash_key, amount, now - transfers.LATER, now, lock=lock
        )
        return parts

    async def settle(
        self,
        connection: Connection,
        cash: Mapping[CashKey, Decimal],
        booked: Mapping[CashKey, Decimal],
        equity: Decimal,
        peak_value: Decimal | None,
        now: datetime,
        *,
        silent: Collection[VenueName] = (),
    ) -> Units:
        """Record jumps as inferred transfers, with their alerts, and return the units.

        In the caller's transaction, before its snapshot, which is in these units. Callers that
        store no snapshot use `units`. *silent*: venues that count with an earlier answer, which
        lacks what they have told since: their purses stay as they were seen, and their transfers
        are weighed with their next answer.
        """
        stored, unweighed = await account_units.select(connection, self._account)
        reported = _without(unweighed, silent)
        seen = await transfers.select_last_seen(connection, self._account)
        now = _not_before(seen, now)

        async def parts_of(cash_key: CashKey, amount: Decimal) -> Sequence[Part]:
            return await self._parts(connection, cash_key, amount, now, lock=True)

        jumps = await self._jumps(parts_of, seen, cash, booked, equity, silent)
        undone, weighed = _weighed(stored, reported, jumps, equity, peak_value, now)
        for jump in jumps:
            venue, _ = jump.cash_key
            take_back = partial(transfers.take_back, connection, self._account, venue)
            await take_back(jump.booked, weighed=False)
            await take_back(jump.returned, weighed=True)
            if jump.amount:
                # Each as if it were the last: taken back, it leaves what is there without it.
                alone = equity - self._worth(jump) if equity > 0 else weighed.against
                against = None if weighed.against is None else alone
                await self._infer(connection, jump, now, against, undone.since)
            elif jump.booked or jump.returned:
                await alerts.clear(
                    connection, [AlertCode.CASH_JUMPED], " ".join(jump.cash_key), now
                )
        if unweighed:
            await transfers.mark_weighed(connection, self._account, silent)
        if weighed.units != stored:
            await account_units.put(connection, self._account, weighed.units)
        absorbed = {jump.cash_key: jump.absorbed for jump in jumps}
        kept = {cash_key for cash_key in seen if cash_key[0] in silent}
        await transfers.put_last_seen(
            connection, self._account, cash, booked, absorbed, now, kept=kept
        )
        return weighed.units

    async def untold(
        self,
        cash: Mapping[CashKey, Decimal],
        booked: Mapping[CashKey, Decimal],
        equity: Decimal,
        now: datetime,
        *,
        silent: Collection[VenueName],
    ) -> frozenset[UntoldCash]:
        """Return what has come in or left at venues that report transfers, and did not report it.

        Raises DatabaseUnavailableError.
        """
        async with self._database.connection() as connection:
            seen = await transfers.select_last_seen(connection, self._account)

            async def parts_of(cash_key: CashKey, amount: Decimal) -> Sequence[Part]:
                return await self._parts(connection, cash_key, amount, now, lock=False)

            jumps = await self._jumps(parts_of, seen, cash, booked, equity, silent)
        return frozenset(
            (*jump.cash_key, jump.amount)
            for jump in jumps
            if jump.amount
            and (venue := self._venues.get(jump.cash_key[0])) is not None
            and venue.traits.tells_transfers
        )

    async def _infer(
        self,
        connection: Connection,
        jump: Jump,
        now: datetime,
        against: Decimal | None,
        since_before: datetime | None,
    ) -> None:
        (venue, asset), amount = jump.cash_key, jump.amount
        inferred = Transfer(
            venue=venue,
            transfer_id=f"inferred {asset} {now.isoformat()}",
            asset=asset,
            amount=amount,
            at=now,
        )
        await transfers.insert_inferred(
            connection,
            self._account,
            inferred,
            self._worth(jump),
            against=against,
            since_before=since_before,
        )
        went = "came in" if amount > 0 else "left"
        message = (
            f"{plain(abs(amount))} {asset} {went}, and no fill, funding or transfer says why:"
            " no gain and no loss is made of it"
        )
        await alerts.raise_alert(
            connection, AlertCode.CASH_JUMPED, "warning", " ".join(jump.cash_key), message, now
        )
        log.warning("cash jumped", venue=venue, asset=asset, amount=amount)

    def _worth(self, jump: Jump) -> Decimal:
        """Return the worth of the new part."""
        return self._currencies.rate(jump.cash_key[1]) * jump.amount

    def _is_noticed(self, cash_key: CashKey, amount: Decimal, equity: Decimal) -> bool:
        return abs(self._currencies.rate(cash_key[1]) * amount) > NOTICED * abs(equity)


def _not_before(seen: Mapping[CashKey, LastSeen], now: datetime) -> datetime:
    """Return *now*, or when the purses were seen last if the clock has been set back since.

    What was inferred then is undone all the same.
    """
    return max([now, *(last_seen.at for last_seen in seen.values())])


def _without(unweighed: Mapping[VenueName, Decimal], silent: Collection[VenueName]) -> Decimal:
    return sum((worth for venue, worth in unweighed.items() if venue not in silent), ZERO)


def _weighed(
    stored: Units,
    reported: Decimal,
    jumps: Sequence[Jump],
    equity: Decimal,
    peak_value: Decimal | None,
    now: datetime,
) -> tuple[Units, Weighed]:
    """Return the units without wrong inferences, and with what has come or left since.

    *reported*: worth of the transfers that were reported since the last snapshot.
    """
    undone = undo(stored, [part.undone for jump in jumps for part in jump.booked], now)
    worth = reported + sum((jump.worth for jump in jumps), ZERO)
    return undone, weigh(undone, equity, worth, peak_value, now)
