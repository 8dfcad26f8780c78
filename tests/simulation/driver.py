"""Runs a seed: a world in bad weather, killed and started again, then a calm, then the judgement."""

import asyncio
import random
import time as real_time
import traceback
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from typing import Any, Final

import asyncpg

from tests.simulation.check import Books, judge
from tests.simulation.database import Server, Weather
from tests.simulation.facts import Facts, Span
from tests.simulation.first_looks import FirstLooks
from tests.simulation.forces import Forces
from tests.simulation.host import HURRIED, Faults, KilledError, Life, Record, VirtualTime
from tests.simulation.ledger import Ledger
from tests.simulation.line import ALIENS, Line
from tests.simulation.loop import VirtualLoop
from tests.simulation.markets import THIRD
from tests.simulation.operator import COMMANDS, HALTS, Operator
from tests.simulation.plan import Plan, VenuePlan
from tests.simulation.pulse import TICK_SECONDS, Pulse
from tests.simulation.rehearsed import RehearsedLine
from tests.simulation.settings import Settings
from tests.simulation.street import Street
from tests.simulation.switches import Draw
from tests.simulation.tape import CANDLE_SECONDS, Tape
from tests.simulation.vendors.kinds import opened_at
from tests.simulation.vendors.line import VendorLine
from tests.simulation.venue import SimulatedVenue
from tests.simulation.world import World, open_world, virtual_host
from tradebotd.domain.errors import AccountTakenError, TradebotError
from tradebotd.domain.ids import VenueName
from tradebotd.trading.execution.lease import BEAT_SECONDS, LEASE_SECONDS

