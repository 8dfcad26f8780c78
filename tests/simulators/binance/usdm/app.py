"""The application that is served, and what its control endpoint understands."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

from aiohttp import web

from tests.simulators.binance.usdm.account import Account
from tests.simulators.binance.usdm.rest import Rest
from tests.simulators.binance.usdm.simulator import Simulator
from tests.simulators.binance.usdm.sockets import Sockets
from tests.simulators.binance.usdm.told_ledger import ledger_of
from tests.simulators.shared.answers import Scene
from tests.simulators.shared.clock import SimulatorClock
from tests.simulators.shared.server import Server, served

TURN = 0.02  # seconds between two looks at the clock
BEAT_MS = 1000
PING_MS = 180_000


class Control:
    """Words of `POST /_control`: the same that a test does to the venue in its own process."""

    def __init__(self, simulator: Simulator) -> None:
        self.simulator, self.venue = simulator, simulator.venue

    def words(self) -> dict[str, Callable[[dict[str, Any]], Awaitable[Any]]]:
        names = ("price", "mark", "book", "fill", "funding", "transfer", "liquidate", "adl", "settle", "expire_listen_keys", "status", "throttle", "engine_delay", "worth", "expire_stop", "reject_stop", "funding_clock", "ledger")  # fmt: skip
        return {name: getattr(self, f"do_{name}") for name in names}

    def account(self, told: dict[str, Any]) -> Account:
        return self.venue.accounts[told.get("account", "one")]

    async def do_price(self, told: dict[str, Any]) -> None:
        self.venue.market.set_price(told["symbol"], Decimal(told["price"]))

    async def do_mark(self, told: dict[str, Any]) -> None:
        self.venue.market.set_mark(told["symbol"], Decimal(told["price"]))

    async def do_book(self, told: dict[str, Any]) -> None:
        """`bids` and `asks`: rows of [price, quantity], best first."""
        sides = [[(Decimal(p), Decimal(q)) for p, q in told[side]] for side in ("bids", "asks")]
        self.venue.market.set_book(told["symbol"], sides[0], sides[1])

    async def do_fill(self, told: dict[str, Any]) -> None:
        account = self.account(told)
        order = account.book.orders[told["symbol"], int(told["orderId"])]
        price = Decimal(told["price"]) if "price" in told else None
        self.venue.engine.fill(account, order, Decimal(told["quantity"]), price)

    async def do_funding(self, told: dict[str, Any]) -> None:
        self.venue.cash.fund(told["symbol"], Decimal(told["rate"]), special=told.get("special", False))  # fmt: skip

    async def do_funding_clock(self, told: dict[str, Any]) -> None:
        self.venue.funds_by_itself = bool(told["on"])

    async def do_transfer(self, told: dict[str, Any]) -> None:
        self.venue.cash.transfer(self.account(told), told.get("asset", "USDT"), Decimal(told["amount"]))  # fmt: skip

    async def do_liquidate(self, told: dict[str, Any]) -> None:
        account = self.account(told)
        price = Decimal(told["price"]) if "price" in told else None
        for position in list(account.held(told["symbol"])):
            self.venue.forced.liquidate(account, position, price)

    async def do_adl(self, told: dict[str, Any]) -> None:
        account = self.account(told)
        for position in list(account.held(told["symbol"])):
            quantity = Decimal(told.get("quantity", abs(position.amount)))
            self.venue.forced.deleverage(account, position, quantity, Decimal(told["price"]))

    async def do_settle(self, told: dict[str, Any]) -> None:
        self.venue.forced.settle(told["symbol"], Decimal(told["price"]))

    async def do_expire_listen_keys(self, _: dict[str, Any]) -> None:
        self.simulator.listen_keys.expire(now=True)

    async def do_status(self, told: dict[str, Any]) -> None:
        self.venue.instruments[told["symbol"]].status = told["status"]

    async def do_throttle(self, told: dict[str, Any]) -> None:
        self.venue.throttled = bool(told["on"])

    async def do_engine_delay(self, told: dict[str, Any]) -> None:
        self.simulator.gate.engine_delay_ms = int(told["milliseconds"])

    async def do_worth(self, told: dict[str, Any]) -> str:
        return str(self.venue.worth(self.account(told)))

    async def do_ledger(self, told: dict[str, Any]) -> dict[str, Any]:
        return ledger_of(self.account(told))

    async def do_expire_stop(self, told: dict[str, Any]) -> None:
        account = self.account(told)
        algo = account.book.algos[int(told["algoId"])]
        self.venue.algos.expire(account, algo, told.get("reason", ""))

    async def do_reject_stop(self, told: dict[str, Any]) -> None:
        account = self.account(told)
        self.venue.algos.reject(account, account.book.algos[int(told["algoId"])], told["reason"])


async def keep_time(simulator: Simulator, turn: float = TURN) -> None:
    """Do what the venue's clock has come to, until cancelled: beats, dates, keys, old connections."""
    clock = simulator.scene.clock
    beaten = pinged = clock.now_ms()
    while True:
        await asyncio.sleep(turn)
        now = clock.now_ms()
        simulator.venue.tick()
        simulator.listen_keys.expire()
        if now - beaten >= BEAT_MS:
            beaten = now
            simulator.feeds.beat()
        for connection in simulator.hub.too_old():
            await connection.stream.close(1001)
        if now - pinged >= PING_MS:
            pinged = now
            for connection in list(simulator.hub.connections):
                await connection.stream.ping(str(now).encode())


def application(simulator: Simulator, turn: float = TURN) -> web.Application:
    """Build it; *turn*: seconds of the loop between two looks at the clock."""
    app = web.Application()
    rest = Rest(simulator)
    rest.add_routes(app)
    Sockets(simulator).add_routes(app)
    scene = simulator.scene
    scene.operation_of, scene.not_found = rest.operation_of, rest.not_found
    scene.controls |= Control(simulator).words()

    async def clockwork(_: web.Application) -> AsyncIterator[None]:
        running = asyncio.get_running_loop().create_task(keep_time(simulator, turn))
        yield
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    app.cleanup_ctx.append(clockwork)
    return app


def build(scene: Scene) -> web.Application:
    return application(Simulator(scene))


@asynccontextmanager
async def serving(
    port: int = 0, *, clock: SimulatorClock | None = None
) -> AsyncIterator[tuple[Server, Simulator]]:
    """Serve one simulator on loopback until the block is left; the test moves it by the second value."""
    made: list[Simulator] = []

    def remembered(scene: Scene) -> web.Application:
        made.append(Simulator(scene))
        return application(made[0])

    async with served(remembered, port, clock=clock) as server:
        yield server, made[0]
