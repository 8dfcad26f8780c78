"""Two bounds that nothing else looks at: how old a price may be, and how long sending may last."""

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal

import anyio
import pytest

from tests.fakes.trading import SYMBOL, TradingHarness, open_harness, spec
from tradebotd.domain.candle import Tick
from tradebotd.domain.errors import OutcomeUnknownError
from tradebotd.domain.exit_plan import ExitPlan
from tradebotd.domain.ids import ClientOrderId
from tradebotd.domain.instrument import MarketSymbol
from tradebotd.domain.position import CloseReason
from tradebotd.domain.quote import Quote
from tradebotd.storage.postgres.database import Database
from tradebotd.trading.execution import placement

WAIT = 30.0
STOP = ExitPlan(stop_loss=Decimal("0.05"))


async def with_a_quote(database: Database, quote: str) -> tuple[TradingHarness, list[str]]:
    """Long at 100 with its stop at 95; the venue says *quote*, and notes that it was asked."""
    harness = await open_harness(database, spec(exits=STOP))
    await harness.enter()
    asked: list[str] = []

    async def quotes(symbols: Sequence[MarketSymbol]) -> dict[str, Quote]:
        asked.extend(each.symbol for each in symbols)
        return {each.symbol: Quote(last=Decimal(quote)) for each in symbols}

    harness.venue.quotes = quotes  # type: ignore[method-assign]
    return harness, asked


@pytest.mark.parametrize("old", [timedelta(minutes=2), timedelta(minutes=30)])
@pytest.mark.parametrize(
    ("remembered", "quote", "closed"), [("100", "94", "stop_loss"), ("94", "100", None)]
)
async def test_the_sweep_asks_for_another_price_where_the_last_is_minutes_old(
    database: Database, remembered: str, quote: str, closed: str | None, old: timedelta
) -> None:
    """M3.10: an exit is judged by what the venue says now, not by what was so minutes ago."""
    harness, asked = await with_a_quote(database, quote)
    harness.tick(remembered)
    harness.clock.advance(old)

    await harness.protection.sweep(harness.clock.now())

    assert asked == [SYMBOL]
    assert (await harness.position())["close_reason"] == closed


async def test_the_sweep_takes_a_price_of_a_minute_as_it_is(database: Database) -> None:
    """M3.10: no venue is asked for what a candle a minute says."""
    harness, asked = await with_a_quote(database, "100")
    harness.tick("94")
    harness.clock.advance(timedelta(minutes=1))

    await harness.protection.sweep(harness.clock.now())

    assert asked == []
    assert (await harness.position())["close_reason"] == "stop_loss"


@pytest.mark.parametrize(("late", "acts"), [(timedelta(minutes=2), False), (timedelta(0), True)])
async def test_a_tick_that_comes_minutes_late_sells_nothing(
    database: Database, late: timedelta, *, acts: bool
) -> None:
    """M3.10: a stream that was held up tells of prices that are over."""
    harness, _ = await with_a_quote(database, "100")
    at = harness.clock.now() + timedelta(seconds=1)
    harness.clock.advance(timedelta(seconds=1) + late)

    acting = harness.protection.on_tick(Tick(at, SYMBOL, Decimal(94)))
    if acting is not None:
        await acting

    assert ((await harness.position())["closed_at"] is not None) is acts


@pytest.fixture
def briefly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placement, "SEND_SECONDS", 0.01)


async def hang(_: ClientOrderId) -> None:
    await anyio.sleep_forever()


@pytest.mark.usefixtures("briefly")
async def test_an_entry_that_is_not_answered_is_unknown_when_its_time_is_over(
    database: Database,
) -> None:
    """M5.5: sending ends; whether it arrived is for reconciliation to find out."""
    harness = await open_harness(database)
    harness.venue.before_submit = hang

    with anyio.fail_after(WAIT), pytest.raises(OutcomeUnknownError):
        await harness.enter()

    (order,) = await harness.orders()
    assert (order["status"], order["settled"]) == ("unknown", False)
    assert harness.recorder.in_flight == set()


@pytest.mark.usefixtures("briefly")
async def test_an_exit_that_is_not_answered_is_unknown_when_its_time_is_over(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """M5.5: by hand and by its stop; no other exit waits behind it."""
    monkeypatch.setattr(placement, "SEND_SECONDS", WAIT)
    harness = await open_harness(database, spec(exits=STOP))
    await harness.enter()
    monkeypatch.setattr(placement, "SEND_SECONDS", 0.01)
    harness.venue.before_submit = hang
    (position,) = harness.protection.held.values()

    with anyio.fail_after(WAIT), pytest.raises(OutcomeUnknownError):
        await harness.protection.close_now(position, CloseReason.MANUAL)

    assert [each["status"] for each in await harness.orders()] == ["filled", "unknown"]
    assert harness.recorder.in_flight == set()


def test_sending_ends_while_a_client_may_still_wait_for_it() -> None:
    """M5.5: 15 seconds; a minute's cycle must not meet the one before it."""
    assert placement.SEND_SECONDS <= 15
