"""A venue closes a position of ours by force: it is ours, counted, said, and nothing is left over."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.fakes.resting import assert_one_truth, open_resting_desk, stops, sweep
from tests.fakes.trading import BOT, MINUTE, SYMBOL, Desk, open_desk, spec
from tests.fakes.venue import SCRIPTED, Behaviour
from tests.integration.test_limit_entries_on_paper import PaperDesk
from tradebotd.domain.errors import RefusedError
from tradebotd.domain.exits import ExitPlan
from tradebotd.domain.fill import Fill
from tradebotd.domain.ids import BotName, ClientOrderId, TradeId
from tradebotd.domain.instrument import PositionType
from tradebotd.domain.order import OrderReport, OrderRequest, OrderType, TimeInForce
from tradebotd.domain.position import CloseReason
from tradebotd.domain.side import PositionSide, Side
from tradebotd.jobs.equity_snapshot import EquitySnapshot
from tradebotd.ports.venue import Replacement
from tradebotd.storage import externals
from tradebotd.storage.postgres.database import Database
from tradebotd.trading.reconciliation.adopted_orders import Adopted, AdoptedOrders

D = Decimal
LONG, SHORT = PositionSide.LONG, PositionSide.SHORT
CODE = "forced_close"


async def opened(database: Database, side: PositionSide = LONG) -> Desk:
    one = spec(
        position_type=PositionType.FUTURES,
        allow_short=True,
        leverage=10,
        exits=ExitPlan(stop_loss=D("0.05")),
    )
    desk = await open_desk(database, one)
    await desk.reconciler.run()
    await desk.enter(side=side)
    return desk


async def forced(
    desk: Desk, price: str, quantity: str = "1", name: str = "autoclose-1", side: Side = Side.SELL
) -> OrderReport:
    """The venue closes so much of it at *price*, and takes the loss since 100 from the cash."""
    desk.tick(price)
    request = OrderRequest(
        venue=SCRIPTED,
        symbol=SYMBOL,
        side=side,
        type=OrderType.MARKET,
        time_in_force=TimeInForce.IOC,
        quantity=D(quantity),
        position_type=PositionType.FUTURES,
        reduce_only=True,
    )
    report = await desk.venue.order_by_hand(name, request)
    desk.venue.balances["USDT"] += (D(price) - 100) * D(quantity) * -side.sign
    return report


async def again(desk: Desk) -> None:
    """A minute later: what reconciliation and the sweep do."""
    desk.clock.advance(MINUTE)
    price = desk.prices.price(SYMBOL)
    desk.tick(str(price))
    await desk.reconciler.run()
    await desk.protection.sweep(desk.clock.now())


async def alerts(desk: Desk) -> list[dict[str, Any]]:
    return await desk.rows(
        "SELECT code, severity, subject, message FROM alerts WHERE cleared_at IS NULL"
    )


async def assert_closed_once(desk: Desk, price: str, pnl: str) -> None:
    position = await desk.position()
    assert (position["quantity"], position["close_reason"]) == (0, CloseReason.EXTERNAL)
    assert position["exit_price"] == D(price)
    assert position["realized_pnl"] == D(pnl)
    assert (await desk.state())["daily_pnl"] == D(pnl)
    assert not (await desk.state())["in_position"]
    assert desk.protection.held == {}
    assert [each["code"] for each in await alerts(desk)] == [CODE]
    assert await desk.broken_books() == []


@pytest.mark.parametrize("streamed", [True, False])
@pytest.mark.parametrize(
    ("side", "price", "pnl"), [(LONG, "90", "-10.076"), (SHORT, "110", "-10.084")]
)
async def test_a_liquidation_is_ours_by_stream_and_by_reconcile_and_once(
    database: Database, side: PositionSide, price: str, pnl: str, *, streamed: bool
) -> None:
    """R13, M4.8: closed as `external` at its price; in the bot's day; no exit is sent after it."""
    desk = await opened(database, side)
    if streamed:
        listen_as_daemon(desk)
    report = await forced(desk, price, side=side.exit)
    if streamed:
        await assert_closed_once(desk, price, pnl)
    for _ in range(3):
        await again(desk)
        await desk.recorder.hear(report)

    await assert_closed_once(desk, price, pnl)
    assert len(desk.venue.submitted) == 1
    (alert,) = await alerts(desk)
    assert alert["severity"] == "critical"
    assert alert["subject"] == f"scripted {SYMBOL}"
    assert "liquidation" in alert["message"]
    assert BOT in alert["message"]


