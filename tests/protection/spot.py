"""Binance spot: a stop and its target as an OCO, which makes way before another one rests."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from tests.protection.places import SYMBOLS, Guarded, Place
from tests.protection.slow_line import slow_line
from tests.simulators.binance import ed25519
from tests.simulators.binance.signing import ApiKey
from tests.simulators.binance.spot.demo import ED25519_KEY, ED25519_SECRET, private_pem
from tests.simulators.binance.spot.simulator import SpotSimulator
from tests.simulators.binance.spot.symbols import Symbol, usual_filters
from tests.simulators.binance.spot.venue import Venue as SpotVenue
from tests.simulators.shared.clock import SimulatorClock
from tests.simulators.shared.server import Server, served
from tradebotd.domain.instrument import PositionType

ACCOUNT: Final = "protected"
BASES: Final = tuple(f"T{number}" for number in range(SYMBOLS))
STOPS: Final = frozenset({"STOP_LOSS", "STOP_LOSS_LIMIT"})
RULE: Final = {
    "bidLimitMultUp": "1.2",
    "bidLimitMultDown": "0.8",
    "askLimitMultUp": "1.2",
    "askLimitMultDown": "0.99",
}


LISTED: Final = tuple(
    Symbol(f"{base}USDT", base, "USDT", usual_filters("0.01", "0.00001")) for base in BASES
)


@dataclass(frozen=True, kw_only=True)
class Spot:
    """What is done there."""

    server: Server
    venue: SpotVenue

    def look(self, name: str) -> Guarded:
        market = self.venue.markets[name]
        held = self.venue.accounts[ACCOUNT].balances.get(market.symbol.base)
        stops = (order for order in market.open.values() if order.type in STOPS and order.waits)
        stopped = sum((order.left for order in stops), Decimal(0))
        return Guarded(held.total if held else Decimal(0), stopped)

    def price(self, name: str) -> Decimal:
        return self.venue.markets[name].last

    def move(self, name: str, price: Decimal) -> None:
        self.venue.set_reference(name, str(price))
        self.venue.move(name, str(price), "1000")

    async def cancelled(self, name: str) -> None:
        for order in self.venue.open_orders(ACCOUNT, name):
            if order.is_open:
                self.venue.engine.cancel(order, "web_by_hand")

    async def expired(self, name: str) -> None:
        self.venue.cancel_by_exchange(name)

    def offer(self, name: str, quantity: Decimal) -> None:
        price = str(self.price(name))
        self.venue.quote(name, [], [(price, str(quantity))])

    async def out_of_range(self, name: str) -> None:
        """S3: the stop is met where nothing may trade: EXPIRED; then the range is lifted."""
        self.venue.change(name, execution_rule=RULE)
        gone = self.venue.markets[name].last * Decimal("0.95")
        self.venue.move(name, str(gone.quantize(Decimal("0.01"))), "1000")
        self.venue.change(name, execution_rule=None)


@asynccontextmanager
async def spot(clock: SimulatorClock, one_way: float) -> AsyncIterator[Place]:
    simulator = SpotSimulator(LISTED)
    async with (
        served(simulator.build, clock=clock) as server,
        slow_line(server.port, one_way) as line,
    ):
        venue = simulator.venue
        venue.open_account(ACCOUNT, {"USDT": "1000000"})
        venue.add_key(ApiKey(ED25519_KEY, ACCOUNT, public_key=ed25519.public_key(ED25519_SECRET)))
        here = Spot(server=server, venue=venue)
        for each in LISTED:
            here.move(each.name, Decimal(100))
        yield Place(
            kind="binance_spot",
            server=server,
            clock=clock,
            symbols=[each.name for each in LISTED],
            currency="USDT",
            secrets={"key": ED25519_KEY, "secret": private_pem()},
            section=f"""
base_url = "http://127.0.0.1:{line.port}"
ws_url = "ws://127.0.0.1:{line.port}/ws-api/v3"
""",
            position_type=PositionType.SPOT,
            quantity=Decimal(10),
            start_price=Decimal(100),
            look=here.look,
            price=here.price,
            move=here.move,
            offer=here.offer,
            cancel=here.cancelled,
            stop_call={"method": "POST", "path": "/api/v3/orderList"},
            refusal=(400, {"code": -2010, "msg": "Filter failure: MAX_NUM_ALGO_ORDERS"}),
            mishaps={"expired": here.expired},
            endings={"expired by price range": here.out_of_range},
        )
