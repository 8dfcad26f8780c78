"""Words of the API that the daemon uses before the API itself is imported."""

from typing import Literal

State = Literal["starting", "standby", "running", "halted", "stopping"]
ProtectedBy = Literal["daemon", "resting", "both", "none"]
