"""One life's connection to a venue: everything that is asked and sent, and how it goes wrong."""

import asyncio
import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, NoReturn

from tests.fakes.untold import Untold
from tests.simulation.host import Life
from tests.simulation.ledger import LIVE
from tests.simulation.venue import HIDDEN_SECONDS, SimulatedVenue
from tradebotd.domain.errors import OrderRejectedError, OutcomeUnknownError, VenueUnavailableError
from tradebotd.domain.fill import Fill
from tradebotd.domain.funding import FundingPayment
from tradebotd.domain.ids import ClientOrderId, VenueName
from tradebotd.domain.instrument import MarketSymbol
from tradebotd.domain.order import OrderReport, OrderRequest, OrderStatus
from tradebotd.domain.quote import Quote
from tradebotd.domain.transfer import Transfer
from tradebotd.ports.venue import (
    Listener,
    OrderLookup,
    Replaced,
    Replacement,
    SendBlockedBy,
    StreamListener,
    SymbolSetup,
    Venue,
    VenueAccount,
    VenueTraits,
    check_may_leave,
    not_blocked,
)
from tradebotd.storage.postgres.database import assert_no_connection_held

ENDPOINTS: Final = frozenset({"open_orders", "order"})
IMPATIENCE: Final = 25.0  # seconds, longer than anybody waits
LATE_FILLS: Final = timedelta(seconds=20)


class AlienKeyError(KeyError): ...


class AlienValueError(ValueError): ...


class AlienTypeError(TypeError): ...


ALIENS: Final = (AlienKeyError, AlienValueError, AlienTypeError)


