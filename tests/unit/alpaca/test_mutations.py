"""2,000 mutated answers a reader: each is read, or is an error of the answer, and nothing else."""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from random import Random
from typing import Any

import orjson
import pytest

from tests.alpaca_venue.scene import APPLE, BTC, VENUE
from tests.binance_spot.test_mutations import mutated
from tests.fakes.host import ShiftedHost
from tests.unit.alpaca.samples import (
    ACCOUNT,
    CLOCK,
    COIN,
    EVENT,
    FILL,
    ORDER,
    PAIR,
    POSITIONS,
    READER,
    SHARE,
    SYMBOLS,
    TRANSFERS,
    source,
)
from tests.unit.alpaca.test_errors import answer, limits
from tradebotd.domain.ids import ClientOrderId
from tradebotd.net.answers import Value
from tradebotd.net.errors import MisshapenError
from tradebotd.venues.alpaca.answers import (
    account_of,
    books_of,
    clock_of,
    state_of,
    trades_of,
    transfers_of,
)
from tradebotd.venues.alpaca.assets import extended_of, instrument_of
from tradebotd.venues.alpaca.names import OrderNames, named_orders
from tradebotd.venues.alpaca.rest import refusal_of

MUTATIONS = 2_000
NAME = ClientOrderId("tb5")
SINCE = datetime(2026, 1, 1, tzinfo=UTC)
QUOTES = {"quotes": {"AAPL": {"ap": 200.5, "bp": 200.25, "t": "2026-11-18T15:00:00Z"}}}
TRADES = {"trades": {"AAPL": {"p": 200.25, "s": 7}, "BTC/USD": {"p": 60000.5}}}


def _account(told: Value) -> object:
    return account_of(told["account"], told["positions"], SYMBOLS)


READERS: dict[str, tuple[Any, Callable[[Value], object]]] = {
    "order": (ORDER, lambda told: READER.order(told, NAME)),
    "pair": (PAIR, lambda told: list(named_orders(told))),
    "names": (PAIR, lambda told: OrderNames().learn_all(told)),
    "fill": (FILL, lambda told: READER.activity(told, None)),
    "crypto fill": (
        {**FILL, "symbol": "BTC/USD", "side": "buy"},
        lambda told: READER.activity(told, None),
    ),
    "event": (EVENT, lambda told: READER.execution(told, NAME)),
    "account": ({"account": ACCOUNT, "positions": POSITIONS}, _account),
    "state": (ACCOUNT, state_of),
    "clock": (CLOCK, lambda told: clock_of(told, sessions=True)),
    "share": (SHARE, lambda told: instrument_of(told, APPLE.instrument, Decimal(1))),
    "coin": (COIN, lambda told: instrument_of(told, BTC.instrument, None)),
    "extended": (SHARE, extended_of),
    "transfers": (TRANSFERS, lambda told: list(transfers_of(told.items(), VENUE, SYMBOLS, SINCE))),
    "trades": (TRADES, trades_of),
    "quotes": (QUOTES, books_of),
}


@pytest.mark.parametrize("name", READERS)
def test_a_mutated_answer_is_read_or_misshapen(name: str) -> None:
    """2.3: no other exception leaves a reader, whatever it is given."""
    sample, reader = READERS[name]
    chance, misshapen = Random(f"mutated {name}"), 0
    reader(source(orjson.dumps(sample)).json())
    for _ in range(MUTATIONS):
        try:
            reader(source(mutated(sample, chance)).json())
        except MisshapenError as error:
            misshapen += len(str(error)) < 1_000
    assert misshapen > MUTATIONS // 20


def test_a_mutated_refusal_is_a_refusal() -> None:
    """An error that cannot be read has no code that is known; it is never an exception."""
    chance, kept = Random("mutated refusal"), limits(ShiftedHost())
    error = {"code": 40310000, "message": "insufficient buying power", "base_price": "200"}
    for _ in range(MUTATIONS):
        body = mutated(error, chance)
        told = refusal_of(source(body), answer(422, body), kept)
        assert told.status == 422
        assert len(told.words) <= 500
