"""Accounts at the venues: asked concurrently, and kept for silent venues."""

import traceback
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

import anyio
import structlog

from tradebotd.domain.decimals import ZERO
from tradebotd.domain.errors import VenueError, describe_error
from tradebotd.domain.ids import OrderId, PositionId, VenueName
from tradebotd.domain.instrument import PositionType
from tradebotd.ports.venue import Venue, VenueAccount
from tradebotd.storage.equity import CashKey, Flows, OpenHolding
from tradebotd.trading.contradictions import is_readable

log = structlog.get_logger(__name__)

ASK_SECONDS: Final = 10.0
SHORT_SECONDS: Final = 2.0  # for an entry that is made elsewhere
SHARED_SECONDS: Final = 1.0  # host time: of an answer that is older an entry asks anew
# The most that an answer may be old: it is until then that an entry may not know of what our books
# do not tell, such as money that somebody has withdrawn.
USABLE_SECONDS: Final = 5.0
RETRY_SECONDS: Final = 10.0  # host time: an entry asks a silent venue no sooner

# What has been sold of an open position, and what funding has paid to it.
Sold = tuple[Decimal, Decimal]


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueAnswer:
    """A venue's answer, and the state of our books then.

    `calm`: no order was under way at that moment, and no fill came in; `exact`: nor can there be a
    fill that we have not heard of. `cautious`: no exit was under way; where entries were, some may
    count twice. `mixed`: of entries and exits that came in nobody knows which the answer has. `at`:
    host time, in seconds of the event loop. `held`: the quantity of each position that the answer
    has for certain; `counted`: entries that the venue had acknowledged before it was asked.
    """

    account: VenueAccount
    booked: Mapping[CashKey, Decimal]
    sold: Mapping[PositionId, Sold]
    held: Mapping[PositionId, Decimal]
    calm: bool
    cautious: bool
    mixed: bool
    exact: bool
    at: float
    counted: frozenset[OrderId] = frozenset()

    def balance(self, cash_key: CashKey, booked: Mapping[CashKey, Decimal]) -> Decimal:
        """Return the balance as it is by now, when our books say *booked*."""
        moved = booked.get(cash_key, ZERO) - self.booked.get(cash_key, ZERO)
        return self.account.balances.get(cash_key[1], ZERO) + moved

    def holds(self, name: VenueName, flows: Flows) -> bool:
        """Return whether only entries were booked at *name* since, so that `balance` is right.

        A venue may count a sale before it reports it: adding the sale again would count it twice.
        """
        now = _sold(flows, name)
        return all(now.get(position) == sold for position, sold in self.sold.items())


async def ask_account(venue: Venue, seconds: float) -> VenueAccount | str:
    """Ask for a venue's account with a time limit; return it, or why there is no answer."""
    try:
        with anyio.fail_after(seconds):
            account = await venue.account()
    except (VenueError, TimeoutError) as error:
        return describe_error(error)
    except Exception as error:  # noqa: BLE001 - an adapter may fail in any way
        trace = traceback.format_exc()  # not by exc_info: renderers read source files
        log.error("venue account failed", venue=venue.name, traceback=trace)  # noqa: TRY400
        return describe_error(error)
    return account if is_readable(account) else "its account is no numbers"


