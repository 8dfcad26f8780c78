"""What may be done beside a promised replacement: pure, from the groups alone."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from tradebotd.domain.denial import DenialRule
from tradebotd.domain.ids import ClientOrderId, OrderId, VenueName
from tradebotd.domain.order import OrderStatus, OrderType, TimeInForce
from tradebotd.ports.venue import Replacement
from tradebotd.storage.exit_groups import ExitGroup, GroupKind, GroupOrder, Groups
from tradebotd.trading.exits.exit_conflicts import (
    CancelAll,
    ConflictContext,
    Deny,
    Place,
    Retire,
    next_step,
)

NOON = datetime(2022, 3, 1, 12, tzinfo=UTC)
RESTING, MARKET = GroupKind.RESTING, GroupKind.MARKET


def stop(number: int) -> ExitGroup:
    """A group of one stop that rests."""
    order = GroupOrder(
        id=OrderId(number),
        client_order_id=ClientOrderId(f"tb{number}"),
        venue=VenueName("venue"),
        symbol="BTCUSDT",
        type=OrderType.STOP_MARKET,
        status=OrderStatus.NEW,
        quantity=Decimal(1),
        stop_price=Decimal(95),
        limit_price=None,
        time_in_force=TimeInForce.GTC,
        settled=False,
        send_by=NOON,
        created_at=NOON,
    )
    return ExitGroup(id=number, kind=RESTING, orders=(order,))


def context(kind: GroupKind, *, cleared: bool = False, withdrawn: bool = False) -> ConflictContext:
    return ConflictContext(
        kind=kind,
        replacement=Replacement.PROMISED,
        capped=False,
        in_flight=(),
        cleared=cleared,
        withdrawn=withdrawn,
    )


def test_what_rests_is_asked_to_be_replaced_by_what_rests_alone() -> None:
    """M5.4: no promise is for an order of another type; it goes first, then the exit is sent."""
    old = stop(1)

    assert next_step(Groups(active=old), context(RESTING)) == Place(
        retire=old, replacing=old.orders[0]
    )
    assert next_step(Groups(active=old), context(MARKET)) == Retire(old)


@pytest.mark.parametrize("cleared", [False, True])
def test_there_is_no_third_order_beside_a_promise(*, cleared: bool) -> None:
    """M5.4: a stop waits, and cancels neither."""
    old, new = stop(1), stop(2)
    step = next_step(Groups(active=new, retiring=old), context(RESTING, cleared=cleared))
    assert isinstance(step, Deny)
    assert step.rule is DenialRule.EXIT_RETIRING


def test_an_exit_at_the_market_withdraws_the_promise_then_the_old_order() -> None:
    """M5.4, M6.1: where the venue lets go of neither, it is denied and tried again."""
    old, new = stop(1), stop(2)
    both = Groups(active=new, retiring=old)

    assert next_step(both, context(MARKET)) == CancelAll(new)
    assert next_step(both, context(MARKET, withdrawn=True)) == CancelAll(old)
    empty = ExitGroup(id=2, kind=RESTING)
    kept = Groups(active=empty, retiring=old)
    assert next_step(kept, context(MARKET, withdrawn=True)) == CancelAll(old)
    step = next_step(both, context(MARKET, withdrawn=True, cleared=True))
    assert isinstance(step, Deny)
    assert step.rule is DenialRule.EXIT_RETIRING


def test_a_stop_beside_an_exit_in_doubt_is_not_withdrawn_as_a_promise() -> None:
    """M5.4: what retires is no stop that the venue replaces: the other one guards meanwhile."""
    sold = replace(stop(1).orders[0], type=OrderType.MARKET, status=OrderStatus.UNKNOWN)
    doubtful = ExitGroup(id=1, kind=MARKET, orders=(sold,))

    step = next_step(Groups(active=stop(2), retiring=doubtful), context(MARKET))

    assert step == CancelAll(doubtful)
