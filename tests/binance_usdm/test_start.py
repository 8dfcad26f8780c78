"""What USDT-M refuses to trade with at its start: modes, clocks, keys."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from tests.binance_usdm.scene import NOW, Scene, SimulatedHost, scene
from tests.simulators.binance.signing import ApiKey
from tests.simulators.binance.spot.demo import ACCOUNT
from tests.simulators.binance.spot.simulator import SpotSimulator
from tests.simulators.binance.usdm.simulator import FUTURES, KEY
from tests.simulators.shared.clock import SimulatorClock
from tests.simulators.shared.server import served
from tradebotd.domain.errors import OrderRejectedError, VenueError

RESTRICTED = dict(FUTURES) | {"ipRestrict": True}


@pytest.fixture
async def wallet() -> AsyncIterator[tuple[str, SpotSimulator]]:
    """The spot host, which alone says what a key may do."""
    simulator = SpotSimulator()
    async with served(simulator.build, clock=SimulatorClock(NOW, running=False)) as server:
        simulator.venue.open_account(ACCOUNT, {})
        yield server.http, simulator


async def verdict(usdm: Scene) -> tuple[tuple[str, ...], tuple[str, ...]]:
    told = await usdm.venue.vet_key()
    return told.refusals, told.warnings


async def test_an_account_in_one_way_mode_is_traded() -> None:
    """Where there is no wallet to ask (demo, testnet), the modes alone are judged."""
    async with scene() as usdm:
        assert await verdict(usdm) == ((), ())


@pytest.mark.parametrize(
    ("mode", "words"), [("dual_side", "hedge mode"), ("multi_assets", "multi-assets mode")]
)
async def test_a_mode_that_breaks_isolated_one_way_positions_is_refused(
    mode: str, words: str
) -> None:
    """M6.2: a sale would open a short; and no margin would be isolated."""
    async with scene() as usdm:
        setattr(usdm.account, mode, True)
        ((refusal,), _) = await verdict(usdm)
        assert words in refusal
        assert (await usdm.venue.account()).hedge_mode == (mode == "dual_side")


async def test_a_clock_that_is_off_is_refused() -> None:
    clock = SimulatorClock(NOW, running=False)
    host = SimulatedHost(clock, ahead=timedelta(seconds=3))
    async with scene(clock=clock, host=host) as usdm:
        ((refusal,), _) = await verdict(usdm)
        assert "3.0 s ahead of the venue's" in refusal


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, None),
        ({"enableWithdrawals": True}, "withdraw"),
        ({"permitsUniversalTransfer": True}, "transfer between wallets"),
        ({"enableFutures": False}, "may not trade"),
        ({"ipRestrict": False}, "works from any address"),
    ],
)
async def test_a_live_key_is_judged_by_what_the_spot_host_says(
    wallet: tuple[str, SpotSimulator], changes: dict[str, bool], words: str | None
) -> None:
    """M6.1: /sapi is not on the futures host; the right to trade is that of futures."""
    url, spot = wallet
    spot.venue.add_key(
        ApiKey(KEY.name, ACCOUNT, secret=KEY.secret, restrictions=RESTRICTED | changes)
    )
    async with scene(wallet=url) as usdm:
        refusals, _ = await verdict(usdm)
        assert len(refusals) == (words is not None)
        assert words is None or words in refusals[0]
        assert usdm.requests("/sapi") == 0


async def test_a_key_that_the_wallet_does_not_know_is_refused(
    wallet: tuple[str, SpotSimulator],
) -> None:
    async with scene(wallet=wallet[0]) as usdm:
        with pytest.raises(VenueError, match="auth"):
            await usdm.venue.vet_key()


async def test_a_wrong_secret_is_refused_where_there_is_no_wallet() -> None:
    """M8.3: by the call that asks for the modes, which is signed."""
    async with scene() as usdm:
        other = KEY.secret[::-1]
        usdm.simulator.keys.add(
            ApiKey(KEY.name, KEY.account, secret=other, restrictions=dict(FUTURES))
        )
        with pytest.raises(OrderRejectedError, match=r"^auth: .*\(-1022\)$"):
            await usdm.venue.vet_key()


async def test_a_key_without_futures_opens_nothing() -> None:
    """-2015: it is told as what it is."""
    async with scene() as usdm:
        key = usdm.simulator.keys.get(KEY.name, "", "")
        usdm.simulator.keys.add(key.allowing(enableFutures=False))
        with pytest.raises(OrderRejectedError, match="auth"):
            await usdm.venue.account()
