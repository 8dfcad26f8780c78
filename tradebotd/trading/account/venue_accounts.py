"""Accounts at the venues: asked concurrently, shared for a moment, and kept for silent venues."""

import traceback
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

import anyio
import structlog

from tradebotd.domain.decimals import ZERO
from tradebotd.domain.errors import VenueError, describe_error
from tradebotd.domain.ids import BotName, OrderId, VenueName
from tradebotd.domain.instrument import PositionType
from tradebotd.ports.venue import Venue, VenueAccount
from tradebotd.storage.equity import CashKey, Flows
from tradebotd.trading.contradictions import is_readable

log = structlog.get_logger(__name__)

ASK_SECONDS: Final = 10.0
SHORT_SECONDS: Final = 2.0  # while others wait for the answer, too
SHARED_SECONDS: Final = 1.0
RETRY_SECONDS: Final = 10.0  # host time: a hurried caller asks a silent venue no sooner


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueAnswer:
    """An answer, and what our books said then.

    `calm`: no order was under way at that moment, and no fill came in; `exact`: nor can one have
    come that we have not heard of. `at`: host time, in seconds of the event loop. `counted`:
    entries of ours that the venue had acknowledged before it was asked.
    """

    account: VenueAccount
    booked: Mapping[CashKey, Decimal]
    held: Mapping[tuple[BotName, str], Decimal]
    calm: bool
    exact: bool
    at: float
    counted: frozenset[OrderId] = frozenset()

    def balance(self, cash_key: CashKey, booked: Mapping[CashKey, Decimal]) -> Decimal:
        """Return the balance as it is by now, when our books say *booked*."""
        moved = booked.get(cash_key, ZERO) - self.booked.get(cash_key, ZERO)
        return self.account.balances.get(cash_key[1], ZERO) + moved


class VenueAccounts:
    """Answers of the venues by name. In memory only: after a start none is known."""

    def __init__(
        self, venues: Mapping[VenueName, Venue], seen: Callable[[VenueName, VenueAccount], None]
    ) -> None:
        """*seen* is shown each answer."""
        self._venues = venues
        self._seen = seen
        self._latest: dict[VenueName, VenueAnswer] = {}
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
        try:
            with anyio.fail_after(seconds):
                account = await self._venues[name].account()
        except (VenueError, TimeoutError) as error:
            reason = describe_error(error)
        except Exception as error:  # noqa: BLE001 - an adapter may fail in any way
            trace = traceback.format_exc()  # not by exc_info: renderers read source files
            log.error("venue account failed", venue=name, traceback=trace)  # noqa: TRY400
            reason = describe_error(error)
        else:
            if is_readable(account):
                self._seen(name, account)
                answers[name] = account
                self._silent.pop(name, None)
                return
            reason = "its account is no numbers"
        self._silent[name] = (reason, anyio.current_time())

    def remember(
        self,
        name: VenueName,
        account: VenueAccount,
        flows: Flows,
        *,
        calm: bool,
        exact: bool,
        counted: frozenset[OrderId],
    ) -> VenueAnswer:
        """*flows*: our books directly after the answer; *counted*: see `VenueAnswer`."""
        answer = VenueAnswer(
            account=account,
            booked=booked_cash(flows),
            held=_held(flows, name),
            calm=calm,
            exact=calm and exact,
            at=anyio.current_time(),
            counted=counted,
        )
        self._latest[name] = answer
        best = self._best.get(name)
        if answer.exact or best is None or not best.exact:
            self._best[name] = answer
        return answer

    def shared(self, name: VenueName, flows: Flows) -> VenueAnswer | None:
        """Return the venue's latest answer if it is fresh and only entries were booked since.

        A venue may count a sale before it reports it: adding the sale again would count it twice.
        Returns None otherwise.
        """
        answer = self._latest.get(name)
        if answer is None or not answer.calm or not self.is_fresh(name):
            return None
        held_now = _held(flows, name)
        if any(held_now.get(key, ZERO) < quantity for key, quantity in answer.held.items()):
            return None
        return answer

    def is_fresh(self, name: VenueName) -> bool:
        """Return whether the venue was asked a moment ago."""
        answer = self._latest.get(name)
        return answer is not None and anyio.current_time() - answer.at <= SHARED_SECONDS

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
    for flow in flows.bots:
        for holding in flow.holdings:
            if holding.position_type is PositionType.SPOT:
                booked[holding.venue, holding.quote_asset] -= holding.cost
                booked[holding.venue, holding.base_asset] += holding.quantity
    return dict(booked)


def _held(flows: Flows, venue: VenueName) -> dict[tuple[BotName, str], Decimal]:
    return {
        (flow.bot, holding.symbol): abs(holding.quantity)
        for flow in flows.bots
        for holding in flow.holdings
        if holding.venue == venue
    }
