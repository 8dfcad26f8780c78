"""Local order books by the simulators' depth streams: right, or waiting for a snapshot."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.simulators.binance.spot.market import Market as SpotMarket
from tests.simulators.binance.spot.venue import Venue as SpotVenue
from tests.simulators.binance.usdm.channels import Channels
from tests.simulators.binance.usdm.market_state import MarketState
from tests.simulators.binance.usdm.venue import Venue as UsdmVenue
from tradebotd.feeds.binance.depth_messages import depth_event_of, snapshot_of
from tradebotd.feeds.binance.order_book import (
    MOST_WAITING,
    DepthEvent,
    Snapshot,
    SpotBook,
    State,
    UsdmBook,
)
from tradebotd.net.answers import Source, Value

MOVES = st.lists(
    st.tuples(
        st.dictionaries(st.integers(90, 99), st.integers(1, 9), min_size=1, max_size=6),
        st.dictionaries(st.integers(100, 109), st.integers(1, 9), min_size=1, max_size=6),
        st.sampled_from(["take", "take", "take", "lose", "snapshot", "old snapshot"]),
    ),
    min_size=1,
    max_size=25,
)
Levels = list[tuple[Decimal, Decimal]]


class Clock:
    def now_ms(self) -> int:
        return 1_700_000_000_000


def read(told: Any) -> tuple[Value, Source]:
    source = Source("test", json.dumps(told, default=str).encode())
    return source.json(), source


@dataclass
class Spot:
    """One market of the simulator, and what its depth stream has told since it was asked."""

    events: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.venue = SpotVenue(Clock())
        self.market: SpotMarket = self.venue.markets["BTCUSDT"]
        self.venue.market_followers.append(self._happened)

    def _happened(self, _: SpotMarket, kind: str, payload: Any) -> None:
        if kind == "depth":
            self.events.append(dict(payload))

    def move(self, bids: dict[int, int], asks: dict[int, int]) -> None:
        self.venue.quote("BTCUSDT", _words(bids), _words(asks))

    def snapshot(self) -> Any:
        return self.market.depth(5000)

    def truth(self) -> tuple[Levels, Levels]:
        return self.market.levels(bids=True), self.market.levels(bids=False)


class Usdm:
    def __init__(self) -> None:
        self.events: list[Any] = []
        self.venue = UsdmVenue(Clock().now_ms)
        self.market = self.venue.market["BTCUSDT"]
        self.channels = Channels(self.venue.market, MarketState(self.venue.market))
        self.channels.depth(self.market)
        self.venue.market.on_change.append(
            lambda market: self.events.append(self.channels.depth(market))
        )

    def move(self, bids: dict[int, int], asks: dict[int, int]) -> None:
        self.venue.market.set_book("BTCUSDT", _decimals(bids, best=-1), _decimals(asks, best=1))

    def snapshot(self) -> Any:
        """F19: its id lies within the next event."""
        bids, asks = self.truth()
        rows = [[[str(p), str(q)] for p, q in side] for side in (bids, asks)]
        return {"lastUpdateId": self.market.update_id + 1, "bids": rows[0], "asks": rows[1]}

    def truth(self) -> tuple[Levels, Levels]:
        sides = (self.market.bids, self.market.asks)
        bids, asks = ([(level.price, level.quantity) for level in side] for side in sides)
        return bids, asks


def _words(side: dict[int, int]) -> list[tuple[str, str]]:
    return [(str(price), str(quantity)) for price, quantity in side.items()]


def _decimals(side: dict[int, int], best: int) -> Levels:
    rows = [(Decimal(price), Decimal(quantity)) for price, quantity in side.items()]
    return sorted(rows, key=lambda row: best * row[0])


def follow(venue: Spot | Usdm, book: SpotBook | UsdmBook, moves: Any) -> int:
    """Have the book follow, with events lost and snapshots late; the times that it was compared."""
    compared, old = 0, venue.snapshot()
    for bids, asks, what in moves:
        before = len(venue.events)
        if what == "old snapshot":
            old = venue.snapshot()
        venue.move(bids, asks)
        for event in venue.events[before:]:
            if what != "lose":
                book.take(depth_event_of(*read(event)))
        if what == "snapshot" and book.state is State.WAITING:
            book.begin(snapshot_of(*read(venue.snapshot())))
        elif what == "old snapshot" and book.state is State.WAITING:
            book.begin(snapshot_of(*read(old)))
        if what != "lose" and (len(venue.events) > before or what == "snapshot"):
            compared += _compare(venue, book)
    return compared


def _compare(venue: Spot | Usdm, book: SpotBook | UsdmBook) -> int:
    top = book.top(100)
    if top is None:
        return 0
    bids, asks = venue.truth()
    assert top.bids == bids
    assert top.asks == asks
    return 1


@settings(max_examples=150, deadline=None)
@given(MOVES)
def test_a_book_of_spot_is_right_or_waits(moves: Any) -> None:
    """S15: whatever is lost, and however late a snapshot is."""
    follow(Spot(), SpotBook(), moves)


@settings(max_examples=150, deadline=None)
@given(MOVES)
def test_a_book_of_usdm_is_right_or_waits(moves: Any) -> None:
    """F19: the same, by another rule."""
    follow(Usdm(), UsdmBook(), moves)


def quiet(make: Callable[[], Spot | Usdm], book: SpotBook | UsdmBook) -> int:
    """Without a loss it is compared at each move."""
    sides = [({95: n, 90 + n: 2}, {105: n, 100 + n: 1}) for n in range(1, 5)]
    moves = [(*sides[0], "take"), (*sides[1], "snapshot"), *((*side, "take") for side in sides)]
    return follow(make(), book, moves)


def test_a_book_that_lost_nothing_never_waits_again() -> None:
    assert quiet(Spot, SpotBook()) == 5
    assert quiet(Usdm, UsdmBook()) == 5


NONE: Levels = []


def event(first: int, last: int, previous: int | None = None) -> DepthEvent:
    return DepthEvent(first, last, [(Decimal(1), Decimal(last))], NONE, previous)


def test_the_rule_of_spot() -> None:
    """S15: a snapshot before the first event is fetched again; u <= id is dropped; a gap is seen."""
    book = SpotBook()
    assert not book.take(event(11, 12))
    assert not book.begin(Snapshot(10, NONE, NONE))  # one might be missing between 10 and 11 …
    assert book.begin(Snapshot(12, NONE, NONE))
    assert book.top(1) is not None
    assert book.take(event(9, 11))  # old
    assert book.last_id == 12
    assert book.take(event(13, 15))
    assert book.last_id == 15
    assert not book.take(event(17, 18))
    assert book.top(1) is None
    assert book.begin(Snapshot(17, NONE, NONE))
    assert book.last_id == 18


def test_the_rule_of_usdm() -> None:
    """F19: u < id is dropped; the first event has the id within; then pu is the previous u."""
    book = UsdmBook()
    assert not book.take(event(11, 13, 9))
    assert book.begin(Snapshot(13, NONE, NONE))
    assert book.last_id == 13  # u = id is taken: it would be dropped on spot
    assert book.take(event(20, 22, 13))  # ids may jump, as long as pu fits
    assert not book.take(event(23, 25, 21))
    assert book.state is State.WAITING
    assert book.begin(Snapshot(24, NONE, NONE))
    assert not UsdmBook().take(event(1, 2, 0))


def test_events_without_a_snapshot_are_bounded() -> None:
    book = SpotBook()
    for number in range(MOST_WAITING + 5):
        book.take(event(number, number))
    assert len(book._waiting) == MOST_WAITING
    assert not book.begin(Snapshot(3, NONE, NONE))  # the first ones are gone
