"""Ed25519 keys as PEM: what a client reads, and what the venue is given."""

import base64

from tests.simulators.binance import ed25519
from tests.simulators.binance.signing import PUBLIC_KEY_HEADER

PRIVATE_KEY_HEADER = bytes.fromhex("302e020100300506032b657004220420")  # DER of an Ed25519 key


def private_pem(secret: bytes) -> str:
    return _pem("PRIVATE KEY", PRIVATE_KEY_HEADER + secret)


def public_pem(secret: bytes) -> str:
    return _pem("PUBLIC KEY", PUBLIC_KEY_HEADER + ed25519.public_key(secret))


def _pem(word: str, der: bytes) -> str:
    body = base64.b64encode(der).decode()
    return f"-----BEGIN {word}-----\n{body}\n-----END {word}-----\n"
