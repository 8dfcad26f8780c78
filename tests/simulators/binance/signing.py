"""API keys and the check of a request's signature."""

import base64
import binascii
import hashlib
import hmac
import string
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import unquote

from tests.simulators.binance import ed25519
from tests.simulators.binance.errors import refusal

# The thirteen fields of apiRestrictions less its createTime, of a key that may read and trade spot.
READ_AND_TRADE: Mapping[str, bool] = {
    "ipRestrict": True,
    "enableReading": True,
    "enableWithdrawals": False,
    "enableInternalTransfer": False,
    "enableMargin": False,
    "enableFutures": False,
    "permitsUniversalTransfer": False,
    "enableVanillaOptions": False,
    "enableFixApiTrade": False,
    "enableFixReadOnly": False,
    "enableSpotAndMarginTrading": True,
    "enablePortfolioMarginTrading": False,
}
PUBLIC_KEY_HEADER = bytes.fromhex("302a300506032b6570032100")  # DER of an Ed25519 public key


@dataclass(frozen=True)
class ApiKey:
    """A key of *account*: an HMAC secret, or the 32 bytes of an Ed25519 public key."""

    name: str
    account: str
    secret: str = ""
    public_key: bytes = b""
    restrictions: Mapping[str, bool] = field(default_factory=lambda: dict(READ_AND_TRADE))
    created_ms: int = 1_700_000_000_000
    addresses: frozenset[str] = frozenset()  # none: from anywhere

    def allowing(self, **restrictions: bool) -> "ApiKey":
        return replace(self, restrictions=dict(self.restrictions) | restrictions)

    def accepts(self, payload: bytes, signature: str) -> bool:
        """Tell whether *signature* (not percent-encoded any more) is this key's over *payload*.

        Hexadecimal digits of an HMAC may be of either case; base64 may not.
        """
        if not self.public_key:
            expected = hmac.new(self.secret.encode(), payload, hashlib.sha256).hexdigest()
            return hmac.compare_digest(expected.encode(), signature.lower().encode())
        try:
            raw = base64.b64decode(signature, validate=True)
        except (binascii.Error, ValueError):
            return False
        return ed25519.verify(self.public_key, payload, raw)


def public_bytes(pem: str) -> bytes:
    """Read the 32 bytes of an Ed25519 public key in PEM, as the venue takes it.

    Raises ValueError for a key of another kind.
    """
    lines = [line for line in pem.strip().splitlines() if not line.startswith("-----")]
    data = base64.b64decode("".join(lines))
    if not data.startswith(PUBLIC_KEY_HEADER):
        raise ValueError("not an Ed25519 public key")
    return data[len(PUBLIC_KEY_HEADER) :]


class KeyRing:
    """The venue's keys by name."""

    def __init__(self, keys: Iterable[ApiKey] = ()) -> None:
        self._keys = {key.name: key for key in keys}

    def add(self, key: ApiKey) -> None:
        self._keys[key.name] = key

    def revoke(self, name: str) -> None:
        self._keys.pop(name, None)

    def get(self, name: str | None, address: str, permission: str = "") -> ApiKey:
        """Find the key for a request; raises -2014 for what is no key, -2015 for one that may not.

        *permission*: a field of apiRestrictions; none means that any key will do.
        """
        if not name or not set(name) <= set(string.ascii_letters + string.digits):
            raise refusal(-2014)
        key = self._keys.get(name)
        if key is None or (permission and not key.restrictions[permission]):
            raise refusal(-2015)
        if key.addresses and address not in key.addresses:
            raise refusal(-2015)
        return key


def signed_payload(query: str, body: str) -> tuple[bytes, str]:
    """Split a request, both parts as they came over the wire, into what was signed and the signature.

    The payload is the query with the body behind it and no character between them, less the
    `signature` pair. Raises -1022 where the payload holds a character that ought to have been
    percent-encoded before signing: what the client signed cannot be known then (S11).
    """
    rest_of_query, in_query = _without_signature(query)
    rest_of_body, in_body = _without_signature(body)
    signature = in_query or in_body
    if not signature:
        raise refusal(-1102, "signature")
    payload = rest_of_query + rest_of_body
    if not payload.isascii():
        raise refusal(-1022)
    return payload.encode("ascii"), signature


def _without_signature(text: str) -> tuple[str, str]:
    kept, found = [], ""
    for pair in text.split("&") if text else ():
        name, _, value = pair.partition("=")
        if name == "signature":
            found = found or unquote(value)
        else:
            kept.append(pair)
    return "&".join(kept), found


def websocket_payload(params: Mapping[str, Any]) -> bytes:
    """Build what a WebSocket API request signs: parameters by name, raw UTF-8, nothing encoded."""
    pairs = (f"{name}={as_text(params[name])}" for name in sorted(params) if name != "signature")
    return "&".join(pairs).encode()


def as_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return "[" + ",".join(f'"{item}"' for item in value) + "]"
    return str(value)


def check_signature(key: ApiKey, payload: bytes, signature: str) -> None:
    """Raise -1022 unless *signature* is *key*'s."""
    if not key.accepts(payload, signature):
        raise refusal(-1022)
