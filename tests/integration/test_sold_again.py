"""Nothing is bought that could not be sold again; what cannot be sold any more is dust."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from tests.fakes.resting import one as resting_one
from tests.fakes.resting import open_resting_harness, stops, sweep
from tests.fakes.trading import BOT, open_harness, spec
from tests.fakes.venue import Behaviour
from tradebotd.domain.bot import EntryKind, EntryRule, SizingKind, SizingRule
from tradebotd.domain.errors import OrderDeniedError
from tradebotd.domain.exit_plan import ExitPlan
from tradebotd.domain.instrument import PositionType
from tradebotd.domain.position import CloseReason
from tradebotd.domain.signal import SignalKind
from tradebotd.ports.venue import Replacement
from tradebotd.storage.postgres.database import Database
from tradebotd.trading.exits.exit_changes import Level
from tradebotd.venues.paper.fill_model import PaperTerms


def fixed(quantity: str) -> SizingRule:
    return SizingRule(kind=SizingKind.FIXED_QUANTITY, value=Decimal(quantity))


async def test_what_could_not_be_sold_at_its_stop_is_not_bought(database: Database) -> None:
    """M4.6: 10.00 is the minimum, and 9.50 is what it would be worth at the stop."""
    exits = ExitPlan(stop_loss=Decimal("0.05"))
    harness = await open_harness(database, spec(exits=exits, sizing=fixed("0.1")))
    harness.set_filters(min_notional=Decimal(10))
    with pytest.raises(OrderDeniedError, match="could be sold again at 95"):
        await harness.enter()

    assert harness.venue.submitted == []


@pytest.mark.parametrize("where", ["scripted", "paper"])
async def test_a_lot_that_the_fee_makes_less_of_is_not_bought(
    database: Database, where: str
) -> None:
    """M4.6: 0.000999 of a lot of 0.001 could be sold nowhere."""
    fee = Decimal("0.001")
    terms = PaperTerms(starting_cash={"USDT": Decimal(1000)}, taker=fee, fee_in_base=True)
    harness = await open_harness(
        database, spec(sizing=fixed("0.001")), paper=terms if where == "paper" else None
    )
    harness.venue.traits = replace(harness.venue.traits, base_fee=fee)
    with pytest.raises(OrderDeniedError, match="could be sold again"):
        await harness.enter()

    assert await harness.orders() == []


TEN = Decimal(10)
STOP = ExitPlan(stop_loss=Decimal("0.05"))


async def test_less_than_a_lot_is_closed_as_dust_once(database: Database) -> None:
    """M4.6: booked as dust, not as an open position: the bot may enter again."""
    harness = await open_harness(database, spec(exits=STOP, sizing=fixed("0.001")))
    harness.venue.fee_in_base, harness.venue.fee = True, Decimal("0.001")  # nobody was told of it
    await harness.enter()
    result = await harness.protection.sweep(harness.clock.now())
    assert (result.waiting, result.failed) == ({}, {})

    position = await harness.position()
    assert (position["close_reason"], position["quantity"]) == ("dust", 0)
    assert position["dust"] == Decimal("0.000999")
    assert len(harness.venue.submitted) == 1
    assert not harness.protection.held
    assert not (await harness.state())["in_position"]
    assert (await harness.reconciler.run()).differences == []

    await harness.enter(minute=1)
    assert len(harness.venue.submitted) == 2


@pytest.mark.parametrize("way", ["tick", "sweep"])
async def test_what_a_stop_leaves_below_the_minimum_notional_is_dust(
    database: Database, way: str
) -> None:
    """M4.6: 0.05 worth 4.70 of a minimum of 10: not one order more, and not one try more."""
    harness = await open_harness(database, spec(exits=STOP, sizing=fixed("0.2")))
    harness.set_filters(min_notional=TEN)
    await harness.enter()
    harness.venue.thin.append(Decimal("0.15"))
    await harness.stream("94")
    assert (await harness.position())["quantity"] == Decimal("0.05")

    for _ in range(3):
        harness.clock.advance(timedelta(seconds=30))
        if way == "tick":
            await harness.stream("94")
        else:
            harness.tick("94")
            await harness.protection.sweep(harness.clock.now())
    position = await harness.position()
    assert (position["close_reason"], position["dust"]) == ("stop_loss", Decimal("0.05"))
    assert position["exit_quantity"] == Decimal("0.15")
    lost = Decimal("14.10") - 20 - Decimal("34.10") * harness.venue.fee  # the dust with it
    assert position["realized_pnl"] == (await harness.state())["daily_pnl"] == lost
    assert len(harness.venue.submitted) == 2
    assert "exit_refused" not in await harness.open_alerts()
    assert await harness.broken_books() == []


@pytest.mark.parametrize(
    ("first", "then"),
    [(CloseReason.SIGNAL, "94"), (CloseReason.STOP_LOSS, "94"), (CloseReason.STOP_LOSS, "hand")],
)
async def test_dust_bears_the_reason_for_which_the_last_of_it_was_sold(
    database: Database, first: CloseReason, then: str
) -> None:
    """M4.4a, M4.6: what is written off later was sold by nobody, whatever has met it then."""
    harness = await open_harness(database, spec(exits=STOP, sizing=fixed("0.2")))
    harness.set_filters(min_notional=TEN)
    await harness.enter()
    harness.venue.thin.append(Decimal("0.15"))
    if first is CloseReason.SIGNAL:
        await harness.protection.close_now(next(iter(harness.protection.held.values())), first)
    else:
        await harness.stream("94")
    (left,) = harness.protection.held.values()
    if then == "hand":
        await harness.protection.close_now(left, CloseReason.MANUAL)
    else:
        await harness.stream(then)

    position = await harness.position()
    assert (position["close_reason"], position["dust"]) == (first, Decimal("0.05"))
    assert len(harness.venue.submitted) == 2
    assert await harness.broken_books() == []


async def test_a_rest_that_no_price_makes_sellable_does_not_hide_why_the_others_were_sold(
    database: Database,
) -> None:
    """M4.6: only a trade of which nothing was ever sold says `dust`."""
    harness = await open_harness(database, spec(exits=STOP, sizing=fixed("0.2")))
    harness.set_filters(min_quantity=Decimal("0.1"))
    await harness.enter()
    harness.venue.thin.append(Decimal("0.15"))
    await harness.stream("94")
    harness.tick("100")
    await harness.protection.sweep(harness.clock.now())

    position = await harness.position()
    assert (position["close_reason"], position["dust"]) == ("stop_loss", Decimal("0.05"))


async def test_reduce_only_exits_end_what_is_below_the_minimum_notional(
    database: Database,
) -> None:
    """M4.6: venues exempt them from it."""
    futures = spec(exits=STOP, sizing=fixed("0.2"), position_type=PositionType.FUTURES)
    harness = await open_harness(database, futures)
    harness.set_filters(min_notional=TEN)
    await harness.enter()
    harness.venue.thin.append(Decimal("0.15"))
    await harness.stream("94")
    await harness.stream("94")

    position = await harness.position()
    assert (position["exit_quantity"], position["dust"]) == (Decimal("0.2"), 0)


async def test_a_price_that_jumped_below_the_minimum_is_tried_once_and_then_dust(
    database: Database,
) -> None:
    """M4.6: worth enough at its stop, and the venue says no at the price there is."""
    harness = await open_harness(database, spec(exits=STOP, sizing=fixed("0.106")))
    harness.set_filters(min_notional=TEN)
    await harness.enter()
    harness.venue.script.append(Behaviour.REJECT)
    for _ in range(4):
        await harness.stream("90")
        harness.clock.advance(timedelta(seconds=30))
    position = await harness.position()
    assert (position["close_reason"], position["dust"]) == ("dust", Decimal("0.106"))
    assert len(harness.venue.submitted) == 2


async def test_dust_is_closed_at_once_by_a_signal_or_by_hand(database: Database) -> None:
    """M4.6, M5.8: an operator's close and flatten end it, too."""
    harness = await open_harness(database, spec(exits=STOP, sizing=fixed("0.2")))
    harness.set_filters(min_notional=TEN)
    await harness.enter()
    (position,) = harness.protection.held.values()
    harness.tick("49")
    assert await harness.protection.close_now(position, CloseReason.MANUAL) is None
    assert (await harness.position())["close_reason"] == "dust"


