"""Worth of fees, in whatever asset a venue takes them."""

from datetime import datetime
from decimal import Decimal
from typing import Final

import structlog

from tradebotd.domain.alert_code import AlertCode
from tradebotd.domain.decimals import ONE
from tradebotd.domain.errors import FeedError
from tradebotd.domain.fill import Fill
from tradebotd.domain.ids import VenueName
from tradebotd.domain.instrument import Instrument
from tradebotd.ports.clock import Clock
from tradebotd.storage import alerts, unvalued_fees
from tradebotd.storage.postgres.database import Connection
from tradebotd.trading.account.conversion import CurrencyConverter

log = structlog.get_logger(__name__)

RATE_SCALE: Final = Decimal("1e-12")


class Fees:
    """Fees, valued at the prices of the moment when the fill is booked."""

    def __init__(self, *, clock: Clock, currencies: CurrencyConverter) -> None:
        self._clock = clock
        self._currencies = currencies

    async def rate(
        self, connection: Connection, fill: Fill, instrument: Instrument
    ) -> Decimal | None:
        """Return the worth of one of the fee's asset in the quote asset.

        Returns None when no price is known, and raises an alert; the rate is never assumed to be
        one.
        """
        known = known_rate(fill, instrument)
        if known is not None:
            return known
        now = self._clock.now()
        try:
            rate = self._currencies.between(fill.fee_asset, instrument.quote_asset)
        except FeedError as error:
            await _alert_unvalued(connection, fill, error, now)
            return None
        await clear_if_all_valued(connection, fill.venue, fill.fee_asset, now)
        return rate.quantize(RATE_SCALE)


def known_rate(fill: Fill, instrument: Instrument) -> Decimal | None:
    """Return the worth of one of the fee's asset in the quote asset, if the fill itself tells it.

    Returns None for a fee in a third asset.
    """
    if fill.fee_asset == instrument.base_asset:
        return fill.price
    return ONE if fill.fee_asset == instrument.quote_asset or not fill.fee else None


async def _alert_unvalued(
    connection: Connection, fill: Fill, error: FeedError, now: datetime
) -> None:
    subject = _subject(fill.venue, fill.fee_asset)
    taken = f"{fill.fee:f} {fill.fee_asset} of {fill.symbol} {fill.trade_id}"
    message = f"{taken} are in no P&L: {error}"
    if await alerts.raise_alert(
        connection, AlertCode.FEE_UNVALUED, "warning", subject, message, now
    ):
        log.warning("fee not valued", subject=subject, detail=message)


async def clear_if_all_valued(
    connection: Connection, venue: VenueName, fee_asset: str, now: datetime
) -> None:
    """End the alert after a fee has been valued, if no other one waits."""
    if not await unvalued_fees.is_left(connection, venue, fee_asset):
        await alerts.clear(connection, [AlertCode.FEE_UNVALUED], _subject(venue, fee_asset), now)


def _subject(venue: VenueName, fee_asset: str) -> str:
    return f"{venue} {fee_asset}"
