"""The three venues as a run needs them: served, with an adapter, a ledger to look at, and mishaps."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final, NamedTuple

from tests.simulators.shared.clock import SimulatorClock
from tests.simulators.shared.server import Server
from tradebotd.domain.ids import VenueName
from tradebotd.domain.instrument import Instrument, MarketSymbol, PositionType
from tradebotd.market.calendars import Calendar
from tradebotd.ports.venue import Venue

VENUE: Final = VenueName("there")
SYMBOLS: Final = 4


class Guarded(NamedTuple):
    """What the venue's ledger holds of a symbol, and for how much of it a stop rests."""

    held: Decimal
    stopped: Decimal


Mishap = Callable[[str], Awaitable[None]]


@dataclass(kw_only=True)
class Place:
    """One venue. *symbols* by our name. *mishaps*: what befalls the stop of a symbol, by name; those
    of *endings* end the position as well.
    """

    name: str
    server: Server
    clock: SimulatorClock
    symbols: Mapping[str, MarketSymbol]
    calendar: Calendar
    position_type: PositionType
    quantity: Decimal
    start_price: Decimal
    build: Callable[[], Venue]
    look: Callable[[str], Guarded]
    price: Callable[[str], Decimal]
    move: Callable[[str, Decimal], None]
    mishaps: dict[str, Mishap] = field(default_factory=dict)
    endings: dict[str, Mishap] = field(default_factory=dict)


def symbol_of(
    name: str, base: str, quote: str, calendar: Calendar, tick: str, lot: str
) -> MarketSymbol:
    return MarketSymbol(
        instrument=Instrument(
            symbol=name,
            venue=VENUE,
            base_asset=base,
            quote_asset=quote,
            tick_size=Decimal(tick),
            lot_size=Decimal(lot),
        ),
        feeds=(),
        timeframes=(),
        names={VENUE: name},
        calendar=calendar.code,
    )


@asynccontextmanager
async def place_of(
    name: str, clock: SimulatorClock, one_way: float
) -> AsyncIterator[Place]:
    """Serve the venue *name* behind a line of *one_way* seconds."""
    if name == "spot":
        from tests.protection.spot import spot as serve  # noqa: PLC0415 - each needs its own packages
    elif name == "usdm":
        from tests.protection.usdm import usdm as serve  # noqa: PLC0415
    else:
        from tests.protection.alpaca import alpaca as serve  # noqa: PLC0415
    async with serve(clock, one_way) as place:
        yield place
