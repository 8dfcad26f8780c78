"""S8: subscriptions to user data on one connection, and their limits."""

from dataclasses import dataclass, field
from typing import Any

from tests.simulators.binance.errors import VenueError, refusal

MOST_ACTIVE = 1_000
MOST_IN_A_LIFE = 65_535


@dataclass
class Subscriptions:
    """Subscriptions by number: one an account; numbers are used once in a connection's life."""

    most_active: int = MOST_ACTIVE
    most_in_a_life: int = MOST_IN_A_LIFE
    _accounts: dict[int, str] = field(default_factory=dict)
    _by_session: set[int] = field(default_factory=set)
    _next: int = 0

    def open(self, account: str, *, by_session: bool) -> int:
        """Begin one; raises -2035 for an account that has one, -2042 when numbers are used up."""
        if account in self._accounts.values():
            raise refusal(-2035)
        if len(self._accounts) >= self.most_active:
            text = f"Too many subscriptions. Connection may create up to '{self.most_active}' subscriptions at a time."
            raise VenueError(-1191, text)
        if self._next >= self.most_in_a_life:
            raise refusal(-2042)
        number = self._next
        self._next += 1
        self._accounts[number] = account
        if by_session:
            self._by_session.add(number)
        return number

    def close(self, number: int) -> None:
        self._accounts.pop(number)
        self._by_session.discard(number)

    def chosen(self, number: int | None) -> list[int]:
        """List what an unsubscribe ends: all, or *number*; raises -2036 where that is not active."""
        if number is None:
            return list(self._accounts)
        if number not in self._accounts:
            raise refusal(-2036)
        return [number]

    def of(self, account: str) -> int | None:
        return next((n for n, name in self._accounts.items() if name == account), None)

    def of_session(self) -> list[int]:
        return sorted(self._by_session)

    def rows(self) -> list[dict[str, Any]]:
        return [{"subscriptionId": number} for number in self._accounts]
