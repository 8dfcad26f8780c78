"""What a fault excuses of a spell without a stop, and what it does not."""

from types import SimpleNamespace
from typing import Any

import pytest

from tests.protection.__main__ import _report
from tests.protection.witness import Spell, Witness
from tests.simulators.shared.faults import Asked, Executed, Fault, Kind, answered
from tests.venue_core.campaign import Verdict

FAULTS = {
    "lost": Fault(kind=Kind.RESET),
    "not taken": Fault(kind=Kind.NO_ANSWER, executed=Executed.NEVER),
    "late": Fault(kind=Kind.DELAY, late=2.0),
    "refused": answered(400, {}),
}


@pytest.mark.parametrize(
    ("fault", "counted"),
    [("lost", (1, 0, 0)), ("not taken", (1, 0, 0)), ("late", (0, 1, 0)), ("refused", (0, 0, 1))],
)
def test_a_fault_is_that_of_the_symbol_whose_request_has_met_it(
    fault: str, counted: tuple[int, int, int]
) -> None:
    """M5.7: the spells of the others go on without an excuse; a late answer is no lost one."""
    met = [(FAULTS[fault], Asked("POST", "/order", symbol="BTCUSDT"))]
    place: Any = SimpleNamespace(server=SimpleNamespace(faults=SimpleNamespace(met=met)))
    witness = Witness(place)
    own, other = Spell("BTCUSDT", ""), Spell("ETHUSDT", "")
    witness._spells.update(BTCUSDT=own, ETHUSDT=other)
    witness._note_faults()
    assert (own.lost, own.late, own.refused) == counted
    assert (own.is_told, other.is_told) == (False, True)
    assert witness.lost == ({"BTCUSDT"} if own.lost else set())


@pytest.mark.parametrize(
    ("spells", "code"),
    [
        ([Spell("A", "moved", 0.5)], 0),
        ([Spell("A", "moved", 1.5)], 1),
        ([Spell("A", "moved", 0.5), Spell("B", "moved", 4.0, late=1)], 0),
        ([Spell("A", "moved", 0.5), Spell("B", "moved", 6.0, late=1)], 1),
        ([Spell("B", "moved", 4.0, late=1)], 1),
        ([], 1),
    ],
    ids=["told", "told too late", "late", "later than five seconds", "none told", "none at all"],
)
def test_a_run_is_judged_by_its_spells_or_it_fails(spells: list[Spell], code: int) -> None:
    """M5.7: a second where all is told, five where an answer was late."""
    rows = [Verdict("spot/1", details={"spells": [each.as_json() for each in spells]})]
    assert _report(rows) == code
