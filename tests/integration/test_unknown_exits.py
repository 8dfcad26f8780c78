"""An exit whose answer was lost: a second one only over proof that the first sold nothing."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from functools import partial

import pytest

from tests.fakes.resting import open_resting_desk, restart, sweep
from tests.fakes.trading import BOT, SYMBOL, Desk, market_symbol, open_desk, spec
from tests.fakes.venue import Behaviour
from tradebotd.domain.bot import BotSpec
from tradebotd.domain.errors import OrderDeniedError, OutcomeUnknownError, VenueUnavailableError
from tradebotd.domain.exits import ExitPlan, LadderStep
from tradebotd.domain.ids import BotName, ClientOrderId, PositionId
from tradebotd.domain.instrument import PositionType
from tradebotd.domain.position import CloseReason
from tradebotd.domain.side import PositionSide
from tradebotd.ports.venue import Replacement
from tradebotd.storage import exit_groups
from tradebotd.storage.postgres.database import Database

sides = pytest.mark.parametrize("side", list(PositionSide))
behaviours = pytest.mark.parametrize("behaviour", [Behaviour.DROP_BEFORE, Behaviour.DROP_AFTER])


async def desk_of(database: Database, *specs: BotSpec, before_us: int = 0) -> Desk:
    desk = await open_desk(database, *specs)
    desk.venue.balances["BTC"] = Decimal(before_us)
    await desk.reconciler.run()
    return desk


def held_by(desk: Desk, bot: str = BOT) -> PositionId:
    return next(key for key, each in desk.protection.held.items() if each.bot == BotName(bot))


async def lose_an_exit(desk: Desk, behaviour: Behaviour, bot: str = BOT) -> ClientOrderId:
    """The answer is lost, the venue denies the order, and its list of trades is late."""
    desk.venue.script.append(behaviour)
    with pytest.raises(OutcomeUnknownError):
        await close(desk, bot)
    order = ClientOrderId((await desk.orders())[-1]["client_order_id"])
    desk.venue.hidden.add(order)
    desk.venue.fills_are_late = True
    await desk.execute("UPDATE orders SET send_by = send_by - interval '1 minute'")
    return order


async def close(desk: Desk, bot: str = BOT) -> None:
    position = desk.protection.held[held_by(desk, bot)]
    await desk.protection.close_by_hand(position, CloseReason.MANUAL)


@pytest.mark.parametrize("replacement", [Replacement.OVERLAP, Replacement.CANCEL_FIRST])
async def test_a_met_stop_is_acted_on_though_nobody_knows_of_two_stops_in_a_row(
    database: Database, replacement: Replacement
) -> None:
    """M4.2, 2.3: neither has been seen; on spot that they sold nothing is proven first."""
    desk = await open_resting_desk(database, replacement)
    await desk.reconciler.run()
    await desk.enter()
    for _ in range(2):
        desk.venue.script.append(Behaviour.DROP_BEFORE)
        await sweep(desk)
        await desk.execute("UPDATE orders SET send_by = send_by - interval '1 minute'")
        desk.clock.advance(timedelta(minutes=1))
        desk.tick("100")
    unknown = [each for each in await desk.orders() if each["status"] == "unknown"]
    roles = await desk.rows("SELECT role FROM exit_groups WHERE role <> 'closed' ORDER BY role")
    assert (len(unknown), [each["role"] for each in roles]) == (2, ["active", "retiring"])

    await desk.stream("90")
    await sweep(desk, 2)

    assert (await desk.position())["closed_at"] is not None
    assert await desk.broken_books() == []


async def is_denied(desk: Desk, bot: str = BOT) -> bool:
    sent = len(desk.venue.submitted)
    try:
        await close(desk, bot)
    except OrderDeniedError as denied:
        return denied.rule == "exit_unknown" and len(desk.venue.submitted) == sent
    return False


@behaviours
async def test_coins_that_were_there_before_us_prove_nothing(
    database: Database, behaviour: Behaviour
) -> None:
    """2.3: ours has been sold, and the account holds ten others; executed or not is told apart."""
    desk = await desk_of(database, before_us=10)
    await desk.enter()
    await lose_an_exit(desk, behaviour)

    assert await is_denied(desk) is (behaviour is Behaviour.DROP_AFTER)

    assert desk.venue.balances["BTC"] == 10


@behaviours
async def test_coins_of_another_bot_prove_nothing(database: Database, behaviour: Behaviour) -> None:
    """2.3: two bots on one symbol are one holding; the other one's coin is not sold."""
    desk = await desk_of(database, spec(), spec("two"))
    await desk.enter()
    await desk.enter("two")
    await lose_an_exit(desk, behaviour)

    assert await is_denied(desk) is (behaviour is Behaviour.DROP_AFTER)

    assert desk.venue.balances["BTC"] == 1
    two = await desk.row("SELECT quantity, closed_at FROM positions WHERE bot = 'two'")
    assert (two["quantity"], two["closed_at"]) == (1, None)


