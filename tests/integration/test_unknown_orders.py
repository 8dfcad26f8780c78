"""Orders whose answer was lost, at a venue that is slow, forgetful, or wrong about them."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.fakes.host import ShiftedHost
from tests.fakes.trading import BOT, NOON, SYMBOL, TradingHarness, open_harness, spec
from tests.fakes.venue import SCRIPTED, Behaviour
from tradebotd.daemon.wiring.core import TradingCore
from tradebotd.daemon.wiring.reconciliation import wire_reconciliation
from tradebotd.domain.bot import EntryKind, EntryRule
from tradebotd.domain.errors import (
    OrderDeniedError,
    OutcomeUnknownError,
    RolledBackError,
    VenueUnavailableError,
)
from tradebotd.domain.fill import Fill
from tradebotd.domain.ids import ClientOrderId, TradeId, VenueName
from tradebotd.domain.order import OrderReport, OrderRequest, OrderStatus, OrderType, TimeInForce
from tradebotd.domain.position import CloseReason
from tradebotd.domain.side import Side
from tradebotd.ports.venue import OrderLookup, Venue, VenueTraits
from tradebotd.storage.postgres.database import Database
from tradebotd.trading.execution.committed_changes import CommittedChanges
from tradebotd.trading.reconciliation.reconciler import Reconciled

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
UNKNOWN = "order_unknown"


class Doubt:
    """A harness at a venue whose "never seen" must be said three times, from two places."""

    def __init__(
        self, harness: TradingHarness, venues: dict[VenueName, Venue] | None = None
    ) -> None:
        self.harness = harness
        self.host = ShiftedHost()
        harness.venue.traits = VenueTraits()
        harness.venue.endpoints = frozenset({"open", "history"})
        core = TradingCore(
            database=harness.database,
            clock=harness.clock,
            host=self.host,
            venues={SCRIPTED: harness.venue} if venues is None else venues,
            symbols=harness.symbols,
            calendars={},
            prices=harness.prices,
            specs=harness.specs,
            lease=harness.lease,
            nonce=harness.nonce,
            currency="USDT",
            sequential=True,
        )
        self.reconciler = wire_reconciliation(core, harness.recorder).reconciler

    async def after(self, passed: timedelta) -> Reconciled:
        """So much host time later, at the venue too, it is asked again."""
        self.host.shift += passed
        self.harness.venue.ahead = self.host.shift
        return await self.reconciler.run()

    def without_venues(self) -> "Doubt":
        return Doubt(self.harness, {})

    async def minutes(self, number: int) -> None:
        for _ in range(number):
            await self.after(MINUTE)

    async def order(self) -> dict[str, Any]:
        return (await self.harness.orders())[-1]


@pytest.fixture
async def doubt(database: Database) -> Doubt:
    doubt = Doubt(await open_harness(database, spec("one"), spec("two")))
    await doubt.reconciler.run()
    return doubt


async def lose(doubt: Doubt, how: Behaviour, bot: str = BOT, minute: int = 0) -> ClientOrderId:
    doubt.harness.venue.script.append(how)
    with pytest.raises(OutcomeUnknownError):
        await doubt.harness.enter(bot, minute=minute)
    return ClientOrderId((await doubt.order())["client_order_id"])


async def test_absence_is_inferred_after_three_answers_past_the_last_moment(doubt: Doubt) -> None:
    """M5.2, R3: too early an answer counts for nothing; then it is `rejected`, and said why."""
    await lose(doubt, Behaviour.DROP_BEFORE)

    early = [await doubt.after(timedelta(seconds=1)) for _ in range(5)]
    assert [len(each.waiting) for each in early] == [1] * 5
    assert await doubt.harness.rows("SELECT * FROM order_searches") == []
    await doubt.minutes(2)
    assert (await doubt.order())["status"] == "unknown"
    assert await doubt.harness.open_alerts() == [UNKNOWN]
    await doubt.minutes(1)

    order = await doubt.order()
    assert (order["status"], order["settled"]) == ("rejected", True)
    assert order["reason"].startswith("inferred_absent: ")
    await doubt.minutes(1)
    assert await doubt.harness.open_alerts() == []


async def test_answers_of_one_place_alone_prove_nothing(doubt: Doubt) -> None:
    """2.3: a single endpoint may lag behind for as long as it likes."""
    doubt.harness.venue.endpoints = frozenset({"open"})
    await lose(doubt, Behaviour.DROP_BEFORE)
    await doubt.minutes(10)
    assert (await doubt.order())["status"] == "unknown"

    doubt.harness.venue.endpoints = frozenset({"history"})
    await doubt.minutes(1)
    assert (await doubt.order())["status"] == "rejected"


async def test_a_venue_whose_clock_is_behind_has_not_said_it_yet(doubt: Doubt) -> None:
    """2.3, R8: by the venue's clock an order may still arrive."""
    await lose(doubt, Behaviour.DROP_BEFORE)
    for _ in range(5):
        doubt.host.shift += MINUTE
        await doubt.reconciler.run()

    assert (await doubt.order())["status"] == "unknown"
    assert await doubt.harness.rows("SELECT * FROM order_searches") == []


