"""Paths of Alpaca: which few of all that there are can be called."""

import json
import os
from pathlib import Path
from typing import Final

import pytest

from tradebotd.net.allow_list import AllowList
from tradebotd.net.errors import PathNotAllowedError
from tradebotd.venues.alpaca.paths import Host, allowed

METHODS: Final = ("get", "post", "put", "patch", "delete")
TRADING: Final = {
    ("GET", "/v2/account"),
    ("GET", "/v2/account/activities"),
    ("GET", "/v2/assets"),
    ("GET", "/v2/assets/{symbol_or_asset_id}"),
    ("GET", "/v2/clock"),
    ("GET", "/v2/orders"),
    ("GET", "/v2/orders/{order_id}"),
    ("GET", "/v2/orders:by_client_order_id"),
    ("POST", "/v2/orders"),
    ("PATCH", "/v2/orders/{order_id}"),
    ("DELETE", "/v2/orders/{order_id}"),
    ("GET", "/v2/positions"),
}
DATA: Final = {
    ("GET", "/v2/stocks/bars"),
    ("GET", "/v2/stocks/quotes/latest"),
    ("GET", "/v2/stocks/trades/latest"),
    ("GET", "/v1beta3/crypto/{loc}/latest/quotes"),
    ("GET", "/v1beta3/crypto/{loc}/latest/trades"),
}
NEVER: Final = (
    ("GET", "/v2/wallets"),
    ("POST", "/v2/wallets/transfers"),
    ("POST", "/v2/wallets/whitelists"),
    ("DELETE", "/v2/wallets/whitelists/x"),
    ("GET", "/v2/perpetuals/wallets"),
    ("POST", "/v2/perpetuals/wallets/transfers"),
    ("POST", "/v2/perpetuals/leverage"),
    ("POST", "/v2/tokenization/mint"),
    ("POST", "/v1/locates"),
    ("POST", "/v2/positions/AAPL/exercise"),
    ("POST", "/v2/positions/AAPL/do-not-exercise"),
    ("DELETE", "/v2/positions"),
    ("DELETE", "/v2/positions/AAPL"),
    ("DELETE", "/v2/orders"),
    ("PATCH", "/v2/account/configurations"),
)
FILLED_IN: Final = {"{loc}": "us", "{symbol_or_asset_id}": "AAPL", "{order_id}": "61e6-b3"}


def callable_paths(file: str, host: Host) -> set[tuple[str, str]]:
    """All pairs of the vendor's specification that pass the allow-list."""
    folder = Path(os.environ["TRADEBOTD_TEST_DATA"]) / "venue_examples"
    told = json.loads((folder / file).read_text())["paths"]
    found = set()
    for path, methods in told.items():
        concrete = path
        for name, each in FILLED_IN.items():
            concrete = concrete.replace(name, each)
        concrete = concrete.replace("{", "x").replace("}", "x")
        for method in (each.upper() for each in methods if each in METHODS):
            try:
                AllowList(allowed(host)).check("alpaca", method, concrete)
            except PathNotAllowedError:
                continue
            found.add((method, path))
    return found


recorded = pytest.mark.skipif(
    "TRADEBOTD_TEST_DATA" not in os.environ, reason="needs the vendor's specifications"
)


@recorded
@pytest.mark.parametrize(
    ("file", "host", "few"),
    [
        ("alpaca_trading_openapi.json", Host.TRADING, TRADING),
        ("alpaca_market_data_openapi.json", Host.DATA, DATA),
    ],
)
def test_few_of_all_paths_can_be_called(file: str, host: Host, few: set[tuple[str, str]]) -> None:
    """A10: every path of the vendor's specifications, and those that are let through."""
    assert callable_paths(file, host) == few


@pytest.mark.parametrize("host", Host)
@pytest.mark.parametrize(("method", "path"), NEVER)
def test_what_moves_money_or_costs_is_never_called(method: str, path: str, host: Host) -> None:
    """A10: transfers, whitelists, mints, locates, exercises; nor anything in bulk."""
    with pytest.raises(PathNotAllowedError):
        AllowList(allowed(host)).check("alpaca", method, path)


def test_an_id_in_a_path_leads_nowhere_else() -> None:
    """A10: nothing that an answer tells can make a path of its own."""
    for name in ("../wallets/transfers", "x/y", "%2e%2e", "..", "x?y", "x#y", ""):
        with pytest.raises(PathNotAllowedError):
            AllowList(allowed(Host.TRADING)).check("alpaca", "DELETE", f"/v2/orders/{name}")
