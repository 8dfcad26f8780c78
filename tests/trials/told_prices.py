"""`python -m tests.trials.told_prices [--port N]`: Twelve Data whose candles are the prices it was told.

The vendor's simulator makes up its candles. Here the control word `price` moves last price, stream
and minutes alike, so that they are those of the market that a venue is shown. Before the first price
of a symbol the minutes stand at it.
"""

import json
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from aiohttp import web

from tests.simulators.shared.answers import Scene
from tests.simulators.shared.server import run_alone
from tests.simulators.twelvedata.bars import MINUTE, Bar
from tests.simulators.twelvedata.credits import PLANS, Account
from tests.simulators.twelvedata.instruments import USUAL, Instrument
from tests.simulators.twelvedata.rest import build
from tests.simulators.twelvedata.vendor import KEY, TwelveData

TETHER: Final = Instrument(
    symbol="USDT/USD", kind="Digital Currency", exchange="Coinbase Pro", price=Decimal(1)
)
ETHER: Final = Instrument(
    symbol="ETH/USD", kind="Digital Currency", exchange="Coinbase Pro", price=Decimal(3000)
)
VOLUME: Final = Decimal(10)


class Told:
    """Minutes of the prices that were told; one without a price stands at the last before it."""

    def __init__(self) -> None:
        self._minutes: dict[str, dict[datetime, list[Decimal]]] = {}
        self._first: dict[str, Decimal] = {}

    def tell(self, symbol: str, price: Decimal, at: datetime) -> None:
        self._first.setdefault(symbol, price)
        minutes = self._minutes.setdefault(symbol, {})
        minutes.setdefault(at.replace(second=0, microsecond=0), []).append(price)

    def minute(self, instrument: Instrument, at: datetime, now: datetime) -> Bar | None:
        if now <= at or instrument.symbol not in self._first:
            return None
        minutes = self._minutes[instrument.symbol]
        prices = minutes.get(at) or [self._before(instrument.symbol, at)]
        day = at.astimezone(instrument.local).date()
        return Bar(at, day, prices[0], max(prices), min(prices), prices[-1], VOLUME)

    def price(self, instrument: Instrument, _: datetime) -> Decimal | None:
        minutes = self._minutes.get(instrument.symbol)
        return minutes[max(minutes)][-1] if minutes else None

    def _before(self, symbol: str, at: datetime) -> Decimal:
        minutes = self._minutes[symbol]
        earlier = max((each for each in minutes if each < at), default=None)
        return self._first[symbol] if earlier is None else minutes[earlier][-1]


def told(scene: Scene) -> web.Application:
    """Build the vendor's application, with a plan that a price each few seconds fits in."""
    minutes = Told()
    vendor = TwelveData(
        scene.clock,
        minutes=minutes,
        instruments=(*USUAL, ETHER, TETHER),
        history=120 * MINUTE,
        accounts={KEY: Account(PLANS["grow"])},
    )
    app = build(scene, vendor)
    shown = scene.controls["price"]

    async def price(said: dict[str, Any]) -> None:
        minutes.tell(said["symbol"], Decimal(str(said["price"])), scene.clock.now())
        await shown(said)

    scene.controls["price"] = price
    return app


if __name__ == "__main__":
    run_alone(told, lambda _: json.dumps({"key": KEY}))
