"""Exits when the stream, the venue, the database or the configuration lets them down."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal

import pytest

from tests.fakes.prices import FakePrices
from tests.fakes.trading import BOT, SYMBOL, TradingHarness, open_harness, spec
from tradebotd.domain.errors import DatabaseUnavailableError
from tradebotd.domain.exit_plan import ExitPlan
from tradebotd.storage import positions
from tradebotd.storage.postgres.database import Database
from tradebotd.trading.prices.fresh_prices import FRESH

STOP = ExitPlan(stop_loss=Decimal("0.1"))
TRAIL = ExitPlan(trailing_stop=Decimal("0.05"))


@contextmanager
def away(patch: pytest.MonkeyPatch, owner: object, name: str) -> Iterator[None]:
    """*owner*.*name* finds no database."""

    async def gone(*_: object, **__: object) -> None:
        raise DatabaseUnavailableError("gone")

    with patch.context() as patched:
        patched.setattr(owner, name, gone)
        yield


def stalled_stream(harness: TradingHarness) -> FakePrices:
    """From now on only the venue knows the price."""
    seen = FakePrices()
    harness.venue.prices = seen
    harness.clock.advance(FRESH + timedelta(seconds=1))
    return seen


async def test_an_exit_that_was_sent_and_not_recorded_is_settled_by_the_next_look(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """M5.1, 2.3: it stays latched, so that nothing tries again what was done."""
    harness = await open_harness(database, spec(exits=STOP))
    await harness.enter()
    with away(monkeypatch, harness.recorder, "record"):
        await harness.stream("89")
    (position,) = harness.protection.held
    assert harness.protection._book.latched(position)

    await harness.stream("88")
    await harness.protection.sweep(harness.clock.now())
    assert len(harness.venue.submitted) == 2  # the entry, and one exit

    await harness.reconciler.run()
    assert (await harness.position())["close_reason"] == "stop_loss"
    assert harness.protection.held == {}


async def test_an_exit_that_could_not_be_stored_is_tried_at_the_next_tick(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """M5.1, 3.8: nothing is sent; it is not forgotten either."""
    harness = await open_harness(database, spec(exits=STOP))
    await harness.enter()
    with away(monkeypatch, harness.placement, "prepare_exits"):
        await harness.stream("89")
    assert len(harness.venue.submitted) == 1

    await harness.stream("88")
    assert (await harness.position())["close_reason"] == "stop_loss"


async def test_a_trailing_stop_that_could_not_be_stored_is_stored_by_the_next_sweep(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """M4.7, 3.8: the sweep and a restart read it in the table."""
    harness = await open_harness(database, spec(exits=TRAIL))
    await harness.enter()
    await harness.stream("200")
    with (
        away(monkeypatch, positions, "update_trails"),
        pytest.raises(DatabaseUnavailableError),
    ):
        await harness.protection.sweep(harness.clock.now())

    await harness.protection.sweep(harness.clock.now())
    assert (await harness.position())["trailing_stop"] == 190


async def test_the_sweep_alone_trails_and_closes(database: Database) -> None:
    """M4.7: without one tick, on the prices that it asks for."""
    harness = await open_harness(database, spec(exits=TRAIL))
    await harness.enter()
    seen = stalled_stream(harness)
    seen.move(SYMBOL, "200")
    assert (await harness.protection.sweep(harness.clock.now())).closed == 0

    seen.move(SYMBOL, "189")
    result = await harness.protection.sweep(harness.clock.now())

    assert (result.closed, result.failed) == (1, {})
    position = await harness.position()
    assert (position["close_reason"], position["exit_price"]) == ("trailing_stop", 189)


async def test_a_position_nobody_can_close_is_said_until_it_is_protected_again(
    database: Database,
) -> None:
    """M4.7, M2.6: its symbol left the configuration; the other position is swept all the same."""
    one, two = spec(exits=STOP), spec("two", "ETHUSDT", exits=STOP)
    harness = await open_harness(database, one, two)
    await harness.enter(BOT)
    await harness.enter("two")

    harness = await open_harness(database, two, restarted=True)
    harness.venue.balances["ETH"] = Decimal(1)
    await harness.protection.load(harness.clock.now())
    harness.tick("80", "ETHUSDT")
    result = await harness.protection.sweep(harness.clock.now())
    assert await harness.open_alerts() == ["position_unprotected"]
    assert (result.checked, result.closed) == (2, 1)
    assert list(result.failed.values()) == [f"{SYMBOL} is not configured"]

    harness = await open_harness(database, one, two, restarted=True)
    await harness.protection.sweep(harness.clock.now())
    assert await harness.open_alerts() == []


async def test_exits_of_a_lost_account_are_not_sent_and_break_nothing(database: Database) -> None:
    """M1.6, I5: ten at once; the lease's own watch ends the daemon, no error of a tick does."""
    specs = [spec(f"bot{number}", exits=STOP) for number in range(10)]
    harness = await open_harness(database, *specs)
    for each in specs:
        await harness.enter(each.name)
    await harness.execute("UPDATE leadership SET token = token + 1")

    await harness.stream("89")
    result = await harness.protection.sweep(harness.clock.now())

    assert len(harness.venue.submitted) == 10, "the entries alone"
    assert len(harness.protection.held) == 10
    assert all(harness.protection._book.latched(each) for each in harness.protection.held)
    assert all("taken" in why or "account" in why for why in result.failed.values())