@pytest.mark.parametrize("answer", [Behaviour.REJECT, Behaviour.DROP_BEFORE])
async def test_a_stop_that_is_refused_because_the_venue_has_just_closed_it_is_no_lost_stop(
    database: Database, answer: Behaviour
) -> None:
    """M5.7: the position ends while its stop is on its way; no alert about it stays open."""
    desk = await open_resting_desk(database, Replacement.OVERLAP)
    listen_as_daemon(desk)
    await desk.enter()
    desk.venue.script.append(answer)

    async def closed_first(client_order_id: ClientOrderId) -> None:
        desk.venue.before_submit = None
        del client_order_id
        await forced(desk, "96")

    desk.venue.before_submit = closed_first
    await sweep(desk, 3)

    assert desk.protection.held == {}
    assert [each["code"] for each in await alerts(desk)] == [CODE]


async def snapshot(desk: Desk) -> str:
    """What becomes of the equity snapshot of a minute later."""
    desk.clock.advance(MINUTE)
    desk.tick(str(desk.prices.price(SYMBOL)))
    job = EquitySnapshot(entries=desk.entries, database=desk.database, clock=desk.clock)
    return str((await job.run(desk.context())).items)


@pytest.mark.parametrize(
    ("side", "price", "cash"), [(LONG, "90", "989.964"), (SHORT, "110", "989.956")]
)
async def test_a_liquidation_that_nobody_has_told_yet_is_no_withdrawal(
    database: Database, side: PositionSide, price: str, cash: str
) -> None:
    """M4.8: the cash has lost it, and our books hold the position: the snapshot waits for them."""
    desk = await opened(database, side)
    desk.venue.balances = {"USDT": D(1000)}
    await snapshot(desk)
    await forced(desk, price, side=side.exit)
    desk.venue.balances["USDT"] += 10  # the venue takes it from the cash itself, too

    assert "skipped" in await snapshot(desk)
    await again(desk)
    assert await snapshot(desk) == "{}"

    assert await desk.rows("SELECT * FROM transfers") == []
    assert [each["code"] for each in await alerts(desk)] == [CODE]
    row = await desk.row(
        "SELECT equity FROM equity_snapshots WHERE bot IS NULL ORDER BY ts DESC LIMIT 1"
    )
    assert row["equity"] == D(cash)


async def test_a_difference_that_lasts_keeps_no_snapshot_waiting_for_ever(
    database: Database,
) -> None:
    """R13: somebody else's position in our symbol: nobody books it, and the limits go on."""
    desk = await opened(database)
    desk.venue.positions[SYMBOL] += 1

    assert "skipped" in await snapshot(desk)
    assert "skipped" in await snapshot(desk)
    desk.clock.advance(MINUTE)

    assert await snapshot(desk) == "{}"


async def test_differences_of_which_none_lasts_keep_no_snapshot_waiting_for_ever(
    database: Database,
) -> None:
    """R13: somebody trades in our symbol all the time: each size is new, and the limits go on."""
    desk = await opened(database)
    taken = 0
    for _ in range(10):
        desk.venue.positions[SYMBOL] += 1
        taken += await snapshot(desk) == "{}"

    assert taken


async def test_less_than_a_lot_keeps_no_snapshot_waiting(database: Database) -> None:
    """R13: what earlier positions have left there; a venue closes whole lots."""
    desk = await opened(database)
    desk.venue.positions[SYMBOL] += D("0.0005")

    assert await snapshot(desk) == "{}"


def listen_as_daemon(desk: Desk) -> None:
    desk.venue.listen(desk.recorder.hear)


