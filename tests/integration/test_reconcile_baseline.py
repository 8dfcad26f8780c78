"""What an account held before we came is measured once, so it must be measured well."""

from dataclasses import replace
from datetime import datetime
from decimal import Decimal

import pytest

from tests.fakes.trading import MINUTE, Desk, open_desk
from tests.fakes.venue import AUTHORITATIVE
from tradebotd.jobs.equity_snapshot import EquitySnapshot
from tradebotd.ports.venue import VenueAccount
from tradebotd.storage.postgres.database import Database


async def test_a_fill_during_the_first_look_does_not_spoil_the_baseline(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """M5.4, M5.6: 5 BTC were there before us; one more is bought while the venue is asked."""
    desk = await open_desk(database)
    desk.venue.balances["BTC"] = Decimal(5)
    asked = desk.venue.account
    bought = False

    async def account() -> VenueAccount:
        nonlocal bought
        if not bought:
            bought = True
            await desk.enter()
        return await asked()

    monkeypatch.setattr(desk.venue, "account", account)
    await desk.reconciler.run()
    result = await desk.reconciler.run()

    assert result.differences == []
    stored = await desk.row("SELECT value FROM settings WHERE key = 'spot_baselines'")
    assert Decimal(stored["value"]["scripted"]["BTC"]) == 5


async def test_a_baseline_counts_once_it_is_stored(database: Database) -> None:
    """M5.6, I2: its write failed at the first look; the next one stores it, and no restart after a
    loss measures it anew.
    """
    desk = await open_desk(database)
    desk.venue.balances["BTC"] = Decimal(5)
    await desk.execute(
        "CREATE FUNCTION fails() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'no room'; END $$"
    )
    await desk.execute(
        "CREATE TRIGGER no_room BEFORE INSERT OR UPDATE ON settings FOR EACH ROW"
        " EXECUTE FUNCTION fails()"
    )
    with pytest.raises(Exception, match="no room"):
        await desk.reconciler.run()
    await desk.execute("DROP TRIGGER no_room ON settings")

    await desk.reconciler.run()

    stored = await desk.row("SELECT value FROM settings WHERE key = 'spot_baselines'")
    assert Decimal(stored["value"]["scripted"]["BTC"]) == 5


@pytest.mark.parametrize("amount", [5, -3])
async def test_a_transfer_from_before_the_baseline_that_is_told_later_counts_once(
    database: Database, amount: int
) -> None:
    """M5.4, M4.8: what came in, or left, is in what was there before us; what comes in after it is
    told is not, whether it is told at once or late.
    """
    desk = await open_desk(database)
    desk.venue.traits = replace(AUTHORITATIVE, tells_transfers=True)
    job = EquitySnapshot(entries=desk.entries, database=database, clock=desk.clock)
    await job.run(desk.context())
    desk.clock.advance(MINUTE)
    desk.venue.balances["BTC"] = Decimal(4 + amount)
    made = desk.clock.now()
    desk.clock.advance(MINUTE)
    assert (await desk.reconciler.run()).differences == []

    desk.clock.advance(MINUTE)
    desk.tick("100")
    tell(desk, amount, made)
    await job.run(desk.context())
    assert len(await desk.rows("SELECT 1 FROM transfers")) == 1
    assert (await desk.reconciler.run()).differences == []

    desk.venue.balances["BTC"] += 2
    tell(desk, 2, desk.clock.now())
    desk.clock.advance(MINUTE)
    desk.tick("100")
    await job.run(desk.context())
    assert (await desk.reconciler.run()).differences == []
    desk.venue.balances["BTC"] -= 1
    (found,) = (await desk.reconciler.run()).differences
    assert found.more == -1


def tell(desk: Desk, amount: int, at: datetime) -> None:
    desk.venue.tell_transfer(amount, "BTC")
    desk.venue.transfers[-1] = replace(desk.venue.transfers[-1], at=at)
