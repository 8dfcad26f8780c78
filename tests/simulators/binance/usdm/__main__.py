"""`python -m tests.simulators.binance.usdm [--port N]`: one simulator by itself, for trials by hand."""

import json

from tests.simulators.binance.pem import private_pem
from tests.simulators.binance.usdm.app import build
from tests.simulators.binance.usdm.simulator import ED25519_KEY, ED25519_SECRET, KEY
from tests.simulators.shared.server import Server, run_alone


def describe(_: Server) -> str:
    """Tell the account and its keys, as a line of JSON."""
    keys = {
        "hmac": [KEY.name, KEY.secret],
        "ed25519": [ED25519_KEY.name, private_pem(ED25519_SECRET)],
    }
    return json.dumps({"account": KEY.account, "keys": keys})


if __name__ == "__main__":
    run_alone(build, describe)
