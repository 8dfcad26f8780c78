"""Written before it is sent, sent once, recorded once: whatever is cut, lost or repeated."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import anyio
import pytest

from tests.fakes.steps import cancelled_at
from tests.fakes.trading import BOT, MINUTE, TradingHarness, open_harness, spec
from tests.fakes.venue import Behaviour
from tradebotd.domain.errors import (
    AccountTakenError,
    DatabaseUnavailableError,
    OrderDeniedError,
    OrderRejectedError,
    OutcomeUnknownError,
    VenueUnavailableError,
)
from tradebotd.domain.ids import ClientOrderId, PositionId
from tradebotd.domain.order import (
    OrderIntent,
    OrderRequest,
    OrderRole,
    OrderStatus,
    OrderType,
    TimeInForce,
)
from tradebotd.domain.position import CloseReason, Position
from tradebotd.risk.limits import approve_exit
from tradebotd.storage import positions
from tradebotd.storage.exit_groups import GroupKind, GroupUse
from tradebotd.storage.postgres.database import Database, assert_no_connection_held
from tradebotd.trading.execution.placement import Prepared


@pytest.fixture
async def harness(database: Database) -> TradingHarness:
    return await open_harness(database)


async def close(harness: TradingHarness, reason: CloseReason = CloseReason.MANUAL) -> None:
    held = await harness.position()
    async with harness.database.connection() as connection:
        position = await positions.select_one(connection, PositionId(held["id"]))
    assert position is not None
    await harness.protection.close_now(position, reason)


def exit_intent(held: Position) -> OrderIntent:
    return OrderIntent(
        request=OrderRequest(
            venue=held.venue,
            symbol=held.symbol,
            side=held.side.exit,
            type=OrderType.MARKET,
            time_in_force=TimeInForce.IOC,
            quantity=held.quantity,
        ),
        bot=held.bot,
        role=OrderRole.EXIT,
        reason="manual",
        position_id=held.id,
        position_version=held.version,
    )


async def settle(harness: TradingHarness) -> None:
    """Reconcile, at a time when nothing can be sent any more."""
    await harness.execute(
        "UPDATE orders SET send_by = send_by - interval '1 minute' WHERE NOT settled"
    )
    await harness.reconciler.run()


async def test_the_row_is_committed_before_a_byte_is_sent(harness: TradingHarness) -> None:
    """M5.1, I5: another connection sees the order, its id, its hash and our token beforehand."""
    seen = []

    async def look(client_order_id: ClientOrderId) -> None:
        assert_no_connection_held("the order is under way")
        seen.append(
            await harness.row("SELECT * FROM orders WHERE client_order_id = $1", client_order_id)
        )

    harness.venue.before_submit = look
    await harness.enter()

    (row,) = seen
    assert (row["status"], row["leader_token"]) == ("pending_new", harness.token)
    assert (len(row["params_hash"]), row["position_id"]) == (32, None)
    (after,) = await harness.orders()
    assert (after["status"], after["settled"], after["id"]) == ("filled", True, row["id"])


async def test_an_exit_hangs_below_an_active_group_until_it_is_settled(
    harness: TradingHarness,
) -> None:
    """M5.4: a second exit is denied while the first is not settled; the group is closed after."""
    await harness.enter()
    denied = []

    async def again(_: ClientOrderId) -> None:
        harness.venue.before_submit = None
        with pytest.raises(OrderDeniedError) as error:
            await close(harness)
        denied.append(error.value.rule)

    harness.venue.before_submit = again
    await close(harness)

    assert denied == ["exit_group_active"]
    assert [row["role"] for row in await harness.rows("SELECT role FROM exit_groups")] == ["closed"]
    assert len(harness.venue.submitted) == 2


@pytest.mark.parametrize("role", ["entry", "exit"])
async def test_a_cut_at_any_wait_doubles_nothing_and_loses_nothing(
    harness: TradingHarness, role: str
) -> None:
    """M5.1, M5.2, R1: cancelled at each await in turn, then reconciled: our books are the venue's."""
    cut, step = True, 0
    while cut:
        step += 1
        harness.clock.advance(2 * MINUTE)  # nobody counts its orders a minute
        harness.tick("100")
        if role == "entry":
            cut = await cancelled_at(step, harness.enter(minute=step))
        else:
            await harness.enter(minute=step)
            held = next(iter(harness.protection.held.values()))
            cut = await cancelled_at(step, harness.protection.close_now(held, CloseReason.MANUAL))
        await settle(harness)

        rows, sent = await harness.orders(), [each[0] for each in harness.venue.submitted]
        assert len(sent) == len(set(sent)), "an order was sent twice"
        assert set(sent) <= {row["client_order_id"] for row in rows}, "sent without a row"
        assert all(row["settled"] for row in rows)
        assert await harness.broken_books() == []
        assert (await harness.reconciler.run()).differences == []
        for held in list(harness.protection.held.values()):
            await harness.protection.close_now(held, CloseReason.MANUAL)
    assert step > 10


