"""Calls that the adapter can make: those that it needs, of all that the vendor has."""

import os
from pathlib import Path

import orjson
import pytest

from tests.binance_spot.test_allow_list import VENDORS as OF_SPOT
from tests.binance_usdm.scene import scene
from tradebotd.net.allow_list import AllowList
from tradebotd.net.errors import PathNotAllowedError
from tradebotd.venues.binance.usdm import paths

NEEDED = {
    *("GET /fapi/v1/time", "GET /fapi/v1/exchangeInfo", "GET /fapi/v2/ticker/price"),
    *("GET /fapi/v1/ticker/bookTicker", "GET /fapi/v1/premiumIndex", "GET /fapi/v3/account"),
    *("GET /fapi/v3/positionRisk", "GET /fapi/v1/accountConfig", "GET /fapi/v1/commissionRate"),
    *("GET /fapi/v1/feeBurn", "GET /fapi/v1/leverageBracket"),
    *("POST /fapi/v1/leverage", "POST /fapi/v1/marginType", "POST /fapi/v1/positionSide/dual"),
    *("POST /fapi/v1/order", "GET /fapi/v1/order", "DELETE /fapi/v1/order"),
    *("POST /fapi/v1/algoOrder", "GET /fapi/v1/algoOrder", "DELETE /fapi/v1/algoOrder"),
    *("GET /fapi/v1/openOrders", "GET /fapi/v1/openAlgoOrders", "GET /fapi/v1/allOrders"),
    *("GET /fapi/v1/allAlgoOrders", "GET /fapi/v1/userTrades", "GET /fapi/v1/income"),
    *("POST /fapi/v1/listenKey", "PUT /fapi/v1/listenKey"),
}
LIST = AllowList(paths.ALLOWED)


def vendors() -> list[str]:
    """Every call of the vendor's own client, where its examples are at hand."""
    folder = Path(os.environ.get("TRADEBOTD_TEST_DATA", "/nowhere")) / "venue_examples"
    file = folder / "binance_usdm_sdk_examples.json"
    told = orjson.loads(file.read_bytes()).values() if file.exists() else ()
    return sorted({each["http"] for each in told if " /" in (each.get("http") or "")})


def test_the_list_is_what_is_needed_and_no_more() -> None:
    assert {f"{method} {path}" for method, path in paths.ALLOWED} == NEEDED
    # Of exchangeInfo the vendor has no example.
    assert not vendors() or NEEDED.difference(vendors()) == {"GET /fapi/v1/exchangeInfo"}


@pytest.mark.parametrize("call", [*OF_SPOT, *vendors(), "POST /fapi/v1/positionMargin"])
def test_nothing_else_of_the_vendors_can_be_called(call: str) -> None:
    """No transfer, conversion or change of margin is in the list, whoever asks for it."""
    method, path = call.split(" ", 1)
    if call in NEEDED:
        LIST.check("usdm", method, path)
        return
    with pytest.raises(PathNotAllowedError):
        LIST.check("usdm", method, path)


def test_the_wallet_is_asked_what_the_key_may_do_and_nothing_else() -> None:
    assert {f"{method} {path}" for method, path in paths.OF_WALLET} == {
        "GET /api/v3/time",
        "GET /sapi/v1/account/apiRestrictions",
    }


async def test_the_adapters_own_clients_have_their_lists() -> None:
    """They stand in the clients, below everything that could ask."""
    async with scene(wallet="http://127.0.0.1:9") as usdm:
        assert len(usdm.parts._clients) == 3
        for client in usdm.parts._clients:
            for method, path in (
                ("POST", "/sapi/v1/asset/transfer"),
                ("POST", "/fapi/v1/positionMargin"),
            ):
                with pytest.raises(PathNotAllowedError):
                    await client.request(method, path)
