"""What every venue's simulator is to a suite: prices that are set, a ledger that is read."""

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Protocol

from tests.simulators.shared.clock import SimulatorClock
from tests.simulators.shared.server import Server

BEGAN = datetime(2026, 11, 18, 15, 0, 20, tzinfo=UTC)  # a Wednesday: New York is open since 14:30


@dataclass(frozen=True, kw_only=True)
class Entered:
    """An order as the venue's ledger has it; *spent* is executed at its prices, in the quote asset.

    *fees*: by asset. *type* in the venue's word.
    """

    client_order_id: str
    side: str
    type: str
    quantity: Decimal
    executed: Decimal
    spent: Decimal
    fees: Mapping[str, Decimal]
    is_open: bool
    created_ms: int


class Place(Protocol):
    """One venue, served; *kind* is its kind in the configuration, and *name* what it is called there.

    `section`, `symbol_lines`, `bot_lines`: what the configuration says of it. `quantity`: of an entry.
    """

    @property
    def kind(self) -> str: ...

    @property
    def name(self) -> str: ...

    @property
    def symbol(self) -> str: ...

    @property
    def currency(self) -> str: ...

    @property
    def quantity(self) -> Decimal: ...

    @property
    def section(self) -> str: ...

    @property
    def symbol_lines(self) -> str: ...

    @property
    def bot_lines(self) -> str: ...

    @property
    def secrets(self) -> Mapping[str, str]: ...

    @property
    def server(self) -> Server: ...

    @property
    def price(self) -> Decimal: ...

    def move(self, price: Decimal) -> None:
        """Let the market trade at *price*, with a deep book around it."""
        ...

    def orders(self) -> list[Entered]:
        """All orders that the account has ever placed, in order of arrival; legs are orders."""
        ...

    def held(self) -> Decimal:
        """What is held of the symbol beyond what there was, below zero when short."""
        ...

    def cash(self) -> Decimal:
        """What has come in since the start, of the currency; a position at its cost is not counted."""
        ...


Serve = Callable[[SimulatorClock], AbstractAsyncContextManager[Place]]