@behaviours
async def test_a_sweep_asks_for_the_same_proof(database: Database, behaviour: Behaviour) -> None:
    """2.3: a stop that was met and whose exit is unknown is not sold from somebody else's coins."""
    desk = await desk_of(database, spec(), spec("two"), before_us=10)
    await desk.enter()
    await desk.enter("two")
    await lose_an_exit(desk, behaviour)
    desk.clock.advance(timedelta(seconds=5))
    desk.tick("94")
    await desk.protection.sweep(desk.clock.now())
    desk.clock.advance(timedelta(seconds=5))
    await desk.protection.sweep(desk.clock.now())

    assert desk.venue.balances["BTC"] == 10, "two exits of one coin each, whatever was lost"


async def test_a_holding_that_was_never_counted_proves_nothing(database: Database) -> None:
    """2.3: what is there now may be less what was sold; counted now, it would agree with us."""
    desk = await open_desk(database)
    desk.venue.balances["BTC"] = Decimal(10)
    await desk.enter()
    await lose_an_exit(desk, Behaviour.DROP_AFTER)

    assert await is_denied(desk)


async def test_an_asset_that_is_also_money_proves_nothing(database: Database) -> None:
    """2.3: every trade of ETHBTC takes or leaves bitcoins; there is nothing to compare with."""
    desk = await desk_of(database, before_us=10)
    desk.symbols["ETHBTC"] = replace(
        market_symbol("ETHBTC"),
        instrument=replace(market_symbol("ETHBTC").instrument, base_asset="ETH", quote_asset="BTC"),
    )
    await desk.enter()
    await lose_an_exit(desk, Behaviour.DROP_AFTER)

    assert await is_denied(desk)


async def test_an_entry_in_doubt_could_hide_what_was_sold(database: Database) -> None:
    """2.3: one bought and one sold look like nothing bought and nothing sold."""
    desk = await desk_of(database, spec(), spec("two"), before_us=11)
    await desk.enter()
    desk.venue.script.append(Behaviour.DROP_AFTER)
    with pytest.raises(OutcomeUnknownError):
        await desk.enter("two")
    await lose_an_exit(desk, Behaviour.DROP_AFTER)
    assert desk.venue.balances["BTC"] == 12

    assert await is_denied(desk)


async def test_a_fill_to_its_side_under_another_name_may_be_its_own(database: Database) -> None:
    """2.3: lists of trades do not all tell our name; the holding agrees, since a hand bought one."""
    desk = await desk_of(database, before_us=10)
    await desk.enter()
    order = await lose_an_exit(desk, Behaviour.DROP_AFTER)
    desk.venue.fills_are_late = False
    desk.venue.fills = [
        replace(each, client_order_id=ClientOrderId("28"))
        if each.client_order_id == order
        else each
        for each in desk.venue.fills
    ]
    desk.venue.balances["BTC"] += 1

    assert await is_denied(desk)


@behaviours
async def test_futures_of_two_bots_are_one_holding(
    database: Database, behaviour: Behaviour
) -> None:
    """2.3: what the other one is long would be there all the same."""
    futures = partial(spec, position_type=PositionType.FUTURES)
    desk = await desk_of(database, futures(), futures("two"))
    await desk.enter()
    await desk.enter("two")
    position = desk.protection.held[held_by(desk)]
    order = await lose_an_exit(desk, behaviour)
    async with database.connection() as connection:
        groups = await exit_groups.select(connection, [position.id])
    active = groups[position.id].active
    assert active is not None
    assert [each.client_order_id for each in active.unsettled] == [order]

    proven = await desk.reconciler.evidence.nothing_was_sold(position, active.unsettled)

    assert proven is (behaviour is Behaviour.DROP_BEFORE)


LADDER = ExitPlan(
    stop_loss=Decimal("0.05"), ladder=(LadderStep(at=Decimal("0.02"), share=Decimal("0.3")),)
)


async def desk_with_a_lost_step(
    database: Database, behaviour: Behaviour, side: PositionSide
) -> Desk:
    """Futures; a tick has met the step of 30 %, and nobody knows what its exit became."""
    desk = await desk_of(
        database, spec(exits=LADDER, position_type=PositionType.FUTURES, allow_short=True)
    )
    await desk.enter(side=side)
    desk.venue.script.append(behaviour)
    await desk.stream(of(side, "102.5"))
    desk.venue.hidden.add(ClientOrderId((await desk.orders())[-1]["client_order_id"]))
    desk.venue.fills_are_late = True
    return desk


