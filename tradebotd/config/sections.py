"""Tables of the file, each with its defaults."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, Field

from tradebotd.config.problem_text import percent
from tradebotd.config.values import (
    AmountNotNegative,
    AtrMultiple,
    Days,
    Distance,
    Duration,
    Money,
    NoStop,
    Percent,
    PositiveMoney,
    SecretReference,
    Section,
    Size,
    Speed,
    Start,
    StopDistance,
    TimeOfDay,
    ZoneName,
)
from tradebotd.risk.resting_types import STOP_LIMIT_OFFSET

TimeframeName = Literal["1m", "5m", "15m", "1h", "4h", "1d"]
# Names are used in URLs and in file names.
NAME_PATTERN: Final = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
Name = Annotated[str, Field(pattern=NAME_PATTERN)]
AccountName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,63}$")]
Share = Annotated[Percent, Field(gt=0, lt=1)]


def _usual_timeframes() -> list[TimeframeName]:
    return ["1m", "5m", "15m", "1h"]


class DaemonSection(Section):
    timezone: ZoneName = "UTC"
    account: AccountName = "default"
    state_dir: str | None = None
    socket: str | None = None
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["auto", "console", "json", "journald"] = "auto"
    when_taken: Literal["exit", "standby"] = "exit"


class DatabaseSection(Section):
    url: str = "embedded"
    password: SecretReference | None = None
    pool_min: Annotated[int, Field(ge=1, le=100)] = 2
    pool_max: Annotated[int, Field(ge=4, le=100)] = 10
    migrate_on_start: bool = True


class FeedSection(Section):
    """Feed of recorded candles (`replay`), of made-up ones (`synthetic`), or of a provider's."""

    kind: Literal["replay", "synthetic", "binance", "alpaca", "twelvedata"]
    path: str | None = None
    speed: Speed = Decimal(60)
    on_end: Literal["stop", "idle"] = "stop"
    seed: Annotated[int, Field(ge=0)] = 1
    volatility: Annotated[Percent, Field(gt=0, le=10)] = Decimal("0.6")
    start: Start = datetime(2026, 1, 1, tzinfo=UTC)
    market: Literal["spot", "usdm"] | None = None
    data_feed: Literal["iex", "sip", "otc"] | None = None
    adjust: Literal["raw", "split", "all"] | None = None
    base_url: str | None = None
    ws_url: str | None = None
    api_key: SecretReference | None = None
    api_secret: SecretReference | None = None
    credits_per_minute: Annotated[int, Field(gt=0)] | None = None
    credits_per_day: Annotated[int, Field(gt=0)] | None = None
    price_every: Duration | None = None


HIGHEST_FEE: Final = Decimal("0.1")
HIGHEST_REBATE: Final = Decimal("0.01")


def _fee(value: Decimal) -> Decimal:
    """Check a fee (fraction of the notional): above 10 % it is a percentage, or not a fee."""
    if value > HIGHEST_FEE:
        raise ValueError(
            f"{value} is a fraction of the notional, {percent(value)}: at most {HIGHEST_FEE} is"
            ' allowed; a tenth of a per cent is "0.001"'
        )
    return value


def _rebate(value: Decimal) -> Decimal:
    if value < -HIGHEST_REBATE:
        raise ValueError(
            f"{value} is a rebate of {percent(-value)} of the notional: at most"
            f" -{HIGHEST_REBATE} is allowed"
        )
    return value


def _funding(value: Decimal) -> Decimal:
    if abs(value) > HIGHEST_FEE:
        raise ValueError(
            f"{value} is a fraction of the notional, {percent(value)} each time: from"
            f" -{HIGHEST_FEE} to {HIGHEST_FEE} is allowed; a hundredth of a per cent is"
            ' "0.0001"'
        )
    return value


class FeesSection(Section):
    """Fees as fractions of the notional; the maker's may be negative (a rebate)."""

    maker: Annotated[Money, AfterValidator(_fee), AfterValidator(_rebate)] = Decimal("0.0002")
    taker: Annotated[AmountNotNegative, AfterValidator(_fee)] = Decimal("0.0004")


OrderTypeName = Literal[
    "market", "limit", "stop_market", "stop_limit", "take_profit_market", "take_profit_limit"
]


