"""An order's way: committed, sent once, answered; and every place where it can be cut."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

import anyio
import pytest

from tests.fakes.venue import SCRIPTED, Behaviour
from tests.integration.trading_desk import BTC, ONE, Desk
from tradebotd.domain.errors import (
    AccountTakenError,
    DatabaseUnavailableError,
    OrderDeniedError,
    OrderRejectedError,
    OutcomeUnknownError,
    VenueUnavailableError,
)
from tradebotd.domain.exits import ExitPlan
from tradebotd.domain.ids import ClientOrderId
from tradebotd.domain.order import (
    OrderIntent,
    OrderReport,
    OrderRequest,
    OrderRole,
    OrderType,
    TimeInForce,
)
from tradebotd.domain.side import Side
from tradebotd.risk.limits import AccountState, ApprovedOrder, approve_entry
from tradebotd.storage.database import Database
from tradebotd.trading import placement
from tradebotd.trading.placement import Prepared

RICH = AccountState(
    equity=Decimal(10**6),
    exposure=Decimal(0),
    open_positions=0,
    orders_last_minute=0,
    day_start_equity=Decimal(10**6),
    peak_equity=Decimal(10**6),
)


def entry(desk: Desk, quantity: str = "1") -> ApprovedOrder:
    request = OrderRequest(
        venue=SCRIPTED,
        symbol=BTC,
        side=Side.BUY,
        type=OrderType.MARKET,
        time_in_force=TimeInForce.IOC,
        quantity=Decimal(quantity),
    )
    intent = OrderIntent(request=request, bot=ONE, role=OrderRole.ENTRY, reason="a test")
    return approve_entry(intent, Decimal(100), RICH, desk.limits)


@pytest.fixture
async def desk(database: Database) -> Desk:
    desk = await Desk(database).boot()
    await desk.tick("100")
    return desk


Around = Callable[[ClientOrderId], Awaitable[None]]


@dataclass
class Interposed:
    """The desk's venue with something done as an order arrives, or before its answer leaves."""

    desk: Desk
    arrives: Around | None = None
    answers: Around | None = None

    def __post_init__(self) -> None:
        self._submit = self.desk.venue.submit
        self.desk.venue.submit = self.submit  # type: ignore[method-assign]

    async def submit(self, client_order_id: ClientOrderId, request: OrderRequest) -> OrderReport:
        if self.arrives is not None:
            await self.arrives(client_order_id)
        report = await self._submit(client_order_id, request)
        if self.answers is not None:
            await self.answers(client_order_id)
        return report


async def place(desk: Desk) -> OrderReport:
    return await desk.placement.place(entry(desk), exits=ExitPlan())


async def test_the_row_is_committed_before_a_byte_is_sent(desk: Desk) -> None:
    """M5.1: the venue's side sees it through a connection of its own."""
    seen = []

    async def look(client_order_id: ClientOrderId) -> None:
        seen.extend(
            await desk.query(
                "SELECT status, quantity, venue_order_id FROM orders WHERE client_order_id = $1",
                client_order_id,
            )
        )

    Interposed(desk, arrives=look)
    await place(desk)

    assert seen == [("pending_new", Decimal(1), None)]
    assert await desk.orders() == [("entry", "filled", True)]


@pytest.mark.parametrize(
    ("behaviour", "error", "status"),
    [
        (Behaviour.DROP_BEFORE, OutcomeUnknownError, "unknown"),
        (Behaviour.DROP_AFTER, OutcomeUnknownError, "unknown"),
        (Behaviour.REJECT, OrderRejectedError, "rejected"),
        (Behaviour.UNREACHABLE, VenueUnavailableError, "rejected"),
    ],
)
async def test_what_went_wrong_is_told_apart(
    desk: Desk, behaviour: Behaviour, error: type[Exception], status: str
) -> None:
    """M5.2, 2.3: what never left is rejected (not_sent); what was dropped is unknown. M5.5."""
    desk.venue.script.append(behaviour)

    with pytest.raises(error):
        await place(desk)

    ((found, reason),) = await desk.query("SELECT status, reason FROM orders")
    assert found == status
    assert ("not_sent" in reason) == (behaviour is Behaviour.UNREACHABLE)
    assert await desk.query("SELECT id FROM positions") == []
    assert await desk.trades() == []


async def test_an_unknown_order_is_asked_about_and_never_sent_again(desk: Desk) -> None:
    """M5.2: executed at the venue, the answer lost."""
    desk.venue.script.append(Behaviour.DROP_AFTER)
    with pytest.raises(OutcomeUnknownError):
        await place(desk)

    await desk.reconciler.run()

    assert len(desk.venue.submitted) == 1
    assert await desk.orders() == [("entry", "filled", True)]
    assert (await desk.position()).quantity == 1