async def test_a_signal_waits_for_a_price_at_which_a_whole_position_can_be_sold(
    database: Database,
) -> None:
    """M4.6: 9.99 of a minimum of 10 is no dust yet; no order is sent meanwhile."""
    harness = await open_harness(database, spec(exits=ExitPlan(), sizing=fixed("0.1")))
    harness.set_filters(min_notional=TEN)
    await harness.candles(100, 100)
    harness.says(SignalKind.BUY)
    await harness.run()
    await harness.minute(99.9)
    harness.says(SignalKind.SELL, SignalKind.SELL)
    assert (await harness.run()).status == "waiting (below_venue_minimum)"
    assert len(harness.venue.submitted) == 1
    assert (await harness.position())["closed_at"] is None

    harness.tick("100.1")
    await harness.run()
    assert (await harness.position())["close_reason"] == "signal"


async def test_dust_is_not_closed_while_an_order_may_still_add_to_it(database: Database) -> None:
    """M5.4: the entry that rests brings more."""
    harness = await open_harness(
        database,
        spec(
            exits=STOP,
            sizing=fixed("0.2"),
            entry=EntryRule(kind=EntryKind.LIMIT, offset=Decimal("0.01")),
        ),
    )
    harness.set_filters(min_quantity=Decimal("0.01"))
    await harness.enter()
    (entry,) = harness.venue.resting
    await harness.recorder.record(harness.venue.fill(entry, Decimal("0.005")))
    result = await harness.protection.sweep(harness.clock.now())
    assert list(result.waiting.values()) == ["order_unsettled"]
    assert (await harness.position())["closed_at"] is None

    await harness.recorder.record(harness.venue.fill(entry, Decimal("0.195")))
    result = await harness.protection.sweep(harness.clock.now())
    assert (result.waiting, await harness.open_alerts()) == ({}, [])
    assert (await harness.position())["quantity"] == Decimal("0.2")


async def test_no_stop_rests_that_the_venue_would_refuse(database: Database) -> None:
    """M5.7: worth less than the minimum at its stop; the daemon alone guards it."""
    harness = await open_resting_harness(
        database, Replacement.CANCEL_FIRST, resting_one(Replacement.CANCEL_FIRST, exits=STOP)
    )
    harness.set_filters(min_notional=Decimal("95.01"))
    harness.specs[BOT] = replace(harness.specs[BOT], exits=ExitPlan())
    await harness.enter()
    (position_id,) = harness.protection.held
    await harness.exit_changes.set(position_id, stop_loss=Level(price=Decimal(95)))
    await sweep(harness, 3)
    assert stops(harness) == []
    assert await harness.open_alerts() == []
    assert harness.protection.protected_by(position_id) == "daemon"

    await harness.exit_changes.set(position_id, stop_loss=Level(price=Decimal("95.01")))
    await sweep(harness, 3)
    assert stops(harness) == [(Decimal("95.01"), Decimal(1))]
