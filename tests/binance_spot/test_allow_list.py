"""Calls that the adapter can make: those that it needs, of all that the vendor has."""

import os
from pathlib import Path

import orjson
import pytest

from tests.binance_spot.scene import scene
from tradebotd.net.allow_list import AllowList
from tradebotd.net.errors import PathNotAllowedError
from tradebotd.venues.binance.calls import Method
from tradebotd.venues.binance.spot import paths

# Every call of the vendor's own clients: binance-sdk-spot 13.3.0 and binance-sdk-wallet 13.8.0.
VENDORS = """\
GET /api/v3/account
GET /api/v3/account/commission
GET /api/v3/aggTrades
GET /api/v3/allOrderList
GET /api/v3/allOrders
GET /api/v3/avgPrice
GET /api/v3/depth
GET /api/v3/exchangeInfo
GET /api/v3/executionRules
GET /api/v3/historicalBlockTrades
GET /api/v3/historicalTrades
GET /api/v3/klines
GET /api/v3/myAllocations
GET /api/v3/myFilters
GET /api/v3/myPreventedMatches
GET /api/v3/myTrades
GET /api/v3/openOrderList
DELETE /api/v3/openOrders
GET /api/v3/openOrders
DELETE /api/v3/order
GET /api/v3/order
POST /api/v3/order
PUT /api/v3/order/amend/keepPriority
GET /api/v3/order/amendments
POST /api/v3/order/cancelReplace
POST /api/v3/order/oco
POST /api/v3/order/test
DELETE /api/v3/orderList
GET /api/v3/orderList
POST /api/v3/orderList/oco
POST /api/v3/orderList/opo
POST /api/v3/orderList/opoco
POST /api/v3/orderList/oto
POST /api/v3/orderList/otoco
GET /api/v3/ping
GET /api/v3/rateLimit/order
GET /api/v3/referencePrice
GET /api/v3/referencePrice/calculation
POST /api/v3/sor/order
POST /api/v3/sor/order/test
GET /api/v3/ticker
GET /api/v3/ticker/24hr
GET /api/v3/ticker/bookTicker
GET /api/v3/ticker/price
GET /api/v3/ticker/tradingDay
GET /api/v3/time
GET /api/v3/trades
GET /api/v3/uiKlines
GET /sapi/v1/account/apiRestrictions
GET /sapi/v1/account/apiTradingStatus
POST /sapi/v1/account/disableFastWithdrawSwitch
POST /sapi/v1/account/enableFastWithdrawSwitch
GET /sapi/v1/account/info
GET /sapi/v1/account/status
GET /sapi/v1/accountSnapshot
GET /sapi/v1/addressVerify/list
GET /sapi/v1/asset/assetDetail
GET /sapi/v1/asset/assetDividend
GET /sapi/v1/asset/custody/transfer-history
GET /sapi/v1/asset/dribblet
POST /sapi/v1/asset/dust
POST /sapi/v1/asset/dust-btc
POST /sapi/v1/asset/dust-convert/convert
POST /sapi/v1/asset/dust-convert/query-convertible-assets
POST /sapi/v1/asset/get-funding-asset
GET /sapi/v1/asset/ledger-transfer/cloud-mining/queryByPage
GET /sapi/v1/asset/tradeFee
GET /sapi/v1/asset/transfer
POST /sapi/v1/asset/transfer
GET /sapi/v1/asset/wallet/balance
POST /sapi/v1/bnbBurn
GET /sapi/v1/capital/config/getall
GET /sapi/v1/capital/deposit/address
GET /sapi/v1/capital/deposit/address/list
POST /sapi/v1/capital/deposit/credit-apply
GET /sapi/v1/capital/deposit/hisrec
GET /sapi/v1/capital/withdraw/address/list
POST /sapi/v1/capital/withdraw/apply
GET /sapi/v1/capital/withdraw/history
GET /sapi/v1/capital/withdraw/quota
PUT /sapi/v1/localentity/broker/deposit/provide-info
POST /sapi/v1/localentity/broker/withdraw/apply
GET /sapi/v1/localentity/country/list
GET /sapi/v1/localentity/deposit/history
PUT /sapi/v1/localentity/deposit/provide-info
GET /sapi/v1/localentity/questionnaire-requirements
GET /sapi/v1/localentity/region/list
GET /sapi/v1/localentity/vasp
POST /sapi/v1/localentity/withdraw/apply
GET /sapi/v1/localentity/withdraw/history
GET /sapi/v1/spot/asset/tags
GET /sapi/v1/spot/delist-schedule
GET /sapi/v1/spot/open-symbol-list
GET /sapi/v1/system/status
GET /sapi/v2/localentity/deposit/history
PUT /sapi/v2/localentity/deposit/provide-info
GET /sapi/v2/localentity/withdraw/history
POST /sapi/v3/asset/getUserAsset
""".splitlines()
NEEDED = {
    "GET /api/v3/account",
    "GET /api/v3/account/commission",
    "GET /api/v3/allOrderList",
    "GET /api/v3/allOrders",
    "GET /api/v3/avgPrice",
    "GET /api/v3/exchangeInfo",
    "GET /api/v3/myTrades",
    "GET /api/v3/openOrderList",
    "GET /api/v3/orderList",
    "GET /api/v3/openOrders",
    "GET /api/v3/order",
    "POST /api/v3/order",
    "DELETE /api/v3/order",
    "POST /api/v3/order/cancelReplace",
    "POST /api/v3/orderList/oco",
    "GET /api/v3/referencePrice",
    "GET /api/v3/ticker/bookTicker",
    "GET /api/v3/ticker/price",
    "GET /api/v3/time",
    "GET /sapi/v1/account/apiRestrictions",  # what the key may do
    "GET /sapi/v1/asset/transfer",  # the list of what was moved between wallets
    "GET /sapi/v1/capital/deposit/hisrec",  # the list of deposits
    "GET /sapi/v1/capital/withdraw/history",  # the list of withdrawals
}
LIST = AllowList(paths.ALLOWED)


