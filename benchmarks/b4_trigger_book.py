"""B4: ticks through 1,000 and 10,000 positions of one symbol, quiet, then all of them trailing.

No floor is taken: a peer (nautilus) needs 0.08 ms a tick, and 3.8 ms where stops trail.
"""

import gc
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from benchmarks.cluster import Cluster
from benchmarks.measure import Limit, Options, Row, stopwatch
from tradebotd.domain.exit_plan import ExitPlan
from tradebotd.domain.ids import BotName, PositionId, VenueName
from tradebotd.domain.instrument import PositionType
from tradebotd.domain.position import Position
from tradebotd.domain.side import PositionSide
from tradebotd.risk.tick_filter import TickFilter
from tradebotd.risk.trigger_book import TriggerBook

POSITIONS: Final = 1_000
MANY: Final = 10_000
TICKS: Final = 500_000
SYMBOL: Final = "BTCUSDT"
TICK_SIZE: Final = Decimal("0.01")
OPENED_AT: Final = datetime(2022, 1, 1, tzinfo=UTC)


def measure(cluster: Cluster, options: Options) -> list[Row]:  # noqa: ARG001 - needs no database
    still = [Decimal(100) + (i % 300) * TICK_SIZE for i in range(TICKS)]
    rising = [Decimal(101) + i * TICK_SIZE for i in range(TICKS)]
    # Every other tick is a new best, and the one after it turns back by five ticks.
    turning = [Decimal(101) + (i // 2 - i % 2 * 5) * TICK_SIZE for i in range(TICKS)]
    rows = []
    for count in (POSITIONS, MANY):
        rows += [
            Row(
                budget="B4",
                work=f"trigger book, {count:,} positions, quiet",
                unit="ticks/s",
                rounds=_rates(still, options, count, trailing=False),
                limit=Limit(sense="at least", value=1_000_000),
            ),
            Row(
                budget="B4",
                work=f"{count:,} positions, every tick moves every trailing stop",
                unit="ticks/s",
                rounds=_rates(rising, options, count, trailing=True),
                limit=Limit(sense="at least", value=500_000),
            ),
            Row(
                budget="B4",
                work=f"{count:,} positions, the price turns at every other tick",
                unit="ticks/s",
                rounds=_rates(turning, options, count, trailing=True),
                note="no budget: what the lazy fences cost when they must be known",
            ),
        ]
    rows.append(
        Row(
            budget="B4",
            work="the guard against bad ticks, alone",
            unit="ticks/s",
            rounds=tuple(_guard_rate(still) for _ in range(options.rounds)),
            note="no budget: it stands before the book",
        )
    )
    return rows


def _rates(
    prices: Sequence[Decimal], options: Options, count: int, *, trailing: bool
) -> tuple[float, ...]:
    return tuple(_rate(prices, count, trailing=trailing) for _ in range(options.rounds))


def _rate(prices: Sequence[Decimal], count: int, *, trailing: bool) -> float:
    book = _book(count, trailing=trailing)
    tick = book.tick
    met = 0
    gc.collect()
    with stopwatch() as elapsed:
        for price in prices:
            if tick(SYMBOL, price):
                met += 1
    if met:
        raise AssertionError(f"{met} ticks triggered: this is no quiet book")
    if trailing:
        _check_all_trailed(book, max(prices))
    return len(prices) / elapsed.seconds


def _guard_rate(prices: Sequence[Decimal]) -> float:
    accept = TickFilter(Decimal("0.1")).accept
    doubted = 0
    gc.collect()
    with stopwatch() as elapsed:
        for price in prices:
            if not accept(SYMBOL, price):
                doubted += 1
    if doubted:
        raise AssertionError(f"{doubted} ticks were doubted: none is bad")
    return len(prices) / elapsed.seconds


def _check_all_trailed(book: TriggerBook, best: Decimal) -> None:
    """The speed counts only if every stop is where a naive book would have it."""
    for number in range(1, len(book) + 1):
        if book.best_price(PositionId(number)) != best:
            raise AssertionError(f"position {number} did not trail to {best}")


def _book(count: int, *, trailing: bool) -> TriggerBook:
    book = TriggerBook()
    for number in range(1, count + 1):
        book.add(_position(number, trailing=trailing), TICK_SIZE)
    return book


def _position(number: int, *, trailing: bool) -> Position:
    """Each with an entry, a stop, a target, and seventeen different trailing distances.

    Every other one of those that trail does so by an amount, as by the average true range.
    """
    entry = Decimal(100) + (number % 100) * TICK_SIZE
    distance = Decimal("0.1") + Decimal(number % 17) / 1000
    by_amount = number % 2 == 0
    return Position(
        id=PositionId(number),
        bot=BotName(f"bot{number}"),
        venue=VenueName("paper"),
        symbol=SYMBOL,
        side=PositionSide.LONG,
        position_type=PositionType.SPOT,
        quantity=Decimal(1),
        entry_price=entry,
        opened_at=OPENED_AT,
        stop_loss=entry * Decimal("0.8"),
        take_profit=entry * (1_000_000 if trailing else Decimal("1.2")),
        trailing_stop=None,
        best_price=entry,
        exits=ExitPlan(
            stop_loss=Decimal("0.2"),
            take_profit=Decimal(999_999) if trailing else Decimal("0.2"),
            trailing_stop=distance if trailing and not by_amount else None,
            trailing_stop_atr=100 * distance if trailing and by_amount else None,
            atr=Decimal(1),
        ),
        version=1,
    )
