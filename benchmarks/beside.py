"""The same work done by the code of e543b7c, in the same run: a process of its own interpreter.

The checkout has an environment of its own in `.venv`, installed as its README says. What drives it
is `beside_e543b7c.py`, which knows the names of that time.
"""

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.cluster import Cluster

DRIVER: Final = Path(__file__).with_name("beside_e543b7c.py")
LONGEST_SECONDS: Final = 900.0
EMPTY: Final = "template1"


@dataclass(frozen=True, slots=True)
class OldCheckout:
    root: Path

    def measured(self, cluster: Cluster, case: str, *arguments: float) -> dict[str, float]:
        """Return what the driver found out. Raises RuntimeError when it failed."""
        root = self.root.resolve()
        with cluster.fresh_dsn(EMPTY) as dsn:
            ran = subprocess.run(  # noqa: S603 - an interpreter that the operator named
                [
                    root / ".venv" / "bin" / "python",
                    DRIVER,
                    case,
                    dsn,
                    *(f"{each:g}" for each in arguments),
                ],
                cwd=root,
                env={**os.environ, "PYTHONPATH": str(root), "PYTHONSAFEPATH": "1"},
                capture_output=True,
                text=True,
                timeout=LONGEST_SECONDS,
                check=False,
            )
        if ran.returncode:
            raise RuntimeError(f"{root}: {case} failed:\n{ran.stderr[-3000:]}")
        found: dict[str, float] = json.loads(ran.stdout.splitlines()[-1])
        return found