@dataclass
class Line(Untold):
    """Implements the port `Venue`."""

    venue: SimulatedVenue
    life: Life
    listener: Listener | None = None
    token: int | None = None  # under which this life took the account

    @property
    def name(self) -> VenueName:
        return self.venue.name

    @property
    def traits(self) -> VenueTraits:
        return self.venue.plan.traits

    def taken(self, token: int) -> None:
        """The account has been taken under *token*."""
        self.token = token

    def listen(self, listener: Listener, on_stream: StreamListener | None = None) -> None:  # noqa: ARG002
        self.listener = listener

    async def submit(
        self,
        client_order_id: ClientOrderId,
        request: OrderRequest,
        *,
        send_blocked_by: SendBlockedBy = not_blocked,
    ) -> OrderReport:
        await self._leave("an order is sent", client_order_id, send_blocked_by=send_blocked_by)
        venue, street = self.venue, self.venue.street
        faults = street.faults
        if faults.strikes("lost_on_the_way_there"):
            await self._lose(client_order_id)
        if faults.strikes("late"):
            window = venue.plan.traits.receive_window.total_seconds()
            venue.arrive_late(street.chance.uniform(0.5, window), client_order_id, request)
            await self._lose(client_order_id)
        if faults.strikes("alien_before", 60.0):
            self._alien("symbol")
        order = await venue.arrive(client_order_id, request)
        if faults.strikes("hidden"):
            venue.hide(order, street.chance.uniform(1, HIDDEN_SECONDS))
        if faults.strikes("stream_first"):
            venue.tell(order)
            await asyncio.sleep(street.chance.uniform(0, 0.5))
        if faults.strikes("lost_on_the_way_back"):
            venue.tell(order)
            await self._lose(client_order_id)
        await self._arrive()
        if faults.strikes("alien_after", 60.0):
            self._alien("executedQty")
        if order.fills and faults.strikes("fills_later", 20.0):
            venue.tell(order)
            return order.report(fills=street.chance.randint(0, len(order.fills) - 1))
        return order.report()

    async def submit_linked(
        self,
        orders: Sequence[tuple[ClientOrderId, OrderRequest]],
        *,
        send_blocked_by: SendBlockedBy = not_blocked,
    ) -> Sequence[OrderReport]:
        await self._leave(
            "linked orders are sent", *(name for name, _ in orders), send_blocked_by=send_blocked_by
        )
        if not self.traits.linked_orders:
            raise OrderRejectedError("linked orders are not taken")
        link, made = orders[0][0], []
        for client_order_id, request in orders:
            try:
                made.append(await self.venue.arrive(client_order_id, request, link))
            except OrderRejectedError:
                for order in made:
                    order.status, order.reason = OrderStatus.REJECTED, "its link was rejected"
                raise
        if self.venue.street.faults.strikes("lost_on_the_way_back"):
            await self._lose(link)
        await self._arrive()
        return [order.report() for order in made]

    async def replace(
        self,
        symbol: str,
        old: ClientOrderId,
        new: ClientOrderId,
        request: OrderRequest,
        *,
        send_blocked_by: SendBlockedBy = not_blocked,
    ) -> Replaced:
        await self._leave("an order is replaced", new, send_blocked_by=send_blocked_by)
        former = self.venue.ledger.orders.get(old)
        if former is None or former.status not in LIVE or former.request.symbol != symbol:
            raise OrderRejectedError("nothing to replace")
        if self.traits.replacement is Replacement.PROMISED:
            promised = self.venue.promise(former, new, request)
            if self.venue.street.faults.strikes("lost_on_the_way_back"):
                await self._lose(new)
            await self._arrive()
            return Replaced(new=promised.report())
        self.venue.cancel(former)
        order = await self.venue.arrive(new, request)
        if self.venue.street.faults.strikes("lost_on_the_way_back"):
            await self._lose(new)
        await self._arrive()
        tells = random.Random(f"tells of the old one {new}").random() < 0.7
        return Replaced(new=order.report(), old=former.report() if tells else None)

    async def find_order(self, symbol: str, client_order_id: ClientOrderId) -> OrderLookup:
        await self._ask("order", client_order_id)
        street = self.venue.street
        order = self.venue.ledger.orders.get(client_order_id)
        seen = (
            order is not None
            and order.request.symbol == symbol
            and (order.hidden_until <= street.time.monotonic() or not street.faults.on)
        )
        report = None
        if seen and order is not None:
            late = order.fills and street.faults.strikes("fills_later", 20.0)
            report = order.report(fills=len(order.fills) - 1 if late else None)
        return OrderLookup(report=report, endpoints=ENDPOINTS, venue_time=street.time.now())

    async def open_orders(self, symbols: Collection[str]) -> Sequence[OrderReport]:
        await self._ask("open_orders")
        now, hides = self.venue.street.time.monotonic(), self.venue.street.faults.on
        return [
            order.report()
            for order in self.venue.ledger.orders.values()
            if order.request.symbol in symbols
            and order.status in LIVE
            and not (hides and order.hidden_until > now)
        ]

    async def cancel(self, symbol: str, client_order_id: ClientOrderId) -> OrderReport:
        await self._leave("an order is cancelled")
        faults = self.venue.street.faults
        if faults.strikes("lost_on_the_way_there"):
            await self._lose(client_order_id)
        order = self.venue.ledger.orders.get(client_order_id)
        if order is None or order.request.symbol != symbol:
            raise OrderRejectedError("unknown order")
        if order.status is OrderStatus.PENDING_NEW:
            self.venue.withdraw(order)
        elif order.status not in LIVE or order.replaced_by is not None:
            raise OrderRejectedError("it is over, or is being replaced")
        else:
            self.venue.cancel(order)
        if faults.strikes("lost_on_the_way_back"):
            await self._lose(client_order_id)
        await self._arrive()
        return order.report()

    async def fills_since(self, since: datetime, symbols: Collection[str]) -> Sequence[Fill]:
        await self._ask("fills")
        street = self.venue.street
        asked = [fill for fill in self.venue.ledger.fills if fill.symbol in symbols]
        fills = [fill for fill in asked if fill.executed_at >= since]
        if street.faults.strikes("fills_endpoint_late", 20.0):
            late = street.time.now() - LATE_FILLS
            fills = [fill for fill in fills if fill.executed_at < late]
        return fills

    async def transfers_since(self, since: datetime) -> Sequence[Transfer]:
        await self._ask("transfers")
        return [
            Transfer(
                venue=self.name,
                transfer_id=flow.ref,
                asset=flow.asset,
                amount=flow.amount,
                at=flow.at,
            )
            for flow in self.venue.ledger.flows
            if flow.kind == "transfer" and flow.at >= since
        ]

    async def funding_since(self, since: datetime) -> Sequence[FundingPayment]:
        await self._ask("funding")
        return [
            FundingPayment(
                venue=self.name,
                payment_id=flow.ref,
                symbol=flow.ref.split(" ")[0],
                amount=flow.amount,
                asset=flow.asset,
                paid_at=flow.at,
            )
            for flow in self.venue.ledger.flows
            if flow.kind == "funding" and flow.at >= since
        ]

    async def account(self) -> VenueAccount:
        await self._ask("account")
        ledger, street = self.venue.ledger, self.venue.street
        if street.faults.strikes("slow_account", 10.0):
            await self._slowly(0.3, 6.0)
        self.venue.hands_when_told.append(dict(ledger.by_hand))
        return VenueAccount(
            balances={asset: total for asset, total in ledger.balances.items() if total},
            positions={
                symbol: held.quantity for symbol, held in ledger.positions.items() if held.quantity
            },
            entry_prices={
                symbol: held.entry_price
                for symbol, held in ledger.positions.items()
                if held.quantity
            },
        )

    async def set_up(self, symbol: str, setup: SymbolSetup) -> None:
        await self._ask("set_up", symbol)
        reason = self.venue.ledger.set_leverage(symbol, setup.leverage)
        if reason is not None:
            raise OrderRejectedError(reason)

    async def quotes(self, symbols: Sequence[MarketSymbol]) -> dict[str, Quote]:
        await self._ask("quotes")
        street = self.venue.street
        quotes = {
            each.symbol: Quote(last=street.show(each.symbol, self.life.number, "quote"))
            for each in symbols
        }
        if street.faults.strikes("slow_quotes", 10.0):
            await self._slowly(0.3, 9.0)
        return quotes

    # The wire

    async def _leave(
        self, what: str, *new: ClientOrderId, send_blocked_by: SendBlockedBy = not_blocked
    ) -> None:
        """Raises VenueUnavailableError: nothing left us."""
        assert_no_connection_held(what)
        self.life.sending.set()
        await self.life.window("halt_as_it_leaves")
        await self._wire(what)
        check_may_leave(send_blocked_by)
        for client_order_id in new:
            self.venue.departures[client_order_id] = self.venue.street.time.monotonic()
            await self.venue.at_departure(self.name, client_order_id, self.token)

    async def _ask(self, what: str, detail: object = "") -> None:
        assert_no_connection_held("the venue is asked")
        await self._wire(f"{what} {detail}".strip())
        await self._arrive()
        if self.venue.street.faults.strikes("alien_after", 60.0):
            self._alien(what)

    async def _wire(self, what: str) -> None:
        venue, street = self.venue, self.venue.street
        await self.life.window()
        await asyncio.sleep(street.chance.uniform(0.001, 0.05))
        await self.life.awake()
        self.life.step()
        now = street.time.monotonic()
        if street.faults.strikes("disconnect"):
            venue.cut_until = now + street.chance.uniform(1, 300)
            street.faults.lasts(venue.cut_until - now)
            street.record.say("venue", "disconnect")
        if street.faults.strikes("rate_limit"):
            venue.rate_limited_until = now + street.chance.uniform(1, 30)
            street.faults.lasts(venue.rate_limited_until - now)
            street.record.say("venue", "rate limit")
        if street.faults.on and now < max(venue.cut_until, venue.rate_limited_until):
            raise VenueUnavailableError(f"{what}: 429, or no route")

    async def _arrive(self) -> None:
        seconds, street = 0.05, self.venue.street
        if street.faults.strikes("slow", IMPATIENCE):
            seconds = IMPATIENCE
            street.record.say("venue", "slow")
        await self.life.window()
        await self._slowly(0.001, seconds)

    async def _slowly(self, least: float, most: float) -> None:
        await asyncio.sleep(self.venue.street.chance.uniform(least, most))
        await self.life.awake()
        self.life.step()

    async def _lose(self, client_order_id: ClientOrderId) -> NoReturn:
        street = self.venue.street
        street.record.say("lost", client_order_id)
        street.faults.lasts(60.0)
        await self._slowly(0.01, 3)
        raise OutcomeUnknownError(client_order_id)

    def _alien(self, key: str) -> NoReturn:
        """What an adapter that does not know an answer raises."""
        street = self.venue.street
        kind = street.chance.choice(ALIENS)
        street.record.say("alien", f"{kind.__name__} {key}")
        raise kind(key)


def as_venue(line: Line) -> Venue:
    """Mypy's proof that it has the port's shape."""
    return line
