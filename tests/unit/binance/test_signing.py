"""Signatures by the vendor's own samples, and keys that are none."""

import subprocess
import sys
from pathlib import Path

import pytest

from tradebotd.domain.errors import ConfigError
from tradebotd.venues.binance.signing import (
    Ed25519Signer,
    HmacSigner,
    encoded,
    is_private_key,
    signed_params,
    signed_query,
    signer_of,
)

# Published in the vendor's documents, for illustration: keys of nobody.
KEY = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"
SECRET = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"  # noqa: S105
PEM = """-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIIJEYWtGBrhACmb9Dvy+qa8WEf0lQOl1s4CLIAB9m89u
-----END PRIVATE KEY-----
"""
WIDE = "\uff11\uff12\uff13\uff14\uff15\uff16"  # a symbol of full-width digits


def rest(symbol: str) -> dict[str, str]:
    return {
        "symbol": symbol,
        "side": "BUY",
        "type": "LIMIT",
        "timeInForce": "GTC",
        "quantity": "1",
        "price": "0.1",
        "recvWindow": "5000",
        "timestamp": "1499827319559",
    }


@pytest.mark.parametrize(
    ("symbol", "signature"),
    [
        ("LTCBTC", "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71"),
        (WIDE, "e1353ec6b14d888f1164ae9af8228a3dbd508bc82eb867db8ab6046442f33ef3"),
    ],
)
def test_hmac_of_the_rest_interface_is_that_of_the_documents(symbol: str, signature: str) -> None:
    """S11, F18: encoded first, then signed; symbols may hold any character."""
    query = signed_query(rest(symbol), signer_of(SECRET, "venues.spot.api_secret"))

    assert query.endswith(f"&signature={signature}")
    assert query.isascii()


@pytest.mark.parametrize(
    ("params", "signature"),
    [
        (
            {
                "symbol": "BTCUSDT",
                "side": "SELL",
                "type": "LIMIT",
                "timeInForce": "GTC",
                "quantity": "0.01000000",
                "price": "52000.00",
                "recvWindow": 100,
                "timestamp": 1645423376532,
                "apiKey": KEY,
            },
            "aa1b5712c094bc4e57c05a1a5c1fd8d88dcd628338ea863fec7b88e59fe2db24",
        ),
        (
            {
                "symbol": WIDE,
                "side": "BUY",
                "type": "LIMIT",
                "timeInForce": "GTC",
                "quantity": "1.00000000",
                "price": "0.10000000",
                "recvWindow": 5000,
                "timestamp": 1645423376532,
                "apiKey": KEY,
            },
            "b33892ae8e687c939f4468c6268ddd4c40ac1af18ad19a064864c47bae0752cd",
        ),
    ],
)
def test_hmac_of_the_websocket_api_is_that_of_the_documents(
    params: dict[str, str | int], signature: str
) -> None:
    """Sorted by name, in UTF-8, not encoded."""
    assert signed_params(params, HmacSigner(SECRET)) == {**params, "signature": signature}


def test_ed25519_is_that_of_the_documents() -> None:
    """S6: by the sample of the logon that the documents print with its private key.

    The samples of the REST document under that name are 256 bytes long: they are RSA's.
    """
    signer = signer_of(PEM, "venues.spot.api_secret")
    payload = "A\x01EXAMPLE\x01SPOT\x011\x0120240627-11:17:25.223"

    assert isinstance(signer, Ed25519Signer)
    assert signer.sign(payload.encode()) == (
        "4MHXelVVcpkdwuLbl6n73HQUXUf1dse2PCgT1DYqW9w8AVZ1RACFGM+5UdlGPrQHrgtS3CvsRURC1oj73j8gCA=="
    )


def test_an_ed25519_signature_is_encoded_where_it_stands_in_a_query() -> None:
    query = signed_query({"symbol": "BTCUSDT"}, signer_of(PEM, "x"))

    _, _, signature = query.partition("&signature=")
    assert not {"+", "/", "="} & set(signature)
    assert signature.endswith("%3D%3D")


def test_what_no_query_may_hold_is_encoded() -> None:
    assert encoded({"a": '["B","C"]', "d": "e f+g&h=i~j"}) == (
        "a=%5B%22B%22%2C%22C%22%5D&d=e%20f%2Bg%26h%3Di~j"
    )


@pytest.mark.parametrize(
    ("secret", "words"),
    [
        ("-----BEGIN PRIVATE KEY-----\nnonsense\n-----END PRIVATE KEY-----", "no private key"),
        (PEM.replace("MC4C", "MC5C"), "no private key"),
    ],
)
def test_a_key_that_is_none_is_refused_and_not_shown(secret: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as refused:
        signer_of(secret, "venues.spot.api_secret")
    assert refused.value.problems[0].startswith("venues.spot.api_secret: ")
    assert secret.splitlines()[1] not in str(refused.value)


def test_an_rsa_key_and_an_encrypted_one_are_refused_by_name() -> None:
    from cryptography.hazmat.primitives import serialization as to  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ed25519, rsa  # noqa: PLC0415

    pkcs8, pem = to.PrivateFormat.PKCS8, to.Encoding.PEM
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    locked = ed25519.Ed25519PrivateKey.generate().private_bytes(
        pem, pkcs8, to.BestAvailableEncryption(b"x")
    )
    with pytest.raises(ConfigError, match="not Ed25519"):
        signer_of(other.private_bytes(pem, pkcs8, to.NoEncryption()).decode(), "x")
    with pytest.raises(ConfigError, match="encrypted"):
        signer_of(locked.decode(), "x")


def test_a_key_file_may_begin_and_end_with_empty_lines() -> None:
    assert is_private_key(f"\n{PEM}\n\n")
    assert signer_of(f"\n{PEM}\n\n", "x").kind == "Ed25519"
    assert signer_of(SECRET, "x").kind == "HMAC"


def test_the_library_of_keys_is_imported_for_a_key_in_pem_alone(tmp_path: Path) -> None:
    """It costs 40 ms and 11 MB: a start with an HMAC secret pays neither."""
    text = (
        "import sys; from tradebotd.venues.binance.signing import signer_of;"
        f"signer_of({SECRET!r}, 'x'); print('cryptography' in sys.modules);"
        f"signer_of({PEM!r}, 'x'); print('cryptography' in sys.modules)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", text], capture_output=True, text=True, check=True, timeout=50
    )
    assert ended.stdout.split() == ["False", "True"]


def test_a_key_in_pem_without_its_library_is_a_line_that_names_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """N40: a package that was left out, and not a key that is wrong; HMAC needs none."""
    monkeypatch.setitem(sys.modules, "cryptography.exceptions", None)
    with pytest.raises(ConfigError, match="needs the package cryptography") as refused:
        signer_of(PEM, "venues.spot.api_secret")
    assert refused.value.problems[0].startswith("venues.spot.api_secret: ")
    assert PEM.splitlines()[1] not in str(refused.value)
    assert signer_of(SECRET, "venues.spot.api_secret").kind == "HMAC"
