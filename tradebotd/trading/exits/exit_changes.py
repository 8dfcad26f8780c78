"""`positions set`: an operator moves a position's exits; they are stored with it."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Final, NamedTuple, Protocol

import structlog

from tradebotd.config.values import parse_duration
from tradebotd.config.written import written_duration
from tradebotd.domain.decimals import plain
from tradebotd.domain.durations import spoken
from tradebotd.domain.errors import RefusedError
from tradebotd.domain.exit_plan import ExitPlan
from tradebotd.domain.ids import PositionId
from tradebotd.domain.instrument import Instrument, MarketSymbol
from tradebotd.domain.position import Position
from tradebotd.domain.quote import PriceKind, TriggerPrice
from tradebotd.domain.refusal import RefusalCode
from tradebotd.ports.prices import LastPrices, PriceSource
from tradebotd.risk.exit_levels import (
    ExitLevels,
    TrailDistance,
    break_even_price,
    expired,
    levels_for,
    more_favourable,
    target_in_force,
    tightest_stop,
    triggered,
)
from tradebotd.risk.liquidation import stop_is_beyond
from tradebotd.storage import positions
from tradebotd.storage.postgres.database import Database, Lane
from tradebotd.trading.execution.listeners import PositionListener

log = structlog.get_logger(__name__)

NONE: Final = "none"


class Level(NamedTuple):
    """Level as a price, or as a fraction of the entry price (trailing stop: of the best price).

    Neither: the level is removed.
    """

    price: Decimal | None = None
    fraction: Decimal | None = None


class Holding(NamedTuple):
    """Longest time that a position may be held since its entry; None: no limit."""

    longest: timedelta | None


def parse_holding(text: str) -> Holding:
    """Parse `30m`, `4h`, or `none`. Raises RefusedError."""
    if text.strip() == NONE:
        return Holding(None)
    try:
        return Holding(parse_duration(text))
    except ValueError as error:
        raise RefusedError(RefusalCode.BAD_DURATION, f"{text!r} is {error}") from error


def parse_trigger_price(text: str) -> TriggerPrice:
    """Parse `last`, `mark` or `bid_ask`. Raises RefusedError."""
    try:
        return TriggerPrice(text.strip())
    except ValueError as error:
        known = ", ".join(TriggerPrice)
        raise RefusedError(RefusalCode.BAD_TRIGGER_PRICE, f"{text!r} is none of {known}") from error


def parse_level(text: str) -> Level:
    """Parse a level: `95.50` is a price, `5%` a percentage, `none` removes it.

    Raises RefusedError.
    """
    if text.strip() == NONE:
        return Level()
    percent = text.strip().endswith("%")
    try:
        value = Decimal(text.strip().removesuffix("%"))
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite():
        raise RefusedError(RefusalCode.BAD_LEVEL, f"{text!r} is neither a price nor a percentage")
    if value <= 0:
        raise RefusedError(RefusalCode.BAD_LEVEL, f"{text!r}: more than 0 is meant")
    if not percent:
        return Level(price=value)
    if value >= 100:
        raise RefusedError(RefusalCode.BAD_LEVEL, f"{text!r}: less than 100 % is meant")
    return Level(fraction=value / 100)


class MovingStops(PositionListener, Protocol):
    """Listener that moves stops with each price, and stores them with the next sweep only."""

    def as_moved(self, row: Position) -> Position:
        """Return *row*, just read, with its best price and stops where prices have moved them."""
        ...

    def levels_since(self, position: Position) -> datetime:
        """Return since when a price may meet the position's levels."""
        ...


