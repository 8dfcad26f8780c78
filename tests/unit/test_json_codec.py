import json
import uuid
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradebotd.domain.side import Side
from tradebotd.storage.postgres.json_codec import dumps, loads


@dataclass(frozen=True, slots=True)
class Shape:
    side: Side
    price: Decimal


class Row(NamedTuple):
    side: Side
    price: Decimal


IDENTITY = uuid.UUID(int=7)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (IDENTITY, str(IDENTITY)),
        (datetime(2026, 1, 2, 3, 4, tzinfo=UTC), "2026-01-02T03:04:00+00:00"),
        (date(2026, 1, 2), "2026-01-02"),
        (timedelta(minutes=1.5), 90.0),
        (Decimal("1E+3"), "1000"),
        (Decimal("0.10"), "0.1"),
        (Side.BUY, "buy"),
        (ValueError("no"), "ValueError: no"),
        ({3, 1, 2}, [1, 2, 3]),
        (Shape(Side.SELL, Decimal("1.5")), {"side": "sell", "price": "1.5"}),
        ([Row(Side.SELL, Decimal("1.5"))], [{"side": "sell", "price": "1.5"}]),
        ({Side.BUY: (1, True, None)}, {"buy": [1, True, None]}),
        ({1: float("nan"), 2: float("inf")}, {"1": None, "2": None}),
        (Path("/a/b"), "/a/b"),
        ("a\0b", "a�b"),
    ],
    ids=lambda value: str(value)[:20].replace("\0", "0"),
)
def test_every_kind_of_value_in_a_record_has_its_json(value: Any, expected: Any) -> None:
    """M2.1: one encoder knows UUID, datetime, Decimal, enum and exceptions."""
    assert loads(dumps(value)) == expected


class Broken:
    def __repr__(self) -> str:
        raise RuntimeError("not even that")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (object, "<class 'object'>"),
        (b"\0\xff", "b'\\x00\\xff'"),
        ("\ud800", "?"),
        ({(1, 2): 1 + 2j}, {"[1, 2]": "(1+2j)"}),
    ],
    ids=["type", "bytes", "surrogate", "odd key"],
)
def test_what_json_does_not_know_is_put_in_words(value: Any, expected: Any) -> None:
    """M2.1: a run's record is written whatever its summary holds."""
    assert loads(dumps(value)) == expected


def test_an_object_whose_repr_raises_has_a_place_too() -> None:
    assert "Broken object at" in dumps([Broken()])


def test_what_holds_itself_has_an_end() -> None:
    endless: dict[str, Any] = {}
    endless["self"] = endless

    assert len(dumps(endless)) < 10_000


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_whatever_json_can_say_becomes_valid_json(value: Any) -> None:
    json.loads(dumps(value).encode())
