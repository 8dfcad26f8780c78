"""The three venues as a run needs them: served, with an adapter, a ledger to look at, and mishaps."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final, NamedTuple

from tests.simulators.shared.clock import SimulatorClock
from tests.simulators.shared.server import Server
from tradebotd.domain.instrument import PositionType

SYMBOLS: Final = 4


class Guarded(NamedTuple):
    """What the venue's ledger holds of a symbol, and for how much of it a stop rests."""

    held: Decimal
    stopped: Decimal


Mishap = Callable[[str], Awaitable[None]]


@dataclass(kw_only=True)
class Place:
    """One venue, as a configuration names it: *kind*, *section* with the files of *secrets*, and what
    it says of each symbol and its bot. *offer* sells so much at the price that the market has. *stop_call*:
    the request that places a stop, as a fault matches it; *refusal*: of one, status and body.
    *mishaps*: what befalls the stop of a symbol, by name; those of *endings* end the position as well.
    """

    kind: str
    server: Server
    clock: SimulatorClock
    symbols: Sequence[str]
    currency: str
    secrets: Mapping[str, str]
    section: str
    position_type: PositionType
    quantity: Decimal
    start_price: Decimal
    symbol_lines: str = ""
    bot_lines: str = ""
    look: Callable[[str], Guarded]
    price: Callable[[str], Decimal]
    move: Callable[[str, Decimal], None]
    offer: Callable[[str, Decimal], None]
    cancel: Callable[[str], Awaitable[None]]
    stop_call: Mapping[str, Any]
    refusal: tuple[int, dict[str, object]]
    mishaps: dict[str, Mishap] = field(default_factory=dict)
    endings: dict[str, Mishap] = field(default_factory=dict)


@asynccontextmanager
async def place_of(name: str, clock: SimulatorClock, one_way: float) -> AsyncIterator[Place]:
    """Serve the venue *name* behind a line of *one_way* seconds."""
    if name == "spot":
        from tests.protection.spot import spot as serve  # noqa: PLC0415 - each needs its own packages
    elif name == "usdm":
        from tests.protection.usdm import usdm as serve  # noqa: PLC0415
    else:
        from tests.protection.alpaca import alpaca as serve  # noqa: PLC0415
    async with serve(clock, one_way) as place:
        yield place
