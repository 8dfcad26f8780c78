"""A venue whose adapter may fail in a way that nobody foresaw: for its callers it is a VenueError.

An answer with a field less, a number where text was: one venue's surprise must not end a round
over all venues, a sweep over all positions, or an operator's flatten. And a venue that bans us, or
is away until an instant, is asked nothing before it, whoever would.
"""

from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Final, TypeVar

import structlog

from tradebotd.clocks.host import SystemHost
from tradebotd.domain.errors import (
    OrderRejectedError,
    OutcomeUnknownError,
    VenueError,
    VenueUnavailableError,
)
from tradebotd.domain.fill import Fill
from tradebotd.domain.funding import FundingPayment
from tradebotd.domain.ids import ClientOrderId, VenueName
from tradebotd.domain.instrument import Instrument, MarketSymbol
from tradebotd.domain.order import OrderReport, OrderRequest
from tradebotd.domain.quote import Quote
from tradebotd.domain.transfer import Transfer
from tradebotd.domain.venue_ban import VenueBan, VenueBans
from tradebotd.ports.clock import HostClock
from tradebotd.ports.venue import (
    Commission,
    Listener,
    OrderLookup,
    Replaced,
    RunsBetweenCalls,
    SendBlockedBy,
    StreamListener,
    SymbolSetup,
    Venue,
    VenueAccount,
    VenueClock,
    VenueTraits,
)

log = structlog.get_logger(__name__)

T = TypeVar("T")

UNFORESEEN: Final = "unforeseen answer received"
FIRST_PAUSE: Final = 1.0  # seconds, before an adapter that failed is run again; it doubles
LONGEST_PAUSE: Final = 60.0