async def test_a_venue_that_does_not_answer_leaves_an_order_unknown_with_an_alert(
    doubt: Doubt,
) -> None:
    """I7: three hours of 503; once it answers, the order is what it is."""
    await lose(doubt, Behaviour.DROP_AFTER)
    doubt.harness.venue.reads_fail = True

    for _ in range(3):
        await doubt.after(HOUR)
        assert await doubt.harness.open_alerts() == [UNKNOWN]

    told = await doubt.harness.row("SELECT message, severity FROM alerts WHERE code = $1", UNKNOWN)
    assert told == {"message": "VenueUnavailableError: 503", "severity": "critical"}
    doubt.harness.venue.reads_fail = False
    await doubt.after(MINUTE)
    assert (await doubt.order())["status"] == "filled"
    assert await doubt.harness.open_alerts() == []


async def test_an_order_of_a_venue_that_left_the_configuration_is_an_alert(doubt: Doubt) -> None:
    """I7: nobody asks any more, and nobody knows."""
    await lose(doubt, Behaviour.DROP_AFTER)
    former = doubt.without_venues()

    await former.after(MINUTE)

    assert await doubt.harness.open_alerts() == [UNKNOWN]
    await doubt.after(MINUTE)
    assert (await doubt.order())["status"] == "filled"


async def test_what_rests_is_unknown_after_ten_minutes_of_silence(database: Database) -> None:
    """I7: a moment's silence of the venue says nothing about it."""
    doubt = await limit_doubt(database)
    await doubt.harness.enter()
    doubt.harness.venue.reads_fail = True

    await doubt.minutes(10)
    assert await doubt.harness.open_alerts() == []
    await doubt.minutes(1)
    assert await doubt.harness.open_alerts() == [UNKNOWN]

    doubt.harness.venue.reads_fail = False
    await doubt.minutes(1)
    assert await doubt.harness.open_alerts() == []
    assert (await doubt.order())["status"] == "new"


