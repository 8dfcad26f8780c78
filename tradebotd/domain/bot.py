"""A bot as it was declared."""

from dataclasses import dataclass, field
from datetime import timedelta, tzinfo
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
    RISK_PERCENT = "risk_percent"
    ATR = "atr"


@dataclass(frozen=True, slots=True, kw_only=True)
class SizingRule:
    """`value`: base asset, quote asset, or percent (10 is 10 %) of the bot's equity.

    `risk_percent`: what may be lost between the entry and its stop-loss; `atr`: between the entry
    and `multiple` times the average true range of `period` candles.
    """

    kind: SizingKind
    value: Decimal
    multiple: Decimal = Decimal(2)
    period: int = 14


@dataclass(frozen=True, slots=True, kw_only=True)
class DailyLimits:
    """Fractions of the bot's initial capital; counted in the bot's own day, net of fees.

    `max_orders_per_minute` guards against a bot that runs away, entries only.
    """

    max_daily_trades: int | None = None
    max_daily_loss: Decimal | None = None
    daily_target: Decimal | None = None
    max_orders_per_minute: int = 10


class EntryKind(StrEnum):
    MARKET = "market"
    LIMIT = "limit"


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryRule:
    """`offset`: how far (a fraction) below the price a buy rests, above it a sell; limit only.

    `lifetime`: market time until what rests is cancelled.
    """

    kind: EntryKind = EntryKind.MARKET
    offset: Decimal = Decimal(0)
    lifetime: timedelta = timedelta(minutes=5)


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
    entry: EntryRule = field(default_factory=EntryRule)
    cooldown: timedelta | None = None  # market time without an entry after a stop


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountLimits:
    """`[risk]`: exposure as a fraction of equity, `max_daily_loss` of the day's first equity,
    `max_drawdown` of the highest equity. `price_collar`: how far from the reference price an entry
    may be; `bad_tick`: how far from the last price a tick must be confirmed by a second one.
    """

    currency: str
    max_orders_per_minute: int
    max_open_positions: int
    max_exposure: Decimal
    max_daily_loss: Decimal
    max_drawdown: Decimal
    price_collar: Decimal = Decimal("0.05")
    bad_tick: Decimal = Decimal("0.1")
