from dataclasses import replace
from decimal import Decimal

import pytest

from tradebotd.domain.bot import AccountLimits
from tradebotd.domain.errors import OrderDeniedError
from tradebotd.domain.ids import BotName, PositionId, VenueName
from tradebotd.domain.order import OrderIntent, OrderRequest, OrderRole, OrderType, TimeInForce
from tradebotd.domain.side import Side
from tradebotd.risk.limits import AccountState, ApprovedOrder, approve_entry, approve_exit

LIMITS = AccountLimits(
    currency="USDT",
    max_orders_per_minute=30,
    max_open_positions=10,
    max_exposure=Decimal(1),
    max_daily_loss=Decimal("0.05"),
    max_drawdown=Decimal("0.2"),
)
STATE = AccountState(
    equity=Decimal(1000),
    exposure=Decimal(800),
    open_positions=9,
    orders_last_minute=29,
    day_start_equity=Decimal(1050),
    peak_equity=Decimal(1200),
)
ENTRY = OrderIntent(
    request=OrderRequest(
        venue=VenueName("paper"),
        symbol="BTCUSDT",
        side=Side.BUY,
        type=OrderType.MARKET,
        time_in_force=TimeInForce.IOC,
        quantity=Decimal(2),
    ),
    bot=BotName("bot"),
    role=OrderRole.ENTRY,
    reason="test",
)
EXIT = replace(ENTRY, role=OrderRole.EXIT, position_id=PositionId(1))


def test_an_entry_at_the_edge_of_every_limit_is_approved() -> None:
    """M4.8"""
    assert approve_entry(ENTRY, Decimal(100), STATE, LIMITS).intent is ENTRY


@pytest.mark.parametrize(
    ("rule", "state"),
    [
        ("max_open_positions", replace(STATE, open_positions=10)),
        ("max_orders_per_minute", replace(STATE, orders_last_minute=30)),
        ("max_exposure", replace(STATE, exposure=Decimal("800.01"))),
        ("max_daily_loss", replace(STATE, day_start_equity=Decimal(1053))),
        ("max_drawdown", replace(STATE, peak_equity=Decimal(1250))),
    ],
)
def test_each_limit_denies_entries_by_its_name_and_never_exits(
    rule: str, state: AccountState
) -> None:
    """M4.8: any of them halts entries, never exits."""
    with pytest.raises(OrderDeniedError) as denied:
        approve_entry(ENTRY, Decimal(100), state, LIMITS)
    assert denied.value.rule == rule
    assert approve_exit(EXIT).intent is EXIT


def test_nobody_else_makes_an_approved_order() -> None:
    """M4.8: the type is the proof."""
    with pytest.raises(TypeError):
        ApprovedOrder(ENTRY, object())
    with pytest.raises(TypeError):
        replace(approve_exit(EXIT), proof=None)


def test_an_entry_cannot_pass_as_an_exit() -> None:
    """M4.8"""
    with pytest.raises(ValueError, match="not approved as an exit"):
        approve_exit(ENTRY)
    with pytest.raises(ValueError, match="not approved as an entry"):
        approve_entry(EXIT, Decimal(1), STATE, LIMITS)
