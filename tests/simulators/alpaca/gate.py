"""The gate before every endpoint: keys, requests a minute, and paths that nobody may call."""

import re
from typing import Final

from aiohttp import web

from tests.simulators.alpaca.desk import Clock
from tests.simulators.alpaca.refusals import RequestRefusedError, too_many, unauthorized
from tests.simulators.alpaca.terms import Terms
from tests.simulators.shared.answers import Handler

KEY: Final = "APCA-API-KEY-ID"
SECRET: Final = "APCA-API-SECRET-KEY"  # noqa: S105

NEVER: Final = tuple(
    re.compile(pattern)
    for pattern in (
        r"\S+ /v2/wallets(/.*)?",
        r"\S+ /v2/perpetuals/wallets(/.*)?",
        r"POST /v2/tokenization/mint",
        r"POST /v1/locates",
        r"POST /v2/positions/[^/]+/(exercise|do-not-exercise)",
    )
)


def is_never_called(method: str, path: str) -> bool:
    """A10: transfers, whitelists, minting, locates (they cost), exercising: never to be called."""
    return any(each.fullmatch(f"{method} {path}") for each in NEVER)


def is_data(path: str) -> bool:
    """Market data, which has requests a minute of its own (A13)."""
    return path.startswith(("/v2/stocks", "/v1beta1/", "/v1beta3/"))


class Requests:
    """A13: requests a minute of the clock, as the headers tell them."""

    def __init__(self, terms: Terms, clock: Clock) -> None:
        self._terms, self._clock = terms, clock
        self._minute, self._used = 0, 0

    def take(self) -> tuple[bool, dict[str, str]]:
        """Whether one more is allowed, and the headers of its answer."""
        minute = int(self._clock.now().timestamp()) // 60
        if minute != self._minute:
            self._minute, self._used = minute, 0
        self._used += 1
        limit = self._terms.requests_per_minute
        return self._used <= limit, {
            "X-RateLimit-Limit": str(limit),
            "X-RateLimit-Remaining": str(max(0, limit - self._used)),
            "X-RateLimit-Reset": str((minute + 1) * 60),
        }


class Gate:
    """*violations*: requests that must never be made, by method and path, in order."""

    def __init__(self, terms: Terms, clock: Clock) -> None:
        self.terms = terms
        self.violations: list[tuple[str, str]] = []
        self._trading, self._data = Requests(terms, clock), Requests(terms, clock)

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path.startswith("/_") or "Upgrade" in request.headers:
            return await handler(request)
        requests = self._data if is_data(request.path) else self._trading
        allowed, headers = requests.take()
        try:
            self._check(request, allowed=allowed)
            answer = await handler(request)
        except RequestRefusedError as refused:
            answer = web.json_response(refused.body, status=refused.status)
        except web.HTTPNotFound:
            answer = web.json_response(
                {"code": 40410000, "message": "endpoint not found."}, status=404
            )
        except web.HTTPMethodNotAllowed:
            answer = web.json_response({"message": "method not allowed"}, status=405)
        if not answer.prepared:
            answer.headers.update(headers)
        return answer

    def _check(self, request: web.Request, *, allowed: bool) -> None:
        if is_never_called(request.method, request.path):
            self.violations.append((request.method, request.path))
            raise RequestRefusedError(
                403, 40310000, "the simulator refuses what must never be called"
            )
        if not request.path.startswith("/v1beta3/crypto"):
            self.check_keys(request.headers.get(KEY), request.headers.get(SECRET))
        if not allowed:
            raise too_many()

    def check_keys(self, key: str | None, secret: str | None) -> None:
        """401 without a known key, 403 with a wrong secret. Raises RequestRefusedError."""
        if key != self.terms.key:
            raise unauthorized()
        if secret != self.terms.secret:
            raise RequestRefusedError(403, None, "forbidden.")
