"""M1.5: the daemon runs as a systemd service, hardened, and is not restarted in vain."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.tree import ROOT
from tradebotd.daemon.commands import main

UNIT = ROOT / "systemd" / "tradebotd.service"
analyze = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd here")


def setting(key: str) -> list[str]:
    return re.findall(rf"^{key}=(.*)$", UNIT.read_text(), re.MULTILINE)


def test_the_unit_is_restarted_only_where_it_may_help() -> None:
    """M1.6: a second daemon exits 75, and systemd does not start it again."""
    (codes,) = setting("RestartPreventExitStatus")

    assert setting("Restart") == ["on-failure"]
    assert set(codes.split()) == {str(main.EXIT_TAKEN), str(main.EXIT_CONFIG)}


def test_the_unit_gives_a_stop_its_twenty_seconds() -> None:
    (limit,) = setting("TimeoutStopSec")

    assert int(limit.removesuffix("s")) > 20
    assert setting("Type") == ["notify"]


def test_the_unit_does_not_hide_other_processes() -> None:
    """M1.6: a holder that is only hidden from /proc would look dead, and be taken over."""
    assert setting("ProtectProc") == []
    assert setting("ProcSubset") == []


@analyze
def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path: Path) -> None:
    """M1.5: read by systemd itself; the program is one that exists on this machine."""
    copy = tmp_path / UNIT.name
    copy.write_text(
        re.sub(
            r"^ExecStart=\S+", f"ExecStart={sys.executable}", UNIT.read_text(), flags=re.MULTILINE
        )
    )

    ran = subprocess.run(
        ["systemd-analyze", "verify", str(copy)], capture_output=True, text=True, check=False
    )

    said = [line for line in ran.stderr.splitlines() if UNIT.name in line]
    assert (ran.returncode, said) == (0, [])


@analyze
def test_the_unit_is_hardened() -> None:
    ran = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=20", str(UNIT)],
        capture_output=True,
        text=True,
        check=False,
    )

    assert ran.returncode == 0, ran.stdout[-500:]
