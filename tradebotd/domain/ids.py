"""Typed identifiers. They cost nothing at run time and cannot be swapped by accident."""

import base64
from typing import NewType

ClientOrderId = NewType("ClientOrderId", str)  # ours, FIX ClOrdID (11)
VenueOrderId = NewType("VenueOrderId", str)  # theirs, FIX OrderID (37)
TradeId = NewType("TradeId", str)  # one fill at the venue, FIX ExecID (17)
OrderId = NewType("OrderId", int)  # row of `orders`
PositionId = NewType("PositionId", int)  # row of `positions`
SymbolId = NewType("SymbolId", int)  # row of `market_symbols`
RunId = NewType("RunId", int)  # row of `job_runs`
JobName = NewType("JobName", str)
BotName = NewType("BotName", str)
VenueName = NewType("VenueName", str)  # the key of [venues.…]
FeedName = NewType("FeedName", str)  # the key of [feeds.…]

NONCE_BYTES = 5


def client_order_id_for(nonce: bytes, order_id: OrderId) -> ClientOrderId:
    """Return `tb` + base32 of (instance nonce, row id): 23 characters, legal at every venue.

    Derived from the stored intent, so that a restart asks about the same order. The nonce is drawn
    at the first migration: a rebuilt database counts from 1 again and must not reuse ids.
    """
    if len(nonce) != NONCE_BYTES:
        raise ValueError(f"the instance nonce has {NONCE_BYTES} bytes, was given {len(nonce)}")
    packed = nonce + order_id.to_bytes(8, "big")
    return ClientOrderId("tb" + base64.b32encode(packed).decode().rstrip("=").lower())
