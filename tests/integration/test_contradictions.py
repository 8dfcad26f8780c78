"""What a venue says cannot be so: denied or said by name, never lost, and the truth is taken later."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any, cast

import pytest

from tests.fakes.trading import MINUTE, NOON, SYMBOL, Desk, open_desk
from tests.fakes.venue import Behaviour
from tradebotd.domain.errors import OutcomeUnknownError
from tradebotd.domain.fill import Fill
from tradebotd.domain.ids import ClientOrderId, TradeId
from tradebotd.domain.order import OrderReport, OrderStatus
from tradebotd.domain.side import Side
from tradebotd.ports.venue import VenueAccount
from tradebotd.storage.postgres.database import Database

CONTRADICTS, BALANCE = "venue_contradicts", "balance_contradicts"
UNKNOWN, NOT_APPLIED, DIFFERS = "order_unknown", "fill_not_applied", "position_differs"
NAN = Decimal("NaN")

Lie = Callable[[OrderReport], OrderReport]


@pytest.fixture
async def desk(database: Database) -> Desk:
    desk = await open_desk(database)
    await desk.reconciler.run()
    return desk


async def lost(desk: Desk) -> ClientOrderId:
    """An entry of 1 that was executed, and nobody has told us."""
    desk.venue.script.append(Behaviour.DROP_AFTER)
    with pytest.raises(OutcomeUnknownError):
        await desk.enter()
    await desk.execute("UPDATE orders SET send_by = send_by - interval '1 minute'")
    return ClientOrderId((await desk.orders())[-1]["client_order_id"])


async def look(desk: Desk, times: int = 1) -> None:
    for _ in range(times):
        desk.clock.advance(MINUTE)
        desk.tick("100")
        await desk.reconciler.run()


def with_fill(**changes: Any) -> Lie:
    def lie(report: OrderReport) -> OrderReport:
        return replace(report, fills=tuple(replace(each, **changes) for each in report.fills))

    return lie


def but(**changes: Any) -> Lie:
    return lambda report: replace(report, **changes)


@dataclass(frozen=True)
class Kind:
    """`said`: open alerts while it lasts. `held`: what is booked of it."""

    lie: Lie
    said: tuple[str, ...]
    held: str = "0"


KINDS = {
    "more than ordered": Kind(
        but(filled_quantity=Decimal("1.5")), (UNKNOWN, CONTRADICTS), held="1"
    ),
    "more than ordered, and not all": Kind(
        but(status=OrderStatus.PARTIALLY_FILLED, filled_quantity=Decimal("1.5")),
        (UNKNOWN, CONTRADICTS),
        held="1",
    ),
    "filled, of nothing": Kind(
        but(filled_quantity=Decimal(0), fills=()), (UNKNOWN, DIFFERS, CONTRADICTS)
    ),
    "filled in part": Kind(
        but(filled_quantity=Decimal("0.3"), fills=()), (UNKNOWN, DIFFERS, CONTRADICTS)
    ),
    "less than nothing": Kind(
        but(filled_quantity=Decimal(-1), fills=()), (UNKNOWN, DIFFERS, CONTRADICTS)
    ),
    "no number": Kind(but(filled_quantity=NAN, fills=()), (UNKNOWN, DIFFERS, CONTRADICTS)),
    "a word of its own": Kind(
        but(status=cast(OrderStatus, "working"), fills=()), (UNKNOWN, DIFFERS, CONTRADICTS)
    ),
    "a word that the adapter does not know": Kind(
        but(status=OrderStatus.UNKNOWN, fills=(), filled_quantity=Decimal(0), reason="working"),
        (UNKNOWN, DIFFERS),
    ),
    "no fills": Kind(but(fills=()), (UNKNOWN, DIFFERS)),
    "fills of nothing": Kind(with_fill(quantity=Decimal(0)), (UNKNOWN, DIFFERS)),
    "fills without a price": Kind(with_fill(price=Decimal(0)), (NOT_APPLIED, DIFFERS)),
    "fills of less than nothing": Kind(
        with_fill(quantity=Decimal(-1)), (NOT_APPLIED, UNKNOWN, DIFFERS)
    ),
    "a fee that is no number": Kind(with_fill(fee=NAN), (NOT_APPLIED, DIFFERS)),
    "a time without a zone": Kind(
        with_fill(executed_at=NOON.replace(tzinfo=None)), (NOT_APPLIED, DIFFERS)
    ),
    "another order": Kind(
        but(client_order_id=ClientOrderId("another")), (UNKNOWN, DIFFERS, CONTRADICTS)
    ),
}


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS.keys())
async def test_a_report_that_cannot_be_so(desk: Desk, kind: Kind) -> None:
    """M5.2, M5.4, I7: said by name while it lasts; the truth ends it, and nothing was sent twice."""
    order = await lost(desk)
    truth, trades = desk.venue.orders[order], desk.venue.fills
    lie = kind.lie(truth)
    desk.venue.orders[order] = lie
    desk.venue.fills = [fill for fill in lie.fills if fill.executed_at.tzinfo is not None]

    await look(desk)
    assert await desk.open_alerts() == sorted(kind.said)
    await look(desk, 2)

    held = await desk.row("SELECT coalesce(sum(quantity), 0) AS held FROM positions")
    assert held["held"] == Decimal(kind.held)
    assert (await desk.orders())[0]["status"] != "rejected"
    assert len(desk.venue.submitted) == len(await desk.orders()) == 1

    desk.venue.orders[order], desk.venue.fills = truth, trades
    await look(desk, 2)

    assert (await desk.position())["quantity"] == 1
    assert [(row["status"], row["settled"]) for row in await desk.orders()] == [("filled", True)]
    assert set(await desk.open_alerts()) <= {CONTRADICTS}
    assert await desk.broken_books() == []


async def test_another_order_than_was_asked_for_is_no_answer(desk: Desk) -> None:
    """M5.2, M5.4: a fill of an order that we took for absent is told, and asked for it the venue
    tells of another: nothing is taken, that is said, and hours later the truth is still looked for.
    """
    order = await lost(desk)
    truth = desk.venue.orders.pop(order)
    trades, desk.venue.fills = desk.venue.fills, []
    held = desk.venue.balances.pop("BTC")
    await look(desk)
    assert [row["status"] for row in await desk.orders()] == ["rejected"]

    desk.venue.fills, desk.venue.balances["BTC"] = trades, held
    desk.venue.orders[order] = but(client_order_id=ClientOrderId("another"))(truth)
    desk.clock.advance(timedelta(hours=3))
    desk.tick("100")
    result = await desk.reconciler.run()
    assert "tells of another" in result.failed[order]
    assert await desk.open_alerts() == [DIFFERS, CONTRADICTS]
    assert await desk.rows("SELECT * FROM positions") == []

    desk.venue.orders[order] = truth
    desk.clock.advance(timedelta(hours=3))
    desk.tick("100")
    await look(desk, 2)

    assert (await desk.position())["quantity"] == 1
    assert [(row["status"], row["settled"]) for row in await desk.orders()] == [("filled", True)]
    assert set(await desk.open_alerts()) <= {CONTRADICTS}
    assert await desk.broken_books() == []


async def test_what_was_executed_beyond_what_was_ordered_is_held_and_said(desk: Desk) -> None:
    """M5.4: fills are facts; they are in the position, with its stop, and at the venue."""
    order = await lost(desk)
    report = desk.venue.orders[order]
    more = Decimal("1.5")
    lie = with_fill(quantity=more)(replace(report, filled_quantity=more))
    desk.venue.orders[order], desk.venue.fills = lie, list(lie.fills)
    desk.venue.balances["BTC"] = more

    await look(desk, 2)

    assert (await desk.position())["quantity"] == more
    assert [held.quantity for held in desk.protection.held.values()] == [more]
    assert set(await desk.open_alerts()) == {CONTRADICTS}
    assert (await desk.orders())[0]["settled"]


async def test_a_fill_from_the_future_counts_now_and_is_said(desk: Desk) -> None:
    """M4.9: neither tomorrow's limits nor a position that is opened tomorrow."""
    order = await lost(desk)
    tomorrow = NOON + timedelta(days=1)
    lie = with_fill(executed_at=tomorrow)(desk.venue.orders[order])
    desk.venue.orders[order], desk.venue.fills = lie, list(lie.fills)

    await look(desk, 2)

    assert (await desk.position())["opened_at"] == NOON + MINUTE
    assert (await desk.state())["day"] == NOON.date()
    assert (await desk.row("SELECT executed_at FROM fills"))["executed_at"] == tomorrow
    assert await desk.open_alerts() == [CONTRADICTS]


