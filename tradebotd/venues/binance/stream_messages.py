"""Messages of Binance's streams that are not data: shutdowns, endings, revoked keys. Pure."""

from typing import Final

from tradebotd.venues.binance.payload import Node

SHUTDOWN: Final = "serverShutdown"
TERMINATED: Final = "eventStreamTerminated"


def announces_shutdown(told: Node) -> bool:
    """S7: return whether the server says that it is about to close the connection.

    The WebSocket API, a raw stream and a combined one each have a shape of their own for it. No
    lead time is promised.
    """
    if not told.is_object():
        return False
    if told.has("stream"):
        return told.text("stream") == f"!{SHUTDOWN}"
    event = told.field("event") if told.has("event") else told
    return event.is_object() and event.has("e") and event.text("e") == SHUTDOWN


def ends_stream(told: Node) -> str | None:
    """S8: return why a user stream has ended; None where the message does not say so.

    Behind an unsubscription or an expiry comes an event. A key that has become invalid is told as a
    refusal of nothing that was asked (`id` null, 401, -2015).
    """
    if told.has("event"):
        event = told.field("event")
        return TERMINATED if event.text("e") == TERMINATED else None
    if told.has("error") and not told.has("id"):
        error = told.field("error")
        return f"{error.text('msg')} ({error.integer('code')})"
    return None
