"""Leverage is set at the venue before the first order of a symbol, and never told by an order."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.fakes.host import ShiftedHost
from tests.fakes.trading import BOT, SYMBOL, TradingHarness, open_harness, spec
from tests.fakes.venue import AUTHORITATIVE
from tradebotd.domain.bot import BotSpec
from tradebotd.domain.denial import DenialRule
from tradebotd.domain.errors import (
    EntryPostponedError,
    OrderDeniedError,
    VenueUnavailableError,
)
from tradebotd.domain.ids import BotName
from tradebotd.domain.instrument import PositionType
from tradebotd.domain.position import CloseReason
from tradebotd.domain.signal import SignalKind
from tradebotd.ports.venue import SymbolSetup
from tradebotd.storage.postgres.database import Database

LENT: dict[str, Any] = {"position_type": PositionType.FUTURES, "leverage": 5}
FIVE, TWO = (SYMBOL, SymbolSetup(leverage=5)), (SYMBOL, SymbolSetup(leverage=2))


async def opened(database: Database, *specs: BotSpec, **more: Any) -> TradingHarness:
    harness = await open_harness(database, *(specs or (spec(**LENT),)), **more)
    harness.venue.traits = replace(AUTHORITATIVE, sets_up_symbols=True)
    return harness


async def close(harness: TradingHarness) -> None:
    (position,) = harness.protection.held.values()
    await harness.protection.close_now(position, CloseReason.MANUAL)


async def test_a_symbol_is_set_up_once_before_its_first_order(database: Database) -> None:
    """M6.2: not with each order, nor before an exit."""
    harness = await opened(database)
    seen: list[int] = []

    async def before_submit(_: object) -> None:
        seen.append(len(harness.venue.set_up_calls))

    harness.venue.before_submit = before_submit
    for minute in range(2):
        await harness.enter(minute=minute)
        await close(harness)

    assert harness.venue.set_up_calls == [FIVE]
    assert seen == [1] * 4
    assert {order["leverage"] for order in await harness.orders()} == {5}


async def test_spot_is_not_set_up(database: Database) -> None:
    harness = await opened(database, spec())
    await harness.enter()

    assert harness.venue.set_up_calls == []


async def test_another_leverage_of_the_configuration_is_set_before_the_next_order(
    database: Database,
) -> None:
    """M6.2: a reload changed it."""
    harness = await opened(database)
    await harness.enter()
    harness.specs[BOT] = spec(**LENT | {"leverage": 2})
    await close(harness)

    await harness.enter(minute=1)

    assert harness.venue.set_up_calls == [FIVE, TWO]


async def test_nothing_is_changed_under_what_is_held(database: Database) -> None:
    """M6.2: another bot's position of a former configuration; the entry says what it waits for."""
    harness = await opened(database)
    await harness.enter()
    other = spec("two", **LENT | {"leverage": 2})
    harness.specs[BotName("two")] = other

    with pytest.raises(EntryPostponedError, match=r"^setup_waits: .*leverage 5: it becomes 2"):
        await harness.enter("two")

    assert harness.venue.set_up_calls == [FIVE]


async def test_a_refused_set_up_is_the_bots_error_by_the_venues_words(database: Database) -> None:
    """M4.2, M6.2: nothing is ordered; the others go on."""
    harness = await opened(database, spec(**LENT), spec("two", "ETHUSDT"))
    harness.venue.setup_refused = "-4067 there are positions"
    for symbol in (SYMBOL, "ETHUSDT"):
        await harness.candles(100, 100, 100, symbol=symbol)
    harness.says(SignalKind.BUY)
    harness.says(SignalKind.BUY, bot="two")
    for symbol in (SYMBOL, "ETHUSDT"):
        await harness.candles(100, 100, 100, symbol=symbol)

    result = await harness.run()

    assert (result.status, result.acted) == ("error (symbol set-up)", False)
    assert result.error is not None
    assert "-4067 there are positions" in result.error
    decision = await harness.row("SELECT * FROM decision_runs WHERE bot = 'one'")
    assert decision["reason"] == "denied (setup_refused)"
    assert (await harness.run("two")).acted


