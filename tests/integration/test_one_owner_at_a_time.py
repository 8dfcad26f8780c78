"""Whoever may act on one position, two at a time, at one version of it: one exit reaches the venue."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from decimal import Decimal
from typing import Final

import anyio
import pytest

from tests.fakes.host import ShiftedHost
from tests.fakes.resting import one, open_resting_harness, settle
from tests.fakes.trading import TradingHarness
from tests.fakes.venue import Behaviour
from tradebotd.domain.errors import OrderDeniedError, VenueError
from tradebotd.domain.exit_plan import ExitPlan, LadderStep
from tradebotd.domain.ids import ClientOrderId
from tradebotd.domain.position import CloseReason, Position
from tradebotd.ports.venue import Replacement
from tradebotd.storage.postgres.database import Database
from tradebotd.trading.operator.flatten import Flatten

GENEROUS: Final = 60.0
ELSEWHERE: Final = "ETHUSDT"
LADDER: Final = ExitPlan(
    stop_loss=Decimal("0.05"),
    ladder=(
        LadderStep(at=Decimal("0.02"), share=Decimal("0.3")),
        LadderStep(at=Decimal("0.03"), share=Decimal("0.3")),
    ),
)
Owner = Callable[[TradingHarness, Position, str], Awaitable[object]]


async def tick(harness: TradingHarness, _: Position, price: str) -> None:
    await harness.stream(price)


async def sweep(harness: TradingHarness, _: Position, __: str) -> None:
    await harness.protection.sweep(harness.clock.now())


async def resting(harness: TradingHarness, _: Position, __: str) -> None:
    """A stop is laid to rest, and the price has met it already."""
    await harness.stream("100", ELSEWHERE)


async def operator(harness: TradingHarness, position: Position, _: str) -> None:
    await by_hand(harness, position, CloseReason.MANUAL)


async def signal(harness: TradingHarness, position: Position, _: str) -> None:
    await by_hand(harness, position, CloseReason.SIGNAL)


async def by_hand(harness: TradingHarness, position: Position, reason: CloseReason) -> None:
    try:
        await harness.protection.close_now(position, reason)
    except (OrderDeniedError, VenueError):
        return


async def reconciliation(harness: TradingHarness, _: Position, __: str) -> None:
    await harness.reconciler.run()


async def flatten(harness: TradingHarness, _: Position, __: str) -> None:
    await Flatten(
        database=harness.database,
        clock=harness.clock,
        gate=harness.gate,
        resting_entries=harness.entry_orders,
        closer=harness.protection,
        reconciler=harness.reconciler,
        host=ShiftedHost(),
    ).run(lambda _: None)


OWNERS: Final = (tick, sweep, resting, operator, signal, reconciliation, flatten)
firsts = pytest.mark.parametrize("first", OWNERS, ids=lambda each: each.__name__)
seconds = pytest.mark.parametrize("second", OWNERS, ids=lambda each: each.__name__)


class Door:
    """The first order of the position waits before the venue has it; later ones do not."""

    def __init__(self, harness: TradingHarness) -> None:
        self.came: list[ClientOrderId] = []
        self.go = anyio.Event()
        self._harness = harness
        harness.venue.before_submit = self.arrive

    async def arrive(self, order: ClientOrderId) -> None:
        row = await self._harness.row(
            "SELECT bot, type FROM orders WHERE client_order_id = $1", order
        )
        if (row["bot"], row["type"]) != ("one", "market"):
            return
        self.came.append(order)
        if len(self.came) == 1:
            await self.go.wait()


async def at_once(
    harness: TradingHarness, door: Door, first: Owner, second: Owner, price: str
) -> None:
    """*second* acts while the exit of *first* is on its way, if it has sent one."""
    position = next(each for each in harness.protection.held.values() if each.bot == "one")
    over = anyio.Event()

    async def begin() -> None:
        await first(harness, position, price)
        over.set()

    with anyio.fail_after(GENEROUS):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(begin)
            while not (door.came or over.is_set()):
                await anyio.lowlevel.checkpoint()
            if over.is_set():  # nothing is on its way
                door.go.set()
            await second(harness, position, price)
            door.go.set()


async def two_bots(database: Database, plan: ExitPlan) -> TradingHarness:
    """On one spot symbol: what is sold twice would be the other one's."""
    far = ExitPlan(stop_loss=Decimal("0.5"))
    harness = await open_resting_harness(
        database,
        Replacement.CANCEL_FIRST,
        one(Replacement.CANCEL_FIRST, exits=plan),
        one(Replacement.CANCEL_FIRST, name="two", exits=far),
        watched=(ELSEWHERE,),
    )
    await harness.reconciler.run()
    await harness.enter()
    await harness.enter("two")
    return harness