async def test_an_order_that_rested_is_told_by_name_when_its_fills_are_missing_for_long(
    desk: Desk,
) -> None:
    """I7: executed at the venue, and ten minutes later nobody has told what at which price."""
    order = await lost(desk)
    lie = replace(desk.venue.orders[order], fills=())
    await desk.recorder.record(lie)
    desk.venue.orders[order], desk.venue.fills = lie, []

    await look(desk)

    assert (await desk.orders())[0]["status"] == "filled"
    assert DIFFERS in await desk.open_alerts()


ACCOUNTS = {
    "below nothing": ({"BTC": Decimal(-1)}, {}, "its balance is -1"),
    "no number": ({"BTC": NAN}, {}, "its balance is NaN"),
    "infinite": ({"BTC": Decimal("Infinity")}, {}, "its balance is Infinity"),
    "more locked than there is": (
        {"BTC": Decimal(1)},
        {"BTC": Decimal(2)},
        "2 is locked of 1",
    ),
    "less than nothing locked": ({"BTC": Decimal(1)}, {"BTC": Decimal(-1)}, "-1 is locked of 1"),
}


@pytest.mark.parametrize(("balances", "locked", "words"), ACCOUNTS.values(), ids=ACCOUNTS.keys())
async def test_an_account_that_cannot_be_so(
    desk: Desk,
    monkeypatch: pytest.MonkeyPatch,
    balances: dict[str, Decimal],
    locked: dict[str, Decimal],
    words: str,
) -> None:
    """M5.6, I2: said by name; one that is no numbers is compared with nothing."""
    await desk.enter()

    async def account() -> VenueAccount:
        return VenueAccount(balances=balances, locked=locked)

    with monkeypatch.context() as patched:
        patched.setattr(desk.venue, "account", account)
        await look(desk, 2)
        result = await desk.reconciler.run()

    told = await desk.row(
        "SELECT subject, message FROM alerts WHERE code = $1 AND cleared_at IS NULL", BALANCE
    )
    assert told == {"subject": "scripted BTC", "message": words}
    assert ("scripted" in result.failed) == (not balances["BTC"].is_finite())
    assert (await desk.position())["quantity"] == 1

    await look(desk)
    assert await desk.open_alerts() == []


