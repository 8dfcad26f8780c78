"""Whatever a venue says, in whatever order and however often, an order only moves forward."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import count

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fakes.trading import ACCOUNT, NOON, SYMBOL, TradingHarness, open_harness, spec
from tests.fakes.venue import SCRIPTED
from tradebotd.clocks.host import host_now
from tradebotd.domain.fill import Fill
from tradebotd.domain.ids import BotName, ClientOrderId, TradeId, VenueOrderId, client_order_id_for
from tradebotd.domain.order import (
    FINAL,
    LEGAL_TRANSITIONS,
    OrderIntent,
    OrderReport,
    OrderRequest,
    OrderRole,
    OrderStatus,
    OrderType,
    TimeInForce,
)
from tradebotd.domain.side import Side
from tradebotd.storage import bots, orders
from tradebotd.storage.orders import NewOrder
from tradebotd.storage.postgres.database import Database

QUANTITY = Decimal(10)
NUMBERS = count(1)


@dataclass(frozen=True, slots=True)
class Said:
    """One report: a status and which of the order's fills the venue tells with it."""

    status: OrderStatus
    fills: tuple[int, ...]


statuses = st.sampled_from([each for each in OrderStatus if each is not OrderStatus.PENDING_NEW])
# Five fills of two each: whichever are told, they never exceed the order.
reports = st.builds(Said, statuses, st.lists(st.integers(0, 4), max_size=5, unique=True).map(tuple))


async def pending(harness: TradingHarness, bot: BotName) -> ClientOrderId:
    """The row of an order that was sent, and that nobody has said anything of."""
    request = OrderRequest(
        venue=SCRIPTED,
        symbol=SYMBOL,
        side=Side.BUY,
        type=OrderType.MARKET,
        time_in_force=TimeInForce.IOC,
        quantity=QUANTITY,
    )
    intent = OrderIntent(request=request, bot=bot, role=OrderRole.ENTRY, reason="because")
    async with harness.database.transaction(durable=True) as connection:
        await bots.sync_bots(connection, [spec(bot)], {}, NOON)
        number = await orders.next_id(connection)
        row = NewOrder(
            id=number,
            client_order_id=client_order_id_for(b"nonce", number),
            intent=intent,
            exits=None,
            params_hash="hash",
            send_by=host_now(),
            created_at=NOON,
        )
        await orders.insert_order(connection, ACCOUNT, harness.token, row)
    return row.client_order_id


def report(order: ClientOrderId, said: Said) -> OrderReport:
    fills = tuple(
        Fill(
            venue=SCRIPTED,
            symbol=SYMBOL,
            trade_id=TradeId(f"{order}-{number}"),
            client_order_id=order,
            side=Side.BUY,
            quantity=Decimal(2),
            price=Decimal(100 + number),
            fee=Decimal(0),
            fee_asset="USDT",
            executed_at=NOON,
        )
        for number in said.fills
    )
    return OrderReport(
        client_order_id=order,
        venue_order_id=VenueOrderId(f"v{order}"),
        status=said.status,
        filled_quantity=Decimal(2 * len(fills)),
        fills=fills,
        at=NOON,
    )


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(reports, min_size=1, max_size=8))
async def test_reports_in_any_order_move_an_order_forward_and_apply_each_fill_once(
    database: Database, said: Sequence[Said]
) -> None:
    """M5.3, M5.4, R5: against a model that knows only the table of legal transitions and a set."""
    number = next(NUMBERS)
    harness = await open_harness(database, restarted=number > 1)
    order = await pending(harness, BotName(f"bot{number}"))
    applied: set[int] = set()
    before = OrderStatus.PENDING_NEW
    for each in said:
        await harness.recorder.record(report(order, each))
        applied |= set(each.fills)
        row = await harness.row("SELECT * FROM orders WHERE client_order_id = $1", order)

        now = OrderStatus(row["status"])
        assert now is before or _reachable(before, now), f"{before} -> {now}"
        assert row["filled_quantity"] == 2 * len(applied)
        assert not row["settled"] or now in FINAL
        before = now
    held = await harness.rows("SELECT entry_quantity FROM positions WHERE bot = $1", f"bot{number}")
    assert [row["entry_quantity"] for row in held] == ([Decimal(2 * len(applied))] * bool(applied))
    assert await harness.broken_books() == []


def _reachable(start: OrderStatus, end: OrderStatus) -> bool:
    """By one report, which may bring fills and a status: two steps at most."""
    return end in LEGAL_TRANSITIONS[start] or any(
        end in LEGAL_TRANSITIONS[between] for between in LEGAL_TRANSITIONS[start]
    )
