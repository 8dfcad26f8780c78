"""Signatures of Binance requests: Ed25519 first, HMAC-SHA256 second.

Binance recommends Ed25519 and has marked HMAC keys deprecated (S6). A private key stands in a PEM
file (PKCS#8, as the website's key generator and openssl write it); any other secret is HMAC's.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, Protocol
from urllib.parse import quote

from tradebotd.domain.errors import ConfigError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_PEM: Final = "-----BEGIN "
_UNRESERVED: Final = "-_.~"  # beside letters and digits (RFC 3986)


class Signer(Protocol):
    """Key that signs requests. `kind` is what `check` and the log call it."""

    @property
    def kind(self) -> str: ...

    def sign(self, payload: bytes) -> str:
        """Return the signature of *payload* as Binance writes it, not yet percent-encoded."""
        ...


class HmacSigner:
    kind: Final = "HMAC"

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()

    def sign(self, payload: bytes) -> str:
        return hmac.new(self._secret, payload, hashlib.sha256).hexdigest()


class Ed25519Signer:
    kind: Final = "Ed25519"

    def __init__(self, key: "Ed25519PrivateKey") -> None:
        self._key = key

    def sign(self, payload: bytes) -> str:
        return base64.b64encode(self._key.sign(payload)).decode()


def is_private_key(secret: str) -> bool:
    """Return whether *secret* is a key in PEM, not HMAC's shared secret."""
    return secret.lstrip().startswith(_PEM)


def signer_of(secret: str, path: str) -> Signer:
    """Return the signer of a configured secret. Raises ConfigError, which never quotes it.

    `cryptography` costs 40 ms and 11 MB: it is imported only where a PEM key is configured.
    """
    if not is_private_key(secret):
        return HmacSigner(secret)
    try:
        from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415
        from cryptography.hazmat.primitives.asymmetric import ed25519  # noqa: PLC0415
        from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415
            load_pem_private_key,
        )
    except ImportError as error:
        words = "a private key in PEM needs the package cryptography, which cannot be imported"
        raise ConfigError([f"{path}: {words} ({error})"]) from error

    try:
        key = load_pem_private_key(secret.strip().encode(), password=None)
    except TypeError as error:  # its words for a key that asks for a password
        words = "the private key is encrypted; write it without a passphrase, and guard the file"
        raise ConfigError([f"{path}: {words}"]) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ConfigError([f"{path}: no private key in PEM can be read there"]) from error
    if not isinstance(key, ed25519.Ed25519PrivateKey):
        raise ConfigError([f"{path}: the private key is not Ed25519; make one of that kind"])
    return Ed25519Signer(key)


def encoded(params: Mapping[str, str]) -> str:
    """Return *params* as a query string, percent-encoded.

    S11, F18: what is signed is the encoded text, and symbols may hold any character of UTF-8.
    """
    return "&".join(f"{name}={quote(value, safe=_UNRESERVED)}" for name, value in params.items())


def signed_query(params: Mapping[str, str], signer: Signer) -> str:
    """Return *params* as a query string with its signature, for the REST interface."""
    query = encoded(params)
    return f"{query}&signature={quote(signer.sign(query.encode()), safe=_UNRESERVED)}"


def signed_params(params: Mapping[str, str | int], signer: Signer) -> dict[str, str | int]:
    """Return *params* with their signature, for the WebSocket API.

    There they are sorted by name and signed as they are: UTF-8, not percent-encoded.
    """
    payload = "&".join(f"{name}={params[name]}" for name in sorted(params))
    return {**params, "signature": signer.sign(payload.encode())}
