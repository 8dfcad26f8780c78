"""The bots of a seed: how they size, enter, end, and what they may lose."""

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, timedelta, tzinfo
from decimal import Decimal
from typing import Final
from zoneinfo import ZoneInfo

from tests.simulation.markets import Market
from tests.simulation.switches import Draw
from tradebotd.domain.bot import (
    AccountLimits,
    BotSpec,
    DailyLimits,
    EntryKind,
    EntryRule,
    SizingKind,
    SizingRule,
)
from tradebotd.domain.exit_plan import BreakEven, ExitPlan, LadderStep
from tradebotd.domain.ids import BotName
from tradebotd.domain.instrument import PositionType
from tradebotd.domain.timeframe import Timeframe

FREELY: Final = AccountLimits(
    currency="USDT",
    max_orders_per_minute=1000,
    max_open_positions=100,
    max_exposure=Decimal(10),
    max_daily_loss=Decimal("0.9"),
    max_drawdown=Decimal("0.9"),
)
ZONES: Final = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Pacific/Auckland")
SELDOM: Final = 0.2
NO_LIMITS: Final = DailyLimits(max_orders_per_minute=1000)
SAFELY: Final = Decimal("0.9")  # of the way to the liquidation: what the configuration lets through


def draw_bots(seed: int, on: frozenset[Draw], markets: Sequence[Market]) -> tuple[BotSpec, ...]:
    chance = random.Random(f"bots {seed}")
    specs = []
    for market in markets:
        if not market.traded:
            continue
        kind = chance.choice([PositionType.SPOT, PositionType.FUTURES])
        bots = 2 if kind is PositionType.SPOT and chance.random() < 0.3 else 1
        letter = market.name[0].lower()
        for number in range(bots):
            name = f"{letter}{number}"
            specs.append(_bot(random.Random(f"bot {seed} {name}"), name, market, kind, on))
    return tuple(specs)


def draw_limits(seed: int, on: frozenset[Draw]) -> AccountLimits:
    if Draw.ACCOUNT_LIMITS not in on:
        return FREELY
    chance = random.Random(f"limits {seed}")

    def some(usual: object, *others: str) -> Decimal:
        return Decimal(chance.choice(others) if chance.random() < SELDOM else str(usual))

    return AccountLimits(
        currency=FREELY.currency,
        max_orders_per_minute=int(some(1000, "4")),
        max_open_positions=int(some(100, "1", "2")),
        max_exposure=some(FREELY.max_exposure, "0.2", "1"),
        max_daily_loss=some(FREELY.max_daily_loss, "0.0002", "0.002"),
        max_drawdown=some(FREELY.max_drawdown, "0.0003", "0.003"),
        price_collar=some("0.05", "0.01"),
        bad_tick=some("0.1", "0.03"),
    )


def another_plan(seed: int, number: int, spec: BotSpec, on: frozenset[Draw]) -> BotSpec:
    """*spec* as it is written down anew: other exits, another size."""
    chance = random.Random(f"again {seed} {number} {spec.name}")
    return _within_reach(
        replace(
            spec,
            exits=draw_exits(chance, on),
            sizing=replace(spec.sizing, value=spec.sizing.value * chance.choice([1, 2])),
            cooldown=None,
        ),
        None,
    )


def _bot(
    chance: random.Random, name: str, market: Market, kind: PositionType, on: frozenset[Draw]
) -> BotSpec:
    futures = kind is PositionType.FUTURES
    most = market.instrument.max_leverage if Draw.LEVERAGE in on else 3
    exits = draw_exits(chance, on)
    capital = Decimal(chance.choice([500, 2000]) if Draw.POOR in on else 10_000)
    spec = BotSpec(
        name=BotName(name),
        symbol=market.name,
        timeframe=Timeframe.M1,
        strategy="scripted",
        position_type=kind,
        allow_short=futures,
        leverage=chance.choice([1, min(3, most), most]) if futures else 1,
        initial_capital=capital,
        sizing=_sizing(chance, market, exits, capital, on),
        exits=exits,
        entry=_entry(chance),
        limits=_limits(chance) if Draw.BOT_LIMITS in on else NO_LIMITS,
        day_zone=_zone(chance) if Draw.ZONES in on else UTC,
        cooldown=_cooldown(chance, exits) if Draw.COOLDOWN in on else None,
    )
    return _within_reach(spec, market)


def _within_reach(spec: BotSpec, market: Market | None) -> BotSpec:
    """A stop-loss nearer than the liquidation, as the configuration demands it."""
    stop = spec.exits.stop_loss
    if spec.position_type is not PositionType.FUTURES or stop is None:
        return spec
    margin = Decimal("0.025") if market is None else market.instrument.maintenance_margin
    leverage = spec.leverage
    while leverage > 1 and stop >= (Decimal(1) / leverage - margin) * SAFELY:
        leverage -= 1
    return replace(spec, leverage=leverage)


def _zone(chance: random.Random) -> tzinfo:
    name = chance.choice(ZONES)
    return UTC if name == "UTC" else ZoneInfo(name)


def _cooldown(chance: random.Random, exits: ExitPlan) -> timedelta | None:
    stops = (exits.stop_loss, exits.stop_loss_atr, exits.trailing_stop, exits.trailing_stop_atr)
    if all(stop is None for stop in stops) and exits.break_even is None:
        return None
    return timedelta(seconds=chance.randint(20, 90)) if chance.random() < 0.4 else None


