"""What a venue says cannot be so: denied or said by name, never lost, and the truth is taken later."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any, cast

import pytest

from tests.fakes.trading import MINUTE, NOON, SYMBOL, TradingHarness, open_harness
from tests.fakes.venue import Behaviour
from tradebotd.domain.errors import OutcomeUnknownError
from tradebotd.domain.fill import Fill
from tradebotd.domain.ids import ClientOrderId, TradeId
from tradebotd.domain.order import OrderReport, OrderStatus
from tradebotd.domain.quote import Quote
from tradebotd.domain.side import Side
from tradebotd.ports.venue import VenueAccount
from tradebotd.storage.postgres.database import Database

CONTRADICTS, BALANCE = "venue_contradicts", "balance_contradicts"
UNKNOWN, NOT_APPLIED, DIFFERS = "order_unknown", "fill_not_applied", "position_differs"
NAN = Decimal("NaN")

Lie = Callable[[OrderReport], OrderReport]


@pytest.fixture
async def harness(database: Database) -> TradingHarness:
    harness = await open_harness(database)
    await harness.reconciler.run()
    return harness


async def lost(harness: TradingHarness) -> ClientOrderId:
    """An entry of 1 that was executed, and nobody has told us."""
    harness.venue.script.append(Behaviour.DROP_AFTER)
    with pytest.raises(OutcomeUnknownError):
        await harness.enter()
    await harness.execute("UPDATE orders SET send_by = send_by - interval '1 minute'")
    return ClientOrderId((await harness.orders())[-1]["client_order_id"])


async def look(harness: TradingHarness, times: int = 1) -> None:
    for _ in range(times):
        harness.clock.advance(MINUTE)
        harness.tick("100")
        await harness.reconciler.run()


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
async def test_a_report_that_cannot_be_so(harness: TradingHarness, kind: Kind) -> None:
    """M5.2, M5.4, I7: said by name while it lasts; the truth ends it, and nothing was sent twice."""
    order = await lost(harness)
    truth, trades = harness.venue.orders[order], harness.venue.fills
    lie = kind.lie(truth)
    harness.venue.orders[order] = lie
    harness.venue.fills = [fill for fill in lie.fills if fill.executed_at.tzinfo is not None]

    await look(harness)
    assert await harness.open_alerts() == sorted(kind.said)
    await look(harness, 2)

    held = await harness.row("SELECT coalesce(sum(quantity), 0) AS held FROM positions")
    assert held["held"] == Decimal(kind.held)
    assert (await harness.orders())[0]["status"] != "rejected"
    assert len(harness.venue.submitted) == len(await harness.orders()) == 1

    harness.venue.orders[order], harness.venue.fills = truth, trades
    await look(harness, 2)

    assert (await harness.position())["quantity"] == 1
    assert [(row["status"], row["settled"]) for row in await harness.orders()] == [("filled", True)]
    assert set(await harness.open_alerts()) <= {CONTRADICTS}
    assert await harness.broken_books() == []


async def test_another_order_than_was_asked_for_is_no_answer(harness: TradingHarness) -> None:
    """M5.2, M5.4: a fill of an order that we took for absent is told, and asked for it the venue
    tells of another: nothing is taken, that is said, and hours later the truth is still looked for.
    """
    order = await lost(harness)
    truth = harness.venue.orders.pop(order)
    trades, harness.venue.fills = harness.venue.fills, []
    held = harness.venue.balances.pop("BTC")
    await look(harness)
    assert [row["status"] for row in await harness.orders()] == ["rejected"]

    harness.venue.fills, harness.venue.balances["BTC"] = trades, held
    harness.venue.orders[order] = but(client_order_id=ClientOrderId("another"))(truth)
    harness.clock.advance(timedelta(hours=3))
    harness.tick("100")
    result = await harness.reconciler.run()
    assert "tells of another" in result.failed[order]
    assert await harness.open_alerts() == [DIFFERS, CONTRADICTS]
    assert await harness.rows("SELECT * FROM positions") == []

    harness.venue.orders[order] = truth
    harness.clock.advance(timedelta(hours=3))
    harness.tick("100")
    await look(harness, 2)

    assert (await harness.position())["quantity"] == 1
    assert [(row["status"], row["settled"]) for row in await harness.orders()] == [("filled", True)]
    assert set(await harness.open_alerts()) <= {CONTRADICTS}
    assert await harness.broken_books() == []


async def test_what_was_executed_beyond_what_was_ordered_is_held_and_said(
    harness: TradingHarness,
) -> None:
    """M5.4: fills are facts; they are in the position, with its stop, and at the venue."""
    order = await lost(harness)
    report = harness.venue.orders[order]
    more = Decimal("1.5")
    lie = with_fill(quantity=more)(replace(report, filled_quantity=more))
    harness.venue.orders[order], harness.venue.fills = lie, list(lie.fills)
    harness.venue.balances["BTC"] = more

    await look(harness, 2)

    assert (await harness.position())["quantity"] == more
    assert [held.quantity for held in harness.protection.held.values()] == [more]
    assert set(await harness.open_alerts()) == {CONTRADICTS}
    assert (await harness.orders())[0]["settled"]


async def test_a_fill_from_the_future_counts_now_and_is_said(harness: TradingHarness) -> None:
    """M4.9: neither tomorrow's limits nor a position that is opened tomorrow."""
    order = await lost(harness)
    tomorrow = NOON + timedelta(days=1)
    lie = with_fill(executed_at=tomorrow)(harness.venue.orders[order])
    harness.venue.orders[order], harness.venue.fills = lie, list(lie.fills)

    await look(harness, 2)

    assert (await harness.position())["opened_at"] == NOON + MINUTE
    assert (await harness.state())["day"] == NOON.date()
    assert (await harness.row("SELECT executed_at FROM fills"))["executed_at"] == tomorrow
    assert await harness.open_alerts() == [CONTRADICTS]


