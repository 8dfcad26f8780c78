"""Strict reading: what is not as it should be is malformed, and says where it came from."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from tests.unit.binance.samples import node, source
from tradebotd.domain.errors import VenueError
from tradebotd.venues.binance.payload import MalformedAnswerError, Node, from_ms, read, to_ms


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"{", b"<html>", b'{"a":1', b"\xff\xfe", b'{"a":NaN}', b'{"a":01}', b"[" * 5000),
        b'{"a": 1}trailing',
    ],
)
def test_what_is_no_json_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedAnswerError, match="no JSON") as raised:
        read(source(body))
    assert isinstance(raised.value, VenueError)


def test_an_error_names_venue_path_status_and_the_beginning_of_the_body() -> None:
    body = b'{"balances":"' + b"x" * 5000 + b'"}'
    with pytest.raises(MalformedAnswerError) as raised:
        read(source(body, "/api/v3/account")).rows("balances")
    told = str(raised.value)
    assert told.startswith("spot /api/v3/account (status 200): 'balances' is no list: {")
    assert len(told) < 280


def test_an_excerpt_hides_secrets_also_where_it_ends() -> None:
    secret = "s" * 64
    for before in (0, 150, 199, 230):
        body = b"x" * before + secret.encode() + b" rest"
        assert "ss" not in source(body, secrets=(secret,)).excerpt()


@pytest.mark.parametrize("length", [100, 3_000, 70_000, 200_000])
@pytest.mark.parametrize("secret", ["s" * 8, "s" * 64, "s" * 250])
def test_an_excerpt_hides_a_secret_that_is_repeated(length: int, secret: str) -> None:
    """M8.3: hiding makes a text shorter, so what was cut stands nearer to its beginning."""
    body = (secret.encode() + b" ") * (length // len(secret) + 1)
    assert "s" not in source(body, secrets=(secret,)).excerpt()


def test_an_excerpt_hides_what_stands_behind_the_name_of_a_secret() -> None:
    """M8.3: the venue may echo a URL, whose signature is none of the configured secrets."""
    shown = source(b"/api/v3/order?symbol=BTCUSDT&signature=0123456789abcdef").excerpt()
    assert "0123" not in shown
    assert "symbol=BTCUSDT" in shown


def test_an_empty_body_is_said_to_be_empty() -> None:
    with pytest.raises(MalformedAnswerError, match=r"\(empty\)"):
        read(source(b"  "))


@pytest.mark.parametrize(
    "value",
    [1, 1.5, True, None, [], {}, "", " 1", "1e5", "NaN", "Infinity", "0x1", "1_0", "٣", "-"],
)
def test_a_decimal_is_text_without_an_exponent(value: object) -> None:
    with pytest.raises(MalformedAnswerError, match="'a' is no decimal"):
        node({"a": value}).decimal("a")


def test_a_decimal_keeps_every_digit() -> None:
    told = node({"a": "123456789012345678.123456789012345678"})
    assert str(told.decimal("a")) == "123456789012345678.123456789012345678"


@pytest.mark.parametrize("value", ["1", 1.0, True, None, [], 2**70])
def test_an_integer_is_a_number_of_64_bits(value: object) -> None:
    told = Node({"a": value}, source(b"{}"), "x") if value == 2**70 else node({"a": value})
    if value == 2**70:
        assert told.integer("a") == value  # never read so: orjson makes a float of it
        assert read(source(b'{"a":1180591620717411303424}')).has("a")
        told = read(source(b'{"a":1180591620717411303424}'))
    with pytest.raises(MalformedAnswerError, match="'a' is no integer"):
        told.integer("a")


@pytest.mark.parametrize("value", [-1, 1_750_000_000_000_000, 10**18])
def test_a_time_is_milliseconds_of_this_century(value: int) -> None:
    with pytest.raises(MalformedAnswerError, match="no time"):
        node({"a": value}).instant("a")


def test_times_are_told_and_asked_for_in_whole_milliseconds() -> None:
    """A `since` is rounded down."""
    instant = datetime(2026, 3, 1, 12, 0, 0, 123_999, tzinfo=UTC)
    assert to_ms(instant) == 1_772_366_400_123
    assert from_ms(to_ms(instant)) == instant.replace(microsecond=123_000)


def test_a_field_that_is_missing_or_of_another_type_says_which() -> None:
    told = node({"a": {"b": [1]}})
    with pytest.raises(MalformedAnswerError, match="'a' has no 'c'"):
        told.field("a").text("c")
    with pytest.raises(MalformedAnswerError, match=r"'b'\[0\] is no text"):
        told.field("a").texts("b")
    with pytest.raises(MalformedAnswerError, match="is no object"):
        node([1]).text("a")
    with pytest.raises(MalformedAnswerError, match="fewer than 2"):
        node([1]).row(2)


def test_a_price_of_nothing_is_none() -> None:
    told = node({"a": "0.00000000", "b": "1.50", "c": None})
    assert [told.price_if_any(each) for each in "abcd"] == [None, Decimal("1.50"), None, None]
    with pytest.raises(MalformedAnswerError, match="negative"):
        node({"a": "-1"}).price_if_any("a")
