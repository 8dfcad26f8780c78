"""A mutation that no longer fits the code, or whose test has another name, would prove nothing."""

import ast
import shutil
from pathlib import Path

import pytest

from tests.mutations.__main__ import ROOT
from tests.mutations.catalogue import MUTATIONS
from tests.mutations.mutation import Mutation

NUMBERED = [pytest.param(each, id=f"{n}-{each.name}") for n, each in enumerate(MUTATIONS, 1)]


@pytest.mark.parametrize("mutation", NUMBERED)
def test_each_break_still_fits_the_code(tmp_path: Path, mutation: Mutation) -> None:
    """M5.1, M5.4: `python -m tests.mutations` runs its tests without it and expects red."""
    for path in {edit.path for edit in mutation.edits}:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, tmp_path / path)

    for edit in mutation.edits:
        edit.apply(tmp_path)

    assert any(
        (tmp_path / e.path).read_text() != (ROOT / e.path).read_text() for e in mutation.edits
    )


@pytest.mark.parametrize("mutation", NUMBERED)
def test_the_tests_that_a_break_turns_red_are_there(mutation: Mutation) -> None:
    for name in mutation.tests:
        path, _, test = name.partition("::")
        tree = ast.parse((ROOT / path).read_text())
        assert test in set(_names(tree)), name


def test_there_are_at_least_as_many_as_were_ever_promised() -> None:
    """Each has a name of its own; what is equivalent says why, and is no proof."""
    assert len({each.name for each in MUTATIONS}) == len(MUTATIONS) >= 41
    assert sum(not each.must_be_red for each in MUTATIONS) <= 1


def _names(tree: ast.Module) -> list[str]:
    """Functions, and what is made at the top of the module (a state machine's test case)."""
    found = []
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.append(node.name)
        elif isinstance(node, ast.Assign):
            found += [target.id for target in node.targets if isinstance(target, ast.Name)]
    return found
