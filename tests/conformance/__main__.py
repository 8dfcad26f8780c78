"""`python -m tests.conformance [--client NAME] [--steps]`: real clients against the simulators."""

import argparse
import sys
from pathlib import Path

from tests.conformance.clients import CLIENTS, Client, Script
from tests.conformance.environments import NoEnvironmentError, python_of
from tests.conformance.report import Result, exit_code, lines
from tests.conformance.running import Outcome, run


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.conformance", description=__doc__)
    parser.add_argument(
        "--client", action="append", choices=[client.name for client in CLIENTS], metavar="NAME",
        help="run this client's scripts only; may be given several times: %(choices)s",
    )  # fmt: skip
    parser.add_argument("--steps", action="store_true", help="print the steps that passed, too")
    told = parser.parse_args(words)
    wanted = [each for each in CLIENTS if told.client is None or each.name in told.client]
    results = []
    for client in wanted:
        results.append(result_of(client))
        for line in lines(results[-1], every_step=told.steps):
            print(line, flush=True)
    passed = sum(outcome.passed for result in results for outcome in result.outcomes)
    failed = sum(not outcome.passed for result in results for outcome in result.outcomes)
    print(f"{passed} passed, {failed} failed")
    return exit_code(results)


def result_of(client: Client) -> Result:
    try:
        python = python_of(client)
    except NoEnvironmentError as error:
        return Result(client, missing=str(error))
    return Result(client, tuple(at_most_twice(script, python) for script in client.scripts))


def at_most_twice(script: Script, python: Path) -> Outcome:
    """Run a script, and once more where it failed: a client's own waits may be too short here.

    What it said first is told, whatever the second attempt brings.
    """
    first = run(script, python)
    if first.passed:
        return first
    told = first.broken or "; ".join(f"{step.name}: {step.detail}" for step in first.failed)
    print(f"again   {script.module}: {told}", flush=True)
    return run(script, python)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
