"""A venue closes a position of ours by force: it is ours, counted, said, and nothing is left over."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.fakes.resting import assert_one_truth, open_resting_harness, stops, sweep
from tests.fakes.trading import BOT, MINUTE, SYMBOL, TradingHarness, open_harness, spec
from tests.fakes.venue import SCRIPTED, Behaviour
from tests.integration.test_limit_entries_on_paper import PaperHarness
from tradebotd.domain.errors import RefusedError
from tradebotd.domain.exit_plan import ExitPlan
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


async def opened(database: Database, side: PositionSide = LONG) -> TradingHarness:
    one = spec(
        position_type=PositionType.FUTURES,
        allow_short=True,
        leverage=10,
        exits=ExitPlan(stop_loss=D("0.05")),
    )
    harness = await open_harness(database, one)
    await harness.reconciler.run()
    await harness.enter(side=side)
    return harness


async def forced(
    harness: TradingHarness,
    price: str,
    quantity: str = "1",
    name: str = "autoclose-1",
    side: Side = Side.SELL,
) -> OrderReport:
    """The venue closes so much of it at *price*, and takes the loss since 100 from the cash."""
    harness.tick(price)
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
    report = await harness.venue.order_by_hand(name, request)
    harness.venue.balances["USDT"] += (D(price) - 100) * D(quantity) * -side.sign
    return report


async def again(harness: TradingHarness) -> None:
    """A minute later: what reconciliation and the sweep do."""
    harness.clock.advance(MINUTE)
    price = harness.prices.price(SYMBOL)
    harness.tick(str(price))
    await harness.reconciler.run()
    await harness.protection.sweep(harness.clock.now())


async def alerts(harness: TradingHarness) -> list[dict[str, Any]]:
    return await harness.rows(
        "SELECT code, severity, subject, message FROM alerts WHERE cleared_at IS NULL"
    )


async def assert_closed_once(harness: TradingHarness, price: str, pnl: str) -> None:
    position = await harness.position()
    assert (position["quantity"], position["close_reason"]) == (0, CloseReason.EXTERNAL)
    assert position["exit_price"] == D(price)
    assert position["realized_pnl"] == D(pnl)
    assert (await harness.state())["daily_pnl"] == D(pnl)
    assert not (await harness.state())["in_position"]
    assert harness.protection.held == {}
    assert [each["code"] for each in await alerts(harness)] == [CODE]
    assert await harness.broken_books() == []


@pytest.mark.parametrize("streamed", [True, False])
@pytest.mark.parametrize(
    ("side", "price", "pnl"), [(LONG, "90", "-10.076"), (SHORT, "110", "-10.084")]
)
async def test_a_liquidation_is_ours_by_stream_and_by_reconcile_and_once(
    database: Database, side: PositionSide, price: str, pnl: str, *, streamed: bool
) -> None:
    """R13, M4.8: closed as `external` at its price; in the bot's day; no exit is sent after it."""
    harness = await opened(database, side)
    if streamed:
        listen_as_daemon(harness)
    report = await forced(harness, price, side=side.exit)
    if streamed:
        await assert_closed_once(harness, price, pnl)
    for _ in range(3):
        await again(harness)
        await harness.recorder.on_order_report(report)

    await assert_closed_once(harness, price, pnl)
    assert len(harness.venue.submitted) == 1
    (alert,) = await alerts(harness)
    assert alert["severity"] == "critical"
    assert alert["subject"] == f"scripted {SYMBOL}"
    assert "liquidation" in alert["message"]
    assert BOT in alert["message"]


@pytest.mark.parametrize("answer", [Behaviour.REJECT, Behaviour.DROP_BEFORE])
async def test_a_stop_that_is_refused_because_the_venue_has_just_closed_it_is_no_lost_stop(
    database: Database, answer: Behaviour
) -> None:
    """M5.7: the position ends while its stop is on its way; no alert about it stays open."""
    harness = await open_resting_harness(database, Replacement.OVERLAP)
    listen_as_daemon(harness)
    await harness.enter()
    harness.venue.script.append(answer)

    async def closed_first(client_order_id: ClientOrderId) -> None:
        harness.venue.before_submit = None
        del client_order_id
        await forced(harness, "96")

    harness.venue.before_submit = closed_first
    await sweep(harness, 3)

    assert harness.protection.held == {}
    assert [each["code"] for each in await alerts(harness)] == [CODE]


async def snapshot(harness: TradingHarness) -> str:
    """What becomes of the equity snapshot of a minute later."""
    harness.clock.advance(MINUTE)
    harness.tick(str(harness.prices.price(SYMBOL)))
    job = EquitySnapshot(entries=harness.entries, database=harness.database, clock=harness.clock)
    return str((await job.run(harness.context())).items)


