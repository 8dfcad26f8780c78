"""Accounts at the venues: asked concurrently, shared for a moment, and kept for silent venues."""

import traceback
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

import anyio
import structlog

from tradebotd.domain.decimals import ZERO
from tradebotd.domain.errors import VenueError
from tradebotd.domain.ids import BotName, VenueName
from tradebotd.domain.instrument import PositionType
from tradebotd.ports.venue import Venue, VenueAccount
from tradebotd.storage.equity import Flows, Purse
from tradebotd.trading.contradictions import is_readable

log = structlog.get_logger(__name__)

ASK_SECONDS: Final = 10.0
SHORT_SECONDS: Final = 2.0  # while others wait for the answer, too
SHARED_SECONDS: Final = 1.0
AGAIN_SECONDS: Final = 10.0  # host time: a hurried caller asks a silent venue no sooner


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A venue's answer, and the state of our books then.

    `calm`: no order was under way at that moment, and no fill came in; `exact`: nor can there be a
    fill that we have not heard of. `at`: host time, in seconds of the event loop.
    """

    account: VenueAccount
    booked: Mapping[Purse, Decimal]
    held: Mapping[tuple[BotName, str], Decimal]
    calm: bool
    exact: bool
    at: float

    def balance(self, purse: Purse, booked: Mapping[Purse, Decimal]) -> Decimal:
        """Return the balance as it is by now, when our books say *booked*."""
        moved = booked.get(purse, ZERO) - self.booked.get(purse, ZERO)
        return self.account.balances.get(purse[1], ZERO) + moved


class VenueAccounts:
    """Answers of the venues by name. In memory only: after a start none is known."""

    def __init__(self, venues: Mapping[VenueName, Venue]) -> None:
        self._venues = venues
        self._latest: dict[VenueName, Told] = {}
        self._known: dict[VenueName, Told] = {}
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
            why = f"{type(error).__name__}: {error}"
        except Exception as error:  # noqa: BLE001 - an adapter may fail in any way
            trace = traceback.format_exc()  # not by exc_info: renderers read source files
            log.error("venue account failed", venue=name, traceback=trace)  # noqa: TRY400
            why = f"{type(error).__name__}: {error}"
        else:
            if is_readable(account):
                answers[name] = account
                self._silent.pop(name, None)
                return
            why = "its account is no numbers"
        self._silent[name] = (why, anyio.current_time())

    def remember(
        self, name: VenueName, account: VenueAccount, flows: Flows, *, calm: bool, exact: bool
    ) -> Told:
        """Keep an answer; *flows*: our books directly after it."""
        told = Told(
            account=account,
            booked=booked_cash(flows),
            held=_held(flows, name),
            calm=calm,
            exact=calm and exact,
            at=anyio.current_time(),
        )
        self._latest[name] = told
        known = self._known.get(name)
        if told.exact or known is None or not known.exact:
            self._known[name] = told
        return told

    def shared(self, name: VenueName, flows: Flows) -> Told | None:
        """Return the venue's latest answer if it is fresh and only entries were booked since.

        A venue may count a sale before it reports it: adding the sale again would count it twice.
        Returns None otherwise.
        """
        told = self._latest.get(name)
        if told is None or not told.calm or not self.is_fresh(name):
            return None
        now = _held(flows, name)
        if any(now.get(key, ZERO) < quantity for key, quantity in told.held.items()):
            return None
        return told

    def is_fresh(self, name: VenueName) -> bool:
        """Return whether the venue was asked a moment ago."""
        told = self._latest.get(name)
        return told is not None and anyio.current_time() - told.at <= SHARED_SECONDS

    def last(self, name: VenueName) -> Told | None:
        """Return the best of the venue's answers; None when there was none since the start."""
        return self._known.get(name)

    def why_silent(self, name: VenueName) -> str | None:
        """Return why the venue is silent; None if it answered last time, or was never asked."""
        silent = self._silent.get(name)
        return None if silent is None else silent[0]

    def is_left_alone(self, name: VenueName) -> bool:
        """Return whether the venue was silent a moment ago."""
        silent = self._silent.get(name)
        return silent is not None and anyio.current_time() - silent[1] <= AGAIN_SECONDS


def booked_cash(flows: Flows) -> dict[Purse, Decimal]:
    """Return what our books have moved in each purse: results, less the cost of spot holdings."""
    booked: dict[Purse, Decimal] = defaultdict(Decimal, flows.sums)
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
