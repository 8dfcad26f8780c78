"""Questions to the wallet: what came in or left, and what the key may do. Live alone has it."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from tradebotd.domain.errors import VenueUnavailableError
from tradebotd.domain.ids import VenueName
from tradebotd.domain.transfer import Transfer
from tradebotd.venues.binance.calls import Call, Interface, side_by_side
from tradebotd.venues.binance.payload import Node, to_ms
from tradebotd.venues.binance.permissions import Permissions, permissions_of
from tradebotd.venues.binance.server_time import ServerTime
from tradebotd.venues.binance.spot import paths, transfers

PAGE: Final = 1000
TRANSFER_PAGE: Final = 100
MOST_PAGES: Final = 50
# A record is found by when it was applied for, and counts from when it was done.
TAKES: Final = timedelta(days=3)
A_MINUTE: Final = timedelta(minutes=1)

Read = Callable[[Node, VenueName], Transfer | None]


class Wallet:
    def __init__(self, venue: VenueName, interface: Interface, time: ServerTime) -> None:
        self._venue, self._ask, self._time = venue, interface.ask, time

    async def permissions(self) -> Permissions:
        return permissions_of(
            await self._ask(paths.PERMISSIONS), trades="enableSpotAndMarginTrading"
        )

    async def transfers_since(self, since: datetime) -> Sequence[Transfer]:
        told = await side_by_side(
            [
                partial(self._listed, paths.DEPOSITS, since, transfers.deposit_of),
                partial(self._listed, paths.WITHDRAWALS, since, transfers.withdrawal_of),
                *(
                    partial(self._between_wallets, kind, since)
                    for kind in (*transfers.INTO, *transfers.OUT_OF)
                ),
            ]
        )
        found = {each.transfer_id: each for part in told for each in part if each.at >= since}
        return sorted(found.values(), key=lambda each: (each.at, each.transfer_id))

    async def _listed(self, call: Call, since: datetime, read: Read) -> list[Transfer]:
        """Return records of one list, by windows of less than 90 days and pages within them."""
        found: list[Transfer] = []
        for start, end in self._windows(since - TAKES):
            for page in range(MOST_PAGES):
                window = {
                    "startTime": str(to_ms(start)),
                    "endTime": str(to_ms(end)),
                    "offset": str(page * PAGE),
                    "limit": str(PAGE),
                }
                rows = list((await self._ask(call, window)).items())
                found += [told for each in rows if (told := read(each, self._venue)) is not None]
                if len(rows) < PAGE:
                    break
            else:
                raise VenueUnavailableError(f"{call.path}: more than {MOST_PAGES} pages")
        return found

    async def _between_wallets(self, kind: str, since: datetime) -> list[Transfer]:
        """Return transfers of one *kind*; they are kept for six months."""
        oldest = self._time.now() - transfers.TRANSFERS_REACH + A_MINUTE
        found: list[Transfer] = []
        for page in range(1, MOST_PAGES + 1):
            told = await self._ask(
                paths.TRANSFERS,
                {
                    "type": kind,
                    "startTime": str(to_ms(max(since, oldest))),
                    "current": str(page),
                    "size": str(TRANSFER_PAGE),
                },
            )
            # The list is left out where there is nothing to tell.
            rows = told.rows("rows") if told.integer("total") else []
            found += [
                each
                for row in rows
                if (each := transfers.transfer_of(row, self._venue)) is not None
            ]
            if len(rows) < TRANSFER_PAGE:
                return found
        raise VenueUnavailableError(f"{paths.TRANSFERS.path}: more than {MOST_PAGES} pages")

    def _windows(self, since: datetime) -> Iterator[tuple[datetime, datetime]]:
        end, start = self._time.now() + A_MINUTE, since
        while start <= end:
            until = min(start + transfers.LONGEST - A_MINUTE, end)
            yield start, until
            start = until + timedelta(milliseconds=1)
