"""Binance USDT-M: positions, and stops that are algo orders."""

from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal

from tests.simulators.binance.usdm.app import serving
from tests.simulators.binance.usdm.orders import AlgoOrder, Order
from tests.simulators.binance.usdm.simulator import KEY, Simulator
from tests.simulators.shared.clock import SimulatorClock
from tests.simulators.shared.server import Server
from tests.venue_core.places.place import Entered

NONE = Decimal(0)


class UsdmPlace:
    kind = name = "binance_usdm"
    symbol, currency = "BTCUSDT", "USDT"
    quantity = Decimal("0.1")
    symbol_lines = ""
    bot_lines = 'position_type = "futures"\nleverage = 2'

    def __init__(self, server: Server, simulator: Simulator) -> None:
        self.server, self.simulator = server, simulator
        self.secrets = {"key": KEY.name, "secret": KEY.secret}
        simulator.venue.funds_by_itself = False
        self.section = f"""
kind = "binance_usdm"
base_url = "{server.http}"
ws_url = "{server.ws}"
api_key = {{ file = "key" }}
api_secret = {{ file = "secret" }}
"""
        self._deposit = simulator.account.wallet(self.currency)
        self.move(Decimal(60_000))

    @property
    def price(self) -> Decimal:
        return self.simulator.venue.market[self.symbol].last

    def move(self, price: Decimal) -> None:
        self.simulator.venue.market.set_price(self.symbol, price)
        self.simulator.venue.market.set_mark(self.symbol, price)

    def orders(self) -> list[Entered]:
        book = self.simulator.account.book
        placed = [self._entered(each) for each in book.orders.values() if each.algo_id is None]
        placed += [self._stop(each) for each in book.algos.values()]
        return sorted(placed, key=lambda each: each.created_ms)

    def held(self) -> Decimal:
        return sum((each.amount for each in self.simulator.account.held(self.symbol)), NONE)

    def cash(self) -> Decimal:
        return self.simulator.account.wallet(self.currency) - self._deposit

    def _entered(self, order: Order) -> Entered:
        fees: dict[str, Decimal] = defaultdict(Decimal)
        for trade in self.simulator.account.trades:
            if (trade.symbol, trade.order_id) == (order.symbol, order.order_id):
                fees[trade.commission_asset] += trade.commission
        return Entered(
            client_order_id=order.client_id,
            side=order.side.lower(),
            type=order.type,
            quantity=order.quantity,
            executed=order.executed,
            spent=order.quote,
            fees={asset: fee for asset, fee in fees.items() if fee},
            is_open=order.is_open,
            created_ms=order.created_ms,
        )

    def _stop(self, algo: AlgoOrder) -> Entered:
        actual = None if algo.actual is None else self._entered(algo.actual)
        return Entered(
            client_order_id=algo.client_id,
            side=algo.side.lower(),
            type=algo.type,
            quantity=algo.quantity,
            executed=NONE if actual is None else actual.executed,
            spent=NONE if actual is None else actual.spent,
            fees={} if actual is None else actual.fees,
            is_open=algo.is_waiting or (actual is not None and actual.is_open),
            created_ms=algo.created_ms,
        )


@asynccontextmanager
async def usdm(clock: SimulatorClock) -> AsyncIterator[UsdmPlace]:
    async with serving(clock=clock) as (server, simulator):
        yield UsdmPlace(server, simulator)
