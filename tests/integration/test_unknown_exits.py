"""An exit whose answer was lost: a second one only over proof that the first sold nothing."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from functools import partial

import pytest

from tests.fakes.resting import open_resting_harness, restart, sweep
from tests.fakes.trading import BOT, SYMBOL, TradingHarness, market_symbol, open_harness, spec
from tests.fakes.venue import Behaviour
from tradebotd.domain.bot import BotSpec
from tradebotd.domain.errors import OrderDeniedError, OutcomeUnknownError, VenueUnavailableError
from tradebotd.domain.exit_plan import ExitPlan, LadderStep
from tradebotd.domain.ids import BotName, ClientOrderId, PositionId
from tradebotd.domain.instrument import PositionType
from tradebotd.domain.position import CloseReason
from tradebotd.domain.side import PositionSide
from tradebotd.ports.venue import Replacement
from tradebotd.storage import exit_groups
from tradebotd.storage.postgres.database import Database

sides = pytest.mark.parametrize("side", list(PositionSide))
behaviours = pytest.mark.parametrize("behaviour", [Behaviour.DROP_BEFORE, Behaviour.DROP_AFTER])


async def desk_of(database: Database, *specs: BotSpec, before_us: int = 0) -> TradingHarness:
    harness = await open_harness(database, *specs)
    harness.venue.balances["BTC"] = Decimal(before_us)
    await harness.reconciler.run()
    return harness


def held_by(harness: TradingHarness, bot: str = BOT) -> PositionId:
    return next(key for key, each in harness.protection.held.items() if each.bot == BotName(bot))


async def lose_an_exit(
    harness: TradingHarness, behaviour: Behaviour, bot: str = BOT
) -> ClientOrderId:
    """The answer is lost, the venue denies the order, and its list of trades is late."""
    harness.venue.script.append(behaviour)
    with pytest.raises(OutcomeUnknownError):
        await close(harness, bot)
    order = ClientOrderId((await harness.orders())[-1]["client_order_id"])
    harness.venue.hidden.add(order)
    harness.venue.fills_are_late = True
    await harness.execute("UPDATE orders SET send_by = send_by - interval '1 minute'")
    return order


async def close(harness: TradingHarness, bot: str = BOT) -> None:
    position = harness.protection.held[held_by(harness, bot)]
    await harness.protection.close_now(position, CloseReason.MANUAL)


@pytest.mark.parametrize("replacement", [Replacement.OVERLAP, Replacement.CANCEL_FIRST])
async def test_a_met_stop_is_acted_on_though_nobody_knows_of_two_stops_in_a_row(
    database: Database, replacement: Replacement
) -> None:
    """M4.2, 2.3: neither has been seen; on spot that they sold nothing is proven first."""
    harness = await open_resting_harness(database, replacement)
    await harness.reconciler.run()
    await harness.enter()
    for _ in range(2):
        harness.venue.script.append(Behaviour.DROP_BEFORE)
        await sweep(harness)
        await harness.execute("UPDATE orders SET send_by = send_by - interval '1 minute'")
        harness.clock.advance(timedelta(minutes=1))
        harness.tick("100")
    unknown = [each for each in await harness.orders() if each["status"] == "unknown"]
    roles = await harness.rows("SELECT role FROM exit_groups WHERE role <> 'closed' ORDER BY role")
    assert (len(unknown), [each["role"] for each in roles]) == (2, ["active", "retiring"])

    await harness.stream("90")
    await sweep(harness, 2)

    assert (await harness.position())["closed_at"] is not None
    assert await harness.broken_books() == []


async def is_denied(harness: TradingHarness, bot: str = BOT) -> bool:
    sent = len(harness.venue.submitted)
    try:
        await close(harness, bot)
    except OrderDeniedError as denied:
        return denied.rule == "exit_unknown" and len(harness.venue.submitted) == sent
    return False


@behaviours
async def test_coins_that_were_there_before_us_prove_nothing(
    database: Database, behaviour: Behaviour
) -> None:
    """2.3: ours has been sold, and the account holds ten others; executed or not is told apart."""
    harness = await desk_of(database, before_us=10)
    await harness.enter()
    await lose_an_exit(harness, behaviour)

    assert await is_denied(harness) is (behaviour is Behaviour.DROP_AFTER)

    assert harness.venue.balances["BTC"] == 10


@behaviours
async def test_coins_of_another_bot_prove_nothing(database: Database, behaviour: Behaviour) -> None:
    """2.3: two bots on one symbol are one holding; the other one's coin is not sold."""
    harness = await desk_of(database, spec(), spec("two"))
    await harness.enter()
    await harness.enter("two")
    await lose_an_exit(harness, behaviour)

    assert await is_denied(harness) is (behaviour is Behaviour.DROP_AFTER)

    assert harness.venue.balances["BTC"] == 1
    two = await harness.row("SELECT quantity, closed_at FROM positions WHERE bot = 'two'")
    assert (two["quantity"], two["closed_at"]) == (1, None)


