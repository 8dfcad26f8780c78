"""Set-ups of the paper venue's symbols: what futures borrow, and when that may change."""

from typing import Final

from tradebotd.domain.filters import FilterName
from tradebotd.domain.ids import VenueName
from tradebotd.domain.instrument import Instrument
from tradebotd.ports.venue import SymbolSetup
from tradebotd.storage import symbol_setups
from tradebotd.storage.postgres.database import Connection
from tradebotd.venues.paper.settlement import BookChanges

ONE_WAY: Final = "hedge mode is not kept here"
HELD: Final = "the set-up of a symbol cannot change while a position or orders exist"


class PaperSetups:
    """Memory of them; it changes after the commit, as the books do. A new one borrows nothing."""

    def __init__(self, venue: VenueName) -> None:
        self._venue = venue
        self._setups: dict[str, SymbolSetup] = {}

    async def read(self, connection: Connection) -> None:
        self._setups = await symbol_setups.select_paper(connection, self._venue)

    def leverage(self, symbol: str) -> int:
        return self._setups.get(symbol, SymbolSetup()).leverage

    async def set_up(
        self, changes: BookChanges, setup: SymbolSetup, instrument: Instrument, *, in_use: bool
    ) -> None:
        symbol = instrument.symbol
        changes.refused = self._refusal(setup, instrument, in_use=in_use)
        if changes.refused is None:
            await symbol_setups.put_paper(changes.connection, self._venue, symbol, setup)
            changes.setups[symbol] = setup

    def _refusal(self, setup: SymbolSetup, instrument: Instrument, *, in_use: bool) -> str | None:
        """Return why it is not taken, or None; what is set already always is."""
        if not setup.one_way:
            return ONE_WAY
        if not 1 <= setup.leverage <= instrument.max_leverage:
            words = f"{setup.leverage} is more than {instrument.max_leverage}"
            return f"{FilterName.ABOVE_MAX_LEVERAGE}: {words}"
        known = self._setups.get(instrument.symbol, SymbolSetup())
        return HELD if in_use and setup != known else None

    def follow(self, setups: dict[str, SymbolSetup]) -> None:
        self._setups |= setups
