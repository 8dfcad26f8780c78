"""2,000 mutated answers a reader: each is read, or is an error of the venue, and nothing else."""

from collections.abc import Callable
from decimal import Decimal
from random import Random
from typing import Any

import orjson
import pytest

from tests.binance_spot.test_mutations import MUTATIONS, mutated
from tests.binance_usdm import samples
from tests.binance_usdm.scene import BTC, VENUE
from tradebotd.domain.errors import VenueError
from tradebotd.domain.order import OrderStatus
from tradebotd.domain.quote import PriceKind
from tradebotd.venues.binance.markets import Markets
from tradebotd.venues.binance.payload import Node, Source, read
from tradebotd.venues.binance.usdm import account, events, incomes, market_data
from tradebotd.venues.binance.usdm.order_names import OrderNames
from tradebotd.venues.binance.usdm.orders import OrderReader, became_of

MARKETS = Markets(VENUE, [BTC])
READER = OrderReader(VENUE, MARKETS, OrderNames())
READERS: dict[str, tuple[Any, Callable[[Node], object]]] = {
    "order": (samples.ORDER, READER.order),
    "algo": (samples.ALGO, READER.algo),
    "became": (samples.ALGO, became_of),
    "trade": (samples.TRADE, lambda told: READER.trade(told, None)),
    "order event": (samples.ORDER_EVENT, lambda told: events.told_of(told, READER)),
    "algo event": (samples.ALGO_EVENT, lambda told: events.told_of(told, READER)),
    "balances": (samples.ACCOUNT, account.balances_of),
    "margins": (samples.ACCOUNT, account.margins_of),
    "positions": (samples.POSITIONS, account.positions_of),
    "modes": (samples.MODES, account.modes_of),
    "instrument": (samples.MARKET, lambda told: market_data.usdm_instrument(BTC, told)),
    "quote": (
        {"price": "1.0", "bidPrice": "0.9", "askPrice": "1.1", "markPrice": "1.05"},
        lambda told: market_data.quote_of(told, told, told),
    ),
    "commission": (
        {"symbol": "B", "makerCommissionRate": "0.0002", "takerCommissionRate": "0.0004"},
        lambda told: market_data.commission_of(told, in_bnb=False),
    ),
    "funding": (samples.INCOME, lambda told: incomes.funding_of(told, VENUE, MARKETS)),
    "transfer": (
        {**samples.INCOME, "incomeType": "TRANSFER", "symbol": ""},
        lambda told: incomes.transfer_of(told, VENUE),
    ),
    "expired": ({"e": "listenKeyExpired", "E": 1}, events.key_has_expired),
}


def source(body: bytes) -> Source:
    return Source(VENUE, "/fapi/v1/order", 200, body)


def originals(name: str) -> list[Any]:
    """The sample, and the vendor's own answers that the reader reads as they are."""
    sample, reader = READERS[name]
    found = [sample]
    for each in samples.vendors():
        try:
            reader(read(source(orjson.dumps(each))))
        except VenueError:
            continue
        found.append(each)
    return found


@pytest.mark.parametrize("name", READERS)
def test_a_mutated_answer_is_read_or_malformed(name: str) -> None:
    """2.3: no other exception leaves a reader, whatever it is given."""
    reader, chance = READERS[name][1], Random(f"mutated {name}")
    of, malformed = originals(name), 0
    reader(read(source(orjson.dumps(READERS[name][0]))))
    for number in range(MUTATIONS):
        body = mutated(of[number % len(of)], chance)
        try:
            reader(read(source(body)))
        except VenueError as error:
            malformed += len(str(error)) < 1_000
    assert malformed > MUTATIONS // 20


def test_the_vendors_own_answers_are_read() -> None:
    """Each reader of an answer that the vendor has an example of reads that one."""
    wanted = {"order", "algo", "trade", "balances", "positions", "modes", "commission", "transfer"}
    if not list(samples.vendors()):
        pytest.skip("the vendor's examples are not at hand")
    assert {name for name in READERS if len(originals(name)) > 1} >= wanted


def test_the_samples_are_read_as_what_they_are() -> None:
    """Of each kind of answer the fields that decide."""
    order = READER.order(read(source(orjson.dumps(samples.ORDER))))
    assert (order.status, order.venue_order_id) == (OrderStatus.PARTIALLY_FILLED, "7")
    algo = READER.algo(read(source(orjson.dumps(samples.ALGO))))
    assert (algo.status, algo.venue_order_id, algo.other_ids) == (OrderStatus.NEW, "algo-9", ("7",))
    assert algo.asked is not None
    assert (algo.asked.working_price, algo.asked.stop_price) == (PriceKind.MARK, Decimal(59000))
    told = events.told_of(read(source(orjson.dumps(samples.ALGO_EVENT))), READER)
    assert told is not None
    assert (told.report.status, told.report.reason) == (OrderStatus.REJECTED, "no margin")
    ended = events.told_of(read(source(orjson.dumps(samples.ORDER_EVENT))), READER)
    assert ended is not None
    assert ended.report.status is OrderStatus.EXPIRED
    assert ended.report.fills[0].price == 58990