async def test_an_order_that_rested_is_told_by_name_when_its_fills_are_missing_for_long(
    harness: TradingHarness,
) -> None:
    """I7: executed at the venue, and ten minutes later nobody has told what at which price."""
    order = await lost(harness)
    lie = replace(harness.venue.orders[order], fills=())
    await harness.recorder.record(lie)
    harness.venue.orders[order], harness.venue.fills = lie, []

    await look(harness)

    assert (await harness.orders())[0]["status"] == "filled"
    assert DIFFERS in await harness.open_alerts()


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
    harness: TradingHarness,
    monkeypatch: pytest.MonkeyPatch,
    balances: dict[str, Decimal],
    locked: dict[str, Decimal],
    words: str,
) -> None:
    """M5.6, I2: said by name; one that is no numbers is compared with nothing."""
    await harness.enter()

    async def account() -> VenueAccount:
        return VenueAccount(balances=balances, locked=locked)

    with monkeypatch.context() as patched:
        patched.setattr(harness.venue, "account", account)
        await look(harness, 2)
        result = await harness.reconciler.run()

    told = await harness.row(
        "SELECT subject, message FROM alerts WHERE code = $1 AND cleared_at IS NULL", BALANCE
    )
    assert told == {"subject": "scripted BTC", "message": words}
    assert ("scripted" in result.failed) == (not balances["BTC"].is_finite())
    assert (await harness.position())["quantity"] == 1

    await look(harness)
    assert await harness.open_alerts() == []


@pytest.mark.parametrize("price", [Decimal(0), Decimal(-1), NAN, Decimal("Infinity")])
async def test_a_quote_that_is_no_price_ends_nothing(
    harness: TradingHarness, monkeypatch: pytest.MonkeyPatch, price: Decimal
) -> None:
    """M4.5: no stop has been met; that there is no price is in the sweep's outcome."""
    await harness.enter()
    harness.clock.advance(timedelta(minutes=10))

    async def quotes(_: object) -> dict[str, Quote]:
        return {SYMBOL: Quote(last=price)}

    monkeypatch.setattr(harness.venue, "quotes", quotes)
    swept = await harness.protection.sweep(harness.clock.now())

    assert (await harness.position())["quantity"] == 1
    assert swept.failed


async def test_a_trade_of_nobody_that_is_none_stops_no_look(harness: TradingHarness) -> None:
    """M5.6: one line of a list of trades is no number; the others are read."""
    await harness.venue.trade_by_hand(SYMBOL, Side.BUY, "1")
    (trade,) = harness.venue.fills
    nonsense: Fill = replace(trade, trade_id=TradeId("x"), quantity=NAN)
    harness.venue.fills.append(nonsense)

    await look(harness)

    kept = await harness.rows("SELECT trade_id, quantity FROM external_fills")
    assert kept == [{"trade_id": trade.trade_id, "quantity": Decimal(1)}]
    assert await harness.open_alerts() == ["external_position"]
