"""One seed: positions one after the other on each symbol, what befalls them, and the judgement."""

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

import anyio

from tests.protection.daemon import Daemon, Setting, living, seconds_of
from tests.protection.places import Place
from tradebotd.domain.errors import (
    EntryPostponedError,
    OrderDeniedError,
    OrderRejectedError,
    OutcomeUnknownError,
    VenueUnavailableError,
)
from tradebotd.storage.postgres.database import Database

LOOK_EVERY: Final = 0.004  # seconds between two looks at the ledger
PATIENCE: Final = 20.0  # until a stop rests again, or nothing is held
TIGHTER: Final = Decimal("0.015")
GAPS: Final = (0.0, 0.05, 0.3, 0.6, 1.2)  # seconds before a mishap; some before we hear of the stop
AGAIN: Final = 0.25  # seconds, before an entry is tried again
WHOLE: Final = Decimal("0.99")  # of a position; the rest may be a fee that left it, or dust


Plan = tuple[list[str], str]  # what befalls a position, and how it ends


@dataclass
class Spell:
    """Something was held without a stop, by the venue's ledger. `after`: what came before it."""

    symbol: str
    after: str
    seconds: float = 0.0


@dataclass
class Witness:
    """Looks at the ledger; `spells` by position, `doing`: what befell each symbol last."""

    place: Place
    doing: dict[str, str] = field(default_factory=dict)
    positions: list[list[Spell]] = field(default_factory=list)
    _open: dict[str, list[Spell]] = field(default_factory=dict)
    _since: dict[str, float] = field(default_factory=dict)

    async def watch(self) -> None:
        while True:
            for name in self.place.symbols:
                self._look(name)
            await anyio.sleep(LOOK_EVERY)

    def _look(self, name: str) -> None:
        now, (held, stopped) = anyio.current_time(), self.place.look(name)
        if held <= self.place.quantity * (1 - WHOLE):
            self._end(name, now)
            self._open.pop(name, None)
            return
        if name not in self._open:
            self._open[name] = []
            self.positions.append(self._open[name])
        if stopped >= held * WHOLE:
            self._end(name, now)
        elif name not in self._since:
            self._since[name] = now

    def _end(self, name: str, now: float) -> None:
        since = self._since.pop(name, None)
        if since is not None:
            self._open[name].append(Spell(name, self.doing.get(name, ""), now - since))

    def is_guarded(self, name: str) -> bool:
        held, stopped = self.place.look(name)
        return stopped >= held * WHOLE and not self.is_flat(name)

    def is_flat(self, name: str) -> bool:
        return self.place.look(name).held <= self.place.quantity * (1 - WHOLE)


@dataclass
class Outcome:
    seed: int
    spells: list[Spell]
    positions: list[float]  # seconds without a stop, by the ledger
    counted: list[float]  # and by the daemon
    wrong: list[str]

    def as_json(self) -> dict[str, Any]:
        return {
            "seed": self.seed,
            "spells": [[each.after, round(each.seconds, 3)] for each in self.spells],
            "positions": [round(each, 3) for each in self.positions],
            "counted": [round(each, 3) for each in self.counted],
            "wrong": self.wrong,
        }


@dataclass
class Life:
    """The daemon of the moment; `kill` ends it, and another one begins."""

    setting: Setting
    daemon: Daemon | None = None
    is_over: bool = False
    _killed: anyio.Event = field(default_factory=anyio.Event)

    async def live(self) -> None:
        while not self.is_over:
            self._killed = anyio.Event()
            async with living(self.setting) as daemon:
                self.daemon = daemon
                await self._killed.wait()
                self.daemon = None

    async def kill(self) -> None:
        self._killed.set()
        await until(lambda: self.daemon is None)
        await until(lambda: self.daemon is not None)


async def until(so: Callable[[], object], patience: float = PATIENCE) -> bool:
    with anyio.move_on_after(patience):
        while not so():  # noqa: ASYNC110 - it has no event: it happens at the venue
            await anyio.sleep(0.005)
        return True
    return False


