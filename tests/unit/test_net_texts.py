"""Texts at the edge: secrets taken out, paths held to their list, answers read strictly."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tradebotd.net.allow_list import AllowList
from tradebotd.net.answers import SHOWN, Source
from tradebotd.net.dialling import origin_of
from tradebotd.net.errors import MisshapenError, PathNotAllowedError
from tradebotd.net.http import Answer
from tradebotd.net.limited import retry_after
from tradebotd.net.redaction import Redactor

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
SECRETS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=6, max_size=60)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(SECRETS, st.text(), st.text())
def test_a_secret_is_never_shown_as_it_is_or_encoded(secret: str, before: str, after: str) -> None:
    """M6.3: however it stands in the text."""
    redact = Redactor([secret])
    for written in (secret, quote(secret, safe="")):
        shown = redact(f"{before}\n{written}\n{after}")
        clean = redact(f"{before}\n\n{after}")
        assert written not in shown or written in clean


@pytest.mark.parametrize(
    "text",
    [
        "GET /api/v3/order?symbol=A&signature=c8db56825ae71d6d",
        "signature=c8db56825ae71d6d&symbol=A",
        'answered {"apiKey":"c8db56825ae71d6d","symbol":"A"}',
        '{"listenKey": "c8db56825ae71d6d"}',
        "X-MBX-APIKEY: c8db56825ae71d6d",
        "APCA-API-SECRET-KEY: c8db56825ae71d6d",
        "Authorization: apikey c8db56825ae71d6d",
        "authorization: Bearer c8db56825ae71d6d",
        "**apikey** parameter apikey=c8db56825ae71d6d is incorrect",
        '{"action":"authenticate","data":{"key_id":"A","secret_key":"c8db56825ae71d6d"}}',
        '{"secret":"c8db56825ae71d6d',
        "'secret': 'c8db56825ae71d6d'",
        "wss://ws.twelvedata.com/v1/quotes/price?apikey=c8db56825ae71d6d",
    ],
)
def test_a_value_behind_the_name_of_a_secret_is_not_shown(text: str) -> None:
    shown = Redactor()(text)

    assert "c8db" not in shown
    assert "***" in shown


@pytest.mark.parametrize(
    "text",
    [
        "Signature for this request is not valid.",
        "Filter failure: LOT_SIZE",
        "Duplicate order sent.",
        "code -1022",
    ],
)
def test_the_words_of_a_venue_stay(text: str) -> None:
    assert Redactor(["abc"])(text) == text


ALLOWED = AllowList([("GET", "/v2/orders/{}"), ("GET", "/v2/orders:by_client_order_id")])


@given(st.text(min_size=1, max_size=30))
@example("..")
@example(".")
@example("a%2f..%2fwallets")
@example("a/../../wallets")
@example("a\nb")
@example("１")  # noqa: RUF001 - a digit, and no ASCII
def test_a_placeholder_stands_for_one_plain_segment(segment: str) -> None:
    path = f"/v2/orders/{segment}"
    try:
        ALLOWED.check("alpaca", "GET", path)
    except PathNotAllowedError:
        return
    assert not set(segment) & set("/?#%\\ \r\n\0")
    assert segment not in {".", ".."}
    assert segment.isascii()


def test_what_identifiers_are_made_of_is_allowed() -> None:
    for path in (
        "/v2/orders/61e69015-8549-4bfd-b9c3-01e75843f47d",
        "/v2/orders:by_client_order_id",
    ):
        ALLOWED.check("alpaca", "GET", path)


def test_a_pattern_begins_with_a_slash() -> None:
    with pytest.raises(ValueError, match="begin with a slash"):
        AllowList([("GET", "v2/orders")])


@pytest.mark.parametrize(
    "url",
    [
        "",
        "api.binance.com",
        "ftp://a",
        "http://",
        "http://key@a",
        "http://key:secret@a",
        "http://a#b",
    ],
)
def test_what_is_no_address_of_a_venue_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(ValueError, match="not a URL of a venue") as raised:
        origin_of(url)

    assert "secret" not in str(raised.value)


def test_the_host_header_has_the_port_where_it_is_not_the_usual_one() -> None:
    assert origin_of("https://api.binance.com/").authority == "api.binance.com"
    assert origin_of("https://api.binance.com:443").authority == "api.binance.com"
    assert origin_of("wss://stream.binance.com:9443/ws").authority == "stream.binance.com:9443"
    assert origin_of("http://[::1]:80/v2/").authority == "[::1]"


def source(body: bytes) -> Source:
    redact = Redactor(["the-secret-key"])
    return Source("binance: GET /api/v3/order", body, 200, redact)


@pytest.mark.parametrize("count", [10, 500, 20_000])
def test_a_secret_that_is_repeated_is_shown_by_no_part_of_it(count: int) -> None:
    """Hiding makes a text shorter, so what was cut stands nearer to its beginning."""
    text = source(b"the-secret-key " * count).misshapen("which is no JSON")
    assert "the-s" not in str(text)
    assert "-key" not in str(text)


def told(value: Any) -> Any:
    return source(orjson.dumps({"x": value})).json()["x"]


@given(st.decimals("-1e15", "1e15", allow_nan=False, allow_infinity=False, places=8))
def test_a_number_that_is_told_as_text_is_taken_to_the_last_digit(number: Decimal) -> None:
    assert told(str(number)).decimal() == number


@pytest.mark.parametrize(("raw", "number"), [(b"0.1", "0.1"), (b"191.53", "191.53"), (b"7", "7")])
def test_a_json_number_is_taken_by_its_shortest_text(raw: bytes, number: str) -> None:
    assert source(b'{"x":' + raw + b"}").json()["x"].decimal() == Decimal(number)


@pytest.mark.parametrize(
    "value",
    [
        "NaN",
        "Infinity",
        "-inf",
        "",
        " ",
        "1,5",
        "0x1",
        "1e999",
        "1" * 100,
        "１",  # noqa: RUF001 - a digit, and no ASCII
        True,
        None,
        [],
        {},
    ],
)
def test_what_is_no_number_is_misshapen(value: Any) -> None:
    with pytest.raises(MisshapenError, match="whose x is no number"):
        told(value).decimal()


@pytest.mark.parametrize("value", ["", "1.0", "²", "--1", 1.5, True, None, "9" * 60])
def test_what_is_no_integer_is_misshapen(value: Any) -> None:
    with pytest.raises(MisshapenError, match="whose x is no integer"):
        told(value).integer()


@pytest.mark.parametrize("value", [-1, 10**18, "x", None])
def test_what_is_no_instant_is_misshapen(value: Any) -> None:
    with pytest.raises(MisshapenError):
        told(value).instant()


def test_an_instant_is_aware() -> None:
    assert told(1507725176595).instant() == datetime(2017, 10, 11, 12, 32, 56, 595000, tzinfo=UTC)


@given(JSON, st.sampled_from(["decimal", "integer", "instant", "text", "flag", "items", "members"]))
def test_whatever_stands_there_is_read_or_misshapen(value: Any, reader: str) -> None:
    raw = orjson.dumps({"x": [{"y": value}]}, option=orjson.OPT_NON_STR_KEYS)
    at = source(raw).json()["x"].items()[0]["y"]
    said = ""
    try:
        getattr(at, reader)()
    except MisshapenError as error:
        said = str(error)

    assert not said or "whose x[0].y is no" in said or "neither true nor false" in said


@given(st.binary(max_size=400))
def test_any_bytes_are_parsed_or_misshapen(raw: bytes) -> None:
    said = ""
    try:
        source(raw).json()
    except MisshapenError as error:
        said = str(error)

    assert not said or said.startswith("binance: GET /api/v3/order: answered with status 200, ")


@pytest.mark.parametrize("raw", [b"[" * 100_000, b'{"a":' * 5_000])
def test_nesting_does_not_break_the_parser(raw: bytes) -> None:
    with pytest.raises(MisshapenError):
        source(raw).json()


def test_an_error_shows_the_first_of_the_answer_on_one_line_and_no_secret() -> None:
    raw = b'{"apiKey":"the-secret-key",\n "msg":"' + b"x" * 5000
    with pytest.raises(MisshapenError) as raised:
        source(raw).json()

    text = str(raised.value)
    assert "the-secret-key" not in text
    assert "\n" not in text
    assert text.count("x") <= SHOWN
    assert raised.value.status == 200


@pytest.mark.parametrize("cut", range(180, 260))
def test_a_secret_at_the_cut_is_not_shown_by_half(cut: int) -> None:
    raw = b"x" * (cut - 20) + b" the-secret-key and more" + b"x" * 500
    with pytest.raises(MisshapenError) as raised:
        source(raw).json()

    assert "the-sec" not in str(raised.value)


@pytest.mark.parametrize("key", ["missing", "null"])
def test_a_member_that_lacks_is_named(key: str) -> None:
    value = source(b'{"null":null}').json()

    assert value.get(key) is None
    with pytest.raises(MisshapenError, match=f"{key}"):
        value[key].text()


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        ("120", 120),
        (" 7 ", 7),
        ("Mon, 30 Nov 2026 12:01:00 GMT", 60),
        ("Mon, 30 Nov 2026 12:01:00", 60),
        ("259200", 259_200),
    ],
)
def test_retry_after_is_seconds_or_a_date(told: str, seconds: int) -> None:
    answer = Answer(429, {"retry-after": told}, b"")

    assert retry_after(answer, NOW) == NOW + timedelta(seconds=seconds)


@given(st.text())
@example("0")
@example("-5")
@example("1.5")
@example("99999999")
@example("Mon, 30 Nov 2026 11:59:00 GMT")
@example("Mon, 99 Nov 2026 11:59:00 GMT")
@example("Mon, 30 Nov 0000 11:59:00 +9999")
@example("Fri, 31 Dec 9999 23:59:59 -2359")
@example("²")
def test_what_is_no_end_to_believe_is_none(told: str) -> None:
    until = retry_after(Answer(429, {"retry-after": told}, b""), NOW)

    assert until is None or NOW < until <= NOW + timedelta(days=365)
