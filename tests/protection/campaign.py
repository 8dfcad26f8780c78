"""One seed: positions one after the other on each symbol, what befalls them, and the judgement."""

import contextlib
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

import anyio

from tests.protection import plan as plans
from tests.protection.daemon import Daemon, Setting, living, seconds_of
from tests.protection.plan import Plan, drawn
from tests.protection.witness import Spell, Witness
from tests.simulators.shared.faults import Executed, Fault, Kind, answered
from tradebotd.domain.denial import DenialRule
from tradebotd.domain.errors import (
    EntryPostponedError,
    OrderDeniedError,
    OrderRejectedError,
    OutcomeUnknownError,
    RefusedError,
    VenueUnavailableError,
)
from tradebotd.storage.postgres.database import Database

REFUSED: Final = (
    EntryPostponedError,
    OrderDeniedError,
    OrderRejectedError,
    VenueUnavailableError,
)
IN_DOUBT: Final = frozenset({DenialRule.EXIT_LEFT_OVER, DenialRule.ORDER_UNKNOWN})
PATIENCE: Final = 120.0  # until a stop rests again, or nothing is held
DOUBT: Final = 20.0  # then a stop may be in doubt for as long as the venue's rules have it
LOOK: Final = 0.02
TIGHTER: Final = "1.5%"
GAPS: Final = (
    0.0,
    0.05,
    0.3,
    0.6,
    1.2,
    6.0,
)  # seconds before a mishap; some before we hear of the stop
AGAIN: Final = 0.25  # seconds, before an entry is tried again
DOWN: Final = (0.2, 1.0, 3.0)  # seconds without a process
AWAY: Final = (1.0, 3.0, 8.0)  # seconds in which no stream can be opened
LATE: Final = 2.0
PARTS: Final = (Decimal("0.3"), Decimal("0.3"), Decimal("0.4"))
BETWEEN_PARTS: Final = (0.05, 0.3, 1.5)
EVENTS: Final = 50  # that are lost at a time, if so many come


@dataclass
class Outcome:
    """*positions*: seconds without a stop by the ledger; *counted*: by the daemon."""

    seed: int
    spells: list[Spell]
    positions: list[float]
    counted: list[float]
    wrong: list[str]

    def as_json(self) -> dict[str, Any]:
        return {
            "spells": [each.as_json() for each in self.spells],
            "positions": [round(each, 3) for each in self.positions],
            "counted": [round(each, 3) for each in self.counted],
        }


@dataclass
class Life:
    """The daemon of the moment; `kill` ends it, and another one begins *down* seconds later."""

    setting: Setting
    witness: Witness
    daemon: Daemon | None = None
    is_over: bool = False
    _down: float = 0.0
    _ended: anyio.Event = field(default_factory=anyio.Event)

    async def live(self) -> None:
        while not self.is_over:
            self._ended = anyio.Event()
            async with living(self.setting) as daemon:
                self.daemon = daemon
                await self._ended.wait()
                self.daemon = None
                await daemon.die()
            self.witness.is_down = True
            await anyio.sleep(self._down)
            self.witness.is_down = False

    async def kill(self, down: float, *, stops: bool = False) -> None:
        """End it, if it is up and nobody else does; wait for the next one."""
        daemon = self.daemon
        if daemon is not None and not self._ended.is_set():
            self._down = down
            if stops:
                await daemon.stop()
            self._ended.set()
            await until(lambda: self.daemon is None)
        await self.up()

    async def up(self) -> Daemon | None:
        await until(lambda: self.daemon is not None)
        return self.daemon


async def until(so: Callable[[], object], patience: float = PATIENCE) -> bool:
    with anyio.move_on_after(patience):
        while not so():  # noqa: ASYNC110 - it has no event: it happens at the venue
            await anyio.sleep(LOOK)
        return True
    return False


