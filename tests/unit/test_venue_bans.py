"""How long a venue that bans us is left alone, and who may ask it first."""

from datetime import UTC, datetime, timedelta

from tradebotd.domain.errors import VenueUnavailableError
from tradebotd.domain.ids import VenueName
from tradebotd.domain.venue_ban import (
    FIRST_PAUSE,
    LONGEST_BELIEVED,
    LONGEST_PAUSE,
    LONGEST_PROBE,
    LONGEST_UNASKED,
    VenueBan,
    VenueBans,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
VENUE, OTHER = VenueName("one"), VenueName("two")
SECOND = timedelta(seconds=1)


def banned(until: datetime | None = None) -> VenueUnavailableError:
    return VenueUnavailableError("429", until, banned=True)


def ban_of(bans: VenueBans) -> VenueBan:
    ban = bans.ban(VENUE)
    assert ban is not None
    return ban


def test_a_ban_with_an_end_is_waited_out_and_says_so() -> None:
    """Until it is over nobody asks; then everybody may, and the first answer ends it."""
    bans, until = VenueBans(), NOW + timedelta(minutes=5)
    bans.refused(VENUE, banned(until), NOW)

    assert bans.holds(VENUE, until - SECOND) is not None
    assert bans.holds(OTHER, NOW) is None
    assert str(ban_of(bans)) == "it is not asked until 2026-03-01 12:05:00 UTC: 429"
    bans.begin(VENUE, until)
    assert bans.holds(VENUE, until) is None

    bans.answered(VENUE)
    assert bans.standing == {}


def test_an_error_that_is_no_ban_keeps_nobody() -> None:
    bans = VenueBans()
    bans.refused(VENUE, VenueUnavailableError("connection refused"), NOW)

    assert bans.standing == {}


def test_of_two_ends_told_side_by_side_the_later_one_counts() -> None:
    bans, until = VenueBans(), NOW + timedelta(minutes=5)
    bans.refused(VENUE, banned(until), NOW)
    bans.refused(VENUE, banned(NOW + SECOND), NOW)

    assert ban_of(bans).until == until


def test_a_ban_without_an_end_is_asked_after_ever_longer_pauses_up_to_a_bound() -> None:
    """Nothing is retried for ever at full rate."""
    bans, now, pauses = VenueBans(), NOW, []
    for _ in range(9):
        bans.refused(VENUE, banned(), now)
        pauses.append(ban_of(bans).until - now)
        now = ban_of(bans).until

    assert pauses[:3] == [FIRST_PAUSE, FIRST_PAUSE * 2, FIRST_PAUSE * 4]
    assert pauses[-1] == pauses[-2] == LONGEST_PAUSE
    assert "says no end" in str(ban_of(bans))
    assert ban_of(bans).since == NOW


def test_answers_to_calls_side_by_side_lengthen_the_pause_once() -> None:
    bans = VenueBans()
    for _ in range(5):
        bans.refused(VENUE, banned(), NOW)

    assert ban_of(bans).until == NOW + FIRST_PAUSE


def test_behind_a_ban_without_an_end_one_asks_and_the_others_wait_for_its_answer() -> None:
    bans = VenueBans()
    bans.refused(VENUE, banned(), NOW)
    later = NOW + FIRST_PAUSE

    assert bans.holds(VENUE, later) is None
    probe = bans.begin(VENUE, later)
    assert bans.holds(VENUE, later) is not None

    bans.end(VENUE, probe)  # it was cut, or no answer came: the next one may ask
    assert bans.holds(VENUE, later) is None


def test_only_the_call_that_probes_ends_its_probe() -> None:
    """M2.6: one that was sent before the ban ends meanwhile, and lets nobody else in."""
    bans = VenueBans()
    earlier = bans.begin(VENUE, NOW)
    bans.refused(VENUE, banned(), NOW)
    later = NOW + FIRST_PAUSE
    probe = bans.begin(VENUE, later)

    bans.end(VENUE, earlier)

    assert bans.holds(VENUE, later) is not None
    bans.end(VENUE, probe)
    assert bans.holds(VENUE, later) is None


def test_a_probe_that_hangs_keeps_the_others_for_a_minute() -> None:
    """M2.6: then the next one may ask; the end of the first says nothing of the second."""
    bans = VenueBans()
    bans.refused(VENUE, banned(), NOW)
    later = NOW + FIRST_PAUSE
    hung = bans.begin(VENUE, later)

    assert bans.holds(VENUE, later + LONGEST_PROBE - SECOND) is not None
    assert bans.holds(VENUE, later + LONGEST_PROBE) is None
    bans.begin(VENUE, later + LONGEST_PROBE)
    bans.end(VENUE, hung)

    assert bans.holds(VENUE, later + LONGEST_PROBE) is not None


def test_an_end_that_is_far_off_is_doubted_every_hour() -> None:
    """M2.6: no exit waits three days for a misread date; one asks, the others wait for it."""
    bans, until = VenueBans(), NOW + timedelta(days=3)
    bans.refused(VENUE, banned(until), NOW)
    hour = NOW + LONGEST_UNASKED

    assert str(ban_of(bans)) == (
        "it says that it must not be asked until 2026-03-04 12:00:00 UTC; one call asks at"
        " 2026-03-01 13:00:00 UTC all the same, and then hourly: 429"
    )
    assert bans.holds(VENUE, hour - SECOND) is not None
    assert bans.holds(VENUE, hour) is None
    probe = bans.begin(VENUE, hour)
    assert bans.holds(VENUE, hour) is not None

    bans.refused(VENUE, banned(hour + timedelta(minutes=5)), hour)  # the venue knows better now
    bans.end(VENUE, probe)
    assert ban_of(bans).until == hour + timedelta(minutes=5)
    assert bans.holds(VENUE, ban_of(bans).until) is None


def test_an_end_that_no_venue_means_is_none() -> None:
    """Milliseconds taken for seconds, or a clock that is off: said, and not waited for."""
    for until in (NOW - SECOND, NOW + LONGEST_BELIEVED + SECOND):
        bans = VenueBans()
        bans.refused(VENUE, banned(until), NOW)

        assert ban_of(bans).until == NOW + FIRST_PAUSE
        assert "no end to believe" in ban_of(bans).reason


def test_an_end_that_is_believed_is_doubted_by_no_order() -> None:
    """M2.6: an order that a ban keeps may be forbidden money; a question costs nothing."""
    bans, until = VenueBans(), NOW + timedelta(days=3)
    bans.refused(VENUE, banned(until), NOW)
    hour = NOW + LONGEST_UNASKED

    assert bans.holds(VENUE, hour, acts=True) is not None
    assert bans.holds(VENUE, hour) is None
    assert bans.holds(VENUE, until - SECOND, acts=True) is not None
    assert bans.holds(VENUE, until, acts=True) is None


def test_behind_a_ban_without_an_end_an_order_may_ask() -> None:
    bans = VenueBans()
    bans.refused(VENUE, banned(), NOW)

    assert bans.holds(VENUE, NOW + FIRST_PAUSE - SECOND, acts=True) is not None
    assert bans.holds(VENUE, NOW + FIRST_PAUSE, acts=True) is None


def test_a_doubt_that_is_answered_without_an_end_keeps_the_end_that_was_told() -> None:
    """M2.6: whoever has been told three days does not ask after a minute again."""
    bans, until, now = VenueBans(), NOW + timedelta(days=3), NOW
    bans.refused(VENUE, banned(until), now)
    asked = 0
    while now < until:
        now = ban_of(bans).until
        bans.refused(VENUE, banned(), now)
        asked += 1
        if now < until:
            assert ban_of(bans).ends_at == until
            assert ban_of(bans).until in {until, now + LONGEST_PAUSE}
            assert bans.holds(VENUE, min(now + LONGEST_PAUSE, until) - SECOND) is not None
            assert bans.holds(VENUE, until - SECOND, acts=True) is not None

    assert ban_of(bans).until - now == LONGEST_PAUSE, (
        "the end has passed, and it was a ban for days"
    )
    assert asked == 1 + (until - NOW - LONGEST_UNASKED) / LONGEST_PAUSE
    assert "says no end" in str(ban_of(bans))


def test_how_often_a_kept_end_is_doubted_is_said() -> None:
    bans, until = VenueBans(), NOW + timedelta(days=3)
    bans.refused(VENUE, banned(until), NOW)
    bans.refused(VENUE, banned(), NOW + LONGEST_UNASKED)

    assert str(ban_of(bans)) == (
        "it says that it must not be asked until 2026-03-04 12:00:00 UTC; one call asks at"
        " 2026-03-01 13:30:00 UTC all the same, and then every 30 minutes: 429"
    )
