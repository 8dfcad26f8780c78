"""What a seed means at each vendor: its plan, and its venue."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

from tests.simulation.markets import CURRENCY, THIRD, Market, conversion_of
from tests.simulation.plan import THIRD_WORTH, VENUE, Plan, VenuePlan, draw
from tests.simulation.street import Street
from tests.simulation.switches import Draw
from tests.simulation.vendors import alpaca, faults, spot, usdm
from tests.simulation.vendors.ledger import VendorLedger, opened
from tests.simulation.vendors.venue import VendorVenue
from tests.simulation.venue import Departure
from tradebotd.domain.bot import BotSpec, SizingKind
from tradebotd.domain.instrument import PositionType
from tradebotd.ports.venue import VenueTraits

PLACES: Final = 8  # of an amount of money there
OF_FUTURES: Final = frozenset({Draw.FORCED, Draw.FUNDING, Draw.LEVERAGE})
MOST_COMMANDS: Final = 0.03  # of the operator, a second: more of them leave little to trade
RICH: Final = Decimal(1_000_000)
NOON_LOTS: Final = (Decimal("0.1"), Decimal(1), Decimal(10))


@dataclass(frozen=True)
class Kind:
    """*without*: what a seed may draw elsewhere, and this vendor has not. *fit*: the rest of its
    plan.
    """

    venue: type[VendorVenue]
    ledger: type[VendorLedger]
    position: PositionType
    without: frozenset[Draw]
    fit: Callable[[Plan], Plan]


def _at_binance(plan: Plan, traits: VenueTraits, position: PositionType) -> Plan:
    markets = plan.markets
    if not any(each.name == f"{THIRD}{CURRENCY}" for each in markets):
        markets = (*markets, conversion_of(THIRD, THIRD_WORTH, VENUE))
    markets = tuple(_listed(each, position) for each in markets)
    return replace(
        plan,
        markets=markets,
        venues=tuple(_venue(each, traits, position, plan.seed) for each in plan.venues),
        noon=_noon(plan.seed, markets, plan.seconds),
    )


def _at_alpaca(plan: Plan) -> Plan:
    traded = (each for each in plan.markets if each.traded)
    markets = tuple(alpaca.listed(each, plan.seed, VENUE) for each in traded)
    return replace(
        plan,
        began=alpaca.began(plan),
        markets=markets,
        venues=tuple(alpaca.planned(each, plan.seed) for each in plan.venues),
        specs=tuple(
            _resized(
                each, plan.market(each.symbol), next(m for m in markets if m.name == each.symbol)
            )
            for each in plan.specs
        ),
    )


def _resized(spec: BotSpec, before: Market, now: Market) -> BotSpec:
    """What was so much money at the former price, in whole lots."""
    if spec.sizing.kind is not SizingKind.FIXED_QUANTITY:
        return spec
    lot = now.instrument.lot_size
    lots = spec.sizing.value * before.start / now.start // lot * lot
    return replace(spec, sizing=replace(spec.sizing, value=max(lots, lot)))


KINDS: Final = {
    "binance_spot": Kind(
        venue=spot.SpotVenue,
        ledger=spot.SpotLedger,
        position=PositionType.SPOT,
        without=OF_FUTURES | {Draw.SESSIONS, Draw.VENUES, Draw.PARTS},
        fit=lambda plan: _at_binance(plan, spot.TRAITS, PositionType.SPOT),
    ),
    "binance_usdm": Kind(
        venue=usdm.UsdmVenue,
        ledger=usdm.UsdmLedger,
        position=PositionType.FUTURES,
        without=frozenset({Draw.SESSIONS, Draw.VENUES, Draw.CURRENCIES, Draw.PARTS}),
        fit=lambda plan: _at_binance(plan, usdm.TRAITS, PositionType.FUTURES),
    ),
    "alpaca": Kind(
        venue=alpaca.AlpacaVenueOfSeed,
        ledger=alpaca.AlpacaLedger,
        position=PositionType.SPOT,
        without=OF_FUTURES | {Draw.SESSIONS, Draw.VENUES, Draw.PARTS, Draw.CURRENCIES, Draw.FEES},
        fit=_at_alpaca,
    ),
}
VENDORS: Final = tuple(KINDS)


def opened_at(
    vendor: str, venue: VenuePlan, street: Street, at_departure: Departure
) -> VendorVenue:
    kind = KINDS[vendor]
    return kind.venue(venue, opened(kind.ledger, venue, street), street, at_departure)


def at_vendor(vendor: str, seed: int, on: frozenset[Draw]) -> Plan:
    """The plan of a seed at *vendor*."""
    kind = KINDS[vendor]
    plan = kind.fit(draw(seed, on - kind.without))
    if random.Random(f"rich {seed}").random() < 0.6:
        plan = replace(plan, venues=tuple(map(_rich, plan.venues)))
    return replace(
        plan,
        vendor=vendor,
        specs=_specs(plan.specs, kind.position),
        commands=min(plan.commands, MOST_COMMANDS),
        rates=plan.rates | _rates(seed, fair=_is_fair(plan)),
    )


def _listed(market: Market, position: PositionType) -> Market:
    """With no more digits than its money has: a price times a quantity is an amount."""
    instrument = market.instrument
    finest = Decimal(1).scaleb(-PLACES) / instrument.tick_size
    lot = max(instrument.lot_size, finest)
    listed = replace(
        instrument,
        lot_size=lot,
        min_quantity=max(instrument.min_quantity, lot),
        max_leverage=1 if position is PositionType.SPOT else instrument.max_leverage,
    )
    return replace(market, symbol=replace(market.symbol, instrument=listed))


def _specs(specs: Sequence[BotSpec], position: PositionType) -> tuple[BotSpec, ...]:
    """Of futures one bot a symbol: the venue has one position of it."""
    if position is PositionType.SPOT:
        return tuple(
            replace(each, position_type=PositionType.SPOT, allow_short=False, leverage=1)
            for each in specs
        )
    first = {each.symbol: each for each in reversed(specs)}
    return tuple(
        replace(each, position_type=PositionType.FUTURES, allow_short=True)
        for each in specs
        if first[each.symbol] is each
    )


def _venue(venue: VenuePlan, traits: VenueTraits, position: PositionType, seed: int) -> VenuePlan:
    chance = random.Random(f"vendor {seed} {venue.name}")
    elsewhere = "base" if position is PositionType.SPOT else "quote"
    fee_in = "third" if venue.fee_in == "third" else elsewhere
    cash = venue.cash | {THIRD: Decimal(chance.choice(["0.001", "20"]))}
    return replace(
        venue,
        traits=traits,
        fee_in=fee_in,  # type: ignore[arg-type]
        cash=cash,
        maker=max(venue.maker, Decimal(0)),
    )


def _rich(venue: VenuePlan) -> VenuePlan:
    return replace(venue, cash=venue.cash | {CURRENCY: RICH})


def _is_fair(plan: Plan) -> bool:
    """Of the seeds in which nothing fails."""
    return not any(
        plan.rates.get(name) for name in ("lost_on_the_way_back", "late", "kills", "slow")
    )


def _rates(seed: int, *, fair: bool) -> dict[str, float]:
    chance = random.Random(f"vendor rates {seed}")
    return {
        name: 0.0 if chance.random() < 0.3 or fair else worst * chance.random()
        for name, worst in faults.WORST.items()
    }


def _noon(
    seed: int, markets: tuple[Market, ...], seconds: float
) -> tuple[float, dict[str, Decimal]]:
    chance = random.Random(f"noon {seed}")
    lots = {}
    for each in markets:
        instrument = each.instrument
        lot = instrument.lot_size * chance.choice(NOON_LOTS)
        if each.traded and lot * instrument.tick_size >= Decimal(1).scaleb(-PLACES):
            lots[each.name] = lot
    return chance.uniform(0.2, 0.8) * seconds, lots