class ExitChanges:
    def __init__(
        self,
        *,
        database: Database,
        prices: PriceSource,
        symbols: Mapping[str, MarketSymbol],
        tracker: MovingStops,
    ) -> None:
        self._database = database
        self._prices = prices
        self._symbols = symbols
        self._tracker = tracker

    async def set(
        self,
        position_id: PositionId,
        *,
        stop_loss: Level | None = None,
        take_profit: Level | None = None,
        trailing_stop: Level | None = None,
        max_holding: Holding | None = None,
        trigger_price: TriggerPrice | None = None,
    ) -> Position:
        """Change a position's exits; None keeps one as it is.

        With another *trigger_price* its levels stay, and must not have been met by that. What rests
        at the venue follows at the next sweep; until then the daemon's own check applies. Raises
        RefusedError, DatabaseUnavailableError.
        """
        wishes = (stop_loss, take_profit, trailing_stop, max_holding, trigger_price)
        if all(wish is None for wish in wishes):
            raise RefusedError(
                RefusalCode.NOTHING_TO_SET,
                "name a stop-loss, a take-profit, a trailing stop, a longest holding time or a"
                " trigger price",
            )
        async with self._database.transaction(Lane.ORDERS, durable=True) as connection:
            locked = await positions.lock(connection, position_id)
            if locked is None or not locked.is_open:
                raise RefusedError(
                    RefusalCode.NO_SUCH_POSITION, f"there is no open position {position_id}"
                )
            before = asked = self._tracker.as_moved(locked.position)
            if trigger_price is not None:
                plan = replace(before.exits, trigger_price=trigger_price)
                asked = replace(before, exits=plan)
            instrument, last = self._instrument_and_prices(asked)
            if trailing_stop is not None:  # one that did not trail so far has kept no best price
                best = more_favourable(before.side, before.best_price, last.believed)
                before, asked = replace(before, best_price=best), replace(asked, best_price=best)
            changed = _changed(asked, instrument, stop_loss, take_profit, trailing_stop)
            if max_holding is not None:
                plan = replace(changed.exits, max_holding=max_holding.longest)
                changed = replace(changed, exits=plan)
            _check(before, changed, last, instrument)
            await positions.update_plan(connection, changed)
        self._tracker.watch(changed)
        self._tracker.release(position_id)
        log.warning(
            "exits changed",
            position=position_id,
            bot=changed.bot,
            symbol=changed.symbol,
            changes=_differences(before, changed),
        )
        return changed

    def _instrument_and_prices(self, position: Position) -> tuple[Instrument, LastPrices]:
        symbol = self._symbols.get(position.symbol)
        if symbol is None:
            raise RefusedError(RefusalCode.UNKNOWN_SYMBOL, f"{position.symbol} is not configured")
        kind = position.trigger_kind
        last = self._prices.last_prices(position.symbol, kind)
        if last is None:
            which = "price" if kind is PriceKind.LAST else f"{kind} price"
            raise RefusedError(
                RefusalCode.NO_PRICE, f"there is no {which} of {position.symbol} yet"
            )
        seen_at = last.seen_at or last.at  # told again since, it may still be the same print
        if seen_at < self._tracker.levels_since(position) and not position.ladder_done:
            filled = position.entry_price  # newer than that price
            last = last._replace(previous=filled, current=filled, instead=None)
        return symbol.instrument, last


def _changed(
    position: Position,
    instrument: Instrument,
    stop_loss: Level | None,
    take_profit: Level | None,
    trailing_stop: Level | None,
) -> Position:
    for name, level in (("stop-loss", stop_loss), ("take-profit", take_profit)):
        if level is not None and level.price is not None and level.price % instrument.tick_size:
            tick = plain(instrument.tick_size)
            raise RefusedError(
                RefusalCode.NOT_ON_TICK, f"{name} {level.price:f} is no multiple of {tick}"
            )
    plan, side = position.exits, position.side
    levels = ExitLevels.of(position)
    if stop_loss is not None:
        plan = replace(
            _without_break_even(position, instrument),
            stop_loss=stop_loss.fraction,
            stop_loss_price=stop_loss.price,
            stop_loss_atr=None,
        )
        stop = levels_for(plan, side, position.entry_price, instrument).stop_loss
        levels = replace(levels, stop_loss=stop)
    if take_profit is not None:
        plan = replace(
            plan,
            take_profit=take_profit.fraction,
            take_profit_price=take_profit.price,
            take_profit_atr=None,
        )
        target = target_in_force(plan, side, position.entry_price, position.ladder_done, instrument)
        levels = replace(levels, take_profit=target)
    if trailing_stop is not None:
        fraction = trailing_stop.fraction
        if fraction is None and trailing_stop.price is not None:
            best = position.best_price
            fraction = (best - trailing_stop.price) * side.sign / best
            if not 0 < fraction < 1:
                stop_at = plain(trailing_stop.price)
                raise RefusedError(
                    RefusalCode.WRONG_SIDE, f"{stop_at} does not trail behind {plain(best)}"
                )
        plan = replace(plan, trailing_stop=fraction, trailing_stop_atr=None)
        distance = TrailDistance.of(plan)
        stop = None
        if distance is not None:
            stop = distance.level(side, position.best_price, instrument.tick_size)
        levels = replace(levels, trailing_stop=stop)
    return replace(
        position,
        exits=plan,
        stop_loss=levels.stop_loss,
        take_profit=levels.take_profit,
        trailing_stop=levels.trailing_stop,
        version=position.version + 1,
    )