class ContainedVenue:
    """Implements `Venue` by another one. Time limits and cancellation pass through as they are.

    What sends orders is passed through, too: `Placement` takes whatever it raises for an unknown
    outcome, and records it. *bans*: shared with those who must know of them; none is kept
    without.
    """

    def __init__(
        self, venue: Venue, bans: VenueBans | None = None, host: HostClock | None = None
    ) -> None:
        self._venue = venue
        self._bans = VenueBans() if bans is None else bans
        self._host = host or SystemHost()

    @property
    def name(self) -> VenueName:
        return self._venue.name

    @property
    def traits(self) -> VenueTraits:
        return self._venue.traits

    def listen(self, listener: Listener, on_stream: StreamListener | None = None) -> None:
        self._venue.listen(listener, on_stream)

    async def run(self) -> None:
        """Run what the adapter does between calls, if anything; run it again when it fails.

        How long its stream was away `order_stream_lost` says, and reconciliation finds the rest.
        """
        if not isinstance(self._venue, RunsBetweenCalls):
            return
        pause = FIRST_PAUSE
        while True:
            began = self._host.monotonic()
            try:
                await self._venue.run()
            except Exception:
                if self._host.monotonic() - began >= LONGEST_PAUSE:
                    pause = FIRST_PAUSE  # it had been well for a while
                log.exception("venue adapter failed", venue=self.name, again_in_s=pause)
            else:
                log.warning("venue adapter ended", venue=self.name)
                return
            await self._host.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    async def submit(
        self,
        client_order_id: ClientOrderId,
        request: OrderRequest,
        *,
        send_blocked_by: SendBlockedBy,
    ) -> OrderReport:
        with self._asking(acts=True):
            return await self._venue.submit(
                client_order_id, request, send_blocked_by=send_blocked_by
            )

    async def submit_linked(
        self,
        orders: Sequence[tuple[ClientOrderId, OrderRequest]],
        *,
        send_blocked_by: SendBlockedBy,
    ) -> Sequence[OrderReport]:
        with self._asking(acts=True):
            return await self._venue.submit_linked(orders, send_blocked_by=send_blocked_by)

    async def replace(
        self,
        symbol: str,
        old: ClientOrderId,
        new: ClientOrderId,
        request: OrderRequest,
        *,
        send_blocked_by: SendBlockedBy,
    ) -> Replaced:
        with self._asking(acts=True):
            return await self._venue.replace(
                symbol, old, new, request, send_blocked_by=send_blocked_by
            )

    async def cancel(self, symbol: str, client_order_id: ClientOrderId) -> OrderReport:
        try:
            with self._asking(acts=True):
                return await self._venue.cancel(symbol, client_order_id)
        except (VenueError, TimeoutError):
            raise
        except Exception as error:  # it may have been cancelled
            log.exception(UNFORESEEN, venue=self.name, call="cancel")
            raise OutcomeUnknownError(client_order_id) from error

    async def find_order(self, symbol: str, client_order_id: ClientOrderId) -> OrderLookup:
        return await self._contained(
            "find_order", lambda: self._venue.find_order(symbol, client_order_id)
        )

    async def open_orders(self, symbols: Collection[str]) -> Sequence[OrderReport]:
        return await self._contained("open_orders", lambda: self._venue.open_orders(symbols))

    async def fills_since(self, since: datetime, symbols: Collection[str]) -> Sequence[Fill]:
        return await self._contained("fills_since", lambda: self._venue.fills_since(since, symbols))

    async def funding_since(self, since: datetime) -> Sequence[FundingPayment]:
        return await self._contained("funding_since", lambda: self._venue.funding_since(since))

    async def transfers_since(self, since: datetime) -> Sequence[Transfer]:
        return await self._contained("transfers_since", lambda: self._venue.transfers_since(since))

    async def account(self) -> VenueAccount:
        return await self._contained("account", self._venue.account)

    async def quotes(self, symbols: Sequence[MarketSymbol]) -> dict[str, Quote]:
        return await self._contained("quotes", lambda: self._venue.quotes(symbols))

    async def instruments(self, symbols: Sequence[MarketSymbol]) -> dict[str, Instrument]:
        return await self._contained("instruments", lambda: self._venue.instruments(symbols))

    async def commissions(self, symbols: Sequence[MarketSymbol]) -> dict[str, Commission]:
        return await self._contained("commissions", lambda: self._venue.commissions(symbols))

    async def set_up(self, symbol: str, setup: SymbolSetup) -> None:
        await self._contained("set_up", lambda: self._venue.set_up(symbol, setup))

    async def server_clock(self) -> VenueClock:
        return await self._contained("server_clock", self._venue.server_clock)

    async def _contained(self, call: str, ask: Callable[[], Awaitable[T]]) -> T:
        try:
            with self._asking():
                return await ask()
        except (VenueError, TimeoutError):
            raise
        except Exception as error:
            log.exception(UNFORESEEN, venue=self.name, call=call)
            raise VenueError(
                f"{self.name} {call}: {UNFORESEEN}, {type(error).__name__}:"
                f" {error} (the log has the traceback)"
            ) from error

    @contextmanager
    def _asking(self, *, acts: bool = False) -> Iterator[None]:
        """One call to the venue; *acts*: it sends or cancels an order.

        Raises VenueUnavailableError while the venue must not be asked.
        """
        bans, name, now = self._bans, self.name, self._host.now()
        ban = bans.holds(name, now, acts=acts)
        if ban is not None:
            raise VenueUnavailableError(f"{name}: {ban}", ban.until if now < ban.until else None)
        before = bans.ban(name)
        probe = bans.begin(name, now)
        try:
            yield
        except VenueUnavailableError as error:
            self._refused(error, before)
            raise
        except OrderRejectedError:
            self._answered(before)
            raise
        else:
            self._answered(before)
        finally:
            bans.end(name, probe)

    def _refused(self, error: VenueUnavailableError, before: VenueBan | None) -> None:
        self._bans.refused(self.name, error, self._host.now())
        ban = self._bans.ban(self.name)
        if ban is not None and ban is not before:
            log.warning("venue banned", venue=self.name, until=ban.until, reason=ban.reason)

    def _answered(self, before: VenueBan | None) -> None:
        """An answer to what was asked before the ban began says nothing of it."""
        if before is not None and self._bans.ban(self.name) is before:
            self._bans.answered(self.name)
            log.info("venue answers again", venue=self.name, banned_since=before.since)


def contained(
    adapters: Mapping[VenueName, Venue],
    bans: VenueBans | None = None,
    host: HostClock | None = None,
) -> dict[VenueName, Venue]:
    """Each of *adapters* behind one keeper of *bans*."""
    kept = VenueBans() if bans is None else bans
    return {name: ContainedVenue(adapter, kept, host) for name, adapter in adapters.items()}
