"""2,000 mutated answers a reader: each is read, or is an error of the venue, and nothing else."""

from collections.abc import Callable, Iterator
from copy import deepcopy
from random import Random
from typing import Any

import orjson
import pytest

from tests.unit.binance.samples import (
    BTC,
    CANCELLED,
    EVENT,
    LEGS,
    LIST,
    MARKET,
    PLACED,
    QUERIED,
    TRADE,
    VENUE,
    source,
    vendor_examples,
)
from tradebotd.domain.errors import VenueError
from tradebotd.domain.ids import ClientOrderId
from tradebotd.venues.binance.filters import instrument_of
from tradebotd.venues.binance.payload import Node, read
from tradebotd.venues.binance.permissions import permissions_of
from tradebotd.venues.binance.rest import refusal_of
from tradebotd.venues.binance.spot import answers, transfers
from tradebotd.venues.binance.spot.orders import ORDER_TYPES, OrderReader
from tradebotd.venues.binance.stream_messages import announces_shutdown, ends_stream

MUTATIONS = 2_000
READER = OrderReader(VENUE, lambda name: name, {"BTCUSDT": "USDT"}.get)
ORDERS = [
    (ClientOrderId("tb5"), READER.order(Node(QUERIED, source(b""), "x")).asked),
    (ClientOrderId("tb6"), READER.order(Node(QUERIED, source(b""), "x")).asked),
]
STRANGE: list[Any] = [
    *(None, True, False, 0, -1, 1.5, 2**53, -(2**63), "", "0", "-1", "1e400", "NaN", "x" * 5000),
    *([], {}, [[]], {"a": {}}, "٣", "\ud83d\ude00", "9" * 400, "0." + "9" * 400, 10**18, "TRADE"),
]
COMMISSION = {
    "symbol": "BTCUSDT",
    **{
        name: {"maker": "0.001", "taker": "0.001", "buyer": "0", "seller": "0"}
        for name in ("standardCommission", "specialCommission", "taxCommission")
    },
    "discount": {
        "enabledForAccount": True,
        "enabledForSymbol": True,
        "discountAsset": "BNB",
        "discount": "0.75",
    },
}
RESTRICTIONS = {
    "ipRestrict": True,
    "createTime": 1_700_000_000_000,
    "enableReading": True,
    "enableWithdrawals": False,
    "enableInternalTransfer": False,
    "permitsUniversalTransfer": False,
    "enableMargin": False,
    "enableSpotAndMarginTrading": True,
}
DEPOSIT = {"id": "7", "amount": "5", "coin": "USDT", "status": 1, "insertTime": 1_700_000_000_000}
WITHDRAWAL = {
    "id": "8",
    "amount": "5",
    "transactionFee": "1",
    "coin": "USDT",
    "status": 6,
    "completeTime": "2026-03-01 12:00:00",
}
MOVED = {
    "asset": "USDT",
    "amount": "5",
    "type": "UMFUTURE_MAIN",
    "status": "CONFIRMED",
    "tranId": 9,
    "timestamp": 1_700_000_000_000,
}
TICKERS = [
    {"symbol": "BTCUSDT", "price": "1.0", "bidPrice": "0.9", "askPrice": "1.1", "bidQty": "1"}
]
BALANCES = {"balances": [{"asset": "BTC", "free": "1.0", "locked": "0.5"}], "canTrade": True}
ERROR = {"code": -2010, "msg": "Account has insufficient balance for requested action."}
READERS: dict[str, tuple[Any, Callable[[Node], object]]] = {
    "placed": (PLACED, READER.placed),
    "queried": (QUERIED, READER.order),
    "cancelled": (CANCELLED, lambda told: READER.cancelled(told, ClientOrderId("tb2"))),
    "list cancelled": (
        {**LIST, "orderReports": LEGS},
        lambda told: READER.cancelled(told, ClientOrderId("tb5")),
    ),
    "pair": (
        {
            **LIST,
            "orderReports": [
                {**QUERIED, "clientOrderId": name, "transactTime": 1} for name in ("tb5", "tb6")
            ],
        },
        lambda told: READER.pair(told, ORDERS),  # type: ignore[arg-type]
    ),
    "trade": (TRADE, lambda told: READER.trade(told, None)),
    "event": (EVENT, READER.event),
    "instrument": (MARKET, lambda told: instrument_of(BTC, told, ORDER_TYPES)),
    "account": (BALANCES, answers.account_of),
    "prices": (TICKERS, answers.prices_of),
    "books": (TICKERS, answers.books_of),
    "time": ({"serverTime": 1_700_000_000_000}, answers.server_time),
    "reference": ({"symbol": "B", "referencePrice": "10.0"}, answers.reference_price),
    "commission": (COMMISSION, answers.commission_of),
    "permissions": (
        RESTRICTIONS,
        lambda told: permissions_of(told, trades="enableSpotAndMarginTrading"),
    ),
    "deposit": (DEPOSIT, lambda told: transfers.deposit_of(told, VENUE)),
    "withdrawal": (WITHDRAWAL, lambda told: transfers.withdrawal_of(told, VENUE)),
    "transfer": (MOVED, lambda told: transfers.transfer_of(told, VENUE)),
    "shutdown": ({"event": {"e": "serverShutdown", "E": 1}}, announces_shutdown),
    "ending": ({"id": None, "status": 401, "error": {"code": -2015, "msg": "x"}}, ends_stream),
}