@behaviours
async def test_a_sweep_asks_for_the_same_proof(database: Database, behaviour: Behaviour) -> None:
    """2.3: a stop that was met and whose exit is unknown is not sold from somebody else's coins."""
    harness = await desk_of(database, spec(), spec("two"), before_us=10)
    await harness.enter()
    await harness.enter("two")
    await lose_an_exit(harness, behaviour)
    harness.clock.advance(timedelta(seconds=5))
    harness.tick("94")
    await harness.protection.sweep(harness.clock.now())
    harness.clock.advance(timedelta(seconds=5))
    await harness.protection.sweep(harness.clock.now())

    assert harness.venue.balances["BTC"] == 10, "two exits of one coin each, whatever was lost"


async def test_a_holding_that_was_never_counted_proves_nothing(database: Database) -> None:
    """2.3: what is there now may be less what was sold; counted now, it would agree with us."""
    harness = await open_harness(database)
    harness.venue.balances["BTC"] = Decimal(10)
    await harness.enter()
    await lose_an_exit(harness, Behaviour.DROP_AFTER)

    assert await is_denied(harness)


async def test_an_asset_that_is_also_money_proves_nothing(database: Database) -> None:
    """2.3: every trade of ETHBTC takes or leaves bitcoins; there is nothing to compare with."""
    harness = await desk_of(database, before_us=10)
    harness.symbols["ETHBTC"] = replace(
        market_symbol("ETHBTC"),
        instrument=replace(market_symbol("ETHBTC").instrument, base_asset="ETH", quote_asset="BTC"),
    )
    await harness.enter()
    await lose_an_exit(harness, Behaviour.DROP_AFTER)

    assert await is_denied(harness)


async def test_an_entry_in_doubt_could_hide_what_was_sold(database: Database) -> None:
    """2.3: one bought and one sold look like nothing bought and nothing sold."""
    harness = await desk_of(database, spec(), spec("two"), before_us=11)
    await harness.enter()
    harness.venue.script.append(Behaviour.DROP_AFTER)
    with pytest.raises(OutcomeUnknownError):
        await harness.enter("two")
    await lose_an_exit(harness, Behaviour.DROP_AFTER)
    assert harness.venue.balances["BTC"] == 12

    assert await is_denied(harness)


async def test_a_fill_to_its_side_under_another_name_may_be_its_own(database: Database) -> None:
    """2.3: lists of trades do not all tell our name; the holding agrees, since a hand bought one."""
    harness = await desk_of(database, before_us=10)
    await harness.enter()
    order = await lose_an_exit(harness, Behaviour.DROP_AFTER)
    harness.venue.fills_are_late = False
    harness.venue.fills = [
        replace(each, client_order_id=ClientOrderId("28"))
        if each.client_order_id == order
        else each
        for each in harness.venue.fills
    ]
    harness.venue.balances["BTC"] += 1

    assert await is_denied(harness)


@behaviours
async def test_futures_of_two_bots_are_one_holding(
    database: Database, behaviour: Behaviour
) -> None:
    """2.3: what the other one is long would be there all the same."""
    futures = partial(spec, position_type=PositionType.FUTURES)
    harness = await desk_of(database, futures(), futures("two"))
    await harness.enter()
    await harness.enter("two")
    position = harness.protection.held[held_by(harness)]
    order = await lose_an_exit(harness, behaviour)
    async with database.connection() as connection:
        groups = await exit_groups.select(connection, [position.id])
    active = groups[position.id].active
    assert active is not None
    assert [each.client_order_id for each in active.unsettled] == [order]

    proven = await harness.path.reconciliation.evidence.nothing_was_sold(position, active.unsettled)

    assert proven is (behaviour is Behaviour.DROP_BEFORE)


LADDER = ExitPlan(
    stop_loss=Decimal("0.05"), ladder=(LadderStep(at=Decimal("0.02"), share=Decimal("0.3")),)
)


async def desk_with_a_lost_step(
    database: Database, behaviour: Behaviour, side: PositionSide
) -> TradingHarness:
    """Futures; a tick has met the step of 30 %, and nobody knows what its exit became."""
    harness = await desk_of(
        database, spec(exits=LADDER, position_type=PositionType.FUTURES, allow_short=True)
    )
    await harness.enter(side=side)
    harness.venue.script.append(behaviour)
    await harness.stream(of(side, "102.5"))
    harness.venue.hidden.add(ClientOrderId((await harness.orders())[-1]["client_order_id"]))
    harness.venue.fills_are_late = True
    return harness


