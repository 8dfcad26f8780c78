"""Two daemons on one address: two clients of the adapter, each with a count of its own."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from tests.binance_spot.scene import (
    BTC,
    VENUE,
    Scene,
    SimulatedHost,
    named,
    order,
    scene,
)
from tests.simulators.binance.limits import WEIGHT as OF_RULE
from tests.simulators.binance.limits import Rule
from tests.simulators.binance.spot.demo import ED25519_KEY, private_pem
from tradebotd.domain.errors import VenueUnavailableError
from tradebotd.domain.order import OrderStatus
from tradebotd.domain.order_type import OrderType
from tradebotd.domain.side import Side
from tradebotd.net.gate import Gate
from tradebotd.net.rate_limit import Priority
from tradebotd.ports.venue import not_blocked
from tradebotd.venues.binance.rest import Key
from tradebotd.venues.binance.signing import signer_of
from tradebotd.venues.binance.spot.parts import Parts, Settings
from tradebotd.venues.binance.spot.venue import RECEIVE_WINDOW, BinanceSpotVenue, traits_of

LIMIT = 400  # of weight a minute; an account weighs 20
WEIGHT = "REQUEST_WEIGHT_1M"
ADDRESS = "127.0.0.1"


@asynccontextmanager
async def another_daemon(spot: Scene) -> AsyncIterator[tuple[BinanceSpotVenue, Gate]]:
    """A client with a gate of its own, as another process has it, at the same address."""
    host = SimulatedHost(spot.clock)
    gate = Gate(VENUE, host)
    key = Key(name=ED25519_KEY, signer=signer_of(private_pem(), "venues.spot.api_secret"))
    settings = Settings(
        venue=VENUE,
        base_url=spot.server.http,
        ws_url=f"{spot.server.ws}/ws-api/v3",
        key=key,
        secrets=(ED25519_KEY,),
        receive_window=RECEIVE_WINDOW,
        gate=gate,
        host=host,
    )
    parts = Parts(settings, (BTC,))
    traits = traits_of(live=True)
    yield BinanceSpotVenue(parts, traits, live=True, allow_unrestricted_key=True), gate
    await parts.close()


def narrow(spot: Scene) -> None:
    limits = spot.held.limits
    limits.rules = [
        replace(rule, limit=LIMIT) if rule.kind == OF_RULE else rule for rule in limits.rules
    ]


async def asks_until_refused(venue: BinanceSpotVenue) -> int:
    """How often it may ask for the account, until its own count says no."""
    done: list[object] = []

    async def ask_on() -> None:
        while len(done) < LIMIT:
            done.append(await venue.account())

    with pytest.raises(VenueUnavailableError, match="no room for a request"):
        await ask_on()
    return len(done)


async def test_what_another_daemon_spends_is_told_apart_and_left_room_for() -> None:
    """S20, M5.6: by the header's used weight; a fifth is kept for stops, and the venue never warns."""
    async with scene() as spot, another_daemon(spot) as (other, others_gate):
        narrow(spot)
        gate = spot.parts.limits.gate
        await spot.venue.instruments([BTC])
        await other.instruments([BTC])
        alone = gate.limits.others(gate._host.monotonic())
        for _ in range(10):
            await other.account()
        await spot.venue.account()
        now = gate._host.monotonic()
        theirs = others_gate.limits.window(WEIGHT)
        assert theirs is not None
        assert gate.limits.others(now)[WEIGHT] == theirs.own(now) > alone.get(WEIGHT, 0)

        ours = gate.limits.window(WEIGHT)
        assert ours is not None
        left = ours.cap(Priority.READ) - ours.own(now) - theirs.own(now)
        assert await asks_until_refused(spot.venue) == left // 20
        used = spot.held.limits.used(spot_rule(spot), ADDRESS)
        assert LIMIT * 0.8 - 20 < used <= LIMIT * 0.8
        await spot.venue.submit(
            named("tb1"),
            order(Side.SELL, "0.1", OrderType.STOP_MARKET, "50000"),
            send_blocked_by=not_blocked,
        )
        assert await asks_until_refused(other) <= (LIMIT - used) // 20
        assert not spot.held.limits._banned[ADDRESS].warnings

        spot.clock.advance(timedelta(seconds=61))
        assert gate.limits.others(gate._host.monotonic()) == {}
        await spot.venue.account()


def spot_rule(spot: Scene) -> Rule:
    rule: Rule = next(rule for rule in spot.held.limits.rules if rule.kind == OF_RULE)
    return rule


async def test_during_a_ban_nobody_asks_and_what_rests_and_streams_goes_on() -> None:
    """S17, -1003: 418 with Retry-After, told by the venue itself; each daemon asks once into it."""
    async with scene(streams=True) as spot, another_daemon(spot) as (other, _):
        spot.held.move("BTCUSDT", "60000")
        stop = order(Side.SELL, "0.1", OrderType.STOP_MARKET, "59000")
        await spot.venue.submit(named("tb1"), stop, send_blocked_by=not_blocked)
        until = spot.clock.now() + timedelta(minutes=3)
        spot.held.limits.ban(ADDRESS, int(until.timestamp() * 1000))
        for venue in (spot.venue, other):
            with pytest.raises(VenueUnavailableError) as raised:
                await venue.account()
            assert (raised.value.is_ban, raised.value.until) == (True, until)

        before = spot.requests("/api")
        for venue in (spot.venue, other):
            for ask in (
                venue.account(),
                venue.quotes([BTC]),
                venue.cancel(BTC.symbol, named("tb1")),
                venue.submit(named("tb2"), stop, send_blocked_by=not_blocked),
            ):
                with pytest.raises(VenueUnavailableError):
                    await ask
        assert spot.requests("/api") == before

        spot.held.move("BTCUSDT", "58900")
        await spot.until(lambda: any(each.status is OrderStatus.FILLED for each in spot.heard))
        assert [each.connected for each in spot.states] == [True]
        assert spot.requests("/api") == before

        spot.clock.advance(timedelta(minutes=3, seconds=1))
        assert (await other.account()).balances["BTC"] > Decimal(0)
        await spot.venue.account()
