"""What a venue tells of the symbols it is asked about, and in which words: numbered."""

from decimal import Decimal

import pytest

from tests.contract.conftest import FIRST, NOW, SECOND, THIRD, Case
from tradebotd.domain.order import OrderStatus, OrderType
from tradebotd.domain.side import Side
from tradebotd.ports.venue import VENUE_WORDS

BUY, SELL = Side.BUY, Side.SELL
LIMIT, STOP = OrderType.LIMIT, OrderType.STOP_MARKET
EXPECTED = {
    "EXPIRED_IN_MATCH": "expired",
    "done_for_day": "new",
    "pending_cancel": "new",
    "pending_replace": "new",
    "replaced": "canceled",
    "suspended": "unknown",
    "calculated": "new",
    "held": "new",
    "stopped": "new",
    "accepted_for_bidding": "new",
    "pending_review": "unknown",
    "PENDING_NEW": "new",
    "a_word_of_tomorrow": "unknown",
}


async def both(case: Case) -> None:
    """A trade and a resting order in each of two symbols."""
    for number, symbol in enumerate(("BTCUSDT", "ETHUSDT")):
        await case.venue.submit((FIRST, SECOND)[number], case.order(BUY, "1", symbol=symbol))
        await case.venue.submit(
            (THIRD, case.named("tb4"))[number], case.order(SELL, "1", STOP, "95", symbol=symbol)
        )


@pytest.mark.parametrize(
    ("asked", "orders"),
    [
        (["BTCUSDT"], {FIRST}),
        (["ETHUSDT"], {SECOND}),
        (["BTCUSDT", "ETHUSDT"], {FIRST, SECOND}),
        ([], set()),
    ],
)
async def test_every_fill_in_the_symbols_asked_about_is_told(
    case: Case, asked: list[str], orders: set[str]
) -> None:
    """VC-90: a venue that lists its whole account in one call may tell others, too."""
    await both(case)
    told = {fill.client_order_id for fill in await case.venue.fills_since(NOW, asked)}
    assert orders <= told
    assert told == orders  # these two tell no others


@pytest.mark.parametrize(
    ("asked", "orders"),
    [(["BTCUSDT"], {"tb3"}), (["ETHUSDT"], {"tb4"}), (["BTCUSDT", "ETHUSDT"], {"tb3", "tb4"})],
)
async def test_every_order_that_rests_in_the_symbols_asked_about_is_told(
    case: Case, asked: list[str], orders: set[str]
) -> None:
    """VC-91: with what was asked for, whoever placed it."""
    await both(case)
    told = await case.venue.open_orders(asked)
    assert {report.client_order_id for report in told} == orders
    assert all(report.asked is not None for report in told)
    assert await case.venue.open_orders([]) == []


@pytest.mark.parametrize("told", [True, False])
async def test_an_open_order_says_how_much_of_it_is_filled(case: Case, *, told: bool) -> None:
    """VC-92: its fills only where the traits say so; who asks for the order itself has them all."""
    case.tells_fills(told=told)
    await case.venue.submit(FIRST, case.order(BUY, "2", LIMIT, "95"))
    if case.books is not None:  # paper fills what rests whole
        await case.books.fill_and_tell(FIRST, Decimal("0.5"))
    found = (await case.venue.find_order("BTCUSDT", FIRST)).report
    (rests,) = await case.venue.open_orders(["BTCUSDT"])
    assert found is not None
    assert rests.filled_quantity == found.filled_quantity
    assert found.filled_quantity == sum(fill.quantity for fill in found.fills)
    carried = sum(fill.quantity for fill in rests.fills)
    assert carried == (rests.filled_quantity if case.venue.traits.open_orders_tell_fills else 0)


@pytest.mark.parametrize(("word", "status"), EXPECTED.items())
async def test_a_word_of_the_venue_is_one_of_our_states(case: Case, word: str, status: str) -> None:
    """VC-93: nothing that may still trade is taken for over; what nobody knows is unknown."""
    await case.bought("2")
    await case.venue.submit(FIRST, case.order(SELL, "2", STOP, "95"))
    await case.in_words(FIRST, word)
    report = (await case.venue.find_order("BTCUSDT", FIRST)).report
    assert report is not None
    assert report.status == status
    assert report.reason == (word if status == "unknown" else None)


def test_every_word_of_the_table_is_one_of_a_state_that_a_venue_may_tell() -> None:
    """VC-93: none of them is our own word for an order on its way."""
    assert OrderStatus.PENDING_NEW not in VENUE_WORDS.values()
    assert {word.lower() for word in EXPECTED} - {"a_word_of_tomorrow"} <= VENUE_WORDS.keys()
    assert all(word == word.lower() for word in VENUE_WORDS)
