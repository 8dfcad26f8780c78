"""`python -m tests.simulators.twelvedata [--port N]`: the vendor by itself."""

import json

from tests.simulators.shared.server import run_alone
from tests.simulators.twelvedata.rest import build
from tests.simulators.twelvedata.vendor import KEY

run_alone(build, lambda _: json.dumps({"key": KEY}))