@pytest.mark.parametrize("behaviour", [Behaviour.DROP_BEFORE, Behaviour.DROP_AFTER])
async def test_a_lost_answer_is_unknown_until_the_venue_is_asked(
    harness: TradingHarness, behaviour: Behaviour
) -> None:
    """M5.2, R3: nothing is sent again; the venue's own books say what became of it."""
    harness.venue.script.append(behaviour)

    with pytest.raises(OutcomeUnknownError):
        await harness.enter()

    (row,) = await harness.orders()
    assert (row["status"], row["settled"]) == ("unknown", False)
    with pytest.raises(OrderDeniedError):
        await harness.enter(minute=1)
    await settle(harness)
    (row,) = await harness.orders()
    executed = behaviour is Behaviour.DROP_AFTER
    assert row["status"] == ("filled" if executed else "rejected")
    assert row["settled"]
    assert len(harness.venue.submitted) == (1 if executed else 0)
    assert len(harness.protection.held) == (1 if executed else 0)
    assert await harness.broken_books() == []


async def test_a_symbol_with_an_unknown_order_takes_no_entry_of_any_bot(database: Database) -> None:
    """2.3: until it is known what is held there."""
    harness = await open_harness(database, spec("one"), spec("two"))
    harness.venue.script.append(Behaviour.DROP_AFTER)
    with pytest.raises(OutcomeUnknownError):
        await harness.enter("one")

    with pytest.raises(OrderDeniedError) as denied:
        await harness.enter("two")
    await settle(harness)
    await harness.enter("two")

    assert denied.value.rule == "order_unknown"


async def test_what_never_left_us_is_rejected_at_once(harness: TradingHarness) -> None:
    """M5.5: no position and no trade of a failed order."""
    harness.venue.script.append(Behaviour.UNREACHABLE)

    with pytest.raises(VenueUnavailableError):
        await harness.enter()

    (row,) = await harness.orders()
    assert (row["status"], row["settled"]) == ("rejected", True)
    assert row["reason"].startswith("not_sent")
    assert await harness.rows("SELECT * FROM positions") == []
    assert await harness.rows("SELECT * FROM trades") == []


async def test_an_exit_that_was_refused_may_be_tried_again(harness: TradingHarness) -> None:
    """M5.4: its group is closed, the position is watched again, and the next exit sells it."""
    await harness.enter()
    harness.venue.script.append(Behaviour.REJECT)

    with pytest.raises(OrderRejectedError):
        await close(harness)
    await harness.stream("90")

    row = await harness.position()
    assert (row["close_reason"], row["quantity"]) == ("stop_loss", 0)


async def test_nothing_is_sent_under_a_lost_lease(harness: TradingHarness) -> None:
    """I5, M1.6: the lease row is part of the INSERT; neither entry nor exit leaves."""
    await harness.enter()
    await harness.execute("UPDATE leadership SET token = token + 1")

    with pytest.raises(AccountTakenError):
        await close(harness)
    with pytest.raises(AccountTakenError):
        await open_second(harness)

    assert len(harness.venue.submitted) == len(await harness.orders()) == 1
    assert await harness.rows("SELECT * FROM exit_groups") == []


async def open_second(harness: TradingHarness) -> None:
    """An entry of the same harness, once its position is out of the way."""
    await harness.execute(
        "UPDATE positions SET closed_at = now(), close_reason = 'manual',"
        " exit_quantity = quantity, quantity = 0"
    )
    await harness.enter(minute=1)


async def test_one_candle_is_acted_on_once(harness: TradingHarness) -> None:
    """M4.2: unique on (bot, candle, intent): a cycle that is run again enters nothing."""
    await harness.enter()
    await close(harness)

    with pytest.raises(OrderDeniedError) as denied:
        await harness.enter()

    assert denied.value.rule == "decided_already"
    assert len(harness.venue.submitted) == 2


async def test_a_closed_position_is_not_sold_again(harness: TradingHarness) -> None:
    """M1.3: the exit's transaction reads the position again, whatever memory says."""
    await harness.enter()
    held = next(iter(harness.protection.held.values()))
    await close(harness)

    with pytest.raises(OrderDeniedError) as denied:
        await harness.protection.close_now(held, CloseReason.MANUAL)

    assert denied.value.rule == "position_closed"
    assert len(harness.venue.submitted) == 2


async def test_an_order_that_waited_too_long_is_not_sent(harness: TradingHarness) -> None:
    """2.3: `send_by` is looked at once more when it is sent."""
    await harness.enter()
    held = next(iter(harness.protection.held.values()))
    use = GroupUse(kind=GroupKind.MARKET)
    (prepared,) = await harness.placement.prepare_exits([approve_exit(exit_intent(held))], use)
    late = replace(prepared.order, send_by=prepared.order.send_by - timedelta(minutes=1))

    with pytest.raises(VenueUnavailableError):
        await harness.placement.send(Prepared(order=late))

    assert len(harness.venue.submitted) == 1
    assert [row["status"] for row in await harness.orders()] == ["filled", "rejected"]