SWEEP_SECONDS, RECONCILE_SECONDS, SNAPSHOT_SECONDS, RESET_SECONDS = 5.0, 10.0, 20.0, 30.0
INSTRUMENTS_SECONDS: Final = 100.0  # an hour, in days that are minutes
SETTLED_SECONDS: Final = 120.0  # I7
AS_IT_SENDS: Final = 0.7  # of the processes that are stopped
CLOSED_SECONDS: Final = 60.0
PATIENCE_SECONDS, SLOWLY = 4000.0, 12.0  # an order that can rest is sought for an hour
LIFE_STEPS: Final = 500


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
        self._time = VirtualTime(loop, plan.began)
        self.record = Record(self._time, keep=keep)
        self._chance = random.Random(f"driver {plan.seed}")
        faults = random.Random(f"faults {plan.seed}")
        self._faults = Faults(faults, self._time, rates=plan.rates)
        self._books = Books(loop, watcher)
        self._street = Street(
            plan=plan,
            time=self._time,
            faults=self._faults,
            record=self.record,
            chance=random.Random(f"venue {plan.seed}"),
            tape=Tape(plan.began),
        )
        self._street.begin()
        self.venues = {each.name: self._open(each) for each in plan.venues}
        self._forces = [
            Forces(venue, self._street, random.Random(f"forces {plan.seed} {name}"))
            for name, venue in self.venues.items()
        ]
        self._operator = Operator(
            random.Random(f"operator {plan.seed}"), self._time, self.record, plan.on
        )
        self._pulse = Pulse(
            street=self._street,
            venues=self.venues,
            forces=self._forces,
            operator=self._operator,
            settings=Settings(plan, random.Random(f"settings {plan.seed}")),
            chance=random.Random(f"pulse {plan.seed}"),
            market=random.Random(f"market {plan.seed}"),
        )
        self._facts = Facts(
            plan=plan,
            street=self._street,
            venues=self.venues,
            operator=self._operator,
            settings=self._pulse.settings,
            swept=self._pulse.swept,
            forces=self._forces,
        )
        self._first_looks = FirstLooks(self._facts)
        self._lives = 0
        self._pace = 1.0
        self._taken_over = False
        self._world: World | None = None
        self._contained: dict[str, None] = {}
        self._zombies: list[asyncio.Future[None]] = []
        self._spoken: set[asyncio.Future[None]] = set()
        self.violations: list[str] = []

    def _line(self, venue: SimulatedVenue, life: Life) -> Line:
        if self.plan.vendor is not None:
            return VendorLine(venue, life)
        return RehearsedLine(venue, life) if self.plan.rehearsed else Line(venue, life)

    def _open(self, venue: VenuePlan) -> SimulatedVenue:
        plan = self.plan
        if plan.vendor is not None:
            return opened_at(plan.vendor, venue, self._street, self._look_at_token)
        ledger = Ledger(
            venue=venue.name,
            instruments={
                each.name: each.instrument
                for each in plan.markets
                if each.instrument.venue == venue.name
            },
            balances=dict(venue.cash),
            maker=venue.maker,
            taker=venue.taker,
            fee_in=venue.fee_in,
            third=THIRD,
            strict=Draw.STRICT in plan.on,
        )
        return SimulatedVenue(venue, ledger, self._street, self._look_at_token)

    async def _look_at_token(
        self, venue: VenueName, client_order_id: str, sender: int | None
    ) -> None:
        """I5, at the moment when the order leaves us."""
        del venue
        problem = await self._books.token_problem(client_order_id, sender)
        if problem is not None:
            self.violations.append(problem)

    async def run(self) -> None:
        async with AsyncExitStack() as stack:
            for venue in self.venues.values():
                await venue.serve(stack)
            await self._run()

    async def _run(self) -> None:
        market = asyncio.ensure_future(self._guard(Life(), self._pulse.move_market()))
        try:
            while self._loop.time() < self.plan.seconds:
                await self._live(until=self.plan.seconds, mortal=True)
            await asyncio.gather(*self._zombies)
            self._faults.on, self._pulse.calm = False, True
            self._pulse.settings.calm(self._loop.time())
            self.record.say("calm")
            ends = self._loop.time() + SETTLED_SECONDS
            await self._live(until=ends, mortal=False, then=self._judgement)
        finally:
            market.cancel()
            tasks = [task for venue in self.venues.values() for task in venue.tasks]
            for task in tasks:
                task.cancel()
            await asyncio.gather(market, *tasks, return_exceptions=True)
        self.violations += self._street.crashes
        self.violations += [f"a fault that a job contained: {each}" for each in self._contained]
        self.record.counts.update(await self._books.denials())

    async def _judgement(self) -> None:
        self.violations += await self._first_looks.note(self._books)
        self._first_looks.set_apart()
        await self._adopted()
        self.violations += await judge(self._books, self._facts)
        if await self._books.unknown():
            self.record.say("patience")
            self._facts.patient_from = self._loop.time()
            self._pace = SLOWLY
            await asyncio.sleep(PATIENCE_SECONDS)
            self._pace = 1.0
            await asyncio.sleep(SETTLED_SECONDS)
            await self._adopted()  # what was refused while an order's fate was unknown
            self.violations += await judge(self._books, self._facts, patient=True)
        if self.record.keep:
            self.record.lines += await self._books.told()
        for factor in (Decimal("0.7"), Decimal(2)):
            for market in self.plan.markets:
                if market.traded:
                    price = market.on_tick(market.start * factor)
                    self.venues[market.instrument.venue].move(market.name, price)
            await asyncio.sleep(CLOSED_SECONDS / 2)
        self.violations += await judge(self._books, self._facts, flat=True)

    async def _adopted(self) -> None:
        if self._pulse.is_touched and self._world is not None:
            with suppress(TradebotError, TimeoutError):
                await self._pulse.adopt(self._world)
            await asyncio.sleep(SETTLED_SECONDS / 2)

    # A life

    async def _live(
        self,
        *,
        until: float,
        mortal: bool,
        then: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._lives += 1
        life = Life(number=self._lives)
        span = Span(self._lives, self._loop.time())
        self._facts.spans.append(span)
        if mortal and self._chance.random() < self.plan.kills:
            life.last_step = self._chance.randint(1, LIFE_STEPS)
        if mortal:
            self._pulse.settings.restart(self._loop.time())
        lines = {name: self._line(venue, life) for name, venue in self.venues.items()}
        for name, venue in self.venues.items():
            venue.line = lines[name]
        tasks = [
            asyncio.ensure_future(self._guard(life, self._one_life(life, lines))),
            asyncio.ensure_future(life.ended.wait()),
        ]
        seconds = until - self._loop.time()
        if mortal and self._chance.random() < self.plan.zombies:
            seconds *= self._chance.random()
        await asyncio.wait(tasks[1:], timeout=max(0.0, seconds))
        if then is not None:
            await then()
        stops = mortal and self._chance.random() < self.plan.zombies
        if stops and self._chance.random() < AS_IT_SENDS:
            await self._sends(life)
        span.ended = self._loop.time()
        if life.ended.is_set():
            self.record.say("kill", life.steps)
        elif stops:
            await self._stop_for_a_while(life, tasks)
            return
        await self._bury(life, tasks)
        if mortal:
            await asyncio.sleep(self._chance.choice([0.1, 1, 5, 30]))

    async def _sends(self, life: Life) -> None:
        """Until an order is about to leave, if one does."""
        life.sending.clear()
        waits = [asyncio.ensure_future(each.wait()) for each in (life.sending, life.ended)]
        await asyncio.wait(waits, timeout=LEASE_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        for each in waits:
            each.cancel()

    async def _bury(self, life: Life, tasks: Sequence["asyncio.Future[Any]"]) -> None:
        life.end()
        for venue in self.venues.values():
            if venue.line is not None and venue.line.life is life:
                venue.line = None
        for task in (*tasks, *self._spoken):
            task.cancel()
        await asyncio.gather(*tasks, *self._spoken, return_exceptions=True)
        self._spoken.clear()
        await self._server.settle()
        self.violations += await self._first_looks.note(self._books)

    async def _stop_for_a_while(self, life: Life, tasks: Sequence["asyncio.Future[Any]"]) -> None:
        """It stands still until its lease is over, and wakes up beside its successor."""
        self.record.say("stopped")
        life.thawed = asyncio.Event()
        for venue in self.venues.values():
            venue.line = None

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

    async def _start(self, life: Life, lines: dict[VenueName, Line], *, taken_over: bool) -> World:
        weather = Weather(self._server, life, self._faults, self.record)
        settings = self._pulse.settings
        while True:
            try:
                return await open_world(
                    self.plan,
                    weather,
                    lines,
                    self._time,
                    self._street.tape,
                    symbols=settings.symbols,
                    specs=settings.specs,
                    taken_over=taken_over,
                )
            except (TradebotError, TimeoutError) as error:
                self.record.say("start failed", type(error).__name__)
                await asyncio.sleep(1)

    async def _one_life(self, life: Life, lines: dict[VenueName, Line]) -> None:
        taken_over, self._taken_over = self._taken_over, False
        world = self._world = await self._start(life, lines, taken_over=taken_over)
        self._facts.ready(life.number, taken_over=taken_over)
        pulse, on = self._pulse, self.plan.on
        work: list[tuple[float, Callable[[], Awaitable[None]]]] = [
            (SWEEP_SECONDS, lambda: pulse.sweep(world)),
            (CANDLE_SECONDS, lambda: pulse.bots(world)),
            (TICK_SECONDS, lambda: pulse.ticks(world)),
            (1.0, lambda: pulse.operate(world)),
        ]
        jobs: list[tuple[float, Callable[[], Awaitable[None]]]] = [
            (RECONCILE_SECONDS, world.reconcile)
        ]
        if on & {Draw.ACCOUNT_LIMITS, Draw.TRANSFERS}:
            jobs.append((SNAPSHOT_SECONDS, world.snapshot))
        if on & {Draw.ZONES, Draw.BOT_LIMITS}:
            jobs.append((RESET_SECONDS, world.reset_days))
        if self.plan.tells_instruments:
            jobs.append((INSTRUMENTS_SECONDS, world.ask_instruments))
        if Draw.RELOAD in on:
            work.append((1.0, lambda: pulse.reload(world)))
        if Draw.WINDOWS in on:
            life.in_between = lambda fault: self._speak(fault, life, world)
        tasks = [
            asyncio.ensure_future(self._guard(life, self._repeat(life, *each))) for each in work
        ]
        tasks += [
            asyncio.ensure_future(self._guard(life, self._repeat(life, *each, contained=True)))
            for each in jobs
        ]
        always = (
            world.trading.protection.run(),
            world.trading.entry_orders.run(),
            self._repeat(life, BEAT_SECONDS, world.beat, most=2.0),
        )
        tasks += [asyncio.ensure_future(self._guard(life, each)) for each in always]
        if self.plan.tells_instruments:
            attends = self._guard(life, world.trading.instruments.attend())
            tasks.append(asyncio.ensure_future(attends))
        if self.plan.vendor is not None:
            tasks += [
                asyncio.ensure_future(self._guard(life, each)) for each in world.between_calls()
            ]
        try:
            await life.ended.wait()
        finally:
            self._contained |= dict.fromkeys(world.faults)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _speak(self, fault: str, life: Life, world: World) -> None:
        """The operator says something while whoever asked waits for an answer."""
        if self._pulse.calm or not self._faults.strikes(fault):
            return
        among = HALTS if fault == "halt_as_it_leaves" else COMMANDS

        async def speak() -> None:
            HURRIED.set(True)
            try:
                await self._operator.act(world, among)
            except (TradebotError, TimeoutError) as error:
                self.record.say("failed", f"{type(error).__name__}")

        spoken = asyncio.ensure_future(self._guard(life, speak()))
        self._spoken.add(spoken)
        spoken.add_done_callback(self._spoken.discard)
        await asyncio.sleep(self._chance.uniform(0, 1.5))

    async def _repeat(
        self,
        life: Life,
        period: float,
        work: Callable[[], Awaitable[None]],
        *,
        most: float = SLOWLY,
        contained: bool = False,
    ) -> None:
        """*contained*: whatever it raises ends a run of a job, and the next one is due as ever."""
        await asyncio.sleep(self._chance.uniform(0, period / 2))
        while not life.ended.is_set():
            try:
                await work()
            except (TradebotError, TimeoutError) as error:
                self.record.say("failed", f"{type(error).__name__}")
                if isinstance(error, AccountTakenError):
                    await asyncio.sleep(self._chance.uniform(0, 5))  # no exit is immediate
                    life.end()
            except ALIENS as error:
                if not contained:
                    raise
                self.record.say("job failed", repr(error))
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


async def run_seed(
    plan: Plan,
    loop: VirtualLoop,
    server: Server,
    watcher: asyncpg.Connection,
    *,
    keep: bool = False,
) -> tuple[Verdict, Record]:
    began, statements = real_time.perf_counter(), server.statements
    loop.virtual = 0.0
    driver = Driver(plan, loop, server, watcher, keep=keep)
    with virtual_host(VirtualTime(loop, plan.began)):
        await driver.run()
    counts = dict(sorted(driver.record.counts.items()))
    counts["orders"] = sum(len(venue.ledger.orders) for venue in driver.venues.values())
    counts["fills"] = sum(len(venue.ledger.fills) for venue in driver.venues.values())
    verdict = Verdict(
        seed=plan.seed,
        violations=driver.violations,
        counts=counts,
        digest=driver.record.digest,
        seconds=round(real_time.perf_counter() - began, 3),
        statements=server.statements - statements,
    )
    return verdict, driver.record
