"""Listen keys: an hour of user data, extended by each keep-alive."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from tests.simulators.binance.usdm.refusals import RefusalError

LIFE_MS = 60 * 60 * 1000


@dataclass
class ListenKey:
    key: str
    account: str
    until_ms: int


class ListenKeys:
    """One key an account; whoever asks again gets the same, for another hour."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms
        self._keys: dict[str, ListenKey] = {}
        self._made = 0
        self.on_expired: list[Callable[[ListenKey], None]] = []

    def start(self, account: str) -> str:
        self.expire()
        if account not in self._keys:
            self._made += 1
            digest = hashlib.sha256(f"{account} {self._made}".encode()).hexdigest()
            self._keys[account] = ListenKey(digest, account, 0)
        self._keys[account].until_ms = self._now_ms() + LIFE_MS
        return self._keys[account].key

    def keep_alive(self, account: str) -> str:
        """Extend by an hour.

        Raises:
            RefusalError: -1125 when there is none, or no longer: a new one must be started then.
        """
        self.expire()
        if account not in self._keys:
            raise RefusalError(-1125)
        return self.start(account)

    def stop(self, account: str) -> None:
        if self._keys.pop(account, None) is None:
            raise RefusalError(-1125)

    def account_of(self, key: str) -> str | None:
        found = [each.account for each in self._keys.values() if each.key == key]
        return found[0] if found else None

    def key_of(self, account: str) -> str | None:
        found = self._keys.get(account)
        return found.key if found else None

    def expire(self, *, now: bool = False) -> None:
        """Drop keys whose hour is over (all of them, with *now*) and tell their streams."""
        for listen_key in list(self._keys.values()):
            if now or listen_key.until_ms <= self._now_ms():
                for listener in list(self.on_expired):
                    listener(listen_key)
                del self._keys[listen_key.account]
