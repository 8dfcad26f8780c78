"""A market to try clients at: prices, an account with money, keys of both kinds."""

import base64
import json

from tests.simulators.binance import ed25519
from tests.simulators.binance.signing import PUBLIC_KEY_HEADER, ApiKey
from tests.simulators.binance.spot.venue import Venue
from tests.simulators.shared.server import Server

ACCOUNT = "demo"
HMAC_KEY, HMAC_SECRET = "demoHmacKey", "demoHmacSecret"  # of this simulator; they open nothing else
ED25519_KEY, ED25519_SECRET = "demoEd25519Key", bytes(range(32))
PRIVATE_KEY_HEADER = bytes.fromhex("302e020100300506032b657004220420")  # DER of an Ed25519 key
PRICES = {"BTCUSDT": "60000", "ETHUSDT": "3000", "BNBUSDT": "600", "ETHBTC": "0.05"}
FUNDS = {"USDT": "100000", "BTC": "1", "ETH": "10", "BNB": "5"}


def furnish(venue: Venue) -> None:
    """Open the account, and let every market trade."""
    venue.open_account(ACCOUNT, FUNDS)
    venue.add_key(ApiKey(HMAC_KEY, ACCOUNT, secret=HMAC_SECRET))
    public = ed25519.public_key(ED25519_SECRET)
    venue.add_key(ApiKey(ED25519_KEY, ACCOUNT, public_key=public))
    for symbol, price in PRICES.items():
        venue.move(symbol, price)


def private_pem() -> str:
    return _pem("PRIVATE KEY", PRIVATE_KEY_HEADER + ED25519_SECRET)


def public_pem() -> str:
    return _pem("PUBLIC KEY", PUBLIC_KEY_HEADER + ed25519.public_key(ED25519_SECRET))


def describe(_: Server) -> str:
    keys = {"hmac": [HMAC_KEY, HMAC_SECRET], "ed25519": [ED25519_KEY, private_pem()]}
    return json.dumps({"account": ACCOUNT, "keys": keys})


def _pem(word: str, der: bytes) -> str:
    body = base64.b64encode(der).decode()
    return f"-----BEGIN {word}-----\n{body}\n-----END {word}-----\n"
