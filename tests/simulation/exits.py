"""Price, level, reason and step of each exit, from the ticks the venue showed and what was answered.

Of our rows are taken: whose an order is, and what it says of itself. Whether that is so is judged by
what the venue executed, what it showed, the configuration as it was written, and the operator.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from typing import Any, Final

from tests.simulation import levels
from tests.simulation.facts import Facts
from tests.simulation.ledger import VenueOrder
from tests.simulation.levels import Side
from tests.simulation.moods import word_of
from tests.simulation.operator import Deed
from tests.simulation.tape import CANDLE_SECONDS, QuickCandles
from tests.simulation.venue import TARGETS
from tradebotd.domain.exit_plan import ExitPlan
from tradebotd.domain.fill import Fill
from tradebotd.domain.instrument import PositionType
from tradebotd.domain.order import OrderType
from tradebotd.domain.signal import SignalKind

# Between a price and the exit it led to: as old as a price may be, a quote, a pause, a lock.
WITHIN: Final = 150.0
RANGES: Final = 20  # decisions that an entry may go back to
CLOSE: Final = 1e-9
EXACT: Final = Fraction(1, 10**12)
BY_PRICE: Final = frozenset({"stop_loss", "trailing_stop", "take_profit"})
SAID: Final = BY_PRICE | {"signal", "manual", "flatten", "max_holding"}
HELD_FOR: Final = 0.001  # seconds: what is stored of an instant is rounded
ABOUT: Final = Fraction(11, 10)
STOPPED: Final = Fraction(9, 10)  # a stop lies so far below at most
ON_ITS_WAY: Final = 12.0  # a quote that was asked for before the entry may move its stops


def judged(positions: list[Any], orders: Mapping[str, Any], facts: Facts) -> list[str]:
    found: list[str] = []
    for row in positions:
        case = Case(row, orders, facts)
        if case.is_ours:
            found += [f"exits of position {row['id']}: {each}" for each in case.wrong()]
    return found


@dataclass
class Case:
    """One position, and what can be known of it without the daemon."""

    row: Any
    orders: Mapping[str, Any]
    facts: Facts

    @cached_property
    def mine(self) -> dict[str, VenueOrder]:
        """Exits name it; an entry that rests in part may fill into several, one after the other."""
        theirs = self.facts.venues[self.row["venue"]].ledger.orders
        return {
            name: order
            for name, order in theirs.items()
            if name in self.orders
            and (self.orders[name]["position_id"] == self.row["id"] or self.fills_of(order))
        }

    def fills_of(self, order: VenueOrder) -> list[Fill]:
        """Those that are this position's."""
        venue, owners = self.row["venue"], self.facts.owners
        return [
            fill for fill in order.fills if owners.get((venue, fill.trade_id)) == self.row["id"]
        ]

    @property
    def is_ours(self) -> bool:
        """Not adopted from somebody else's hand, in part or as a whole."""
        rows = [each for each in self.orders.values() if each["position_id"] == self.row["id"]]
        return bool(self.mine) and all(
            each["client_order_id"] in self.mine or not each["filled_quantity"] for each in rows
        )

    @cached_property
    def side(self) -> Side:
        tick = self.facts.plan.market(self.row["symbol"]).instrument.tick_size
        return Side(1 if self.row["side"] == "long" else -1, Fraction(tick))

    @cached_property
    def entry_fills(self) -> list[tuple[Fraction, Fraction]]:
        """(received, price) of each, in the order in which they were made."""
        base = self.facts.plan.market(self.row["symbol"]).instrument.base_asset
        spot = self.row["position_type"] == PositionType.SPOT
        fills = [
            fill
            for name, order in self.mine.items()
            if self.orders[name]["role"] == "entry"
            for fill in self.fills_of(order)
        ]
        return [
            (
                Fraction(each.quantity)
                - (Fraction(each.fee) if spot and each.fee_asset == base else 0),
                Fraction(each.price),
            )
            for each in sorted(fills, key=lambda each: each.executed_at)
        ]

    @cached_property
    def entries(self) -> set[Fraction]:
        return levels.averages(self.entry_fills)

    @cached_property
    def opened(self) -> float:
        return self.facts.seconds(self.row["opened_at"])

    @cached_property
    def entered(self) -> float:
        """When the first of its entries left us."""
        times = [
            at
            for name in self.mine
            if self.orders[name]["role"] == "entry"
            and (at := self.facts.departed(name)) is not None
        ]
        return min(times, default=self.opened)

    @property
    def is_taken(self) -> bool:
        """Somebody else's hand took, or may have taken, what it held."""
        base = self.facts.plan.market(self.row["symbol"]).instrument.base_asset
        return bool(
            {(self.row["venue"], base), (self.row["venue"], self.row["symbol"])} & self.facts.taken
        )

    @property
    def has_stop(self) -> bool:
        """Whichever of its plans it has: one that an operator took away for good was refused."""
        return bool(self.plans) and all(_stops(plan) for plan in self.plans)

    @cached_property
    def sets(self) -> list[Deed]:
        """What an operator asked of it, and may have got."""
        return [
            deed
            for deed in self.facts.operator.deeds
            if deed.name == "set" and deed.position == self.row["id"]
            if deed.done or deed.ended is None or not str(deed.answer).islower()
        ]

    @cached_property
    def plans(self) -> list[ExitPlan]:
        """Of the bot as the configuration had it before the entry, with the ranges of those minutes."""
        found: list[ExitPlan] = []
        for written, specs in self.facts.settings.written:
            for spec in specs:
                if spec.name != self.row["bot"] or written > self.entered:
                    continue
                if spec.exits not in found:
                    found.append(spec.exits)
        return [ranged for plan in found for ranged in self._ranged(plan)]

    def _ranged(self, plan: ExitPlan) -> Iterator[ExitPlan]:
        if not plan.needs_atr:
            yield plan
            return
        for back in range(RANGES):
            value = levels.average_range(self._candles(back), plan.atr_period)
            if value is not None:
                yield replace(plan, atr=Decimal(repr(value)))

    def _candles(self, back: int) -> Any:
        newest = (
            self.facts.plan.began.timestamp() + self.entered
        ) // CANDLE_SECONDS * CANDLE_SECONDS - CANDLE_SECONDS * back
        return QuickCandles(self.facts.tape).named(self.row["symbol"], newest)

    def is_dust(self, quantity: Fraction, price: Fraction, at: float = float("inf")) -> bool:
        """No venue takes an order for it at about that *price*; reduce-only ones may be tiny."""
        instrument = self.facts.plan.market(self.row["symbol"]).instrument
        lot = self.facts.lot(self.row["symbol"], at)
        if quantity < max(lot, Fraction(instrument.min_quantity)):
            return True
        spot = self.row["position_type"] == PositionType.SPOT
        return spot and quantity * price < Fraction(instrument.min_notional) * ABOUT

    @cached_property
    def changes(self) -> list[tuple[float, Fraction]]:
        """(when, how much more is held), by the venue's fills."""
        base = self.facts.plan.market(self.row["symbol"]).instrument.base_asset
        spot = self.row["position_type"] == PositionType.SPOT
        found = []
        for name, order in self.mine.items():
            sign = 1 if self.orders[name]["role"] == "entry" else -1
            for fill in self.fills_of(order):
                change = sign * Fraction(fill.quantity)
                if spot and fill.fee_asset == base:
                    change -= Fraction(fill.fee)
                found.append((self.facts.seconds(fill.executed_at), change))
        return sorted(found, key=lambda each: each[0])

    def holds(self, at: float, besides: Fraction = Fraction(0)) -> bool:
        """Then, more than what no venue would take."""
        held = sum((change for when, change in self.changes if when <= at), -besides)
        return held > 0 and not self.is_dust(
            held, Fraction(self.facts.tape.price_at(self.row["symbol"], at)), at
        )

    def shown(self, first: float, last: float) -> list[Fraction]:
        seen = self.facts.tape.between(self.row["symbol"], first, last)
        return [Fraction(each.price) for each in seen]

    def _refused_stops(self) -> list[Fraction]:
        """Prices that the venue has told by refusing a stop that would trigger at once."""
        return [
            Fraction(self.facts.tape.price_at(order.request.symbol, self.facts.seconds(order.at)))
            for order in self.mine.values()
            if order.reason == "would trigger immediately"
        ]

    def _was_refused_for(self, said: str, at: float) -> bool:
        """Shortly before, the venue has said that such a stop is met, and nobody need tell a price."""
        return any(
            order.reason == "would trigger immediately"
            and (order.request.type in TARGETS) == (said == "take_profit")
            and at - WITHIN <= self.facts.seconds(order.at) <= at
            for order in self.mine.values()
        )

    # The judgement

    def wrong(self) -> Iterator[str]:
        yield from self._averages()
        exits = [name for name in self.mine if self.orders[name]["role"] == "exit"]
        for name in exits:
            order, row = self.mine[name], self.orders[name]
            at = self.facts.departed(name)
            if at is None or order.is_forced:
                continue
            said = _reason(row)
            why = self._why_not(order, row, said, at)
            if why is not None:
                yield f"{name} ({said}, left at {at:.3f}): {why}"
        yield from self._steps(exits)
        yield from self._closed(exits)

    def _averages(self) -> Iterator[str]:
        """What the position says it was entered at, if all of its fills are known to be its own."""
        total = sum((q for q, _ in self.entry_fills), Fraction(0))
        if total and total == Fraction(self.row["entry_quantity"]):
            average = sum((q * p for q, p in self.entry_fills), Fraction(0)) / total
            if abs(average - Fraction(self.row["entry_price"])) > EXACT * average:
                yield f"entered at {float(average)}, not {self.row['entry_price']}"

    def _why_not(self, order: VenueOrder, row: Any, said: str, at: float) -> str | None:
        if said in BY_PRICE:
            return self._by_price(order, row, said, at)
        match said:
            case "max_holding":
                return self._held_too_short(at)
            case "signal":
                return self._no_signal(at)
            case "manual" | "flatten":
                wanted = {"close" if said == "manual" else "flatten"}
                told = any(
                    each.name in wanted
                    and each.began <= at
                    and each.position in {None, row["position_id"]}
                    for each in self.facts.operator.deeds
                )
                return None if told else "nobody said so"
            case _:
                return None

    def _by_price(self, order: VenueOrder, row: Any, said: str, at: float) -> str | None:
        asked = order.request
        level = row["trigger_price"] if asked.type is OrderType.MARKET else asked.stop_price
        if level is None and asked.type is OrderType.LIMIT:
            level = asked.limit_price  # a target, where there are none but limit orders
        if level is None:
            return None if self._was_refused_for(said, at) else "it names no level"
        level = Fraction(level)
        seen = self.shown(self.opened - ON_ITS_WAY, at)
        known = self._legal(said, row["ladder_step"], seen)
        if known is not None and level not in known:
            near = sorted(known, key=lambda each: abs(each - level))[:3]
            return f"level {float(level)} is none of {[float(each) for each in near]} …"
        if order.request.type is not OrderType.MARKET:
            return None
        lately = self.shown(max(self.opened - HELD_FOR, at - WITHIN), at) + self._refused_stops()
        met = self.side.has_met_target if said == "take_profit" else self.side.has_met_stop
        if not any(met(price, level) for price in lately):
            return f"no price that was shown has met {float(level)}"
        return None

    def _legal(self, said: str, step: int | None, seen: list[Fraction]) -> set[Fraction] | None:
        """None: what a hand has set says too little to tell."""
        if any(deed.asked.get(said) is not None for deed in self.sets):
            return None
        side, entries = self.side, self.entries
        bests = {*seen, *entries}
        found: set[Fraction] = set()
        for plan in self.plans:
            if said == "stop_loss":
                found |= {*levels.stops(plan, side, entries)}
                found |= {*levels.secured(plan, side, entries, seen)}
            elif said == "trailing_stop":
                found |= {*levels.trailing(plan, side, bests)}
            elif step is not None:
                found |= {*levels.steps(plan, side, entries, step)}
            else:
                found |= {*levels.targets(plan, side, entries)}
                for number in range(1, len(plan.ladder) + 1):  # one that rests names no step
                    found |= {*levels.steps(plan, side, entries, number)}
        return found

    def _held_too_short(self, at: float) -> str | None:
        if any(deed.asked.get("max_holding") is not None for deed in self.sets):
            return None
        longest = [plan.max_holding for plan in self.plans if plan.max_holding is not None]
        if not longest:
            return "its plan has no longest holding"
        held = at - self.opened
        least = min(longest) / timedelta(seconds=1)
        return None if held >= least - HELD_FOR else f"held for {held:.3f} s of {least}"

    def _no_signal(self, at: float) -> str | None:
        """A word of its bot against it, on a candle that was new a short while before."""
        against = SignalKind.SELL if self.side.sign > 0 else SignalKind.BUY
        newest = (self.facts.plan.began.timestamp() + at) // CANDLE_SECONDS * CANDLE_SECONDS
        for back in range(int(WITHIN // CANDLE_SECONDS)):
            candle = self._candle_name(newest - CANDLE_SECONDS * back)
            if word_of(self.facts.plan.seed, self.row["bot"], candle) is against:
                return None
        return "its bot said nothing of the kind"

    def _candle_name(self, at: float) -> Any:
        began = self.facts.plan.began
        return began + timedelta(seconds=at - began.timestamp())

    def _steps(self, exits: list[str]) -> Iterator[str]:
        """No step sells more than its share of all that was entered, and those that joined it."""
        sold: dict[int, Fraction] = {}
        for name in exits:
            step = self.orders[name]["ladder_step"]
            if step is not None:
                sold[step] = sold.get(step, Fraction(0)) + Fraction(self.mine[name].executed)
        whole = sum((q for q, _ in self.entry_fills), Fraction(0))
        for step in sold:
            so_far = sum((each for number, each in sold.items() if number <= step), Fraction(0))
            if so_far > self._share(step) * whole and not self._takes_all(step, whole, exits):
                yield f"step {step} has sold {float(so_far)} of {float(whole)}"

    def _share(self, step: int) -> Fraction:
        """Up to that step; the last one of a ladder that sells everything takes what is left."""
        most = Fraction(0)
        for plan in self.plans:
            shares = [Fraction(each.share) for each in plan.ladder[:step]]
            if len(shares) == step:
                most = max(most, sum(shares, Fraction(0)))
        return most

    def _takes_all(self, step: int, whole: Fraction, exits: list[str]) -> bool:
        """What it would leave, of what others have left, could not be sold: it ends all of it."""
        fills = [
            (self.orders[name]["ladder_step"], fill)
            for name in exits
            for fill in self.fills_of(self.mine[name])
        ]
        made = [fill for number, fill in fills if number == step]
        if not made:
            return False
        last = max(fill.executed_at for fill in made)
        others = sum(
            (
                Fraction(fill.quantity)
                for number, fill in fills
                if (number is None or number > step) and fill.executed_at <= last
            ),
            Fraction(0),
        )
        left = (1 - self._share(step)) * whole - others
        return self.is_dust(left, min(Fraction(fill.price) for fill in made) * STOPPED)

    def _closed(self, exits: list[str]) -> Iterator[str]:
        """Its close bears the reason of the order that the venue executed last, whichever was told
        last, and whatever has met what was left as dust.
        """
        made = {
            name: max(fill.executed_at for fill in fills)
            for name in exits
            if (fills := self.fills_of(self.mine[name]))
        }
        if self.row["closed_at"] is None or not made:
            return
        last = [name for name, at in made.items() if at == max(made.values())]
        reasons = {_reason(self.orders[name]) for name in last}
        forced = any(self.mine[name].is_forced for name in last)
        if not forced and reasons <= SAID and self.row["close_reason"] not in reasons:
            yield f"closed by {self.row['close_reason']}, and sold last by {sorted(reasons)}"


def _stops(plan: ExitPlan) -> bool:
    distances = (plan.stop_loss, plan.stop_loss_atr, plan.trailing_stop, plan.trailing_stop_atr)
    return any(each is not None for each in distances)


def _reason(row: Any) -> str:
    """Why an order was made: the last word of what is told of it."""
    return str(row["reason"] or "").rpartition(" ")[2]