@pytest.mark.parametrize(
    ("side", "price", "cash"), [(LONG, "90", "989.964"), (SHORT, "110", "989.956")]
)
async def test_a_liquidation_that_nobody_has_told_yet_is_no_withdrawal(
    database: Database, side: PositionSide, price: str, cash: str
) -> None:
    """M4.8: the cash has lost it, and our books hold the position: the snapshot waits for them."""
    harness = await opened(database, side)
    harness.venue.balances = {"USDT": D(1000)}
    await snapshot(harness)
    await forced(harness, price, side=side.exit)
    harness.venue.balances["USDT"] += 10  # the venue takes it from the cash itself, too

    assert "skipped" in await snapshot(harness)
    await again(harness)
    assert await snapshot(harness) == "{}"

    assert await harness.rows("SELECT * FROM transfers") == []
    assert [each["code"] for each in await alerts(harness)] == [CODE]
    row = await harness.row(
        "SELECT equity FROM equity_snapshots WHERE bot IS NULL ORDER BY ts DESC LIMIT 1"
    )
    assert row["equity"] == D(cash)


async def test_a_difference_that_lasts_keeps_no_snapshot_waiting_for_ever(
    database: Database,
) -> None:
    """R13: somebody else's position in our symbol: nobody books it, and the limits go on."""
    harness = await opened(database)
    harness.venue.positions[SYMBOL] += 1

    assert "skipped" in await snapshot(harness)
    assert "skipped" in await snapshot(harness)
    harness.clock.advance(MINUTE)

    assert await snapshot(harness) == "{}"


async def test_differences_of_which_none_lasts_keep_no_snapshot_waiting_for_ever(
    database: Database,
) -> None:
    """R13: somebody trades in our symbol all the time: each size is new, and the limits go on."""
    harness = await opened(database)
    taken = 0
    for _ in range(10):
        harness.venue.positions[SYMBOL] += 1
        taken += await snapshot(harness) == "{}"

    assert taken


async def test_less_than_a_lot_keeps_no_snapshot_waiting(database: Database) -> None:
    """R13: what earlier positions have left there; a venue closes whole lots."""
    harness = await opened(database)
    harness.venue.positions[SYMBOL] += D("0.0005")

    assert await snapshot(harness) == "{}"


def listen_as_daemon(harness: TradingHarness) -> None:
    harness.venue.listen(harness.recorder.on_order_report)


@pytest.mark.parametrize("streamed", [True, False])
async def test_deleveraging_takes_a_part_and_then_another_by_the_same_name(
    database: Database, *, streamed: bool
) -> None:
    """R13: `adl_autoclose` is the client id of each of them; the rest keeps its stop."""
    harness = await opened(database)
    if streamed:
        listen_as_daemon(harness)
    await forced(harness, "110", "0.4", "adl_autoclose")
    await again(harness)
    (held,) = harness.protection.held.values()
    assert (held.quantity, held.stop_loss) == (D("0.6"), D(95))
    (alert,) = await alerts(harness)
    assert (alert["severity"], "0.6 is left" in alert["message"]) == ("warning", True)

    del harness.venue.orders[ClientOrderId("adl_autoclose")]  # the venue has it by its own number
    await forced(harness, "108", "0.1", "adl_autoclose")
    await again(harness)
    assert (await harness.position())["quantity"] == D("0.5")
    harness.tick("94")
    await harness.protection.sweep(harness.clock.now())

    position = await harness.position()
    assert (position["quantity"], position["close_reason"]) == (0, CloseReason.STOP_LOSS)
    assert position["exit_price"] == D("0.4") * 110 + D("0.1") * 108 + D("0.5") * 94
    assert await harness.broken_books() == []


@pytest.mark.parametrize("streamed", [True, False])
async def test_what_rests_for_it_follows_and_goes(database: Database, *, streamed: bool) -> None:
    """M5.7: the stop at the venue is of what is left; behind a closed position there is none."""
    harness = await open_resting_harness(database, Replacement.OVERLAP)
    harness.venue.listen(harness.recorder.on_order_report if streamed else nobody)
    await harness.reconciler.run()
    await harness.enter()
    await sweep(harness, 2)
    assert stops(harness) == [(D("95.00"), D(1))]

    await forced(harness, "100", "0.4", "adl_autoclose")
    await again(harness)
    await sweep(harness, 3)
    assert stops(harness) == [(D("95.00"), D("0.6"))]
    await forced(harness, "96", "0.6", "settlement_autoclose-1")
    await again(harness)
    await sweep(harness, 3)

    assert stops(harness) == []
    assert (await harness.position())["close_reason"] == CloseReason.EXTERNAL
    await assert_one_truth(harness)


async def nobody(_: OrderReport) -> None:
    """A stream that is down."""


async def test_a_forced_close_while_our_own_exit_is_on_its_way(database: Database) -> None:
    """I1: the venue was faster; the exit finds nothing to reduce, and leaves nothing behind."""
    harness = await opened(database)
    listen_as_daemon(harness)

    async def first(_: ClientOrderId) -> None:
        harness.venue.before_submit = None
        await forced(harness, "90")

    harness.venue.before_submit = first
    harness.tick("94")
    await harness.protection.sweep(harness.clock.now())
    await again(harness)

    await assert_closed_once(harness, "90", "-10.076")
    statuses = [(row["role"], row["status"], row["settled"]) for row in await harness.orders()]
    assert sorted(statuses) == [
        ("entry", "filled", True),
        ("exit", "filled", True),
        ("exit", "rejected", True),
    ]


