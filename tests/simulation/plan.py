"""What a seed means: symbols, bots, a venue's habits, the weather, the operator's moods. Pure."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from tests.simulation.ledger import VENUE
from tradebotd.domain.bot import (
    AccountLimits,
    BotSpec,
    DailyLimits,
    EntryKind,
    EntryRule,
    SizingKind,
    SizingRule,
)
from tradebotd.domain.candle import Candle
from tradebotd.domain.exits import BreakEven, ExitPlan, LadderStep
from tradebotd.domain.ids import BotName, FeedName
from tradebotd.domain.instrument import ALWAYS_OPEN, Instrument, MarketSymbol, PositionType
from tradebotd.domain.signal import Signal, SignalKind
from tradebotd.domain.timeframe import Timeframe
from tradebotd.ports.venue import Replacement, VenueTraits

CANDLE_SECONDS = 15  # faster than any timeframe, so that a minute sees several decisions
LIMITS = AccountLimits(
    currency="USDT",
    max_orders_per_minute=1000,
    max_open_positions=100,
    max_exposure=Decimal(10),
    max_daily_loss=Decimal("0.9"),
    max_drawdown=Decimal("0.9"),
)
# The most that each may be likely, for each time that it could strike.
WORST = {
    "lost_on_the_way_there": 0.2,
    "lost_on_the_way_back": 0.2,
    "late": 0.1,
    "hidden": 0.3,
    "reject": 0.1,
    "pieces": 0.6,
    "short_of_liquidity": 0.2,
    "fills_later": 0.3,
    "fills_endpoint_late": 0.3,
    "stream_first": 0.3,
    "stream_loses": 0.3,
    "stream_repeats": 0.5,
    "stream_reorders": 0.5,
    "stream_late": 0.2,
    "rate_limit": 0.01,
    "disconnect": 0.005,
    "slow": 0.01,
    "lost_before": 0.01,
    "lost_after_commit": 0.03,
    "lost_after_statement": 0.005,
    "slow_commit": 0.01,
    "pool_exhausted": 0.005,
    "database_outage": 0.003,
}
DELAYED_TICKS = "delayed_ticks"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    seed: int
    symbols: tuple[MarketSymbol, ...]
    specs: tuple[BotSpec, ...]
    traits: VenueTraits
    fee: Decimal
    fee_in_base: bool
    rates: dict[str, float]
    seconds: float  # for so long anything may happen
    kills: float  # how likely a life ends before its time
    zombies: float  # how likely one is stopped until another has taken over
    commands: float  # of the operator, a second
    hands: float  # of somebody else, a second


def draw(seed: int) -> Plan:
    chance = random.Random(seed)
    kinds = [PositionType.SPOT, PositionType.FUTURES]
    names = ["AAAUSDT", "BBBUSDT", "CCCUSDT"][: chance.randint(1, 3)]
    specs = []
    for name in names:
        kind = chance.choice(kinds)
        bots = 2 if kind is PositionType.SPOT and chance.random() < 0.3 else 1
        specs += [_bot(chance, f"{name[0].lower()}{number}", name, kind) for number in range(bots)]
    rates = {name: worst * chance.random() for name, worst in WORST.items()}
    for name in rates:
        if chance.random() < 0.3:
            rates[name] = 0.0
    return Plan(
        seed=seed,
        symbols=tuple(market_symbol(name) for name in names),
        specs=tuple(specs),
        traits=_traits(chance, specs),
        fee=Decimal("0.0004"),
        fee_in_base=chance.random() < 0.4,
        rates=rates,
        seconds=chance.uniform(40, 150),
        kills=chance.choice([0.0, 0.3, 0.7, 0.9]),
        zombies=chance.choice([0.0, 0.0, 0.5]),
        commands=chance.choice([0.0, 0.02, 0.1]),
        hands=chance.choice([0.0, 0.0, 0.0, 0.02]),
    )


def _traits(chance: random.Random, specs: Sequence[BotSpec]) -> VenueTraits:
    """What is sold at spot is locked by what rests: two of those never overlap."""
    ways = [Replacement.REPLACE, Replacement.CANCEL_FIRST]
    if all(spec.position_type is PositionType.FUTURES for spec in specs):
        ways.append(Replacement.OVERLAP)
    return VenueTraits(
        resting_stops=chance.random() < 0.7,
        linked_orders=chance.random() < 0.5,
        replacement=chance.choice(ways),
        receive_window=timedelta(seconds=chance.choice([1, 5])),
        absence_margin=timedelta(seconds=10),
        negatives=3,
        endpoints=2,
    )


def _bot(chance: random.Random, name: str, symbol: str, kind: PositionType) -> BotSpec:
    return BotSpec(
        name=BotName(name),
        symbol=symbol,
        timeframe=Timeframe.M1,
        strategy="scripted",
        position_type=kind,
        allow_short=kind is PositionType.FUTURES,
        leverage=chance.choice([1, 3]) if kind is PositionType.FUTURES else 1,
        initial_capital=Decimal(10_000),
        sizing=SizingRule(kind=SizingKind.FIXED_NOTIONAL, value=Decimal(chance.randint(200, 3000))),
        exits=_exits(chance),
        entry=_entry(chance),
        limits=DailyLimits(max_orders_per_minute=1000),
        day_zone=UTC,
    )


def _entry(chance: random.Random) -> EntryRule:
    if chance.random() < 0.7:
        return EntryRule()
    return EntryRule(
        kind=EntryKind.LIMIT,
        offset=Decimal(chance.randint(0, 8)) / 1000,
        lifetime=timedelta(seconds=chance.randint(10, 60)),
    )


def _exits(chance: random.Random) -> ExitPlan:
    steps: tuple[LadderStep, ...] = ()
    if chance.random() < 0.3:
        first, share = chance.randint(4, 10), chance.choice(["0.3", "0.5"])
        steps = (
            LadderStep(at=Decimal(first) / 1000, share=Decimal(share)),
            LadderStep(at=Decimal(first + 6) / 1000, share=Decimal("0.3")),
        )
    one_target = not steps and chance.random() < 0.6
    return ExitPlan(
        stop_loss=Decimal(chance.randint(5, 30)) / 1000,
        take_profit=Decimal(chance.randint(5, 40)) / 1000 if one_target else None,
        trailing_stop=Decimal(chance.randint(5, 30)) / 1000 if chance.random() < 0.4 else None,
        break_even=_break_even(chance) if chance.random() < 0.3 else None,
        ladder=steps,
        max_holding=timedelta(seconds=chance.randint(20, 90)) if chance.random() < 0.2 else None,
    )


def _break_even(chance: random.Random) -> BreakEven:
    return BreakEven(at=Decimal(chance.randint(5, 15)) / 1000, lock=Decimal("0.002"))


def market_symbol(symbol: str) -> MarketSymbol:
    return MarketSymbol(
        instrument=Instrument(
            symbol=symbol,
            venue=VENUE,
            base_asset=symbol.removesuffix("USDT"),
            quote_asset="USDT",
            tick_size=Decimal("0.01"),
            lot_size=Decimal("0.001"),
            min_notional=Decimal(5),
        ),
        feeds=(FeedName("hand"),),
        timeframes=(Timeframe.M1,),
        calendar=ALWAYS_OPEN,
    )


@dataclass
class Moods:
    """A strategy that draws its word from the seed and the candle: the same in every life."""

    seed: int
    bot: BotName
    lookback: int = 2
    silent: bool = False

    def decide(self, candles: Sequence[Candle]) -> Signal:
        word = SignalKind.NONE
        if not self.silent:
            draw_of = random.Random(f"{self.seed} {self.bot} {candles[-1].ts.isoformat()}")
            word = draw_of.choice(
                [SignalKind.BUY, SignalKind.BUY, SignalKind.SELL, SignalKind.NONE]
            )
        return Signal(kind=word, reason=f"in the mood to {word}", indicators={})


class QuickCandles:
    """In place of the stored candles: one every few seconds, each at the price that is known."""

    async def closed(
        self, symbol: MarketSymbol, timeframe: Timeframe, count: int, now: datetime
    ) -> Sequence[Candle]:
        del symbol, timeframe
        newest = now.timestamp() // CANDLE_SECONDS * CANDLE_SECONDS
        opens = [newest - CANDLE_SECONDS * back for back in range(count - 1, -1, -1)]
        return [
            Candle(datetime.fromtimestamp(at, UTC), 100.0, 101.0, 99.0, 100.0, 1.0) for at in opens
        ]
