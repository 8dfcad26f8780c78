"""What moves a life: the market, the stream, the timer's jobs, the operator."""

import asyncio
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from tests.simulation.forces import Forces
from tests.simulation.operator import Deed, Operator
from tests.simulation.settings import Settings
from tests.simulation.street import Street
from tests.simulation.switches import Draw
from tests.simulation.venue import SimulatedVenue
from tests.simulation.world import World
from tradebotd.domain.candle import Tick
from tradebotd.domain.errors import RefusedError
from tradebotd.domain.ids import VenueName

TICK_SECONDS: Final = 1.0
SILENT_SECONDS: Final = (60.0, 200.0)
LIES: Final = ("0.6", "0.8", "1.25", "1.7")


@dataclass
class Pulse:
    """*calm*: no price moves by itself, and no strategy wants anything."""

    street: Street
    venues: Mapping[VenueName, SimulatedVenue]
    forces: Sequence[Forces]
    operator: Operator
    settings: Settings
    chance: random.Random
    market: random.Random
    calm: bool = False
    silent_until: dict[str, float] = field(default_factory=dict)
    swept: list[tuple[float, int, frozenset[str]]] = field(default_factory=list)  # at, life, failed

    async def move_market(self) -> None:
        while True:
            await asyncio.sleep(TICK_SECONDS)
            if not self.calm:
                for symbol in sorted(self.street.prices):
                    if self.street.is_open(symbol):
                        self._step(symbol)
            for each in self.forces:
                each.act()
            for venue in self.venues.values():
                venue.pass_time()
                venue.look()

    def _step(self, symbol: str) -> None:
        market, price = self.street.market(symbol), self.street.prices[symbol]
        back = 0.02 * (float(market.start / price) - 1)
        step = self.market.gauss(0, 0.004 if market.traded else 0.0003) + back
        moved = market.on_tick(price * Decimal(str(round(1 + step, 6))))
        self.venues[market.instrument.venue].move(symbol, moved)

    async def ticks(self, world: World) -> None:
        faults = self.street.faults
        now = self.street.time.monotonic()
        for symbol in sorted(self.street.prices):
            if symbol not in world.trading.symbols or not self.street.is_open(symbol):
                continue
            if faults.strikes("silence"):
                self.silent_until[symbol] = now + self.chance.uniform(*SILENT_SECONDS)
            if faults.on and (self.chance.random() < 0.3 or now < self.silent_until.get(symbol, 0)):
                continue  # the stream stalls: the sweep asks for itself
            lie = None
            if faults.strikes("lie") and not self.street.tape.ends_in_a_lie(symbol):
                lie = self.street.market(symbol).on_tick(
                    self.street.prices[symbol] * Decimal(self.chance.choice(LIES))
                )
            price = self.street.show(symbol, world.life.number, "tick", lie)
            acting = world.trading.protection.on_tick(Tick(world.time.now(), symbol, price))
            if acting is not None:
                await acting

    async def bots(self, world: World) -> None:
        for mood in world.moods.values():
            mood.silent = self.calm
        await world.run_bots()

    async def sweep(self, world: World) -> None:
        failed = await world.sweep()
        self.swept.append((self.street.time.monotonic(), world.life.number, failed))

    async def operate(self, world: World) -> None:
        if self.calm:
            await self.operator.resume(world)
        elif self.chance.random() < self.street.plan.commands:
            await self.operator.act(world)

    async def reload(self, world: World) -> None:
        if self.calm or self.chance.random() >= self.street.plan.reloads:
            return
        self.settings.change(self.street.time.monotonic())
        self.street.record.say("reload")
        await world.reload(self.settings.specs)

    async def adopt(self, world: World) -> None:
        """In the end an operator takes over what somebody else's hand did."""
        for spec in self.street.plan.specs:
            instrument = self.street.market(spec.symbol).instrument
            deed = Deed(
                "adopt", self.street.time.monotonic(), world.life.number, bot=str(spec.name)
            )
            try:
                deed.answer = await world.trading.commands.adopt(
                    str(instrument.venue), spec.symbol, str(spec.name)
                )
            except RefusedError as refused:
                self.street.record.say("not adopted", refused.code)
                continue
            deed.done, deed.ended = True, self.street.time.monotonic()
            self.operator.deeds.append(deed)
            by_hand = self.venues[instrument.venue].ledger.by_hand
            for subject in (instrument.base_asset, spec.symbol):
                by_hand.pop(subject, None)
            self.street.record.say("adopted", spec.symbol)

    @property
    def is_touched(self) -> bool:
        """Whether a hand was in it."""
        touched = any(each.venue.ledger.by_hand for each in self.forces)
        return touched and Draw.HANDS in self.street.plan.on
