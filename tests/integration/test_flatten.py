"""Everything off: on the real order flow, with a venue that may refuse, lose or be away."""

from typing import Any

from tests.fakes.host import ShiftedHost
from tests.fakes.trading import Desk, open_desk, spec
from tests.fakes.venue import Behaviour
from tradebotd.storage.database import Database
from tradebotd.trading.flatten import ROUNDS, Flatten, FlattenResult


def quiet(_: dict[str, Any]) -> None:
    pass


async def two_held(database: Database) -> Desk:
    desk = await open_desk(database, spec("one"), spec("two", "ETHUSDT"))
    await desk.enter("one")
    await desk.enter("two")
    return desk


async def flatten(desk: Desk, host: ShiftedHost | None = None) -> FlattenResult:
    return await Flatten(
        database=desk.database,
        clock=desk.clock,
        gate=desk.gate,
        entry_orders=desk.entry_orders,
        closer=desk.protection,
        reconciler=desk.reconciler,
        host=host or ShiftedHost(),
    ).run(quiet)


async def open_positions(desk: Desk) -> int:
    return len(await desk.rows("SELECT id FROM positions WHERE closed_at IS NULL"))


async def test_everything_is_closed_and_the_halt_stays(database: Database) -> None:
    """M4, interface 3.1: halt, close with reason `flatten`, verify; only `resume` ends the halt."""
    desk = await two_held(database)

    result = await flatten(desk)

    assert result.left == []
    assert len(result.closed) == 2
    rows = await desk.rows("SELECT close_reason FROM positions")
    assert {row["close_reason"] for row in rows} == {"flatten"}
    assert desk.gate.halt_reason == "flatten"
    assert desk.gate.closed_because() == "halted"
    assert await desk.rows("SELECT 1 FROM settings WHERE key = 'halt' AND value IS NOT NULL")


async def test_one_refusal_keeps_no_other_position_and_is_tried_again(database: Database) -> None:
    """Each position on its own: a refused exit is sent anew, a closed one is not."""
    desk = await two_held(database)
    desk.venue.script.extend([Behaviour.REJECT])

    host = ShiftedHost()
    result = await flatten(desk, host)

    assert result.left == []
    assert len(result.closed) == 2
    exits = await desk.rows("SELECT status FROM orders WHERE role = 'exit'")
    assert sorted(row["status"] for row in exits) == ["filled", "filled", "rejected"]


async def test_a_venue_that_refuses_always_ends_it_with_what_is_left_and_why(
    database: Database,
) -> None:
    """Bounded: after the last round it says what is there still, and sends no more."""
    desk = await two_held(database)
    desk.venue.script.extend([Behaviour.REJECT] * 100)

    result = await flatten(desk)

    assert [each.kind for each in result.left] == ["position", "position"]
    assert all(each.why for each in result.left)
    assert await open_positions(desk) == 2
    assert len(await desk.rows("SELECT 1 FROM orders WHERE role = 'exit'")) <= 2 * ROUNDS


async def test_an_answer_that_is_lost_sells_nothing_twice(database: Database) -> None:
    """M5: an exit whose fate is unknown is settled by the venue's word before another is sent."""
    desk = await open_desk(database)
    await desk.enter()
    held = (await desk.position())["quantity"]
    desk.venue.script.extend([Behaviour.DROP_AFTER])

    result = await flatten(desk)

    assert result.left == []
    sold = sum(r.quantity for _, r in desk.venue.submitted if r.side.value == "sell")
    assert sold == held
    assert await desk.broken_books() == []


async def test_with_nothing_held_it_is_over_at_once(database: Database) -> None:
    desk, host = await open_desk(database), ShiftedHost()

    result = await flatten(desk, host)

    assert (result.closed, result.cancelled, result.left) == ([], [], [])
    assert host.slept == []


async def test_an_earlier_halt_keeps_its_reason(database: Database) -> None:
    """An operator's words are not overwritten by what they ask for next."""
    desk = await two_held(database)
    await desk.gate.halt("lunch")

    assert (await flatten(desk)).left == []
    assert desk.gate.halt_reason == "lunch"
