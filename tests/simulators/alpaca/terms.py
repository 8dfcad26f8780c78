"""Terms of an account, and of the venue where documents leave a choice."""

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal


@dataclass(kw_only=True)
class Terms:
    """An account's terms. Delays are of the simulator's clock; zero is at once, behind the answer."""

    key: str = "PKSIMULATED"
    secret: str = "simulated-secret"  # noqa: S105
    cash: Decimal = Decimal(100_000)
    multiplier: int = 2
    shorting_enabled: bool = True
    trading_blocked: bool = False
    account_blocked: bool = False
    trade_suspended_by_user: bool = False
    plan: str = "free"  # or paid: market data
    requests_per_minute: int = 200
    crypto_taker_fee: Decimal = Decimal("0.0025")
    sell_fee_per_share: Decimal = Decimal(0)  # TAF: booked on the next day, rounded up to a cent
    fractional_stops: bool = False  # the specification: market and day; the orders page: stops, too
    tells_easy_to_borrow: bool = True  # beyond its sunset, and alpaca-py 0.44 requires it
    stop_leg_status: str = "held"  # [reported] the stop of a live pair says held, not new
    routing_delay: timedelta = timedelta(0)
    cancel_delay: timedelta = timedelta(0)
    replace_delay: timedelta = timedelta(0)
    reviews_orders: bool = False  # new orders wait in pending_review until `release`
    paper: bool = True  # binary frames on /stream
    auth_timeout: float = 10.0  # seconds of real time, data stream
    channels: int = 30  # trades and quotes that the free plan may subscribe to
    storm: int = 10  # connections to /stream in a minute before they are answered 429