def places(value: Any) -> list[tuple[Any, Any]]:
    """Each container of *value* with a key of it."""
    found: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        found += [(value, key) for key in value]
        for each in value.values():
            found += places(each)
    elif isinstance(value, list):
        found += [(value, n) for n in range(len(value))]
        for each in value:
            found += places(each)
    return found


def mutated(sample: Any, chance: Random) -> bytes:
    """Change some values, leave some out, cut the text, or shuffle its bytes."""
    value = deepcopy(sample)
    for _ in range(chance.randint(1, 3)):
        there = places(value)
        if not there:
            break
        container, key = chance.choice(there)
        match chance.randrange(4):
            case 0 if isinstance(container, dict):
                del container[key]
            case 1:
                container[key] = deepcopy(chance.choice([other[k] for other, k in there]))
            case _:
                container[key] = deepcopy(chance.choice(STRANGE))
    body = orjson.dumps(value, option=orjson.OPT_PASSTHROUGH_SUBCLASS) if sound(value) else b"[]"
    kind = chance.randrange(10)
    if kind == 0:
        return body[: chance.randrange(len(body) + 1)]
    if kind == 1:
        noise = bytearray(body)
        for _ in range(3):
            noise[chance.randrange(len(noise))] = chance.randrange(256)
        return bytes(noise)
    return body


def sound(value: Any) -> bool:
    """Whether it can be written as JSON at all."""
    try:
        orjson.dumps(value)
    except (TypeError, orjson.JSONEncodeError):
        return False
    return True


def samples(name: str) -> Iterator[Any]:
    """The sample, and the vendor's own examples that the reader reads as they are."""
    sample, reader = READERS[name]
    yield sample
    for example in vendor_examples("rest-api") + vendor_examples("user-data-stream"):
        doc = example.get("doc")
        if doc is None:
            continue
        doc = doc.get("event", doc) if isinstance(doc, dict) else doc
        try:
            reader(read(source(orjson.dumps(doc))))
        except VenueError:
            continue
        yield doc


@pytest.mark.parametrize("name", READERS)
def test_a_mutated_answer_is_read_or_malformed(name: str) -> None:
    """2.3: no other exception leaves a reader, whatever it is given."""
    reader, chance = READERS[name][1], Random(f"mutated {name}")
    originals, malformed = list(samples(name)), 0
    reader(read(source(orjson.dumps(READERS[name][0]))))
    for number in range(MUTATIONS):
        body = mutated(originals[number % len(originals)], chance)
        try:
            reader(read(source(body)))
        except VenueError as error:
            malformed += len(str(error)) < 1_000
    assert malformed > MUTATIONS // 20


def test_a_mutated_refusal_is_a_refusal() -> None:
    """An error that cannot be read has no code; it is never an exception."""
    chance = Random("mutated refusal")
    for _ in range(MUTATIONS):
        told = refusal_of(source(mutated(ERROR, chance)), {"retry-after": "x"})
        assert told.status == 200
        assert len(told.words) <= 200
