"""Bots as declared in the configuration, and the limits of their account."""

from dataclasses import dataclass, field
from datetime import timedelta, tzinfo
from decimal import Decimal
from enum import StrEnum
from typing import Any

from tradebotd.domain.exit_plan import ExitPlan
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
    """Sizing of a bot's entries.

    `value`: base asset, quote asset, or percent (10 is 10 %) of the bot's equity, depending on
    `kind`. For `risk_percent` it is the possible loss between the entry and its stop-loss; for
    `atr`, between the entry and `multiple` times the average true range of `period` candles.
    """

    kind: SizingKind
    value: Decimal
    multiple: Decimal = Decimal(2)
    period: int = 14


@dataclass(frozen=True, slots=True, kw_only=True)
class DailyLimits:
    """Limits of a bot's day.

    Loss and target are fractions of the bot's initial capital, net of fees, in the bot's own day.
    `max_orders_per_minute` guards against a runaway bot; it applies to entries only.
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
    """Order type of a bot's entries.

    `offset`: distance from the price, as a fraction: a buy rests below it, a sell above; limit
    only. `lifetime`: market time until a resting entry is cancelled.
    """

    kind: EntryKind = EntryKind.MARKET
    offset: Decimal = Decimal(0)
    lifetime: timedelta = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class BotSpec:
    """One `[[bots]]` entry; the bot's day begins at midnight in `day_zone`."""

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
    """Limits of the account, from `[risk]`.

    `max_exposure` is a fraction of equity, `max_daily_loss` of the day's first equity,
    `max_drawdown` of the highest equity. `price_collar`: how far from the reference price an entry
    may be; `bad_tick`: distance from the last price beyond which a second tick must confirm one.
    """

    currency: str
    max_orders_per_minute: int
    max_open_positions: int
    max_exposure: Decimal
    max_daily_loss: Decimal
    max_drawdown: Decimal
    price_collar: Decimal = Decimal("0.05")
    bad_tick: Decimal = Decimal("0.1")
