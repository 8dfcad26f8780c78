"""Requests as a client may write them, over the real server; and what the API says of itself."""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import anyio
import httpx
import pytest
from structlog.testing import capture_logs

from tests.fakes.control import NOW, FakeControl
from tradebotd.control.messages.status import Status
from tradebotd.control.server import WaitingRoom, open_door, serve

JSON = {"content-type": "application/json"}
ADOPT = b'{"venue": "paper", "symbol": "BTCUSDT", "bot": "btc-ema"}'

GOOD_READS = [
    "/v1/jobs/ping/history?limit=3",
    "/v1/jobs/ping/history?limit=x&limit=2",  # the last one counts
    "/v1/orders?open=1&unknown=yes",
    "/v1/fills?limit=5&other=x",
    "/v1/trades?since=2022-01-01T00:00:00%2B01:00&limit=7",
]
WRONG_READS = {
    "/v1/jobs/ping/history?limit=0": "limit: Input should be greater than or equal to 1",
    "/v1/jobs/ping/history?limit=10001": "limit: Input should be less than or equal to 10000",
    "/v1/jobs/ping/history?limit=": (
        "limit: Input should be a valid integer, unable to parse string as an integer"
    ),
    "/v1/orders?open=maybe": ("open: Input should be a valid boolean, unable to interpret input"),
    "/v1/orders/x": (
        "order_id: Input should be a valid integer, unable to parse string as an integer"
    ),
    "/v1/trades?since=2022-01-01": "since: Input should have timezone info",
}
GOOD_ACTS = [
    ("/v1/halt", None, {}),
    ("/v1/halt", b"", JSON),
    ("/v1/halt", b"null", JSON),
    ("/v1/halt", b' {"reason": "lunch"} ', JSON),
    ("/v1/halt", b"{}", {"content-type": "APPLICATION/JSON; charset=utf-8"}),
    ("/v1/halt", b"{}", {"content-type": "application/problem+json"}),
    ("/v1/positions/adopt", ADOPT, JSON),
]
NO_TABLE = "Input should be a valid dictionary or object to extract fields from"
WRONG_ACTS = [
    ("/v1/positions/adopt", b"", JSON, "Field required"),
    ("/v1/positions/adopt", b"null", JSON, NO_TABLE),
    ("/v1/positions/adopt", b'{"venue": "paper"}', JSON, "symbol: Field required"),
    ("/v1/positions/adopt", ADOPT, {}, NO_TABLE),  # what says of itself that it is no JSON
    ("/v1/positions/adopt", ADOPT, {"content-type": "text/plain"}, NO_TABLE),
    ("/v1/positions/adopt", ADOPT, {"content-type": "application/jsonx"}, NO_TABLE),
    ("/v1/halt", b"[]", JSON, NO_TABLE),
    ("/v1/halt", b'{"nope": 1}', JSON, "nope: Extra inputs are not permitted"),
    ("/v1/halt", b'{"reason": 3}', JSON, "reason: Input should be a valid string"),
    ("/v1/halt", b'{"reason"', JSON, "9: JSON decode error"),
    ("/v1/halt", b"\xff\xfe", JSON, "0: JSON decode error"),
    ("/v1/halt", b"[" * 100_000, JSON, "0: JSON decode error"),
    ("/v1/halt", b'{"reason": ' + b"1" * 5000 + b"}", JSON, "0: JSON decode error"),
    (
        "/v1/positions/x/exits",
        b"{}",
        JSON,
        "position_id: Input should be a valid integer, unable to parse string as an integer",
    ),
]


class Waiting:
    def __init__(self, status: Status) -> None:
        self._status = status

    def status(self) -> Status:
        return self._status

    def now(self) -> datetime:
        return NOW


@pytest.fixture
def path() -> Iterator[Path]:
    with TemporaryDirectory(prefix="tb-") as short:
        yield Path(short) / "tradebotd.sock"


@pytest.fixture
def control() -> FakeControl:
    return FakeControl()


@asynccontextmanager
async def http(path: Path) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.AsyncHTTPTransport(uds=str(path))
    async with httpx.AsyncClient(transport=transport, base_url="http://tradebotd") as client:
        yield client


