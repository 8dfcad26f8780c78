"""What every venue says of its order stream that claims to: numbered, run for each adapter."""

from datetime import timedelta

from tests.contract.conftest import FIRST, SECOND, Case
from tradebotd.domain.order import OrderStatus, OrderType
from tradebotd.domain.side import Side
from tradebotd.ports.venue import StreamState
from tradebotd.venues.paper.venue import PaperVenue

BUY, LIMIT = Side.BUY, OrderType.LIMIT


async def lose(case: Case) -> None:
    if isinstance(case.venue, PaperVenue):
        await case.venue.stream.interrupt(case.clock.now())
    else:
        await case.venue.lose_stream()


async def restore(case: Case) -> None:
    if isinstance(case.venue, PaperVenue):
        await case.venue.stream.restore()
    else:
        await case.venue.restore_stream()


def listen(case: Case) -> list[StreamState]:
    states: list[StreamState] = []

    async def on_stream(state: StreamState) -> None:
        states.append(state)

    case.venue.listen(case.hear, on_stream)
    return states


async def test_a_stream_says_that_it_is_there_by_itself(case: Case) -> None:
    """M5.6 (VC-81): once, with the first answer at the latest, and without a gap."""
    states = listen(case)
    await case.venue.account()
    await case.venue.account()

    assert case.venue.traits.tells_stream
    assert states == [StreamState(connected=True)]


async def test_an_interruption_says_since_when_and_what_is_missed_is_not_told_later(
    case: Case,
) -> None:
    """M5.6 (VC-82): the gap begins no later than what was missed, which the fills tell."""
    states = listen(case)
    await case.venue.submit(FIRST, case.order(BUY, "1", LIMIT, "95"))
    await case.venue.submit(SECOND, case.order(BUY, "1", LIMIT, "85"))
    lost_at = case.clock.now()
    await lose(case)
    await case.move("94")
    case.clock.advance(timedelta(seconds=20))
    assert states[-1] == StreamState(connected=False, gap_since=lost_at)
    assert case.heard == []

    await restore(case)

    assert states[-1] == StreamState(connected=True, gap_since=lost_at)
    assert case.heard == []
    fills = await case.venue.fills_since(lost_at)
    assert [fill.client_order_id for fill in fills] == [FIRST]
    assert await case.status(FIRST) is OrderStatus.FILLED

    await case.move("84")
    assert [report.client_order_id for report in case.heard] == [SECOND]
