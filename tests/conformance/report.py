"""Results as a table for people, and as an exit code for CI."""

from collections.abc import Iterable
from dataclasses import dataclass

from tests.conformance.clients import Client
from tests.conformance.running import Outcome

PASSED, FAILED, NO_ENVIRONMENT = 0, 1, 2


@dataclass(frozen=True)
class Result:
    """Outcomes of a client's scripts, or why there is no environment to run them in."""

    client: Client
    outcomes: tuple[Outcome, ...] = ()
    missing: str = ""


def lines(result: Result, *, every_step: bool = False) -> Iterable[str]:
    """Tell what passed; of what did not, each step and why."""
    pins = " ".join(result.client.pins)
    if result.missing:
        yield f"MISSING {pins}: {result.missing}"
        return
    for outcome in result.outcomes:
        word = "passed " if outcome.passed else "FAILED "
        good = len(outcome.steps) - len(outcome.failed)
        yield f"{word} {pins}  {outcome.script.module}: {good} of {len(outcome.steps)} steps"
        for step in outcome.steps:
            if every_step or not step.ok:
                mark = "ok" if step.ok else "NOT OK"
                yield f"         {mark}  {step.name}{': ' + step.detail if step.detail else ''}"
        if outcome.broken:
            yield f"         {outcome.broken}"


def exit_code(results: Iterable[Result]) -> int:
    """0: all passed. 1: a step failed. 2: nothing failed, and an environment could not be made."""
    there = list(results)
    if any(not outcome.passed for result in there for outcome in result.outcomes):
        return FAILED
    return NO_ENVIRONMENT if any(result.missing for result in there) else PASSED