async def test_a_refused_set_up_is_not_asked_for_at_full_rate(database: Database) -> None:
    """M2.6: after growing pauses of the host's; another leverage is another question."""
    host = ShiftedHost()
    harness = await opened(database, host=host)
    harness.venue.setup_refused = "no"
    asked = []
    for seconds in (0, 59, 2, 62, 60):
        host.shift += timedelta(seconds=seconds)
        with pytest.raises(OrderDeniedError, match="setup_refused"):
            await harness.enter()
        asked.append(len(harness.venue.set_up_calls))
    assert asked == [1, 1, 2, 2, 3]

    harness.venue.setup_refused = None
    harness.specs[BOT] = spec(**LENT | {"leverage": 2})
    await harness.enter()
    assert harness.venue.set_up_calls[-1] == TWO


async def test_a_venue_that_does_not_answer_postpones_the_entry(database: Database) -> None:
    """M2.6: it is asked again with the next cycle, and nothing is taken for set."""
    harness = await opened(database)
    harness.venue.reads_fail = True
    with pytest.raises(EntryPostponedError, match="does not answer"):
        await harness.enter()
    harness.venue.reads_fail = False

    await harness.enter()

    assert harness.venue.set_up_calls == [FIVE]


async def test_a_restart_sets_up_again_only_when_nothing_is_held(database: Database) -> None:
    """M6.2: what another life set is not known; what is held is of that leverage."""
    harness = await opened(database)
    await harness.enter()
    after = await open_harness(database, spec(**LENT), venue=harness.venue, restarted=True)
    await after.protection.load(after.clock.now())
    await close(after)
    await after.enter(minute=1)

    assert harness.venue.set_up_calls == [FIVE, FIVE]


async def test_a_reload_between_the_set_up_and_the_row_waits(database: Database) -> None:
    """M6.2: the row of an entry says the leverage that its venue has, whoever came meanwhile."""
    harness = await opened(database, spec(**LENT), spec("two", **LENT | {"leverage": 2}))
    ask = harness.account.ask

    async def reloaded(*arguments: Any) -> Any:
        harness.account.ask = ask  # type: ignore[method-assign]
        with pytest.raises(EntryPostponedError, match=r"^setup_waits: .*leverage 5: it becomes 2"):
            await harness.enter("two")
        return await ask(*arguments)

    harness.account.ask = reloaded  # type: ignore[method-assign,assignment]
    await harness.enter()

    assert harness.venue.set_up_calls == [FIVE]
    assert [order["leverage"] for order in await harness.orders()] == [5]
    await close(harness)
    await harness.enter("two")
    assert harness.venue.set_up_calls == [FIVE, TWO]


async def test_an_entry_that_is_denied_keeps_no_other_leverage_out(database: Database) -> None:
    """M6.2: what it was set up for is over with it."""
    harness = await opened(database, spec(**LENT), spec("two", **LENT | {"leverage": 2}))
    ask = harness.account.ask

    async def denied(*_: object) -> Any:
        harness.account.ask = ask  # type: ignore[method-assign]
        raise OrderDeniedError(DenialRule.MAX_EXPOSURE, "too much")

    harness.account.ask = denied  # type: ignore[method-assign,assignment]
    with pytest.raises(OrderDeniedError, match="too much"):
        await harness.enter()

    await harness.enter("two")

    assert [order["leverage"] for order in await harness.orders()] == [2]


async def test_a_set_up_without_an_answer_is_none_to_count_on(database: Database) -> None:
    """M6.2: the venue may have changed it; what stood before is set again."""
    harness = await opened(database)
    await harness.enter()
    await close(harness)
    harness.specs[BotName("two")] = spec("two", **LENT | {"leverage": 2})
    set_up = harness.venue.set_up

    async def unheard(symbol: str, setup: SymbolSetup) -> None:
        harness.venue.set_up = set_up  # type: ignore[method-assign]
        await set_up(symbol, setup)
        raise VenueUnavailableError("connection reset")

    harness.venue.set_up = unheard  # type: ignore[method-assign]
    with pytest.raises(EntryPostponedError, match="connection reset"):
        await harness.enter("two")

    await harness.enter(minute=1)

    assert harness.venue.set_up_calls == [FIVE, TWO, FIVE]
