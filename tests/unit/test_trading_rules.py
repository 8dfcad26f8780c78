"""What a signal means, which limit is reached, whom reconciliation believes."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from tests.fakes.trading import spec
from tradebotd.domain.bot import DailyLimits
from tradebotd.domain.bot_status import RUNNING
from tradebotd.domain.ids import VenueName
from tradebotd.domain.instrument import PositionType
from tradebotd.domain.side import PositionSide
from tradebotd.domain.signal import Signal, SignalKind
from tradebotd.storage.bots import LeasedState
from tradebotd.trading.account.daily_limits import reached_limit
from tradebotd.trading.bots.decision import decide
from tradebotd.trading.reconciliation.rules import differences

BUY, SELL, NONE = SignalKind.BUY, SignalKind.SELL, SignalKind.NONE
LONG, SHORT = PositionSide.LONG, PositionSide.SHORT
TODAY = date(2022, 3, 1)
VENUE = VenueName("v")
NOW = datetime(2022, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("kind", "held", "may_short", "action", "side", "status"),
    [
        (NONE, None, True, "nothing", None, "waiting (no signal)"),
        (NONE, LONG, True, "nothing", None, "running"),
        (BUY, None, False, "enter", LONG, "running"),
        (BUY, LONG, False, "nothing", None, "running"),
        (BUY, SHORT, True, "exit", SHORT, "running"),
        (SELL, None, False, "nothing", None, "waiting (no signal)"),
        (SELL, None, True, "enter", SHORT, "running"),
        (SELL, LONG, False, "exit", LONG, "running"),
        (SELL, LONG, True, "exit", LONG, "running"),
        (SELL, SHORT, True, "nothing", None, "running"),
    ],
)
def test_a_signal_means_what_is_held_makes_of_it(
    kind: SignalKind,
    held: PositionSide | None,
    may_short: bool,  # noqa: FBT001
    action: str,
    side: PositionSide | None,
    status: str,
) -> None:
    """M4.4a: against a position it closes; a short only where it is allowed."""
    bot = spec(
        position_type=PositionType.FUTURES if may_short else PositionType.SPOT,
        allow_short=may_short,
    )
    decision = decide(bot, Signal(kind=kind, reason="said so"), held)

    assert (str(decision.action), decision.side, str(decision.status)) == (action, side, status)


def test_spot_is_never_short_even_if_it_is_allowed() -> None:
    """M4.4a."""
    bot = spec(position_type=PositionType.SPOT, allow_short=True)
    assert decide(bot, Signal(kind=SELL, reason=""), None).action == "nothing"


def state(pnl: str = "0", trades: int = 0, day: date | None = TODAY) -> LeasedState:
    return LeasedState(
        status=RUNNING,
        paused_by=None,
        day=day,
        daily_pnl=Decimal(pnl),
        daily_trades_count=trades,
        position_id=None,
        position_symbol=None,
        order_pending=False,
        entry_resting=False,
    )


@pytest.mark.parametrize(
    ("found", "limit"),
    [
        (state(), None),
        (state(trades=2), None),
        (state(trades=3), "max_daily_trades reached"),
        (state(pnl="-29.99"), None),
        (state(pnl="-30"), "max_daily_loss reached"),
        (state(pnl="49.99"), None),
        (state(pnl="50"), "daily target reached"),
        (state(pnl="-30", trades=9, day=TODAY - timedelta(days=1)), None),
        (state(trades=9, day=None), None),
    ],
)
def test_a_daily_limit_is_reached_when_it_is_met_on_its_own_day(
    found: LeasedState, limit: str | None
) -> None:
    """M4.8: of 1000 initial capital: 3 % loss, 5 % target; yesterday's counters are nothing."""
    limits = DailyLimits(
        max_daily_trades=3, max_daily_loss=Decimal("0.03"), daily_target=Decimal("0.05")
    )
    assert reached_limit(spec(limits=limits), found, TODAY) == limit


def test_differences_name_what_either_side_lacks() -> None:
    """I2."""
    ours = {"BTC": Decimal(1), "ETH": Decimal("2.0"), "SOL": Decimal(3)}
    theirs = {"BTC": Decimal("1.5"), "ETH": Decimal(2), "XRP": Decimal(4)}

    assert [str(each) for each in differences(VENUE, ours, theirs)] == [
        "we hold 1 BTC, v says 1.5",
        "we hold 3 SOL, v says 0",
        "we hold 0 XRP, v says 4",
    ]
