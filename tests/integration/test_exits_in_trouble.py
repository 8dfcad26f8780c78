"""Exits when the stream, the venue, the database or the configuration lets them down."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal

import pytest

from tests.fakes.prices import FakePrices
from tests.fakes.trading import BOT, SYMBOL, Desk, open_desk, spec
from tradebotd.domain.errors import DatabaseUnavailableError
from tradebotd.domain.exits import ExitPlan
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


def stalled_stream(desk: Desk) -> FakePrices:
    """From now on only the venue knows the price."""
    seen = FakePrices()
    desk.venue.prices = seen
    desk.clock.advance(FRESH + timedelta(seconds=1))
    return seen


async def test_an_exit_that_was_sent_and_not_recorded_is_settled_by_the_next_look(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """M5.1, 2.3: it stays latched, so that nothing tries again what was done."""
    desk = await open_desk(database, spec(exits=STOP))
    await desk.enter()
    with away(monkeypatch, desk.recorder, "record"):
        await desk.stream("89")
    (position,) = desk.protection.held
    assert desk.protection._book.latched(position)

    await desk.stream("88")
    await desk.protection.sweep(desk.clock.now())
    assert len(desk.venue.submitted) == 2  # the entry, and one exit

    await desk.reconciler.run()
    assert (await desk.position())["close_reason"] == "stop_loss"
    assert desk.protection.held == {}


async def test_an_exit_that_could_not_be_stored_is_tried_at_the_next_tick(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """M5.1, 3.8: nothing is sent; it is not forgotten either."""
    desk = await open_desk(database, spec(exits=STOP))
    await desk.enter()
    with away(monkeypatch, desk.placement, "prepare_exits"):
        await desk.stream("89")
    assert len(desk.venue.submitted) == 1

    await desk.stream("88")
    assert (await desk.position())["close_reason"] == "stop_loss"


async def test_a_trailing_stop_that_could_not_be_stored_is_stored_by_the_next_sweep(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """M4.7, 3.8: the sweep and a restart read it in the table."""
    desk = await open_desk(database, spec(exits=TRAIL))
    await desk.enter()
    await desk.stream("200")
    with (
        away(monkeypatch, positions, "update_trails"),
        pytest.raises(DatabaseUnavailableError),
    ):
        await desk.protection.sweep(desk.clock.now())

    await desk.protection.sweep(desk.clock.now())
    assert (await desk.position())["trailing_stop"] == 190


async def test_the_sweep_alone_trails_and_closes(database: Database) -> None:
    """M4.7: without one tick, on the prices that it asks for."""
    desk = await open_desk(database, spec(exits=TRAIL))
    await desk.enter()
    seen = stalled_stream(desk)
    seen.move(SYMBOL, "200")
    assert (await desk.protection.sweep(desk.clock.now())).closed == 0

    seen.move(SYMBOL, "189")
    result = await desk.protection.sweep(desk.clock.now())

    assert (result.closed, result.failed) == (1, {})
    position = await desk.position()
    assert (position["close_reason"], position["exit_price"]) == ("trailing_stop", 189)


async def test_a_position_nobody_can_close_is_said_until_it_is_protected_again(
    database: Database,
) -> None:
    """M4.7, M2.6: its symbol left the configuration; the other position is swept all the same."""
    one, two = spec(exits=STOP), spec("two", "ETHUSDT", exits=STOP)
    desk = await open_desk(database, one, two)
    await desk.enter(BOT)
    await desk.enter("two")

    desk = await open_desk(database, two, restarted=True)
    desk.venue.balances["ETH"] = Decimal(1)
    await desk.protection.load(desk.clock.now())
    desk.tick("80", "ETHUSDT")
    result = await desk.protection.sweep(desk.clock.now())
    assert await desk.open_alerts() == ["position_unprotected"]
    assert (result.checked, result.closed) == (2, 1)
    assert list(result.failed.values()) == [f"{SYMBOL} is not configured"]

    desk = await open_desk(database, one, two, restarted=True)
    await desk.protection.sweep(desk.clock.now())
    assert await desk.open_alerts() == []


async def test_exits_of_a_lost_account_are_not_sent_and_break_nothing(database: Database) -> None:
    """M1.6, I5: ten at once; the lease's own watch ends the daemon, no error of a tick does."""
    specs = [spec(f"bot{number}", exits=STOP) for number in range(10)]
    desk = await open_desk(database, *specs)
    for each in specs:
        await desk.enter(each.name)
    await desk.execute("UPDATE leadership SET token = token + 1")

    await desk.stream("89")
    result = await desk.protection.sweep(desk.clock.now())

    assert len(desk.venue.submitted) == 10, "the entries alone"
    assert len(desk.protection.held) == 10
    assert all(desk.protection._book.latched(each) for each in desk.protection.held)
    assert all("taken" in why or "account" in why for why in result.failed.values())
