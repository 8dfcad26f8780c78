"""Exits of a position for an operator: level, distance, amount at risk. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from tradebotd.config.written import written_duration, written_percent
from tradebotd.control.messages.positions import PositionExit, StopKind
from tradebotd.domain.decimals import ZERO, plain
from tradebotd.domain.exit_plan import ExitPlan
from tradebotd.domain.instrument import Instrument
from tradebotd.domain.position import Position
from tradebotd.risk.exit_levels import (
    break_even_price,
    break_even_stop,
    ladder_step,
    more_favourable,
    target_in_force,
    tightest_stop,
)

HUNDREDTH: Final = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class ExitView:
    """View of a position's exits. *price*: of the kind that ends it, None where there is none yet;
    *instrument*: None if removed.
    """

    position: Position
    instrument: Instrument | None
    price: Decimal | None
    now: datetime

    def fields(self) -> dict[str, Any]:
        """Return the fields of `messages.positions.Position` that speak of exits."""
        position, stop = self.position, self._stop()
        gain = None
        if stop is not None:
            gain = (stop - position.entry_price) * position.signed_quantity
        return {
            "stop_kind": self._stop_kind(stop),
            "stop_distance_percent": self._distance(stop, against=True),
            "pnl_at_stop": gain,
            "at_risk": None if gain is None else max(ZERO, -gain),
            "exits": list(self._exits()),
        }

    def _stop(self) -> Decimal | None:
        return tightest_stop(self.position.side, self.position)

    def _stop_kind(self, stop: Decimal | None) -> StopKind | None:
        if stop is None:
            return None
        if stop != self.position.stop_loss:
            return "trailing_stop"
        return "break_even" if self._earned() and stop == self._secured() else "stop_loss"

    def _exits(self) -> Iterator[PositionExit]:
        yield from self._stops()
        yield from self._targets()
        longest = self.position.exits.max_holding
        if longest is not None:
            ends = self.position.opened_at + longest
            yield PositionExit(
                kind="max_holding",
                rule=written_duration(longest),
                in_force=True,
                ends_at=ends,
                left_s=max(0.0, (ends - self.now).total_seconds()),
            )

    def _stops(self) -> Iterator[PositionExit]:
        position, plan, stop = self.position, self.position.exits, self._stop()
        if position.stop_loss is not None:
            yield PositionExit(
                kind="stop_loss",
                rule=_rule(plan.stop_loss, plan.stop_loss_atr, "from the entry"),
                price=position.stop_loss,
                distance_percent=self._distance(position.stop_loss, against=True),
                in_force=position.stop_loss == stop and not self._moved_to_break_even(),
            )
        if position.trailing_stop is not None:
            yield PositionExit(
                kind="trailing_stop",
                rule=_rule(plan.trailing_stop, plan.trailing_stop_atr, "behind the best price"),
                price=position.trailing_stop,
                distance_percent=self._distance(position.trailing_stop, against=True),
                in_force=position.trailing_stop == stop != position.stop_loss,
            )
        if plan.break_even is not None:
            at = self._earned_at()
            yield PositionExit(
                kind="break_even",
                rule=f"at {written_percent(plan.break_even.at)},"
                f" to {written_percent(plan.break_even.lock)} beyond the entry",
                price=at,
                distance_percent=None if self._earned() else self._distance(at),
                moves_stop_to=self._secured(),
                earned=self._earned(),
                in_force=self._moved_to_break_even() and position.stop_loss == stop,
            )

    def _moved_to_break_even(self) -> bool:
        """Return whether the stop-loss is where the break-even moved it."""
        stop = self.position.stop_loss
        return stop is not None and self._earned() and stop == self._secured()

    def _targets(self) -> Iterator[PositionExit]:
        position, plan, done = self.position, self.position.exits, self.position.ladder_done
        if self.instrument is None:
            if position.take_profit is not None:
                yield self._target(position.take_profit, "as stored")
            return
        side, entry, instrument = position.side, position.entry_price, self.instrument
        for number, step in enumerate(plan.ladder[done:], start=done):
            price = target_in_force(_only_step(plan, number), side, entry, 0, instrument)
            yield PositionExit(
                kind="ladder",
                rule=f"step {number + 1} of {len(plan.ladder)},"
                f" {written_percent(step.share)} at {written_percent(step.at)}",
                price=price,
                distance_percent=self._distance(price),
                in_force=ladder_step(plan, side, entry, done, instrument) == number + 1,
                share_percent=step.share * 100,
            )
        try:
            final = target_in_force(plan, side, entry, len(plan.ladder), instrument)
        except ValueError:  # its range was never measured: what is stored is what is in force
            final = position.take_profit
        if final is not None:
            rule = _rule(plan.take_profit, plan.take_profit_atr, "from the entry")
            yield self._target(final, rule)

    def _target(self, price: Decimal, rule: str) -> PositionExit:
        return PositionExit(
            kind="take_profit",
            rule=rule,
            price=price,
            distance_percent=self._distance(price),
            in_force=price == self.position.take_profit,
        )

    def _distance(self, level: Decimal | None, *, against: bool = False) -> Decimal | None:
        """Return the distance from the price in per cent; positive until it is reached."""
        if level is None or not self.price:
            return None
        away = (level - self.price) * self.position.side.sign * (-1 if against else 1)
        return (away / self.price * 100).quantize(HUNDREDTH)

    def _earned_at(self) -> Decimal | None:
        position = self.position
        if self.instrument is None:
            return None
        tick = self.instrument.tick_size
        return break_even_price(position.exits, position.side, position.entry_price, tick)

    def _secured(self) -> Decimal | None:
        position = self.position
        if self.instrument is None:
            return None
        tick = self.instrument.tick_size
        return break_even_stop(position.exits, position.side, position.entry_price, tick)

    def _earned(self) -> bool:
        at, best = self._earned_at(), self.position.best_price
        return at is not None and more_favourable(self.position.side, best, at) == best


def _only_step(plan: ExitPlan, number: int) -> ExitPlan:
    return ExitPlan(ladder=plan.ladder[number : number + 1])


def _rule(fraction: Decimal | None, multiple: Decimal | None, of: str) -> str:
    if fraction is not None:
        return f"{written_percent(fraction)} {of}"
    return "a price set by hand" if multiple is None else f"{plain(multiple)} atr {of}"