def of_other_interfaces() -> list[str]:
    """Those of USDT-M futures, where the vendor's specification is at hand."""
    folder = Path(os.environ.get("TRADEBOTD_TEST_DATA", "/nowhere")) / "venue_examples"
    file = folder / "binance_usdm_sdk_examples.json"
    if not file.exists():
        return []
    told = [each.get("http") or "" for each in orjson.loads(file.read_bytes()).values()]
    return sorted({each for each in told if " /" in each})


def test_the_list_is_what_is_needed_and_no_more() -> None:
    listed = {f"{method} {path}" for method, path in paths.ALLOWED}
    assert listed == NEEDED
    assert NEEDED.issubset(VENDORS)


@pytest.mark.parametrize("call", [*VENDORS, *of_other_interfaces()])
def test_nothing_else_of_the_vendors_can_be_called(call: str) -> None:
    """No withdrawal, transfer, conversion or loan is in the list, whoever asks for it."""
    method, path = call.split(" ", 1)
    if call in NEEDED:
        LIST.check("spot", method, path)
        return
    with pytest.raises(PathNotAllowedError):
        LIST.check("spot", method, path)


def test_of_the_wallet_there_are_questions_only() -> None:
    """A GET changes nothing; what moves money is a POST there."""
    wallet = [method for method, path in paths.ALLOWED if path.startswith("/sapi")]
    assert set(wallet) == {Method.GET}
    assert len(VENDORS) > 90


@pytest.mark.parametrize(
    "path",
    [
        "/api/v3/order/../../../sapi/v1/capital/withdraw/apply",
        "/api/v3/order/",
        "/api/v3/order?x=/sapi/v1/capital/withdraw/apply",
        "/api/v3/order%2Ftest",
        "//sapi/v1/capital/withdraw/apply",
    ],
)
def test_no_path_leads_out_of_the_list(path: str) -> None:
    with pytest.raises(PathNotAllowedError):
        LIST.check("spot", "POST", path)


async def test_the_adapters_own_clients_have_the_list() -> None:
    """It stands in the client, below everything that could ask."""
    async with scene() as spot:
        for client in spot.parts._clients:
            with pytest.raises(PathNotAllowedError):
                await client.request("POST", "/sapi/v1/capital/withdraw/apply")
        assert spot.requests("/sapi") == 0


def test_a_connection_of_the_socket_subscribes_and_trades_nothing() -> None:
    assert {"userDataStream.subscribe.signature", "session.subscriptions"} == paths.SOCKET_METHODS
