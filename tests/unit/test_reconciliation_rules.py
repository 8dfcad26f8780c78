"""What a venue's "never seen" is worth, against a model that only counts."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.trading import SYMBOL
from tests.fakes.venue import SCRIPTED
from tradebotd.domain.fill import Fill
from tradebotd.domain.ids import ClientOrderId, TradeId
from tradebotd.domain.side import Side
from tradebotd.ports.venue import OrderLookup, VenueTraits
from tradebotd.storage.order_searches import OrderSearchState
from tradebotd.trading.reconciliation.rules import (
    APART,
    ASK_ON,
    Difference,
    MissingOrderVerdict,
    Pair,
    count_negative,
    explanation,
    is_due,
    is_over,
    judge,
    net,
)

SENT_BY = datetime(2026, 3, 1, 12, tzinfo=UTC)
TRAITS = VenueTraits()
SPEAKS = TRAITS.receive_window + TRAITS.absence_margin
PLACES = ("open", "history", "fills")


@dataclass(frozen=True)
class Asked:
    """Seconds after `send_by`, the venue's clock before ours, and who answered."""

    after: int
    ahead: int
    places: frozenset[str]


asked = st.builds(
    Asked,
    st.integers(-20, 7200),
    st.integers(-30, 30),
    st.frozensets(st.sampled_from(PLACES), min_size=1),
)


def answers(asks: list[Asked]) -> OrderSearchState | None:
    search = None
    for each in asks:
        at = SENT_BY + timedelta(seconds=each.after)
        answer = OrderLookup(
            report=None, endpoints=each.places, venue_time=at + timedelta(seconds=each.ahead)
        )
        search = count_negative(search, answer, send_by=SENT_BY, asked_at=at, traits=TRAITS)
    return search


@given(st.lists(asked, max_size=8), st.booleans(), st.booleans())
def test_absence_takes_time_answers_places_and_holdings_that_did_not_move(
    asks: list[Asked],
    can_rest: bool,  # noqa: FBT001
    moved: bool,  # noqa: FBT001
) -> None:
    """2.3, M5.2, R4: the model counts answers that both clocks allow and that lie apart, no others."""
    asks = sorted(asks, key=lambda each: each.after)
    late: list[Asked] = []
    for each in asks:
        counts = min(each.after, each.after + each.ahead) > SPEAKS.seconds
        if counts and (not late or each.after - late[-1].after >= APART.seconds):
            late.append(each)
    enough = len(late) >= 3 and len(frozenset().union(*(each.places for each in late))) >= 2
    lasted = late[-1].after - late[0].after if late else 0

    verdict = judge(answers(asks), can_rest=can_rest, moved=moved, traits=TRAITS)

    if not late:
        assert verdict is MissingOrderVerdict.WAIT
    elif can_rest and lasted < 3600:
        assert verdict is MissingOrderVerdict.CANCEL
    else:
        assert verdict is (
            MissingOrderVerdict.ABSENT if enough and not moved else MissingOrderVerdict.WAIT
        )


def test_an_acknowledged_cancel_ends_the_hour() -> None:
    """2.3: what was cancelled by its id cannot come any more."""
    search = OrderSearchState(
        began_at=SENT_BY,
        last_asked_at=SENT_BY,
        negatives=3,
        endpoints=frozenset(PLACES),
        cancel_acknowledged_at=SENT_BY,
    )
    assert judge(search, can_rest=True, moved=False, traits=TRAITS) is MissingOrderVerdict.ABSENT


def test_one_inferred_absent_is_asked_about_for_a_day_ever_more_seldom() -> None:
    """2.3, R4: bounded, and never more than a quarter of the absence goes by unasked."""
    search = OrderSearchState(began_at=SENT_BY, last_asked_at=SENT_BY, inferred_absent_at=SENT_BY)
    now, asks = SENT_BY, []
    while not is_over(search, now):
        now += timedelta(seconds=30)
        if is_due(search, now):
            asks.append(now)
            search = OrderSearchState(
                began_at=SENT_BY, last_asked_at=now, inferred_absent_at=SENT_BY
            )

    assert now - SENT_BY == ASK_ON
    assert len([each for each in asks if each - SENT_BY <= timedelta(minutes=40)]) >= 8
    assert len(asks) < 60


def fill(number: int, side: Side, quantity: Decimal, fee: Decimal) -> Fill:
    return Fill(
        venue=SCRIPTED,
        symbol=SYMBOL,
        trade_id=TradeId(str(number)),
        client_order_id=ClientOrderId("by-hand"),
        side=side,
        quantity=quantity,
        price=Decimal(100),
        fee=fee,
        fee_asset="BTC",
        executed_at=SENT_BY,
    )


tenths = st.integers(1, 50).map(lambda number: Decimal(number) / 10)
trades = st.lists(
    st.tuples(st.sampled_from(list(Side)), tenths, st.sampled_from([Decimal(0), Decimal("0.01")])),
    max_size=6,
)


@given(trades, st.integers(0, 6))
def test_the_latest_fills_that_add_up_explain_a_difference(
    told: list[tuple[Side, Decimal, Decimal]], last: int
) -> None:
    """M5.6, R13: whatever was there before; and what does not add up explains nothing."""
    fills = [fill(number, *each) for number, each in enumerate(told)]
    behind = fills[max(0, len(fills) - last) :] if last else []
    more = sum((net(each, "BTC") for each in behind), Decimal(0))
    difference = Difference(venue=SCRIPTED, subject="BTC", ours=Decimal(5), theirs=5 + more)

    found = explanation(fills, difference, {SYMBOL: Pair("BTC", "USDT")})

    sums = [
        sum((net(each, "BTC") for each in fills[start:]), Decimal(0)) for start in range(len(fills))
    ]
    assert bool(found) == (more in sums)
    assert not found or sum((net(each, "BTC") for each in found), Decimal(0)) == more
    assert found == fills[len(fills) - len(found) :]
