"""What an account held before we came is measured once, so it must be measured well."""

from decimal import Decimal

import pytest

from tests.fakes.trading import open_desk
from tradebotd.ports.venue import VenueAccount
from tradebotd.storage.database import Database


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
