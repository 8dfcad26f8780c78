"""Runs a seed: a world in bad weather, killed and started again, then a calm, then the judgement."""

import asyncio
import random
import time as real_time
import traceback
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from typing import Any

import asyncpg

from tests.simulation.check import Books, judge
from tests.simulation.database import Server, Weather
from tests.simulation.host import Faults, KilledError, Life, Record, VirtualTime
from tests.simulation.ledger import Ledger
from tests.simulation.loop import VirtualLoop
from tests.simulation.plan import CANDLE_SECONDS, Plan, draw
from tests.simulation.venue import Line, SimulatedVenue
from tests.simulation.world import World, open_world, virtual_host
from tradebotd.domain.candle import PathPoint
from tradebotd.domain.errors import AccountTakenError, TradebotError
from tradebotd.domain.ids import PositionId
from tradebotd.trading.lease import BEAT_SECONDS, LEASE_SECONDS

TICK_SECONDS, SWEEP_SECONDS, RECONCILE_SECONDS = 1.0, 5.0, 10.0
SETTLED_SECONDS = 120.0  # I7
CLOSED_SECONDS = 60.0
PATIENCE_SECONDS, SLOWLY = 4000.0, 12.0  # an order that can rest is sought for an hour
LIFE_STEPS = 500
START = Decimal(100)
COMMANDS = (
    "close",
    "close",
    "set",
    "set",
    "pause",
    "resume",
    "halt",
    "flatten",
    "resume_all",
    "resume_all",
)


@dataclass
class Verdict:
    seed: int
    violations: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    digest: str = ""
    seconds: float = 0.0
    statements: int = 0

    def as_row(self) -> dict[str, Any]:
        return asdict(self)


