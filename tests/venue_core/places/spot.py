"""Binance spot: its fees are taken from what is bought."""

from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal

from tests.simulators.binance import ed25519
from tests.simulators.binance.signing import ApiKey
from tests.simulators.binance.spot.demo import ED25519_KEY, ED25519_SECRET, private_pem
from tests.simulators.binance.spot.orders import Order
from tests.simulators.binance.spot.simulator import SpotSimulator
from tests.simulators.shared.clock import SimulatorClock
from tests.simulators.shared.server import Server, served
from tests.venue_core.places.place import Entered

ACCOUNT = "one"
CASH = Decimal(100_000)


class SpotPlace:
    kind = name = "binance_spot"
    symbol, currency = "BTCUSDT", "USDT"
    quantity = Decimal("0.1")
    symbol_lines = ""
    bot_lines = ""

    def __init__(self, server: Server, simulator: SpotSimulator) -> None:
        self.server, self.simulator = server, simulator
        self.secrets = {"key": ED25519_KEY, "secret": private_pem()}
        self.section = f"""
kind = "binance_spot"
base_url = "{server.http}"
ws_url = "{server.ws}/ws-api/v3"
api_key = {{ file = "key" }}
api_secret = {{ file = "secret" }}
"""
        venue = simulator.venue
        self.account = venue.open_account(ACCOUNT, {"USDT": str(CASH)})
        venue.add_key(ApiKey(ED25519_KEY, ACCOUNT, public_key=ed25519.public_key(ED25519_SECRET)))
        for symbol, price in (("BTCUSDT", "60000"), ("BNBUSDT", "600")):
            venue.move(symbol, price)

    @property
    def price(self) -> Decimal:
        return self.simulator.venue.markets[self.symbol].last

    def move(self, price: Decimal) -> None:
        self.simulator.venue.move(self.symbol, str(price))

    def orders(self) -> list[Entered]:
        market = self.simulator.venue.markets[self.symbol]
        return [_entered(each) for each in market.orders if each.account == ACCOUNT]

    def held(self) -> Decimal:
        return self.account.balances["BTC"].total

    def cash(self) -> Decimal:
        return self.account.balances["USDT"].total - CASH


def _entered(order: Order) -> Entered:
    fees: dict[str, Decimal] = defaultdict(Decimal)
    for fill in order.fills:
        fees[fill.fee_asset] += fill.fee
    return Entered(
        client_order_id=order.client_id,
        side=order.side.lower(),
        type=order.type,
        quantity=order.quantity,
        executed=order.executed,
        spent=order.spent,
        fees={asset: fee for asset, fee in fees.items() if fee},
        is_open=order.is_open,
        created_ms=order.created_ms,
    )


@asynccontextmanager
async def spot(clock: SimulatorClock) -> AsyncIterator[SpotPlace]:
    simulator = SpotSimulator()
    async with served(simulator.build, clock=clock) as server:
        yield SpotPlace(server, simulator)
