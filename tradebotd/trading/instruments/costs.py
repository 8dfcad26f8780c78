"""Costs of trading a symbol, as its venue tells them of this account, else as configured."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from tradebotd.domain.decimals import ZERO
from tradebotd.domain.ids import VenueName
from tradebotd.domain.instrument import Instrument
from tradebotd.ports.venue import Commission, Venue
from tradebotd.risk.sizing import DEFAULT_COST_BUFFER

BESIDE_THE_FEE: Final = Decimal("0.001")  # half a spread and slippage of a market order
HIGHEST_COMMISSION: Final = Decimal("0.1")  # a fraction of the notional: more is nonsense


class TradingCosts:
    """Fractions of the notional, by symbol. Memory only: venues are asked again at each start."""

    def __init__(self, venues: Mapping[VenueName, Venue]) -> None:
        self._venues = venues
        self._told: dict[str, Commission] = {}

    def put(self, symbol: str, commission: Commission) -> None:
        self._told[symbol] = commission

    def base_fee(self, instrument: Instrument) -> Decimal:
        """Return the fraction of a spot buy that the venue keeps as its fee, at most.

        A fee in a third asset (BNB) is taken of what is bought once there is none of that left.
        """
        told = self._told.get(instrument.symbol)
        if told is None:
            return self._venues[instrument.venue].traits.base_fee
        in_quote = not told.in_base and told.asset in {None, instrument.quote_asset}
        return ZERO if in_quote else _dearer(told)

    def cost_buffer(self, instrument: Instrument) -> Decimal:
        """Return what a market order costs in cash beyond its price: never less than usual."""
        told = self._told.get(instrument.symbol)
        if told is None or told.in_base or told.asset not in {None, instrument.quote_asset}:
            return DEFAULT_COST_BUFFER  # no fee is paid out of the quote asset
        return max(DEFAULT_COST_BUFFER, _dearer(told) + BESIDE_THE_FEE)


def why_no_commission(told: Commission) -> str | None:
    """Return why *told* cannot be so; None: it can."""
    for name, rate in (("maker", told.maker), ("taker", told.taker)):
        if not rate.is_finite() or abs(rate) > HIGHEST_COMMISSION:
            return f"a {name} commission of {rate} of the notional cannot be so"
    return None


def _dearer(told: Commission) -> Decimal:
    return max(told.maker, told.taker, ZERO)
