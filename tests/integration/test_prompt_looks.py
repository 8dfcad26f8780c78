"""Orders whose outcome is unknown are asked for sooner than the schedule's minute."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import anyio
import pytest

from tests.fakes.trading import TradingHarness, open_harness
from tests.fakes.venue import Behaviour
from tradebotd.clocks.host import host_now
from tradebotd.domain.errors import OrderRejectedError, OutcomeUnknownError
from tradebotd.domain.ids import ClientOrderId
from tradebotd.domain.position import CloseReason
from tradebotd.storage.orders import SEND_WITHIN
from tradebotd.storage.postgres.database import Database
from tradebotd.trading.reconciliation.prompt_looks import PromptLooks

WINDOW = timedelta(seconds=5)


@dataclass
class StandingHost:
    """Implements `ports.clock.HostClock`: it stands, but for what a test adds."""

    began: datetime
    passed: float = 0.0

    def now(self) -> datetime:
        return self.began + timedelta(seconds=self.passed)

    def monotonic(self) -> float:
        return self.passed

    async def sleep(self, seconds: float) -> None:
        self.passed += seconds


@dataclass
class Scene:
    """`asked`: the seconds after the start at which a reconciliation was asked for."""

    harness: TradingHarness
    host: StandingHost
    looks: PromptLooks
    in_flight: set[ClientOrderId]
    asked: list[int] = field(default_factory=list)
    under_way: int = 0  # so many more are refused

    async def reconcile(self) -> bool:
        self.asked.append(round(self.host.passed))
        if self.under_way:
            self.under_way -= 1
            return False
        return True

    async def pass_time(
        self, reconcile: Callable[[], Awaitable[bool]] | None = None, rounds: int = 40
    ) -> float | None:
        """Look whenever it is time, until nothing is due any more."""
        seconds: float | None = None
        for _ in range(rounds):
            seconds = await self.looks.look(reconcile or self.reconcile)
            if seconds is None:
                return None
            self.host.passed += seconds
        return seconds


async def scene(database: Database) -> Scene:
    harness = await open_harness(database)
    harness.venue.traits = replace(
        harness.venue.traits,
        receive_window=WINDOW,
        absence_margin=timedelta(seconds=10),
        negatives=3,
    )
    host, in_flight = StandingHost(host_now()), set[ClientOrderId]()
    looks = PromptLooks(database=database, venues=harness.venues, in_flight=in_flight, host=host)
    return Scene(harness, host, looks, in_flight)


async def lose_an_exit(lost: Scene) -> ClientOrderId:
    """Its time to be sent begins with the scene's."""
    harness = lost.harness
    await harness.enter()
    harness.venue.script.append(Behaviour.DROP_BEFORE)
    (held,) = harness.protection.held.values()
    with pytest.raises(OutcomeUnknownError):
        await harness.protection.close_now(held, CloseReason.MANUAL)
    order = (await harness.orders())[-1]
    lost.host.began = order["send_by"] - SEND_WITHIN
    return ClientOrderId(order["client_order_id"])


async def test_a_lost_exit_is_asked_for_at_once_and_when_its_absence_counts(
    database: Database,
) -> None:
    """I1, I4: 2 s to be sent, 5 to be taken, 10 to be answered, 1 of a clock; then each 5 s, not for ever."""
    lost = await scene(database)
    await lose_an_exit(lost)
    assert await lost.pass_time() is None
    assert lost.asked == [1, 18, 23, 33, 53, 93, 173], "nobody answers: less and less often"


async def test_each_answer_that_counts_is_followed_by_the_next_question(database: Database) -> None:
    """I1: five seconds later, however many were in vain before."""
    lost = await scene(database)
    name = await lose_an_exit(lost)

    async def answered() -> bool:
        if lost.host.passed > 40:
            await lost.harness.execute(
                """
                INSERT INTO order_searches (order_id, began_at, last_asked_at, negatives, endpoints)
                SELECT id, now(), now(), 1, '{}' FROM orders WHERE client_order_id = $1
                    ON CONFLICT (order_id) DO UPDATE SET negatives = order_searches.negatives + 1
                """,
                name,
            )
        return await lost.reconcile()

    await lost.pass_time(answered, rounds=30)
    assert lost.asked[:8] == [1, 18, 23, 33, 53, 58, 63, 68]


