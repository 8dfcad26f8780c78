"""Each alert that is open in the end has a reason in the world that is still so. None by its name."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final

from tests.simulation.cash import BOOKED
from tests.simulation.excess import exceeded
from tests.simulation.facts import Facts
from tests.simulation.fortune import most_lost
from tests.simulation.ledger import LIVE, Ledger
from tests.simulation.markets import CURRENCY
from tests.simulation.switches import Draw
from tests.simulation.venue import STOPS
from tradebotd.domain.ids import ClientOrderId
from tradebotd.domain.instrument import PositionType
from tradebotd.domain.order import OrderRequest, OrderType, TimeInForce
from tradebotd.domain.side import PositionSide

Why = Callable[["Reasons", str], bool]
POSITION: Final = "position "


def unexplained(
    alerts: set[tuple[str, str]],
    positions: list[Any],
    orders: Mapping[str, Any],
    facts: Facts,
    *,
    first_seen_late: set[tuple[str, str]],
    patient: bool,
) -> list[str]:
    """*first_seen_late*: (venue, money) as of which our books were behind at the first look."""
    reasons = Reasons(positions, orders, facts, first_seen_late, patient=patient)
    return [
        f"an alert that nothing in the world explains: {code} {subject}"
        for code, subject in sorted(alerts)
        if not EXPLAINED.get(code, _never)(reasons, subject)
    ]


class Reasons:
    def __init__(
        self,
        positions: list[Any],
        orders: Mapping[str, Any],
        facts: Facts,
        first_seen_late: set[tuple[str, str]],
        *,
        patient: bool,
    ) -> None:
        self._open = {str(row["id"]): row for row in positions if row["closed_at"] is None}
        self._positions, self._orders = positions, orders
        self._facts = facts
        self._first_seen_late = first_seen_late
        self._patient = patient

    def is_different(self, subject: str) -> bool:
        """What the venue holds is not what it held before us and what our fills made of it."""
        ledger, what = self._place(subject)
        return ledger is not None and bool(ledger.by_hand.get(what))

    def is_unknown(self, subject: str) -> bool:
        """It never came to the venue, and one that could rest there is sought for an hour."""
        row = self._orders.get(subject)
        known = [
            venue.ledger.orders.get(ClientOrderId(subject)) for venue in self._facts.venues.values()
        ]
        arrived = any(order is not None and not order.forgotten for order in known)
        return row is not None and not row["settled"] and not arrived and not self._patient

    def is_refused(self, subject: str) -> bool:
        """Its exit would be refused at this moment, too."""
        return self._refusal(subject, OrderType.MARKET) is not None

    def was_short(self, subject: str) -> bool:
        """Its venue has refused to sell so much of it as was asked for: it had less free."""
        number = subject.removeprefix(POSITION)
        return any(
            order.reason == "insufficient balance"
            for venue in self._facts.venues.values()
            for name, order in venue.ledger.orders.items()
            if name in self._orders and str(self._orders[name]["position_id"]) == number
        )

    def has_no_stop(self, subject: str) -> bool:
        """No stop of it rests, and one would be refused at this moment, or is still sought."""
        row = self._open.get(subject.removeprefix(POSITION))
        if row is None:
            return False
        ledger = self._facts.venues[row["venue"]].ledger
        rests = any(
            order.status in LIVE
            and order.request.type in STOPS
            and self._orders.get(name) is not None
            and self._orders[name]["position_id"] == row["id"]
            for name, order in ledger.orders.items()
        )
        sought = any(
            each["position_id"] == row["id"] and each["role"] == "exit" and self.is_unknown(name)
            for name, each in self._orders.items()
        )
        refused = self._refusal(subject, OrderType.STOP_MARKET) is not None
        return not rests and (refused or sought)

    def was_run_through(self, subject: str) -> bool:
        """The price went beyond the limit of a stop of its, which rested on; or it rested on with
        what was left, since too little was there at its limit.
        """
        number = subject.removeprefix(POSITION)
        return any(
            (order.run_through or (order.triggered and order.fills and order.left))
            for venue in self._facts.venues.values()
            for name, order in venue.ledger.orders.items()
            if name in self._orders and str(self._orders[name]["position_id"]) == number
        )

    def is_out_of_reach(self, subject: str) -> bool:
        row = self._open.get(subject.removeprefix(POSITION))
        return row is not None and not self._facts.settings.knows(row["symbol"], self._facts.now)

    def is_forced(self, subject: str) -> bool:
        ledger, symbol = self._place(subject)
        return ledger is not None and any(
            order.is_forced and order.request.symbol == symbol for order in ledger.orders.values()
        )

    def rests_foreign(self, subject: str) -> bool:
        ledger, number = self._place(subject)
        return ledger is not None and any(
            order.venue_order_id == number and order.status in LIVE and not order.is_ours
            for order in ledger.orders.values()
        )

    def was_moved(self, subject: str) -> bool:
        """Somebody else has paid in, taken out or traded; or it was not money all the time; or it
        was looked at for the first time between a trade of ours and our hearing of it; or funding
        has been paid that venues are asked for every quarter of an hour.
        """
        ledger, asset = self._place(subject)
        return ledger is not None and (
            any(flow.asset == asset and not flow.ours for flow in ledger.flows)
            or not self._facts.settings.was_always_money(asset)
            or (ledger.venue, asset) in self._first_seen_late
            or any(
                flow.kind == "funding"
                and flow.asset == asset
                and self._facts.now - self._facts.seconds(flow.at) <= BOOKED
                for flow in ledger.flows
            )
        )

    def is_impossible(self, subject: str) -> bool:
        """The venue has let it fall below nothing, or holds more of it back than there is."""
        ledger, asset = self._place(subject)
        return ledger is not None and ledger.free(asset) < 0

    def has_lost(self, subject: str) -> bool:
        """The account's halt stands until its day is over.

        A small account with leverage comes to the 90 % that are its limits otherwise, too.
        """
        del subject
        limits = self._facts.plan.limits
        least = min(limits.max_daily_loss, limits.max_drawdown)
        return Draw.ACCOUNT_LIMITS in self._facts.plan.on or most_lost(self._facts) >= least

    def has_exceeded(self, subject: str) -> bool:
        return exceeded(subject, self._orders, self._facts)

    def has_changed(self, subject: str) -> bool:
        """Its step of quantities is another one since noon; or a vendor tells more than the file has."""
        if self._facts.plan.vendor is not None:
            return True
        ledger, symbol = self._place(subject)
        former = self._facts.plan.market(symbol).instrument.lot_size
        return ledger is not None and ledger.instruments[symbol].lot_size != former

    def is_worth_nothing(self, subject: str) -> bool:
        """No price says what it is worth."""
        name, _, asset = subject.partition(" ")
        symbol, tape = f"{asset}{CURRENCY}", self._facts.tape
        return bool(name) and not (symbol in tape.prices and tape.shown[symbol])

    def _place(self, subject: str) -> tuple[Ledger | None, str]:
        name, _, what = subject.partition(" ")
        venue = next((each for each in self._facts.venues.values() if each.name == name), None)
        return (None if venue is None else venue.ledger), what

    def _refusal(self, subject: str, kind: OrderType) -> str | None:
        row = self._open.get(subject.removeprefix(POSITION))
        if row is None:
            return None
        market = self._facts.plan.market(row["symbol"])
        if not self._facts.street.is_open(row["symbol"]):
            return "market closed"
        ledger = self._facts.venues[row["venue"]].ledger
        lot = ledger.instruments[row["symbol"]].lot_size
        quantity = row["quantity"] // lot * lot
        futures = row["position_type"] == PositionType.FUTURES
        price = self._facts.street.prices[row["symbol"]]
        request = OrderRequest(
            venue=market.instrument.venue,
            symbol=row["symbol"],
            side=PositionSide(row["side"]).exit,
            type=kind,
            time_in_force=TimeInForce.GTC if kind is OrderType.STOP_MARKET else TimeInForce.IOC,
            quantity=max(quantity, lot),
            position_type=PositionType.FUTURES if futures else PositionType.SPOT,
            reduce_only=futures,
            stop_price=_stop_of(row) if kind is OrderType.STOP_MARKET else None,
        )
        if quantity <= 0:
            return "less than a lot"
        return ledger.refusal(request, price)


def _stop_of(row: Any) -> Decimal | None:
    known: list[Decimal] = [
        each for each in (row["stop_loss"], row["trailing_stop"]) if each is not None
    ]
    if not known:
        return None
    return max(known) if row["side"] == PositionSide.LONG else min(known)


def _never(reasons: Reasons, subject: str) -> bool:
    """A contradiction, which no venue of the simulation tells."""
    del reasons, subject
    return False


EXPLAINED: Final[dict[str, Why]] = {
    "position_differs": Reasons.is_different,
    "external_position": Reasons.is_different,
    "external_order": Reasons.rests_foreign,
    "order_unknown": Reasons.is_unknown,
    "exit_refused": Reasons.is_refused,
    "exit_exceeds_balance": Reasons.was_short,
    "resting_stop_lost": Reasons.has_no_stop,
    "stop_limit_unfilled": Reasons.was_run_through,
    "position_unprotected": Reasons.is_out_of_reach,
    "fill_exceeds_position": Reasons.has_exceeded,
    "fee_unvalued": Reasons.is_worth_nothing,
    "forced_close": Reasons.is_forced,
    "account_limit_reached": Reasons.has_lost,
    "cash_jumped": Reasons.was_moved,
    "balance_contradicts": Reasons.is_impossible,
    "instrument_changed": Reasons.has_changed,
}