async def test_a_venue_that_takes_too_long_is_asked_once_a_round(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """2.3: ten orders at a venue that hangs are not a hundred seconds."""
    doubt = Doubt(await open_harness(database, spec("one"), spec("two", "ETHUSDT")))
    await doubt.reconciler.run()
    orders = [await lose(doubt, Behaviour.DROP_AFTER, name) for name in ("one", "two")]
    asked: list[ClientOrderId] = []

    async def hangs(_: str, client_order_id: ClientOrderId) -> OrderLookup:
        asked.append(client_order_id)
        raise TimeoutError

    monkeypatch.setattr(doubt.harness.venue, "find_order", hangs)
    result = await doubt.after(MINUTE)

    assert orders[1] not in asked
    assert set(orders) <= result.failed.keys()
    assert (await doubt.harness.open_alerts()).count(UNKNOWN) == 2


async def test_an_unknown_order_keeps_its_alert_while_the_holdings_cannot_be_read(
    doubt: Doubt, monkeypatch: pytest.MonkeyPatch
) -> None:
    """I7: it is denied often enough, and the proof of its absence cannot be had."""
    await lose(doubt, Behaviour.DROP_BEFORE)
    await doubt.minutes(2)

    async def refused(*_: object) -> list[Fill]:
        raise VenueUnavailableError("503")

    monkeypatch.setattr(doubt.harness.venue, "fills_since", refused)
    await doubt.minutes(2)

    assert (await doubt.order())["status"] == "unknown"
    assert await doubt.harness.open_alerts() == [UNKNOWN]


async def test_a_false_never_seen_for_forty_minutes_ends_in_the_fill(doubt: Doubt) -> None:
    """R4: the holding speaks against absence; once the venue tells it, the order is what it is."""
    order = await lose(doubt, Behaviour.DROP_AFTER)
    doubt.harness.venue.hidden.add(order)
    doubt.harness.venue.fills, fills = [], doubt.harness.venue.fills
    await doubt.minutes(40)
    assert (await doubt.order())["status"] == "unknown"
    assert await doubt.harness.open_alerts() == [UNKNOWN, "position_differs"]

    doubt.harness.venue.hidden.clear()
    doubt.harness.venue.fills = fills
    await doubt.minutes(2)

    assert (await doubt.order())["status"] == "filled"
    assert (await doubt.harness.position())["quantity"] == 1
    assert await doubt.harness.open_alerts() == []
    assert await doubt.harness.broken_books() == []


async def test_fills_alone_are_evidence_enough(doubt: Doubt) -> None:
    """2.3, R4: the venue denies the order and tells its fill; the position is protected."""
    order = await lose(doubt, Behaviour.DROP_AFTER)
    doubt.harness.venue.hidden.add(order)

    await doubt.minutes(3)

    assert (await doubt.order())["status"] == "filled"
    assert (await doubt.harness.position())["stop_loss"] == 95
    assert await doubt.harness.broken_books() == []


@pytest.mark.parametrize("later", [HOUR, 20 * HOUR])
async def test_evidence_within_a_day_revives_what_was_inferred_absent(
    doubt: Doubt, later: timedelta
) -> None:
    """2.3, R4: executed late; found by asking, not by luck, and asked ever more seldom."""
    order = await lose(doubt, Behaviour.DROP_BEFORE)
    await doubt.minutes(3)
    assert (await doubt.order())["status"] == "rejected"
    await doubt.after(later)

    fill = late_fill(order)
    doubt.harness.venue.balances["BTC"] = Decimal(1)
    doubt.harness.venue.fills.append(fill)
    await doubt.after(later / 2)

    row = await doubt.order()
    assert (row["status"], row["filled_quantity"]) == ("filled", 1)
    assert (await doubt.harness.position())["quantity"] == 1
    assert await doubt.harness.broken_books() == []


async def test_the_asking_ends_after_a_day(doubt: Doubt) -> None:
    """2.3: bounded; afterwards nothing is asked, and nothing is read."""
    await lose(doubt, Behaviour.DROP_BEFORE)
    await doubt.minutes(3)
    doubt.harness.venue.asked_for.clear()
    for _ in range(25 * 12):
        await doubt.after(5 * MINUTE)
    asked = doubt.harness.venue.asked_for.count("find_order")

    search = await doubt.harness.row("SELECT * FROM order_searches")
    assert search["ended_at"] is not None
    assert 10 < asked < 40
    await doubt.minutes(10)
    assert doubt.harness.venue.asked_for.count("find_order") == asked


def late_fill(order: ClientOrderId, side: Side = Side.BUY, price: str = "100") -> Fill:
    return Fill(
        venue=SCRIPTED,
        symbol=SYMBOL,
        trade_id=TradeId("late"),
        client_order_id=order,
        side=side,
        quantity=Decimal(1),
        price=Decimal(price),
        fee=Decimal(0),
        fee_asset="USDT",
        executed_at=NOON,
    )


async def test_what_somebody_else_traded_keeps_no_order_unknown(doubt: Doubt) -> None:
    """M5.2, M5.6: a hand's fills on the same asset explain the difference, the order does not."""
    await lose(doubt, Behaviour.DROP_BEFORE)
    by_hand = replace(late_fill(ClientOrderId("by-hand")), quantity=Decimal("0.4"))
    doubt.harness.venue.fills.append(by_hand)
    doubt.harness.venue.balances["BTC"] = Decimal("0.4")

    await doubt.minutes(4)

    assert (await doubt.order())["status"] == "rejected"
    assert await doubt.harness.open_alerts() == ["external_position"]


async def test_more_than_somebody_else_traded_may_be_the_order(doubt: Doubt) -> None:
    """M5.2: a hand's fills that leave a part of the difference open prove no absence."""
    await lose(doubt, Behaviour.DROP_BEFORE)
    by_hand = replace(late_fill(ClientOrderId("by-hand")), quantity=Decimal("0.4"))
    doubt.harness.venue.fills.append(by_hand)
    doubt.harness.venue.balances["BTC"] = Decimal("1.4")

    await doubt.minutes(10)

    assert (await doubt.order())["status"] == "unknown"


async def test_what_can_rest_is_cancelled_by_its_id_and_stays_unknown_for_an_hour(
    database: Database,
) -> None:
    """2.3: nobody acknowledges the cancel of what never arrived; then an hour must pass."""
    doubt = await limit_doubt(database)
    await lose(doubt, Behaviour.DROP_BEFORE)

    await doubt.minutes(59)
    assert (await doubt.order())["status"] == "unknown"
    assert len(doubt.harness.venue.cancelled) == 59
    assert await doubt.harness.open_alerts() == [UNKNOWN]
    await doubt.minutes(3)

    assert (await doubt.order())["status"] == "rejected"


async def test_an_acknowledged_cancel_ends_the_search_at_once(database: Database) -> None:
    """2.3: it rested there, unseen by whoever was asked; its id was enough to end it."""
    doubt = await limit_doubt(database)
    order = await lose(doubt, Behaviour.DROP_AFTER)
    doubt.harness.venue.hidden.add(order)

    await doubt.minutes(2)

    row = await doubt.order()
    assert (row["status"], row["settled"]) == ("canceled", True)
    assert doubt.harness.venue.resting == {}
    assert await doubt.harness.open_alerts() == []


async def test_an_order_known_to_rest_is_not_lost_by_a_venue_that_forgets_it(
    database: Database,
) -> None:
    """R4: acknowledged, then denied: unknown, cancelled by its id, found again."""
    doubt = await limit_doubt(database)
    await doubt.harness.enter()
    order = ClientOrderId((await doubt.order())["client_order_id"])
    doubt.harness.venue.hidden.add(order)

    async def refused(_: ClientOrderId) -> None:
        raise OutcomeUnknownError(order)

    doubt.harness.venue.before_cancel = refused
    await doubt.minutes(5)
    assert (await doubt.order())["status"] == "unknown"
    doubt.harness.venue.hidden.clear()
    await doubt.minutes(1)

    assert (await doubt.order())["status"] == "new"


async def limit_doubt(database: Database) -> Doubt:
    limited = spec(entry=EntryRule(kind=EntryKind.LIMIT, offset=Decimal("0.01")))
    doubt = Doubt(await open_harness(database, limited))
    await doubt.reconciler.run()
    return doubt


async def test_a_resting_order_costs_one_question_and_no_row(database: Database) -> None:
    """M5.6: as long as the venue says what our row says."""
    doubt = await limit_doubt(database)
    await doubt.harness.enter()
    events = len(await doubt.harness.rows("SELECT * FROM order_events"))
    doubt.harness.venue.asked_for.clear()

    await doubt.minutes(3)

    asked = doubt.harness.venue.asked_for
    assert (asked.count("open_orders"), asked.count("find_order")) == (3, 0)
    assert len(await doubt.harness.rows("SELECT * FROM order_events")) == events


async def test_a_symbol_in_doubt_takes_no_entry_of_another_bot_and_every_exit(
    doubt: Doubt,
) -> None:
    """2.3: quarantine, from the lost answer until it is settled."""
    harness = doubt.harness
    await harness.enter("two")
    await lose(doubt, Behaviour.DROP_BEFORE)
    held = next(iter(harness.protection.held.values()))
    await harness.protection.close_now(held, CloseReason.MANUAL)
    assert (await harness.position())["closed_at"] is not None

    with pytest.raises(OrderDeniedError) as denied:
        await harness.enter("two", minute=1)
    assert denied.value.rule == UNKNOWN
    await doubt.minutes(3)
    harness.clock.advance(HOUR)
    harness.tick("100")
    await harness.enter("two", minute=2)


async def test_an_order_of_an_earlier_life_is_sought_and_its_symbol_waits(doubt: Doubt) -> None:
    """M5.6, R1: written, and the process was killed: nobody knows whether it was sent."""
    harness = doubt.harness
    order = await lose(doubt, Behaviour.DROP_BEFORE)
    await harness.execute(
        "DELETE FROM order_events WHERE order_id IN (SELECT id FROM orders WHERE client_order_id = $1)",
        order,
    )
    await harness.execute("ALTER TABLE orders DISABLE TRIGGER orders_guard")
    await harness.execute("UPDATE orders SET status = 'pending_new'")
    await harness.execute("ALTER TABLE orders ENABLE TRIGGER orders_guard")

    await doubt.minutes(1)

    assert (await doubt.order())["status"] == "unknown"
    with pytest.raises(OrderDeniedError) as denied:
        await harness.enter("two", minute=1)
    assert denied.value.rule == UNKNOWN


async def test_a_revived_exit_closes_for_the_reason_it_was_made_for(doubt: Doubt) -> None:
    """2.3, M5.4: its fill comes after the inference, and is applied to a final order."""
    harness = doubt.harness
    await harness.enter()
    harness.venue.script.append(Behaviour.DROP_BEFORE)
    await harness.stream("90")
    order = ClientOrderId((await doubt.order())["client_order_id"])
    await doubt.minutes(3)
    assert (await doubt.order())["status"] == "rejected"

    await harness.recorder.record_fills(order, [late_fill(order, Side.SELL, "89")])

    position = await harness.position()
    assert (position["quantity"], position["close_reason"]) == (0, "stop_loss")
    assert await harness.broken_books() == []


async def test_another_order_under_our_name_is_an_alert_and_not_ours(doubt: Doubt) -> None:
    """M5.1: what the venue has is compared with what was sent."""
    order = await lose(doubt, Behaviour.DROP_AFTER)
    theirs = OrderRequest(
        venue=SCRIPTED,
        symbol=SYMBOL,
        side=Side.BUY,
        type=OrderType.MARKET,
        time_in_force=TimeInForce.IOC,
        quantity=Decimal(3),
    )
    report = doubt.harness.venue.orders[order]
    doubt.harness.venue.orders[order] = replace(report, asked=theirs)

    results = [await doubt.after(MINUTE) for _ in range(2)]

    assert [order in each.failed for each in results] == [True, True]
    assert (await doubt.order())["status"] == "unknown"
    assert await doubt.harness.rows("SELECT * FROM positions") == []
    assert "order_differs" in await doubt.harness.open_alerts()
    doubt.harness.venue.orders[order] = replace(
        report, asked=replace(theirs, quantity=Decimal("1.00"))
    )
    await doubt.minutes(1)
    assert (await doubt.order())["status"] == "filled"


async def test_the_first_look_after_a_start_waits_until_nothing_can_be_sent(doubt: Doubt) -> None:
    """M5.6: by host time; the second look is the one that counts."""
    await lose(doubt, Behaviour.DROP_BEFORE)
    fresh = Doubt(doubt.harness)

    result = await fresh.reconciler.run()

    (slept,) = fresh.host.slept
    assert 0 < slept <= 2.1
    assert len(result.waiting) == 1
    assert (await doubt.order())["status"] is not OrderStatus.REJECTED


async def test_one_bought_and_one_sold_prove_no_absence_of_either(doubt: Doubt) -> None:
    """2.3: the holding is as it was; both are asked after for as long as one that can rest."""
    harness = doubt.harness
    await harness.enter()
    bought = await lose(doubt, Behaviour.DROP_AFTER, "two")
    harness.venue.script.append(Behaviour.DROP_AFTER)
    await harness.stream("90")
    sold = ClientOrderId((await doubt.order())["client_order_id"])
    harness.venue.hidden |= {bought, sold}
    harness.venue.fills_are_late = True

    await doubt.minutes(10)
    assert {each["status"] for each in await harness.orders()} == {"filled", "unknown"}
    assert await harness.open_alerts() == ["exit_refused", UNKNOWN, UNKNOWN]
    harness.venue.fills_are_late = False
    await doubt.minutes(1)

    assert {each["status"] for each in await harness.orders()} == {"filled"}
    assert await harness.broken_books() == []
    assert harness.venue.balances["BTC"] == 1


async def test_nor_do_they_where_the_venue_answers_for_one_at_a_time(
    doubt: Doubt, monkeypatch: pytest.MonkeyPatch
) -> None:
    """2.3: what no answer came about is in doubt all the same, and may have made up for the other."""
    harness = doubt.harness
    await harness.enter()
    bought = await lose(doubt, Behaviour.DROP_AFTER, "two")
    harness.venue.script.append(Behaviour.DROP_AFTER)
    await harness.stream("90")
    sold = ClientOrderId((await doubt.order())["client_order_id"])
    harness.venue.hidden |= {bought, sold}
    harness.venue.fills_are_late = True
    find, silent_about = harness.venue.find_order, bought

    async def one_at_a_time(symbol: str, order: ClientOrderId) -> OrderLookup:
        if order == silent_about:
            raise VenueUnavailableError("429")
        return await find(symbol, order)

    monkeypatch.setattr(harness.venue, "find_order", one_at_a_time)

    await doubt.minutes(5)
    silent_about = sold
    await doubt.minutes(5)

    assert {each["status"] for each in await harness.orders()} == {"filled", "unknown"}


async def test_a_cancel_that_tells_of_another_order_ends_none(database: Database) -> None:
    """2.3, M5.2: what rests there unseen goes on being sought, and the mistake is told."""
    doubt = await limit_doubt(database)
    order = await lose(doubt, Behaviour.DROP_AFTER)
    venue = doubt.harness.venue
    venue.hidden.add(order)
    another = replace(venue.orders[order], client_order_id=ClientOrderId("another"))

    async def mistaken(*_: object) -> OrderReport:
        return replace(another, status=OrderStatus.CANCELED)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(venue, "cancel", mistaken)
        await doubt.minutes(3)
        result = await doubt.after(MINUTE)
        assert "tells of another" in result.failed.get(order, "")
        assert result.resolved == 0
    await doubt.minutes(2)

    assert (await doubt.order())["status"] == "canceled"
    assert venue.resting == {}


async def test_an_answer_whose_transaction_is_rolled_back_keeps_no_other_order_in_doubt(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R5: that one is asked about again, and the others are settled in the same round."""
    harness = await open_harness(database, spec("one"), spec("two", "ETHUSDT"))
    doubt = Doubt(harness)
    await doubt.reconciler.run()
    for bot in ("one", "two"):
        harness.venue.script.append(Behaviour.DROP_AFTER)
        with pytest.raises(OutcomeUnknownError):
            await harness.enter(bot)
    first, _ = harness.venue.orders
    record = harness.recorder.record

    async def victim(report: OrderReport, *others: OrderReport) -> CommittedChanges:
        if report.client_order_id == first:
            raise RolledBackError("deadlock detected")
        return await record(report, *others)

    monkeypatch.setattr(harness.recorder, "record", victim)
    await doubt.minutes(1)
    assert [row["status"] for row in await harness.orders()] == ["unknown", "filled"]

    monkeypatch.undo()
    await doubt.minutes(1)
    assert [row["status"] for row in await harness.orders()] == ["filled", "filled"]