async def test_a_part_before_our_own_exit_that_is_told_after_it(database: Database) -> None:
    """R5: our exit got what was left; the earlier fill closes the position when it is told."""
    harness = await opened(database)
    await forced(harness, "98", "0.4", "adl_autoclose")
    harness.venue.thin.append(D("0.6"))
    harness.tick("94")
    harness.venue.positions[SYMBOL] = D(1)  # reduce-only: the venue trims it to what is there
    await harness.protection.sweep(harness.clock.now())
    harness.venue.positions[SYMBOL] = D(0)
    assert (await harness.position())["quantity"] == D("0.4")

    await again(harness)

    assert (await harness.position())["close_reason"] == CloseReason.EXTERNAL
    assert await harness.broken_books() == []
    assert [each["code"] for each in await alerts(harness)] == [CODE]


async def test_a_forced_close_that_comes_after_our_own_exit_is_somebody_elses(
    database: Database,
) -> None:
    """M5.6: the account holds more of it by hand; what was closed by force was not ours."""
    harness = await opened(database)
    (held,) = harness.protection.held.values()
    await harness.protection.close_now(held, CloseReason.SIGNAL)
    await harness.venue.trade_by_hand(SYMBOL, Side.BUY, "1")
    harness.clock.advance(MINUTE)
    await harness.enter(minute=1)  # of a later position it is none either
    early = harness.clock.now() - timedelta(seconds=1)
    report = await forced(harness, "99")
    late = replace(report.fills[0], executed_at=early)
    harness.venue.fills[-1] = late

    await harness.recorder.on_order_report(replace(report, fills=(late,)))
    await again(harness)

    assert [row["close_reason"] for row in await harness.rows(POSITIONS)] == ["signal", None]
    assert CODE not in [each["code"] for each in await alerts(harness)]


POSITIONS = "SELECT close_reason FROM positions ORDER BY id"


async def test_more_than_we_hold_closes_ours_and_the_rest_is_not_ours(database: Database) -> None:
    """M5.6, R13: one liquidation of our 1 and of somebody's 2."""
    harness = await opened(database)
    await harness.venue.trade_by_hand(SYMBOL, Side.BUY, "2")
    await again(harness)
    await forced(harness, "90", "3")
    await again(harness)
    await again(harness)

    position = await harness.position()
    assert (position["quantity"], position["close_reason"]) == (0, CloseReason.EXTERNAL)
    assert position["exit_price"] == 90
    assert [each["code"] for each in await alerts(harness)] == [CODE]
    assert await harness.broken_books() == []


async def test_a_forced_close_is_told_for_a_day(database: Database) -> None:
    """M8: nothing has to be done for it to end."""
    harness = await opened(database)
    await forced(harness, "90")
    await again(harness)
    for _ in range(2):
        harness.clock.advance(timedelta(hours=11))
        await again(harness)
        assert [each["code"] for each in await alerts(harness)] == [CODE]
    harness.clock.advance(timedelta(hours=2))

    await again(harness)

    assert await alerts(harness) == []


async def test_one_that_was_kept_and_not_booked_is_booked_after_a_restart(
    database: Database,
) -> None:
    """I1: killed between the two."""
    harness = await opened(database)
    report = await forced(harness, "90")
    async with database.transaction(durable=True) as connection:
        await externals.insert_fills(connection, report.fills)
    one = harness.specs[BotName(BOT)]

    after = await open_harness(database, one, venue=harness.venue, restarted=True)
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
    harness = await open_harness(database, one)
    paper = PaperHarness(harness)
    await harness.reconciler.run()
    await harness.enter(side=side)

    await paper.point(price)
    await again(harness)

    position = await harness.position()
    assert (position["quantity"], position["close_reason"]) == (0, CloseReason.EXTERNAL)
    assert D(least) < position["realized_pnl"] < D(-9)
    cash = (await paper.venue.account()).balances["USDT"]
    assert abs(cash - 10_000 - position["realized_pnl"]) < D("1e-18")
    assert [each["code"] for each in await alerts(harness)] == [CODE]
    assert harness.protection.held == {}


async def test_what_is_adopted_out_of_a_position_that_has_closed_is_refused(
    database: Database,
) -> None:
    """M5.6: it closed between the look and the booking; nothing of somebody else's trade is booked
    as an exit of ours beyond what was held, and the next look judges it again.
    """
    harness = await opened(database)
    (held,) = harness.protection.held.values()
    await harness.protection.close_now(held, CloseReason.SIGNAL)
    orders = AdoptedOrders(
        database=database,
        recorder=harness.recorder,
        clock=harness.clock,
        lease=harness.lease,
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
        executed_at=harness.clock.now(),
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

    assert len(await harness.orders()) == 2
    assert await harness.rows("SELECT * FROM external_fills") == []
    assert await harness.open_alerts() == []
