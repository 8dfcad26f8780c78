"""Clients, their pinned versions, and the scripts that each has to pass."""

from dataclasses import dataclass

SPOT = "tests.simulators.binance.spot"
USDM = "tests.simulators.binance.usdm"
ALPACA = "tests.simulators.alpaca"
TWELVEDATA = "tests.simulators.twelvedata"


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
        (
            Script("python_binance_spot", SPOT),
            Script("python_binance_spot_async", SPOT),
            Script("python_binance_usdm", USDM),
            Script("python_binance_usdm_async", USDM),
        ),
    ),
    Client(
        "binance-sdk-spot",
        ("binance-sdk-spot==13.3.0",),
        (Script("sdk_spot_rest", SPOT), Script("sdk_spot_sockets", SPOT)),
    ),
    Client(
        "binance-sdk-usdm",
        ("binance-sdk-derivatives-trading-usds-futures==18.1.0",),
        (Script("sdk_usdm_rest", USDM), Script("sdk_usdm_sockets", USDM)),
    ),
    Client("binance-sdk-wallet", ("binance-sdk-wallet==13.8.0",), (Script("sdk_wallet", SPOT),)),
    Client(
        "ccxt",
        ("ccxt==4.5.90",),
        (
            Script("ccxt_spot", SPOT),
            Script("ccxt_spot_pro", SPOT),
            Script("ccxt_usdm", USDM),
            Script("ccxt_usdm_pro", USDM),
            Script("ccxt_alpaca", ALPACA),
            Script("ccxt_alpaca_pro", ALPACA),
        ),
    ),
    Client("alpaca-py", ("alpaca-py==0.44.0",), (Script("alpaca_py", ALPACA),)),
    Client(
        "twelvedata",
        ("twelvedata==1.4.0", "websocket-client==1.9.0"),
        (Script("twelvedata_feed", TWELVEDATA),),
    ),
)