def of(side: PositionSide, price: str) -> str:
    """*price* of a long, around 100."""
    return price if side is PositionSide.LONG else str(200 - Decimal(price))


async def ticks_and_sweeps(desk: Desk, price: str) -> None:
    for _ in range(4):
        desk.clock.advance(timedelta(seconds=31))
        await desk.stream(price)
        await desk.protection.sweep(desk.clock.now())


@sides
@behaviours
async def test_a_step_whose_answer_is_lost_is_not_sold_twice(
    database: Database, behaviour: Behaviour, side: PositionSide
) -> None:
    """M4.7, 2.3: reduce-only caps whole exits, not shares; a second one asks first."""
    desk = await desk_with_a_lost_step(database, behaviour, side)
    await desk.execute("UPDATE orders SET send_by = send_by - interval '1 minute'")

    await ticks_and_sweeps(desk, of(side, "102.6"))

    assert abs(desk.venue.positions[SYMBOL]) == Decimal("0.7")
    desk.venue.hidden.clear()
    desk.venue.fills_are_late = False
    await desk.reconciler.run()
    await ticks_and_sweeps(desk, of(side, "102.6"))
    position = await desk.position()
    assert (position["quantity"], position["ladder_done"]) == (Decimal("0.7"), 1)
    assert abs(desk.venue.positions[SYMBOL]) == Decimal("0.7")


@sides
@behaviours
async def test_a_stop_does_not_wait_for_what_became_of_a_step(
    database: Database, behaviour: Behaviour, side: PositionSide
) -> None:
    """I4: all that is held is capped. Where the step was sold after all, this venue takes no more
    than is left, and what the step cannot have sold is sold at once.
    """
    desk = await desk_with_a_lost_step(database, behaviour, side)

    await ticks_and_sweeps(desk, of(side, "94"))

    assert desk.venue.positions[SYMBOL] == 0
    desk.venue.hidden.clear()
    desk.venue.fills_are_late = False
    desk.clock.advance(timedelta(minutes=1))
    await desk.reconciler.run()
    await ticks_and_sweeps(desk, of(side, "94"))
    assert desk.venue.positions[SYMBOL] == 0
    assert (await desk.position())["closed_at"] is not None
    assert await desk.broken_books() == []


@sides
@behaviours
@pytest.mark.parametrize("restarted", [True, False])
async def test_a_tick_meets_the_stop_though_nobody_knows_what_became_of_a_step(
    database: Database, behaviour: Behaviour, side: PositionSide, *, restarted: bool
) -> None:
    """I4, M4.7: what is in doubt keeps the target silent, and no stop waits for the sweep."""
    desk = await desk_with_a_lost_step(database, behaviour, side)
    if restarted:
        desk = await restart(desk)
        await desk.protection.load(desk.clock.now())
        await desk.stream(of(side, "102.5"))
    sold = len(desk.venue.submitted)
    for price in ("102.5", "102.6"):
        await desk.stream(of(side, price))
    assert len(desk.venue.submitted) == sold
    assert desk.protection.held[held_by(desk)].take_profit == Decimal(of(side, "102"))

    await desk.stream(of(side, "94"))

    assert desk.venue.positions[SYMBOL] == 0


async def test_a_tick_sells_the_rest_on_spot_though_nobody_knows_what_became_of_a_step(
    database: Database,
) -> None:
    """I4: the stop trails meanwhile, and what the step cannot have sold goes at once."""
    plan = replace(LADDER, trailing_stop=Decimal("0.04"))
    desk = await desk_of(database, spec(exits=plan), before_us=10)
    await desk.enter()
    desk.venue.script.append(Behaviour.DROP_BEFORE)
    await desk.stream("102.5")
    desk.venue.hidden.add(ClientOrderId((await desk.orders())[-1]["client_order_id"]))
    desk.venue.fills_are_late = True
    await desk.stream("110")
    await desk.stream("105.5")

    assert (await desk.position())["quantity"] == Decimal("0.3")
    assert desk.protection.held[held_by(desk)].take_profit == 102


@sides
async def test_a_tick_meets_the_step_again_once_it_is_known_to_have_sold_nothing(
    database: Database, side: PositionSide
) -> None:
    """M4.7, 2.3: the target is watched again as soon as its order is settled."""
    desk = await desk_with_a_lost_step(database, Behaviour.DROP_BEFORE, side)
    await desk.stream(of(side, "102.6"))
    desk.venue.hidden.clear()
    desk.venue.fills_are_late = False
    await desk.execute("UPDATE orders SET send_by = send_by - interval '1 minute'")
    await desk.reconciler.run()

    await desk.stream(of(side, "102.6"))

    position = await desk.position()
    assert (position["quantity"], position["ladder_done"]) == (Decimal("0.7"), 1)


