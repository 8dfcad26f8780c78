"""Methods of the venue port that a double does not claim by its traits: nobody may call them."""

from collections.abc import Sequence

from tradebotd.domain.instrument import Instrument, MarketSymbol
from tradebotd.ports.venue import Commission, SymbolSetup, VenueClock


class Untold:
    """A base of doubles whose venue tells neither filters, commissions nor its clock."""

    async def instruments(self, symbols: Sequence[MarketSymbol]) -> dict[str, Instrument]:
        raise AssertionError(f"it tells no instruments: {symbols}")

    async def commissions(self, symbols: Sequence[MarketSymbol]) -> dict[str, Commission]:
        raise AssertionError(f"it tells no commissions: {symbols}")

    async def set_up(self, symbol: str, setup: SymbolSetup) -> None:
        raise AssertionError(f"it sets up no symbols: {symbol} {setup}")

    async def server_clock(self) -> VenueClock:
        raise AssertionError("it tells no time")