def of(side: PositionSide, price: str) -> str:
    """*price* of a long, around 100."""
    return price if side is PositionSide.LONG else str(200 - Decimal(price))


async def ticks_and_sweeps(harness: TradingHarness, price: str) -> None:
    for _ in range(4):
        harness.clock.advance(timedelta(seconds=31))
        await harness.stream(price)
        await harness.protection.sweep(harness.clock.now())


@sides
@behaviours
async def test_a_step_whose_answer_is_lost_is_not_sold_twice(
    database: Database, behaviour: Behaviour, side: PositionSide
) -> None:
    """M4.7, 2.3: reduce-only caps whole exits, not shares; a second one asks first."""
    harness = await desk_with_a_lost_step(database, behaviour, side)
    await harness.execute("UPDATE orders SET send_by = send_by - interval '1 minute'")

    await ticks_and_sweeps(harness, of(side, "102.6"))

    assert abs(harness.venue.positions[SYMBOL]) == Decimal("0.7")
    harness.venue.hidden.clear()
    harness.venue.fills_are_late = False
    await harness.reconciler.run()
    await ticks_and_sweeps(harness, of(side, "102.6"))
    position = await harness.position()
    assert (position["quantity"], position["ladder_done"]) == (Decimal("0.7"), 1)
    assert abs(harness.venue.positions[SYMBOL]) == Decimal("0.7")


@sides
@behaviours
async def test_a_stop_does_not_wait_for_what_became_of_a_step(
    database: Database, behaviour: Behaviour, side: PositionSide
) -> None:
    """I4: all that is held is capped. Where the step was sold after all, this venue takes no more
    than is left, and what the step cannot have sold is sold at once.
    """
    harness = await desk_with_a_lost_step(database, behaviour, side)

    await ticks_and_sweeps(harness, of(side, "94"))

    assert harness.venue.positions[SYMBOL] == 0
    harness.venue.hidden.clear()
    harness.venue.fills_are_late = False
    harness.clock.advance(timedelta(minutes=1))
    await harness.reconciler.run()
    await ticks_and_sweeps(harness, of(side, "94"))
    assert harness.venue.positions[SYMBOL] == 0
    assert (await harness.position())["closed_at"] is not None
    assert await harness.broken_books() == []


@sides
@behaviours
@pytest.mark.parametrize("restarted", [True, False])
async def test_a_tick_meets_the_stop_though_nobody_knows_what_became_of_a_step(
    database: Database, behaviour: Behaviour, side: PositionSide, *, restarted: bool
) -> None:
    """I4, M4.7: what is in doubt keeps the target silent, and no stop waits for the sweep."""
    harness = await desk_with_a_lost_step(database, behaviour, side)
    if restarted:
        harness = await restart(harness)
        await harness.protection.load(harness.clock.now())
        await harness.stream(of(side, "102.5"))
    sold = len(harness.venue.submitted)
    for price in ("102.5", "102.6"):
        await harness.stream(of(side, price))
    assert len(harness.venue.submitted) == sold
    assert harness.protection.held[held_by(harness)].take_profit == Decimal(of(side, "102"))

    await harness.stream(of(side, "94"))

    assert harness.venue.positions[SYMBOL] == 0


async def test_a_tick_sells_the_rest_on_spot_though_nobody_knows_what_became_of_a_step(
    database: Database,
) -> None:
    """I4: the stop trails meanwhile, and what the step cannot have sold goes at once."""
    plan = replace(LADDER, trailing_stop=Decimal("0.04"))
    harness = await desk_of(database, spec(exits=plan), before_us=10)
    await harness.enter()
    harness.venue.script.append(Behaviour.DROP_BEFORE)
    await harness.stream("102.5")
    harness.venue.hidden.add(ClientOrderId((await harness.orders())[-1]["client_order_id"]))
    harness.venue.fills_are_late = True
    await harness.stream("110")
    await harness.stream("105.5")

    assert (await harness.position())["quantity"] == Decimal("0.3")
    assert harness.protection.held[held_by(harness)].take_profit == 102


@sides
async def test_a_tick_meets_the_step_again_once_it_is_known_to_have_sold_nothing(
    database: Database, side: PositionSide
) -> None:
    """M4.7, 2.3: the target is watched again as soon as its order is settled."""
    harness = await desk_with_a_lost_step(database, Behaviour.DROP_BEFORE, side)
    await harness.stream(of(side, "102.6"))
    harness.venue.hidden.clear()
    harness.venue.fills_are_late = False
    await harness.execute("UPDATE orders SET send_by = send_by - interval '1 minute'")
    await harness.reconciler.run()

    await harness.stream(of(side, "102.6"))

    position = await harness.position()
    assert (position["quantity"], position["ladder_done"]) == (Decimal("0.7"), 1)


