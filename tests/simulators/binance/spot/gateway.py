"""The way of a request into the venue: limits, key, time, signature, parameters, engine."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from tests.simulators.binance.errors import VenueError, refusal
from tests.simulators.binance.receive_window import Look, Timing, read_timing
from tests.simulators.binance.signing import ApiKey, check_signature, signed_payload
from tests.simulators.binance.spot import (
    account_queries,
    list_trading,
    market_data,
    trading,
    wallet,
)
from tests.simulators.binance.spot.accounts import Account
from tests.simulators.binance.spot.calls import SIGNED, Call, Endpoint
from tests.simulators.binance.spot.units import in_microseconds
from tests.simulators.binance.spot.venue import Venue

ENDPOINTS = (
    *market_data.ENDPOINTS,
    *trading.ENDPOINTS,
    *list_trading.ENDPOINTS,
    *account_queries.ENDPOINTS,
    *wallet.ENDPOINTS,
)
BY_PATH = {(each.method, each.path): each for each in ENDPOINTS}
BY_METHOD = {each.method_name: each for each in ENDPOINTS if each.method_name}


@dataclass(frozen=True)
class Asked:
    """One request as it came. *payload*, *signature*: what was signed, and how."""

    endpoint: Endpoint
    params: Mapping[str, str]
    address: str
    key_name: str | None = None
    payload: bytes = b""
    signature: str = ""
    account: str = ""  # of a session that has logged on: no signature is needed then
    arrived_ms: int | None = None  # where it waited before it is answered
    microseconds: bool = False


@dataclass(frozen=True)
class Answer:
    status: int
    body: Any
    headers: Mapping[str, str] = field(default_factory=dict)
    account: str = ""
    error: VenueError | None = None


@dataclass
class Gateway:
    venue: Venue

    def answer(self, asked: Asked) -> Answer:
        """Answer one request; every refusal is an answer, too."""
        venue, endpoint = self.venue, asked.endpoint
        weight = endpoint.weight_of(asked.params)
        account = ""
        try:
            venue.limits.arrive(asked.address, weight)
            call = self._admitted(asked)
            account = call.account.name if call.account else ""
            body = endpoint.handler(call)
        except VenueError as error:
            headers = self._headers(asked, "") | dict(error.headers)
            return Answer(error.status, error.body(), headers, account, error)
        if endpoint.free:
            venue.limits.give_back(asked.address, weight)
        if asked.microseconds:
            body = in_microseconds(body)
        return Answer(200, body, self._headers(asked, account), account)

    def authenticate(self, asked: Asked) -> ApiKey:
        """Check key, time and signature, in this order; the time first as a look at the arrival."""
        endpoint = asked.endpoint
        key = self.venue.keys.get(asked.key_name, asked.address, endpoint.permission)
        timing = read_timing(asked.params)
        timing.refuse(self._arrived_us(asked), Look.ARRIVAL)
        check_signature(key, asked.payload, asked.signature)
        return key

    def _admitted(self, asked: Asked) -> Call:
        endpoint, venue = asked.endpoint, self.venue
        if endpoint.security == "NONE":
            self._check_names(asked)
            return Call(venue, asked.params)
        if asked.account:
            key = venue.keys.get(asked.key_name, asked.address, endpoint.permission)
            timing = read_timing(asked.params)
            timing.refuse(self._arrived_us(asked), Look.ARRIVAL)
        else:
            key = self.authenticate(asked)
            timing = read_timing(asked.params)
        self._check_names(asked)
        account = venue.accounts[key.account]
        return Call(
            venue,
            asked.params,
            account,
            key,
            admit=lambda n: self._admit(asked, timing, account, n),
        )

    def _admit(self, asked: Asked, timing: Timing, account: Account, orders: int) -> None:
        """Count *orders* and look at the receive window twice more on the way to the engine (S18).

        The way takes what `Venue.slowness` says. A fault that executes a request later is a delay
        within the engine, which no look covers.
        """
        self.venue.limits.place(account.name, orders)
        slow, at = self.venue.slowness, self._arrived_us(asked)
        timing.refuse(at + slow.to_gateway_ms * 1000, Look.BEFORE_ENGINE)
        timing.refuse(at + (slow.to_gateway_ms + slow.to_engine_ms) * 1000, Look.AT_ENGINE)

    def _arrived_us(self, asked: Asked) -> int:
        at = self.venue.now_ms() if asked.arrived_ms is None else asked.arrived_ms
        return at * 1000

    def _check_names(self, asked: Asked) -> None:
        """Refuse parameters that are not read, below /api only: ccxt sends more to /sapi.

        The documents have the code and no endpoint for it; a simulator that swallowed a misspelt
        `stopprice` would pass an adapter that places a market order.
        """
        if asked.endpoint.path.startswith("/sapi"):
            return
        known = asked.endpoint.names
        if asked.endpoint.security != "NONE":
            known = known | SIGNED
        sent = set(asked.params)
        if not sent <= known:
            raise refusal(-1104, len(sent & known), len(sent))

    def _headers(self, asked: Asked, account: str) -> dict[str, str]:
        headers = self.venue.limits.weight_headers(asked.address)
        if account and asked.endpoint.word.startswith(("place", "replace")):
            headers |= self.venue.limits.order_headers(account)
        return headers


def read_rest(
    method: str,
    path: str,
    query: str,
    body: str,
    headers: Mapping[str, str],
    address: str,
    arrived_ms: int | None = None,
) -> Asked | None:
    """Read a REST request; None for a path that the venue does not have.

    Raises VenueError for what cannot be read.
    """
    endpoint = BY_PATH.get((method, path))
    if endpoint is None:
        return None
    unit = headers.get("X-MBX-TIME-UNIT", "MILLISECOND").upper()
    if unit not in {"MILLISECOND", "MICROSECOND"}:
        raise refusal(-1194)
    payload, signature = b"", ""
    if endpoint.security != "NONE":
        payload, signature = signed_payload(query, body)
    return Asked(
        endpoint,
        merged(query, body),
        address,
        headers.get("X-MBX-APIKEY"),
        payload,
        signature,
        arrived_ms=arrived_ms,
        microseconds=unit == "MICROSECOND",
    )


def merged(query: str, body: str) -> dict[str, str]:
    """Read parameters of query and body, of which the query's stand; raises -1101 for a name twice."""
    in_query = _pairs(query)
    return _pairs(body) | in_query


def _pairs(text: str) -> dict[str, str]:
    pairs = parse_qsl(text, keep_blank_values=True)
    found = dict(pairs)
    if len(found) < len(pairs):
        raise VenueError(-1101, "Duplicate values for a parameter detected.")
    return found


def words(endpoints: Iterable[Endpoint] = ENDPOINTS) -> set[str]:
    """List the operations that faults can name."""
    return {each.word for each in endpoints if each.word}