async def test_a_lost_entry_is_asked_for_once_and_left_to_the_schedule(database: Database) -> None:
    """I1: to be late with an entry costs nothing, to enter twice does."""
    lost = await scene(database)
    lost.harness.venue.script.append(Behaviour.DROP_BEFORE)
    with pytest.raises(OutcomeUnknownError):
        await lost.harness.enter()
    lost.host.began = (await lost.harness.orders())[-1]["send_by"] - SEND_WITHIN
    assert await lost.pass_time() is None
    assert lost.asked == [1]


async def test_a_reconciliation_that_was_under_way_counts_for_nothing(database: Database) -> None:
    """It may have asked before the order was lost."""
    lost = await scene(database)
    await lose_an_exit(lost)
    lost.under_way = 3
    assert await lost.pass_time() is None
    assert lost.asked[:7] == [1, 2, 3, 4, 18, 23, 33]


async def test_what_is_known_meanwhile_is_not_asked_for(database: Database) -> None:
    lost = await scene(database)
    await lose_an_exit(lost)

    async def found() -> bool:
        await lost.harness.execute("UPDATE orders SET status = 'rejected' WHERE NOT settled")
        return await lost.reconcile()

    assert await lost.pass_time(found) is None
    assert lost.asked == [1]


async def test_what_is_being_sent_is_not_lost(database: Database) -> None:
    lost = await scene(database)
    lost.in_flight.add(await lose_an_exit(lost))
    assert await lost.pass_time() is None
    assert lost.asked == []


async def test_an_order_of_an_earlier_process_is_asked_for_too(database: Database) -> None:
    """I7: a kill while it was sent; whoever attends looks before anybody tells anything."""
    lost = await scene(database)
    await lose_an_exit(lost)
    looked = anyio.Event()

    async def seen() -> bool:
        looked.set()
        return True

    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lost.looks.attend, seen)
            while not looked.is_set():
                lost.host.passed += 60
                await anyio.sleep(0.01)
            tasks.cancel_scope.cancel()
    assert looked.is_set()


@pytest.mark.parametrize(
    ("behaviour", "told"),
    [(Behaviour.DROP_BEFORE, 1), (Behaviour.DROP_AFTER, 1), (None, 0), (Behaviour.REJECT, 0)],
)
async def test_placement_tells_of_what_it_does_not_know_alone(
    database: Database, behaviour: Behaviour | None, told: int
) -> None:
    harness, heard = await open_harness(database), list[int]()
    harness.placement.subscribe_to_unknown(lambda: heard.append(1))
    if behaviour is not None:
        harness.venue.script.append(behaviour)
    try:
        await harness.enter()
    except (OutcomeUnknownError, OrderRejectedError):
        assert behaviour is not None
    assert len(heard) == told


async def test_a_send_that_is_cancelled_is_told_too(database: Database) -> None:
    """Its row stays as it was when it was sent: nobody knows."""
    harness, heard = await open_harness(database), list[int]()
    harness.placement.subscribe_to_unknown(lambda: heard.append(1))
    submit, began = harness.venue.submit, anyio.Event()

    async def slow(*orders: object, **how: object) -> object:
        began.set()
        await anyio.sleep_forever()
        return await submit(*orders, **how)  # type: ignore[arg-type]

    harness.venue.submit = slow  # type: ignore[method-assign,assignment]
    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(harness.enter)
            await began.wait()
            tasks.cancel_scope.cancel()
    assert heard == [1]
    assert [each["status"] for each in await harness.orders()] == ["pending_new"]