class VenueSection(Section):
    kind: Literal["paper", "binance_spot", "binance_usdm", "alpaca"]
    starting_cash: dict[str, PositiveMoney] | None = None
    fees: FeesSection = FeesSection.model_construct()
    fee_asset: Literal["quote", "base"] = "quote"
    resting_stops: bool = True
    replacement: Literal["overlap", "replace", "promised", "cancel_first"] = "replace"
    self_trade: Literal["never", "trades", "expires_resting", "expires_incoming", "rejects"] = (
        "never"
    )
    order_types: Annotated[list[OrderTypeName], Field(min_length=1)] | None = None
    stop_time_in_force: Literal["gtc", "day"] = "gtc"
    stop_limit_offset: Annotated[Percent, Field(ge=0, lt=1)] = STOP_LIMIT_OFFSET
    funding_rate: Annotated[Money, AfterValidator(_funding)] = Decimal(0)
    funding_every: Duration = timedelta(hours=8)
    slippage_bps: Annotated[AmountNotNegative, Field(le=1000)] = Decimal(1)
    spread_bps: Annotated[AmountNotNegative, Field(le=1000)] = Decimal(1)
    latency_ms: Annotated[int, Field(ge=0, le=60_000)] = 0
    depth_notional: PositiveMoney | None = None
    max_clock_offset: Duration = timedelta(seconds=1)
    base_url: str | None = None
    ws_url: str | None = None
    data_url: str | None = None
    data_feed: Literal["iex", "sip"] = "iex"
    api_key: SecretReference | None = None
    api_secret: SecretReference | None = None
    live: bool = False
    allow_unrestricted_key: bool = False


class MarginBracketSection(Section):
    """Bracket: the part of the notional (quote asset) above this needs this maintenance margin."""

    notional: PositiveMoney
    maintenance_margin: Annotated[Percent, Field(gt=0, lt=1)]


class LotSection(Section):
    """Quantities that orders of one type may have, beside those that every order may have."""

    step: PositiveMoney | None = None
    min: AmountNotNegative = Decimal(0)
    max: PositiveMoney | None = None


class PercentPriceSection(Section):
    """Limit prices, as multiples of the average price."""

    buy_below: PositiveMoney
    buy_above: PositiveMoney
    sell_below: PositiveMoney
    sell_above: PositiveMoney


class SymbolSection(Section):
    symbol: Name
    feeds: Annotated[list[str], Field(min_length=1)]
    venue: str
    names: dict[str, str] = Field(default_factory=dict)
    timeframes: list[TimeframeName] = Field(default_factory=_usual_timeframes, min_length=1)
    calendar: str = "24/7"
    tick_size: PositiveMoney = Decimal("0.01")
    lot_size: PositiveMoney = Decimal("0.00001")
    min_notional: AmountNotNegative = Decimal(5)
    min_quantity: AmountNotNegative = Decimal(0)
    max_quantity: PositiveMoney | None = None
    market_lot: LotSection | None = None
    stop_lot: LotSection | None = None
    max_notional: PositiveMoney | None = None
    notional_at_market: bool = True
    average_minutes: Annotated[int, Field(ge=0, le=60)] = 0
    min_price: AmountNotNegative = Decimal(0)
    max_price: PositiveMoney | None = None
    percent_price: PercentPriceSection | None = None
    max_orders: Annotated[int, Field(ge=1)] | None = None
    max_stops: Annotated[int, Field(ge=1)] | None = None
    order_types: Annotated[list[OrderTypeName], Field(min_length=1)] | None = None
    shortable: bool = True
    max_leverage: Annotated[int, Field(ge=1, le=125)] = 125
    maintenance_margin: Annotated[Percent, Field(ge=0, lt=1)] = Decimal("0.005")
    margin_brackets: list[MarginBracketSection] = Field(default_factory=list)
    base_asset: str | None = None
    quote_asset: str | None = None


class BreakSection(Section):
    """A break of every session by the exchange's own clock, on `days` (all)."""

    days: Days = ()
    start: TimeOfDay
    end: TimeOfDay


class CalendarSection(Section):
    """Breaks of an exchange that its table leaves out."""

    breaks: Annotated[list[BreakSection], Field(min_length=1)]


class SizingSection(Section):
    kind: Literal["fixed_quantity", "fixed_notional", "percent_equity", "risk_percent", "atr"]
    value: PositiveMoney
    multiple: PositiveMoney = Decimal(2)
    period: Annotated[int, Field(ge=2, le=200)] = 14


class BreakEvenSection(Section):
    """Break-even move: `at` this profit the stop moves to the entry price, or `lock` beyond it."""

    at: Annotated[Percent, Field(gt=0)]
    lock: Annotated[Percent, Field(ge=0)] = Decimal(0)


class LadderSection(Section):
    """Ladder step: `share` of the entered quantity is sold `at` this profit."""

    at: Annotated[Percent, Field(gt=0)]
    share: Annotated[Percent, Field(gt=0, le=1)]


def _share(value: Decimal | AtrMultiple | NoStop) -> Decimal | AtrMultiple | NoStop:
    if isinstance(value, Decimal) and not 0 < value < 1:
        raise ValueError("must be above 0% and below 100%")
    return value


