"""The gate that every request passes: weight, key, signature, time, order count, engine."""

from collections.abc import Mapping
from dataclasses import dataclass

from tests.simulators.binance.errors import VenueError
from tests.simulators.binance.limits import ORDERS, WEIGHT, Limits, Rule
from tests.simulators.binance.receive_window import Look, Timing, read_timing
from tests.simulators.binance.signing import ApiKey, KeyRing, check_signature
from tests.simulators.binance.usdm.calls import Call, Endpoint, Security
from tests.simulators.binance.usdm.refusals import RefusalError
from tests.simulators.binance.usdm.venue import Venue

RULES = (
    Rule(WEIGHT, "MINUTE", 1, 2400),
    Rule(ORDERS, "MINUTE", 1, 1200),
    Rule(ORDERS, "SECOND", 10, 300),
)
OF_THE_ENGINE = ("place", "modify", "cancel")
FUNDING_RULES = (Rule(WEIGHT, "MINUTE", 5, 500),)  # F16: fundingRate and fundingInfo together


@dataclass(frozen=True)
class Incoming:
    """A request as it came.

    Attributes:
        signed: what was signed, and the signature; None where nothing is.
        arrived_ms: when, by the venue's clock; it may be executed later than that.
    """

    params: Mapping[str, str]
    key: str | None
    address: str
    arrived_ms: int
    signed: tuple[bytes, str] | None = None
    is_logged_on: bool = False  # a WebSocket API session that needs no signature any more


@dataclass(frozen=True)
class Outcome:
    body: object
    status: int
    headers: Mapping[str, str]


class Gate:
    """Judges requests in the venue's order and has the endpoint answer.

    Attributes:
        engine_delay_ms: how long a request is under way to the matching engine, which looks at the
            receive window once more: -5028 then, and the order never existed.
    """

    def __init__(self, venue: Venue, keys: KeyRing) -> None:
        self.venue, self.keys = venue, keys
        self.limits = Limits(RULES, venue.now_ms)
        self.funding = Limits(FUNDING_RULES, venue.now_ms)
        self.engine_delay_ms = 0

    def run(self, endpoint: Endpoint, incoming: Incoming) -> Outcome:
        key: ApiKey | None = None
        try:
            weight = endpoint.weight(incoming.params)
            self.limits.arrive(incoming.address, weight)
            if endpoint.operation == "funding":
                self.funding.arrive(incoming.address, 1)
            key = self._key(endpoint, incoming)
            timing = self._admit(endpoint, incoming, key)
            if endpoint.orders and key is not None:
                self.limits.place(key.account, endpoint.orders)
            self._reach_engine(endpoint, timing)
            owner = self.venue.accounts[key.account] if key is not None else None
            body: object = endpoint.handle(Call(self.venue, incoming.params, owner, key))
        except VenueError as refused:
            headers = self._headers(endpoint, incoming, key) | dict(refused.headers)
            return Outcome(refused.body(), refused.status, headers)
        return Outcome(body, 200, self._headers(endpoint, incoming, key))

    def _key(self, endpoint: Endpoint, incoming: Incoming) -> ApiKey | None:
        if endpoint.security is Security.NONE:
            return None
        return self.keys.get(incoming.key, incoming.address, endpoint.permission)

    def _admit(self, endpoint: Endpoint, incoming: Incoming, key: ApiKey | None) -> Timing | None:
        if endpoint.security is not Security.SIGNED or key is None:
            return None
        if incoming.signed is not None:
            check_signature(key, *incoming.signed)
        elif not incoming.is_logged_on:
            raise RefusalError(-1102, name="signature")
        timing = read_timing(incoming.params)
        timing.refuse(incoming.arrived_ms * 1000, Look.ARRIVAL)
        return timing

    def _reach_engine(self, endpoint: Endpoint, timing: Timing | None) -> None:
        if timing is None or not endpoint.operation.startswith(OF_THE_ENGINE):
            return
        try:
            timing.refuse((self.venue.now_ms() + self.engine_delay_ms) * 1000, Look.AT_ENGINE)
        except VenueError:
            raise RefusalError(-5028) from None

    def _headers(self, endpoint: Endpoint, incoming: Incoming, key: ApiKey | None) -> dict[str, str]:  # fmt: skip
        """F16: on bookTicker and the second ticker/price the used weight is not to be believed."""
        headers = self.limits.weight_headers(incoming.address)
        if endpoint.headers_lie:
            headers = dict.fromkeys(headers, "-1")
        if endpoint.orders and key is not None:
            headers |= self.limits.order_headers(key.account)
        return headers
