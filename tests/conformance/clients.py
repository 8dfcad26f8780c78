"""Clients, their pinned versions, and the scripts that each has to pass."""

from dataclasses import dataclass

SPOT = "tests.simulators.binance.spot"


@dataclass(frozen=True)
class Script:
    """A module of `tests.conformance.scripts`, and the simulator that it speaks to."""

    module: str
    simulator: str


@dataclass(frozen=True)
class Client:
    """A library as its users install it: *pins* are exact versions."""

    name: str
    pins: tuple[str, ...]
    scripts: tuple[Script, ...]


CLIENTS = (
    Client(
        "python-binance",
        ("python-binance==1.0.37",),
        (Script("python_binance_spot", SPOT), Script("python_binance_spot_async", SPOT)),
    ),
    Client(
        "binance-sdk-spot",
        ("binance-sdk-spot==13.3.0",),
        (Script("sdk_spot_rest", SPOT), Script("sdk_spot_sockets", SPOT)),
    ),
    Client("binance-sdk-wallet", ("binance-sdk-wallet==13.8.0",), (Script("sdk_wallet", SPOT),)),
    Client(
        "ccxt",
        ("ccxt==4.5.90",),
        (Script("ccxt_spot", SPOT), Script("ccxt_spot_pro", SPOT)),
    ),
)
