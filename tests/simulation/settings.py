"""The configuration file of a seed as it is written at any time, and as it was before."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.simulation.bots import another_plan
from tests.simulation.markets import CURRENCY
from tests.simulation.plan import Plan
from tests.simulation.switches import Draw
from tradebotd.domain.bot import BotSpec
from tradebotd.domain.instrument import MarketSymbol


@dataclass
class Settings:
    """*written*: (virtual seconds, the bots from then on); the daemon has read it at some later time."""

    plan: Plan
    chance: random.Random
    written: list[tuple[float, tuple[BotSpec, ...]]] = field(default_factory=list)
    left_out: list[tuple[float, str | None]] = field(default_factory=list)
    _left_out: str | None = None
    _numbers: int = 0

    def __post_init__(self) -> None:
        self.written.append((0.0, self.plan.specs))

    @property
    def specs(self) -> Sequence[BotSpec]:
        return self.written[-1][1]

    @property
    def symbols(self) -> Sequence[MarketSymbol]:
        return [each.symbol for each in self.plan.markets if each.name != self._left_out]

    def knows(self, symbol: str, at: float) -> bool:
        """Whether it was configured then, for whichever process there was."""
        left = [name for when, name in self.left_out if when <= at]
        return not left or left[-1] != symbol

    def was_always_money(self, asset: str) -> bool:
        """Whether it is the account's, or some symbol was paid in it, whatever was left out."""
        paid = {each.name for each in self.plan.markets if each.instrument.quote_asset == asset}
        return asset == CURRENCY or all(paid - {name} for _, name in self.left_out)

    def restart(self, now: float) -> None:
        """Before a life begins: symbols leave, or come back."""
        if Draw.RELOAD not in self.plan.on:
            return
        former, self._left_out = self._left_out, None
        traded = [each.name for each in self.plan.markets if each.traded]
        if len(traded) > 1 and self.chance.random() < 0.25:
            self._left_out = self.chance.choice(traded)
        self.left_out.append((now, self._left_out))
        if former != self._left_out:
            self._write(now, self.specs if former is None else self.plan.specs)

    def change(self, now: float) -> None:
        """While it runs: a bot leaves, comes back, or is told otherwise."""
        self._numbers += 1
        here = {spec.name: spec for spec in self.specs}
        spec = self.chance.choice(self.plan.specs)
        known = here.pop(spec.name, None)
        if known is None or self.chance.random() < 0.6:
            here[spec.name] = another_plan(self.plan.seed, self._numbers, spec, self.plan.on)
        self._write(now, tuple(sorted(here.values(), key=lambda each: each.name)))

    def calm(self, now: float) -> None:
        """Everything is there again."""
        self._left_out = None
        self.left_out.append((now, None))
        here = {spec.name: spec for spec in self.plan.specs}
        here |= {spec.name: spec for spec in self.specs}
        if {spec.name for spec in self.specs} != set(here):
            self._write(now, tuple(sorted(here.values(), key=lambda each: each.name)))

    def _write(self, now: float, specs: Sequence[BotSpec]) -> None:
        kept = tuple(spec for spec in specs if spec.symbol != self._left_out)
        self.written.append((now, kept))
