"""What all venues of a seed share: the market, the weather, and what was seen to happen."""

import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from tests.simulation.host import Faults, Record, VirtualTime
from tests.simulation.markets import Market
from tests.simulation.plan import Plan
from tests.simulation.tape import Shown, Tape


@dataclass
class Street:
    """*crashes*: what came out of the daemon where nothing may."""

    plan: Plan
    time: VirtualTime
    faults: Faults
    record: Record
    chance: random.Random
    tape: Tape
    prices: dict[str, Decimal] = field(default_factory=dict)
    crashes: list[str] = field(default_factory=list)

    def begin(self) -> None:
        for market in self.plan.markets:
            self.prices[market.name] = market.start
            past = random.Random(f"past {self.plan.seed} {market.name}")
            self.tape.begin(market.name, market.start, past, market.instrument.tick_size)

    def market(self, symbol: str) -> Market:
        return self.plan.market(symbol)

    def set(self, symbol: str, price: Decimal) -> None:
        self.prices[symbol] = price
        self.tape.move(symbol, self.time.monotonic(), price)

    def show(self, symbol: str, life: int, how: str, lie: Decimal | None = None) -> Decimal:
        """The price that the daemon is told now, by the stream or on its asking."""
        price = self.prices[symbol] if lie is None else lie
        shown = Shown(
            at=self.time.monotonic(),
            price=price,
            how="tick" if how == "tick" else "quote",
            life=life,
            true=lie is None,
        )
        self.tape.show(symbol, shown)
        return price

    def told(self, symbol: str, life: int, price: Decimal) -> None:
        """A venue has told the daemon *price*, as it was a moment ago."""
        shown = Shown(at=self.time.monotonic(), price=price, how="quote", life=life)
        self.tape.show(symbol, shown)

    def is_open(self, symbol: str) -> bool:
        hours, market = self.plan.hours, self.market(symbol)
        if hours is None or market.symbol.calendar != hours.code:
            return True
        return hours.is_open(self.time.now())

    def closes_after(self, symbol: str, instant: datetime) -> datetime:
        """When the session ends that *instant* is in, or the next one."""
        hours, market = self.plan.hours, self.market(symbol)
        if hours is None or market.symbol.calendar != hours.code:
            midnight = instant.replace(hour=0, minute=0, second=0, microsecond=0)
            return midnight + timedelta(days=1)
        return hours.next_close(instant)

    def hours_at(self, symbol: str, at: float) -> bool:
        """Whether its market was open at virtual second *at*."""
        hours, market = self.plan.hours, self.market(symbol)
        if hours is None or market.symbol.calendar != hours.code:
            return True
        return hours.is_open(self.plan.began + timedelta(seconds=at))