class Driver:
    def __init__(
        self,
        plan: Plan,
        loop: VirtualLoop,
        server: Server,
        watcher: asyncpg.Connection,
        *,
        keep: bool,
    ) -> None:
        self.plan = plan
        self._loop, self._server = loop, server
        self._time = VirtualTime(loop)
        self.record = Record(self._time, keep=keep)
        self._chance = random.Random(f"driver {plan.seed}")
        self._market = random.Random(f"market {plan.seed}")
        self._faults = Faults(random.Random(f"faults {plan.seed}"), rates=plan.rates)
        self._books = Books(loop, watcher)
        instruments = {each.symbol: each.instrument for each in plan.symbols}
        self.ledger = Ledger(instruments, Decimal(1_000_000), plan.fee, plan.fee_in_base)
        self.venue = SimulatedVenue(
            ledger=self.ledger,
            time=self._time,
            faults=self._faults,
            record=self.record,
            chance=random.Random(f"venue {plan.seed}"),
            prices=dict.fromkeys(instruments, START),
            traits=plan.traits,
            at_departure=self._look_at_token,
        )
        self._calm = False
        self._pace = 1.0
        self._taken_over = False
        self._zombies: list[asyncio.Future[None]] = []
        self.violations: list[str] = []

    async def _look_at_token(self, client_order_id: str, sender: int | None) -> None:
        """I5, at the moment when the order leaves us."""
        problem = await self._books.token_problem(client_order_id, sender)
        if problem is not None:
            self.violations.append(problem)

    async def run(self) -> None:
        market = asyncio.ensure_future(self._guard(Life(), self._move_market()))
        try:
            while self._loop.time() < self.plan.seconds:
                await self._live(until=self.plan.seconds, mortal=True)
            await asyncio.gather(*self._zombies)
            self._faults.on, self._calm = False, True
            self.record.say("calm")
            ends = self._loop.time() + SETTLED_SECONDS
            await self._live(until=ends, mortal=False, then=self._judgement)
        finally:
            market.cancel()
            for task in list(self.venue.tasks):
                task.cancel()
            await asyncio.gather(market, *self.venue.tasks, return_exceptions=True)

    async def _judgement(self) -> None:
        self.violations += await judge(self._books, self.ledger, self.plan)
        if await self._books.unknown():
            self.record.say("patience")
            self._pace = SLOWLY
            await asyncio.sleep(PATIENCE_SECONDS)
            self._pace = 1.0
            await asyncio.sleep(SETTLED_SECONDS)
            self.violations += await judge(self._books, self.ledger, self.plan, patient=True)
        if self.record.keep:
            self.record.lines += await self._books.told()
        for factor in (Decimal("0.7"), Decimal(2)):
            for symbol in sorted(self.venue.prices):
                self.venue.move(symbol, (START * factor).quantize(Decimal("0.01")))
            await asyncio.sleep(CLOSED_SECONDS / 2)
        self.violations += await judge(self._books, self.ledger, self.plan, flat=True)

    # A life

    async def _live(
        self,
        *,
        until: float,
        mortal: bool,
        then: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        life = Life()
        if mortal and self._chance.random() < self.plan.kills:
            life.last_step = self._chance.randint(1, LIFE_STEPS)
        line = Line(self.venue, life)
        self.venue.line = line
        tasks = [
            asyncio.ensure_future(self._guard(life, self._one_life(life, line))),
            asyncio.ensure_future(life.ended.wait()),
        ]
        seconds = until - self._loop.time()
        if mortal and self._chance.random() < self.plan.zombies:
            seconds *= self._chance.random()
        await asyncio.wait(tasks[1:], timeout=max(0.0, seconds))
        if then is not None:
            await then()
        if life.ended.is_set():
            self.record.say("kill", life.steps)
        elif mortal and self._chance.random() < self.plan.zombies:
            await self._stop_for_a_while(life, tasks)
            return
        await self._bury(life, tasks)
        if mortal:
            await asyncio.sleep(self._chance.choice([0.1, 1, 5, 30]))

    async def _bury(self, life: Life, tasks: Sequence["asyncio.Future[Any]"]) -> None:
        life.end()
        if self.venue.line is not None and self.venue.line.life is life:
            self.venue.line = None
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._server.settle()

    async def _stop_for_a_while(self, life: Life, tasks: Sequence["asyncio.Future[Any]"]) -> None:
        """It stands still until its lease is over, and wakes up beside its successor."""
        self.record.say("stopped")
        life.thawed = asyncio.Event()
        self.venue.line = None

        async def wake() -> None:
            await asyncio.sleep(self._chance.uniform(0.1, 10))
            self.record.say("awake")
            if life.thawed is not None:
                life.thawed.set()
            await asyncio.sleep(self._chance.uniform(1, 20))
            await self._bury(life, tasks)

        await asyncio.sleep(LEASE_SECONDS)
        self._taken_over = True
        self._zombies.append(asyncio.ensure_future(wake()))

    async def _start(self, life: Life, line: Line) -> World:
        weather = Weather(self._server, life, self._faults, self.record)
        taken_over, self._taken_over = self._taken_over, False
        while True:
            try:
                return await open_world(self.plan, weather, line, self._time, taken_over=taken_over)
            except (TradebotError, TimeoutError) as error:
                self.record.say("start failed", type(error).__name__)
                await asyncio.sleep(1)

    async def _one_life(self, life: Life, line: Line) -> None:
        world = await self._start(life, line)
        work: list[tuple[float, Callable[[], Awaitable[None]]]] = [
            (SWEEP_SECONDS, world.sweep),
            (RECONCILE_SECONDS, world.reconcile),
            (CANDLE_SECONDS, lambda: self._bots(world)),
            (TICK_SECONDS, lambda: self._ticks(world)),
            (1.0, lambda: self._operate(world)),
        ]
        tasks = [
            asyncio.ensure_future(self._guard(life, self._repeat(life, *each))) for each in work
        ]
        always = (
            world.trading.protection.attend(),
            self._repeat(life, BEAT_SECONDS, world.beat, most=2.0),
        )
        tasks += [asyncio.ensure_future(self._guard(life, each)) for each in always]
        try:
            await life.ended.wait()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _repeat(
        self,
        life: Life,
        period: float,
        work: Callable[[], Awaitable[None]],
        most: float = SLOWLY,
    ) -> None:
        await asyncio.sleep(self._chance.uniform(0, period / 2))
        while not life.ended.is_set():
            try:
                await work()
            except (TradebotError, TimeoutError) as error:
                self.record.say("failed", f"{type(error).__name__}")
                if isinstance(error, AccountTakenError):
                    await asyncio.sleep(self._chance.uniform(0, 5))  # no exit is immediate
                    life.end()
            except BaseExceptionGroup as group:
                if group.split(AccountTakenError)[1] is not None:
                    raise
                self.record.say("failed", "AccountTakenError")
                life.end()  # as the daemon does, whose lease is lost
            pace = min(self._pace, most)
            await asyncio.sleep(pace * period * self._chance.uniform(0.7, 1.3))

    async def _guard(self, life: Life, work: Awaitable[None]) -> None:
        """Nothing but our own errors may come out of it."""
        try:
            await work
        except (asyncio.CancelledError, KilledError):
            return
        except BaseException as error:  # noqa: BLE001 - it is a finding
            if life.ended.is_set():
                return
            where = traceback.extract_tb(error.__traceback__)[-1]
            self.record.say("crash", f"{type(error).__name__}: {error} {where}")
            self.violations.append("a crash: " + "".join(traceback.format_exception(error))[-1500:])

    # What moves it

    async def _move_market(self) -> None:
        while True:
            await asyncio.sleep(TICK_SECONDS)
            if self._calm:
                continue
            for symbol in sorted(self.venue.prices):
                step = self._market.gauss(0, 0.004) + 0.02 * (
                    float(START / self.venue.prices[symbol]) - 1
                )
                price = self.venue.prices[symbol] * Decimal(str(round(1 + step, 6)))
                self.venue.move(symbol, price.quantize(Decimal("0.01")))
            if self._chance.random() < self.plan.hands:
                symbol = self._chance.choice(sorted(self.venue.prices))
                quantity = Decimal(self._chance.randint(1, 500)) / 1000
                price = self.venue.prices[symbol]
                self.ledger.hand_buys(symbol, quantity, price, self._time.now())
                self.record.say("hand", symbol)

    async def _ticks(self, world: World) -> None:
        for symbol, price in sorted(self.venue.prices.items()):
            if self._faults.on and self._chance.random() < 0.3:
                continue  # the stream stalls: the sweep asks for itself
            acting = world.trading.protection.on_tick(PathPoint(self._time.now(), symbol, price))
            if acting is not None:
                await acting

    async def _bots(self, world: World) -> None:
        for mood in world.moods.values():
            mood.silent = self._calm
        await world.run_bots()

    async def _operate(self, world: World) -> None:
        chance = self._chance
        if self._calm:
            if world.trading.gate.halt_reason is not None:
                await world.trading.gate.resume()
            return
        if chance.random() >= self.plan.commands:
            return
        command = chance.choice(COMMANDS)
        self.record.say("command", command)
        await self._command(command, world)

    async def _command(self, command: str, world: World) -> None:
        chance, hands, gate = self._chance, world.trading.hands, world.trading.gate
        bot = chance.choice(sorted(world.trading.specs))
        held = sorted(world.trading.protection.held)
        match command:
            case "close" if held:
                await hands.close_position(PositionId(chance.choice(held)))
            case "set" if held:
                stop, target = (f"{chance.randint(5, 40) / 10}%" for _ in range(2))
                await hands.set_exits(
                    PositionId(chance.choice(held)),
                    stop_loss=stop,
                    take_profit=target if chance.random() < 0.5 else None,
                    trailing_stop=None,
                    max_holding=None,
                )
            case "pause":
                await hands.pause_bot(bot)
            case "resume":
                await hands.resume_bot(bot)
            case "halt":
                await gate.halt("a mood")
            case "flatten":
                await hands.flatten(lambda _: None)
            case "resume_all":
                await gate.resume()
            case _:
                return  # nothing is held that could be closed or set


async def run_seed(
    seed: int,
    loop: VirtualLoop,
    server: Server,
    watcher: asyncpg.Connection,
    *,
    keep: bool = False,
) -> tuple[Verdict, Record]:
    began, statements = real_time.perf_counter(), server.statements
    loop.virtual = 0.0
    driver = Driver(draw(seed), loop, server, watcher, keep=keep)
    with virtual_host(VirtualTime(loop)):
        await driver.run()
    ledger, counts = driver.ledger, dict(sorted(driver.record.counts.items()))
    counts |= {"orders": len(ledger.orders), "fills": len(ledger.fills)}
    verdict = Verdict(
        seed=seed,
        violations=driver.violations,
        counts=counts,
        digest=driver.record.digest,
        seconds=round(real_time.perf_counter() - began, 3),
        statements=server.statements - statements,
    )
    return verdict, driver.record