@pytest.mark.parametrize("streamed", [True, False])
async def test_deleveraging_takes_a_part_and_then_another_by_the_same_name(
    database: Database, *, streamed: bool
) -> None:
    """R13: `adl_autoclose` is the client id of each of them; the rest keeps its stop."""
    desk = await opened(database)
    if streamed:
        listen_as_daemon(desk)
    await forced(desk, "110", "0.4", "adl_autoclose")
    await again(desk)
    (held,) = desk.protection.held.values()
    assert (held.quantity, held.stop_loss) == (D("0.6"), D(95))
    (alert,) = await alerts(desk)
    assert (alert["severity"], "0.6 is left" in alert["message"]) == ("warning", True)

    del desk.venue.orders[ClientOrderId("adl_autoclose")]  # the venue has it by its own number
    await forced(desk, "108", "0.1", "adl_autoclose")
    await again(desk)
    assert (await desk.position())["quantity"] == D("0.5")
    desk.tick("94")
    await desk.protection.sweep(desk.clock.now())

    position = await desk.position()
    assert (position["quantity"], position["close_reason"]) == (0, CloseReason.STOP_LOSS)
    assert position["exit_price"] == D("0.4") * 110 + D("0.1") * 108 + D("0.5") * 94
    assert await desk.broken_books() == []


@pytest.mark.parametrize("streamed", [True, False])
async def test_what_rests_for_it_follows_and_goes(database: Database, *, streamed: bool) -> None:
    """M5.7: the stop at the venue is of what is left; behind a closed position there is none."""
    desk = await open_resting_desk(database, Replacement.OVERLAP)
    desk.venue.listen(desk.recorder.hear if streamed else nobody)
    await desk.reconciler.run()
    await desk.enter()
    await sweep(desk, 2)
    assert stops(desk) == [(D("95.00"), D(1))]

    await forced(desk, "100", "0.4", "adl_autoclose")
    await again(desk)
    await sweep(desk, 3)
    assert stops(desk) == [(D("95.00"), D("0.6"))]
    await forced(desk, "96", "0.6", "settlement_autoclose-1")
    await again(desk)
    await sweep(desk, 3)

    assert stops(desk) == []
    assert (await desk.position())["close_reason"] == CloseReason.EXTERNAL
    await assert_one_truth(desk)


async def nobody(_: OrderReport) -> None:
    """A stream that is down."""


async def test_a_forced_close_while_our_own_exit_is_on_its_way(database: Database) -> None:
    """I1: the venue was faster; the exit finds nothing to reduce, and leaves nothing behind."""
    desk = await opened(database)
    listen_as_daemon(desk)

    async def first(_: ClientOrderId) -> None:
        desk.venue.before_submit = None
        await forced(desk, "90")

    desk.venue.before_submit = first
    desk.tick("94")
    await desk.protection.sweep(desk.clock.now())
    await again(desk)

    await assert_closed_once(desk, "90", "-10.076")
    statuses = [(row["role"], row["status"], row["settled"]) for row in await desk.orders()]
    assert sorted(statuses) == [
        ("entry", "filled", True),
        ("exit", "filled", True),
        ("exit", "rejected", True),
    ]


async def test_a_part_before_our_own_exit_that_is_told_after_it(database: Database) -> None:
    """R5: our exit got what was left; the earlier fill closes the position when it is told."""
    desk = await opened(database)
    await forced(desk, "98", "0.4", "adl_autoclose")
    desk.venue.thin.append(D("0.6"))
    desk.tick("94")
    desk.venue.positions[SYMBOL] = D(1)  # reduce-only: the venue trims it to what is there
    await desk.protection.sweep(desk.clock.now())
    desk.venue.positions[SYMBOL] = D(0)
    assert (await desk.position())["quantity"] == D("0.4")

    await again(desk)

    assert (await desk.position())["close_reason"] == CloseReason.EXTERNAL
    assert await desk.broken_books() == []
    assert [each["code"] for each in await alerts(desk)] == [CODE]


async def test_a_forced_close_that_comes_after_our_own_exit_is_somebody_elses(
    database: Database,
) -> None:
    """M5.6: the account holds more of it by hand; what was closed by force was not ours."""
    desk = await opened(database)
    (held,) = desk.protection.held.values()
    await desk.protection.close_by_hand(held, CloseReason.SIGNAL)
    await desk.venue.trade_by_hand(SYMBOL, Side.BUY, "1")
    desk.clock.advance(MINUTE)
    await desk.enter(minute=1)  # of a later position it is none either
    early = desk.clock.now() - timedelta(seconds=1)
    report = await forced(desk, "99")
    late = replace(report.fills[0], executed_at=early)
    desk.venue.fills[-1] = late

    await desk.recorder.hear(replace(report, fills=(late,)))
    await again(desk)

    assert [row["close_reason"] for row in await desk.rows(POSITIONS)] == ["signal", None]
    assert CODE not in [each["code"] for each in await alerts(desk)]


