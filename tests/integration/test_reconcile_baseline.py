"""What an account held before we came is measured once, so it must be measured well."""

from dataclasses import replace
from datetime import datetime
from decimal import Decimal

import pytest

from tests.fakes.trading import MINUTE, TradingHarness, open_harness
from tests.fakes.venue import AUTHORITATIVE
from tradebotd.jobs.equity_snapshot import EquitySnapshot
from tradebotd.ports.venue import VenueAccount
from tradebotd.storage.postgres.database import Database


async def test_a_fill_during_the_first_look_does_not_spoil_the_baseline(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """M5.4, M5.6: 5 BTC were there before us; one more is bought while the venue is asked."""
    harness = await open_harness(database)
    harness.venue.balances["BTC"] = Decimal(5)
    asked = harness.venue.account
    bought = False

    async def account() -> VenueAccount:
        nonlocal bought
        if not bought:
            bought = True
            await harness.enter()
        return await asked()

    monkeypatch.setattr(harness.venue, "account", account)
    await harness.reconciler.run()
    result = await harness.reconciler.run()

    assert result.differences == []
    stored = await harness.row("SELECT value FROM settings WHERE key = 'spot_baselines'")
    assert Decimal(stored["value"]["scripted"]["BTC"]) == 5


async def test_a_baseline_counts_once_it_is_stored(database: Database) -> None:
    """M5.6, I2: its write failed at the first look; the next one stores it, and no restart after a
    loss measures it anew.
    """
    harness = await open_harness(database)
    harness.venue.balances["BTC"] = Decimal(5)
    await harness.execute(
        "CREATE FUNCTION fails() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'no room'; END $$"
    )
    await harness.execute(
        "CREATE TRIGGER no_room BEFORE INSERT OR UPDATE ON settings FOR EACH ROW"
        " EXECUTE FUNCTION fails()"
    )
    with pytest.raises(Exception, match="no room"):
        await harness.reconciler.run()
    await harness.execute("DROP TRIGGER no_room ON settings")

    await harness.reconciler.run()

    stored = await harness.row("SELECT value FROM settings WHERE key = 'spot_baselines'")
    assert Decimal(stored["value"]["scripted"]["BTC"]) == 5


@pytest.mark.parametrize("amount", [5, -3])
async def test_a_transfer_from_before_the_baseline_that_is_told_later_counts_once(
    database: Database, amount: int
) -> None:
    """M5.4, M4.8: what came in, or left, is in what was there before us; what comes in after it is
    told is not, whether it is told at once or late.
    """
    harness = await open_harness(database)
    harness.venue.traits = replace(AUTHORITATIVE, tells_transfers=True)
    job = EquitySnapshot(entries=harness.entries, database=database, clock=harness.clock)
    await job.run(harness.context())
    harness.clock.advance(MINUTE)
    harness.venue.balances["BTC"] = Decimal(4 + amount)
    made = harness.clock.now()
    harness.clock.advance(MINUTE)
    assert (await harness.reconciler.run()).differences == []

    harness.clock.advance(MINUTE)
    harness.tick("100")
    tell(harness, amount, made)
    await job.run(harness.context())
    assert len(await harness.rows("SELECT 1 FROM transfers")) == 1
    assert (await harness.reconciler.run()).differences == []

    harness.venue.balances["BTC"] += 2
    tell(harness, 2, harness.clock.now())
    harness.clock.advance(MINUTE)
    harness.tick("100")
    await job.run(harness.context())
    assert (await harness.reconciler.run()).differences == []
    harness.venue.balances["BTC"] -= 1
    (found,) = (await harness.reconciler.run()).differences
    assert found.excess == -1


def tell(harness: TradingHarness, amount: int, at: datetime) -> None:
    harness.venue.tell_transfer(amount, "BTC")
    harness.venue.transfers[-1] = replace(harness.venue.transfers[-1], at=at)