@pytest.mark.parametrize("price", [Decimal(0), Decimal(-1), NAN, Decimal("Infinity")])
async def test_a_quote_that_is_no_price_ends_nothing(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, price: Decimal
) -> None:
    """M4.5: no stop has been met; that there is no price is in the sweep's outcome."""
    await desk.enter()
    desk.clock.advance(timedelta(minutes=10))

    async def quotes(_: object) -> dict[str, Decimal]:
        return {SYMBOL: price}

    monkeypatch.setattr(desk.venue, "quotes", quotes)
    swept = await desk.protection.sweep(desk.clock.now())

    assert (await desk.position())["quantity"] == 1
    assert swept.failed


async def test_a_trade_of_nobody_that_is_none_stops_no_look(desk: Desk) -> None:
    """M5.6: one line of a list of trades is no number; the others are read."""
    await desk.venue.trade_by_hand(SYMBOL, Side.BUY, "1")
    (trade,) = desk.venue.fills
    nonsense: Fill = replace(trade, trade_id=TradeId("x"), quantity=NAN)
    desk.venue.fills.append(nonsense)

    await look(desk)

    kept = await desk.rows("SELECT trade_id, quantity FROM external_fills")
    assert kept == [{"trade_id": trade.trade_id, "quantity": Decimal(1)}]
    assert await desk.open_alerts() == ["external_position"]
