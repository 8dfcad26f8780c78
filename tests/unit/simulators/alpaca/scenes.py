"""An exchange at a moment, with a first market, and short words for orders."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.simulators.alpaca.calendar import NEW_YORK
from tests.simulators.alpaca.exchange import Exchange
from tests.simulators.alpaca.refusals import RequestRefusedError
from tests.simulators.alpaca.terms import Terms
from tests.simulators.shared.clock import SimulatorClock

OPEN = "2026-11-18 10:00"  # a Wednesday, an hour of trading old
BRACKET: dict[str, Any] = {
    "order_class": "bracket",
    "take_profit": {"limit_price": "210"},
    "stop_loss": {"stop_price": "190"},
}


def moment(local: str) -> datetime:
    """*local* time of New York, in UTC."""
    return datetime.fromisoformat(local).replace(tzinfo=NEW_YORK).astimezone(UTC)


class Scene:
    """An exchange whose clock stands until it is moved."""

    def __init__(self, local: str = OPEN, **terms: Any) -> None:
        self.clock = SimulatorClock(moment(local), running=False)
        self.exchange = Exchange(self.clock, Terms(**terms))
        self.desk = self.exchange.desk
        self.exchange.quote("AAPL", "199.98", "200")
        self.exchange.quote("BTC/USD", "60000", "60000")

    def go(self, local: str) -> None:
        self.clock.advance(moment(local) - self.clock.now())
        self.exchange.catch_up()

    def wait(self, **passed: float) -> None:
        self.clock.advance(timedelta(**passed))
        self.exchange.catch_up()

    def place(self, side: str = "buy", qty: str | None = "10", **more: Any) -> dict[str, Any]:
        """A market order of the day for AAPL, unless *more* says otherwise."""
        body = {
            "symbol": "AAPL",
            "side": side,
            "qty": qty,
            "type": "market",
            "time_in_force": "day",
        }
        body |= more
        return self.exchange.submit({name: each for name, each in body.items() if each is not None})

    def refused(
        self, side: str = "buy", qty: str | None = "10", **more: Any
    ) -> RequestRefusedError:
        with pytest.raises(RequestRefusedError) as caught:
            self.place(side, qty, **more)
        return caught.value

    def status(self, answer: dict[str, Any]) -> str:
        return str(self.exchange.order(answer["id"]).status)

    def events(self, answer: dict[str, Any]) -> list[str]:
        return self.desk.updates.events(answer["id"])

    def bracket(self, **more: Any) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        """A bracket: the entry, the take-profit and the stop, as they were told."""
        entry = self.place(**(BRACKET | {"time_in_force": "gtc"} | more))
        return entry, entry["legs"][0], entry["legs"][1]