async def test_a_report_that_comes_twice_or_late_moves_nothing(harness: TradingHarness) -> None:
    """M5.3, M5.4, R5: recorded again, and again as if it were only accepted."""
    report = await harness.enter()
    before = await harness.orders(), await harness.position(), await harness.state()

    await harness.recorder.record(report)
    await harness.recorder.record(
        replace(report, status=OrderStatus.NEW, filled_quantity=Decimal(0))
    )
    await harness.recorder.record_rejected(report.client_order_id, "late")
    await harness.recorder.record_unknown(report.client_order_id, "late")

    after = await harness.orders(), await harness.position(), await harness.state()
    assert before == after
    assert len(await harness.rows("SELECT * FROM fills")) == 1


async def test_a_pause_of_the_last_moment_keeps_the_entry_in(harness: TradingHarness) -> None:
    """M4.9: the bot is read again in the transaction of its order."""
    await harness.execute("UPDATE bot_states SET paused_by = 'user' WHERE bot = $1", BOT)

    with pytest.raises(OrderDeniedError) as denied:
        await harness.enter()

    assert denied.value.rule == "paused_by_user"
    assert await harness.orders() == []


async def test_a_bot_that_holds_a_position_enters_no_second_one(harness: TradingHarness) -> None:
    """M5.4: one open position of a bot and symbol."""
    await harness.enter()

    with pytest.raises(OrderDeniedError) as denied:
        await harness.enter(minute=1)

    assert denied.value.rule == "position_open"
    assert len(harness.venue.submitted) == 1


async def test_never_seen_means_nothing_while_it_may_still_be_sent(harness: TradingHarness) -> None:
    """M5.2: the first look after a start waits; a later one leaves the order alone."""
    harness.venue.script.append(Behaviour.DROP_BEFORE)
    with pytest.raises(OutcomeUnknownError):
        await harness.enter()
    await harness.execute("UPDATE orders SET send_by = now() + interval '0.2 s'")
    await harness.reconciler.run()
    assert [row["status"] for row in await harness.orders()] == ["rejected"]

    harness.venue.script.append(Behaviour.DROP_BEFORE)
    with pytest.raises(OutcomeUnknownError):
        await harness.enter(minute=1)
    await harness.execute("UPDATE orders SET send_by = now() + interval '1 hour' WHERE NOT settled")
    result = await harness.reconciler.run()

    assert result.waiting == [(await harness.orders())[1]["client_order_id"]]
    assert [row["status"] for row in await harness.orders()] == ["rejected", "unknown"]


async def test_an_order_that_is_being_sent_is_not_taken_for_absent(harness: TradingHarness) -> None:
    """M5.2: a venue that is slow beyond `send_by`, and a reconciliation meanwhile."""

    async def meanwhile(_: ClientOrderId) -> None:
        await settle(harness)

    harness.venue.before_submit = meanwhile
    await harness.enter()

    assert [row["status"] for row in await harness.orders()] == ["filled"]
    assert [row["status"] for row in await harness.rows("SELECT status FROM order_events")] == [
        "filled"
    ]


async def test_a_database_that_goes_after_the_send_leaves_an_order_to_ask_about(
    harness: TradingHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """M5.1, 3.8, R6: executed and not recorded; known again when the database is back."""

    async def away(*_: object) -> None:
        raise DatabaseUnavailableError("gone")

    with monkeypatch.context() as patched:
        patched.setattr(harness.recorder, "record", away)
        with pytest.raises(DatabaseUnavailableError):
            await harness.enter()

    assert [row["status"] for row in await harness.orders()] == ["pending_new"]
    await harness.reconciler.run()
    assert [row["status"] for row in await harness.orders()] == ["filled"]
    assert len(harness.venue.submitted) == 1


async def test_what_is_being_written_down_is_no_difference(harness: TradingHarness) -> None:
    """M5.6, I2: the venue has filled what our books show a moment later; then, and only then, compare."""
    await harness.reconciler.run()
    base = next(iter(harness.symbols.values())).instrument.base_asset
    harness.venue.balances[base] = harness.venue.balances.get(base, Decimal(0)) + 1

    harness.recorder.in_flight.add(ClientOrderId("tb-on-its-way"))
    assert (await harness.reconciler.run()).differences == []

    harness.recorder.in_flight.clear()
    assert len((await harness.reconciler.run()).differences) == 1


async def test_an_answer_that_is_there_is_recorded_whoever_loses_patience(
    harness: TradingHarness,
) -> None:
    """M5.1, 2.5: the record is shielded, with a deadline of its own."""
    with anyio.CancelScope() as scope:

        async def give_up(_: ClientOrderId) -> None:
            scope.cancel()

        harness.venue.before_submit = give_up
        await harness.enter()

    assert [row["status"] for row in await harness.orders()] == ["filled"]
    assert len(harness.protection.held) == 1
    assert await harness.broken_books() == []
