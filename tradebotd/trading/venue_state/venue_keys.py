"""API keys, judged before they are used: what a venue says that they may do, and its clock.

A key that may move money away is no key to trade with; the daemon does not start with it. While a
venue cannot be reached nothing is known of its key: then the daemon starts, guards what is open,
and enters nothing there until the venue has told.
"""

from collections.abc import Mapping
from typing import Final

import anyio
import structlog

from tradebotd.domain.errors import (
    ConfigError,
    OrderRejectedError,
    VenueError,
    VenueUnavailableError,
)
from tradebotd.domain.ids import VenueName
from tradebotd.ports.venue import KeyVerdict, Venue, VetsItsKey
from tradebotd.trading.venue_state.venue_holds import VenueHolds

log = structlog.get_logger(__name__)

KEY: Final = "key"
ASK_SECONDS: Final = 15.0
# How adapters begin their words for a key, a signature or a right that the venue does not take.
NOT_TAKEN: Final = "auth: "


class VenueKeys:
    """Keeper of the verdicts. A venue that says nothing of keys is taken as it is."""

    def __init__(self, venues: Mapping[VenueName, Venue], holds: VenueHolds) -> None:
        self._holds = holds
        self._unvetted = {
            name: venue for name, venue in venues.items() if isinstance(venue, VetsItsKey)
        }
        self._refused: dict[VenueName, tuple[str, ...]] = {}
        for name in self._unvetted:
            holds.hold(name, KEY, f"it is not known yet what the key of {name} may do")

    async def refuse_bad_ones(self) -> None:
        """Ask for every verdict, before anything is traded. Raises ConfigError."""
        await self.check()
        problems = [f"venues.{name}: {why}" for name, each in self._refused.items() for why in each]
        if problems:
            raise ConfigError(problems)

    async def check(self) -> None:
        """Ask the venues that have not told yet; one that refuses later takes no entry."""
        async with anyio.create_task_group() as asking:
            for name, venue in list(self._unvetted.items()):
                asking.start_soon(self._check, name, venue)

    async def _check(self, name: VenueName, venue: VetsItsKey) -> None:
        try:
            with anyio.fail_after(ASK_SECONDS):
                verdict = await venue.vet_key()
        except (VenueUnavailableError, TimeoutError) as error:
            log.warning("key not vetted", venue=name, error=str(error) or "timed out")
            return
        except VenueError as error:
            verdict = KeyVerdict(refusals=(_refusal_of(error),))
        for warning in verdict.warnings:
            log.warning("key doubtful", venue=name, reason=warning)
        if verdict.refusals:
            self._refused[name] = verdict.refusals
            for reason in verdict.refusals:  # of the key, the clock, or the account and its modes
                log.error("venue refused", venue=name, reason=reason)
            self._holds.hold(name, KEY, f"{name}: {verdict.refusals[0]}")
            return
        self._refused.pop(name, None)
        self._unvetted.pop(name, None)
        self._holds.release(name, KEY)


def _refusal_of(error: VenueError) -> str:
    """Return the venue's words, and what to look at where it does not take the key."""
    told = f"it is not told what the API key may do: {error}"
    if isinstance(error, OrderRejectedError) and error.reason.startswith(NOT_TAKEN):
        return (
            f"{told}: api_key and api_secret do not belong together, or the key is of another"
            " place (demo, testnet, live), or it is not allowed from this address or to do this"
        )
    return told
