"""What a seed means: symbols, bots, venues' habits, the weather, the operator's moods. Pure."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final, Literal
from zoneinfo import ZoneInfo

from tests.simulation.bots import ZONES, draw_bots, draw_limits
from tests.simulation.markets import (
    CURRENCY,
    THIRD,
    WORTH,
    Market,
    conversion_of,
    draw_hours,
    draw_markets,
)
from tests.simulation.switches import LANDED, Draw
from tradebotd.domain.bot import AccountLimits, BotSpec
from tradebotd.domain.ids import VenueName
from tradebotd.domain.instrument import PositionType
from tradebotd.market.calendars import ExchangeCalendar
from tradebotd.ports.venue import Replacement, VenueTraits

VENUE: Final = VenueName("simulated")
OTHER: Final = VenueName("another")
BEGAN: Final = datetime(2026, 3, 2, 9, tzinfo=UTC)
CALENDAR: Final = "XSIM"
THIRD_WORTH: Final = Decimal(600)
FeeIn = Literal["quote", "base", "third"]

ALWAYS: Final = frozenset({Draw.STRICT, Draw.SHORTS, Draw.FILTERS, Draw.WINDOWS})
SOME: Final = 0.6
# The most that each may be likely, for each time that it could strike.
WORST: Final = {
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
# And those that a draw adds.
MORE: Final = {
    Draw.PARTS: {"rests_in_part": 0.6},
    Draw.SLOW: {"slow_quotes": 0.5, "slow_account": 0.3, "silence": 0.01},
    Draw.ALIENS: {"alien_before": 0.02, "alien_after": 0.02},
    Draw.LIES: {"lie": 0.03},
    Draw.FORCED: {"deleveraged": 0.004},
    Draw.WINDOWS: {"command_in_between": 0.01, "halt_as_it_leaves": 0.05},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class VenuePlan:
    """*maker* may be negative: a rebate. *cash*: what the account has there, by asset."""

    name: VenueName
    traits: VenueTraits
    maker: Decimal
    taker: Decimal
    fee_in: FeeIn
    cash: dict[str, Decimal]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    seed: int
    on: frozenset[Draw]
    began: datetime
    zone: str  # the account's
    markets: tuple[Market, ...]
    specs: tuple[BotSpec, ...]
    venues: tuple[VenuePlan, ...]
    limits: AccountLimits
    hours: ExchangeCalendar | None
    rates: dict[str, float]
    seconds: float  # for so long anything may happen
    kills: float  # how likely a life ends before its time
    zombies: float  # how likely one is stopped until another has taken over
    commands: float  # of the operator, a second
    hands: float  # of somebody else, a second
    transfers: float  # of money, a second
    reloads: float  # of the configuration, a second
    funding_every: float | None  # seconds
    worth: dict[str, Decimal] = field(default_factory=dict)
    rehearsed: bool = False  # spoken to by the rehearsal venue's adapter
    vendor: str | None = None  # spoken to by the real adapter of that kind, at its simulator
    noon: tuple[float, dict[str, Decimal]] = (0.0, {})  # when lots change, and to what

    @property
    def tells_instruments(self) -> bool:
        """Whether the daemon asks for what symbols are like."""
        return self.rehearsed or self.vendor is not None

    def market(self, symbol: str) -> Market:
        return next(each for each in self.markets if each.name == symbol)

    def venue(self, name: VenueName) -> VenuePlan:
        return next(each for each in self.venues if each.name == name)


def draw(seed: int, on: frozenset[Draw] = LANDED, always: frozenset[Draw] = frozenset()) -> Plan:
    """Each part has a source of its own, so that a draw that is left out changes no other.

    A seed has some of what is *on*, and *always* these: all at once would leave little to trade.
    """
    chance = random.Random(seed)
    on = always | frozenset(
        each
        for each in sorted(on)
        if each in ALWAYS or random.Random(f"{each} {seed}").random() < SOME
    )
    seconds = chance.uniform(50, 160)
    began, zone = _beginning(seed, on)
    hours = draw_hours(seed, on, began, seconds) if Draw.SESSIONS in on else None
    names = [VENUE, OTHER] if Draw.VENUES in on and chance.random() < 0.4 else [VENUE]
    markets = draw_markets(seed, on, names, None if hours is None else CALENDAR)
    venues = tuple(_venue(seed, on, name) for name in names)
    if any(each.fee_in == "third" for each in venues):
        markets = (*markets, conversion_of(THIRD, THIRD_WORTH, VENUE))
    specs = draw_bots(seed, on, markets)
    return Plan(
        seed=seed,
        on=on,
        began=began,
        zone=zone,
        markets=markets,
        specs=specs,
        venues=tuple(_fitting(each, specs, markets) for each in venues),
        limits=draw_limits(seed, on),
        hours=hours,
        rates=_rates(seed, on),
        seconds=seconds,
        kills=chance.choice([0.0, 0.3, 0.7, 0.9]),
        zombies=chance.choice([0.0, 0.0, 0.5]),
        commands=chance.choice([0.0, 0.02, 0.1]),
        hands=chance.choice([0.0, 0.0, 0.0, 0.02]),
        transfers=chance.choice([0.0, 0.02]) if Draw.TRANSFERS in on else 0.0,
        reloads=chance.choice([0.0, 0.02]) if Draw.RELOAD in on else 0.0,
        funding_every=chance.choice([None, 20.0, 60.0]) if Draw.FUNDING in on else None,
        worth=WORTH | {THIRD: THIRD_WORTH},
    )


def _beginning(seed: int, on: frozenset[Draw]) -> tuple[datetime, str]:
    """With zones, often shortly before midnight in one of them, or before its clocks change."""
    chance = random.Random(f"began {seed}")
    if Draw.ZONES not in on:
        return BEGAN, "UTC"
    zone = chance.choice(ZONES)
    day = chance.choice([datetime(2026, 3, 29), datetime(2026, 7, 1), datetime(2026, 11, 1)])  # noqa: DTZ001
    hour = chance.choice([0, 0, 0, 1, 3])
    midnight = day.replace(hour=hour, tzinfo=ZoneInfo(zone)).astimezone(UTC)
    return midnight - timedelta(seconds=chance.randint(5, 120)), zone


def _rates(seed: int, on: frozenset[Draw]) -> dict[str, float]:
    """A sixth of the seeds have fair weather, so that every second of them can be judged."""
    chance = random.Random(f"rates {seed}")
    fair = chance.random() < 1 / 6
    rates = {}
    for name, worst in WORST.items():
        rate = worst * chance.random()
        rates[name] = 0.0 if fair or chance.random() < 0.3 else rate
    for draw_of, more in MORE.items():
        if draw_of in on:
            for name, worst in more.items():
                rates[name] = worst * chance.random() if chance.random() < 0.7 else 0.0
    return rates


def _venue(seed: int, on: frozenset[Draw], name: VenueName) -> VenuePlan:
    chance = random.Random(f"venue plan {seed} {name}")
    ways = [Replacement.REPLACE, Replacement.CANCEL_FIRST, Replacement.OVERLAP]
    traits = VenueTraits(
        resting_stops=chance.random() < 0.7,
        linked_orders=chance.random() < 0.5,
        replacement=chance.choice(ways),
        receive_window=timedelta(seconds=chance.choice([1, 5])),
        absence_margin=timedelta(seconds=10),
        negatives=3,
        endpoints=2,
        sets_up_symbols=True,
        tells_transfers=random.Random(f"tells {seed} {name}").random() < 0.7,
    )
    fee_in: FeeIn = "base" if chance.random() < 0.4 else "quote"
    maker = taker = Decimal("0.0004")
    if Draw.FEES in on:
        fee_in = chance.choice(["quote", "base", "third"])
        maker = Decimal(chance.choice(["-0.0001", "0", "0.0004"]))
        taker = Decimal(chance.choice(["0.0004", "0.001"]))
    cash = {CURRENCY: Decimal(1_000_000)}
    if Draw.POOR in on and chance.random() < 0.4:
        cash[CURRENCY] = Decimal(chance.choice([60, 400, 2000]))
    for asset in ("EUR", "JPY"):
        if Draw.CURRENCIES in on:
            cash[asset] = (cash[CURRENCY] / WORTH[asset]).quantize(Decimal("0.01"))
    if fee_in == "third":
        cash[THIRD] = Decimal(chance.choice(["0.001", "20"]))
    if (
        traits.replacement is not Replacement.OVERLAP
        and random.Random(f"promises {seed} {name}").random() < 0.3
    ):
        traits = replace(traits, replacement=Replacement.PROMISED)
    return VenuePlan(name=name, traits=traits, maker=maker, taker=taker, fee_in=fee_in, cash=cash)


def _fitting(venue: VenuePlan, specs: Sequence[BotSpec], markets: Sequence[Market]) -> VenuePlan:
    """What is sold at spot is locked by what rests: two of those never overlap."""
    if venue.traits.replacement is not Replacement.OVERLAP:
        return venue
    at = {each.name: each.instrument.venue for each in markets}
    spot = [spec for spec in specs if spec.position_type is PositionType.SPOT]
    if not any(at[spec.symbol] == venue.name for spec in spot):
        return venue
    return replace(venue, traits=replace(venue.traits, replacement=Replacement.CANCEL_FIRST))
