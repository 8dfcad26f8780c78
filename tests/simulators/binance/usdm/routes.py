"""F11: which connection carries which stream."""

from enum import Enum

PUBLIC_TOPICS = ("bookTicker", "depth", "rpiDepth", "trade")


class Route(Enum):
    """The first part of a stream URL's path; UNROUTED is the old /ws and /stream."""

    PUBLIC = "public"
    MARKET = "market"
    PRIVATE = "private"
    UNROUTED = ""


def home_of(channel: str) -> Route:
    """The route that a stream lives on; what names no topic is a listen key."""
    if channel.startswith("!"):
        return Route.PUBLIC if channel.startswith("!bookTicker") else Route.MARKET
    _, at, topic = channel.partition("@")
    if not at:
        return Route.MARKET if channel == "tradingSession" else Route.PRIVATE
    return Route.PUBLIC if topic.startswith(PUBLIC_TOPICS) else Route.MARKET


def delivers(route: Route, channel: str) -> bool:
    """F11: a stream comes on its own route only, and an unrouted connection gives public ones.

    Whatever else is asked for on a connection is accepted, and stays silent without an error.
    """
    home = home_of(channel)
    return home is route or (route is Route.UNROUTED and home is Route.PUBLIC)
