"""What an operator does, and what was answered; the oracle holds the daemon to the answers."""

import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from tests.simulation.host import HURRIED, Record, VirtualTime
from tests.simulation.switches import Draw
from tests.simulation.world import World
from tradebotd.domain.denial import DenialRule
from tradebotd.domain.errors import RefusedError, TradebotError
from tradebotd.domain.ids import BotName, PositionId

COMMANDS: Final = (
    *("close", "close", "set", "set", "pause", "resume", "halt", "flatten"),
    *("resume_all", "resume_all"),
)
HALTS: Final = ("halt", "flatten", "pause")
OFTEN: Final = 0.6


@dataclass
class Deed:
    """*ended*: when it was answered, in virtual seconds; None: never. *done*: with a yes."""

    name: str
    began: float
    life: int
    bot: str | None = None
    position: int | None = None
    asked: dict[str, str | None] = field(default_factory=dict)
    ended: float | None = None
    done: bool = False
    answer: Any = None


@dataclass
class Operator:
    """Outlives the daemon, and speaks to whichever life there is."""

    chance: random.Random
    time: VirtualTime
    record: Record
    on: frozenset[Draw]
    deeds: list[Deed] = field(default_factory=list)
    paused: set[BotName] = field(default_factory=set)

    async def act(self, world: World, among: Sequence[str] = COMMANDS) -> None:
        """Some command. Raises what the daemon raises, but for a refusal."""
        deed = self._drawn(world, among)
        if deed is not None:
            await self.do(deed, world)

    async def resume(self, world: World) -> None:
        """Whatever stops entries."""
        gate = world.trading.gate
        fell = gate.account_halts.current
        if gate.halt_reason is not None or (
            fell is not None and fell.rule == DenialRule.MAX_DRAWDOWN
        ):
            await self.do(Deed("resume_all", self.time.monotonic(), world.life.number), world)

    async def do(self, deed: Deed, world: World) -> None:
        self.record.say("command", deed.name)
        self.deeds.append(deed)
        told = HURRIED.set(True)
        try:
            deed.answer = await self._done(deed, world)
            deed.done = True
            if deed.name in {"pause", "resume"}:
                self.paused ^= {BotName(deed.bot or "")}
        except RefusedError as refused:
            deed.answer = refused.code
            self.record.say("refused", refused.code)
        except TradebotError as error:
            deed.answer = type(error).__name__
            raise
        finally:
            HURRIED.reset(told)
            if deed.answer is not None or deed.done:
                deed.ended = self.time.monotonic()

    def _drawn(self, world: World, among: Sequence[str]) -> Deed | None:
        chance = self.chance
        name = chance.choice(among)
        if world.trading.gate.halt_reason is not None and chance.random() < OFTEN:
            name = "resume_all"
        deed = Deed(name, self.time.monotonic(), world.life.number)
        held = sorted(world.trading.protection.held)
        bots = sorted(world.trading.specs)
        match name:
            case "close" | "set" if not held:
                return None
            case "close":
                deed.position = chance.choice(held)
            case "set":
                deed.position = chance.choice(held)
                deed.asked = self._exits(world, deed.position)
            case "pause" | "resume" if not bots:
                return None
            case "pause" | "resume":
                paused = sorted(self.paused & set(bots))
                deed.name = "resume" if paused and chance.random() < OFTEN else deed.name
                deed.bot = chance.choice(paused if deed.name == "resume" and paused else bots)
            case _:
                pass
        return deed

    def _exits(self, world: World, position_id: int) -> dict[str, str | None]:
        """Mostly a stop, in per cent; with more draws each of the others, prices and none."""
        chance = self.chance
        stop, target = (f"{chance.randint(5, 40) / 10}%" for _ in range(2))
        asked: dict[str, str | None] = {
            "stop_loss": stop,
            "take_profit": target if chance.random() < 0.5 else None,
            "trailing_stop": None,
            "max_holding": None,
        }
        if Draw.WINDOWS not in self.on or chance.random() < 0.4:
            return asked
        position = world.trading.protection.held[PositionId(position_id)]
        market = world.plan.market(position.symbol)
        near = market.on_tick(position.entry_price * (1000 + chance.randint(-30, 30)) / 1000)
        asked["stop_loss"] = chance.choice([None, stop, "none", f"{near:f}"])
        asked["take_profit"] = chance.choice([None, target, "none"])
        asked["trailing_stop"] = chance.choice([None, stop, "none", f"{near:f}"])
        asked["max_holding"] = chance.choice([None, None, "none", "1m"])
        return asked

    async def _done(self, deed: Deed, world: World) -> Any:
        hands, gate = world.trading.commands, world.trading.gate
        position = PositionId(deed.position or 0)
        asked: Any = deed.asked
        bot = next((name for name in world.trading.specs if name == deed.bot), BotName(""))
        acts: dict[str, Callable[[], Awaitable[Any]]] = {
            "close": lambda: hands.close_position(position),
            "set": lambda: hands.set_exits(position, **asked),
            "pause": lambda: hands.pause_bot(bot),
            "resume": lambda: hands.resume_bot(bot),
            "halt": lambda: gate.halt("a mood"),
            "flatten": lambda: hands.flatten(lambda _: None),
            "resume_all": gate.resume,
        }
        return await acts[deed.name]()
