"""An exit whose answer was lost: a second one only over proof that the first sold nothing."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from functools import partial

import pytest

from tests.fakes.trading import BOT, Desk, market_symbol, open_desk, spec
from tests.fakes.venue import Behaviour
from tradebotd.domain.bot import BotSpec
from tradebotd.domain.errors import OrderDeniedError, OutcomeUnknownError
from tradebotd.domain.ids import BotName, ClientOrderId, PositionId
from tradebotd.domain.instrument import PositionType
from tradebotd.domain.position import CloseReason
from tradebotd.storage import exit_groups
from tradebotd.storage.database import Database

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
