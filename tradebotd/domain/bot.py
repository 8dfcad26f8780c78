"""A bot as it was declared."""

from dataclasses import dataclass, field
from datetime import tzinfo
from decimal import Decimal
from enum import StrEnum
from typing import Any

from tradebotd.domain.exits import ExitPlan
from tradebotd.domain.ids import BotName
from tradebotd.domain.instrument import PositionType
from tradebotd.domain.timeframe import Timeframe


class SizingKind(StrEnum):
    FIXED_QUANTITY = "fixed_quantity"
    FIXED_NOTIONAL = "fixed_notional"
    PERCENT_EQUITY = "percent_equity"


@dataclass(frozen=True, slots=True, kw_only=True)
class SizingRule:
    """`value`: base asset, quote asset, or percent (10 is 10 %) of the bot's equity."""

    kind: SizingKind
    value: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class DailyLimits:
    """Fractions of the bot's initial capital; counted in the bot's own day, net of fees."""

    max_daily_trades: int | None = None
    max_daily_loss: Decimal | None = None
    daily_target: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BotSpec:
    """One `[[bots]]` entry; `day_zone` is where its day begins at midnight."""

    name: BotName
    symbol: str
    timeframe: Timeframe
    strategy: str
    params: dict[str, Any] = field(default_factory=dict)
    position_type: PositionType = PositionType.SPOT
    allow_short: bool = False
    leverage: int = 1
    initial_capital: Decimal
    active: bool = True
    sizing: SizingRule
    exits: ExitPlan
    limits: DailyLimits
    day_zone: tzinfo


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountLimits:
    """`[risk]`: exposure as a fraction of equity, `max_daily_loss` of the day's first equity,
    `max_drawdown` of the highest equity.
    """

    currency: str
    max_orders_per_minute: int
    max_open_positions: int
    max_exposure: Decimal
    max_daily_loss: Decimal
    max_drawdown: Decimal