async def test_an_order_that_never_arrived_is_absent_only_when_it_cannot_arrive_any_more(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """M5.2: "never seen" means nothing while `send_by` lies ahead."""
    desk.venue.script.append(Behaviour.DROP_BEFORE)
    with pytest.raises(OutcomeUnknownError):
        await place(desk)
    await desk.query("UPDATE orders SET send_by = now() + interval '1 hour' RETURNING id")
    desk.reconciler._settled_since_start = True  # a later look, not the first

    assert len((await desk.reconciler.run()).waiting) == 1
    assert await desk.orders() == [("entry", "unknown", False)]

    await desk.query("UPDATE orders SET send_by = now() - interval '1 s' RETURNING id")
    await desk.reconciler.run()
    assert await desk.orders() == [("entry", "rejected", True)]
    assert desk.venue.submitted == []


@pytest.mark.parametrize("executed", [False, True])
async def test_a_task_cut_while_it_sends_leaves_the_row_for_reconciliation(
    desk: Desk, executed: bool
) -> None:
    """M5.1, M5.2: cut before the venue executes, and after."""
    reached = anyio.Event()

    async def hang(_: ClientOrderId) -> None:
        reached.set()
        await anyio.sleep_forever()

    Interposed(desk, arrives=None if executed else hang, answers=hang if executed else None)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(place, desk)
        await reached.wait()
        tasks.cancel_scope.cancel()

    assert await desk.orders() == [("entry", "pending_new", False)]
    await desk.query("UPDATE orders SET send_by = now() - interval '1 s' RETURNING id")
    await desk.boot()
    await desk.reconciler.run()

    status = "filled" if executed else "rejected"
    assert await desk.orders() == [("entry", status, True)]
    assert len(desk.venue.submitted) == int(executed)


async def test_an_answer_that_is_there_is_recorded_whoever_loses_patience(desk: Desk) -> None:
    """M5.1, 2.5: the record is shielded, with a deadline of its own."""
    async with anyio.create_task_group() as tasks:

        async def give_up(_: ClientOrderId) -> None:
            tasks.cancel_scope.cancel()

        Interposed(desk, answers=give_up)
        tasks.start_soon(place, desk)

    assert await desk.orders() == [("entry", "filled", True)]
    assert len(desk.protection.held) == 1


async def test_a_task_cut_between_commit_and_send_has_sent_nothing(desk: Desk) -> None:
    """M5.1: the row is there, the venue has never seen it."""
    prepared = await desk.placement.prepare(entry(desk))
    await desk.query("UPDATE orders SET send_by = now() - interval '1 s' RETURNING id")

    await desk.boot()
    await desk.reconciler.run()

    assert desk.venue.submitted == []
    assert await desk.query("SELECT client_order_id, status FROM orders") == [
        (prepared.client_order_id, "rejected")
    ]


async def test_a_lost_lease_sends_nothing(desk: Desk) -> None:
    """M1.6, 2.3: another daemon took the account a moment ago."""
    await desk.query("UPDATE leadership SET token = token + 1 RETURNING token")

    with pytest.raises(AccountTakenError):
        await place(desk)

    assert (desk.venue.submitted, await desk.orders()) == ([], [])


async def test_an_order_that_waited_too_long_is_not_sent(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """2.3 (M5.2): after `send_by` a standby may have taken over, and may have asked."""
    prepared = await desk.placement.prepare(entry(desk))
    later = prepared.order.send_by + timedelta(microseconds=1)
    monkeypatch.setattr(placement, "host_now", lambda: later)

    with pytest.raises(VenueUnavailableError):
        await desk.placement.send(prepared)

    assert desk.venue.submitted == []
    ((status, reason),) = await desk.query("SELECT status, reason FROM orders")
    assert (status, reason.startswith("not_sent")) == ("rejected", True)


async def test_a_second_entry_waits_until_the_first_is_settled(desk: Desk) -> None:
    """M5.4: whatever became of it."""
    desk.venue.script.append(Behaviour.DROP_AFTER)
    with pytest.raises(OutcomeUnknownError):
        await place(desk)

    with pytest.raises(OrderDeniedError):
        await place(desk)

    assert len(desk.venue.submitted) == 1


async def test_a_bot_that_holds_a_position_enters_no_second_one(desk: Desk) -> None:
    """M5.4: one open position of a bot and symbol."""
    await place(desk)

    with pytest.raises(OrderDeniedError) as denied:
        await place(desk)

    assert denied.value.rule == "position_open"
    assert len(desk.venue.submitted) == 1


async def test_a_database_that_goes_after_the_send_leaves_an_order_to_ask_about(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """M5.1, 3.8: executed and not recorded; known again when the database is back."""

    async def away(*_: object) -> None:
        raise DatabaseUnavailableError("gone")

    with monkeypatch.context() as patched:
        patched.setattr(desk.recorder, "record", away)
        with pytest.raises(DatabaseUnavailableError):
            await place(desk)

    assert await desk.orders() == [("entry", "pending_new", False)]
    await desk.reconciler.run()
    assert await desk.orders() == [("entry", "filled", True)]
    assert len(desk.venue.submitted) == 1


async def test_prepared_orders_have_ids_of_their_own(desk: Desk) -> None:
    """M5.1, 2.5: derived from the row, and legal everywhere."""
    prepared: Prepared = await desk.placement.prepare(entry(desk))
    ((row_id, stored),) = await desk.query("SELECT id, client_order_id FROM orders")

    assert stored == prepared.client_order_id
    assert prepared.order.id == row_id
    assert stored.startswith("tb")
