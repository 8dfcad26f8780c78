"""The rehearsal venue in a seed: its adapter and its protocol, in front of a life's line.

What goes wrong on the way is the line's: an answer that is lost ends the connection, what nobody
foresaw is half an answer, a rate limit is a ban, with an end or without.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from tests.rehearsal.adapter import TRAITS, RehearsalVenue
from tests.rehearsal.exchange import Exchange
from tests.rehearsal.wire import CutError, Ear
from tests.simulation.line import ALIENS, Line
from tests.simulation.markets import CURRENCY, THIRD, Market, conversion_of
from tests.simulation.plan import THIRD_WORTH, VENUE, Plan, VenuePlan
from tests.simulation.switches import Draw
from tradebotd.domain.errors import VenueUnavailableError
from tradebotd.domain.instrument import Instrument, MarketSymbol
from tradebotd.ports.venue import Commission

ON: Final = frozenset({Draw.FORCED, Draw.TRANSFERS, Draw.FUNDING})
ENDLESS: Final = 0.25  # of the bans
PAUSE: Final = 70.0  # seconds: the first pause behind one without an end
# What the step of a quantity is multiplied with at noon: what a position holds by the finer one may
# be no multiple of the coarser, and what an order still sells is no dust, however large the step.
NOON_LOTS: Final = (Decimal("0.1"), Decimal(10))


def rehearse(plan: Plan) -> Plan:
    """The plan of a seed at the rehearsal venue, with an evening and a noon."""
    markets = plan.markets
    if not any(each.name == f"{THIRD}{CURRENCY}" for each in markets):
        markets = (*markets, conversion_of(THIRD, THIRD_WORTH, VENUE))
    return replace(
        plan,
        rehearsed=True,
        began=plan.began if plan.hours else _near_midnight(plan.seed, plan.began, plan.seconds),
        markets=markets,
        venues=tuple(_venue(each, plan.seed) for each in plan.venues),
        noon=_noon(plan.seed, markets, plan.seconds),
    )


def _venue(venue: VenuePlan, seed: int) -> VenuePlan:
    """What the rehearsal venue can and cannot do."""
    chance = random.Random(f"rehearsed {seed} {venue.name}")
    traits = replace(
        TRAITS,
        linked_orders=venue.traits.linked_orders,
        receive_window=venue.traits.receive_window,
        tells_stream=False,  # nobody listens to it here, and nothing of it is lost but events
        tells_clock=False,
        endpoints=1,
    )
    cash = venue.cash | {THIRD: Decimal(chance.choice(["0.001", "20"]))}
    return replace(venue, traits=traits, fee_in="third", cash=cash)


def _near_midnight(seed: int, began: datetime, seconds: float) -> datetime:
    """Most seeds have an evening, at which DAY orders end."""
    chance = random.Random(f"evening {seed}")
    if chance.random() < 0.3:
        return began
    midnight = began.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    return midnight - timedelta(seconds=round(chance.uniform(5, seconds), 3))


def _noon(seed: int, markets: Sequence[Market], seconds: float) -> tuple[float, dict[str, Decimal]]:
    """When noon is, in virtual seconds, and the steps of quantity from then on."""
    chance = random.Random(f"noon {seed}")
    lots = {
        each.name: each.instrument.lot_size * chance.choice(NOON_LOTS)
        for each in markets
        if each.traded
    }
    return chance.uniform(0.2, 0.8) * seconds, lots


@dataclass
class RehearsedLine(Line):
    """A line whose rate limits are bans."""

    async def _wire(self, what: str) -> None:
        try:
            await super()._wire(what)
        except VenueUnavailableError as error:
            street, until = self.venue.street, self.venue.rate_limited_until
            left = until - street.time.monotonic()
            if left <= 0:
                raise
            if random.Random(f"ban {street.plan.seed} {until}").random() < ENDLESS:
                street.faults.lasts(PAUSE)
                raise VenueUnavailableError("418: banned", banned=True) from error
            street.faults.lasts(left + 1)
            ends = street.time.now() + timedelta(seconds=left)
            raise VenueUnavailableError("429: slow down", ends) from error

    async def instruments(self, symbols: Sequence[MarketSymbol]) -> dict[str, Instrument]:
        await self._ask("instruments")
        known = self.venue.ledger.instruments
        return {each.symbol: known[each.symbol] for each in symbols}

    async def commissions(self, symbols: Sequence[MarketSymbol]) -> dict[str, Commission]:
        await self._ask("commissions")
        rates = Commission(maker=self.venue.plan.maker, taker=self.venue.plan.taker, asset=THIRD)
        return {each.symbol: rates for each in symbols}


class DirectWire:
    """No socket: a line of a socket has no virtual time. The bytes are the same."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    async def exchange(self, make: Callable[[], bytes]) -> bytes:
        """The line's own wait comes between the two looks whether it may leave."""

        def blocked() -> None:
            make()

        answer = await self._exchange.answer(make(), blocked)
        if answer is None:
            raise CutError("the connection ended", sent=True)
        return answer

    def subscribe(self, ear: Ear) -> None:
        self._exchange.attach(ear.line)

    async def run(self) -> None:
        """Nothing: what a life is told it is told at once."""


def adapter_of(line: Line) -> RehearsalVenue:
    """What a life is given for a venue: the adapter, which knows nothing of *line*."""
    street, ledger = line.venue.street, line.venue.ledger
    symbols = [
        replace(each.symbol, names={str(line.name): _market_name(each.instrument)})
        for each in street.plan.markets
        if each.instrument.venue == line.name
    ]
    exchange = Exchange(
        line,
        symbols,
        street.time,
        garbled=ALIENS,
        number_of=lambda fill: (
            None
            if fill.client_order_id is None
            else ledger.orders[fill.client_order_id].venue_order_id
        ),
    )
    if street.plan.seed % 2:
        exchange.by_duration = street.time.now
    return RehearsalVenue(line.name, DirectWire(exchange), symbols, line.traits)


def _market_name(instrument: Instrument) -> str:
    return f"{instrument.base_asset}/{instrument.quote_asset}"
