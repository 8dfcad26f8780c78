"""The queue of resting exits: who is next, and who is not taken twice."""

from tradebotd.domain.ids import PositionId, VenueName
from tradebotd.trading.exits.resting_queue import RestingQueue

HERE, THERE = VenueName("here"), VenueName("there")
ONE, TWO, THREE, FOUR = (PositionId(number) for number in range(1, 5))


def queue(*others: PositionId) -> RestingQueue:
    made = RestingQueue()
    for position_id in others:
        made.add(position_id, HERE, is_urgent=False)
    return made


def test_urgent_positions_come_first_each_in_the_order_in_which_it_came() -> None:
    """M5.7"""
    made = queue(THREE, ONE, TWO)
    made.add(FOUR, HERE, is_urgent=True)
    made.add(TWO, HERE, is_urgent=True)
    made.add(FOUR, HERE, is_urgent=False)  # it stays urgent

    assert [made.take(HERE) for _ in range(5)] == [FOUR, TWO, THREE, ONE, None]


def test_a_position_at_work_is_not_taken_before_it_is_done() -> None:
    """I1: nobody else makes an exit of it meanwhile."""
    made = queue(ONE, TWO)
    assert made.take(HERE) == ONE
    made.add(ONE, HERE, is_urgent=True)

    assert (made.take(HERE), made.take(HERE), made.waiting(HERE)) == (TWO, None, 1)
    made.done(ONE)
    assert made.take(HERE) == ONE


def test_venues_are_apart() -> None:
    made = queue(TWO, ONE)
    made.add(THREE, THERE, is_urgent=True)
    made.add(FOUR, HERE, is_urgent=True)

    assert made.venues == [HERE, THERE]
    made.discard(TWO)
    assert made.take_all(HERE) == [FOUR, ONE]
    made.clear(THERE)
    assert made.venues == []
    assert made.take(THERE) is None
