"""The JSON shapes of bots and their decisions."""

from datetime import date
from typing import Any, Literal

from pydantic import Field

from tradebotd.control.messages.positions import Position, Trade
from tradebotd.control.wire import Instant, Message, Money


class Bot(Message):
    name: str
    bot: str
    symbol: str
    venue: str | None = None
    place: str | None = None  # live (real money), demo, testnet, paper, simulator, not live
    timeframe: str | None
    strategy: str | None
    active: bool
    orphaned: bool
    status: str
    doing: str = ""
    in_position: bool
    paused_by: Literal["limit", "user"] | None
    day: date | None
    daily_pnl: Money
    currency: str = ""  # the account's, of `daily_pnl`
    daily_unconverted: dict[str, Money] = Field(default_factory=dict)  # by asset: no rate is known
    daily_trades_count: int
    last_run_at: Instant | None
    last_error_message: str | None


class Decision(Message):
    id: int
    candle_ts: Instant
    intent: str
    signal: str
    reason: str
    path: str
    indicators: dict[str, Any]
    order_id: int | None
    decided_at: Instant


class BotDetail(Bot):
    config: dict[str, Any]
    position: Position | None
    trades: list[Trade]
    decisions: list[Decision]