POSITIONS = "SELECT close_reason FROM positions ORDER BY id"


async def test_more_than_we_hold_closes_ours_and_the_rest_is_not_ours(database: Database) -> None:
    """M5.6, R13: one liquidation of our 1 and of somebody's 2."""
    desk = await opened(database)
    await desk.venue.trade_by_hand(SYMBOL, Side.BUY, "2")
    await again(desk)
    await forced(desk, "90", "3")
    await again(desk)
    await again(desk)

    position = await desk.position()
    assert (position["quantity"], position["close_reason"]) == (0, CloseReason.EXTERNAL)
    assert position["exit_price"] == 90
    assert [each["code"] for each in await alerts(desk)] == [CODE]
    assert await desk.broken_books() == []


async def test_a_forced_close_is_told_for_a_day(database: Database) -> None:
    """M8: nothing has to be done for it to end."""
    desk = await opened(database)
    await forced(desk, "90")
    await again(desk)
    for _ in range(2):
        desk.clock.advance(timedelta(hours=11))
        await again(desk)
        assert [each["code"] for each in await alerts(desk)] == [CODE]
    desk.clock.advance(timedelta(hours=2))

    await again(desk)

    assert await alerts(desk) == []


async def test_one_that_was_kept_and_not_booked_is_booked_after_a_restart(
    database: Database,
) -> None:
    """I1: killed between the two."""
    desk = await opened(database)
    report = await forced(desk, "90")
    async with database.transaction(durable=True) as connection:
        await externals.insert_fills(connection, report.fills)
    one = desk.specs[BotName(BOT)]

    after = await open_desk(database, one, venue=desk.venue, restarted=True)
    after.tick("90")
    await after.reconciler.run()

    await assert_closed_once(after, "90", "-10.076")


@pytest.mark.parametrize(
    ("side", "price", "least"), [(LONG, "80", "-10.2"), (SHORT, "120", "-10.2")]
)
async def test_the_paper_venues_own_liquidation(
    database: Database, side: PositionSide, price: str, least: str
) -> None:
    """M6.4, R13: our books are the venue's again, and lose what its margin was."""
    one = spec(
        position_type=PositionType.FUTURES,
        allow_short=True,
        leverage=10,
        exits=ExitPlan(take_profit=D("0.5")),
    )
    desk = await open_desk(database, one)
    paper = PaperDesk(desk)
    await desk.reconciler.run()
    await desk.enter(side=side)

    await paper.point(price)
    await again(desk)

    position = await desk.position()
    assert (position["quantity"], position["close_reason"]) == (0, CloseReason.EXTERNAL)
    assert D(least) < position["realized_pnl"] < D(-9)
    cash = (await paper.venue.account()).balances["USDT"]
    assert abs(cash - 10_000 - position["realized_pnl"]) < D("1e-18")
    assert [each["code"] for each in await alerts(desk)] == [CODE]
    assert desk.protection.held == {}


async def test_what_is_adopted_out_of_a_position_that_has_closed_is_refused(
    database: Database,
) -> None:
    """M5.6: it closed between the look and the booking; nothing of somebody else's trade is booked
    as an exit of ours beyond what was held, and the next look judges it again.
    """
    desk = await opened(database)
    (held,) = desk.protection.held.values()
    await desk.protection.close_by_hand(held, CloseReason.SIGNAL)
    orders = AdoptedOrders(
        database=database,
        recorder=desk.recorder,
        clock=desk.clock,
        lease=desk.lease,
        nonce=b"nonce",
    )
    theirs = Fill(
        venue=SCRIPTED,
        symbol=SYMBOL,
        trade_id=TradeId("theirs"),
        client_order_id=None,
        side=Side.SELL,
        quantity=D(1),
        price=D(100),
        fee=D(0),
        fee_asset="USDT",
        executed_at=desk.clock.now(),
    )
    adopted = Adopted(
        bot=held.bot,
        fills=[theirs],
        position_type=PositionType.FUTURES,
        leverage=10,
        held=held,
    )

    with pytest.raises(RefusedError, match="traded just now"):
        await orders.book(adopted)

    assert len(await desk.orders()) == 2
    assert await desk.rows("SELECT * FROM external_fills") == []
    assert await desk.open_alerts() == []