async def test_a_refused_stop_asks_what_became_of_a_step_before_it(database: Database) -> None:
    """I4: the venue knows it, so all that is left goes in the same turn."""
    harness = await desk_with_a_lost_step(database, Behaviour.DROP_AFTER, PositionSide.LONG)
    harness.venue.hidden.clear()

    harness.tick("94")
    await harness.protection.sweep(harness.clock.now())

    assert harness.venue.positions[SYMBOL] == 0
    assert (await harness.position())["close_reason"] == "stop_loss"


@behaviours
async def test_on_spot_a_stop_sells_what_a_step_in_doubt_cannot_have_sold(
    database: Database, behaviour: Behaviour
) -> None:
    """I4, 2.3: nothing caps it there, and nothing proves that the step sold nothing."""
    harness = await desk_of(database, spec(exits=LADDER), before_us=10)
    await harness.enter()
    harness.venue.script.append(behaviour)
    await harness.stream("102.5")
    harness.venue.hidden.add(ClientOrderId((await harness.orders())[-1]["client_order_id"]))
    harness.venue.fills_are_late = True

    await ticks_and_sweeps(harness, "94")

    in_doubt = Decimal(0) if behaviour is Behaviour.DROP_AFTER else Decimal("0.3")
    assert harness.venue.balances["BTC"] == 10 + in_doubt
    assert (await harness.position())["quantity"] == Decimal("0.3")
    harness.venue.hidden.clear()
    harness.venue.fills_are_late = False
    await harness.execute("UPDATE orders SET send_by = send_by - interval '1 minute'")
    await harness.reconciler.run()
    await ticks_and_sweeps(harness, "94")
    assert harness.venue.balances["BTC"] == 10
    assert await harness.broken_books() == []


@behaviours
@pytest.mark.parametrize("read", ["fills_since", "find_order"])
async def test_a_stop_sells_what_a_step_in_doubt_cannot_have_sold_though_nobody_can_be_asked(
    database: Database, monkeypatch: pytest.MonkeyPatch, behaviour: Behaviour, read: str
) -> None:
    """I4, 2.3: the venue takes orders, and tells neither its trades nor what the step became."""
    harness = await desk_of(database, spec(exits=LADDER), before_us=10)
    await harness.enter()
    harness.venue.script.append(behaviour)
    await harness.stream("102.5")
    harness.venue.hidden.add(ClientOrderId((await harness.orders())[-1]["client_order_id"]))

    async def away(*_: object) -> object:
        raise VenueUnavailableError("503")

    monkeypatch.setattr(harness.venue, read, away)
    await harness.execute("UPDATE orders SET send_by = send_by - interval '1 minute'")

    await ticks_and_sweeps(harness, "94")

    in_doubt = Decimal(0) if behaviour is Behaviour.DROP_AFTER else Decimal("0.3")
    assert harness.venue.balances["BTC"] == 10 + in_doubt
    assert await harness.broken_books() == []


@behaviours
async def test_reduce_only_caps_nothing_where_another_bot_holds_the_symbol(
    database: Database, behaviour: Behaviour
) -> None:
    """2.3: the venue knows one position of both; a second exit would reduce the other one's."""
    futures = partial(spec, position_type=PositionType.FUTURES)
    harness = await desk_of(database, futures(), futures("two"))
    await harness.enter()
    await harness.enter("two")
    await lose_an_exit(harness, behaviour)

    assert await is_denied(harness) is (behaviour is Behaviour.DROP_AFTER)

    assert harness.venue.positions[SYMBOL] == 1


@pytest.mark.parametrize("replacement", list(Replacement))
async def test_an_exit_is_made_though_nobody_knows_of_a_stop_behind_the_one_that_rests(
    database: Database, replacement: Replacement
) -> None:
    """M5.8, 2.3: the one that rests makes way; of the other that it sold nothing is proven."""
    harness = await open_resting_harness(database, replacement)
    await harness.reconciler.run()
    await harness.enter()
    harness.venue.script.append(Behaviour.DROP_BEFORE)
    await sweep(harness)
    await harness.execute("UPDATE orders SET send_by = send_by - interval '1 minute'")
    harness.clock.advance(timedelta(minutes=1))
    harness.tick("100")
    await sweep(harness)
    stops = [each["status"] for each in await harness.orders()][1:]
    assert sorted(stops) == ["new", "unknown"]

    await close(harness)

    await sweep(harness)
    assert (await harness.position())["closed_at"] is not None
    assert not harness.venue.resting
    assert await harness.broken_books() == []
