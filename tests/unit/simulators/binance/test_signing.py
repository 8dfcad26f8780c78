"""Signatures of Binance's own documents, recomputed by the simulator."""

import base64
from urllib.parse import quote

import pytest

from tests.simulators.binance import ed25519
from tests.simulators.binance.errors import VenueError
from tests.simulators.binance.signing import (
    ApiKey,
    KeyRing,
    check_signature,
    public_bytes,
    signed_payload,
    websocket_payload,
)

# The keys and signatures of the documents' examples; they open nothing.
HMAC = ApiKey(
    name="vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A",
    account="a",
    secret="NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j",  # noqa: S106 - printed in the document
)
WIDE = "".join(chr(0xFF10 + digit) for digit in range(1, 7))  # digits of full width
ORDER = "&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1&recvWindow=5000&timestamp=1499827319559"
ED25519_SECRET = base64.b64decode(
    "MC4CAQAwBQYDK2VwBCIEIIJEYWtGBrhACmb9Dvy+qa8WEf0lQOl1s4CLIAB9m89u"
)[-32:]


@pytest.mark.parametrize(
    ("symbol", "signature"),
    [
        ("LTCBTC", "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71"),
        (quote(WIDE), "e1353ec6b14d888f1164ae9af8228a3dbd508bc82eb867db8ab6046442f33ef3"),
    ],
)
def test_the_rest_examples_of_hmac_hold(symbol: str, signature: str) -> None:
    payload, sent = signed_payload(f"symbol={symbol}{ORDER}&signature={signature}", "")

    check_signature(HMAC, payload, sent)
    check_signature(HMAC, payload, sent.upper())


@pytest.mark.parametrize(
    ("params", "signature"),
    [
        (
            {"symbol": "BTCUSDT", "side": "SELL", "price": "52000.00", "recvWindow": 100},
            "aa1b5712c094bc4e57c05a1a5c1fd8d88dcd628338ea863fec7b88e59fe2db24",
        ),
        (
            {"symbol": WIDE, "side": "BUY", "price": "0.10000000", "recvWindow": 5000},
            "b33892ae8e687c939f4468c6268ddd4c40ac1af18ad19a064864c47bae0752cd",
        ),
    ],
)
def test_the_websocket_examples_of_hmac_hold(params: dict[str, object], signature: str) -> None:
    quantity = "0.01000000" if params["side"] == "SELL" else "1.00000000"
    others = {"type": "LIMIT", "timeInForce": "GTC", "quantity": quantity}
    stamped = {"timestamp": 1645423376532, "apiKey": HMAC.name, "signature": signature}

    check_signature(HMAC, websocket_payload(params | others | stamped), signature)


def test_the_ed25519_example_holds() -> None:
    """The logon of the FIX document: the only Ed25519 example whose private key is printed."""
    payload = b"\x01".join([b"A", b"EXAMPLE", b"SPOT", b"1", b"20240627-11:17:25.223"])
    printed = base64.b64decode(
        "4MHXelVVcpkdwuLbl6n73HQUXUf1dse2PCgT1DYqW9w8AVZ1RACFGM+5UdlGPrQHrgtS3CvsRURC1oj73j8gCA=="
    )

    assert ed25519.sign(ED25519_SECRET, payload) == printed
    assert ed25519.verify(ed25519.public_key(ED25519_SECRET), payload, printed)
    assert not ed25519.verify(ed25519.public_key(ED25519_SECRET), payload + b"0", printed)


def test_an_ed25519_key_is_read_from_its_pem() -> None:
    key = ed25519.public_key(ED25519_SECRET)
    der = base64.b64encode(bytes.fromhex("302a300506032b6570032100") + key).decode()

    assert public_bytes(f"-----BEGIN PUBLIC KEY-----\n{der}\n-----END PUBLIC KEY-----\n") == key


def test_the_query_and_the_body_are_signed_as_one_text() -> None:
    payload, signature = signed_payload("symbol=A&side=BUY", "quantity=1&signature=ab%2B%2F%3D")

    assert payload == b"symbol=A&side=BUYquantity=1"
    assert signature == "ab+/="


def test_what_was_not_percent_encoded_before_signing_is_refused() -> None:
    """S11: symbols may hold other letters than ASCII's; unencoded, the signature is -1022."""
    with pytest.raises(VenueError) as refused:
        signed_payload(f"symbol={WIDE}&signature=00", "")

    assert refused.value.code == -1022


def test_a_signature_over_another_text_is_refused() -> None:
    with pytest.raises(VenueError) as refused:
        check_signature(HMAC, b"symbol=A", "00")

    assert refused.value.code == -1022


@pytest.mark.parametrize(
    ("name", "address", "permission", "code"),
    [
        ("with space", "127.0.0.1", "", -2014),
        (None, "127.0.0.1", "", -2014),
        ("unknown", "127.0.0.1", "", -2015),
        ("key", "10.0.0.9", "", -2015),
        ("key", "127.0.0.1", "enableFutures", -2015),
    ],
)
def test_a_key_that_may_not_is_refused(
    name: str | None, address: str, permission: str, code: int
) -> None:
    ring = KeyRing([ApiKey("key", "a", addresses=frozenset({"127.0.0.1"}))])

    with pytest.raises(VenueError) as refused:
        ring.get(name, address, permission)

    assert refused.value.code == code
    assert ring.get("key", "127.0.0.1", "enableReading").account == "a"