@pytest.fixture
async def client(control: FakeControl, path: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with serve(control, path), http(path) as client:
        yield client


async def test_parameters_are_read_from_the_path_and_the_query(client: httpx.AsyncClient) -> None:
    for read in GOOD_READS:
        answer = await client.get(read)
        assert answer.status_code == 200, (read, answer.text)
        assert answer.headers["tradebotd-now"] == "2022-01-14T07:32:00Z"
        assert answer.headers["content-type"] == "application/json"


async def test_parameters_are_told_apart_from_each_other(
    client: httpx.AsyncClient, control: FakeControl
) -> None:
    named = await client.get("/v1/candles/BTC%2FUSDT/1m?limit=3")
    await client.post("/v1/halt", content=b'{"reason": "lunch"}', headers=JSON)

    assert named.json()["error"]["message"] == "there is no symbol BTC/USDT"
    assert control.asked[-1] == ("halt", "lunch")


@pytest.mark.parametrize("read", WRONG_READS)
async def test_a_wrong_parameter_is_named(client: httpx.AsyncClient, read: str) -> None:
    answer = await client.get(read)

    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "usage"
    assert answer.json()["error"]["message"] == WRONG_READS[read]


async def test_a_body_is_json_that_says_so(client: httpx.AsyncClient) -> None:
    for act, body, headers in GOOD_ACTS:
        answer = await client.post(act, content=body, headers=headers)
        assert answer.status_code == 200, (act, body, answer.text)


@pytest.mark.parametrize(("act", "body", "headers", "message"), WRONG_ACTS)
async def test_a_body_that_does_not_fit_acts_on_nothing(
    client: httpx.AsyncClient,
    control: FakeControl,
    act: str,
    body: bytes,
    headers: dict[str, str],
    message: str,
) -> None:
    with capture_logs() as said:
        answer = await client.post(act, content=body, headers=headers)

    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "usage"
    assert answer.json()["error"]["message"] == message
    assert control.asked == []
    assert said == []  # the caller's fault is no news of the daemon's


@pytest.mark.parametrize(
    ("method", "where", "status"),
    [
        ("GET", "/v1/nothing", 404),
        ("GET", "/", 404),
        ("POST", "/v1/status", 405),
        ("HEAD", "/v1/status", 405),
        ("DELETE", "/v1/halt", 405),
    ],
)
async def test_what_is_not_there_is_refused(
    client: httpx.AsyncClient, method: str, where: str, status: int
) -> None:
    answer = await client.request(method, where)

    assert answer.status_code == status
    if method != "HEAD":
        assert answer.json()["error"]["code"] == "unknown_path"


async def test_a_daemon_that_stands_by_refuses_in_the_same_shape(
    control: FakeControl, path: Path
) -> None:
    """Interface 3.2: its status is all that it tells."""
    standing_by = (await control.status()).model_copy(update={"state": "standby"})
    async with open_door(path) as door, anyio.create_task_group() as tasks:
        room = WaitingRoom(Waiting(standing_by), door, tasks)
        async with http(path) as client:
            told = await client.get("/v1/status")
            assert (told.json()["state"], told.headers["tradebotd-now"]) == (
                "standby",
                "2022-01-14T07:32:00Z",
            )
            assert (await client.get("/healthz")).status_code == 200
            assert (await client.get("/readyz")).status_code == 503
            acted = await client.post("/v1/halt")
            assert (acted.status_code, acted.json()["error"]["code"]) == (409, "standby")
            missing = await client.get("/nothing")
            assert (missing.status_code, missing.json()["error"]["code"]) == (404, "unknown_path")
            assert set((await client.get("/v1/openapi.json")).json()["paths"]) == {
                "/healthz",
                "/readyz",
                "/v1/status",
            }
        await room.close()
        tasks.cancel_scope.cancel()


def references(within: Any) -> Iterator[str]:
    if isinstance(within, dict):
        if isinstance(found := within.get("$ref"), str):
            yield found
        for each in within.values():
            yield from references(each)
    elif isinstance(within, list):
        for each in within:
            yield from references(each)


async def test_the_description_is_whole(client: httpx.AsyncClient) -> None:
    """Interface 3.5: a generator of clients finds every shape, parameter and answer in it."""
    told = (await client.get("/v1/openapi.json")).json()

    assert told["openapi"] == "3.1.0"
    schemas = told["components"]["schemas"]
    assert {each.rpartition("/")[2] for each in references(told)} == set(schemas)
    operations = [operation for path in told["paths"].values() for operation in path.values()]
    assert len({each["operationId"] for each in operations}) == len(operations) > 30
    for where, path in told["paths"].items():
        for operation in path.values():
            named = {each["name"] for each in operation.get("parameters", ())}
            assert all(f"{{{name}}}" in where for name in named if name.endswith("_id"))
            answered = operation["responses"]["200"]["content"]["application/json"]["schema"]
            assert answered, where
            refused = operation["responses"]["default"]["content"]["application/json"]["schema"]
            assert refused == {"$ref": "#/components/schemas/ErrorAnswer"}


async def test_the_description_tells_what_an_endpoint_takes(client: httpx.AsyncClient) -> None:
    paths = (await client.get("/v1/openapi.json")).json()["paths"]

    assert paths["/v1/jobs/{name}/history"]["get"]["parameters"] == [
        {
            "name": "name",
            "in": "path",
            "required": True,
            "schema": {"type": "string", "title": "Name"},
        },
        {
            "name": "limit",
            "in": "query",
            "required": False,
            "schema": {
                "type": "integer",
                "minimum": 1,
                "maximum": 10_000,
                "default": 20,
                "title": "Limit",
            },
        },
    ]
    adopt = paths["/v1/positions/adopt"]["post"]
    assert adopt["requestBody"] == {
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/AdoptWish"}}},
        "required": True,
    }
    assert json.dumps(paths["/v1/jobs/{name}/run"]["post"]["responses"]["200"]).count("JobRun") == 1
    assert paths["/v1/jobs/{name}/run"]["post"]["description"].startswith("Stream ")
    assert "/v1/openapi.json" not in paths
