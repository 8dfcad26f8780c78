"""A venue that bans us: nobody asks it meanwhile, and whoever must know is told."""

from contextlib import suppress
from datetime import timedelta
from decimal import Decimal

import anyio
import pytest

from tests.fakes.host import ShiftedHost
from tests.fakes.resting import guard
from tests.fakes.trading import TradingHarness, open_harness, spec
from tests.fakes.venue import SCRIPTED
from tradebotd.domain.errors import VenueUnavailableError
from tradebotd.domain.exit_plan import ExitPlan
from tradebotd.domain.ids import ClientOrderId
from tradebotd.domain.position import CloseReason
from tradebotd.domain.signal import SignalKind
from tradebotd.storage.postgres.database import Database

STOP = ExitPlan(stop_loss=Decimal("0.1"))
FIVE = timedelta(minutes=5)


class Banned:
    """A harness with one position, whose venue bans us from now on; `asked`: its calls since."""

    def __init__(self, harness: TradingHarness, host: ShiftedHost) -> None:
        self.harness = harness
        self.host = host

    async def begin(self, error: VenueUnavailableError) -> None:
        venue = self.harness.venue
        venue.away = error
        await self.harness.reconciler.run()  # somebody asks, and is told
        venue.asked_for.clear()

    def asked(self) -> list[str]:
        return self.harness.venue.asked_for

    async def sweep(self, seconds: int = 5) -> None:
        self.harness.clock.advance(timedelta(seconds=seconds))
        self.host.shift += timedelta(seconds=seconds)
        await self.harness.protection.sweep(self.harness.clock.now())

    async def alert(self) -> tuple[str, str, bool]:
        row = await self.harness.row("SELECT * FROM alerts WHERE code = 'venue_banned'")
        assert row["subject"] == SCRIPTED
        return row["severity"], row["message"], row["cleared_at"] is None


@pytest.fixture
async def banned(database: Database) -> Banned:
    host = ShiftedHost()
    harness = await open_harness(database, spec(exits=STOP), host=host, speed=1.0)
    await harness.enter()
    return Banned(harness, host)


async def test_nobody_asks_a_venue_before_its_ban_is_over(banned: Banned) -> None:
    """M2.6, M6.2: not an exit, not the sweep's quote, not a reconciliation; no row is made."""
    harness, until = banned.harness, banned.host.now() + FIVE
    await banned.begin(VenueUnavailableError("429", until))
    rows = len(await harness.orders())

    await harness.stream("89")
    for _ in range(3):
        await banned.sweep(40)  # the price in memory grows old, too
        await harness.reconciler.run()
    (position,) = harness.protection.held.values()
    with pytest.raises(VenueUnavailableError, match="away"):
        await harness.protection.close_now(position, CloseReason.MANUAL)

    assert banned.asked() == []
    assert len(await harness.orders()) == rows


async def test_an_exit_goes_out_with_the_end_of_the_ban_and_its_alert_is_over(
    banned: Banned,
) -> None:
    """M5.1: the stop was met while nothing could be sent."""
    harness = banned.harness
    await banned.begin(VenueUnavailableError("429", banned.host.now() + FIVE))
    await harness.stream("89")
    await banned.sweep()
    harness.venue.away = None
    banned.host.shift += FIVE
    harness.clock.advance(FIVE)
    harness.tick("89")

    await banned.sweep()

    assert (await harness.position())["close_reason"] == "stop_loss"
    await banned.sweep()
    assert (await banned.alert())[2] is False


async def test_the_alert_says_until_when_and_is_critical_where_nothing_guards(
    banned: Banned,
) -> None:
    """M4.7: while the venue is away nothing of ours ends the position."""
    harness, until = banned.harness, banned.host.now() + FIVE
    await banned.begin(VenueUnavailableError("429", until))

    await banned.sweep()

    severity, message, is_open = await banned.alert()
    assert (severity, is_open) == ("critical", True)
    assert f"{until:%H:%M:%S} UTC" in message
    assert "1 positions" in message
    assert guard(harness) == "none"


async def test_an_alert_of_a_venue_without_positions_is_a_warning(database: Database) -> None:
    host = ShiftedHost()
    banned = Banned(await open_harness(database, host=host), host)
    await banned.begin(VenueUnavailableError("maintenance", host.now() + FIVE))

    await banned.sweep()

    assert (await banned.alert())[0] == "warning"


