"""A vendor simulator's own books, in the words of the judgement. Nothing of ours is in it."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from tests.simulation.ledger import Ledger, VenueOrder
from tests.simulation.plan import VenuePlan
from tests.simulation.street import Street
from tests.simulators.shared.clock import SimulatorClock, from_ms, to_ms
from tradebotd.domain.fill import Fill
from tradebotd.domain.ids import ClientOrderId, VenueOrderId
from tradebotd.domain.instrument import Instrument
from tradebotd.domain.order import OrderRequest, OrderStatus


class StreetClock(SimulatorClock):
    """The simulator's clock, which goes with the seed's."""

    def __init__(self, street: Street) -> None:
        super().__init__(running=False)
        self._street = street

    def now_ms(self) -> int:
        return to_ms(self._street.time.now()) + self._offset_ms


@dataclass
class VendorLedger(Ledger):
    """*numbered*: each order of the simulator by what it calls it itself."""

    numbered: dict[object, VenueOrder] = field(default_factory=dict)

    def follow(self) -> None:
        """Take over what has happened at the simulator since the last time."""
        raise NotImplementedError

    def enlisted(
        self, key: object, name: str, request: OrderRequest, number: str, at_ms: int
    ) -> VenueOrder:
        """The order that the simulator knows by *key*: a new one, if it is new."""
        known = self.numbered.get(key)
        if known is None:
            while (former := self.orders.get(ClientOrderId(name))) is not None:
                if former.status is OrderStatus.REJECTED:
                    break  # refused, and then taken all the same: it is the same order
                name = f"{name}+"
            known = VenueOrder(
                client_order_id=ClientOrderId(name),
                venue_order_id=VenueOrderId(number),
                request=request,
                at=from_ms(at_ms),
            )
            self.numbered[key] = self.orders[known.client_order_id] = known
        return known

    def refused(self, name: str, request: OrderRequest, reason: str, at: datetime) -> None:
        """Note an order that never came to be."""
        if ClientOrderId(name) in self.orders:
            return
        self.orders[ClientOrderId(name)] = VenueOrder(
            client_order_id=ClientOrderId(name),
            venue_order_id=VenueOrderId("-"),
            request=request,
            at=at,
            status=OrderStatus.REJECTED,
            reason=reason,
            forgotten=True,
        )

    def book(
        self, order: VenueOrder, fill: Fill, money: Iterable[tuple[str, Decimal, str]]
    ) -> None:
        """Note *fill* of *order*, and the changes of balances that it made: (asset, amount, kind)."""
        self.fills.append(fill)
        order.fills.append(fill)
        ours = order.is_ours or order.is_forced
        base = self.instruments[fill.symbol].base_asset
        for asset, amount, kind in money:
            self._flow(fill.executed_at, asset, amount, kind, str(fill.trade_id), ours=ours)
            if not ours and asset == base:
                self.by_hand[base] = self.by_hand.get(base, Decimal(0)) + amount


def opened(kind: type[VendorLedger], venue: VenuePlan, street: Street) -> VendorLedger:
    """An empty ledger of *venue*."""
    instruments: dict[str, Instrument] = {
        each.name: each.instrument
        for each in street.plan.markets
        if each.instrument.venue == venue.name
    }
    return kind(
        venue=venue.name,
        instruments=instruments,
        balances=dict(venue.cash),
        maker=venue.maker,
        taker=venue.taker,
        fee_in=venue.fee_in,
        third="BNB",
        strict=True,
    )