async def run_seed(
    seed: int,
    place: Place,
    database: Database,
    rounds: int = 2,
    plan: Plan | None = None,
) -> Outcome:
    """Run one seed: on each symbol *rounds* positions, one after the other; each by *plan*, if that
    is not to be drawn.
    """
    draw = random.Random(seed)
    setting = Setting(
        database=database,
        clock=place.clock,
        symbols=place.symbols,
        calendar=place.calendar,
        position_type=place.position_type,
        build=place.build,
        price=place.price,
    )
    life, witness, wrong = Life(setting), Witness(place), []
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(life.live)
        tasks.start_soon(witness.watch)
        if not await until(lambda: life.daemon is not None):
            wrong.append("the daemon did not start")
        async with anyio.create_task_group() as trials:
            for name in place.symbols:
                plans = [plan or _plan(draw, place) for _ in range(rounds)]
                own = random.Random(f"{seed} {name}")
                trials.start_soon(_trials, name, plans, own, life, witness, wrong)
        await until(lambda: life.daemon is None or not life.daemon.exits.held, 10.0)
        if life.daemon is not None:
            await life.daemon.exits.sweep(place.clock.now())
        life.is_over = True
        tasks.cancel_scope.cancel()
    counted = [seconds for _, seconds in (await seconds_of(database)).values()]
    told = [sum(each.seconds for each in spells) for spells in witness.positions]
    spells = [each for position in witness.positions for each in position]
    if sum(counted) < sum(told) * 0.95 - 0.05 * len(told):
        wrong.append(f"the daemon counts {sum(counted):.3f} s, the ledger {sum(told):.3f} s")
    return Outcome(seed, spells, told, counted, wrong)


def _plan(draw: random.Random, place: Place) -> Plan:
    """Draw what befalls a position: some mishaps, then how it ends."""
    known = [*place.mishaps, "moved", "killed"]
    steps = [draw.choice(known) for _ in range(draw.randrange(3))]
    return steps, draw.choice([*place.endings, "stopped", "stopped"])


async def _trials(
    name: str,
    plans: list[Plan],
    draw: random.Random,
    life: Life,
    witness: Witness,
    wrong: list[str],
) -> None:
    place = witness.place
    for steps, ending in plans:
        witness.doing[name] = "entry"
        place.move(name, place.start_price)
        if not await _entered(name, life, witness, wrong):
            return
        for step in steps:
            await anyio.sleep(draw.choice(GAPS))
            await _befall(name, step, life, witness)
            if not await until(lambda: witness.is_guarded(name) or witness.is_flat(name)):
                wrong.append(f"{name}: no stop rests after {step}")
        witness.doing[name] = ending
        if ending == "stopped":
            place.move(name, (place.price(name) * Decimal("0.97")).quantize(Decimal("0.01")))
        else:
            await place.endings[ending](name)
        if not await until(lambda: witness.is_flat(name)):
            wrong.append(f"{name}: still held after {ending}")
            return
        if not await until(lambda: _closed(name, life)):
            wrong.append(f"{name}: open in our books after {ending}")
            return


def _closed(name: str, life: Life) -> bool:
    return life.daemon is not None and life.daemon.position(name) is None


async def _entered(name: str, life: Life, witness: Witness, wrong: list[str]) -> bool:
    """Enter, once the exits of the position before are gone."""
    with anyio.move_on_after(PATIENCE):
        while not await _sent(name, life, witness):  # noqa: ASYNC110 - no event tells
            await anyio.sleep(AGAIN)
    if not await until(lambda: not witness.is_flat(name)):
        wrong.append(f"{name}: not entered")
        return False
    if not await until(lambda: witness.is_guarded(name)):
        wrong.append(f"{name}: no stop rests after the entry")
        return False
    return True


async def _sent(name: str, life: Life, witness: Witness) -> bool:
    if life.daemon is None:
        return False
    try:
        await life.daemon.enter(name, witness.place.quantity)
    except (EntryPostponedError, OrderDeniedError, OrderRejectedError, VenueUnavailableError):
        return False  # a fault that is meant for a stop may meet it, too
    except OutcomeUnknownError:
        return True  # it is found, or missed below
    return True


async def _befall(name: str, step: str, life: Life, witness: Witness) -> None:
    acts: dict[str, Callable[[], Awaitable[None]]] = {
        "moved": lambda: _move(name, life),
        "killed": life.kill,
    }
    witness.doing[name] = step
    act = acts.get(step)
    if act is not None:
        await act()
    else:
        await witness.place.mishaps[step](name)
        await anyio.sleep(0.05)


async def _move(name: str, life: Life) -> None:
    await until(lambda: life.daemon is not None and life.daemon.position(name) is not None)
    if life.daemon is not None:
        await life.daemon.move_stop(name, TIGHTER)
        await anyio.sleep(1.0)
