"""A mutation that no longer fits the code would prove nothing."""

import shutil
from pathlib import Path

import pytest

from tests.mutations.__main__ import ROOT
from tests.mutations.catalogue import MUTATIONS, Mutation


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda each: each.name.split(":")[0])
def test_a_guard_can_still_be_taken_away(tmp_path: Path, mutation: Mutation) -> None:
    """M5.1, M5.4: `python -m tests.mutations` runs the suite without it and expects red."""
    for path in {edit.path for edit in mutation.edits}:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, tmp_path / path)

    for edit in mutation.edits:
        edit.apply(tmp_path)

    assert any(
        (tmp_path / e.path).read_text() != (ROOT / e.path).read_text() for e in mutation.edits
    )
