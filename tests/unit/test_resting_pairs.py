"""Orders that rest, and the exits of the daemon that wait for them because one price meets both."""

from decimal import Decimal

import pytest

from tests.fakes.trading import NOON
from tradebotd.domain.exit_plan import ExitPlan
from tradebotd.domain.ids import BotName, PositionId, VenueName
from tradebotd.domain.instrument import PositionType
from tradebotd.domain.order import OrderType
from tradebotd.domain.position import CloseReason, Position
from tradebotd.domain.quote import PriceKind, TriggerPrice
from tradebotd.domain.side import PositionSide
from tradebotd.risk.resting_types import RestingTypes
from tradebotd.trading.exits.exit_intents import ExitIntent, RestingPair

LAST, MARK, BID = PriceKind.LAST, PriceKind.MARK, PriceKind.BID
LIMIT, TARGET = OrderType.LIMIT, OrderType.TAKE_PROFIT_MARKET
STOP_AT, TARGET_AT = Decimal(95), Decimal(110)


def position(by: TriggerPrice) -> Position:
    return Position(
        id=PositionId(1),
        bot=BotName("one"),
        venue=VenueName("venue"),
        symbol="BTCUSDT",
        side=PositionSide.LONG,
        position_type=PositionType.FUTURES,
        quantity=Decimal(1),
        entry_price=Decimal(100),
        opened_at=NOON,
        stop_loss=STOP_AT,
        take_profit=TARGET_AT,
        trailing_stop=None,
        best_price=Decimal(100),
        exits=ExitPlan(stop_loss_price=STOP_AT, take_profit_price=TARGET_AT, trigger_price=by),
        version=1,
    )


@pytest.mark.parametrize(
    ("by", "working", "target", "stop_waits", "target_waits"),
    [
        (TriggerPrice.LAST, LAST, TARGET, True, True),
        (TriggerPrice.LAST, LAST, LIMIT, True, True),
        (TriggerPrice.MARK, MARK, TARGET, True, True),
        (TriggerPrice.MARK, MARK, LIMIT, True, False),
        (TriggerPrice.BID_ASK, BID, LIMIT, True, False),
        (TriggerPrice.MARK, LAST, TARGET, False, False),
    ],
)
def test_a_limit_on_the_book_covers_no_exit_that_another_price_meets(
    by: TriggerPrice,
    working: PriceKind,
    target: OrderType,
    *,
    stop_waits: bool,
    target_waits: bool,
) -> None:
    """M4.7: the last price may never come to it, so that the daemon's own exit goes at once."""
    held = position(by)
    pair = RestingPair(
        reason=CloseReason.STOP_LOSS,
        stop=STOP_AT,
        target=TARGET_AT,
        quantity=Decimal(1),
        working_price=working,
        types=RestingTypes(target=target),
    )
    stop = ExitIntent(position=held, reason=CloseReason.STOP_LOSS, level=STOP_AT, price=STOP_AT)
    gain = ExitIntent(
        position=held, reason=CloseReason.TAKE_PROFIT, level=TARGET_AT, price=TARGET_AT
    )

    assert (pair.covers(held, stop), pair.covers(held, gain)) == (stop_waits, target_waits)