def _above_zero(value: Decimal | AtrMultiple) -> Decimal | AtrMultiple:
    if isinstance(value, Decimal) and value <= 0:
        raise ValueError("must be above 0%")
    return value


class ExitsSection(Section):
    """Exits in fractions of the average entry price (`trailing_stop`: of the best price since)
    or in ATR ("2 atr"): multiples of the average true range of `atr_period` candles at the entry.
    A bot without any stop says so by `stop_loss = "none"`.
    """

    stop_loss: Annotated[StopDistance, AfterValidator(_share)] | None = None
    take_profit: Annotated[Distance, AfterValidator(_above_zero)] | None = None
    trailing_stop: Annotated[Distance, AfterValidator(_share)] | None = None
    atr_period: Annotated[int, Field(ge=2, le=200)] = 14
    break_even: BreakEvenSection | None = None
    ladder: list[LadderSection] = Field(default_factory=list)
    max_holding: Duration | None = None


class LimitsSection(Section):
    """Daily limits of a bot; losses and targets are fractions of its initial capital."""

    max_daily_trades: Annotated[int, Field(ge=1)] | None = None
    max_daily_loss: Annotated[Percent, Field(gt=0, le=1)] | None = None
    daily_target: Annotated[Percent, Field(gt=0)] | None = None
    max_orders_per_minute: Annotated[int, Field(ge=1)] = 10


# Where the table is left out. Where it stands, it says all there is: an exit left out is none.
# Made without a validator: one would be built for that alone.
USUAL_SIZING: Final = SizingSection.model_construct(kind="percent_equity", value=Decimal(10))
USUAL_EXITS: Final = ExitsSection.model_construct(
    stop_loss=Decimal("0.005"),
    take_profit=Decimal("0.015"),
    trailing_stop=Decimal("0.003"),
    max_holding=timedelta(days=3),
)
USUAL_LIMITS: Final = LimitsSection.model_construct(
    max_daily_trades=20, max_daily_loss=Decimal("0.03"), daily_target=Decimal("0.05")
)


class BotSection(Section):
    name: Name
    symbol: str
    strategy: str
    timeframe: TimeframeName = "1m"
    params: dict[str, Any] = Field(default_factory=dict)
    entry: Literal["market", "limit"] = "market"
    entry_offset: Annotated[Percent, Field(ge=0, lt=1)] = Decimal(0)
    entry_lifetime: Duration = timedelta(minutes=5)
    cooldown: Duration | None = None
    trigger_price: Literal["last", "mark", "bid_ask"] | None = None
    allow_short: bool = False
    position_type: Literal["spot", "futures"] = "spot"
    leverage: Annotated[int, Field(ge=1, le=125)] = 1
    initial_capital: PositiveMoney = Decimal(1000)
    active: bool = True
    timezone: ZoneName | None = None
    sizing: SizingSection = USUAL_SIZING
    exits: ExitsSection = USUAL_EXITS
    limits: LimitsSection = USUAL_LIMITS


class RiskSection(Section):
    """Account limits: exposure and drawdown of the equity, daily loss of the day's first equity."""

    currency: str = "USDT"
    max_orders_per_minute: Annotated[int, Field(ge=1)] = 30
    max_open_positions: Annotated[int, Field(ge=1)] = 10
    max_exposure: Annotated[Percent, Field(gt=0)] = Decimal(1)
    max_daily_loss: Annotated[Percent, Field(gt=0, le=1)] = Decimal("0.05")
    max_drawdown: Annotated[Percent, Field(gt=0, le=1)] = Decimal("0.2")
    price_collar: Annotated[Percent, Field(gt=0, le=1)] = Decimal("0.05")
    bad_tick: Annotated[Percent, Field(gt=0)] = Decimal("0.1")


class JobSection(Section):
    """Settings of any job: a schedule that replaces all default slots, and its limits."""

    every: Duration | None = None
    at: TimeOfDay | None = None
    days: Days | None = None
    timezone: ZoneName | None = None
    enabled: bool | None = None
    soft_limit: Duration | None = None
    hard_limit: Duration | None = None
    grace: Duration | None = None
    retries: Annotated[int, Field(ge=0, le=10)] | None = None
    only_when_open: bool | None = None


class HealthSection(Section):
    buy_sell_ratio: Annotated[int, Field(gt=0)] = 5
    buy_sell_for: Duration = timedelta(hours=1)
    max_position_age: Duration = timedelta(days=3)
    job_failure_rate: Percent = Decimal("0.1")
    min_free_disk: Size = 10**9


class AlertsSection(Section):
    urls: list[SecretReference] = Field(default_factory=list)
    min_severity: Literal["info", "warning", "critical"] = "warning"