def _differences(before: Position, after: Position) -> list[str]:
    """Return a line for each change, in the words of the command."""
    changes = {
        "stop-loss": (before.stop_loss, after.stop_loss),
        "take-profit": (before.take_profit, after.take_profit),
        "trailing-stop": (before.trailing_stop, after.trailing_stop),
        "max-holding": (before.exits.max_holding, after.exits.max_holding),
        "trigger-price": (before.exits.trigger_price, after.exits.trigger_price),
    }
    return [
        f"{name}: {_written(old)} -> {_written(new)}"
        for name, (old, new) in changes.items()
        if old != new
    ]


def _written(exit_: Decimal | timedelta | TriggerPrice | None) -> str:
    if exit_ is None:
        return NONE
    if isinstance(exit_, TriggerPrice):
        return exit_
    return plain(exit_) if isinstance(exit_, Decimal) else written_duration(exit_)


def _without_break_even(position: Position, instrument: Instrument) -> ExitPlan:
    """Return the plan without an earned break-even, which would move an operator's stop back."""
    at = break_even_price(position.exits, position.side, position.entry_price, instrument.tick_size)
    if at is None or more_favourable(position.side, position.best_price, at) != position.best_price:
        return position.exits
    return replace(position.exits, break_even=None)


def _check(before: Position, position: Position, last: LastPrices, instrument: Instrument) -> None:
    """Check the new exits. Raises RefusedError.

    A level that the price has met already would end the position at once: it should be closed
    instead.
    """
    price, plan = last.believed, position.exits
    if before.has_stop and not position.has_stop:
        raise RefusedError(
            RefusalCode.NO_STOP, "no stop would be left: set another one, or close it"
        )
    if expired(plan, position.opened_at, last.at):
        raise RefusedError(
            RefusalCode.ALREADY_OVER,
            f"it has been held for {spoken(last.at - position.opened_at)} already",
            hint="to end the position, close it",
        )
    behind = plan.trailing_stop if plan != before.exits else None
    if behind is not None and behind * position.best_price < instrument.tick_size:
        raise RefusedError(
            RefusalCode.CLOSER_THAN_A_TICK,
            f"a tick of {position.symbol} is {plain(instrument.tick_size)}",
        )
    hit = triggered(position.side, position, price)
    if hit is not None:
        raise RefusedError(
            RefusalCode.ALREADY_MET,
            f"the price {plain(price)} has met the {hit[0].replace('_', '-')} at {plain(hit[1])}",
            hint="to end the position, close it",
        )
    for level in (position.stop_loss, position.take_profit, position.trailing_stop):
        if level is not None and level <= 0:
            raise RefusedError(RefusalCode.BAD_LEVEL, f"{level:f} is not a price")
    stop = tightest_stop(position.side, position)
    if stop_is_beyond(position.side, stop, position.liquidation_price):
        raise RefusedError(
            RefusalCode.STOP_BEYOND_LIQUIDATION,
            f"the stop {stop} lies beyond the liquidation at {position.liquidation_price}",
        )
