"""Write-offs of what no exit can sell any more: remainders alone, and never what filters shut in.

A venue may tell other filters at any time, also wrong ones. What could be sold when it was bought
is a position, however little of it those sell: it stays open, with its stop, and is alerted.
"""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

import structlog

from tradebotd.domain.alert_code import AlertCode
from tradebotd.domain.denial import DenialRule
from tradebotd.domain.errors import DatabaseUnavailableError, OrderDeniedError
from tradebotd.domain.ids import VenueName
from tradebotd.domain.instrument import Instrument, MarketSymbol
from tradebotd.domain.order_type import OrderType
from tradebotd.domain.position import CloseReason, Position
from tradebotd.ports.clock import Clock
from tradebotd.ports.venue import Venue
from tradebotd.storage import alerts, instrument_versions
from tradebotd.storage.postgres.database import Database
from tradebotd.trading.condition_alerts import subject
from tradebotd.trading.exits.exit_intents import ExitIntent, sellable_now, unsellable
from tradebotd.trading.exits.exit_placement import ExitPlacement
from tradebotd.trading.exits.exit_worth import ExitWorth
from tradebotd.trading.prices.average_price import told_average

log = structlog.get_logger(__name__)


class WriteOffs:
    """Write-offs at the filters in force of *symbols*, which may change after this is built."""

    def __init__(
        self,
        *,
        placement: ExitPlacement,
        database: Database,
        clock: Clock,
        venues: Mapping[VenueName, Venue],
        symbols: Mapping[str, MarketSymbol],
        worth: ExitWorth,
    ) -> None:
        self._placement = placement
        self._database = database
        self._clock = clock
        self._venues = venues
        self._symbols = symbols
        self._worth = worth
        # In force before any venue has told anything.
        self._configured = {name: symbol.instrument for name, symbol in symbols.items()}

    def check_sellable(self, exit_: ExitIntent) -> None:
        """Raise OrderDeniedError (`below_venue_minimum`) if nothing of it can be sold now.

        Asked before anything that rests makes way.
        """
        if not self.sells(exit_):
            raise unsellable(exit_.position, self._worth.of(exit_))

    def sells(self, exit_: ExitIntent) -> bool:
        """Return whether anything of it can be sold now."""
        instrument = self._symbols[exit_.position.symbol].instrument
        return bool(sellable_now(exit_.position, self._worth.of(exit_), instrument))

    def may_be_sold_yet(self, exit_: ExitIntent) -> bool:
        """Return whether a signal can wait: only the price makes a whole position too small."""
        position = exit_.position
        whole = position.quantity == position.entry_quantity
        instrument = self._symbols[position.symbol].instrument
        by_price = bool(sellable_now(position, None, instrument))
        return exit_.reason is CloseReason.SIGNAL and whole and by_price

    async def write_off(self, exit_: ExitIntent) -> None:
        """Close as dust; no further sale of it is tried.

        What rests is cancelled once it is certain that the rest is dust. Raises OrderDeniedError:
        it is no remainder (`below_venue_minimum`), or can be sold now (`position_changed`); else
        as `ExitPlacement.place`.
        """
        instrument = self._symbols[exit_.position.symbol].instrument

        def worth(current: Position) -> Decimal | None:
            return self._worth.of(replace(exit_, position=current))

        current = (await self._placement.read(exit_.position.id)).position
        price = worth(current)
        if sellable_now(current, price, instrument):
            raise OrderDeniedError(
                DenialRule.POSITION_CHANGED, f"{current.quantity:f} can be sold now"
            )
        await self._check_average(current, instrument)
        then = await self._at_entry(current)

        def is_dust(current: Position) -> bool:
            price = worth(current)
            sells = sellable_now(current, price, instrument)
            return not sells and is_remainder(current, price, now=instrument, then=then)

        if not is_dust(current):
            raise unsellable(current, price, ", and it is no mere remainder: it stays open")
        await self._placement.withdraw(current.id)
        await self._placement.orders.recorder.write_off(current.id, instrument, is_dust)
        log.warning(
            "dust written off",
            bot=current.bot,
            symbol=current.symbol,
            venue=current.venue,
            quantity=current.quantity,
        )
        if sellable_now(current, price, then):
            await self._tell(current, price)

    async def _check_average(self, current: Position, instrument: Instrument) -> None:
        """Raise OrderDeniedError unless the average agrees, where the venue judges by that.

        A position that is too small by its worth alone is sold at the average's, if that is enough.
        """
        judged = instrument.order(OrderType.MARKET)
        by_worth = bool(sellable_now(current, None, instrument))
        if not (judged.average_minutes and judged.min_notional and by_worth):
            return
        venue, symbol = self._venues[current.venue], self._symbols[current.symbol]
        average = await told_average(venue, symbol)
        if average is None:
            raise unsellable(
                current, None, ": too little by the last price, and no average is told"
            )
        self._worth.note_average(current.id, average)
        if sellable_now(current, average, instrument):
            raise OrderDeniedError(
                DenialRule.POSITION_CHANGED, f"it can be sold by the average of {average:f}"
            )

    async def _at_entry(self, position: Position) -> Instrument:
        """Return the filters that were in force when it was opened."""
        venue, symbol = position.venue, position.symbol
        async with self._database.connection() as connection:
            told = await instrument_versions.select_before(
                connection, venue, symbol, position.opened_at
            )
            if told is None and not await instrument_versions.exists(connection, venue, symbol):
                return self._symbols[symbol].instrument  # nothing has ever changed them
        return self._configured[symbol] if told is None else told

    async def _tell(self, position: Position, price: Decimal | None) -> None:
        at = "" if price is None else f", worth {position.quantity * price:f} at {price:f}"
        message = (
            f"{position.quantity:f} {position.symbol}{at}, was written off: its venue sold that"
            " much when it was bought, and does not now"
        )
        log.critical("dust not worthless", position=position.id, quantity=position.quantity)
        try:
            async with self._database.transaction(durable=True) as connection:
                await alerts.raise_alert(
                    connection,
                    AlertCode.DUST_WRITTEN_OFF,
                    "warning",
                    subject(position.id),
                    message,
                    self._clock.now(),
                )
        except (DatabaseUnavailableError, TimeoutError) as error:
            log.warning("dust alert not stored", error=str(error))


def is_remainder(
    position: Position, price: Decimal | None, *, now: Instrument, then: Instrument
) -> bool:
    """Return whether what cannot be sold *now* is left over from an exit, or was never more.

    *then*: the filters at its entry. An exit that leaves less than a lot has sold a lot at least,
    so what is left is less than what was sold; and the filters that sold it sold the whole.
    """
    if not sellable_now(position, price, then):
        return True
    whole = replace(position, quantity=position.entry_quantity)
    less_than_sold = position.quantity * 2 < position.entry_quantity
    return less_than_sold and bool(sellable_now(whole, price, now))
