"""One market for all simulators: a seeded walk with pushes that meet stops and targets."""

import random
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

import anyio

from tests.trials.processes import Told, now_ms
from tests.trials.settings import SYMBOLS, Traded

STEP_SECONDS: Final = 0.5
QUIET: Final = 0.00006  # standard deviation of a step
PUSHED: Final = 0.0009  # of a step while a push lasts
PUSH_STEPS: Final = 9
PUSH_CHANCE: Final = 0.03  # of a step, for each coin
HOME: Final = 0.01  # how far from the first price a push leads home for certain
CALM: Final = frozenset({"USDT"})  # what converts moves by ticks alone
SPREAD: Final = Decimal("0.0001")  # of Alpaca's quotes
PAST_MINUTES: Final = 90


class Market:
    """Prices by coin, as far from the first one as the walk has come; each venue is shown its own."""

    def __init__(self, seed: int, told: Told) -> None:
        self._random = random.Random(f"market {seed}")
        self._told = told
        self._moved = {each.base: 0.0 for each in SYMBOLS}
        self._pushes: dict[str, list[float]] = {}
        self._minutes: dict[str, tuple[int, list[Decimal]]] = {}  # at Alpaca, so far
        self.steps = 0
        self.still = False

    async def begin(self) -> None:
        """Give every symbol a past, and its first price."""
        minute = now_ms() // 60_000 * 60_000
        for traded in SYMBOLS:
            if traded.venue == "spot":
                rows = [
                    [minute - ago * 60_000, *[traded.price] * 4]
                    for ago in range(PAST_MINUTES, 0, -1)
                ]
                await self._told("spot", "past", symbol=traded.market, interval="1m", rows=rows)
            elif traded.venue == "alpaca":
                for ago in range(PAST_MINUTES, 0, -1):
                    await self._bar(traded, minute - ago * 60_000, [Decimal(traded.price)])
        await self._show()

    async def run(self) -> None:
        """Move it, until cancelled; *still* holds it at its prices, which go on being traded."""
        due = anyio.current_time()
        while True:
            if not self.still:
                self._step()
            await self._show()
            self.steps += 1
            due += STEP_SECONDS
            await anyio.sleep_until(due)

    def _step(self) -> None:
        for coin, moved in self._moved.items():
            if coin in CALM:
                continue
            pushes = self._pushes.setdefault(coin, [])
            if not pushes and self._random.random() < PUSH_CHANCE:
                strength = self._random.uniform(0.3, 1.2) * PUSHED
                away = moved / HOME  # the further from home, the likelier is the way back
                back = self._random.random() < 0.5 + away / 2
                pushes += [-strength if back else strength] * PUSH_STEPS
            self._moved[coin] = (
                moved + self._random.gauss(0, QUIET) + (pushes.pop() if pushes else 0)
            )

    async def _show(self) -> None:
        async with anyio.create_task_group() as telling:
            for traded in SYMBOLS:
                telling.start_soon(self._tell, traded, self._price(traded))

    def _price(self, traded: Traded) -> Decimal:
        noise = 0.0 if self.still or traded.base in CALM else self._random.gauss(0, QUIET / 3)
        factor = Decimal(repr(1 + self._moved[traded.base] + noise))
        tick = Decimal(1).scaleb(-traded.places)
        return (Decimal(traded.price) * factor).quantize(tick)

    async def _tell(self, traded: Traded, price: Decimal) -> None:
        said: dict[str, Any] = {"symbol": traded.market}
        if traded.venue == "spot":
            await self._told("spot", "move", price=str(price), **said)
        elif traded.venue == "usdm":
            await self._told("usdm", "price", price=str(price), **said)
        else:
            half = (price * SPREAD / 2).quantize(Decimal(1).scaleb(-traded.places))
            quote = {"bid": str(price - half), "ask": str(price + half)}
            await self._told("alpaca", "quote", **quote, **said)
            await self._told("alpaca", "trade", price=str(price), **said)
            await self._told("twelvedata", "price", price=str(price), **said)
            await self._count(traded, price)

    async def _count(self, traded: Traded, price: Decimal) -> None:
        """Count *price* in its minute; tell Alpaca the minute before, whose bars are told it."""
        minute = now_ms() // 60_000 * 60_000
        begun, prices = self._minutes.setdefault(traded.market, (minute, []))
        if minute > begun:
            self._minutes[traded.market] = (minute, [price])
            await self._bar(traded, begun, prices)
        else:
            prices.append(price)

    async def _bar(self, traded: Traded, minute: int, prices: list[Decimal]) -> None:
        shown = {"open": prices[0], "high": max(prices), "low": min(prices), "close": prices[-1]}
        figures = {name: str(price) for name, price in shown.items()}
        at = datetime.fromtimestamp(minute / 1000, UTC).isoformat()
        bar = {"at": at, "volume": str(len(prices)), "trades": len(prices), **figures}
        await self._told("alpaca", "bar", symbol=traded.market, feed="crypto", **bar)