async def run_seed(
    seed: int, setting: Setting, database: Database, rounds: int, plan: Plan | None = None
) -> Outcome:
    """Run one seed: on each symbol *rounds* positions, one after the other; each by *plan*, if that
    is not to be drawn.
    """
    draw, place = random.Random(seed), setting.place
    witness = Witness(place)
    life, wrong = Life(setting, witness), list[str]()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(life.live)
        tasks.start_soon(witness.watch)
        if not await until(lambda: life.daemon is not None):
            wrong.append("the daemon did not start")
        async with anyio.create_task_group() as trials:
            for name in place.symbols:
                own = random.Random(f"{seed} {name}")
                todo = [plan or drawn(draw, place) for _ in range(rounds)]
                trial = Trial(name, own, life, witness, wrong)
                trials.start_soon(trial.run, todo)
        if (daemon := await life.up()) is not None:
            await daemon.stop()
        life.is_over = True
        tasks.cancel_scope.cancel()
    counted = [seconds for _, seconds in (await seconds_of(database)).values()]
    told = [sum(each.seconds for each in spells) for spells in witness.positions]
    spells = [each for position in witness.positions for each in position]
    if sum(counted) < sum(told) * 0.95 - 0.05 * len(told):
        wrong.append(f"the daemon counts {sum(counted):.3f} s, the ledger {sum(told):.3f} s")
    return Outcome(seed, spells, told, counted, wrong)