class VenueAccounts:
    """Answers of the venues by name. In memory only: after a start none is known."""

    def __init__(
        self, venues: Mapping[VenueName, Venue], seen: Callable[[VenueName, VenueAccount], None]
    ) -> None:
        """*seen* is shown each answer."""
        self._venues = venues
        self._seen = seen
        self._latest: dict[VenueName, VenueAnswer] = {}
        self._calm: dict[VenueName, VenueAnswer] = {}
        self._best: dict[VenueName, VenueAnswer] = {}
        self._silent: dict[VenueName, tuple[str, float]] = {}

    async def ask(
        self, names: Iterable[VenueName], seconds: float
    ) -> dict[VenueName, VenueAccount]:
        """Ask the venues concurrently, each with a time limit.

        A venue that does not answer is left out, and counts as silent.
        """
        answers: dict[VenueName, VenueAccount] = {}
        async with anyio.create_task_group() as asking:
            for name in sorted(names):
                asking.start_soon(self._ask, name, seconds, answers)
        return answers

    async def _ask(
        self, name: VenueName, seconds: float, answers: dict[VenueName, VenueAccount]
    ) -> None:
        answer = await ask_account(self._venues[name], seconds)
        if isinstance(answer, str):
            self._silent[name] = (answer, anyio.current_time())
            return
        self._seen(name, answer)
        answers[name] = answer
        self._silent.pop(name, None)

    def remember(
        self, name: VenueName, account: VenueAccount, before: Flows, flows: Flows, *, heard: bool
    ) -> VenueAnswer:
        """Keep an answer; *before*, *flows*: our books directly before and after it.

        *heard*: we have waited for reports of what rested there.
        """
        calm = not flows.moving and before == flows
        sold, sold_before = _sold(flows, name), _sold(before, name)
        # A round trip within the call is in neither of both, but for its result.
        ended = _ids(before) - _ids(flows)
        tripped = flows.closed - before.closed > len(ended)
        exits = before.exiting or flows.exiting or bool(sold_before.items() - sold.items())
        entries = before.pending != flows.pending or bool(sold.keys() - sold_before.keys())
        exits, entries = exits or tripped, entries or tripped
        # What came in meanwhile may be in the answer or not: entries are taken off once more.
        known = flows if exits else before
        answer = VenueAnswer(
            account=account,
            booked=booked_cash(known),
            sold=sold,
            held=_held(known, name),
            calm=calm,
            cautious=not exits,
            mixed=exits and entries,
            exact=calm and (heard or not flows.resting),
            at=anyio.current_time(),
            counted=frozenset(each.order_id for each in before.pending if each.acknowledged),
        )
        self._latest[name] = answer
        if calm:
            self._calm[name] = answer
        best = self._best.get(name)
        if answer.exact or best is None or not best.exact:
            self._best[name] = answer
        return answer

    def latest(self, name: VenueName) -> VenueAnswer | None:
        """Return the venue's latest answer; None when there was none since the start."""
        return self._latest.get(name)

    def latest_calm(self, name: VenueName) -> VenueAnswer | None:
        """Return the latest answer that came while no order was under way."""
        return self._calm.get(name)

    def last(self, name: VenueName) -> VenueAnswer | None:
        """Return the best of the venue's answers; None when there was none since the start."""
        return self._best.get(name)

    def silence_reason(self, name: VenueName) -> str | None:
        """Return why the venue is silent; None if it answered last time, or was never asked."""
        silent = self._silent.get(name)
        return None if silent is None else silent[0]

    def was_silent_recently(self, name: VenueName) -> bool:
        """Return whether the venue was silent a moment ago."""
        silent = self._silent.get(name)
        return silent is not None and anyio.current_time() - silent[1] <= RETRY_SECONDS


def booked_cash(flows: Flows) -> dict[CashKey, Decimal]:
    """Return what our books have moved in each purse: results, less the cost of spot holdings."""
    booked: dict[CashKey, Decimal] = defaultdict(Decimal, flows.sums)
    for holding in flows.holdings:
        if holding.position_type is PositionType.SPOT:
            booked[holding.venue, holding.quote_asset] -= holding.cost
            booked[holding.venue, holding.base_asset] += holding.quantity
    return dict(booked)


def bought_spot(holdings: Sequence[OpenHolding]) -> dict[CashKey, Decimal]:
    """Return the spot holdings by asset: not cash, even if it is another symbol's quote asset."""
    bought: dict[CashKey, Decimal] = defaultdict(Decimal)
    for holding in holdings:
        if holding.position_type is PositionType.SPOT:
            bought[holding.venue, holding.base_asset] += holding.quantity
    return bought


def _sold(flows: Flows, venue: VenueName) -> dict[PositionId, Sold]:
    return {
        holding.position_id: (holding.exited, holding.funding)
        for holding in flows.holdings
        if holding.venue == venue
    }


def _ids(flows: Flows) -> set[PositionId]:
    return {holding.position_id for holding in flows.holdings}


def _held(flows: Flows, venue: VenueName) -> dict[PositionId, Decimal]:
    return {
        holding.position_id: abs(holding.quantity)
        for holding in flows.holdings
        if holding.venue == venue
    }
