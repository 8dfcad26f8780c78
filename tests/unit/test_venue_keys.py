"""API keys that are judged before anything is traded: refused, warned of, or not known yet."""

from collections.abc import Sequence
from typing import cast

import pytest
from structlog.testing import capture_logs

from tests.fakes.host import ShiftedHost
from tests.unit.binance.samples import node
from tradebotd.domain.errors import ConfigError, OrderRejectedError, VenueUnavailableError
from tradebotd.domain.ids import VenueName
from tradebotd.domain.venue_ban import VenueBans
from tradebotd.ports.venue import KeyVerdict, Venue
from tradebotd.trading.venue_state.venue_holds import VenueHolds
from tradebotd.trading.venue_state.venue_keys import VenueKeys
from tradebotd.venues.binance.permissions import key_refusals, key_warnings, permissions_of

SPOT, PAPER = VenueName("spot"), VenueName("paper")
RIGHTS = {
    "ipRestrict": True,
    "createTime": 1_700_000_000_000,
    "enableReading": True,
    "enableSpotAndMarginTrading": True,
    "enableWithdrawals": False,
    "enableInternalTransfer": False,
    "permitsUniversalTransfer": False,
    "enableMargin": False,
    "enableFutures": False,
    "enableVanillaOptions": False,
    "enableFixApiTrade": False,
    "enableFixReadOnly": False,
    "enablePortfolioMarginTrading": False,
}


class Vetted:
    """A venue that says what its key may do, one answer after the other."""

    def __init__(self, answers: Sequence[KeyVerdict | Exception]) -> None:
        self.answers = list(answers)

    async def vet_key(self) -> KeyVerdict:
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def keys_of(*answers: KeyVerdict | Exception) -> tuple[VenueKeys, VenueHolds]:
    holds = VenueHolds(VenueBans(), ShiftedHost())
    venues = {SPOT: cast("Venue", Vetted(answers)), PAPER: cast("Venue", object())}
    return VenueKeys(venues, holds), holds


def refused(*, allow: bool = False, **changed: bool) -> list[str]:
    key = permissions_of(node(RIGHTS | changed), trades="enableSpotAndMarginTrading")
    return list(key_refusals(key, allow_unrestricted=allow))


def test_a_key_that_may_only_read_and_trade_is_good() -> None:
    assert refused() == []


@pytest.mark.parametrize(
    ("right", "words"),
    [
        ("enableWithdrawals", "withdraw"),
        ("enableInternalTransfer", "transfer to other accounts"),
        ("permitsUniversalTransfer", "transfer between wallets"),
    ],
)
def test_a_key_that_may_move_money_away_is_refused(right: str, words: str) -> None:
    """M8.3: whatever else is allowed."""
    (problem,) = refused(allow=True, **{right: True})
    assert words in problem


@pytest.mark.parametrize("right", ["enableReading", "enableSpotAndMarginTrading"])
def test_a_key_that_may_not_trade_is_refused(right: str) -> None:
    (problem,) = refused(**{right: False})
    assert "may not" in problem


def test_a_key_that_works_from_any_address_is_refused_unless_that_is_wanted() -> None:
    """M8.3: and then it is said at every start."""
    (problem,) = refused(ipRestrict=False)
    assert "allow_unrestricted_key" in problem
    assert refused(allow=True, ipRestrict=False) == []
    key = permissions_of(node(RIGHTS | {"ipRestrict": False}), trades="enableSpotAndMarginTrading")
    (warning,) = key_warnings(key, allow_unrestricted=True)
    assert "any address" in warning


def test_a_right_that_is_not_needed_is_warned_of() -> None:
    key = permissions_of(node(RIGHTS | {"enableMargin": True}), trades="enableSpotAndMarginTrading")
    (warning,) = key_warnings(key, allow_unrestricted=False)
    assert "borrow on margin" in warning


async def test_a_refused_key_ends_the_start() -> None:
    """M8.3: with the venue's path in the file."""
    keys, holds = keys_of(KeyVerdict(refusals=("it may withdraw", "and more")))
    with pytest.raises(ConfigError) as caught:
        await keys.refuse_bad_ones()
    assert caught.value.problems == ["venues.spot: it may withdraw", "venues.spot: and more"]
    assert holds.reason(SPOT) == "spot: it may withdraw"


async def test_a_clock_that_is_off_is_not_called_a_refused_key() -> None:
    """M6.1: each reason is a line of its own, by what it is about; so with an account's modes."""
    clock = "this machine's clock is 5.0 s behind the venue's; have it set by NTP"
    keys, _ = keys_of(KeyVerdict(refusals=(clock, "the account is in hedge mode")))
    with capture_logs() as logs:
        await keys.check()
    told = [(each["event"], each["reason"]) for each in logs]
    assert told == [("venue refused", clock), ("venue refused", "the account is in hedge mode")]


async def test_rights_that_cannot_be_read_are_a_refusal() -> None:
    """M8.3: an answer that says nothing of the key is no outage."""
    keys, _ = keys_of(OrderRejectedError("auth: Invalid API-key (-2015)"))
    with pytest.raises(ConfigError, match="not told what the API key may do: auth"):
        await keys.refuse_bad_ones()


async def test_a_key_that_is_not_taken_is_told_with_what_to_look_at() -> None:
    """M8.3: the venue's words alone do not say which line of the file is wrong."""
    keys, _ = keys_of(OrderRejectedError("auth: Signature for this request is not valid. (-1022)"))
    with pytest.raises(ConfigError, match="api_key and api_secret do not belong together") as told:
        await keys.refuse_bad_ones()
    assert "(-1022)" in str(told.value)
    assert "from this address" in str(told.value)


async def test_while_a_venue_is_away_nothing_is_entered_there_and_the_daemon_starts() -> None:
    """M6.4: what is open is guarded; the key is asked about again."""
    keys, holds = keys_of(VenueUnavailableError("away"), KeyVerdict(warnings=("it is open",)))
    await keys.refuse_bad_ones()
    assert "not known yet" in (holds.reason(SPOT) or "")
    with capture_logs() as logs:
        await keys.check()
    assert holds.reason(SPOT) is None
    assert [(each["event"], each["reason"]) for each in logs] == [("key doubtful", "it is open")]
    await keys.check()  # it is vetted once


async def test_a_key_that_is_refused_later_takes_no_entry() -> None:
    keys, holds = keys_of(VenueUnavailableError("away"), KeyVerdict(refusals=("it may withdraw",)))
    await keys.refuse_bad_ones()
    await keys.check()
    assert holds.reason(SPOT) == "spot: it may withdraw"
    assert holds.reason(PAPER) is None
