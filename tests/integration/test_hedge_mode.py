"""An account that may hold both sides of a symbol: nothing is entered there, and that is said."""

from decimal import Decimal
from typing import Any

import pytest

from tests.fakes.trading import TradingHarness, open_harness, spec
from tests.fakes.venue import SCRIPTED
from tradebotd.domain.errors import EntryPostponedError
from tradebotd.domain.exit_plan import ExitPlan
from tradebotd.domain.instrument import PositionType
from tradebotd.storage.postgres.database import Database

FUTURES: dict[str, Any] = {
    "position_type": PositionType.FUTURES,
    "exits": ExitPlan(stop_loss=Decimal("0.1")),
}


async def hedged(database: Database) -> TradingHarness:
    harness = await open_harness(database, spec(**FUTURES))
    await harness.reconciler.run()
    harness.venue.hedge_mode = True
    return harness


async def test_entries_wait_from_the_first_answer_that_says_so(database: Database) -> None:
    """M4.6: seen when an entry is sized, before any reconciliation."""
    harness = await hedged(database)

    with pytest.raises(EntryPostponedError, match="hedge mode"):
        await harness.enter()

    assert await harness.orders() == []
    assert harness.gate.closed_because(SCRIPTED) == f"{SCRIPTED} is in hedge mode"


async def test_it_is_said_and_no_holding_is_compared_while_it_is_so(database: Database) -> None:
    """M5.4: a net position that differs is no news of ours; nothing there counts as reconciled."""
    harness = await hedged(database)
    harness.venue.positions["BTCUSDT"] = Decimal(-3)

    result = await harness.reconciler.run()

    assert await harness.open_alerts() == ["hedge_mode"]
    assert result.differences == []
    assert SCRIPTED in result.uncompared
    harness.venue.hedge_mode = False
    result = await harness.reconciler.run()
    assert [each.subject for each in result.differences + result.external] == ["BTCUSDT"]
    assert "hedge_mode" not in await harness.open_alerts()
    assert harness.gate.closed_because(SCRIPTED) is None


async def test_exits_go_on(database: Database) -> None:
    """M4.7: our position is ended all the same."""
    harness = await open_harness(database, spec(**FUTURES))
    await harness.enter()
    harness.venue.hedge_mode = True
    await harness.reconciler.run()

    await harness.stream("89")

    assert (await harness.position())["close_reason"] == "stop_loss"


# Other modes


MODE = "the account is in multi-assets mode"


async def test_no_entry_is_made_while_a_mode_is_wrong(database: Database) -> None:
    """M4.6: switched on by hand after the start; seen with the next account that is told."""
    harness = await open_harness(database, spec(**FUTURES))
    await harness.reconciler.run()
    harness.venue.wrong_modes = (MODE,)

    with pytest.raises(EntryPostponedError, match="multi-assets"):
        await harness.enter()

    assert await harness.orders() == []
    await harness.reconciler.run()
    assert await harness.open_alerts() == ["account_mode"]
    harness.venue.wrong_modes = ()
    await harness.reconciler.run()
    assert await harness.open_alerts() == []
    assert harness.gate.closed_because(SCRIPTED) is None


async def test_holdings_are_compared_and_exits_go_on_in_a_wrong_mode(database: Database) -> None:
    """M4.7, M5.4: what is held is what the venue says."""
    harness = await open_harness(database, spec(**FUTURES))
    await harness.enter()
    harness.venue.wrong_modes = (MODE,)
    result = await harness.reconciler.run()
    assert SCRIPTED not in result.uncompared

    await harness.stream("89")

    assert (await harness.position())["close_reason"] == "stop_loss"