async def test_a_refused_stop_asks_what_became_of_a_step_before_it(database: Database) -> None:
    """I4: the venue knows it, so all that is left goes in the same turn."""
    desk = await desk_with_a_lost_step(database, Behaviour.DROP_AFTER, PositionSide.LONG)
    desk.venue.hidden.clear()

    desk.tick("94")
    await desk.protection.sweep(desk.clock.now())

    assert desk.venue.positions[SYMBOL] == 0
    assert (await desk.position())["close_reason"] == "stop_loss"


@behaviours
async def test_on_spot_a_stop_sells_what_a_step_in_doubt_cannot_have_sold(
    database: Database, behaviour: Behaviour
) -> None:
    """I4, 2.3: nothing caps it there, and nothing proves that the step sold nothing."""
    desk = await desk_of(database, spec(exits=LADDER), before_us=10)
    await desk.enter()
    desk.venue.script.append(behaviour)
    await desk.stream("102.5")
    desk.venue.hidden.add(ClientOrderId((await desk.orders())[-1]["client_order_id"]))
    desk.venue.fills_are_late = True

    await ticks_and_sweeps(desk, "94")

    in_doubt = Decimal(0) if behaviour is Behaviour.DROP_AFTER else Decimal("0.3")
    assert desk.venue.balances["BTC"] == 10 + in_doubt
    assert (await desk.position())["quantity"] == Decimal("0.3")
    desk.venue.hidden.clear()
    desk.venue.fills_are_late = False
    await desk.execute("UPDATE orders SET send_by = send_by - interval '1 minute'")
    await desk.reconciler.run()
    await ticks_and_sweeps(desk, "94")
    assert desk.venue.balances["BTC"] == 10
    assert await desk.broken_books() == []


@behaviours
@pytest.mark.parametrize("read", ["fills_since", "find_order"])
async def test_a_stop_sells_what_a_step_in_doubt_cannot_have_sold_though_nobody_can_be_asked(
    database: Database, monkeypatch: pytest.MonkeyPatch, behaviour: Behaviour, read: str
) -> None:
    """I4, 2.3: the venue takes orders, and tells neither its trades nor what the step became."""
    desk = await desk_of(database, spec(exits=LADDER), before_us=10)
    await desk.enter()
    desk.venue.script.append(behaviour)
    await desk.stream("102.5")
    desk.venue.hidden.add(ClientOrderId((await desk.orders())[-1]["client_order_id"]))

    async def away(*_: object) -> object:
        raise VenueUnavailableError("503")

    monkeypatch.setattr(desk.venue, read, away)
    await desk.execute("UPDATE orders SET send_by = send_by - interval '1 minute'")

    await ticks_and_sweeps(desk, "94")

    in_doubt = Decimal(0) if behaviour is Behaviour.DROP_AFTER else Decimal("0.3")
    assert desk.venue.balances["BTC"] == 10 + in_doubt
    assert await desk.broken_books() == []


@behaviours
async def test_reduce_only_caps_nothing_where_another_bot_holds_the_symbol(
    database: Database, behaviour: Behaviour
) -> None:
    """2.3: the venue knows one position of both; a second exit would reduce the other one's."""
    futures = partial(spec, position_type=PositionType.FUTURES)
    desk = await desk_of(database, futures(), futures("two"))
    await desk.enter()
    await desk.enter("two")
    await lose_an_exit(desk, behaviour)

    assert await is_denied(desk) is (behaviour is Behaviour.DROP_AFTER)

    assert desk.venue.positions[SYMBOL] == 1


@pytest.mark.parametrize("replacement", list(Replacement))
async def test_an_exit_is_made_though_nobody_knows_of_a_stop_behind_the_one_that_rests(
    database: Database, replacement: Replacement
) -> None:
    """M5.8, 2.3: the one that rests makes way; of the other that it sold nothing is proven."""
    desk = await open_resting_desk(database, replacement)
    await desk.reconciler.run()
    await desk.enter()
    desk.venue.script.append(Behaviour.DROP_BEFORE)
    await sweep(desk)
    await desk.execute("UPDATE orders SET send_by = send_by - interval '1 minute'")
    desk.clock.advance(timedelta(minutes=1))
    desk.tick("100")
    await sweep(desk)
    stops = [each["status"] for each in await desk.orders()][1:]
    assert sorted(stops) == ["new", "unknown"]

    await close(desk)

    await sweep(desk)
    assert (await desk.position())["closed_at"] is not None
    assert not desk.venue.resting
    assert await desk.broken_books() == []
