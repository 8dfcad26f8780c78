"""Depth of the paper venue's market: how much one price trades before the next one comes. Pure."""

from datetime import datetime
from decimal import Decimal
from typing import Final

from tradebotd.domain.decimals import ZERO, round_down_to_tick
from tradebotd.domain.instrument import Instrument
from tradebotd.domain.order import OrderRequest
from tradebotd.domain.order_type import TimeInForce
from tradebotd.ports.prices import LastPrices

NOTHING_OFFERED: Final = "this price trades no more of it"
NOT_ALL_OFFERED: Final = "this price does not trade all of it"


class Depth:
    """Notional that the latest price of each symbol still trades; *notional* None: everything.

    Shared by all orders of a symbol. A price trades one lot at least, so that nothing waits for
    ever.
    """

    def __init__(self, notional: Decimal | None) -> None:
        self._notional = notional
        self._left: dict[str, tuple[datetime, Decimal]] = {}

    def offered(
        self, request: OrderRequest, price: Decimal, prices: LastPrices, instrument: Instrument
    ) -> Decimal:
        """Return how much of *request* trades at *price* now: zero up to all of its quantity."""
        if self._notional is None:
            return request.quantity
        at, left = self._left.get(request.symbol, (None, self._notional))
        if at != prices.at:
            left = self._notional
        elif left <= 0:
            return ZERO
        lot = instrument.order(request.type).lot_size
        lots = max(round_down_to_tick(left / price, lot), lot)
        if lots >= request.quantity:
            return request.quantity
        return ZERO if request.time_in_force is TimeInForce.FOK else lots

    def take(self, symbol: str, notional: Decimal, prices: LastPrices) -> None:
        """Take what was traded off what the latest price still offers."""
        if self._notional is None:
            return
        at, left = self._left.get(symbol, (None, self._notional))
        left = left if at == prices.at else self._notional
        self._left[symbol] = (prices.at, left - notional)


def works_on(request: OrderRequest) -> bool:
    """Return whether the rest of an order that was filled in part waits for the next price."""
    return request.time_in_force in {TimeInForce.GTC, TimeInForce.DAY}


def end_of_rest(request: OrderRequest) -> str | None:
    """Return why what a price does not trade of it ends; None: it waits for the next price."""
    return None if works_on(request) else NOT_ALL_OFFERED
