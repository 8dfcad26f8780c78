"""The frame of tests/conformance: pins, scripts, what counts as passed."""

import sys
from pathlib import Path

import pytest

from tests.conformance import clients, report, running
from tests.conformance.clients import CLIENTS, Client, Script
from tests.conformance.report import Result, exit_code, lines
from tests.conformance.running import Outcome, Step

SCRIPT = Script("no_such_script", clients.SPOT)
CLIENT = Client("any", ("any==1",), (SCRIPT,))
GOOD = Outcome(SCRIPT, (Step("a", ok=True),))
BAD = Outcome(SCRIPT, (Step("a", ok=True), Step("b", ok=False, detail="why")))


def test_every_client_is_pinned_and_every_script_is_there() -> None:
    folder = Path(clients.__file__).parent / "scripts"

    assert all("==" in pin for client in CLIENTS for pin in client.pins)
    scripts = [script for client in CLIENTS for script in client.scripts]
    assert all((folder / f"{script.module}.py").exists() for script in scripts)


@pytest.mark.parametrize(
    ("results", "code"),
    [
        ([Result(CLIENT, (GOOD,))], report.PASSED),
        ([Result(CLIENT, (GOOD, BAD))], report.FAILED),
        ([Result(CLIENT, (Outcome(SCRIPT),))], report.FAILED),  # it said nothing
        ([Result(CLIENT, (Outcome(SCRIPT, GOOD.steps, "no end"),))], report.FAILED),
        ([Result(CLIENT, (GOOD,)), Result(CLIENT, missing="no wheel")], report.NO_ENVIRONMENT),
        ([Result(CLIENT, (BAD,)), Result(CLIENT, missing="no wheel")], report.FAILED),
    ],
)
def test_the_exit_code_tells_what_failed(results: list[Result], code: int) -> None:
    assert exit_code(results) == code


def test_a_step_that_failed_is_printed_with_its_reason() -> None:
    assert list(lines(Result(CLIENT, (BAD,)))) == [
        "FAILED  any==1  no_such_script: 1 of 2 steps",
        "         NOT OK  b: why",
    ]
    assert list(lines(Result(CLIENT, missing="no wheel"))) == ["MISSING any==1: no wheel"]


def test_a_script_that_does_not_start_is_broken_and_not_passed() -> None:
    """The simulator starts in a process of its own, and is gone again afterwards."""
    outcome = running.run(SCRIPT, Path(sys.executable))

    assert not outcome.passed
    assert "no_such_script" in outcome.broken


def test_a_simulator_that_does_not_start_is_told() -> None:
    outcome = running.run(Script("any", "tests.simulators.nowhere"), Path(sys.executable))

    assert outcome.broken.startswith("no simulator")