def _limits(chance: random.Random) -> DailyLimits:
    def some(*values: str) -> Decimal | None:
        return Decimal(chance.choice(values)) if chance.random() < 0.3 else None

    return DailyLimits(
        max_daily_trades=chance.randint(1, 4) if chance.random() < 0.3 else None,
        max_daily_loss=some("0.001", "0.005"),
        daily_target=some("0.001", "0.005"),
        max_orders_per_minute=chance.choice([2, 10, 1000]),
    )


def _sizing(
    chance: random.Random,
    market: Market,
    exits: ExitPlan,
    capital: Decimal,
    on: frozenset[Draw],
) -> SizingRule:
    """Of a tenth to a half of the *capital*, however it is told."""
    wished = Decimal(chance.randint(20, 3000)) if Draw.POOR in on else None
    wished = wished or Decimal(chance.randint(200, 3000))
    notional = max(wished / market.worth, market.instrument.min_notional).quantize(Decimal("0.01"))
    kinds = [SizingKind.FIXED_NOTIONAL]
    if Draw.SIZING in on:
        kinds += [SizingKind.FIXED_QUANTITY, SizingKind.PERCENT_EQUITY]
        if exits.stop_loss is not None or exits.stop_loss_atr is not None:
            kinds.append(SizingKind.RISK_PERCENT)
        if Draw.RANGES in on:
            kinds.append(SizingKind.ATR)
    kind = chance.choice(kinds)
    match kind:
        case SizingKind.FIXED_NOTIONAL:
            return SizingRule(kind=kind, value=notional)
        case SizingKind.FIXED_QUANTITY:
            return SizingRule(kind=kind, value=_lots(notional / market.start, market))
        case SizingKind.PERCENT_EQUITY:
            percent = (100 * wished / capital).quantize(Decimal("0.1"))
            return SizingRule(kind=kind, value=min(max(percent, Decimal("0.5")), Decimal(100)))
        case SizingKind.RISK_PERCENT | SizingKind.ATR:
            return SizingRule(
                kind=kind,
                value=Decimal(chance.choice(["0.1", "0.3", "1"])),
                multiple=Decimal(chance.choice(["1", "2.5"])),
                period=chance.randint(2, 5),
            )


def _lots(quantity: Decimal, market: Market) -> Decimal:
    instrument = market.instrument
    least, most = max(instrument.min_quantity, instrument.lot_size), instrument.max_quantity
    lots = quantity // instrument.lot_size * instrument.lot_size
    return max(least, lots if most is None else min(lots, most))


def _entry(chance: random.Random) -> EntryRule:
    if chance.random() < 0.7:
        return EntryRule()
    return EntryRule(
        kind=EntryKind.LIMIT,
        offset=Decimal(chance.randint(0, 8)) / 1000,
        lifetime=timedelta(seconds=chance.randint(10, 60)),
    )


def draw_exits(chance: random.Random, on: frozenset[Draw]) -> ExitPlan:
    ladder = _ladder(chance, on) if chance.random() < 0.3 else ()
    all_sold = sum((step.share for step in ladder), Decimal(0)) == 1
    may_target = Draw.LADDERS in on and not all_sold if ladder else True
    target = None
    if may_target and chance.random() < 0.6:
        target = Decimal(chance.randint(5, 40)) / 1000
        target += ladder[-1].at if ladder else 0
    stop: Decimal | None = Decimal(chance.randint(5, 30)) / 1000
    trailing = Decimal(chance.randint(5, 30)) / 1000 if chance.random() < 0.4 else None
    if Draw.NO_STOP in on and chance.random() < 0.25:
        stop = None
    plan = ExitPlan(
        stop_loss=stop,
        take_profit=target,
        trailing_stop=trailing,
        break_even=_break_even(chance, target, ladder) if chance.random() < 0.3 else None,
        ladder=ladder,
        max_holding=timedelta(seconds=chance.randint(20, 90)) if chance.random() < 0.2 else None,
    )
    return _by_range(chance, plan) if Draw.RANGES in on and chance.random() < 0.35 else plan


def _by_range(chance: random.Random, plan: ExitPlan) -> ExitPlan:
    """Some of its distances as multiples of the range."""

    def multiple() -> Decimal:
        return Decimal(chance.choice(["0.5", "1", "2"]))

    if plan.stop_loss is not None and chance.random() < 0.6:
        plan = replace(plan, stop_loss=None, stop_loss_atr=multiple())
    if plan.trailing_stop is not None and chance.random() < 0.6:
        plan = replace(plan, trailing_stop=None, trailing_stop_atr=multiple())
    if plan.take_profit is not None and not plan.ladder and chance.random() < 0.6:
        plan = replace(plan, take_profit=None, take_profit_atr=multiple())
    return replace(plan, atr_period=chance.randint(2, 5)) if plan.needs_atr else plan


def _ladder(chance: random.Random, on: frozenset[Draw]) -> tuple[LadderStep, ...]:
    shares = [chance.choice(["0.3", "0.5"]), "0.3"]
    if Draw.LADDERS in on:
        shares = chance.choice(
            [shares, ["0.5", "0.5"], ["0.3", "0.3", "0.4"], ["1"], ["0.05", "0.6"]]
        )
    at = chance.randint(4, 10)
    steps = []
    for share in shares:
        steps.append(LadderStep(at=Decimal(at) / 1000, share=Decimal(share)))
        at += chance.randint(2, 8)
    return tuple(steps)


def _break_even(
    chance: random.Random, target: Decimal | None, ladder: Sequence[LadderStep]
) -> BreakEven | None:
    """Before the target, which is otherwise the end of it."""
    at = Decimal(chance.randint(5, 15)) / 1000
    if target is not None and not ladder and at >= target:
        return None
    return BreakEven(at=at, lock=Decimal(chance.choice(["0", "0.002"])))
