"""Request weights by address, order counts by account, their headers, and bans."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.simulators.binance.errors import VenueError, refusal

SECONDS = {"SECOND": 1, "MINUTE": 60, "HOUR": 3600, "DAY": 86_400}
WEIGHT, ORDERS, RAW = "REQUEST_WEIGHT", "ORDERS", "RAW_REQUESTS"


@dataclass(frozen=True)
class Rule:
    """A row of exchangeInfo's rateLimits: *limit* within each *number* *interval*s."""

    kind: str
    interval: str
    number: int
    limit: int

    @property
    def suffix(self) -> str:
        """`10S`, `1M`, `1D`: the end of the headers' names."""
        return f"{self.number}{self.interval[0]}"

    @property
    def span_ms(self) -> int:
        return SECONDS[self.interval] * self.number * 1000

    def row(self) -> dict[str, Any]:
        return {
            "rateLimitType": self.kind,
            "interval": self.interval,
            "intervalNum": self.number,
            "limit": self.limit,
        }


@dataclass
class Ban:
    """An address's offences: 429s since its last quiet window, and bans so far."""

    warnings: int = 0
    last_warning_ms: int = 0
    times: int = 0
    until_ms: int = 0


@dataclass
class BanRule:
    """*patience* answers of 429, then a ban that doubles with each repetition."""

    patience: int = 3
    first_ms: int = 120_000
    longest_ms: int = 3 * 86_400_000

    def length_ms(self, times: int) -> int:
        return int(min(self.first_ms * 2**times, self.longest_ms))


@dataclass
class Limits:
    """What the venue counts; windows begin at whole multiples of their length, in UTC."""

    rules: Sequence[Rule]
    now_ms: Callable[[], int]
    bans: BanRule = field(default_factory=BanRule)
    _used: dict[tuple[Rule, str, int], int] = field(default_factory=lambda: defaultdict(int))
    _banned: dict[str, Ban] = field(default_factory=lambda: defaultdict(Ban))

    def arrive(self, address: str, weight: int) -> None:
        """Charge a request; raises 418 within a ban, 429 beyond the limit (and then, later, bans)."""
        ban = self._banned[address]
        now = self.now_ms()
        if now < ban.until_ms:
            raise self._banned_until(ban.until_ms)
        for rule in self._of(RAW):
            self._add(rule, address, 1)
        over = [rule for rule in self._of(WEIGHT) if self._add(rule, address, weight) > rule.limit]
        over += [rule for rule in self._of(RAW) if self.used(rule, address) > rule.limit]
        if over:
            raise self._over(over[0], ban)

    def give_back(self, address: str, weight: int) -> None:
        """S1: placing and cancelling cost nothing when they succeed; a failure keeps its weight."""
        for rule in self._of(WEIGHT):
            self._add(rule, address, -weight)

    def place(self, account: str, orders: int = 1) -> None:
        """Count new orders; raises -1015 (429) where the account has no more left."""
        for rule in self._of(ORDERS):
            if self.used(rule, account) + orders > rule.limit:
                wait = self._rest_ms(rule)
                plain = refusal(-1015, rule.limit, f"{rule.number} {rule.interval}")
                raise VenueError(plain.code, plain.msg, 429, _retry_after(wait), self._data(wait))
        self.count(account, orders)

    def count(self, account: str, orders: int = 1) -> None:
        """Add to the unfilled count; never refuses (a refusal by the engine counts, S18)."""
        for rule in self._of(ORDERS):
            self._add(rule, account, orders)

    def first_fill(self, account: str, credit: int) -> None:
        """S20: an order's first fill gives back *credit* orders, in the window of the fill."""
        self.count(account, -credit)

    def ban(self, address: str, until_ms: int) -> None:
        """Ban *address* by a test's command."""
        self._banned[address].until_ms = until_ms

    def used(self, rule: Rule, whom: str) -> int:
        return self._used[rule, whom, self.now_ms() // rule.span_ms]

    def weight_headers(self, address: str) -> dict[str, str]:
        used = {rule: str(self.used(rule, address)) for rule in self._of(WEIGHT)}
        shown = {f"X-MBX-USED-WEIGHT-{rule.suffix}": count for rule, count in used.items()}
        return {"X-MBX-USED-WEIGHT": next(iter(used.values()), "0")} | shown

    def order_headers(self, account: str) -> dict[str, str]:
        return {
            f"X-MBX-ORDER-COUNT-{rule.suffix}": str(self.used(rule, account))
            for rule in self._of(ORDERS)
        }

    def rows(self, address: str = "", account: str = "") -> list[dict[str, Any]]:
        """List rules with `count`: of *account*'s orders, if named, and of *address*'s weight."""
        orders = self._of(ORDERS) if account else ()
        counts = [rule.row() | {"count": self.used(rule, account)} for rule in orders]
        return counts + [r.row() | {"count": self.used(r, address)} for r in self._of(WEIGHT)]

    def _of(self, kind: str) -> Iterator[Rule]:
        return (rule for rule in self.rules if rule.kind == kind)

    def _add(self, rule: Rule, whom: str, amount: int) -> int:
        key = rule, whom, self.now_ms() // rule.span_ms
        self._used[key] = max(0, self._used[key] + amount)
        return self._used[key]

    def _rest_ms(self, rule: Rule) -> int:
        return rule.span_ms - self.now_ms() % rule.span_ms

    def _over(self, rule: Rule, ban: Ban) -> VenueError:
        now = self.now_ms()
        if now // rule.span_ms > ban.last_warning_ms // rule.span_ms:
            ban.warnings = 0
        ban.warnings, ban.last_warning_ms = ban.warnings + 1, now
        if ban.warnings > self.bans.patience:
            ban.until_ms = now + self.bans.length_ms(ban.times)
            ban.times, ban.warnings = ban.times + 1, 0
            return self._banned_until(ban.until_ms)
        wait = self._rest_ms(rule)
        unit = f"{rule.number} {rule.interval}"
        text = (
            f"Too much request weight used; current limit is {rule.limit} request weight per {unit}."
            " Please use WebSocket Streams for live updates to avoid polling the API."
        )
        return VenueError(-1003, text, 429, _retry_after(wait), self._data(wait))

    def _banned_until(self, until_ms: int) -> VenueError:
        text = (
            f"Way too much request weight used; IP banned until {until_ms}."
            " Please use WebSocket Streams for live updates to avoid bans."
        )
        wait = until_ms - self.now_ms()
        return VenueError(-1003, text, 418, _retry_after(wait), self._data(wait))

    def _data(self, wait_ms: int) -> dict[str, int]:
        """The `data` of WebSocket API errors; REST leaves it out and sends the header."""
        return {"serverTime": self.now_ms(), "retryAfter": self.now_ms() + wait_ms}


def _retry_after(wait_ms: int) -> dict[str, str]:
    return {"Retry-After": str(max(1, -(-wait_ms // 1000)))}
