"""Plans, and what their keys have used: credits of the current minute and of the UTC day."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final


@dataclass(frozen=True)
class Plan:
    """*a_day*: None for all paid plans (T6). *connections*, *symbols*: of the stream (T8)."""

    name: str
    a_minute: int
    a_day: int | None
    connections: int
    symbols: int
    rank: int


PLANS: Final = {
    plan.name: plan
    for plan in (
        Plan("basic", 8, 800, 1, 8, 0),
        Plan("grow", 377, None, 1, 8, 1),
        Plan("pro", 1_597, None, 3, 1_500, 2),
        Plan("ultra", 10_946, None, 3, 2_500, 3),
    )
}
PRICING: Final = "https://twelvedata.com/pricing"


@dataclass
class Account:
    """Credits of one key. What is refused for want of credits is counted all the same."""

    plan: Plan
    minute: str = ""
    day: str = ""
    used_in_minute: int = 0
    used_in_day: int = 0

    def turn(self, now: datetime) -> None:
        """Begin a new minute or day: the day is the UTC one (T6)."""
        minute, day = now.strftime("%Y-%m-%dT%H:%M"), now.strftime("%Y-%m-%d")
        if minute != self.minute:
            self.minute, self.used_in_minute = minute, 0
        if day != self.day:
            self.day, self.used_in_day = day, 0

    def spend(self, wanted: int, now: datetime) -> str | None:
        """Spend *wanted* credits; the vendor's words if they are not there."""
        self.turn(now)
        self.used_in_minute += wanted
        self.used_in_day += wanted
        if self.plan.a_day is not None and self.used_in_day > self.plan.a_day:
            return (
                f"You have run out of API credits for the day. {self.used_in_day} API credits were"
                f" used, with the current limit being {self.plan.a_day}. Wait for the next day or"
                f" consider switching to a higher tier plan at {PRICING}"
            )
        if self.used_in_minute > self.plan.a_minute:
            return (
                "You have run out of API credits for the current minute."
                f" {self.used_in_minute} API credits were used, with the current limit being"
                f" {self.plan.a_minute}. Wait for the next minute or consider switching to a"
                f" higher tier plan at {PRICING}"
            )
        return None

    def headers(self) -> dict[str, str]:
        left = max(0, self.plan.a_minute - self.used_in_minute)
        return {"api-credits-used": str(self.used_in_minute), "api-credits-left": str(left)}

    def usage(self, now: datetime) -> dict[str, object]:
        self.turn(now)
        told: dict[str, object] = {
            "timestamp": now.strftime("%Y-%m-%d %H:%M:%S"),
            "current_usage": self.used_in_minute,
            "plan_limit": self.plan.a_minute,
        }
        if self.plan.a_day is not None:
            told |= {"daily_usage": self.used_in_day, "plan_daily_limit": self.plan.a_day}
        return told | {"plan_category": self.plan.name}