async def exits_of(harness: TradingHarness, bot: str = "one") -> list[tuple[str, Decimal]]:
    rows = await harness.rows(
        "SELECT type, filled_quantity FROM orders WHERE bot = $1 AND role = 'exit' AND filled_quantity > 0",
        bot,
    )
    return [(row["type"], row["filled_quantity"]) for row in rows]


@seconds
@firsts
async def test_two_who_end_a_position_at_one_version_sell_it_once(
    database: Database, first: Owner, second: Owner
) -> None:
    """M5.4, 2.3: by the version in the exit, the group, the turn and the latch, not by luck."""
    harness = await two_bots(database, ExitPlan(stop_loss=Decimal("0.05")))
    harness.tick("94")
    door = Door(harness)

    await at_once(harness, door, first, second, "94")
    await settle(harness, 2)

    assert len(door.came) == 1
    assert await exits_of(harness) == [("market", Decimal(1))]
    held = await harness.row("SELECT count(*) AS n FROM positions WHERE closed_at IS NULL")
    assert held["n"] == (0 if flatten in {first, second} else 1)
    assert harness.venue.balances.get("BTC", Decimal(0)) == held["n"]
    assert await harness.broken_books() == []


@pytest.mark.parametrize("second", [tick, sweep], ids=lambda each: each.__name__)
@pytest.mark.parametrize("first", [tick, sweep], ids=lambda each: each.__name__)
async def test_two_who_see_the_same_step_sell_it_once(
    database: Database, first: Owner, second: Owner
) -> None:
    """M4.7: and not the next one at the price of this one."""
    harness = await two_bots(database, LADDER)
    harness.tick("102.5")
    door = Door(harness)

    await at_once(harness, door, first, second, "102.5")

    assert len(door.came) == 1
    assert await exits_of(harness) == [("market", Decimal("0.3"))]
    assert harness.venue.balances["BTC"] == Decimal("1.7")


@seconds
async def test_whoever_comes_behind_a_lost_answer_sells_nothing_twice(
    database: Database, second: Owner
) -> None:
    """2.3: the exit was executed, its answer lost, the order denied, the list of trades late."""
    harness = await two_bots(database, ExitPlan(stop_loss=Decimal("0.05")))
    harness.tick("94")
    position = next(each for each in harness.protection.held.values() if each.bot == "one")
    harness.venue.script.append(Behaviour.DROP_AFTER)
    await tick(harness, position, "94")
    exits = await harness.rows("SELECT client_order_id FROM orders WHERE role = 'exit'")
    harness.venue.hidden |= {each["client_order_id"] for each in exits}
    harness.venue.fills_are_late = True
    await harness.execute("UPDATE orders SET send_by = send_by - interval '1 minute'")
    harness.clock.advance(timedelta(seconds=5))

    await second(harness, position, "94")

    sold = [fill for fill in harness.venue.fills if fill.side == "sell"]
    assert len(sold) == (2 if second is flatten else 1)
    assert harness.venue.balances.get("BTC", Decimal(0)) == 2 - len(sold)