class Trial:
    """Positions of one symbol."""

    def __init__(
        self, name: str, draw: random.Random, life: Life, witness: Witness, wrong: list[str]
    ) -> None:
        self.name, self.draw = name, draw
        self.life, self.witness, self.wrong = life, witness, wrong
        self.place = witness.place
        self.faults = self.place.server.faults
        self._denied: DenialRule | None = None  # why the latest entry was

    async def run(self, todo: list[Plan]) -> None:
        for plan in todo:
            if not await self._position(plan):
                return

    async def _position(self, plan: Plan) -> bool:
        name, place = self.name, self.place
        self.witness.doing[name] = f"entry {plan.entry}"
        place.move(name, place.start_price)
        if not await self._entered(plan.entry):
            return False
        for step in plan.steps:
            await anyio.sleep(self.draw.choice(GAPS))
            if not self.witness.is_flat(name):
                await self._befall(step)
            await self._settled(f"after {step}")
        self.witness.doing[name] = plan.ending
        if plan.ending == plans.STOPPED:
            self._fall()
        else:
            await place.endings[plan.ending](name)
        if not await until(self._is_flat):
            self.wrong.append(f"{name}: still held after {plan.ending}")
            return False
        if not await until(self._is_closed):
            self.wrong.append(f"{name}: open in our books after {plan.ending}")
            return False
        return True

    def _fall(self) -> None:
        price = self.place.price(self.name) * Decimal("0.97")
        self.place.move(self.name, price.quantize(Decimal("0.01")))

    def _is_flat(self) -> bool:
        return self.witness.is_flat(self.name)

    async def _settled(self, when: str) -> None:
        """Wait for a stop; where one is in doubt for long, the daemon's own exit has to end it."""
        if await until(self._is_settled, DOUBT) or self._is_in_doubt():
            return
        if not await until(lambda: self._is_settled() or self._is_in_doubt()):
            self.wrong.append(f"{self.name}: no stop rests {when}")

    def _is_in_doubt(self) -> bool:
        return self.life.daemon is not None and self.life.daemon.is_in_doubt(self.name)

    def _is_settled(self) -> bool:
        return self.witness.is_guarded(self.name) or self._is_flat()

    def _is_closed(self) -> bool:
        daemon = self.life.daemon
        return daemon is not None and daemon.position(self.name) is None

    # Entries

    def _denied_in_doubt(self) -> bool:
        return self._denied in IN_DOUBT

    async def _entered(self, entry: str) -> bool:
        """Enter, once the exits of the position before are gone."""
        self._denied = None
        with anyio.move_on_after(PATIENCE):
            while not await self._sent(entry):  # noqa: ASYNC110 - no event tells
                await anyio.sleep(AGAIN)
        if self._is_flat() and self._denied_in_doubt() and self.name in self.witness.lost:
            return False  # an order of unknown outcome that can rest is in doubt for an hour
        if not await until(lambda: not self._is_flat()):
            self.wrong.append(f"{self.name}: not entered")
            return False
        await self._settled(f"after the entry {entry}")
        return not self._is_flat()

    async def _sent(self, entry: str) -> bool:
        async with anyio.create_task_group() as tasks:
            if entry == plans.KILLED:
                tasks.start_soon(self._killed_as_it_fills)
            sent = await self._attempt(entry)
            if not sent:
                tasks.cancel_scope.cancel()
        return sent

    async def _attempt(self, entry: str) -> bool:
        daemon = await self.life.up()
        if daemon is None:
            return False
        market: dict[str, Any] = {"operation": "place.market"}
        if entry == plans.ACK_LATE:
            self.faults.set(Fault(kind=Kind.DELAY, late=LATE, **market))
        if entry == plans.ACK_LOST:
            self.faults.set(Fault(kind=Kind.RESET, **market))
        with daemon.calling() as call:
            try:
                if entry == plans.IN_PARTS:
                    await self._enter_in_parts(daemon)
                else:
                    await daemon.enter(self.name, self.place.quantity)
            except REFUSED as error:
                self._denied = error.rule if isinstance(error, OrderDeniedError) else None
                return False  # a fault that is meant for a stop may meet it, too
            except OutcomeUnknownError:
                return True  # it is found, or missed below
        if call.cancelled_caught:  # what has left is there after the way of its bytes
            await anyio.sleep(1.0)
            if entry == plans.IN_PARTS:  # no rest of it fills when the price falls
                self.place.offer(self.name, self.place.quantity)
                self.place.move(self.name, self.place.price(self.name))
            return not self._is_flat()
        return True

    async def _enter_in_parts(self, daemon: Daemon) -> None:
        first, *others = (self.place.quantity * part for part in PARTS)
        self.place.offer(self.name, first)
        price = self.place.price(self.name)
        await daemon.enter(self.name, self.place.quantity, price=price)
        for part in others:
            await anyio.sleep(self.draw.choice(BETWEEN_PARTS))
            self.place.offer(self.name, part)
        self.place.move(self.name, price)

    async def _killed_as_it_fills(self) -> None:
        await until(lambda: not self._is_flat())
        await self.life.kill(self.draw.choice(DOWN))

    # What befalls a position

    async def _befall(self, step: str) -> None:
        self.witness.doing[self.name] = step
        acts: dict[str, Callable[[], Awaitable[None]]] = {
            plans.MOVED: self._move,
            plans.CUT: self._cut,
            plans.AWAY: self._away,
            plans.GAP: self._lose_events,
            plans.DOWN: self._cancelled_while_down,
            plans.KILL: lambda: self.life.kill(self.draw.choice(DOWN)),
            plans.RESTART: lambda: self.life.kill(self.draw.choice(DOWN), stops=True),
        }
        act = acts.get(step)
        if act is not None:
            await act()
        elif step in self.place.mishaps:
            await self.place.mishaps[step](self.name)
        else:
            self._set_fault(step)
            await self.place.cancel(self.name)
        await anyio.sleep(0.05)

    def _set_fault(self, step: str) -> None:
        """Have it go wrong with the stop that is placed next."""
        call, (status, body) = self.place.stop_call, self.place.refusal
        faults: dict[str, list[Fault]] = {
            plans.CANCELLED: [],
            plans.REFUSED: [answered(status, body, **call)],
            plans.REFUSED_THRICE: [answered(status, body, times=3, **call)],
            plans.LATE: [Fault(kind=Kind.DELAY, late=LATE, **call)],
            plans.LOST: [Fault(kind=Kind.RESET, **call)],
            plans.NOT_TAKEN: [Fault(kind=Kind.RESET, executed=Executed.NEVER, **call)],
        }
        self.faults.set(*faults[step])

    async def _move(self) -> None:
        daemon = await self.life.up()
        await until(lambda: self.life.daemon is None or self._is_known(), 5.0)
        if daemon is not None:
            with (
                daemon.calling(),
                contextlib.suppress(RefusedError),
            ):  # no price yet, or no position
                await daemon.move_stop(self.name, TIGHTER)
                await anyio.sleep(1.0)

    def _is_known(self) -> bool:
        return self.life.daemon is not None and self.life.daemon.position(self.name) is not None

    async def _cut(self) -> None:
        self.faults.set(Fault(kind=Kind.DISCONNECT, code=0))
        await self.place.server.met()
        await self.place.cancel(self.name)

    async def _away(self) -> None:
        lasts = self.draw.choice(AWAY)
        self.faults.set(Fault(kind=Kind.DISCONNECT, code=0, also_new=True, lasts=lasts))
        await self.place.server.met()
        await anyio.sleep(self.draw.random() * lasts)
        await self.place.cancel(self.name)

    async def _lose_events(self) -> None:
        """The stream goes on, and what it should have told is lost: nothing says so."""
        self.witness.untold.add(self.name)
        self.faults.set(Fault(kind=Kind.GAP, times=EVENTS))
        await self.place.server.met()
        await self.place.cancel(self.name)
        await self.place.server.streams.lifted()

    async def _cancelled_while_down(self) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.life.kill, self.draw.choice(DOWN))
            await until(lambda: self.witness.is_down)
            await self.place.cancel(self.name)