async def test_entries_wait_for_the_end_and_say_so(database: Database) -> None:
    """M4.2: no decision of the candle is spent on a ban."""
    host = ShiftedHost()
    harness = await open_harness(database, host=host, speed=1.0)
    banned = Banned(harness, host)
    await harness.candles(100, 100, 100)
    await banned.begin(VenueUnavailableError("429", host.now() + FIVE))
    harness.says(SignalKind.BUY, SignalKind.BUY)
    await harness.minute()

    assert (await harness.run()).status.startswith(f"waiting ({SCRIPTED} is away until")
    assert await harness.orders() == []
    assert banned.asked() == []

    harness.venue.away = None
    host.shift += FIVE
    assert (await harness.run()).acted


async def test_a_ban_without_an_end_is_asked_once_after_each_pause(banned: Banned) -> None:
    """M2.6: the pause grows, and the alert says that there is no end."""
    harness = banned.harness
    await banned.begin(VenueUnavailableError("418", banned=True))
    asked = []
    for minutes in (1, 2, 4):
        await banned.sweep(minutes * 60)
        await harness.reconciler.run()
        await banned.sweep(1)
        asked.append(len(banned.asked()))

    assert asked == [1, 2, 3]
    assert "no end" in (await banned.alert())[1]


async def test_a_ban_of_days_is_asked_after_each_hour_and_is_alerted(banned: Banned) -> None:
    """M2.6, M4.7: an end that the venue does not mean keeps exits for an hour, not for days."""
    harness, until = banned.harness, banned.host.now() + timedelta(days=3)
    await banned.begin(VenueUnavailableError("418", until))
    asked: list[int] = []
    for _ in range(3):
        await banned.sweep(59 * 60)
        await harness.reconciler.run()
        assert len(banned.asked()) == len(asked)
        await banned.sweep(60)
        await harness.reconciler.run()
        asked.append(len(banned.asked()))

    assert asked == [1, 2, 3]
    assert "hourly" in (await banned.alert())[1]


async def test_a_call_from_before_the_ban_and_a_cut_probe_let_one_ask(banned: Banned) -> None:
    """M2.6: nobody but the call that probes says that the probe is over, and it always does."""
    harness, venue = banned.harness, banned.harness.venues[SCRIPTED]
    gate = harness.venue.gate = anyio.Event()

    async def ask() -> None:
        with suppress(VenueUnavailableError):
            await venue.account()

    async with anyio.create_task_group() as earlier:
        earlier.start_soon(ask)  # it left before the ban
        await anyio.lowlevel.checkpoint()
        harness.bans.refused(SCRIPTED, VenueUnavailableError("418", banned=True), banned.host.now())
        banned.host.shift += FIVE
        harness.venue.gate = anyio.Event()
        async with anyio.create_task_group() as probing:
            probing.start_soon(ask)
            await anyio.lowlevel.checkpoint()
            gate.set()
            for _ in range(5):
                await anyio.lowlevel.checkpoint()

            with pytest.raises(VenueUnavailableError, match="no end"), anyio.fail_after(10):
                await venue.account()
            probing.cancel_scope.cancel()
    harness.venue.gate = None
    await venue.account()

    assert harness.bans.standing == {}


async def test_an_order_is_not_what_doubts_a_ban_of_days(banned: Banned) -> None:
    """M2.6: a question is; the exit goes out behind its answer, and no row is made before."""
    harness = banned.harness
    await banned.begin(VenueUnavailableError("418", banned.host.now() + timedelta(days=3)))
    rows = len(await harness.orders())
    banned.host.shift += timedelta(hours=1)
    harness.clock.advance(timedelta(hours=1))
    harness.tick("100")
    (position,) = harness.protection.held.values()

    with pytest.raises(VenueUnavailableError, match="away"):
        await harness.protection.close_now(position, CloseReason.MANUAL)
    venue, name = harness.venues[SCRIPTED], ClientOrderId("tb1")
    with pytest.raises(VenueUnavailableError):
        await venue.cancel(position.symbol, name)
    assert (banned.asked(), len(await harness.orders())) == ([], rows)

    harness.venue.away = None
    await harness.reconciler.run()
    await harness.protection.close_now(position, CloseReason.MANUAL)
    assert (await harness.position())["close_reason"] == "manual"
