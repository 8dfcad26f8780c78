"""The open positions as an operator reads them: what they are worth, and how they may end."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from tradebotd.control.messages.positions import Position, ProtectedBy
from tradebotd.daemon.exit_view import ExitView
from tradebotd.daemon.operator.market_view import MarketView
from tradebotd.domain.errors import RefusedError
from tradebotd.domain.ids import PositionId
from tradebotd.domain.instrument import Instrument, MarketSymbol
from tradebotd.domain.position import Position as StoredPosition
from tradebotd.domain.quote import PriceKind
from tradebotd.domain.refusal import RefusalCode
from tradebotd.ports.clock import Clock
from tradebotd.storage import reports
from tradebotd.storage.open_positions import select_those
from tradebotd.storage.postgres.database import Database


class PositionView:
    """*protected_by*, *resting_quantity*, *resting_kind*, *unprotected_seconds*: the exit manager's
    word on who would end a loss of a position, for how much of it a stop rests, which price that is
    compared with, and for how long there was none.
    """

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        symbols: Mapping[str, MarketSymbol],
        market: MarketView,
        protected_by: Callable[[PositionId], ProtectedBy],
        resting_kind: Callable[[PositionId], PriceKind | None],
        resting_quantity: Callable[[PositionId], Decimal | None],
        unprotected_seconds: Callable[[PositionId], float | None],
    ) -> None:
        self._resting_quantity = resting_quantity
        self._unprotected_seconds = unprotected_seconds
        self._database = database
        self._clock = clock
        self._symbols = symbols
        self._market = market
        self._protected_by = protected_by
        self._resting_kind = resting_kind

    async def positions(self) -> list[Position]:
        async with self._database.connection() as connection:
            rows = await reports.open_positions(connection)
            held = await select_those(connection, [row["id"] for row in rows])
        return [self._position(row, held.get(row["id"])) for row in rows]

    async def position(self, position_id: int) -> Position:
        """Return one open position. Raises RefusedError if it has been closed meanwhile."""
        for position in await self.positions():
            if position.id == position_id:
                return position
        raise RefusedError(RefusalCode.CLOSED, f"position {position_id} is closed", "see trades")

    def _position(self, row: reports.Row, held: StoredPosition | None) -> Position:
        known, told = self._symbols.get(row["symbol"]), self._market.last_price(row["symbol"])
        instrument, last = None if known is None else known.instrument, told["last_price"]
        exits = {} if held is None else self._exits(held, instrument)
        return Position(
            **row,
            **told,
            unrealized_pnl=unrealized(row, last),
            protected_by=self._protected_by(row["id"]),
            resting_quantity=self._resting_quantity(row["id"]),
            unprotected_seconds=self._unprotected_seconds(row["id"]),
            **exits,
        )

    def _exits(self, held: StoredPosition, instrument: Instrument | None) -> dict[str, Any]:
        ends = self._market.price_of(held.symbol, held.trigger_kind)
        view = ExitView(held, instrument, ends["trigger_kind_price"], self._clock.now())
        resting = self._resting_kind(held.id)
        return {**view.fields(), **ends, "resting_kind": None if resting is None else resting.value}


def unrealized(position: reports.Row, price: Decimal | None) -> Decimal | None:
    """Return the unrealized P&L in the quote asset, before fees; None without a price."""
    if price is None:
        return None
    gain: Decimal = (price - position["entry_price"]) * position["quantity"]
    return gain if position["side"] == "long" else -gain
